# The worker: torch, ONNX, ONNX Runtime and S3, no Kubernetes. From the repository's root:
#   docker build -f docker/worker.Dockerfile -t lathe-worker .
# ENGINE_EXTRA adds an engine builder, `tensorrt-rtx` or `tensorrt`. Its wheels carry NVIDIA's
# licence: an image that holds one is for its builder's own use and is not to be passed on.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm

# uv works in stages of its own or is mounted: the image does not hold it.
FROM ${BASE_IMAGE} AS uv
ARG UV_VERSION=0.13.9
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir "uv==${UV_VERSION}"
ENV PATH=/opt/uv/bin:$PATH UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1
WORKDIR /source

FROM uv AS locked
ARG ENGINE_EXTRA=
COPY pyproject.toml uv.lock ./
RUN uv export --frozen --quiet --no-dev --no-emit-project --extra worker \
    ${ENGINE_EXTRA:+--extra} ${ENGINE_EXTRA} --output-file /requirements.txt

FROM uv AS code
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
COPY workers workers
COPY crds/lathe_api crds/lathe_api
RUN uv build --wheel --out-dir /wheel \
    && uv pip install --no-deps --compile-bytecode --target /code /wheel/*.whl \
    && rm -rf /code/bin

FROM ${BASE_IMAGE}
# What is installed changes only when the lock does: gigabytes that a change of code leaves alone.
COPY --from=locked /requirements.txt /opt/lathe/requirements.txt
RUN --mount=type=bind,from=uv,source=/opt/uv,target=/opt/uv \
    export UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 \
    && /opt/uv/bin/uv venv --allow-existing --python python3 /opt/lathe \
    && /opt/uv/bin/uv pip install --python /opt/lathe --compile-bytecode --no-deps \
    --require-hashes --requirements /opt/lathe/requirements.txt \
    && rm -f /tmp/uv-*.lock
COPY --from=code /code /opt/lathe/code

# Runs as any user on a root file system that cannot be written: what is written goes to /tmp and
# /workspace. Libraries that look up the user's name or home find them in the environment.
ENV HOME=/tmp \
    LOGNAME=lathe \
    MPLCONFIGDIR=/tmp/matplotlib \
    PATH=/opt/lathe/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/opt/lathe/code \
    PYTHONUNBUFFERED=1 \
    TORCHINDUCTOR_CACHE_DIR=/tmp/torchinductor \
    TRITON_CACHE_DIR=/tmp/triton \
    USER=lathe \
    XDG_CACHE_HOME=/tmp/cache
USER 65532:65532
WORKDIR /workspace
ENTRYPOINT ["python", "-m", "lathe_worker.main"]

ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="lathe-worker" \
      org.opencontainers.image.description="Runs the steps of one ModelOptimization" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"

# The worker: torch, ONNX, ONNX Runtime and S3, no Kubernetes. From the repository's root:
#   docker build -f docker/worker.Dockerfile -t lathe-worker .
# VARIANT says which engine builder is in it:
#   onnxruntime   none
#   tensorrt-rtx  TensorRT for RTX, which needs no GPU to build
#   tensorrt      the TensorRT of BASE_IMAGE, such as nvcr.io/nvidia/tensorrt:TAG-py3; for GPU nodes
# What NVIDIA wrote is under NVIDIA's licence: an image that holds it is for its builder's own use
# and is not to be passed on.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm
# Where uv comes from, and nothing else; it needs venv or pip.
ARG BUILD_IMAGE=${BASE_IMAGE}

# uv works in stages of its own or is mounted: the image does not hold it.
FROM ${BUILD_IMAGE} AS uv
ARG UV_VERSION=0.13.9
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir "uv==${UV_VERSION}"
ENV PATH=/opt/uv/bin:$PATH UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1
WORKDIR /source

FROM uv AS locked
ARG VARIANT=onnxruntime
COPY pyproject.toml uv.lock ./
RUN case "${VARIANT}" in \
    onnxruntime|tensorrt) extra= ;; \
    tensorrt-rtx) extra="--extra tensorrt-rtx" ;; \
    *) echo "VARIANT is onnxruntime, tensorrt-rtx or tensorrt, not ${VARIANT}" >&2; exit 1 ;; \
    esac \
    && uv export --frozen --quiet --no-dev --no-emit-project --extra worker ${extra} \
    --output-file /requirements.txt

FROM uv AS code
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
COPY workers workers
COPY crds/lathe_api crds/lathe_api
RUN uv build --wheel --out-dir /wheel \
    && uv pip install --no-deps --compile-bytecode --target /code /wheel/*.whl \
    && rm -rf /code/bin /code/lathe_operator /code/lathe_kubectl

FROM ${BASE_IMAGE}
ARG VARIANT=onnxruntime
# What is installed changes only when the lock does: gigabytes that a change of code leaves alone.
# NVIDIA's image brings TensorRT in the system's Python; everything else is the lock's.
COPY --from=locked /requirements.txt /opt/lathe/requirements.txt
RUN --mount=type=bind,from=uv,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=docker/duplicates.py,target=/opt/duplicates.py \
    export UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 \
    && if [ "${VARIANT}" = tensorrt ]; then python3 -c "import tensorrt"; shared=--system-site-packages; fi \
    && /opt/uv/bin/uv venv --allow-existing ${shared:-} --python python3 /opt/lathe \
    && /opt/uv/bin/uv pip install --python /opt/lathe --compile-bytecode --no-deps \
    --require-hashes --requirements /opt/lathe/requirements.txt \
    && python3 /opt/duplicates.py /opt/lathe \
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

ARG BASE_IMAGE
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="lathe-worker" \
      org.opencontainers.image.description="Runs the steps of one ModelOptimization" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      dev.lathe.variant="${VARIANT}"

# The operator: kopf and a Kubernetes client, no toolchain, no S3, no shell. From the repository's root:
#   docker build -f docker/operator.Dockerfile -t lathe-operator .
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm

# uv works in stages of its own or is mounted: the image does not hold it.
FROM ${BASE_IMAGE} AS uv
ARG UV_VERSION=0.13.9
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir "uv==${UV_VERSION}"
ENV PATH=/opt/uv/bin:$PATH UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1
WORKDIR /source

FROM uv AS locked
COPY pyproject.toml uv.lock ./
RUN uv export --frozen --quiet --no-dev --no-emit-project --extra operator \
    --output-file /requirements.txt

FROM uv AS code
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
COPY workers workers
COPY crds/lathe_api crds/lathe_api
RUN uv build --wheel --out-dir /wheel \
    && uv pip install --no-deps --compile-bytecode --target /code /wheel/*.whl \
    && rm -rf /code/bin /code/lathe_worker /code/lathe_kubectl

FROM ${BASE_IMAGE} AS installed
COPY --from=locked /requirements.txt /opt/lathe/requirements.txt
# Of the Kubernetes client we use the connection, kopf uses two models, and nobody the other 2,000
# generated modules: 50 MB, which are imported by name only when they are used.
RUN --mount=type=bind,from=uv,source=/opt/uv,target=/opt/uv \
    export UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 \
    && /opt/uv/bin/uv venv --allow-existing --python python3 /opt/lathe \
    && /opt/uv/bin/uv pip install --python /opt/lathe --no-deps \
    --require-hashes --requirements /opt/lathe/requirements.txt \
    && cd /opt/lathe/lib/python3*/site-packages/kubernetes \
    && find client/api client/models aio/client/api aio/client/models -name '*.py' \
    ! -name __init__.py ! -name v1_object_meta.py ! -name v1_owner_reference.py \
    ! -name v1_managed_fields_entry.py -delete \
    && /opt/lathe/bin/python -m compileall -q /opt/lathe/lib
COPY docker/runtime.py /runtime.py
RUN python3 /runtime.py /opt/lathe /runtime

# Three layers: Python, which changes with the base image; what the lock says; the code.
FROM scratch
COPY --from=installed /runtime /
COPY --from=installed /opt/lathe /opt/lathe
COPY --from=code /code /opt/lathe/code

# Runs as any user on a root file system that cannot be written: what is written goes to /tmp.
ENV HOME=/tmp \
    LOGNAME=lathe \
    PATH=/opt/lathe/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/opt/lathe/code \
    PYTHONUNBUFFERED=1 \
    USER=lathe
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["python", "-m", "lathe_operator.main"]

ARG BASE_IMAGE
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="lathe-operator" \
      org.opencontainers.image.description="Runs ModelOptimization resources as Jobs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"

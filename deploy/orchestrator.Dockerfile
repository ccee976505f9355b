# The control plane: no model library, no weights, nothing that compiles.
#
#   docker build -f deploy/orchestrator.Dockerfile -t voice-agent/orchestrator .
#
# The context is the root of the repository. Works with BuildKit and without it.

# What both stages stand on. A mirror or an own base: --build-arg BASE=...
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
# pip's own settings, for indexes that are not the public one. Unset, they are not there.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/runtime.txt deploy/requirements/orchestrator.txt ./
# Two environments: one that builds and one that is shipped, which has no pip.
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install $(grep -E '^(pip|setuptools)==' runtime.txt) \
 && python -m venv --without-pip /opt/venv \
 && /opt/build/bin/pip --python /opt/venv/bin/python install \
      --no-deps --only-binary=:all: --constraint runtime.txt --requirement orchestrator.txt
COPY proto proto
COPY services/operations services/operations
COPY services/orchestrator services/orchestrator
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels \
      ./proto ./services/operations ./services/orchestrator \
 && /opt/build/bin/pip --python /opt/venv/bin/python install --no-deps --no-index wheels/*.whl

FROM ${BASE}
# Folders that volumes are mounted on take over owner and mode from here.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin agent \
 && install --directory --owner=10001 --group=10001 --mode=0700 /data \
 && install --directory --owner=10001 --group=10001 --mode=0750 \
      /identities /identities/authority /identities/orchestrator /identities/inference /identities/edge \
      /identities/operator
COPY --from=build /opt/venv /opt/venv
COPY configs/agent_profiles /app/profiles
COPY deploy/health.py deploy/identities.sh /app/
# gRPC itself would log a line for every stranger who knocks; the service counts them.
ENV PATH=/opt/venv/bin:${PATH} \
    GRPC_VERBOSITY=NONE \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    VOICE_AGENT_DATA=/data \
    VOICE_AGENT_PROFILES=/app/profiles
WORKDIR /app
USER 10001:10001
EXPOSE 50051 9091
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --retries=3 --start-period=60s CMD ["python", "/app/health.py", "9091"]
ENTRYPOINT ["voice-orchestrator"]
CMD ["serve"]

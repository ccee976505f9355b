# The inference plane: engines, weights, and nothing that compiles.
#
#   docker build -f deploy/inference.Dockerfile -t voice-agent/inference .
#
# The context is the root of the repository. Works with BuildKit and without it. The first build compiles llama.cpp
# (minutes on two cores), which stays cached until its version changes, and pulls the weights (0.3 GB).

# What every stage stands on. A mirror or an own base: --build-arg BASE=...
ARG BASE=python:3.11-slim-bookworm

# What takes long to build depends on these few versions only, and not on the others in the same file.
FROM ${BASE} AS versions
COPY requirements/runtime.txt runtime.txt
RUN mkdir /versions \
 && grep -E '^(pip|setuptools)==' runtime.txt >/versions/tools.txt \
 && grep -E '^llama-cpp-python==' runtime.txt >/versions/compiled.txt

FROM ${BASE} AS build
# pip's own settings, for indexes that are not the public one. Unset, they are not there.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc g++ make \
 && rm -rf /var/lib/apt/lists/*
COPY --from=versions /versions /versions
# Two environments: one that builds and one that is shipped, which has no pip.
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --requirement /versions/tools.txt \
 && python -m venv --without-pip /opt/venv
# llama.cpp is built for any x86-64 with AVX2, as the machine that builds is not the one that runs, and without what
# sees pictures. For this machine alone: --build-arg LLAMA_CMAKE_ARGS="-DLLAVA_BUILD=OFF -DGGML_NATIVE=ON"
ARG LLAMA_CMAKE_ARGS="-DLLAVA_BUILD=OFF -DGGML_NATIVE=OFF"
RUN CMAKE_ARGS="${LLAMA_CMAKE_ARGS}" /opt/build/bin/pip --python /opt/venv/bin/python install \
      --no-deps --requirement /versions/compiled.txt
WORKDIR /build
COPY requirements/runtime.txt deploy/requirements/inference.txt ./
RUN /opt/build/bin/pip --python /opt/venv/bin/python install \
      --no-deps --only-binary=:all: \
      --constraint runtime.txt --requirement inference.txt
COPY proto proto
COPY services/operations services/operations
COPY services/inference services/inference
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels \
      ./proto ./services/operations ./services/inference \
 && /opt/build/bin/pip --python /opt/venv/bin/python install --no-deps --no-index wheels/*.whl

FROM build AS weights
# Placement files (in configs/inference or deploy/placements) whose weights are baked in.
ARG PLACEMENTS="cpu-2core ollama"
COPY configs/inference placements
COPY deploy/placements placements
# Every file is hashed when it is pulled and again before every load. The same bytes get the same times, so that the
# layer of the weights stays the same when the image is built anew.
RUN for name in ${PLACEMENTS}; do \
      PYTHONPATH=/opt/venv/lib/python3.11/site-packages /opt/build/bin/python /opt/venv/bin/voice-inference \
        models --cache /models pull --placement "placements/${name}.yaml" || exit 1; \
    done \
 && rm -rf /models/.[!.]* \
 && chmod -R a+rX /models \
 && find /models -exec touch --date=@0 {} +

FROM ${BASE}
# OpenMP, which llama.cpp is linked against; python:slim does not have it.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin agent
COPY --from=weights /models /models
COPY --from=build /opt/venv /opt/venv
COPY configs/inference /app/placements
COPY deploy/placements /app/placements
COPY deploy/health.py /app/health.py
# gRPC itself would log a line for every stranger who knocks; the service counts them.
ENV PATH=/opt/venv/bin:${PATH} \
    GRPC_VERBOSITY=NONE \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    VOICE_AGENT_MODELS=/models \
    VOICE_AGENT_PLACEMENT=/app/placements/cpu-2core.yaml
WORKDIR /app
USER 10001:10001
EXPOSE 50061 50062
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --retries=3 --start-period=180s CMD ["python", "/app/health.py", "50062"]
ENTRYPOINT ["voice-inference"]
CMD ["serve"]

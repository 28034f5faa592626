# Boffin's images, one target each:
#
#   trainer    curate, train and evaluate, on a CUDA card where there is one
#   convert    merge, convert and quantise, on the CPU
#   appliance  serve a bundle, on the CPU
#
#   docker buildx build --target appliance -t boffin-appliance .
#   docker run --network host -v "$PWD/workspace/bundle:/bundle:ro" boffin-appliance
#
# The server listens on loopback only, so the appliance runs on the host's network; no port is published.
# A folder of wheels that pip is to prefer (another build of torch, say) is handed in with `--build-context wheels=DIR`.

ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM scratch AS wheels

# What every builder shares: an empty environment at the path where the final images have it.
FROM ${PYTHON_IMAGE} AS builder
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/boffin/bin:$PATH
RUN python -m venv /opt/boffin
WORKDIR /src

# Only llama.cpp's pin, so that no other line of the constraints builds llama.cpp anew.
FROM ${PYTHON_IMAGE} AS llama-version
COPY constraints.txt /
RUN grep '^llama-cpp-python==' /constraints.txt > /llama.txt

# llama.cpp for any processor with AVX2 (x86-64) or NEON (arm64), not for the machine that builds the image.
FROM builder AS llama
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends build-essential \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/*
COPY --from=llama-version /llama.txt constraints.txt
ENV CMAKE_ARGS="-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF"
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    CMAKE_BUILD_PARALLEL_LEVEL="$(nproc)" pip wheel --no-deps --wheel-dir /built --requirement constraints.txt

# The dependencies come before our own code: an empty project with the same pyproject.toml pulls them in, in the
# versions of the constraints (PIP_CONSTRAINT, which hadolint's DL3013 doesn't know).
FROM builder AS project
ENV PIP_FIND_LINKS="/wheels /built"
RUN mkdir /wheels /built
COPY constraints.txt pyproject.toml ./
RUN touch README.md LICENSE

FROM project AS trainer-build
# hadolint ignore=DL3013
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked --mount=type=bind,from=wheels,target=/wheels \
    pip install ".[trainer,curation,evaluation]"
COPY . .
RUN pip install --no-cache-dir --no-deps --force-reinstall . && pip uninstall --yes pip

FROM project AS convert-build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && apt-get clean && rm -rf /var/lib/apt/lists/*
# hadolint ignore=DL3013
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked --mount=type=bind,from=wheels,target=/wheels \
    --mount=type=bind,from=llama,source=/built,target=/built \
    pip install ".[convert]"
COPY scripts scripts
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    python scripts/install_llama.py --backend cpu
COPY . .
RUN pip install --no-cache-dir --no-deps --force-reinstall . && pip uninstall --yes pip

FROM project AS appliance-build
# hadolint ignore=DL3013
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked --mount=type=bind,from=wheels,target=/wheels \
    --mount=type=bind,from=llama,source=/built,target=/built \
    pip install ".[appliance]"
COPY . .
# The wheel of llama.cpp carries its libraries twice; the binding loads those beside it.
RUN pip install --no-cache-dir --no-deps --force-reinstall . \
 && pip uninstall --yes setuptools pip \
 && rm -r /opt/boffin/lib/python3*/site-packages/lib /opt/boffin/lib/python3*/site-packages/include

# What every final image shares: a user without rights, the OpenMP runtime, no compiler.
FROM ${PYTHON_IMAGE} AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home boffin
ENV PATH=/opt/boffin/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
STOPSIGNAL SIGTERM
ENTRYPOINT ["boffin"]
CMD ["--help"]

FROM runtime AS trainer
LABEL org.opencontainers.image.title="boffin-trainer" \
      org.opencontainers.image.description="Curates, trains and evaluates: documentation in, adapter and report out."
# What contains the examples that curation runs: bubblewrap where the engine lets it, Landlock and seccomp anywhere.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends bubblewrap libseccomp2 \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/*
COPY --from=trainer-build /opt/boffin /opt/boffin
USER 1000:1000
WORKDIR /project

FROM runtime AS convert
LABEL org.opencontainers.image.title="boffin-convert" \
      org.opencontainers.image.description="Merges, converts and quantises: adapter in, sealed bundle out."
COPY --from=convert-build /opt/boffin /opt/boffin
USER 1000:1000
WORKDIR /project

FROM runtime AS appliance
LABEL org.opencontainers.image.title="boffin-appliance" \
      org.opencontainers.image.description="Serves a bundle over HTTP in OpenAI's protocol, offline."
COPY --from=appliance-build /opt/boffin /opt/boffin
# The port is a setting, so that the server and its health check can't disagree.
ENV BOFFIN_APPLIANCE__PORT=8639
USER 1000:1000
WORKDIR /home/boffin
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "import http.client, os; server = http.client.HTTPConnection('127.0.0.1', int(os.environ['BOFFIN_APPLIANCE__PORT']), timeout=4); server.request('GET', '/health'); raise SystemExit(server.getresponse().status != 200)"]
CMD ["serve", "--bundle", "/bundle"]

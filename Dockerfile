# Boffin's images, one target each:
#
#   trainer    curate, train and evaluate, on a CUDA card where there is one
#   convert    merge, convert and quantise, on the CPU
#   appliance  serve a bundle, on the CPU: one image from SSE4.2 to AMX on x86-64, from ARMv8 to SVE on arm64
#   appliance-cuda  the same on CUDA cards of the generations in CUDA_ARCHITECTURES
#
#   docker buildx build --target appliance -t boffin-appliance .
#   docker run --network host --read-only --tmpfs /tmp --cap-drop ALL -v "$PWD/workspace/bundle:/bundle:ro" boffin-appliance
#
# The server listens on loopback, so this runs on the host's network and publishes no port. One that others can reach
# is started with keys: `serve --bundle /bundle --host 0.0.0.0 --keys /run/secrets/keys`, as compose.yaml does.
# The bundle is mounted, or baked in with `--build-context bundle=DIR`.
# arm64's variants with SME need GCC 14: --build-arg PYTHON_IMAGE=python:3.12-slim-trixie.
# A folder of wheels that pip is to prefer (another build of torch, say) is handed in with `--build-context wheels=DIR`, or
# an index that has them, PyTorch's for processors, say, with `--build-arg PIP_EXTRA_INDEX_URL=URL`.
#
# What comes from the package index has the digests of deploy/locks, but for llama.cpp's source and torch (scripts/locks.py). What
# an image holds stands in its /opt/boffin/sbom.cdx.json (CycloneDX); `docker buildx build --sbom=true` adds Debian's packages.

ARG PYTHON_IMAGE=python:3.12-slim-bookworm
ARG CUDA_DEVEL_IMAGE=nvidia/cuda:12.9.1-devel-ubuntu24.04
ARG CUDA_RUNTIME_IMAGE=nvidia/cuda:12.9.1-runtime-ubuntu24.04

FROM scratch AS wheels

# Empty, unless the build hands in a bundle to be baked into the appliance.
FROM scratch AS bundle

# What every builder shares: an empty environment at the path where the final images have it.
FROM ${PYTHON_IMAGE} AS builder
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/boffin/bin:$PATH
RUN python -m venv /opt/boffin
WORKDIR /src

# What lists an image's packages; itself in none.
FROM ${PYTHON_IMAGE} AS sbom
COPY deploy/locks/sbom.txt /lock.txt
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    python -m venv /opt/sbom && /opt/sbom/bin/pip install --require-hashes --no-deps --requirement /lock.txt

# Only llama.cpp's pin, so that no other line of the constraints builds llama.cpp anew.
FROM ${PYTHON_IMAGE} AS llama-version
COPY constraints.txt /
RUN grep '^llama-cpp-python==' /constraints.txt > /llama.txt

FROM builder AS compiler
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends build-essential \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/*
COPY --from=llama-version /llama.txt constraints.txt

# llama.cpp for converting: any processor with AVX2 (x86-64) or NEON (arm64), not just the machine that builds the image.
FROM compiler AS llama
ENV CMAKE_ARGS="-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF"
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    CMAKE_BUILD_PARALLEL_LEVEL="$(nproc)" pip wheel --no-deps --wheel-dir /built --requirement constraints.txt

# llama.cpp for serving: ggml's code for the processor once for each of its generations, of which the one that fits is
# loaded when the server starts (appliance/engine/backend.py), so that one image runs from SSE4.2 to AMX.
# Without pip's cache: that keeps a wheel that was built, and doesn't look at CMAKE_ARGS.
FROM compiler AS llama-variants
ENV CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_BACKEND_DL=ON -DGGML_CPU_ALL_VARIANTS=ON -DLLAVA_BUILD=OFF"
RUN CMAKE_BUILD_PARALLEL_LEVEL="$(nproc)" \
    pip wheel --no-cache-dir --no-deps --wheel-dir /built --requirement constraints.txt

# The dependencies come before our own code: first what is locked; then an empty project with the same pyproject.toml pulls in what
# isn't, in the versions of the constraints (PIP_CONSTRAINT, which hadolint's DL3013 doesn't know).
FROM builder AS project
ARG PIP_EXTRA_INDEX_URL
ENV PIP_FIND_LINKS="/wheels /built"
RUN mkdir /wheels /built
COPY constraints.txt pyproject.toml ./
RUN touch README.md LICENSE

FROM project AS trainer-build
COPY deploy/locks/trainer.txt lock.txt
# hadolint ignore=DL3013
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked --mount=type=bind,from=wheels,target=/wheels \
    pip install --require-hashes --no-deps --requirement lock.txt \
 && pip install ".[trainer,curation,evaluation]"
COPY . .
RUN --mount=type=bind,from=sbom,source=/opt/sbom,target=/opt/sbom \
    pip install --no-cache-dir --no-deps --force-reinstall . && pip uninstall --yes pip \
 && /opt/sbom/bin/cyclonedx-py environment --output-reproducible --output-file /opt/boffin/sbom.cdx.json /opt/boffin

FROM project AS convert-build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY deploy/locks/convert.txt lock.txt
# hadolint ignore=DL3013
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked --mount=type=bind,from=wheels,target=/wheels \
    --mount=type=bind,from=llama,source=/built,target=/built \
    pip install --require-hashes --no-deps --requirement lock.txt \
 && pip install ".[convert]"
COPY scripts scripts
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    python scripts/install_llama.py --backend cpu
COPY . .
RUN --mount=type=bind,from=sbom,source=/opt/sbom,target=/opt/sbom \
    pip install --no-cache-dir --no-deps --force-reinstall . && pip uninstall --yes pip \
 && /opt/sbom/bin/cyclonedx-py environment --output-reproducible --output-file /opt/boffin/sbom.cdx.json /opt/boffin

FROM project AS appliance-build
COPY deploy/locks/appliance.txt lock.txt
# hadolint ignore=DL3013
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked --mount=type=bind,from=wheels,target=/wheels \
    --mount=type=bind,from=llama-variants,source=/built,target=/built \
    pip install --require-hashes --no-deps --requirement lock.txt \
 && pip install ".[appliance]" \
# The wheel of llama.cpp carries its libraries twice, and the binding loads those beside it; there go the variants, too.
 && mv /opt/boffin/lib/python3*/site-packages/bin/libggml-*.so /opt/boffin/lib/python3*/site-packages/llama_cpp/lib/ \
 && rm -r /opt/boffin/lib/python3*/site-packages/lib /opt/boffin/lib/python3*/site-packages/include \
    /opt/boffin/lib/python3*/site-packages/bin
COPY . .
RUN --mount=type=bind,from=sbom,source=/opt/sbom,target=/opt/sbom \
    pip install --no-cache-dir --no-deps --force-reinstall . && pip uninstall --yes setuptools pip \
 && /opt/sbom/bin/cyclonedx-py environment --output-reproducible --output-file /opt/boffin/sbom.cdx.json /opt/boffin

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
# It runs a command and ends.
HEALTHCHECK NONE

FROM runtime AS convert
LABEL org.opencontainers.image.title="boffin-convert" \
      org.opencontainers.image.description="Merges, converts and quantises: adapter in, sealed bundle out."
COPY --from=convert-build /opt/boffin /opt/boffin
USER 1000:1000
WORKDIR /project
# It runs a command and ends.
HEALTHCHECK NONE

FROM runtime AS appliance
LABEL org.opencontainers.image.title="boffin-appliance" \
      org.opencontainers.image.description="Serves a bundle over HTTP in OpenAI's protocol, offline."
COPY --from=appliance-build /opt/boffin /opt/boffin
COPY --from=bundle . /bundle
# The port is a setting, so that the server and its health check can't disagree.
ENV BOFFIN_APPLIANCE__PORT=8639
ENV BOFFIN_APPLIANCE__OFFLINE=true
# What it keeps there are caches: on a read-only file system in a tmpfs, or in a volume.
ENV HOME=/tmp
USER 1000:1000
WORKDIR /tmp
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 CMD ["python", "-c", "import http.client, os; server = http.client.HTTPConnection('127.0.0.1', int(os.environ['BOFFIN_APPLIANCE__PORT']), timeout=4); server.request('GET', '/health'); raise SystemExit(server.getresponse().status != 200)"]
CMD ["serve", "--bundle", "/bundle"]

# llama.cpp for the card generations that are listed, and for any processor with AVX2.
FROM ${CUDA_DEVEL_IMAGE} AS llama-cuda
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends build-essential python3 python3-venv \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/boffin
ENV PATH=/opt/boffin/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY --from=llama-version /llama.txt constraints.txt
# CMake's list: 75 Turing, 80 and 86 Ampere, 89 Ada, 90 Hopper, 120 Blackwell; the last as PTX, too, for what comes after.
ARG CUDA_ARCHITECTURES="75-real;80-real;86-real;89-real;90-real;120"
# The driver's library is a stub while it is built; the machine that runs it has the real one.
RUN ln -s libcuda.so /usr/local/cuda/lib64/stubs/libcuda.so.1 \
 && CMAKE_ARGS="-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF -DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=${CUDA_ARCHITECTURES}" \
    LIBRARY_PATH=/usr/local/cuda/lib64/stubs CMAKE_BUILD_PARALLEL_LEVEL="$(nproc)" \
    pip wheel --no-cache-dir --no-deps --wheel-dir /built --requirement constraints.txt

# A machine without CUDA builds and runs all but that with `--build-context llama-cuda=docker-image://…`, of the stage llama.
FROM ${CUDA_RUNTIME_IMAGE} AS appliance-cuda-build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 python3 python3-venv \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/boffin && python3 -m venv /opt/sbom
ENV PATH=/opt/boffin/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=/src/constraints.txt PIP_FIND_LINKS=/built
WORKDIR /src
COPY deploy/locks/sbom.txt deploy/locks/
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    PIP_CONSTRAINT='' /opt/sbom/bin/pip install --require-hashes --no-deps --requirement deploy/locks/sbom.txt
COPY constraints.txt pyproject.toml ./
RUN touch README.md LICENSE
COPY deploy/locks/appliance.txt lock.txt
# hadolint ignore=DL3013
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked --mount=type=bind,from=llama-cuda,source=/built,target=/built \
    pip install --require-hashes --no-deps --requirement lock.txt \
 && pip install ".[appliance]" \
 && rm -r /opt/boffin/lib/python3*/site-packages/lib /opt/boffin/lib/python3*/site-packages/include
COPY . .
RUN pip install --no-cache-dir --no-deps --force-reinstall . && pip uninstall --yes pip \
 && /opt/sbom/bin/cyclonedx-py environment --output-reproducible --output-file /opt/boffin/sbom.cdx.json /opt/boffin

FROM ${CUDA_RUNTIME_IMAGE} AS appliance-cuda
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="boffin-appliance-cuda" \
      org.opencontainers.image.description="Serves a bundle over HTTP in OpenAI's protocol, offline, on a CUDA card." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 python3 \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/*
COPY --from=appliance-cuda-build /opt/boffin /opt/boffin
COPY --from=bundle . /bundle
ENV PATH=/opt/boffin/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
ENV BOFFIN_APPLIANCE__PORT=8639
ENV BOFFIN_APPLIANCE__OFFLINE=true
USER 1000:1000
WORKDIR /tmp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 CMD ["python", "-c", "import http.client, os; server = http.client.HTTPConnection('127.0.0.1', int(os.environ['BOFFIN_APPLIANCE__PORT']), timeout=4); server.request('GET', '/health'); raise SystemExit(server.getresponse().status != 200)"]
ENTRYPOINT ["boffin"]
CMD ["serve", "--bundle", "/bundle"]

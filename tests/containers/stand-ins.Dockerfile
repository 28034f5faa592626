# Other people's images as far as compose.yaml needs them, made of Debian's packages, for a machine that reaches no registry.
#
#   docker build -f tests/containers/stand-ins.Dockerfile --target caddy -t boffin-test-caddy tests/containers
#
# and so for prometheus and llama (boffin-test-prometheus, boffin-test-llama).

ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS caddy
# As in Caddy's own image, whose program carries a capability and can't be started without it.
RUN apt-get update && apt-get install --yes --no-install-recommends caddy libcap2-bin && apt-get clean \
 && setcap cap_net_bind_service=+ep /usr/bin/caddy
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
WORKDIR /srv

FROM ${PYTHON_IMAGE} AS prometheus
# As in Prometheus' own image: a user that can read no secret of others, and a volume for its group.
RUN apt-get update && apt-get install --yes --no-install-recommends prometheus && apt-get clean \
 && mkdir -p /prometheus && chown 65534:65534 /prometheus && chmod g+w /prometheus
USER 65534
VOLUME ["/prometheus"]
WORKDIR /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]

FROM ${PYTHON_IMAGE} AS llama-build
RUN apt-get update && apt-get install --yes --no-install-recommends build-essential cmake && apt-get clean
WORKDIR /src
ARG LLAMA_VERSION=0.3.36
RUN python -m venv /pip && /pip/bin/pip download --no-deps --no-binary llama-cpp-python "llama-cpp-python==${LLAMA_VERSION}" \
 && tar xf llama_cpp_python-*.tar.gz --strip-components 1
RUN cmake -S vendor/llama.cpp -B build -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=OFF -DBUILD_SHARED_LIBS=OFF \
    -DLLAMA_OPENSSL=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
 && cmake --build build --target llama-server --parallel "$(nproc)"

FROM ${PYTHON_IMAGE} AS llama
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 curl && apt-get clean
COPY --from=llama-build /src/build/bin/llama-server /app/llama-server
WORKDIR /app
HEALTHCHECK --interval=5s CMD ["curl", "-f", "http://localhost:8080/health"]
ENTRYPOINT ["/app/llama-server"]

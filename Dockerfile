# The service as an image: built in the first two stages, of which the last one takes only the result.
ARG RUST_IMAGE=rust:1-bookworm
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# The wheel. Debian bookworm's Python is 3.11, as in the stages below: the codec is built for this one.
FROM ${RUST_IMAGE} AS wheel
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements-dev.txt ./
# Only maturin from the developers' tools, in the version and with the hashes of the lock file.
RUN sed -n '/^maturin==/,/[^\\]$/p' requirements-dev.txt > maturin.txt \
    && python3 -m venv /tools \
    && /tools/bin/pip install --no-cache-dir --no-deps --require-hashes -r maturin.txt
COPY Cargo.toml Cargo.lock pyproject.toml README.md LICENSE ./
COPY rust rust
COPY python python
RUN /tools/bin/maturin build --release --locked --interpreter python3.11 --out /wheels

FROM ${PYTHON_IMAGE} AS install
# Without pip, which nothing needs at run time: the base image's installs into it.
RUN python -m venv --without-pip /opt/processor
COPY requirements.txt ./
RUN python -m pip --python /opt/processor/bin/python install \
        --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY --from=wheel /wheels /wheels
RUN python -m pip --python /opt/processor/bin/python install \
        --no-cache-dir --no-deps /wheels/*.whl

FROM ${PYTHON_IMAGE}
# The kernel drops what a container's first process does not handle yet: without an init a stop request in the
# interpreter's first second would be lost, and the grace period end in a kill.
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin processor \
    && install -d -o processor -m 0750 /var/lib/processor
COPY --from=install /opt/processor /opt/processor
# The base image has no bytecode of the standard library, and the user below may write none: without this each
# start and each health check would compile what it imports. The last three are imported only when they are used.
RUN /opt/processor/bin/python -c "import processor.cli.run, processor.service.process, processor.cli.healthcheck, \
        concurrent.futures.thread, encodings.idna, importlib.readers"
# By number, which is how an orchestrator can tell that it is not root.
USER 10001:10001
# Where panic dumps go; as a volume it stays writable under a read-only root.
VOLUME /var/lib/processor
WORKDIR /var/lib/processor
EXPOSE 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["/opt/processor/bin/processor", "healthcheck"]
ENTRYPOINT ["tini", "--", "/opt/processor/bin/processor"]
CMD ["run"]

# The services as images: built in the first stages, of which the last ones take only the result. One wheel holds
# every program, and each program has a final stage of its own: `docker build --target processor`.
# The bases are pinned by tag here, and by digest too in deploy/images.env, which `make image` hands over.
ARG RUST_IMAGE=rust:1.98.0-bookworm
ARG PYTHON_IMAGE=python:3.11.16-slim-bookworm

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
RUN python -m venv --without-pip /opt/telemetry
COPY requirements.txt ./
RUN python -m pip --python /opt/telemetry/bin/python install \
        --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY --from=wheel /wheels /wheels
RUN python -m pip --python /opt/telemetry/bin/python install \
        --no-cache-dir --no-deps /wheels/*.whl

# What every service runs in: no compiler, no root, nothing that is written to.
FROM ${PYTHON_IMAGE} AS service
# The kernel drops what a container's first process does not handle yet: without an init a stop request in the
# interpreter's first second would be lost, and the grace period end in a kill.
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/*
COPY --from=install /opt/telemetry /opt/telemetry
# `docker exec CONTAINER processor status` finds the command, too.
ENV PATH=/opt/telemetry/bin:$PATH
STOPSIGNAL SIGTERM

FROM service AS processor
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin processor \
    && install -d -o processor -g processor -m 0750 /var/lib/processor
# The base image has no bytecode of the standard library, and the user below may write none: without this each
# start and each health check would compile what it imports. The last three are imported only when they are used.
RUN python -c "import processor.cli.run, processor.service.process, processor.cli.healthcheck, \
        concurrent.futures.thread, encodings.idna, importlib.readers"
# By number, which is how an orchestrator can tell that it is not root.
USER 10001:10001
# Where panic dumps go; as a volume it stays writable under a read-only root.
VOLUME /var/lib/processor
WORKDIR /var/lib/processor
EXPOSE 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["/opt/telemetry/bin/processor", "healthcheck"]
ENTRYPOINT ["tini", "--", "/opt/telemetry/bin/processor"]
CMD ["run"]
# Last, since they differ from build to build.
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="processor" \
    org.opencontainers.image.description="Writes Teltonika positions from a Redis Stream into a TimescaleDB hypertable" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.source="${SOURCE}"

FROM service AS tcp-ingestion
RUN useradd --uid 10002 --user-group --no-create-home --shell /usr/sbin/nologin tcp-ingestion \
    && install -d -o tcp-ingestion -g tcp-ingestion -m 0750 /var/lib/tcp-ingestion
# As above.
RUN python -c "import ingestion.cli.run, ingestion.service.process, ingestion.cli.healthcheck, \
        concurrent.futures.thread, encodings.idna, importlib.readers"
USER 10002:10002
VOLUME /var/lib/tcp-ingestion
WORKDIR /var/lib/tcp-ingestion
# Devices; what people and Prometheus look at.
EXPOSE 5027 9091
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["/opt/telemetry/bin/tcp-ingestion", "healthcheck"]
ENTRYPOINT ["tini", "--", "/opt/telemetry/bin/tcp-ingestion"]
CMD ["run"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="tcp-ingestion" \
    org.opencontainers.image.description="Takes Teltonika trackers' connections and publishes their positions to a Redis Stream" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.source="${SOURCE}"

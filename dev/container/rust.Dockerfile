# Stands in for the image of Rust: this machine's toolchain, which is the build's context.
FROM processor-drill/python
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY bin /usr/local/bin
COPY lib /usr/local/lib

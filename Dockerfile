# docker build -t callgate .
# docker run --rm -p 8080:8080 --user "$(id -u)" -v "$PWD/my-project:/project:ro" -v callgate:/var/lib/callgate callgate

FROM rust:1.95-slim-bookworm AS builder
WORKDIR /src
COPY . .
# The caches stay with the builder; the binary has to be taken out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    .ci/dist && cp target/dist/release/callgate target/dist/release/callgate.debug /usr/local/bin/

# The debug information of the binary below: `docker build --target debug --output . .` writes it to a file.
FROM scratch AS debug
COPY --from=builder /usr/local/bin/callgate.debug /callgate.debug

FROM debian:bookworm-slim
# Upstreams are verified against the system's root certificates. No version is
# pinned: the newest ones are wanted, and a pinned one leaves the mirror with the
# next update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=builder /usr/local/bin/callgate /usr/local/bin/callgate
# What conversations have learned and done; the project itself may be read-only. Any user may make a file here.
RUN install -d -m 1777 /var/lib/callgate
ENV CALLGATE_STORE__PATH=/var/lib/callgate/store.db
VOLUME /var/lib/callgate
WORKDIR /project
# By number, so that Kubernetes can see that it is not root. Run it as the owner
# of secrets.toml (`--user`), or bring the secrets as variables or files.
USER 65532:65532
# Not loopback: the project needs a key (`callgate keygen`), or the start is refused.
ENV CALLGATE_SERVER__LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["callgate", "health", "--address", "127.0.0.1:8080"]
ENTRYPOINT ["callgate"]
CMD ["serve", "/project"]

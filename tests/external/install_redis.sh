#!/usr/bin/env bash
# Installs redis-server, which the tests on Redis start themselves, each on a free
# port of its own. Where it or valkey-server is on the PATH, this does nothing.
set -euo pipefail

command -v redis-server >/dev/null && exit 0
command -v valkey-server >/dev/null && exit 0

as=()
[ "$(id -u)" -eq 0 ] || as=(sudo)
"${as[@]}" apt-get update -qq </dev/null >/dev/null
# Only the program is wanted: no service is to be started.
"${as[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -qq --no-install-recommends redis-server </dev/null >/dev/null
command -v redis-server

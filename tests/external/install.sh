#!/usr/bin/env bash
# Installs the third-party servers that the external tests run against.
# Once installed, a second run does nothing.
set -euo pipefail

oidc_provider=9.13.3

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CALLGATE_EXTERNAL:-$here/../../target/external}
mkdir -p "$target"
target=$(cd "$target" && pwd)

apt() {
    local as=()
    [ "$(id -u)" -eq 0 ] || as=(sudo)
    if [ -z "${apt_updated:-}" ]; then
        "${as[@]}" apt-get update -qq </dev/null >/dev/null
        apt_updated=1
    fi
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null
}

# The stamp says what is installed, and where: a venv cannot be moved.
stamp=$target/installed
wanted="$target oidc-provider=$oidc_provider $(cksum <"$here/requirements.txt")"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] &&
    command -v node >/dev/null && "$target/venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi
rm -rf "$stamp" "$target/venv" "$target/node"

python3 -c 'import ensurepip, venv' 2>/dev/null || apt python3 python3-venv
command -v node >/dev/null || apt nodejs
command -v npm >/dev/null || apt npm

python3 -m venv "$target/venv"
"$target/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --requirement "$here/requirements.txt" </dev/null

mkdir -p "$target/node"
npm install --prefix "$target/node" --loglevel=error --no-package-lock --no-audit --no-fund \
    --ignore-scripts "oidc-provider@$oidc_provider" </dev/null >/dev/null

printf '%s' "$wanted" >"$stamp"

#!/usr/bin/env bash
# Installs what the tests of the console need: Chromium, Node.js with npm, and the packages that
# console/package-lock.json names.
set -euo pipefail

as=()
[ "$(id -u)" -eq 0 ] || as=(sudo)
wanted=()
[ -x /usr/bin/chromium ] || wanted+=(chromium fonts-dejavu-core)
command -v npm >/dev/null || wanted+=(nodejs npm)
if [ "${#wanted[@]}" -gt 0 ]; then
    "${as[@]}" apt-get update -qq </dev/null >/dev/null
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${wanted[@]}" </dev/null >/dev/null
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../../console"
# Never `npm install`, which may take other versions than the lock names. The browser is Debian's.
PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --loglevel=error --no-audit --no-fund </dev/null >/dev/null

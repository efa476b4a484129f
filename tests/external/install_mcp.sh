#!/usr/bin/env bash
# Installs the MCP clients that judge the MCP server (tests/external/mcp.rs), beside what install.sh
# installs. Once installed, a second run does nothing.
set -euo pipefail

# Version 2 of the official package and what stands on it.
python=(mcp==2.3.0 fastmcp==4.1.2 livekit-agents==1.8.9 pipecat-ai==1.14.0)
# langchain-mcp-adapters stands on version 1.
python1=(langchain-mcp-adapters==0.3.1 mcp==1.30.0)
node=(@modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/client@2.4.0 @modelcontextprotocol/inspector@2.12.0)
# The conformance suite wants Node.js 22, which comes with it.
case $(uname -m) in
    aarch64 | arm64) machine=arm64 ;;
    *) machine=x64 ;;
esac
conformance=(@modelcontextprotocol/conformance@0.1.16 "node-linux-$machine@22.23.3")

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CALLGATE_EXTERNAL:-$here/../../target/external}/mcp
mkdir -p "$target"
target=$(cd "$target" && pwd)

# The stamp says what is installed, and where: a venv cannot be moved.
stamp=$target/installed
wanted="$target ${python[*]} ${python1[*]} ${node[*]} ${conformance[*]}"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && command -v node >/dev/null &&
    "$target/venv/bin/python" -c '' 2>/dev/null && "$target/venv1/bin/python" -c '' 2>/dev/null; then
    exit 0
fi
rm -rf "$stamp" "$target/venv" "$target/venv1" "$target/node" "$target/conformance"

# python3-venv, node and npm come from install.sh.
"$here/install.sh"
pip() {
    python3 -m venv "$target/$1"
    "$target/$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "${@:2}" </dev/null
}
pip venv "${python[@]}"
pip venv1 "${python1[@]}"
packages() {
    mkdir -p "$target/$1"
    npm install --prefix "$target/$1" --loglevel=error --no-package-lock --no-audit --no-fund \
        --ignore-scripts "${@:2}" </dev/null >/dev/null
}
packages node "${node[@]}"
packages conformance "${conformance[@]}"
mkdir -p "$target/conformance/bin"
ln -sf "../node_modules/node-linux-$machine/bin/node" "$target/conformance/bin/node"

printf '%s' "$wanted" >"$stamp"

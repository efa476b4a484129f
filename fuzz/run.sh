#!/usr/bin/env bash
# Runs every fuzz target (or those that are named) for some seconds each, and fails where one crashes, hangs or takes
# too much memory:
#
#   fuzz/run.sh [SECONDS] [TARGET…]        8 seconds each where left out
#
# FUZZ_SEED=1 makes it draw the same numbers each time. FUZZ_OPT=1 optimises the targets for a long search: the
# build takes some minutes longer.
# Needs nothing but Rust and a C++ compiler: the coverage that libFuzzer steers by is asked of the stable compiler
# (coverage.sh), without sanitizers. `cargo +nightly fuzz run TARGET` works as well, with them.
# What is found to be new is kept in target/fuzz/corpus and is where the next run starts; seeds/ is where the first does.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-8}
[ $# -gt 0 ] && shift
host=$(rustc -vV | sed -n 's/^host: //p')
out=target/fuzz
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=($(sed -n '/^\[\[bin\]\]/,/^name/s/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml))

build=()
[ -z "${FUZZ_OPT:-}" ] || build+=(--config "profile.dev.opt-level=$FUZZ_OPT" --config "profile.dev.package.'*'.opt-level=$FUZZ_OPT")
for target in "${targets[@]}"; do build+=(--bin "$target"); done
RUSTC_WRAPPER="$PWD/fuzz/coverage.sh" CARGO_INCREMENTAL=0 \
    cargo build --quiet --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$out" "${build[@]}"

# By the seed 0, it draws anew each time.
seed=${FUZZ_SEED:-0}
mkdir -p "$out/artifacts"
printf '%-12s %10s %8s %8s %8s %8s\n' target runs runs/s cov corpus MB
failed=0
for target in "${targets[@]}"; do
    mkdir -p "$out/corpus/$target"
    log="$out/$target.log"
    if ! "$out/$host/debug/$target" "$out/corpus/$target" "fuzz/seeds/$target" -max_total_time="$seconds" -seed="$seed" \
        -timeout=60 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 -verbosity=1 -artifact_prefix="$out/artifacts/$target-" \
        >"$log" 2>&1; then
        printf '%-12s FAILED\n' "$target"
        tail -n 40 "$log"
        failed=1
        continue
    fi
    stat() { sed -n "s/^stat::$1: *//p" "$log"; }
    last=$(grep -o 'cov: [0-9]* .*' "$log" | tail -n 1)
    cov=$(sed -n 's/cov: \([0-9]*\).*/\1/p' <<<"$last")
    corpus=$(sed -n 's/.*corp: \([0-9]*\).*/\1/p' <<<"$last")
    printf '%-12s %10s %8s %8s %8s %8s\n' "$target" "$(stat number_of_executed_units)" \
        "$(stat average_exec_per_sec)" "$cov" "$corpus" "$(stat peak_rss_mb)"
    # Without coverage it would be throwing dice.
    if [ "${cov:-0}" -lt 200 ]; then
        echo "$target: hardly any coverage is counted; see fuzz/coverage.sh"
        failed=1
    fi
done
exit $failed

#!/bin/sh
# Stands before rustc (RUSTC_WRAPPER): adds what libFuzzer steers by to the crates that are looked at. By name, so
# that the others run at full speed; for the target only, because a build script has no libFuzzer to link to.
case " $CARGO_PKG_NAME " in
" callgate " | " callgate-fuzz " | " callgate-model " | " gotmpl " | " serde_json " | " serde_json_path"* | " jsonschema " | " saphyr-parser " | " oauth2 ") ;;
*) exec "$@" ;;
esac
case " $* " in
*" --target "*)
    exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$@" ;;
esac

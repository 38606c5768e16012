#!/bin/sh
# Fuzzes one target on the stable toolchain: run.sh formats|envelopes NAME|all [SECONDS].
# NAME is a format's or an envelope's; all chooses by the input. The corpus begins with the cases of tests/formats and
# tests/envelopes. An input that fails is left in artifacts/; it becomes a case when what it shows is mended.
set -eu
cd "$(dirname "$0")"
target=$1 name=$2 seconds=${3:-120}
corpus=corpus/$target/$name
mkdir -p "$corpus"
[ "$name" = all ] && from=../$target || from=../$target/$name
[ -d "$from" ] || from=../$target
# the first bytes of an input choose what it is read as, see body/
find "$from" -name '*.log' -o -name '*.msg' | while read -r case; do
    seed=$(echo "$case" | tr -c 'a-z0-9\n' _)
    for choice in 000 001 002 003 377; do
        { printf "\\$choice\\377"; [ "$target" = formats ] || printf '\377'; cat "$case"; } > "$corpus/$choice$seed"
    done
done
[ "$name" = all ] || export NINETAIL_FUZZ="$name"
exec cargo fuzz run --fuzz-dir . --sanitizer none --target-dir "${CARGO_TARGET_DIR:-target}" "$target" "$corpus" -- \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -print_final_stats=1

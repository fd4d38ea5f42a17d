#!/bin/bash
# Builds the fuzzers and runs each over its kept corpus and then over what libFuzzer makes of it.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: tests/fuzz/run.sh [--merge] [--no-build] [SECONDS] [FUZZER...]

Runs every fuzzer (or those named) over tests/fuzz/corpus/FUZZER and what earlier runs have found,
and then for SECONDS (10; 0: the kept inputs only). The long run: tests/fuzz/run.sh 3600

  --merge     what was found and reaches new code joins the kept corpus, which is minimised
  --no-build  takes build/fuzz as it is
  HB_JOBS     how many run beside each other, and compile (2)

Inputs that are found stay in build/fuzz/corpus, inputs that break something in
build/fuzz/crashes/FUZZER: `build/fuzz/bin/FUZZER FILE` shows how (HB_FUZZ_TRACE=1: step by step,
for decision_fuzz and node_fuzz). Exit status 1 when one was found.
EOF
}

merge=false
build=true
seconds=10
fuzzers=()
for argument in "$@"; do
  case "$argument" in
    --help | -h) usage && exit 0 ;;
    --merge) merge=true ;;
    --no-build) build=false ;;
    -*) usage >&2 && exit 2 ;;
    *[!0-9]*) fuzzers+=("$argument") ;;
    *) seconds=$argument ;;
  esac
done

cd "$(dirname "$0")/../.."
jobs=${HB_JOBS:-2}
out=build/fuzz
# What Debian's libraries (protobuf, gRPC, yaml-cpp) do to a vector is not annotated for
# AddressSanitizer as clang's code expects it: std containers that cross that border look overflown.
export ASAN_OPTIONS=detect_container_overflow=0
export UBSAN_OPTIONS=print_stacktrace=1

if $build; then
  cmake --preset fuzz >"$out.configure.log" 2>&1 || { cat "$out.configure.log" >&2 && exit 2; }
  rm -f "$out.configure.log"
  cmake --build $out --target hb-fuzzers -j"$jobs"
fi
if [ ${#fuzzers[@]} -eq 0 ]; then
  for source in tests/fuzz/*_fuzz.cc; do fuzzers+=("$(basename "$source" .cc)"); done
fi
for fuzzer in "${fuzzers[@]}"; do
  [ -x "$out/bin/$fuzzer" ] || { echo "no such fuzzer: $fuzzer" >&2 && exit 2; }
done

# Leaves its outcome in $out/runs/FUZZER.
run_one() {
  local fuzzer=$1 kept=tests/fuzz/corpus/$1 found=$out/corpus/$1 crashes=$out/crashes/$1
  local log=$out/runs/$1.log status=0
  mkdir -p "$kept" "$found" "$crashes"
  local options=(-max_len=4096 -len_control=20 -timeout=20 -rss_limit_mb=2560 -print_final_stats=1
    "-artifact_prefix=$crashes/")
  [ -f "tests/fuzz/$fuzzer.dict" ] && options+=("-dict=tests/fuzz/$fuzzer.dict")
  if [ "$seconds" -eq 0 ]; then
    options+=(-runs=0)
  else
    options+=("-max_total_time=$seconds")
  fi
  "$out/bin/$fuzzer" "${options[@]}" "$found" "$kept" >"$log" 2>&1 || status=$?
  echo $status >"$out/runs/$fuzzer"
}

merge_one() {
  local fuzzer=$1 kept=tests/fuzz/corpus/$1 small=$out/runs/$1.merged
  rm -rf "$small" && mkdir -p "$small"
  # By edges alone, as few inputs as have them all. What once broke something (crash-*), and values
  # at the edge of a range, which no edge of the program tells apart (edge-*), stay in any case.
  "$out/bin/$fuzzer" -set_cover_merge=1 -use_counters=0 -max_len=4096 -timeout=20 \
    "$small" "$kept" "$out/corpus/$fuzzer" >"$out/runs/$fuzzer.merge.log" 2>&1 ||
    { echo "$fuzzer: merging failed, see $out/runs/$fuzzer.merge.log" >&2 && return 1; }
  find "$kept" -type f ! -name 'crash-*' ! -name 'edge-*' -delete
  find "$small" -type f -exec mv -t "$kept" {} +
}

last() { grep -aoP "$2" "$out/runs/$1.log" | tail -1; }

rm -rf "$out/runs"
mkdir -p "$out/runs"
for fuzzer in "${fuzzers[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
  run_one "$fuzzer" &
done
wait

passed=0
failed=0
format='%-14s %12s %8s %8s %8s  %s\n'
# shellcheck disable=SC2059
printf "$format" fuzzer executions exec/s edges corpus result
for fuzzer in "${fuzzers[@]}"; do
  result=passed
  if [ "$(cat "$out/runs/$fuzzer")" -ne 0 ]; then
    result="FAILED: $(last "$fuzzer" 'VIOLATED: .*|SUMMARY: .*|ERROR: .*' || echo "see its log")"
    result+=" ($(last "$fuzzer" 'Test unit written to \K.*' || echo "$out/runs/$fuzzer.log"))"
    failed=$((failed + 1))
  else
    passed=$((passed + 1))
    if $merge && ! merge_one "$fuzzer"; then result="passed, not merged"; fi
  fi
  # shellcheck disable=SC2059
  printf "$format" "$fuzzer" "$(last "$fuzzer" 'stat::number_of_executed_units: *\K\d+')" \
    "$(last "$fuzzer" 'stat::average_exec_per_sec: *\K\d+')" "$(last "$fuzzer" 'cov: \K\d+')" \
    "$(find "tests/fuzz/corpus/$fuzzer" -type f | wc -l)" "$result"
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]

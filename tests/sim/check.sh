#!/bin/bash
# Runs hb-sim on fixed seeds and sees to it that g++ and clang build the same world. Last line: "N passed, N failed".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

usage() {
  cat <<EOF
usage: tests/sim/check.sh [SEEDS]
SEEDS: how many worlds to simulate, on all processors (default 15000: some 80 s on two). Needs the release and the fuzz
preset built (hb-sim).
EOF
}
[[ ${1:-} != --help && ${1:-} != -h ]] || { usage && exit 0; }
seeds=${1:-15000}
[[ $seeds =~ ^[1-9][0-9]*$ ]] || { usage >&2 && exit 2; }
jobs=${HB_JOBS:-$(nproc)}
sim=build/release/bin/hb-sim
passed=0
failed=0

# $1: what, the rest: a command that says so
check() {
  local what=$1
  shift
  echo "--- $what"
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

digest_of() {
  "$1" --seeds 1..100 -j "$jobs" | sed -n 's/^digest=//p'
}

same_digests() {
  local ours theirs
  ours=$(digest_of "$sim")
  theirs=$(digest_of build/fuzz/bin/hb-sim)
  echo "g++ $ours, clang $theirs"
  [[ -n $ours && $ours == "$theirs" ]]
}

check "one controller" "$sim" --seeds 1.."$seeds" -j "$jobs"
check "two controllers" "$sim" --seeds 1..1000 --controllers 2 -j "$jobs"
check "a run is the same whatever compiles it" same_digests
check "two quiet nodes, heartbeats at 200 ms, no probes" "$sim" --bench 100000
echo "$passed passed, $failed failed"
((failed == 0))

#!/bin/bash
# Runs every safety test of the lab in every placement of the controller and under every policy, many times, and writes
# what the client measured as a table. What has been run is kept, so that it goes on where it was interrupted.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

usage() {
  cat <<EOF
usage: tests/lab/matrix.sh [--rounds N] [--only REGEX] [--table FILE]
  --rounds N    each case N times (default 20), less those that are kept
  --only REGEX  only the cases whose name it matches, e.g. ExecutorOfTheHolder, _hold
  --table FILE  where the table goes (default docs/matrix.md); "-": standard output
HB_JOBS: how many labs run beside each other (default: twice the processors; most of what they do is to wait).
HB_MATRIX_DIR: where the outcomes are kept (default build/matrix). Remove it to begin anew: outcomes of another build stay.
Needs root and the release preset built. Exit status: 0 all passed, 1 something failed, 2 usage.
EOF
}

rounds=20
only=.
table=docs/matrix.md
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --rounds) rounds=${2:-}; shift ;;
    --only) only=${2:-}; shift ;;
    --table) table=${2:-}; shift ;;
    *) usage >&2; exit 2 ;;
  esac
  shift || { usage >&2; exit 2; }
done
[[ $rounds =~ ^[1-9][0-9]*$ && -n $only && -n $table ]] || { usage >&2; exit 2; }

bin=build/release/bin
dir=${HB_MATRIX_DIR:-build/matrix}
mkdir -p "$dir"
export HB_LAB_MATRIX=1

# "binary suite.test/place", each on a line.
cases() {
  local test
  for test in "$bin"/safety_*_test; do
    "$test" --gtest_list_tests | awk -v bin="$test" '
      /^[^ ].*\.$/ { suite = $1 }
      /^  / { print bin, suite $1 }'
  done | grep -E -- "$only"
}

# Its outcome is there only when it is whole: what was interrupted is run again.
run_case() {
  local round=$1 test=$2 name=$3 out
  out=$4/$round/${name//\//:}
  [[ -e $out.status ]] && return
  mkdir -p "$4/$round"
  rm -f "$out.measured"
  HB_LAB_MEASURED=$(realpath "$4")/$round/${name//\//:}.measured \
    timeout --kill-after=30 300 "$test" --gtest_filter="$name" >"$out.log" 2>&1
  local status=$?
  echo "$status" >"$out.part" && mv "$out.part" "$out.status"
  if ((status == 0)); then rm -f "$out.log"; else echo "FAILED  round $round  $name: see $out.log"; fi
}
export -f run_case

list=$(cases)
[[ -n $list ]] || { echo "no case matches $only, or $bin has no safety tests" >&2; exit 2; }
for ((round = 1; round <= rounds; ++round)); do
  while read -r test name; do echo "$round $test $name $dir"; done <<<"$list"
done | xargs -P "${HB_JOBS:-$(($(nproc) * 2))}" -L 1 bash -c 'run_case "$@"' run_case

python3 tests/lab/matrix_report.py "$dir" "$table"

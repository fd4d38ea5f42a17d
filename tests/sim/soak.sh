#!/bin/bash
# Runs hb-sim on random seeds for as long as asked; at the first violation it shows the run, shrunk, and ends.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

usage() {
  cat <<EOF
usage: tests/sim/soak.sh SECONDS [hb-sim options...]
Example: tests/sim/soak.sh 28800 --policy witness. Needs the release preset built (hb-sim). Exit status: 0 nothing was
violated, 1 something was.
EOF
}
[[ ${1:-} =~ ^[0-9]+$ ]] || { usage >&2 && exit 2; }
seconds=$1
shift
sim=build/release/bin/hb-sim
first=$(od -An -N5 -tu8 /dev/urandom | tr -d ' ')
echo "seeds from $first on"
result=$(mktemp)
trap 'rm -f "$result"' EXIT
status=0
"$sim" --seeds "$first..$((first + 1000000000))" --seconds "$seconds" -j "${HB_JOBS:-$(nproc)}" "$@" | tee "$result" ||
  status=$?
seed=$(sed -n 's/^violation seed=\([0-9]*\).*/\1/p' "$result" | head -n 1)
[[ -z $seed ]] || "$sim" --seed "$seed" "$@" || true
exit "$status"

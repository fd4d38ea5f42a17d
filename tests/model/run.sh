#!/bin/bash
# Checks the model of the lease (lease.pml) with spin: that the rules hold in every state within stated bounds, that each
# mutant of a rule is caught, and that the model reaches what it is about. docs/model.md says what that proves.
# Prints a table and, as the last line, "N passed, N failed".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

usage() {
  cat <<EOT
usage: tests/model/run.sh [quick|full] [NAME...]
  quick  (default) two nodes and one controller, small bounds, every mutant: some three minutes of one core
  full   more faults, larger bounds, three nodes: some ten minutes of one core, 1 GiB a check; and a second
         controller: five more minutes, 8 GiB
  NAME   only the checks of these names
HB_JOBS: how many checks run beside each other (default: as many as there are processors, at most 2).
Needs spin and gcc. Exit status: 0 all passed, 1 something failed, 2 usage.
EOT
}

mode=quick
case ${1:-} in
  -h | --help) usage; exit 0 ;;
  quick | full) mode=$1; shift ;;
  -*) usage >&2; exit 2 ;;
esac
only=" $* "
if ! command -v spin >/dev/null || ! command -v gcc >/dev/null; then
  echo "spin and gcc are needed" >&2
  exit 1
fi

jobs=${HB_JOBS:-$(nproc)}
((jobs > 2)) && [[ -z ${HB_JOBS:-} ]] && jobs=2
dir=$(mktemp -d) || exit 1
running=()
set -m  # each check is a process group of its own, so that it ends as a whole
clean_up() {
  local pid
  for pid in "${running[@]}"; do kill -- "-$pid" 2>/dev/null; done
  wait
  rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# Faults: how often each may strike (255: without a limit). All but those named are off.
faults() {
  local -A of=([EXECUTOR_RESTARTS]=0 [HOST_REBOOTS]=0 [CONTROLLER_RESTARTS]=0 [STREAM_LOSSES]=0 [PROMISE_LOSSES]=0
    [GIVE_UPS]=0 [MAX_EPOCH]=2)
  local word
  for word in "$@"; do of[${word%%=*}]=${word#*=}; done
  for word in "${!of[@]}"; do printf -- '-D%s=%s ' "$word" "${of[$word]}"; done
}

# One field of pan's output.
field() { sed -nE "s/$2/\1/p" "$1" | tail -n 1; }

# Runs one check in a directory of its own and leaves there `row`, a line of the table that begins with "passed" or
# "FAILED". $1: what has to come out of it:
#   holds      every state is visited and nothing is wrong
#   redundant  the same for a mutant: here the other rules suffice without the one that it breaks
#   caught     an assertion fails: by breadth, so the shortest way; with -DDEPTH_FIRST, by depth
#   reached    the same, of an assertion that says the opposite of the check's name
# $2: its name, the rest: definitions
check() {
  local kind=$1 name=$2 out states depth memory seconds verdict=FAILED why=
  shift 2
  mkdir "$dir/$name" && cd "$dir/$name" || return
  local flags=(-DSAFETY -DMEMLIM="${memory_limit}" -DNOFAIR)
  # The short searches take less time than the compiler would to make them faster.
  local -a search=(-O0 -DBFS)
  local all_states=false
  [[ $kind == holds || $kind == redundant ]] && all_states=true
  if $all_states || [[ " $* " == *" -DDEPTH_FIRST "* ]]; then
    search=("$optimise" -DCOLLAPSE)
  else
    set -- "$@" -DBREADTH_FIRST
  fi
  if ! spin -a "$@" "$model" >spin.log 2>&1 || ! gcc -w "${search[@]}" "${flags[@]}" -o pan pan.c >gcc.log 2>&1; then
    printf 'FAILED  %-34s does not build: %s\n' "$name" "$(cat spin.log gcc.log 2>/dev/null | head -n 3 | tr '\n' ' ')" >row
    return
  fi
  out=$PWD/out
  ./pan -m"$max_depth" -w24 >"$out" 2>&1
  states=$(field "$out" ' *([0-9.e+]+) states, stored.*')
  depth=$(field "$out" '.*depth reached ([0-9]+),.*')
  memory=$(field "$out" ' *([0-9.]+)[[:space:]]+total actual memory usage.*')
  seconds=$(field "$out" 'pan: elapsed time ([0-9.]+) seconds.*')
  if $all_states && grep -qE 'max search depth too small|out of memory|reached -DMEMLIM' "$out"; then
    why="the search was cut short"
  elif $all_states; then
    if grep -q 'errors: 0' "$out" && ! grep -q 'Search not completed' "$out" &&
      grep -qE 'assertion violations[[:space:]]*\+' "$out" && grep -qE 'invalid end states[[:space:]]*\+' "$out"; then
      verdict=passed
    else
      why=$(grep -m 1 -E '^pan:1:' "$out")
    fi
  elif grep -q 'pan:1: assertion violated' "$out"; then
    verdict=passed
  else
    why="no assertion failed"
  fi
  printf '%-7s %-34s %-9s %10s states %8s deep %8s MiB %8s s  %s\n' \
    "$verdict" "$name" "$kind" "${states:--}" "${depth:--}" "${memory:--}" "${seconds:--}" "$why" >row
  rm -f pan pan.*
}

model=$PWD/lease.pml
memory_limit=3500
max_depth=1000000
optimise=-O1
if [[ $mode == full ]]; then
  memory_limit=10000
  max_depth=5000000
  optimise=-O2
fi

# ---- the checks: name, kind, definitions ----

checks=()
add() { checks+=("$*"); }

# Every state within these bounds.
# The second begins with one node that follows it, and two streams are opened then.
two_controllers=(-DCONTROLLERS=2 -DFIRST_TAKEN=1 -DDIALS=2 -DMOVES=0 -DTTL=1 -DPROMISES=0 -DORDERS=1)
add holds two-nodes "$(faults)"
add holds give-ups "$(faults GIVE_UPS=255)" -DPROMISES=0
add holds controller-restart "$(faults CONTROLLER_RESTARTS=1)" -DPROMISES=0 -DORDERS=1
add holds executor-restart "$(faults EXECUTOR_RESTARTS=1)" -DORDERS=1
if [[ $mode == full ]]; then
  add holds stream-loss "$(faults STREAM_LOSSES=1)" -DORDERS=1
  add holds host-reboot "$(faults HOST_REBOOTS=1)" -DORDERS=1
  add holds controller-restart-promises "$(faults CONTROLLER_RESTARTS=1)" -DORDERS=1
  add holds three-epochs "$(faults MAX_EPOCH=3)" -DPROMISES=0
  add holds three-nodes "$(faults)" -DNODES=3 -DTTL=1 -DPROMISES=0 -DORDERS=1
  add holds second-controller "$(faults)" "${two_controllers[@]}"
fi

# Each mutant, with the faults that it needs to show.
mutant() {
  local name=$1
  shift
  add caught "$name" "-DMUTANT_$(tr a-z- A-Z_ <<<"$name")" "$@"
}
mutant skip-l3-wait "$(faults)"
mutant not-active-is-released "$(faults)"
mutant wait-without-margin "$(faults)"
mutant lease-from-receipt "$(faults)"
mutant activate-while-bound "$(faults)"
mutant accept-lower-epoch "$(faults)"
mutant accept-voided-answer "$(faults GIVE_UPS=1)"
mutant forget-promises-on-restart "$(faults EXECUTOR_RESTARTS=1)" -DORDERS=1
mutant grant-before-epoch-stored "$(faults CONTROLLER_RESTARTS=1)" -DORDERS=1
mutant promise-from-answer "$(faults)" -DORDERS=1
mutant adopt-lower-epoch "$(faults CONTROLLER_RESTARTS=1)" -DORDERS=1 -DDEPTH_FIRST

if [[ $mode == full ]]; then
  mutant stale-follower-counts "$(faults)" "${two_controllers[@]}" -DDEPTH_FIRST
fi

# These break a rule that the others make up for, as far as this model goes (docs/model.md says why).
redundant() {
  local name=$1
  shift
  add redundant "$name" "-DMUTANT_$(tr a-z- A-Z_ <<<"$name")" "$@"
}
redundant newest-answered-zero-after-restart "$(faults CONTROLLER_RESTARTS=1)" -DPROMISES=0 -DORDERS=1
redundant promise-while-holding "$(faults)" -DORDERS=1
if [[ $mode == full ]]; then
  redundant epoch-told-before-release "$(faults)" -DORDERS=1
  redundant report-numbers-restart "$(faults EXECUTOR_RESTARTS=1)" -DPROMISES=0 -DORDERS=1
fi

# What the model must be able to do, or the above would prove little.
reach() {
  local name=$1
  shift
  add reached "$name" -DREACH "-DREACH_$(tr a-z- A-Z_ <<<"$name")" "$@"
}
reach active "$(faults)"
reach failover "$(faults)"
reach failback "$(faults MAX_EPOCH=3)" -DPROMISES=0 -DORDERS=1
reach lives-by-promises "$(faults)"
reach seized "$(faults STREAM_LOSSES=1)"
reach adopted "$(faults CONTROLLER_RESTARTS=1)"
reach lease-taken-up "$(faults EXECUTOR_RESTARTS=1)"
if [[ $mode == full ]]; then
  reach second-controller-grants "$(faults)" "${two_controllers[@]}" -DDEPTH_FIRST
fi

passed=0
failed=0
names=()
for check in "${checks[@]}"; do
  read -r kind name definitions <<<"$check"
  [[ -n ${only// /} && $only != *" $name "* ]] && continue
  names+=("$name")
  while (($(jobs -rp | wc -l) >= jobs)); do wait -n; done
  # shellcheck disable=SC2086  # definitions are words
  check "$kind" "$name" $definitions &
  running+=($!)
done
wait
for name in $only; do
  [[ " ${names[*]} " == *" $name "* ]] && continue
  echo "FAILED  $name: no check of $mode has that name"
  failed=$((failed + 1))
done
for name in "${names[@]}"; do
  row=$(cat "$dir/$name/row" 2>/dev/null || echo "FAILED  $name")
  echo "$row"
  if [[ $row == passed* ]]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))

#!/bin/bash
# Builds hb and runs its tests. Without arguments: all of them. Prints a table of the stages and, as the last line,
# "N passed, N failed" over all of them.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

readonly ctest_labels=(unit host lab quickstart e2e)
readonly special_stages=(asan tsan tidy clang sim mutants model fuzz)

usage() {
  cat <<EOF
usage: tests/run.sh [STAGE...]
  ${ctest_labels[*]}: the tests of these CTest labels, with the release preset
  asan   unit, host and lab tests with AddressSanitizer and UndefinedBehaviorSanitizer
  tsan   unit tests with ThreadSanitizer (what does not link gRPC)
  tidy   clang-format and clang-tidy over the whole tree
  clang  unit tests built by clang with -Wthread-safety
  sim      both cores in a simulated world of faults, on fixed seeds
  mutants  defects of the cores, each of which the simulator or the cores' tests must catch
  model    the Promela model of the lease, and its mutants
  fuzz     the fuzzers, some seconds each
Without arguments: all of these but clang. host, lab, quickstart, e2e and asan need root.
HB_JOBS: how many compilers and tests run beside each other (default: as many as there are processors).
Exit status: 0 all passed, 1 something failed, 2 usage.
EOF
}

jobs=${HB_JOBS:-$(nproc)}
# Most of what a test does is to wait.
test_jobs=$((jobs * 2))
passed=0
failed=0
table=()

# A stage's outcome. $1: its name, $2: passed, $3: failed, $4: a word on what went wrong
record() {
  passed=$((passed + $2))
  failed=$((failed + $3))
  table+=("$(printf '%-12s %5d passed %5d failed  %4d s  %s' "$1" "$2" "$3" $((SECONDS - stage_start)) "${4:-}")")
}

begin() {
  stage_start=$SECONDS
  echo "=== $1"
}

# Configures and builds a preset; its output is shown when it fails. $1: the preset, the rest: wrapper command
build() {
  local preset=$1 log
  shift
  mkdir -p "build/$preset"
  log=build/$preset/run.log
  if "$@" cmake --preset "$preset" >"$log" 2>&1 &&
    "$@" cmake --build --preset "$preset" --parallel "$jobs" >>"$log" 2>&1; then
    return 0
  fi
  # Ninja says what failed before the noise of its other jobs: the errors first, then the end.
  grep -E 'error|FAILED|Error' "$log" | head -n 40
  tail -n 30 "$log"
  return 1
}

# $1: the stage's name, $2: the preset, $3: labels as "unit|host", the rest: wrapper command
run_ctest() {
  local name=$1 preset=$2 labels=$3 output=build/$2/ctest.out line
  shift 3
  begin "$name: tests with the $preset preset: ${labels//|/ }"
  if ! build "$preset" "$@"; then
    record "$name" 0 1 "the $preset preset does not build"
    return
  fi
  "$@" ctest --test-dir "build/$preset" -L "^($labels)\$" --parallel "$test_jobs" --output-on-failure --no-tests=error \
    2>&1 | tee "$output" | grep -vE '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ Test +#[0-9]+: .* Passed)'
  line=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests? failed out of [0-9]+' "$output")
  if [[ $line =~ passed,\ ([0-9]+)\ tests?\ failed\ out\ of\ ([0-9]+) ]]; then
    record "$name" $((BASH_REMATCH[2] - BASH_REMATCH[1])) "${BASH_REMATCH[1]}"
  else
    record "$name" 0 1 "no tests ran"
  fi
}

# All files of the tree that are ours, also before they are committed. $1: extended pattern of the names
tree() {
  git ls-files --cached --others --exclude-standard | grep -E "$1" | while read -r file; do
    [[ -f $file ]] && echo "$file"
  done
}

run_format() {
  begin "format: clang-format over the tree"
  local file good=0 bad=0
  while read -r file; do
    if clang-format --dry-run -Werror "$file" 2>/dev/null; then
      good=$((good + 1))
    else
      echo "not formatted: $file"
      bad=$((bad + 1))
    fi
  done < <(tree '\.(cc|h)$')
  record format "$good" "$bad"
}

# Each source that the release preset compiles is one test. g++'s own warning options mean nothing to clang-tidy. What was
# found good is remembered by a hash of the preprocessed source and of the rules, so that only changes are looked at.
run_tidy() {
  begin "tidy: clang-tidy over every source"
  if ! build release; then
    record tidy 0 1 "the release preset does not build"
    return
  fi
  local results good bad
  results=$(mktemp -d)
  export HB_TIDY_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/hb-tidy
  mkdir -p "$HB_TIDY_CACHE"
  python3 - build/release/compile_commands.json <<'EOF' |
import json, os, sys
files = {os.path.relpath(entry["file"]) for entry in json.load(open(sys.argv[1]))}
print("\n".join(sorted(f for f in files if f.endswith(".cc") and not f.startswith(("..", "build/")))))
EOF
    xargs -P "$jobs" -I {} python3 tests/rules/tidy_one.py build/release {} "$results"
  good=$(find "$results" -name 'good.*' | wc -l)
  bad=$(find "$results" -name 'bad.*' | wc -l)
  rm -rf "$results"
  if ((good + bad == 0)); then
    record tidy 0 1 "no sources found"
  else
    record tidy "$good" "$bad"
  fi
}

# A command that closes with "N passed, N failed". $1: the stage, $2: what it is, the rest: the command
run_counted() {
  local name=$1 what=$2 output=build/$1.out line
  shift 2
  begin "$name: $what"
  "$@" 2>&1 | tee "$output"
  line=$(tail -n 1 "$output")
  if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    record "$name" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
  else
    record "$name" 0 1 "it did not come to its end"
  fi
}

# $1: the stage, $2: the preset, the rest: targets
build_for() {
  local stage=$1 preset=$2
  shift 2
  mkdir -p "build/$preset"
  if cmake --preset "$preset" >"build/$preset/$stage.log" 2>&1 &&
    cmake --build --preset "$preset" --parallel "$jobs" --target "$@" >>"build/$preset/$stage.log" 2>&1; then
    return 0
  fi
  begin "$stage: build"
  grep -E 'error|FAILED|Error' "build/$preset/$stage.log" | head -n 40
  record "$stage" 0 1 "the $preset preset does not build"
  return 1
}

stages=("$@")
[[ $# -gt 0 ]] || stages=("${ctest_labels[@]}" asan tsan tidy sim mutants model fuzz)
plain=()
for stage in "${stages[@]}"; do
  case " ${ctest_labels[*]} ${special_stages[*]} " in
    *" $stage "*) ;;
    *)
      [[ $stage == --help || $stage == -h ]] && usage && exit 0
      echo "tests/run.sh: no stage called $stage" >&2
      usage >&2
      exit 2
      ;;
  esac
  if [[ $EUID -ne 0 && " host lab quickstart e2e asan " == *" $stage "* ]]; then
    echo "tests/run.sh: the stage $stage needs root" >&2
    exit 2
  fi
  [[ " ${ctest_labels[*]} " == *" $stage "* ]] && plain+=("$stage")
done

if [[ $EUID -eq 0 ]]; then
  deploy/install-deps.sh || exit 1
fi

export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
if [[ ${#plain[@]} -gt 0 ]]; then
  run_ctest release release "$(IFS='|' && echo "${plain[*]}")"
fi
for stage in "${stages[@]}"; do
  case $stage in
    asan) run_ctest asan asan 'unit|host|lab' ;;
    # ThreadSanitizer's memory map does not fit every layout that the kernel may choose at random.
    tsan) run_ctest tsan tsan unit setarch "$(uname -m)" --addr-no-randomize ;;
    clang) run_ctest clang clang unit ;;
    sim)
      build_for sim release hb-sim && build_for sim fuzz hb-sim &&
        run_counted sim "both cores in a simulated world" tests/sim/check.sh
      ;;
    mutants)
      build_for mutants release hb-sim-mutants controller_core_mutants_test executor_core_mutants_test &&
        run_counted mutants "defects of the cores, and who catches them" tests/mutants/run.py -j "$jobs" --seeds 60
      ;;
    model) run_counted model "the Promela model of the lease" tests/model/run.sh ;;
    fuzz) run_counted fuzz "the fuzzers" tests/fuzz/run.sh ;;
    tidy)
      run_format
      run_tidy
      ;;
  esac
done

echo
echo "Stages:"
printf '  %s\n' "${table[@]}"
echo "Total time: $SECONDS s"
echo
echo "$passed passed, $failed failed"
((failed == 0))

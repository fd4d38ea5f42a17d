#!/usr/bin/env python3
"""Runs what has to catch the mutants of the cores: for each mutant the simulator, seed after seed, then the cores' unit
tests, until one of them catches it. First it sees to it that without a mutant they are all silent.

Prints a table, the survivors, and as the last line "N passed, N failed". A test that hangs or crashes has caught.
Exit status: 0 every mutant was caught, 1 one survived or something spoke without a mutant, 2 usage or nothing built.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
# By the core that has the mutant: a defect of one core is none of the other's tests'.
UNIT_TESTS = {"controller": "controller_core_mutants_test", "executor": "executor_core_mutants_test"}
SIMULATOR = "hb-sim-mutants"
UNIT_TIMEOUT = 30  # seconds; the tests of one core take less than one
OFF_TIMEOUT = 240  # without a mutant, also under a sanitizer that slows them down
SIM_TIMEOUT = 600
ABSENT = "-"


class Broken(Exception):
    """A catcher that could not run; that is no catch."""


@dataclasses.dataclass
class Outcome:
    caught: str = ""  # what was violated, or the first test that failed; "": nothing; ABSENT: was not run
    seeds: str = ""
    seconds: float = 0.0

    @property
    def catches(self):
        return self.caught not in ("", ABSENT)


def run(command, timeout, mutant=""):
    """The exit status and output; "hang" in place of the status when it does not end."""
    environment = dict(os.environ, HB_MUTANT=mutant)
    try:
        done = subprocess.run([str(part) for part in command], env=environment, timeout=timeout, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or b""
        return "hang", output.decode(errors="replace") if isinstance(output, bytes) else output
    if done.returncode == -signal.SIGKILL:
        raise Broken(f"{command[0]} was killed from outside (no memory?)")
    return done.returncode, done.stdout


def simulate(arguments, mutant):
    binary = arguments.bin / SIMULATOR
    if not binary.is_file():
        return Outcome(ABSENT)
    began = time.monotonic()
    command = [binary, "--seeds", f"1..{arguments.seeds}"] + (["--mutant", mutant] if mutant else [])
    status, output = run(command, SIM_TIMEOUT)
    seconds = time.monotonic() - began
    seeds = re.search(r"^seeds=(\d+)", output, re.MULTILINE)
    outcome = Outcome("", seeds.group(1) if seeds else "", seconds)
    if status == 0:
        return outcome
    if status == 2:
        raise Broken(f"{SIMULATOR}: {output.strip()}")
    violation = re.search(r"^violation seed=(\d+) property=(\S+)", output, re.MULTILINE)
    if violation:
        outcome.caught = violation.group(2)
        # How many it took: the first seed that shows it.
        outcome.seeds = violation.group(1)
    elif status == 1:
        raise Broken(f"{SIMULATOR} failed and named no violation: {output.strip()[-500:]}")
    else:
        outcome.caught = "hang" if status == "hang" else f"crash ({status})"
    return outcome


def unit_test(arguments, core, mutant):
    binary = arguments.bin / UNIT_TESTS[core]
    if not binary.is_file():
        raise Broken(f"{binary} is not built")
    began = time.monotonic()
    status, output = run([binary, "--gtest_fail_fast", "--gtest_brief=1"],
                         UNIT_TIMEOUT if mutant else OFF_TIMEOUT, mutant)
    outcome = Outcome(seconds=time.monotonic() - began)
    failed = re.search(r"^\[  FAILED  \] ([\w/.]+)", output, re.MULTILINE)
    if status == 2:
        raise Broken(f"{binary.name}: {output.strip()}")
    if failed:
        outcome.caught = failed.group(1)
    elif status == "hang":
        outcome.caught = "hang"
    elif status == 0 and not re.search(r"^\[  PASSED  \] [1-9]", output, re.MULTILINE):
        raise Broken(f"{binary.name} ran no test")
    elif status != 0:
        outcome.caught = f"crash ({status})"
    return outcome


@dataclasses.dataclass
class Result:
    name: str
    rule: str
    sim: Outcome
    unit: Outcome

    @property
    def caught(self):
        return self.sim.catches or self.unit.catches


def try_mutant(arguments, name, fields):
    sim = Outcome(ABSENT) if arguments.unit_only else simulate(arguments, name)
    core = fields["file"].split("/")[0]
    needed = arguments.all or not sim.catches
    unit = unit_test(arguments, core, name) if needed else Outcome(ABSENT)
    return Result(name, fields["rule"], sim, unit)


def without_mutant(arguments):
    """What spoke although there is no defect."""
    spoke = []
    for core, binary in UNIT_TESTS.items():
        outcome = unit_test(arguments, core, "")
        if outcome.catches:
            spoke.append(f"{binary}: {outcome.caught}")
    if not arguments.unit_only and not arguments.off:
        outcome = simulate(arguments, "")
        if outcome.catches:
            spoke.append(f"{SIMULATOR}: {outcome.caught} with seed {outcome.seeds}")
    return spoke


def print_table(results):
    rows = [("mutant", "rule", "simulator", "seeds", "unit test", "seconds")]
    for r in results:
        rows.append((r.name, r.rule, r.sim.caught or "survives", r.sim.seeds, r.unit.caught or "survives",
                     f"{r.sim.seconds + r.unit.seconds:.1f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser(description="Runs what has to catch the mutants of the cores.")
    parser.add_argument("--bin", type=pathlib.Path, default=HERE.parents[1] / "build/release/bin",
                        help="where the binaries are (default: build/release/bin)")
    parser.add_argument("--seeds", type=int, default=300, help="of the simulator, at most, for each mutant (300)")
    parser.add_argument("--only", metavar="NAME", action="append", help="this mutant; may be repeated")
    parser.add_argument("--all", action="store_true", help="the unit tests also where the simulator catches")
    parser.add_argument("--unit-only", action="store_true", help="not the simulator")
    parser.add_argument("--off", action="store_true", help="only see that the unit tests pass without a mutant")
    parser.add_argument("--list", action="store_true", help="list the mutants and end")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="mutants beside each other")
    arguments = parser.parse_args()
    table = tomllib.loads((HERE / "mutants.toml").read_text())
    if arguments.list:
        for name, fields in table.items():
            print(f"{name:32} {fields['rule']:10} {fields['defect']}")
        return 0
    for name in arguments.only or []:
        if name not in table:
            parser.error(f"there is no mutant called {name}")
    chosen = {name: fields for name, fields in table.items() if not arguments.only or name in arguments.only}
    try:
        spoke = without_mutant(arguments)
        for line in spoke:
            print(f"without a mutant: {line}")
        if arguments.off or spoke:
            print(f"{0 if spoke else 1} passed, {len(spoke)} failed")
            return 1 if spoke else 0
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            results = list(pool.map(lambda item: try_mutant(arguments, *item), chosen.items()))
    except Broken as broken:
        print(f"tests/mutants/run.py: {broken}", file=sys.stderr)
        return 2
    print_table(results)
    survivors = [r for r in results if not r.caught]
    print()
    for r in survivors:
        print(f"survivor: {r.name} ({r.rule}): {chosen[r.name]['defect']}")
    # That nothing speaks without a mutant is one more check.
    print(f"{len(results) - len(survivors) + 1} passed, {len(survivors)} failed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

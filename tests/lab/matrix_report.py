#!/usr/bin/env python3
"""Writes what matrix.sh has gathered as a Markdown table.

    matrix_report.py DIR FILE

DIR: ROUND/CASE.status, an exit status, and ROUND/CASE.measured, the tests' MEASURED lines. FILE: "-" is standard output.
Exit status 1 when a case has failed, 2 when there is nothing.
"""

import collections
import pathlib
import re
import statistics
import sys

CASE = re.compile(r"[^:]+:(?P<suite>\w+)\.(?P<test>\w+):Controller(?P<place>OnSlave|OnThirdHost)_(?P<policy>\w+)$")
LINE = re.compile(r"MEASURED \S+ (?P<what>.*): outage_ms=(?P<outage>[\d.]+) failed=(?P<failed>\d+) of=(?P<of>\d+) "
                  r"arp_outage_ms=[\d.]+ two_http_ms=(?P<two_http>[\d.]+) two_arp_ms=(?P<two_arp>[\d.]+) ")
PLACES = {"OnSlave": "slave", "OnThirdHost": "third host"}
POLICIES = ("release", "witness", "hold")

INTRODUCTION = """# Every fault, placement and policy, many times

Made by `tests/lab/matrix.sh` ({rounds}): {runs} runs of {cases} cases, {failed} of which failed.
Each row is one fault of one test of `tests/lab/safety_*_test.cc`, as the client's meter saw it: for how long nobody answered
requests (median and longest over the runs), how many requests failed at most, and for how long two nodes answered,
ARP or HTTP, at most. ttl is 1 s unless the test needs another; the tests say what they allow, and the table shows what was.

Two nodes answered at a time in {two} of {strict} measurements under `release` and `witness`{where}. Under `hold` that is
part of the bargain wherever the holder can't be heard. `docs/safety.md` names the cases.

| fault | test | controller on | policy | runs | nobody, median ms | longest ms | failed requests, most | two, longest ms |
|---|---|---|---|---:|---:|---:|---:|---:|
"""


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    directory, table = pathlib.Path(sys.argv[1]), sys.argv[2]
    rows = collections.defaultdict(list)
    cases, failures, runs, per_case = set(), [], 0, collections.Counter()
    for status in sorted(directory.glob("*/*.status")):
        case = CASE.match(status.stem)
        if not case:
            print(f"{status}: no case of the matrix", file=sys.stderr)
            return 2
        runs += 1
        cases.add(status.stem)
        per_case[status.stem] += 1
        if status.read_text().strip() != "0":
            failures.append(f"round {status.parent.name}: {status.stem}")
        measured = status.with_suffix(".measured")
        for line in measured.read_text().splitlines() if measured.exists() else []:
            seen = LINE.match(line)
            if not seen:
                print(f"{measured}: not understood: {line}", file=sys.stderr)
                return 2
            key = (case["test"], seen["what"], PLACES[case["place"]], case["policy"])
            rows[key].append((float(seen["outage"]), int(seen["failed"]),
                              max(float(seen["two_http"]), float(seen["two_arp"]))))
    if not runs:
        print(f"{directory}: no outcomes", file=sys.stderr)
        return 2

    strict = [(key, run) for key, of in rows.items() if key[3] != "hold" for run in of]
    two = [(key, run) for key, run in strict if run[2] > 0]
    where = "" if not two else ": " + "; ".join(sorted({f"{k[0]} (controller on the {k[2]}, {k[3]})" for k, _ in two}))
    least, most = min(per_case.values()), max(per_case.values())
    text = INTRODUCTION.format(rounds=f"each case {least} times" if least == most else f"each case {least} to {most} times",
                               runs=runs, cases=len(cases), failed=len(failures) or "none", two=len(two),
                               strict=len(strict), where=where)
    for (test, what, place, policy), of in sorted(rows.items(), key=lambda r: (r[0][0], r[0][1], r[0][2],
                                                                            POLICIES.index(r[0][3]))):
        outages = [run[0] for run in of]
        text += (f"| {what} | {test} | {place} | {policy} | {len(of)} | {statistics.median(outages):.0f} "
                 f"| {max(outages):.0f} | {max(run[1] for run in of)} | {max(run[2] for run in of):.0f} |\n")
    if failures:
        text += "\nFailed:\n\n" + "".join(f"- {failure}\n" for failure in failures)
    if table == "-":
        print(text, end="")
    else:
        pathlib.Path(table).write_text(text)
    print(f"{runs - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

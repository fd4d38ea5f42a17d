#!/usr/bin/env python3
"""The repository's own rules, as a test: who may include whom, the one file that reads the clock, no test left
out of the build, files that say what they are. Prints every breach and exits 1 when there is one."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAX_LINES = 600

# Which of the project's own directories (longest match) may include which. Generated code counts as "hb/v1".
CORE_COMMON = {"common/time.h", "common/lease_terms.h", "common/ip_address.h"}
MAY_INCLUDE = {
    "common/config": ("common/", "hb/v1/config.pb.h"),
    "common": ("common/",),
    "controller/core": ("controller/core/",),
    "controller/probe": ("controller/probe/", "common/"),
    "controller/store": ("controller/store/", "common/"),
    "controller": ("controller/", "common/", "hb/v1/"),
    "executor/core": ("executor/core/",),
    "executor/host": ("executor/host/", "executor/core/", "common/"),
    "executor": ("executor/", "common/", "hb/v1/"),
    "client": ("client/", "common/", "hb/v1/"),
    "tests/lab": ("tests/lab/", "common/"),
}
OWN_DIRECTORIES = {"client", "common", "controller", "executor", "hb", "tests"}
CLOCK = re.compile(
    r"\b(clock_gettime|gettimeofday|absl::Now|GetCurrentTimeNanos|(steady|system|high_resolution)_clock::now"
    r"|std::time|time\(nullptr\))"
)
CLOCK_FILES = {"common/boot_clock.cc"}
# gRPC takes the deadlines of its own shutdowns and calls as instants of the system clock.
CLOCK_FOR_GRPC = re.compile(r"system_clock::now\(\) \+ ")


def tracked():
    out = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [f for f in out.splitlines() if (ROOT / f).is_file()]


def rule_for(path):
    best = ""
    for directory in MAY_INCLUDE:
        if path.startswith(directory + "/") and len(directory) > len(best):
            best = directory
    return best


def check_includes(path, text, breaches):
    directory = rule_for(path)
    if not directory:
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'#include "([^"]+)"', line)
        if not match:
            continue
        included = match.group(1)
        if included.split("/")[0] not in OWN_DIRECTORIES or included.startswith(MAY_INCLUDE[directory]):
            continue
        if directory.endswith("/core") and included in CORE_COMMON:
            continue
        breaches.append(f"{path}:{number}: {directory} must not include {included}")
    if directory.endswith("/core") and re.search(r"#include <(google|grpc|systemd|netlink|curl|sys/)", text):
        breaches.append(f"{path}: a core includes only std, absl and its own")


def check_clock(path, text, breaches):
    if path in CLOCK_FILES or path.startswith("tests/"):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if CLOCK.search(line) and not CLOCK_FOR_GRPC.search(line) and not line.lstrip().startswith("//"):
            breaches.append(f"{path}:{number}: only {', '.join(CLOCK_FILES)} reads a clock")


def check_shape(path, text, breaches):
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        breaches.append(f"{path}: {len(lines)} lines; which second concept hides in it?")
    if path.endswith(".h") and not (lines and lines[0].startswith("//")):
        breaches.append(f"{path}: a header opens with what it is for")
    if re.search(r"\bDISABLED_|GTEST_SKIP", text):
        breaches.append(f"{path}: a test that does not run")


def check_tests_built(files, breaches):
    for path in files:
        if not path.endswith("_test.cc"):
            continue
        directory = pathlib.PurePath(path).parent
        lists = ROOT / directory / "CMakeLists.txt"
        if not lists.is_file() or pathlib.PurePath(path).name not in lists.read_text():
            breaches.append(f"{path}: in no CMakeLists.txt beside it")


def check_readme(files, breaches):
    """Every path of the tree that the README and the docs name is there."""
    for doc in [f for f in files if f == "README.md" or (f.startswith("docs/") and f.endswith(".md"))]:
        for name in re.findall(r"`((?:[a-z0-9_.-]+/)+[A-Za-z0-9_.{},-]*)`", (ROOT / doc).read_text()):
            if name.split("/")[0] not in {f.split("/")[0] for f in files if "/" in f}:
                continue
            if "{" in name or name.endswith("/") and (ROOT / name).is_dir() or (ROOT / name).exists():
                continue
            breaches.append(f"{doc}: names {name}, which is not there")


def main():
    files = tracked()
    breaches = []
    sources = [f for f in files if re.search(r"\.(cc|h|c)$", f)]
    if not sources:
        breaches.append("no sources found")
    for path in sources:
        text = (ROOT / path).read_text()
        check_includes(path, text, breaches)
        check_clock(path, text, breaches)
        check_shape(path, text, breaches)
    check_tests_built(files, breaches)
    check_readme(files, breaches)
    for breach in breaches:
        print(breach)
    print(f"{len(sources)} sources looked at, {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())

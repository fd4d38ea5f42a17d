#!/usr/bin/env python3
"""check_absent.py BINARY... --in MUTATED: no BINARY has a mutant or the way to select one in it; MUTATED has, or this
check could not fail."""

import argparse
import pathlib
import subprocess
import sys
import tomllib

NAMES = tomllib.loads((pathlib.Path(__file__).parent / "mutants.toml").read_text()).keys()


def traces(binary):
    """What of the mutants the binary has in it: symbols, and names of mutants."""
    symbols = subprocess.run(["nm", "--demangle", binary], capture_output=True, text=True, check=True).stdout
    content = pathlib.Path(binary).read_bytes()
    found = [line.split(maxsplit=2)[-1] for line in symbols.splitlines()
             if "mutant" in line.lower()]
    return found + [name for name in NAMES if name.encode() in content]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binaries", nargs="+")
    parser.add_argument("--in", dest="mutated", required=True)
    arguments = parser.parse_args()
    failed = False
    if len(traces(arguments.mutated)) <= len(NAMES):
        print(f"{arguments.mutated}: the mutants are not seen where they are")
        failed = True
    for binary in arguments.binaries:
        found = traces(binary)
        print(f"{binary}: {', '.join(found) if found else 'no mutant'}")
        failed = failed or bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""clang-tidy over one source: tidy_one.py BUILD_DIR SOURCE RESULTS. Leaves RESULTS/good.PID or RESULTS/bad.PID and
prints what is wrong. A source that was good is not looked at again until it, anything that it includes, or the rules
change: $HB_TIDY_CACHE holds the hashes of what was good."""

import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

EXTRA = ["--extra-arg=-Wno-unknown-warning-option"]


def fingerprint(build, source):
    """Of the preprocessed source and the rules; None when it can't be preprocessed."""
    for entry in json.load(open(build / "compile_commands.json")):
        if os.path.relpath(entry["file"]) == source:
            break
    else:
        return None
    words = shlex.split(entry["command"])
    # Without launcher (cmake -E env ... ccache), output and compilation.
    start = next(i for i, word in enumerate(words) if pathlib.PurePath(word).name in ("c++", "g++", "clang++"))
    words = words[start:]
    output = words.index("-o")
    words = words[:output] + words[output + 2:]
    # With comments (NOLINT) and without line markers, which name the checkout's place.
    words = [word for word in words if word != "-c"] + ["-E", "-P", "-C"]
    words.append(f"-fmacro-prefix-map={os.getcwd()}=.")
    done = subprocess.run(words, cwd=entry["directory"], capture_output=True)
    if done.returncode != 0:
        return None
    rules = pathlib.Path(".clang-tidy").read_bytes()
    return hashlib.sha256(rules + b"\0" + done.stdout).hexdigest()


def main():
    build, source, results = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    key = fingerprint(build, source)
    stamp = pathlib.Path(os.environ["HB_TIDY_CACHE"]) / key if key else None
    good = stamp is not None and stamp.exists()
    if not good:
        done = subprocess.run(["clang-tidy", "--quiet", "-p", str(build), *EXTRA, source],
                              capture_output=True, text=True)
        good = done.returncode == 0
        if good and stamp is not None:
            stamp.touch()
        if not good:
            print(f"--- {source}\n{done.stdout}{done.stderr}", flush=True)
    (results / f"{'good' if good else 'bad'}.{os.getpid()}").touch()


if __name__ == "__main__":
    main()

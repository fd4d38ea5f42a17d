#!/usr/bin/env python3
"""Writes the cores' sources once more, with every mutant of the table in them as a choice made at run time.

    generate.py --root TREE --table mutants.toml --out DIR FILE...

FILE: every source and header of the cores, relative to TREE. The copies go to DIR under the same paths, and the list
of the mutants for mutant.h to DIR/tests/mutants/mutants.inc. Files that would not change are not touched. An entry
whose fragment is missing, or is there more than once, is an error that names it: exit 1, and nothing is written.
"""

import argparse
import pathlib
import re
import sys
import tomllib
import zlib

FIELDS = {"rule", "file", "from", "to", "defect"}


class TableError(Exception):
    pass


class Entry:
    def __init__(self, name, fields):
        self.name = name
        missing = FIELDS - fields.keys()
        unknown = fields.keys() - FIELDS - {"in"}
        if missing or unknown:
            raise TableError(f"{name}: missing {sorted(missing)}, unknown {sorted(unknown)}")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            raise TableError(f"{name}: not kebab-case")
        self.rule = fields["rule"]
        self.file = fields["file"]
        self.original = fields["from"].strip()
        self.to = fields["to"].strip()
        self.within = fields.get("in")
        self.defect = fields["defect"]
        # Of the name alone: a change of the table compiles what it changes, not every copy.
        self.id = f"0x{zlib.crc32(name.encode()):08x}U"
        self.is_statement = self.original[-1:] in (";", "}") and ";" in self.original
        self.span = None

    def find(self, text):
        """Sets the span of the fragment in the text."""
        begin, end = 0, len(text)
        if self.within is not None:
            begin, end = self._only(self.within, text, begin, end, "in")
        self.span = self._only(self.original, text, begin, end, "from")

    def _only(self, fragment, text, begin, end, field):
        # However clang-format breaks its lines.
        pattern = r"\s+".join(re.escape(word) for word in fragment.split())
        # A name must not be found inside of a longer one.
        if re.match(r"\w", fragment.strip()):
            pattern = r"(?<!\w)" + pattern
        if re.search(r"\w$", fragment.strip()):
            pattern += r"(?!\w)"
        found = [m.span() for m in re.compile(pattern).finditer(text, begin, end)]
        if len(found) != 1:
            how = "is not there" if not found else f"is there {len(found)} times"
            where = self.file if self.within is None or field == "in" else f"'in' of {self.file}"
            raise TableError(f"{self.file}: mutant {self.name}: its '{field}' {how} in {where}: {fragment.strip()}")
        return found[0]

    def choice(self, otherwise):
        condition = f"hb::MutantIs(hb::Mutant{{{self.id}}})"
        if self.is_statement:
            return f"{{ if ({condition}) {{ {self.to} }} else {{ {otherwise} }} }}"
        return f"({condition} ? ({self.to}) : ({otherwise}))"


def load(path):
    with open(path, "rb") as file:
        table = tomllib.load(file)
    entries = [Entry(name, fields) for name, fields in table.items()]
    if len({entry.id for entry in entries} | {"0x00000000U"}) <= len(entries):
        raise TableError("two names have one CRC-32, or one has 0: give one of them another name")
    return entries


def mutate(text, entries, begin=0, end=None):
    """The text from begin to end with the choices of the entries, all of which lie within it. Those inside of another
    one's fragment are chosen where that one is not."""
    end = len(text) if end is None else end
    # The outer before the inner; of those of one fragment the first of the table is the outermost.
    rest = sorted(entries, key=lambda e: (e.span[0], -e.span[1]))
    out = []
    at = begin
    while rest:
        outer = rest.pop(0)
        inner = []
        while rest and rest[0].span[0] < outer.span[1]:
            if rest[0].span[1] > outer.span[1]:
                raise TableError(f"{outer.file}: the fragments of {outer.name} and {rest[0].name} cross")
            inner.append(rest.pop(0))
        out.append(text[at:outer.span[0]])
        out.append(outer.choice(mutate(text, inner, *outer.span)))
        at = outer.span[1]
    out.append(text[at:end])
    return "".join(out)


def write(path, text):
    if path.is_file() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--table", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("files", nargs="+")
    arguments = parser.parse_args()
    try:
        entries = load(arguments.table)
        outputs = {}
        errors = [f"{e.file}: mutant {e.name}: no source of the cores" for e in entries if e.file not in arguments.files]
        for name in arguments.files:
            text = (arguments.root / name).read_text()
            mine = [e for e in entries if e.file == name]
            for entry in mine:
                try:
                    entry.find(text)
                except TableError as error:
                    errors.append(str(error))
            if not errors:
                prefix = f'#include "tests/mutants/mutant.h"\n#line 1 {quoted(str(arguments.root / name))}\n'
                outputs[name] = prefix * bool(mine) + mutate(text, mine)
        if errors:
            raise TableError("\n".join(errors))
    except (TableError, tomllib.TOMLDecodeError) as error:
        print(f"{arguments.table}: the table does not fit the sources:\n{error}", file=sys.stderr)
        return 1
    for name, text in outputs.items():
        write(arguments.out / name, text)
    write(
        arguments.out / "tests/mutants/mutants.inc",
        "// Generated from tests/mutants/mutants.toml.\n" +
        "".join(f"HB_MUTANT({e.id}, {quoted(e.name)}, {quoted(e.rule)}, {quoted(e.defect)})\n"
                for e in entries))
    return 0


if __name__ == "__main__":
    sys.exit(main())

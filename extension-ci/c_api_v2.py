"""Writes down which functions the C API v2 of a DuckDB release has, in the order of its table.

    python3 -m pip download --no-deps --no-binary duckdb duckdb==2.0.1
    python3 extension-ci/c_api_v2.py v2.0.1 duckdb-2.0.1.tar.gz

makes src/ffi/v2/releases/v2.0.1.txt of the header duckdb_extension_v2.h in the source package, and prints what is new,
gone or changed since the release before. A line is the name of a function and a fingerprint of its signature, in
which types are spelt out: a structure or a callback that changed, changes the functions that take it. The constants of
the enumerations follow after a blank line.
"""

import argparse
import hashlib
import re
import sys
import tarfile
from pathlib import Path

RELEASES = Path(__file__).resolve().parent.parent / "src" / "ffi" / "v2" / "releases"
HEADERS = ("duckdb_v2.h", "duckdb_extension_v2.h")


def read(source, name):
    """A header out of a source package, or out of a folder of headers."""
    if source.is_dir():
        return next(source.rglob(f"include/{name}")).read_text(encoding="utf-8")
    with tarfile.open(source) as archive:
        member = next(member for member in archive if member.name.endswith(f"/src/include/{name}"))
        return archive.extractfile(member).read().decode("utf-8")


def tidy(code):
    """C without comments, directives and superfluous blanks."""
    code = re.sub(r"/\*.*?\*/|//[^\n]*", " ", code, flags=re.DOTALL)
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", code, flags=re.MULTILINE)
    return re.sub(r" ?([(){}*,;]) ?", r"\1", re.sub(r"\s+", " ", code))


def signature(result, parameters):
    """A function's type; the names of its parameters say nothing to the machine."""
    types = [
        re.sub(r"^(.+[ *])\w+$", r"\1", parameter).strip() for parameter in parameters.split(",")
    ]
    return f"{result.strip()}({','.join(types)})"


def structures(code):
    """Name -> definition of each structure that is defined on its own."""
    found = {}
    for match in re.finditer(r"(?<!typedef )\b(?:struct|union) (\w+)\{", code):
        depth, end = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(code[end], 0)
            end += 1
        found[match.group(1)] = "struct" + code[match.end() - 1 : end]
    return found


def type_definitions(code):
    """Name -> definition of each structure, callback and other name of a type; enumerations have constants instead."""
    found = structures(code)
    for tag, body, names in re.findall(r"typedef struct (\w*) ?\{([^{}]*)\}([^;]*);", code):
        for name in filter(None, [tag, names.strip("* ")]):
            found[name] = f"struct{{{body}}}{'*' * names.count('*')}"
    for result, name, parameters in re.findall(
        r"typedef ([^;{}()]*)\(\*(\w+)\)\(([^;{}]*)\);", code
    ):
        found[name] = signature(result, parameters)
    for meaning, name in re.findall(r"typedef ([^;{}()]*?)[ *](\w+);", code):
        found.setdefault(name, meaning)
    return found


def spelt_out(text, types, known=frozenset()):
    """A piece of C with the definition behind each name of a type, once on each way."""

    def definition(match):
        name = match.group()
        if name not in types or name in known:
            return name
        return f"{name}={spelt_out(types[name], types, known | {name})}"

    return re.sub(r"\b[A-Za-z_]\w*\b", definition, text)


def functions(code, types):
    """(name, fingerprint) of each pointer in the table."""
    table = re.search(r"typedef struct ?\{((?:(?!typedef).)*?)\}duckdb_ext_api_v2;", code).group(1)
    for result, name, parameters in re.findall(r"([^;()]*)\(\*(\w+)\)\(([^;]*)\);", table):
        spelt = spelt_out(signature(result, parameters), types)
        yield name, hashlib.sha256(spelt.encode()).hexdigest()[:16]


def constants(code):
    """(name, value) of each constant of an enumeration."""
    for body in re.findall(r"enum \w* ?\{([^{}]*)\}", code):
        value = -1
        for constant in filter(None, (part.strip() for part in body.split(","))):
            name, _, explicit = (part.strip() for part in constant.partition("="))
            value = int(explicit, 0) if explicit else value + 1
            yield name, value


def describe(source):
    """The text of a release's file."""
    definitions, table = (tidy(read(source, name)) for name in HEADERS)
    types = type_definitions(definitions)
    lines = [f"{name} {fingerprint}\n" for name, fingerprint in functions(table, types)]
    return "".join([*lines, "\n", *(f"{name} {value}\n" for name, value in constants(definitions))])


def number(path):
    return [int(part) for part in path.stem.lstrip("v").split(".")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", help="such as v2.0.1")
    parser.add_argument(
        "source",
        type=Path,
        help="the source package of that release, or a folder that holds its headers",
    )
    arguments = parser.parse_args()
    if not re.fullmatch(r"v\d+\.\d+\.\d+", arguments.release):
        raise SystemExit(
            f"c_api_v2.py: a release is called v<major>.<minor>.<patch>, not {arguments.release}"
        )

    text = describe(arguments.source)
    path = RELEASES / f"{arguments.release}.txt"
    path.write_text(text, encoding="ascii", newline="\n")
    new = dict(line.split() for line in text.splitlines() if line)
    print(f"{path.name}: {text.split(chr(10) * 2)[0].count(chr(10)) + 1} functions")
    earlier = sorted(
        (other for other in RELEASES.glob("v*.txt") if number(other) < number(path)), key=number
    )
    if earlier:
        old = dict(
            line.split() for line in earlier[-1].read_text(encoding="ascii").splitlines() if line
        )
        for what, names in (
            ("new", new.keys() - old.keys()),
            ("gone", old.keys() - new.keys()),
            ("changed", {name for name in new.keys() & old.keys() if new[name] != old[name]}),
        ):
            for name in sorted(names):
                print(f"{what} since {earlier[-1].stem}: {name}")


if __name__ == "__main__":
    sys.exit(main())

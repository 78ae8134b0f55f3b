"""Collects what a release publishes in build/dist: an archive of this platform, the wheel, and SHA256SUMS of all; in
build/community, what DuckDB's community extensions ask for.

    build/venv/1.5.6/bin/python extension-ci/dist.py

The archive holds the extension for `LOAD '<path>'`, the repository for `INSTALL amazing FROM 'repo'`, the SQL scripts and
the licence. It is the same, byte for byte, for the same contents.
"""

import argparse
import csv
import hashlib
import os
import shutil
import string
import subprocess
import tarfile
from pathlib import Path

import duckdb

import package

ROOT = package.ROOT
BUILD = ROOT / "build"
DIST = BUILD / "dist"
COMMUNITY = BUILD / "community"
DESCRIPTION = Path(__file__).with_name("description.yml")


def archive(platform):
    """Writes amazing-<version>-<platform>.tar.xz, whose one folder has the same name."""
    name = f"amazing-{package.crate_version()}-{platform}"
    contents = {
        "LICENSE": ROOT / "LICENSE",
        package.FILE_NAME: BUILD / "release" / package.FILE_NAME,
    }
    for folder, root in (("repo", BUILD / "repo"), ("sql", ROOT / "sql")):
        for path in root.rglob("*"):
            # A repository of another platform may be there from an earlier build.
            if path.is_file() and (folder != "repo" or path.parent.name == platform):
                contents[f"{folder}/{path.relative_to(root).as_posix()}"] = path
    target = DIST / f"{name}.tar.xz"
    # xz finds the copies of one file that the repository holds for each DuckDB.
    with tarfile.open(target, "w:xz", preset=9) as tar:
        for member, path in sorted(contents.items()):
            information = tarfile.TarInfo(f"{name}/{member}")
            information.size, information.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                tar.addfile(information, file)
    return target


def git(*arguments):
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def community(repository):
    """Writes description.yml of this commit, and a description and an example of every function."""
    COMMUNITY.mkdir(parents=True, exist_ok=True)
    owner, _, _ = repository.partition("/")
    values = {"version": package.crate_version(), "repository": repository, "maintainer": owner}
    template = string.Template(DESCRIPTION.read_text(encoding="utf-8"))
    text = template.substitute(values, commit=git("rev-parse", "HEAD"))
    (COMMUNITY / "description.yml").write_text(text, encoding="utf-8", newline="\n")
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.load_extension(str(BUILD / "release" / package.FILE_NAME))
    # A function with several forms has one row.
    rows = con.execute(
        "SELECT name, any_value(description ORDER BY signature), '', any_value(example ORDER BY"
        " signature) FROM amazing_functions() GROUP BY name ORDER BY name"
    ).fetchall()
    with (COMMUNITY / "function_descriptions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["function", "description", "comment", "example"])
        writer.writerows(rows)


def checksums():
    """Writes SHA256SUMS in the format of `sha256sum --check`."""
    files = sorted(path for path in DIST.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (DIST / "SHA256SUMS").write_text("".join(lines), encoding="ascii", newline="\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--checksums", action="store_true", help="only write SHA256SUMS of what is in build/dist"
    )
    parser.add_argument("--platform", help="DuckDB's platform name; default: that of rustc's host")
    parser.add_argument(
        "--repository",
        default=os.environ.get("GITHUB_REPOSITORY", "OWNER/amazing"),
        help="<owner>/<name> for description.yml; default: $GITHUB_REPOSITORY",
    )
    arguments = parser.parse_args()
    if not arguments.checksums:
        shutil.rmtree(DIST, ignore_errors=True)
        DIST.mkdir(parents=True)
        archive(arguments.platform or package.platform_of(package.host_triple()))
        for wheel in (BUILD / "wheel").glob("*.whl"):
            shutil.copy(wheel, DIST)
        community(arguments.repository)
    checksums()
    for path in sorted([*DIST.iterdir(), *COMMUNITY.glob("*")]):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

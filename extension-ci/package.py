"""Turns the compiled library into a DuckDB extension: appends the metadata footer and lays out a local repository.

    python3 extension-ci/package.py --library target/release/libamazing.so

writes build/release/amazing.duckdb_extension, the copy of the stable C API for `LOAD '<path>'` in every release,
build/release/v2/amazing.duckdb_extension, the copy of the C API v2 for the releases that are marked so, and
build/repo/<duckdb version>/<platform>/amazing.duckdb_extension.gz with the copy that suits each release, for
`INSTALL amazing FROM 'build/repo'`. build/release/extension/amazing/amazing.duckdb_extension is where the build of DuckDB's
community extensions looks: the copy that suits the release in $DUCKDB_GIT_VERSION.
"""

import argparse
import gzip
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS_FILE = Path(__file__).resolve().parent / "duckdb_versions.txt"
# The functions of the C API v2 in each release that the library knows (c_api_v2.py makes these files).
C_API_V2_RELEASES = ROOT / "src" / "ffi" / "v2" / "releases"

# Where a virtual environment has its programs.
BIN, PYTHON = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")

# DuckDB derives the name of the entry point (amazing_init_c_api, amazing_init_c_api_v2) from the name of the file.
FILE_NAME = "amazing.duckdb_extension"
ABI_TYPE = "C_STRUCT"
C_API_VERSION = "v1.2.0"
# The C API v2 is not stable: a copy of it names the one release of DuckDB that loads it, and finds that name again when
# it is loaded.
V2_ABI_TYPE = "C_STRUCT_UNSTABLE"

FIELD_BYTES = 32
SIGNATURE_BYTES = 256
FOOTER_BYTES = 8 * FIELD_BYTES + SIGNATURE_BYTES

PLATFORMS = {
    "x86_64-unknown-linux-gnu": "linux_amd64",
    "aarch64-unknown-linux-gnu": "linux_arm64",
    "x86_64-unknown-linux-musl": "linux_amd64_musl",
    "aarch64-unknown-linux-musl": "linux_arm64_musl",
    "x86_64-apple-darwin": "osx_amd64",
    "aarch64-apple-darwin": "osx_arm64",
    "x86_64-pc-windows-msvc": "windows_amd64",
    "aarch64-pc-windows-msvc": "windows_arm64",
    "x86_64-pc-windows-gnu": "windows_amd64_mingw",
}


def footer(extension_version, platform, abi_type=ABI_TYPE, c_api_version=C_API_VERSION):
    """The last 512 bytes of an extension: eight NUL-padded fields, last to first, then room for a signature."""
    fields = ["", "", "", abi_type, extension_version, c_api_version, platform, "4"]
    encoded = [field.encode("ascii") for field in fields]
    for field in encoded:
        if len(field) > FIELD_BYTES:
            raise ValueError(f"footer field {field!r} is longer than {FIELD_BYTES} bytes")
    return b"".join(field.ljust(FIELD_BYTES, b"\0") for field in encoded) + bytes(SIGNATURE_BYTES)


def host_triple():
    """The triple that rustc builds for when no --target is given."""
    output = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return re.search(r"^host: (\S+)$", output, re.MULTILINE).group(1)


def platform_of(triple):
    """DuckDB's name of a Rust target triple."""
    if triple not in PLATFORMS:
        raise SystemExit(
            f"package.py: no DuckDB platform is known for the Rust target {triple}; build for one"
            f" of {', '.join(sorted(PLATFORMS))}, or pass --platform with what `PRAGMA platform`"
            " prints"
        )
    return PLATFORMS[triple]


def crate_version():
    """`version` of Cargo.toml's [package] section (tomllib is younger than the oldest Python that builds us)."""
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    package = manifest.split("[package]", 1)[1].split("\n[", 1)[0]
    return re.search(r'^version\s*=\s*"([^"]+)"', package, re.MULTILINE).group(1)


MARKS = ("tested", "quick", "c-api-v2")


def duckdb_versions(*marks):
    """The DuckDB releases of duckdb_versions.txt that have all `marks`, oldest first, each with its leading `v`."""
    versions = []
    for line in VERSIONS_FILE.read_text(encoding="utf-8").splitlines():
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if not re.fullmatch(r"v\d+\.\d+\.\d+", words[0]) or set(words[1:]) - set(MARKS):
            raise SystemExit(
                f"{VERSIONS_FILE.name}: expected `v<major>.<minor>.<patch> {MARKS}`, found `{line}`"
            )
        if "c-api-v2" in words and not (C_API_V2_RELEASES / f"{words[0]}.txt").is_file():
            raise SystemExit(
                f"{VERSIONS_FILE.name}: the functions of the C API v2 in {words[0]} are not known;"
                " write them down with extension-ci/c_api_v2.py, as docs/releasing.md tells"
            )
        if set(marks) <= set(words):
            versions.append(words[0])
    return versions


def v2_path(build, kind, duckdb_version):
    """Where the copy for one release with the C API v2 lies: the newest of them without its version."""
    is_newest = duckdb_version == duckdb_versions("c-api-v2")[-1]
    return build / kind / ("v2" if is_newest else f"v2-{duckdb_version}") / FILE_NAME


def write_atomically(path, content):
    """Replaces a file in one step; leaves an equal one alone, so that what depends on its time is not built again."""
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, required=True, help="the compiled library (cdylib)")
    parser.add_argument(
        "--platform",
        default=os.environ.get("DUCKDB_PLATFORM"),
        help="DuckDB's platform name; default: $DUCKDB_PLATFORM, else that of rustc's host",
    )
    parser.add_argument(
        "--build", type=Path, default=ROOT / "build", help="where to write; default: build/"
    )
    parser.add_argument(
        "--kind", default="release", help="folder below the build folder: release or debug"
    )
    arguments = parser.parse_args()

    if not arguments.library.is_file():
        raise SystemExit(
            f"package.py: {arguments.library} does not exist; run `cargo build --release` first"
        )
    version = "v" + crate_version()
    platform = arguments.platform or platform_of(host_triple())
    library = arguments.library.read_bytes()

    def write(path, **stamp):
        content = library + footer(version, platform, **stamp)
        write_atomically(path, content)
        names = f"{stamp['c_api_version']} alone" if stamp else "every supported DuckDB"
        print(
            f"{os.path.relpath(path)}: amazing {version} for {names}, {platform},"
            f" {len(content) / 1e6:.1f} MB"
        )
        return content

    stable = write(arguments.build / arguments.kind / FILE_NAME)
    copies = {
        name: write(
            v2_path(arguments.build, arguments.kind, name), abi_type=V2_ABI_TYPE, c_api_version=name
        )
        for name in duckdb_versions("c-api-v2")
    }

    if arguments.kind == "release":
        community = copies.get(os.environ.get("DUCKDB_GIT_VERSION"), stable)
        write_atomically(
            arguments.build / "release" / "extension" / "amazing" / FILE_NAME, community
        )
        compressed = {
            content: gzip.compress(content, compresslevel=6, mtime=0)
            for content in {stable, *copies.values()}
        }
        versions = duckdb_versions()
        for name in versions:
            path = arguments.build / "repo" / name / platform / (FILE_NAME + ".gz")
            write_atomically(path, compressed[copies.get(name, stable)])
        print(
            f"{os.path.relpath(arguments.build / 'repo')}: DuckDB {versions[0]} to {versions[-1]}"
        )


if __name__ == "__main__":
    sys.exit(main())

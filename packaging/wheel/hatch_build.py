"""Puts the built extension and the licence into the wheel, which is one of this platform, not of a Python version."""

import os
import platform
import sys
import sysconfig
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parents[2]


def platform_tag():
    """The platform as wheels name it; on Linux `make wheel` puts the C library's version in its place."""
    if sys.platform == "darwin":
        # The oldest macOS that Rust's targets support; what Python tells is that of its own build.
        return f"macosx_{'11_0' if platform.machine() == 'arm64' else '10_12'}_{platform.machine()}"
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


class Extension(BuildHookInterface):
    """The build hook that pyproject.toml names."""

    def initialize(self, version, build_data):
        # DuckDB takes the name of the entry point from the name of the file.
        extension = Path(
            os.environ.get("AMAZING_EXTENSION") or ROOT / "build/release/amazing.duckdb_extension"
        )
        if not extension.is_file():
            raise FileNotFoundError(f"{extension} does not exist: run `make release` first")
        build_data["tag"] = f"py3-none-{platform_tag()}"
        build_data["pure_python"] = False
        build_data["force_include"] = {
            str(extension): "duckdb_extension_amazing/amazing.duckdb_extension",
            str(ROOT / "LICENSE"): "duckdb_extension_amazing/LICENSE",
        }

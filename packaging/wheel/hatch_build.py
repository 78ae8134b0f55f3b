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
        # The runner and the report stand once in the repository, and are parts of the package here.
        files = {
            extension: "amazing.duckdb_extension",
            ROOT / "LICENSE": "LICENSE",
            ROOT / "orchestration" / "run_step.py": "_run_step.py",
            ROOT / "orchestration" / "distribute.py": "_distribute.py",
        }
        for name in ("report.py", "page.html", "marketplace.sql", "games.sql"):
            files[ROOT / "report" / name] = f"_report/{name}"
        build_data["force_include"] = {
            str(file): f"duckdb_extension_amazing/{name}" for file, name in files.items()
        }

"""Puts the built extension and the licence into the wheel, which is one of this platform, not of a Python version."""

import os
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

ROOT = Path(__file__).resolve().parents[2]


class Extension(BuildHookInterface):
    """The build hook that pyproject.toml names."""

    def initialize(self, version, build_data):
        # DuckDB takes the name of the entry point from the name of the file.
        extension = Path(os.environ.get("AMAZING_EXTENSION") or ROOT / "build/release/amazing.duckdb_extension")
        if not extension.is_file():
            raise FileNotFoundError(f"{extension} does not exist: run `make release` first")
        build_data["tag"] = f"py3-none-{list(platform_tags())[-1]}"
        build_data["pure_python"] = False
        build_data["force_include"] = {
            str(extension): "duckdb_extension_amazing/amazing.duckdb_extension",
            str(ROOT / "LICENSE"): "duckdb_extension_amazing/LICENSE",
        }

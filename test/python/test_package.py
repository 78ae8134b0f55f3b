"""The packaged extension: its footer, and the local repository that INSTALL takes it from."""

import gzip
import os
import re
import subprocess
import sys

import c_api_v2
import pytest

import package
from conftest import QUICK_VERSIONS, ROOT, TESTED_VERSIONS


def test_the_footer_has_eight_fields_and_room_for_a_signature():
    footer = package.footer("v1.2.3", "linux_amd64")
    fields = [footer[i : i + 32].rstrip(b"\0").decode() for i in range(0, 256, 32)]
    assert fields == ["", "", "", "C_STRUCT", "v1.2.3", "v1.2.0", "linux_amd64", "4"]
    assert len(footer) == 512 and footer[256:] == bytes(256)


def test_a_footer_field_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="longer than 32 bytes"):
        package.footer("v" + "1" * 32, "linux_amd64")


def test_an_unknown_platform_is_refused_with_a_remedy():
    with pytest.raises(
        SystemExit,
        match=r"no DuckDB platform is known for the Rust target mips-unknown-none.*--platform",
    ):
        package.platform_of("mips-unknown-none")


def test_the_platform_is_the_one_that_duckdb_names(con):
    assert con.execute("PRAGMA platform").fetchall() == [
        (package.platform_of(package.host_triple()),)
    ]


def test_the_extension_ends_with_the_footer_of_this_crate(extension):
    platform = package.platform_of(package.host_triple())
    assert extension.read_bytes()[-512:] == package.footer("v" + package.crate_version(), platform)


def test_duckdb_reads_the_version_from_the_footer(con):
    query = (
        "SELECT loaded, extension_version FROM duckdb_extensions() WHERE extension_name = 'amazing'"
    )
    assert con.execute(query).fetchall() == [(True, "v" + package.crate_version())]


def test_every_tested_version_is_pinned_in_its_requirements():
    assert TESTED_VERSIONS and QUICK_VERSIONS
    for version in TESTED_VERSIONS + QUICK_VERSIONS:
        pins = (ROOT / "extension-ci" / f"requirements-{version}.txt").read_text(encoding="utf-8")
        assert re.search(rf"^duckdb=={re.escape(version)}$", pins, re.MULTILINE)


def packaged(tmp_path, content, **environment):
    library = tmp_path / "libamazing.so"
    library.write_bytes(content)
    build = tmp_path / "build"
    script = ROOT / "extension-ci" / "package.py"
    command = [sys.executable, script, "--library", library, "--build", build]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    return {path.relative_to(build): path for path in sorted(build.rglob("*")) if path.is_file()}


def test_a_release_whose_functions_are_not_known_gets_no_copy_of_the_c_api_v2(
    tmp_path, monkeypatch
):
    listed = tmp_path / "versions.txt"
    listed.write_text("v2.0.1 c-api-v2\nv9.9.9 tested c-api-v2\n")
    monkeypatch.setattr(package, "VERSIONS_FILE", listed)
    with pytest.raises(
        SystemExit, match=r"the functions of the C API v2 in v9\.9\.9 are not known; .*c_api_v2\.py"
    ):
        package.duckdb_versions()


TYPES = """
typedef struct _duckdb_v2_type {{ void *internal_ptr; }} * duckdb_v2_type_handle;
typedef enum DUCKDB_V2_ERROR {{ DUCKDB_V2_ERROR_NONE = 0, DUCKDB_V2_ERROR_INPUT, /* counted on */ }} DUCKDB_V2_ERROR;
typedef struct duckdb_v2_str duckdb_v2_str;
struct duckdb_v2_str {{ const char *{pointer}; {length} len; }};
typedef void (*duckdb_v2_callback_fn)(duckdb_v2_type_handle {name}, {data} *data);
"""
TABLE = """
typedef struct {{
    // capigen:begin
    DUCKDB_V2_ERROR (*duckdb_v2_type_name)(duckdb_v2_type_handle type, const duckdb_v2_str *out);
    {new}
    DUCKDB_V2_ERROR(*duckdb_v2_set_callback)
    (duckdb_v2_type_handle {name}, duckdb_v2_callback_fn callback);
}} duckdb_ext_api_v2;
"""


@pytest.mark.parametrize(
    ("difference", "changed"),
    [
        ({}, set()),
        ({"name": "other"}, set()),
        ({"length": "uint32_t"}, {"duckdb_v2_type_name"}),
        ({"data": "char"}, {"duckdb_v2_set_callback"}),
        ({"new": "bool (*duckdb_v2_new)(void);"}, set()),
    ],
)
def test_a_fingerprint_is_that_of_what_a_function_takes(tmp_path, difference, changed):
    def described(**parts):
        parts = {
            "pointer": "ptr",
            "length": "uint64_t",
            "name": "type",
            "data": "void",
            "new": "",
            **parts,
        }
        folder = tmp_path / "include"
        folder.mkdir(exist_ok=True)
        (folder / "duckdb_v2.h").write_text(TYPES.format(**parts))
        (folder / "duckdb_extension_v2.h").write_text(TABLE.format(**parts))
        functions, constants = c_api_v2.describe(tmp_path).split("\n\n")
        assert constants == "DUCKDB_V2_ERROR_NONE 0\nDUCKDB_V2_ERROR_INPUT 1\n"
        return dict(line.split() for line in functions.splitlines())

    before, after = described(), described(**difference)
    assert list(before) == ["duckdb_v2_type_name", "duckdb_v2_set_callback"]
    assert after.keys() - before.keys() == ({"duckdb_v2_new"} if "new" in difference else set())
    assert {name for name in before if before[name] != after[name]} == changed


def test_the_repository_serves_every_listed_release(tmp_path):
    files = packaged(tmp_path, b"library")
    platform = package.platform_of(package.host_triple())
    names = {
        f"repo/{version}/{platform}/amazing.duckdb_extension.gz"
        for version in package.duckdb_versions()
    }
    copies = {
        "release/amazing.duckdb_extension",
        "release/v2/amazing.duckdb_extension",
        "release/v2-v2.0.0/amazing.duckdb_extension",
        "release/extension/amazing/amazing.duckdb_extension",
    }
    assert {path.as_posix() for path in files} == names | copies
    assert {path.read_bytes()[:-512] for path in files.values() if path.suffix != ".gz"} == {
        b"library"
    }
    for path in files.values():
        if path.suffix == ".gz":
            # The copy of the C API v2 goes to the marked releases alone, each of which it names; all others share one.
            [_, release, *_] = path.relative_to(tmp_path / "build").parts
            has_v2 = release in package.duckdb_versions("c-api-v2")
            stamp = {"abi_type": "C_STRUCT_UNSTABLE", "c_api_version": release} if has_v2 else {}
            footer = package.footer("v" + package.crate_version(), platform, **stamp)
            assert gzip.decompress(path.read_bytes()) == b"library" + footer, path
    assert package.duckdb_versions("c-api-v2") == ["v2.0.0", "v2.0.1"]


@pytest.mark.parametrize(
    "version, copy",
    [
        ("v1.5.6", "release"),
        ("v2.0.0", "release/v2-v2.0.0"),
        ("v2.0.1", "release/v2"),
        ("main", "release"),
    ],
)
def test_the_community_build_gets_the_copy_of_its_release(tmp_path, version, copy):
    files = packaged(
        tmp_path, b"library", DUCKDB_GIT_VERSION=version, DUCKDB_PLATFORM="linux_arm64"
    )
    made = {path.as_posix(): file.read_bytes() for path, file in files.items()}
    found = made["release/extension/amazing/amazing.duckdb_extension"]
    assert found == made[f"{copy}/amazing.duckdb_extension"]
    assert found[-512:][6 * 32 : 7 * 32].rstrip(b"\0") == b"linux_arm64"


def test_packaging_twice_leaves_equal_files_alone_and_replaces_others(tmp_path):
    def state(files):
        return {
            name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
            for name, path in files.items()
        }

    first = state(packaged(tmp_path, b"one"))
    assert state(packaged(tmp_path, b"one")) == first
    second = state(packaged(tmp_path, b"two"))
    assert second.keys() == first.keys() and all(
        second[name][0] != first[name][0] for name in first
    )


def test_a_missing_library_is_an_error(tmp_path):
    script = ROOT / "extension-ci" / "package.py"
    process = subprocess.run(
        [sys.executable, script, "--library", tmp_path / "none", "--build", tmp_path],
        capture_output=True,
        text=True,
    )
    assert process.returncode != 0 and "does not exist" in process.stderr


def test_install_from_the_local_repository_then_load_by_name(python, run_python, tmp_path):
    setup = f"con = open_database(load=False, extension_directory={str(tmp_path)!r})\n"
    install = setup + f"con.execute(\"INSTALL amazing FROM '{ROOT / 'build' / 'repo'}'\")\nprint(1)"
    use = (
        setup + "con.execute('LOAD amazing')\nprint(json.dumps(con.execute(\"SELECT"
        " category_similarity('a', 'a')\").fetchall()))"
    )
    assert run_python(python, install) == 1
    assert run_python(python, use) == [[1.0]]

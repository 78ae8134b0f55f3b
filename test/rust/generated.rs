//! What is generated from the catalog, the scripts and the decisions is current; with
//! `AMAZING_BLESS=1` it is written instead.

mod dbt_models;
mod decisions;

use std::fs;
use std::path::Path;

use amazing::catalog;
use amazing::scripts::PIPELINES;

fn check(path: &str, content: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("AMAZING_BLESS").is_some() {
        fs::create_dir_all(file.parent().expect("files are in a folder"))
            .expect("the folder can be made");
        fs::write(&file, content).unwrap_or_else(|error| panic!("{path}: {error}"));
        return;
    }
    let current = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
    assert!(current == content, "{path} is not current: run make docs");
}

#[test]
fn the_reference_of_functions_is_current() {
    check("docs/functions.md", &catalog::reference());
}

#[test]
fn the_example_tests_are_current() {
    check("test/sql/examples.test", &catalog::example_tests());
}

#[test]
fn the_install_script_is_current() {
    check("sql/install.sql", &catalog::install_script());
}

#[test]
fn the_index_of_decisions_is_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/decisions");
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .expect("the folder of decisions")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "md")
                && !path.ends_with("README.md")
        })
        .map(|path| {
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a decision can be read"))
        })
        .collect();
    files.sort();
    check("docs/decisions/README.md", &decisions::index(&files));
}

#[test]
fn the_step_scripts_and_build_scripts_are_current() {
    for pipeline in PIPELINES {
        for (step, sql) in &pipeline.all_steps() {
            check(&format!("sql/{}/{step}.sql", pipeline.name), sql);
        }
        check(&format!("sql/{}/build.sql", pipeline.name), &catalog::build_script(pipeline));
    }
}

#[test]
fn the_models_of_dbt_are_current() {
    let mut expected = Vec::new();
    for pipeline in PIPELINES {
        for file in dbt_models::files(pipeline) {
            check(&file.path, &file.content);
            expected.push(Path::new(env!("CARGO_MANIFEST_DIR")).join(file.path));
        }
    }
    // A model whose table is gone from the scripts would still be built.
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/dbt/models")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)
            .expect("the folder of models")
            .map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "sql") {
                assert!(expected.contains(&entry), "{} is of no statement", entry.display());
            }
        }
    }
}

#[test]
fn the_dbt_package_has_the_version_of_the_extension() {
    let project = include_str!("../../sql/dbt/dbt_project.yml");
    assert!(project.contains(concat!("\nversion: ", env!("CARGO_PKG_VERSION"), "\n")));
}

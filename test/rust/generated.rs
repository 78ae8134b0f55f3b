//! What is generated from the catalog is current; with `AMAZING_BLESS=1` it is written instead.

use std::fs;
use std::path::Path;

use amazing::catalog;
use amazing::scripts::PIPELINES;

fn check(path: &str, content: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("AMAZING_BLESS").is_some() {
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
fn the_load_steps_and_build_scripts_are_current() {
    for pipeline in PIPELINES {
        let (load, sql) = &pipeline.all_steps()[0];
        check(&format!("sql/{}/{load}.sql", pipeline.name), sql);
        check(&format!("sql/{}/build.sql", pipeline.name), &catalog::build_script(pipeline));
    }
}

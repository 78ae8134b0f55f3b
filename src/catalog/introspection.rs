//! What the extension tells of itself: its functions, its scripts, its state.

use crate::ffi::{Error, Generator, Output, Registry, Result, Session, Signature, SqlType, Value};
use crate::functions::{Example, Function, Kind, nearest, optional, relation, required};
use crate::ml;
use crate::scripts;

/// `amazing_functions()`
pub const AMAZING_FUNCTIONS: Function = Function {
    kind: Kind::Table,
    subject: "introspection",
    signature: Signature {
        name: "amazing_functions",
        parameters: &[],
        returns: SqlType::Struct(&[
            ("name", SqlType::Varchar),
            ("kind", SqlType::Varchar),
            ("signature", SqlType::Varchar),
            ("returns", SqlType::Varchar),
            ("description", SqlType::Varchar),
            ("example", SqlType::Varchar),
        ]),
    },
    columns: "",
    description: "Every function and relation of the extension, with a description and an example.",
    details: "",
    examples: &[Example {
        sql: "SELECT kind, returns FROM amazing_functions() WHERE name = 'kmeans_predict'",
        rows: &["scalar | INTEGER"],
    }],
    errors: &[],
    since: "0.1.0",
    register: Some(|registry, function| {
        let prefix = registry.session().relation_prefix();
        registry.generator(&function.signature, Rows(move |_: &[Value]| Ok(functions(prefix))))
    }),
};

/// `amazing_scripts(pipeline, schema_prefix := )`
pub const AMAZING_SCRIPTS: Function = Function {
    kind: Kind::Table,
    subject: "introspection",
    signature: Signature {
        name: "amazing_scripts",
        parameters: &[
            required("pipeline", SqlType::Varchar),
            optional("schema_prefix", SqlType::Varchar),
        ],
        returns: SqlType::Struct(&[
            ("pipeline", SqlType::Varchar),
            ("step", SqlType::Integer),
            ("name", SqlType::Varchar),
            ("sql", SqlType::Varchar),
        ]),
    },
    columns: "",
    description: "The SQL of a pipeline, one statement per row, so that any client can run it \
                  without the files.",
    details: "Run the statements in the order of `step` on one connection, and stop with a \
              ROLLBACK at the first error. `name` is the script that a statement comes from: \
              `install` creates the relations in the database itself, `00_raw` and the following \
              build the layers. NULL gives all pipelines.\n\n`schema_prefix` comes before the \
              names of all schemas, so that both pipelines can live in one database: with `games_` \
              the tables are `games_raw.events`, `games_clean.events`, `games_main.user_segments` \
              and so on. It is of letters, digits and underscores and does not begin with a \
              digit.",
    examples: &[Example {
        sql: "SELECT DISTINCT name FROM amazing_scripts('marketplace') ORDER BY name",
        rows: &["00_raw", "10_clean", "20_kpi", "30_user_segments", "install"],
    }],
    errors: &[(
        "FROM amazing_scripts('game')",
        "amazing_scripts: no pipeline 'game', did you mean 'games'; there are 'marketplace', \
         'games'",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.generator(&function.signature, Rows(statements))),
};

/// Columns of what `LOAD` found out.
const SESSION_COLUMNS: SqlType = SqlType::Struct(&[
    ("version", SqlType::Varchar),
    ("c_api_version", SqlType::Varchar),
    ("duckdb_version", SqlType::Varchar),
    ("cpu", SqlType::Varchar),
    ("threads", SqlType::Integer),
    ("macros", SqlType::Varchar),
    ("advice", SqlType::Varchar),
]);

/// `amazing_session()`
pub const AMAZING_SESSION: Function = Function {
    kind: Kind::Table,
    subject: "introspection",
    signature: Signature { name: "amazing_session", parameters: &[], returns: SESSION_COLUMNS },
    columns: "",
    description: "What LOAD found out: versions, CPU path, threads, and where the relations are.",
    details: "The part of `amazing_info()` that does not look at the current database.",
    examples: &[Example {
        sql: "SELECT duckdb_version = version() AS is_this FROM amazing_session()",
        rows: &["true"],
    }],
    errors: &[],
    since: "0.1.0",
    register: Some(register_session),
};

/// `amazing_info()`
pub const AMAZING_INFO: Function = Function {
    kind: Kind::Table,
    subject: "introspection",
    signature: Signature { name: "amazing_info", parameters: &[], returns: SESSION_COLUMNS },
    columns: "",
    description: "Versions, CPU path, threads at LOAD, and where the relations are.",
    details: "`cpu` is the kind of processor and the registers that kernels run on (AVX-512, AVX2, \
              NEON or baseline): they decide about speed and never about a result. `macros` is the \
              schema of the relations: `system.main` where they have bare names (C API v2), \
              `amz.main` elsewhere. `advice` says what to do where something is missing: the bare \
              names, or all relations because a database of the user's own is attached as `amz`. \
              Where the relations have bare names, so does the relation `amazing_info()`, and \
              takes the place of this function.",
    examples: &[Example {
        sql: "SELECT macros IN ('amz.main', 'system.main') AS relations_are_there, (macros = \
              'system.main') = (advice IS NULL) AS advice_where_needed FROM amazing_info()",
        rows: &["true | true"],
    }],
    errors: &[],
    since: "0.1.0",
    register: Some(register_session),
};

/// `amz.amazing_info()`
pub const AMAZING_INFO_RELATION: Function = Function {
    kind: Kind::Relation,
    subject: "introspection",
    signature: relation("amazing_info"),
    columns: "version VARCHAR, c_api_version VARCHAR, duckdb_version VARCHAR, cpu VARCHAR, threads \
              INTEGER, macros VARCHAR, advice VARCHAR, stale_macros VARCHAR[]",
    description: "What `amazing_info()` tells, and relations in the current database that another \
                  version installed.",
    details: "`stale_macros` names them, and `advice` says how to renew them. NULL where there are \
              none.",
    examples: &[Example {
        sql: "SELECT version IS NOT NULL AS is_loaded, stale_macros FROM amz.amazing_info()",
        rows: &["true | NULL"],
    }],
    errors: &[],
    since: "0.1.0",
    register: None,
};

fn register_session(registry: &mut Registry<'_>, function: &Function) -> Result<()> {
    let info = info(registry.session());
    registry.generator(&function.signature, Rows(move |_: &[Value]| Ok(vec![info.clone()])))
}

fn info(session: &Session) -> Vec<Value> {
    let macros = session.relations.map_or(Value::Null, Value::from);
    let advice = advice(session).map_or(Value::Null, Value::from);
    vec![
        Value::from(env!("CARGO_PKG_VERSION")),
        Value::from(session.c_api_version),
        Value::from(session.duckdb_version.as_str()),
        Value::Text(format!("{}, {}", std::env::consts::ARCH, ml::registers())),
        Value::Integer(session.threads as i128),
        macros,
        advice,
    ]
}

/// What to do where something is missing.
fn advice(session: &Session) -> Option<&'static str> {
    let is_before_2 = session.duckdb_version.starts_with("v1.");
    match session.relations {
        None => Some(
            "a database attached as amz is not ours: DETACH it or attach it under another name and \
             LOAD amazing in a new session, or run sql/install.sql in the current database",
        ),
        Some(_) if session.relation_prefix().is_empty() => None,
        Some(_) if is_before_2 => Some(
            "relations are called amz.kmeans_segments(...); SET search_path = 'main,amz' lets a \
             session leave amz. out",
        ),
        Some(_) => Some(
            "this copy serves every release of DuckDB: relations are called \
             amz.kmeans_segments(...), and duckdb_functions() describes none; INSTALL amazing FROM \
             a repository that has the copy of this release, or SET search_path = 'main,amz'",
        ),
    }
}

/// One row per function; relations as they are called behind `prefix`.
fn functions(prefix: &str) -> Vec<Vec<Value>> {
    let called = |sql: &str| Value::from(super::called_behind(prefix, sql));
    let row = |function: &&Function| {
        vec![
            Value::from(function.signature.name),
            Value::from(function.kind.name()),
            called(&super::call(function)),
            Value::from(super::returns(function)),
            Value::from(function.description),
            function.examples.first().map_or(Value::Null, |example| called(example.sql)),
        ]
    };
    super::FUNCTIONS.iter().map(row).collect()
}

fn statements(arguments: &[Value]) -> Result<Vec<Vec<Value>>> {
    let pipeline = arguments[0].as_str();
    if let Some(name) = pipeline.filter(|name| !scripts::PIPELINES.iter().any(|p| p.name == *name))
    {
        let names: Vec<&str> = scripts::PIPELINES.iter().map(|p| p.name).collect();
        let hint = nearest(name, names.iter().copied())
            .map_or_else(|| ", ".to_string(), |meant| format!(", did you mean '{meant}'; "));
        return Err(Error::new(format!(
            "no pipeline '{name}'{hint}there are '{}'",
            names.join("', '")
        )));
    }
    let prefix = arguments[1].as_str().unwrap_or_default();
    if prefix.starts_with(|c: char| c.is_ascii_digit())
        || !prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        return Err(Error::new(format!(
            "schema_prefix must be of letters, digits and underscores and not begin with a digit, \
             not '{prefix}'"
        )));
    }
    let mut rows = Vec::new();
    for chosen in scripts::PIPELINES.iter().filter(|p| pipeline.is_none_or(|name| name == p.name)) {
        for (step, (name, sql)) in
            super::pipeline_statements(chosen, prefix).into_iter().enumerate()
        {
            rows.push(vec![
                Value::from(chosen.name),
                Value::Integer(step as i128 + 1),
                Value::from(name),
                Value::from(sql),
            ]);
        }
    }
    Ok(rows)
}

/// A table of a few rows that a function of the arguments gives.
struct Rows<F>(F);

impl<F> Generator for Rows<F>
where
    F: Fn(&[Value]) -> Result<Vec<Vec<Value>>> + Send + Sync + 'static,
{
    type Bound = Vec<Vec<Value>>;
    type Local = ();

    fn bind(&self, arguments: &[Value]) -> Result<Self::Bound> {
        (self.0)(arguments)
    }

    fn n_blocks(&self, _rows: &Self::Bound) -> u64 {
        1
    }

    fn n_rows(&self, rows: &Self::Bound) -> u64 {
        rows.len() as u64
    }

    fn fill(
        &self,
        rows: &Self::Bound,
        (): &mut (),
        _block: u64,
        columns: &mut [Output],
    ) -> Result<()> {
        for row in rows {
            columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        }
        Ok(())
    }
}

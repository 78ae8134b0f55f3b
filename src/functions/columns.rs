//! What relations see of the columns of their source: which are features, and which are in the way
//! of their own.

use super::model::field;
use super::options::{self, Options};
use super::{Example, Function, Kind, features, optional, relation, required};
use crate::ffi::{Chunk, Data, Error, Output, Result, Scalar, Signature, SqlType, Value};

const COLUMN: SqlType = SqlType::Struct(&[
    ("column_name", SqlType::Varchar),
    ("column_type", SqlType::Varchar),
    ("taken", SqlType::Boolean),
    ("reason", SqlType::Varchar),
]);

/// `kmeans_features(row [, options])`
pub const KMEANS_FEATURES: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_features",
        parameters: &[required("row", SqlType::Any), optional("options", SqlType::Any)],
        returns: SqlType::List(&COLUMN),
    },
    columns: "",
    description: "Which fields of a row a fit takes as features, which it leaves, and why.",
    details: "`row` as in `kmeans_fit`; options `features`, `id` and `weight`. The row may be \
              NULL: names and types of its fields say it all. NULL without a type gives NULL. The \
              relation `kmeans_features` tells the reasons.",
    examples: &[Example {
        sql: "SELECT [c.column_name FOR c IN kmeans_features(t) IF c.taken] AS features FROM \
              (VALUES (1, 9.5, 'Ada', 3)) AS t(\"CustomerID\", spent, name, visits)",
        rows: &["[spent, visits]"],
    }],
    errors: &[(
        "SELECT kmeans_features({'spend': 1, 'visits': 2}, {'features': ['spent']})",
        "kmeans_features: no feature \"spent\" in the row, did you mean \"spend\"",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, KmeansFeatures)),
};

/// `amz.kmeans_features(source, ...)`
pub const KMEANS_FEATURES_RELATION: Function = Function {
    kind: Kind::Relation,
    subject: "clustering",
    signature: relation("kmeans_features"),
    columns: "column_name VARCHAR, column_type VARCHAR, taken BOOLEAN, reason VARCHAR",
    description: "Which columns of a source a fit takes as features, which it leaves, and why: one \
                  row per column, in order.",
    details: "The columns that all fits take (`kmeans_segments`, `pca_2d`, `segment_profile`, ...) \
              with the same `features`, `id` and `weight`. It reads no row. `column_type` is the \
              type without its parameters. Taken is a `number`, a `flag, as 0 and 1` (BOOLEAN), \
              and what is `named in features`. Left is an `identifier by name`, `text`, a `date or \
              time`, what is `no number` otherwise, the `result of a relation` (`segment`, `pc1`, \
              `pc2`), the `weight`, and what is `named in id` or `not named in \
              features`.\n\nIdentifiers are known by their words, in any style (`customer_id`, \
              `CustomerID`, `Customer ID`): the last one is `id`, `uuid`, `guid`, `key`, `hash`, \
              `sku`, `ean` or alike; a thing and its number (`account_no`, `row_number`, `userid`, \
              `id_customer`); rows as pandas numbers them (`Unnamed: 0`, `index`); and whole \
              numbers in a column that is called like one person, article or place (`customer`, \
              `product`, `store`, `favourite_game`). `paid`, `grid`, `orders` and `avg_order` are \
              none, and neither is a BOOLEAN. A name is all that there is to go by: look here \
              once, and say the rest with `features` or `id`.",
    examples: &[Example {
        sql: "WITH users AS (SELECT 1 AS \"CustomerID\", 'Ada' AS name, 9.5 AS spent, true AS \
              is_new, DATE '2024-05-01' AS since, 7 AS postcode) FROM amz.kmeans_features(users, \
              id := ['postcode'])",
        rows: &[
            "CustomerID | INTEGER | false | identifier by name",
            "name | VARCHAR | false | text",
            "spent | DECIMAL | true | number",
            "is_new | BOOLEAN | true | flag, as 0 and 1",
            "since | DATE | false | date or time",
            "postcode | INTEGER | false | named in id",
        ],
    }],
    errors: &[(
        "WITH users AS (SELECT 1 AS user_id, 9.5 AS spent) FROM amz.kmeans_features(users, id := \
         ['postcode'])",
        "kmeans_features: no id \"postcode\" in the row",
    )],
    since: "0.1.0",
    register: None,
};

/// The scalar that tells what the fields of a row are.
#[derive(Clone, Copy)]
struct KmeansFeatures;

impl Scalar for KmeansFeatures {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let options = Options::read(arguments.get(1), options::COLUMNS)?;
        let parts =
            features::parts(arguments.column(0), &options).map_err(|error| options.speak(error))?;
        let column = |(name, type_name, part): &(String, &str, features::Part)| {
            Value::Struct(vec![
                field("column_name", name.as_str()),
                field("column_type", *type_name),
                field("taken", Value::Boolean(part.is_taken())),
                field("reason", part.reason()),
            ])
        };
        let columns = if parts.is_empty() {
            Value::Null
        } else {
            Value::List(parts.iter().map(column).collect())
        };
        (0..arguments.len()).for_each(|_| out.push(&columns));
        Ok(())
    }
}

/// `check_new_columns(row, names [, relation])`
pub const CHECK_NEW_COLUMNS: Function = Function {
    kind: Kind::Scalar,
    subject: "introspection",
    signature: Signature {
        name: "check_new_columns",
        parameters: &[
            required("row", SqlType::Any),
            required("names", SqlType::Any),
            optional("relation", SqlType::Any),
        ],
        returns: SqlType::Boolean,
    },
    columns: "",
    description: "True where a row has none of some columns yet, else an error: for macros that \
                  add columns.",
    details: "`row` is a row (the alias of a table) or a STRUCT, and may be NULL: only the names \
              of its fields count, whatever their case. Relations that add columns \
              (`kmeans_segments`, `pca_2d`, `sessionize`) ask it in a WHERE, because DuckDB lets \
              two columns have one name and answers with the old one. `relation` is the name that \
              the error begins with.",
    examples: &[Example {
        sql: "SELECT check_new_columns(t, ['segment']) AS can_be_added FROM (VALUES (1, 9.5)) AS \
              t(user_id, spent)",
        rows: &["true"],
    }],
    errors: &[(
        "SELECT check_new_columns(t, ['segment'], 'my_relation') FROM (VALUES (1, 3)) AS \
         t(user_id, \"Segment\")",
        "my_relation: the source has a column \"segment\" already, use SELECT * EXCLUDE (segment)",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, CheckNewColumns)),
};

/// A name as SQL takes it: in quotes where it is no plain word.
pub(super) fn identifier(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain { name.to_string() } else { in_quotes(name) }
}

/// A name in quotes.
pub(super) fn in_quotes(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The scalar that refuses.
#[derive(Clone, Copy)]
struct CheckNewColumns;

impl Scalar for CheckNewColumns {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let Data::Struct(fields) = arguments.column(0).data() else {
            let given = arguments.column(0).type_name();
            return Err(Error::new(format!(
                "the row must be a STRUCT or a table's alias, not {given}"
            )));
        };
        for row in 0..arguments.len() {
            let names = options::names("names", &arguments.column(1).value(row))?;
            let is_there =
                |name: &&String| fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
            if let Some(name) = names.iter().find(is_there) {
                let error = Error::new(format!(
                    "the source has a column \"{name}\" already, use SELECT * EXCLUDE ({})",
                    identifier(name)
                ));
                let relation = arguments.get(2).map(|column| column.value(row));
                return Err(error.of(relation.as_ref().and_then(|relation| relation.as_str())));
            }
            out.push(&Value::Boolean(true));
        }
        Ok(())
    }
}

//! Segments as conditions: a decision tree over labelled rows, what applies it, and the relation
//! over both.

mod conditions;
mod fit;
mod predict;

pub use fit::RULES_FIT;
pub use predict::RULES_PREDICT;

use super::model::{DOUBLES, NAMES, Reader, field};
use super::{Example, Function, Kind, relation};
use crate::ffi::{Result, SqlType, Value};
use crate::ml::{Node, Tree};

const NUMBERS: SqlType = SqlType::List(&SqlType::Integer);

const MODEL: SqlType = SqlType::Struct(&[
    ("version", SqlType::Integer),
    ("features", NAMES),
    ("conditions", NAMES),
    ("cut_features", NUMBERS),
    ("cuts", DOUBLES),
    ("lows", NUMBERS),
    ("highs", NUMBERS),
]);

/// `amz.segment_rules(source, ...)`
pub const SEGMENT_RULES: Function = Function {
    kind: Kind::Relation,
    subject: "clustering",
    signature: relation("segment_rules"),
    columns: "segment (its own type), rule BIGINT, condition VARCHAR, rows BIGINT, share DOUBLE, \
              precision DOUBLE, coverage DOUBLE",
    description: "Each segment of a source as conditions that stand in a WHERE.",
    details: include_str!("rules.md"),
    examples: &[Example {
        sql: "WITH segmented AS (SELECT * FROM (VALUES (1, 10, 0), (2, 12, 0), (3, 90, 1), (4, \
              95, 1)) AS t(user_id, spend, segment)) FROM amz.segment_rules(segmented)",
        rows: &[
            "0 | 1 | \"spend\" <= 50 | 2 | 0.5 | 1.0 | 1.0",
            "1 | 1 | \"spend\" > 50 | 2 | 0.5 | 1.0 | 1.0",
        ],
    }],
    errors: &[
        (
            "WITH segmented AS (SELECT * FROM (VALUES (1, 10, 0), (2, 12, 0)) AS t(user_id, \
             spend, segment)) FROM amz.segment_rules(segmented)",
            "segment_rules: all rows have one segment, rules tell at least 2 apart",
        ),
        (
            "WITH segmented AS (SELECT * FROM (VALUES (1, 10, 0), (2, 12, 1), (3, 90, 2)) AS \
             t(user_id, spend, segment)) FROM amz.segment_rules(segmented, max_rules := 2)",
            "segment_rules: max_rules must be at least the number of segments, which is 3, not 2",
        ),
    ],
    since: "0.1.0",
    register: None,
};

/// The SQL value of a tree.
fn value(tree: &Tree, names: &[String], conditions: &[String]) -> Value {
    let number = |x: usize| Value::Integer(x as i128);
    let cut = |node: &Node| match *node {
        Node::Cut { feature, at, low, high } => (number(feature), at, number(low), number(high)),
        Node::Leaf(leaf) => (Value::Integer(-1), 0.0, number(leaf), number(leaf)),
    };
    let (mut features, mut cuts) = (Vec::new(), Vec::new());
    let (mut lows, mut highs) = (Vec::new(), Vec::new());
    for (feature, at, low, high) in tree.nodes.iter().map(cut) {
        features.push(feature);
        cuts.push(at);
        lows.push(low);
        highs.push(high);
    }
    Value::Struct(vec![
        field("version", Value::Integer(1)),
        field("features", Value::from(names)),
        field("conditions", Value::from(conditions)),
        field("cut_features", Value::List(features)),
        field("cuts", &cuts[..]),
        field("lows", Value::List(lows)),
        field("highs", Value::List(highs)),
    ])
}

/// The names of features and the tree of a model.
fn read(value: &Value) -> Result<(Vec<String>, Tree)> {
    let reader = Reader::new(value, "rules_fit")?;
    let names = reader.texts("features")?;
    let list = |name: &str| -> Result<Vec<&Value>> {
        let values = value.field(name).and_then(Value::as_list);
        Ok(values.ok_or_else(|| reader.broken(name, "is missing"))?.iter().collect())
    };
    let (features, cuts) = (list("cut_features")?, list("cuts")?);
    let (lows, highs) = (list("lows")?, list("highs")?);
    let n = features.len();
    if n == 0 || [cuts.len(), lows.len(), highs.len()] != [n; 3] {
        return Err(reader.broken("cut_features", "has another length than cuts, lows and highs"));
    }
    let whole = |field: &str, value: &Value, most: usize| {
        let number = value.as_i64().and_then(|x| usize::try_from(x).ok());
        number.filter(|x| *x < most).ok_or_else(|| {
            reader.broken(field, &format!("must be whole numbers below {most}, not {value}"))
        })
    };
    let node = |i: usize| -> Result<Node> {
        if features[i].as_i64() == Some(-1) {
            return whole("lows", lows[i], n).map(Node::Leaf);
        }
        let at = cuts[i].as_f64().filter(|at| !at.is_nan());
        let (low, high) = (whole("lows", lows[i], n)?, whole("highs", highs[i], n)?);
        // Rows never come back to a node.
        if low <= i || high <= i {
            return Err(reader.broken("lows", "lead back to a node before"));
        }
        Ok(Node::Cut {
            feature: whole("cut_features", features[i], names.len())?,
            at: at.ok_or_else(|| reader.broken("cuts", "must be numbers"))?,
            low,
            high,
        })
    };
    let nodes = (0..n).map(node).collect::<Result<_>>()?;
    Ok((names, Tree { nodes }))
}

//! The leaves of a decision tree as conditions in SQL.

use crate::functions::columns::in_quotes;
use crate::ml::{Node, Tree};

/// What the text of a condition depends on, of one feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    pub name: String,
    /// BOOLEAN.
    pub is_flag: bool,
    /// FLOAT or DOUBLE, which may be NaN.
    pub is_float: bool,
    /// Whether any value is NULL or NaN.
    pub has_missing: bool,
}

/// The values of a feature that lead to a node.
#[derive(Clone, Copy)]
struct Range {
    above: f64,
    up_to: f64,
    /// Whether missing values lead there.
    missing: bool,
}

/// The condition of each leaf; conditions are disjoint, and each row meets one.
pub fn conditions(tree: &Tree, kinds: &[Kind]) -> Vec<String> {
    let whole = Range { above: f64::NEG_INFINITY, up_to: f64::NAN, missing: true };
    let mut found = vec![String::new(); tree.nodes.len()];
    let mut stack = vec![(0, vec![whole; kinds.len()], Vec::new())];
    while let Some((node, ranges, order)) = stack.pop() {
        match tree.nodes[node] {
            Node::Leaf(leaf) => found[leaf] = condition(&ranges, &order, kinds),
            Node::Cut { feature, at, low, high } => {
                let mut order = order;
                if !order.contains(&feature) {
                    order.push(feature);
                }
                let (mut below, mut above) = (ranges.clone(), ranges);
                below[feature] = Range { up_to: at, missing: false, ..below[feature] };
                above[feature].above = at;
                stack.push((low, below, order.clone()));
                stack.push((high, above, order));
            }
        }
    }
    found.truncate(tree.nodes.len().div_ceil(2));
    found
}

/// The condition of a leaf: its features in the order of the cuts.
fn condition(ranges: &[Range], order: &[usize], kinds: &[Kind]) -> String {
    let parts: Vec<String> =
        order.iter().map(|&feature| of_feature(ranges[feature], &kinds[feature])).collect();
    if parts.is_empty() { "true".to_string() } else { parts.join(" AND ") }
}

fn of_feature(range: Range, kind: &Kind) -> String {
    let name = in_quotes(&kind.name);
    let is_missing = if kind.is_float {
        format!("({name} IS NULL OR isnan({name}))")
    } else {
        format!("{name} IS NULL")
    };
    let Range { above, up_to, missing } = range;
    if above == f64::INFINITY {
        return is_missing;
    }
    // Without an upper bound a comparison is true of NaN, which DuckDB orders above all numbers.
    let upper = if up_to.is_nan() {
        None
    } else if up_to.is_finite() && kind.is_flag {
        return format!("NOT {name}");
    } else if up_to.is_finite() {
        Some(format!("{name} <= {}", literal(up_to)))
    } else if kind.is_float {
        Some(format!("{name} <= 'infinity'::DOUBLE"))
    } else if above == f64::NEG_INFINITY {
        Some(format!("{name} IS NOT NULL"))
    } else {
        None
    };
    let lower = (above > f64::NEG_INFINITY).then(|| {
        let lower =
            if kind.is_flag { name.clone() } else { format!("{name} > {}", literal(above)) };
        if missing && kind.has_missing { format!("({lower} OR {name} IS NULL)") } else { lower }
    });
    let parts: Vec<String> = lower.into_iter().chain(upper).collect();
    parts.join(" AND ")
}

/// A number as DuckDB reads it: plain where that is short, else as a DOUBLE.
fn literal(x: f64) -> String {
    let plain = format!("{x}");
    let digits = plain.bytes().filter(u8::is_ascii_digit).count();
    if digits <= 15 { plain } else { format!("{x:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(is_float: bool, is_flag: bool) -> Kind {
        Kind { name: "a\"b".to_string(), is_flag, is_float, has_missing: true }
    }

    fn cut(at: f64, low: usize, high: usize) -> Node {
        Node::Cut { feature: 0, at, low, high }
    }

    fn of(nodes: &[Node], kind: Kind) -> Vec<String> {
        conditions(&Tree { nodes: nodes.to_vec() }, &[kind])
    }

    #[test]
    fn bounds_of_a_feature_are_said_once() {
        let nodes = [cut(3.0, 1, 2), Node::Leaf(0), cut(20.5, 3, 4), Node::Leaf(1), Node::Leaf(2)];
        assert_eq!(
            of(&nodes, kind(false, false)),
            [
                "\"a\"\"b\" <= 3",
                "\"a\"\"b\" > 3 AND \"a\"\"b\" <= 20.5",
                "(\"a\"\"b\" > 20.5 OR \"a\"\"b\" IS NULL)"
            ]
        );
        let whole = Kind { has_missing: false, ..kind(false, false) };
        assert_eq!(of(&nodes, whole)[2], "\"a\"\"b\" > 20.5");
        assert_eq!(of(&[Node::Leaf(0)], kind(false, false)), ["true"]);
    }

    #[test]
    fn missing_values_are_null_or_nan() {
        let nodes = [cut(f64::INFINITY, 1, 2), Node::Leaf(0), Node::Leaf(1)];
        let name = "\"a\"\"b\"";
        assert_eq!(
            of(&nodes, kind(false, false)),
            [format!("{name} IS NOT NULL"), format!("{name} IS NULL")]
        );
        assert_eq!(
            of(&nodes, kind(true, false)),
            [format!("{name} <= 'infinity'::DOUBLE"), format!("({name} IS NULL OR isnan({name}))")]
        );
    }

    #[test]
    fn a_flag_needs_no_number() {
        let nodes = [cut(0.0, 1, 2), Node::Leaf(0), Node::Leaf(1)];
        let name = "\"a\"\"b\"";
        assert_eq!(
            of(&nodes, kind(false, true)),
            [format!("NOT {name}"), format!("({name} OR {name} IS NULL)")]
        );
    }

    #[test]
    fn long_numbers_are_doubles() {
        assert_eq!(literal(0.1), "0.1");
        assert_eq!(literal(1e300), "1e300");
        assert_eq!(literal(0.1 + 0.2), "3.0000000000000004e-1");
    }
}

//! `rules_fit`: labelled rows of a group in, a decision tree out.

use std::ops::Range;
use std::sync::Arc;

use super::conditions::{Kind as Feature, conditions};
use super::{MODEL, value};
use crate::ffi::{Aggregate, Chunk, Data, Error, Output, Result, Signature, SqlType};
use crate::functions::call::{Call, Calls};
use crate::functions::features::{Features, unlike_rows};
use crate::functions::options::{self, Options};
use crate::functions::{Example, Function, Kind, optional, required};
use crate::ml::{Observations, Tree};

/// `rules_fit(row, label [, options])`
pub const RULES_FIT: Function = Function {
    kind: Kind::Aggregate,
    subject: "clustering",
    signature: Signature {
        name: "rules_fit",
        parameters: &[
            required("row", SqlType::Any),
            required("label", SqlType::Any),
            optional("options", SqlType::Any),
        ],
        returns: MODEL,
    },
    columns: "",
    description: "The decision tree of `segment_rules`, with a condition for each leaf.",
    details: "`label` is a whole number from 0 to 1023. Options are `features`, `id` and \
              `max_rules`, see `segment_rules`. A node of the model is a cut (values of the \
              feature of index `cut_features` that are at most `cuts` go to the node `lows`, \
              others and missing ones to `highs`) or, where `cut_features` is -1, the leaf of \
              number `lows`. No row gives NULL.",
    examples: &[Example {
        sql: "SELECT (rules_fit({'x': x}, x // 10)).conditions[2] FROM (VALUES (1), (2), (11), \
              (12)) AS t(x)",
        rows: &["\"x\" > 10"],
    }],
    errors: &[(
        "SELECT rules_fit({'x': x}, -1) FROM range(5) AS t(x)",
        "rules_fit: label must be a whole number from 0 to 1023, not -1.0",
    )],
    since: "0.1.0",
    register: Some(|registry, function| {
        registry.aggregate(&function.signature, Fit { calls: Arc::default() })
    }),
};

/// Labels that are told apart.
const MAX_LABELS: usize = 1024;
/// Values that a tree is made from: nothing can interrupt it.
const MAX_VALUES: u64 = 1 << 20;

/// The aggregate.
#[derive(Clone)]
struct Fit {
    calls: Arc<Calls<Options>>,
}

/// What one group has seen.
#[derive(Default)]
struct FitState {
    call: Option<Arc<Call<Options>>>,
    group: Option<Labelled>,
}

/// Labelled rows.
#[derive(Clone)]
struct Labelled {
    features: Vec<Feature>,
    /// The last column is the label.
    rows: Observations,
    n_labels: usize,
}

/// One chunk of arguments.
struct FitBatch<'a> {
    call: Arc<Call<Options>>,
    features: Features<'a>,
    /// Which are FLOAT or DOUBLE.
    floats: Vec<bool>,
    labels: Vec<f64>,
}

impl Labelled {
    fn new(batch: &FitBatch<'_>, seed: i64) -> Self {
        let Features { names, flags, .. } = &batch.features;
        let features = names
            .iter()
            .zip(&batch.floats)
            .enumerate()
            .map(|(i, (name, &is_float))| Feature {
                name: name.clone(),
                is_flag: flags.get(i).copied().unwrap_or(false),
                is_float,
                has_missing: false,
            })
            .collect();
        let n_columns = names.len() as u64 + 1;
        // What `Observations` takes for so many rows.
        let memory = MAX_VALUES / n_columns * (20 * n_columns + 56);
        let rows = Observations::new(names.len() + 1, false, true, memory, seed);
        Self { features, rows, n_labels: 0 }
    }

    fn append(&mut self, batch: &FitBatch<'_>, range: Range<usize>) {
        for (feature, column) in self.features.iter_mut().zip(&batch.features.columns) {
            feature.has_missing =
                feature.has_missing || column[range.clone()].iter().any(|x| x.is_nan());
        }
        let greatest = batch.labels[range.clone()].iter().copied().fold(0.0, f64::max);
        self.n_labels = self.n_labels.max(greatest as usize + 1);
        let columns = batch.features.columns.iter().map(|column| &**column);
        let columns: Vec<&[f64]> = columns.chain([&batch.labels[..]]).collect();
        self.rows.append(&columns, None, range);
    }

    /// Whether another has the same features.
    fn is_like(&self, names: impl ExactSizeIterator<Item = impl AsRef<str>>) -> bool {
        self.features.len() == names.len()
            && self.features.iter().zip(names).all(|(own, name)| own.name == name.as_ref())
    }

    fn merge(&mut self, other: &Self) {
        for (feature, other) in self.features.iter_mut().zip(&other.features) {
            feature.has_missing |= other.has_missing;
        }
        self.n_labels = self.n_labels.max(other.n_labels);
        self.rows.merge(&other.rows);
    }
}

impl Aggregate for Fit {
    type State = FitState;
    type Batch<'a> = FitBatch<'a>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<FitBatch<'a>> {
        let call = self.calls.read(rows.get(2), |column| Options::read(column, options::RULES))?;
        let speak = |error| call.read.speak(error);
        let features = Features::select(rows.column(0), &call.read).map_err(speak)?;
        let labels = labels(rows).map_err(speak)?;
        let is_float = |name: &String| match rows.column(0).data() {
            Data::Struct(fields) => fields
                .iter()
                .find(|(field, _)| field.eq_ignore_ascii_case(name))
                .is_some_and(|(_, column)| matches!(column.type_name(), "FLOAT" | "DOUBLE")),
            _ => true,
        };
        let floats = features.names.iter().map(is_float).collect();
        Ok(FitBatch { call, features, floats, labels })
    }

    fn update(
        &self,
        state: &mut FitState,
        batch: &FitBatch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        let options = &batch.call.read;
        Call::keep(&mut state.call, &batch.call).map_err(|error| options.speak(error))?;
        let group = state.group.get_or_insert_with(|| Labelled::new(batch, options.seed));
        if !group.is_like(batch.features.names.iter()) {
            return Err(options.speak(unlike_rows()));
        }
        group.append(batch, range);
        Ok(())
    }

    fn combine(&self, source: &FitState, target: &mut FitState) -> Result<()> {
        let Some(call) = &source.call else {
            return Ok(());
        };
        Call::keep(&mut target.call, call).map_err(|error| call.read.speak(error))?;
        match (&source.group, &mut target.group) {
            (None, _) => {}
            (Some(from), target @ None) => *target = Some(from.clone()),
            (Some(from), Some(into)) if into.is_like(from.features.iter().map(|f| &f.name)) => {
                into.merge(from);
            }
            _ => return Err(call.read.speak(unlike_rows())),
        }
        Ok(())
    }

    fn finalize(&self, state: FitState, out: &mut Output) -> Result<()> {
        let (Some(call), Some(group)) = (state.call, state.group) else {
            out.push_null();
            return Ok(());
        };
        let max_rules = max_rules(&call.read, group.n_labels);
        let max_rules = max_rules.map_err(|error| call.read.speak(error))?;
        let tree = Tree::fit(group.rows, max_rules);
        let names: Vec<String> = group.features.iter().map(|f| f.name.clone()).collect();
        out.push(&value(&tree, &names, &conditions(&tree, &group.features)));
        Ok(())
    }
}

/// The labels of a chunk.
fn labels(rows: &Chunk<'_>) -> Result<Vec<f64>> {
    let column = rows.column(1);
    let wrong = |label: &dyn std::fmt::Display| {
        let most = MAX_LABELS - 1;
        Error::new(format!("label must be a whole number from 0 to {most}, not {label}"))
    };
    let Some(labels) = column.numbers() else {
        return Err(wrong(&column.value(0)));
    };
    let is_label = |x: &f64| x.fract() == 0.0 && (0.0..MAX_LABELS as f64).contains(x);
    match labels.iter().position(|x| !is_label(x)) {
        None => Ok(labels.into_owned()),
        Some(_) if column.value(0).is_null() => Err(wrong(&"NULL")),
        Some(row) if labels[row] >= MAX_LABELS as f64 => Err(Error::new(format!(
            "at most {MAX_LABELS} segments are told apart, label is {:?}",
            labels[row]
        ))),
        Some(row) => Err(wrong(&format!("{:?}", labels[row]))),
    }
}

fn max_rules(options: &Options, n_labels: usize) -> Result<usize> {
    if n_labels == 1 {
        return Err(Error::new("all rows have one segment, rules tell at least 2 apart"));
    }
    match options.max_rules {
        None => Ok(2 * n_labels),
        Some(given) if given >= n_labels => Ok(given),
        Some(given) => Err(Error::new(format!(
            "max_rules must be at least the number of segments, which is {n_labels}, not {given}"
        ))),
    }
}

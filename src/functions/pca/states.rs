//! `pca_survey`, `pca_merge`, `pca_final`: components of rows that come in parts.

use std::ops::Range;
use std::sync::Arc;

use super::{MODEL, NamedModel, components_of};
use crate::ffi::{
    Aggregate, Chunk, Column, Error, Output, Result, Scalar, Signature, SqlType, Value,
};
use crate::functions::call::Calls;
use crate::functions::features;
use crate::functions::model::{count, field};
use crate::functions::options::{self, Options};
use crate::functions::segments::{Batch, Known, Segments};
use crate::functions::states::{self, EXACT, Merge, State, Stored, exact, finite};
use crate::functions::{Example, Function, Kind, optional, quoted, required};
use crate::ml::{ExactSum, Nulls, Pca, PcaOptions, PcaRows, PcaSums, Scale};

const KIND: &str = "pca_survey";

const SURVEY: SqlType = SqlType::Struct(&[
    ("kind", SqlType::Varchar),
    ("version", SqlType::Integer),
    ("scale", SqlType::Varchar),
    ("nulls", SqlType::Varchar),
    ("rows", SqlType::BigInt),
    ("skipped", SqlType::BigInt),
    (
        "features",
        SqlType::List(&SqlType::Struct(&[
            ("feature", SqlType::Varchar),
            ("log", SqlType::Boolean),
            ("flag", SqlType::Boolean),
            ("missing", SqlType::BigInt),
            ("min", SqlType::Double),
            ("max", SqlType::Double),
            ("sum", EXACT),
        ])),
    ),
    ("products", SqlType::List(&EXACT)),
]);

/// `pca_survey(row [, options])`
pub const PCA_SURVEY: Function = Function {
    kind: Kind::Aggregate,
    subject: "passes over parts",
    signature: Signature {
        name: "pca_survey",
        parameters: &[required("row", SqlType::Any), optional("options", SqlType::Any)],
        returns: SURVEY,
    },
    columns: "",
    description: "The exact sums of a part of the rows that principal components come from: a \
                  state that can be stored, sent and merged.",
    details: "`row` and its features as in `pca_fit`; options `features`, `id`, `scale`, `log` and \
              `nulls`. `pca_merge` adds states up, `pca_final` makes the model that `pca_fit` \
              would make of all rows, to the bit, whatever the parts (of more than 128 features \
              and fewer rows than features, up to rounding). `scale` `'robust'` and `nulls` \
              `'mean'` are errors, because they are not known before all rows are. `products` are \
              those of feature i with the features up to i, one after the other; the state takes \
              3 KB for 8 features, 34 KB for 32, 2 MB for 256. No row gives NULL.",
    examples: &[Example {
        sql: "SELECT s.rows, len(s.products) FROM (SELECT pca_survey({'x': x, 'y': 2 * x}) AS s \
              FROM range(3) AS t(x))",
        rows: &["3 | 3"],
    }],
    errors: &[(
        "SELECT pca_survey({'x': x}, {'scale': 'robust'}) FROM range(3) AS t(x)",
        "pca_survey: scale 'robust' is not known before all rows are, use 'standard', 'minmax' or \
         'none'",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.aggregate(&function.signature, Fold::default())),
};

/// `pca_merge(state)`
pub const PCA_MERGE: Function = Function {
    kind: Kind::Aggregate,
    subject: "passes over parts",
    signature: Signature {
        name: "pca_merge",
        parameters: &[required("state", SqlType::Any)],
        returns: SURVEY,
    },
    columns: "",
    description: "The states that `pca_survey` made of several parts as one.",
    details: "To the bit the state of all rows of the parts, in whatever order they come. All must \
              have the same features and options. A part that comes twice counts twice. NULL \
              states are left out; no other state gives NULL.",
    examples: &[Example {
        sql: "WITH parts AS (SELECT pca_survey({'x': x, 'y': -x}) AS state FROM range(9) AS t(x) \
              GROUP BY x % 3) SELECT s.rows FROM (SELECT pca_merge(state) AS s FROM parts)",
        rows: &["9"],
    }],
    errors: &[(
        "WITH parts AS (SELECT pca_survey({'x': x}) AS state FROM range(2) AS t(x) UNION ALL \
         SELECT pca_survey({'y': x}) FROM range(2) AS t(x)) SELECT pca_merge(state) FROM parts",
        "pca_merge: the states have features \"x\" and \"y\", survey all parts with the same",
    )],
    since: "0.1.0",
    register: Some(|registry, function| {
        registry.aggregate(&function.signature, Merge::<PcaState>::new())
    }),
};

/// `pca_final(state [, n])`
pub const PCA_FINAL: Function = Function {
    kind: Kind::Scalar,
    subject: "passes over parts",
    signature: Signature {
        name: "pca_final",
        parameters: &[required("state", SqlType::Any), optional("n", SqlType::Any)],
        returns: MODEL,
    },
    columns: "",
    description: "The principal components of all rows that a state of `pca_survey` has seen.",
    details: "The model that `pca_fit` makes. `n` is a count of components (default 2) or, below \
              1, the share of variance to reach. NULL for a NULL state.",
    examples: &[Example {
        sql: "SELECT m.explained_variance, m.components[1] FROM (SELECT \
              pca_final(pca_survey({'x': x, 'y': y}, {'scale': 'none'}), 1) AS m FROM (VALUES (-3, \
              0), (0, 0), (3, 0)) AS t(x, y))",
        rows: &["[9.0] | [1.0, 0.0]"],
    }],
    errors: &[(
        "SELECT pca_final(pca_survey({'x': x}), 2) FROM range(3) AS t(x)",
        "pca_final: 2 components need as many features, the row has 1: \"x\"",
    )],
    since: "0.1.0",
    register: Some(|registry, function| {
        let n_threads = registry.session().threads;
        registry.scalar(&function.signature, Final { n_threads })
    }),
};

#[derive(Clone, Default)]
struct Fold {
    calls: Arc<Calls<Options>>,
}

fn read_options(column: Option<&Column<'_>>) -> Result<Options> {
    let options = Options::read(column, options::PCA_SURVEY)?;
    let wrong = if options.scale == Scale::Robust {
        "scale 'robust' is not known before all rows are, use 'standard', 'minmax' or 'none'"
    } else if options.nulls == Nulls::Mean {
        "nulls 'mean' is not known before all rows are, fill the values in the query (coalesce), \
         or use 'skip' or 'zero'"
    } else {
        return Ok(options);
    };
    Err(options.speak(Error::new(wrong)))
}

impl Aggregate for Fold {
    type State = Segments<Options, 0, PcaRows>;
    type Batch<'a> = Batch<'a, Options, 0>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        Batch::read(&self.calls, rows, [], read_options)
    }

    fn update(
        &self,
        state: &mut Self::State,
        batch: &Self::Batch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        state.add(batch, range, [], |_, [], _| Ok(true))
    }

    fn combine(&self, source: &Self::State, target: &mut Self::State) -> Result<()> {
        target.merge(source, [])
    }

    fn finalize(&self, state: Self::State, out: &mut Output) -> Result<()> {
        let Some(Known { call, rows: Some(rows), n_null_rows, .. }) = state.known() else {
            out.push_null();
            return Ok(());
        };
        let names = rows.names.to_vec();
        let sums = rows.store.into_sums(call.read.scale);
        let mut sums = sums
            .map_err(|error| features::explain(error, &names))
            .map_err(|error| call.read.speak(error))?;
        sums.skipped += n_null_rows;
        out.push(&PcaState { names, sums }.value());
        Ok(())
    }
}

/// Sums, and the features that they are of.
#[derive(Clone)]
struct PcaState {
    names: Vec<String>,
    sums: PcaSums,
}

impl Stored for PcaState {
    fn value(&self) -> Value {
        let sums = &self.sums;
        let feature = |(i, (min, max, sum)): (usize, &(f64, f64, ExactSum))| {
            Value::Struct(vec![
                field("feature", self.names[i].as_str()),
                field("log", Value::Boolean(sums.log[i])),
                field("flag", Value::Boolean(sums.unscaled[i])),
                field("missing", count(sums.missing[i])),
                field("min", finite(*min)),
                field("max", finite(*max)),
                field("sum", exact(sum)),
            ])
        };
        let features = sums.features.iter().enumerate().map(feature).collect();
        let mut fields = states::head(KIND);
        fields.extend([
            field("scale", sums.scale.name()),
            field("nulls", sums.nulls.name()),
            field("rows", count(sums.rows)),
            field("skipped", count(sums.skipped)),
            field("features", Value::List(features)),
            field("products", Value::List(sums.products.iter().map(exact).collect())),
        ]);
        Value::Struct(fields)
    }

    fn read(value: &Value) -> Result<Self> {
        let state = State::new(value, KIND)?;
        let scale = state.one_of("scale", Scale::from_name)?;
        let nulls = state.one_of("nulls", Nulls::from_name)?;
        if scale == Scale::Robust || nulls == Nulls::Mean {
            return Err(state.broken("scale or nulls", "is none of a survey"));
        }
        let mut sums = PcaSums {
            scale,
            nulls,
            log: Vec::new(),
            unscaled: Vec::new(),
            rows: state.count("rows")?,
            skipped: state.count("skipped")?,
            missing: Vec::new(),
            features: Vec::new(),
            products: state.exacts("products")?,
        };
        let mut names = Vec::new();
        for part in state.parts("features")? {
            let name = part.text("feature")?;
            names.push(name.ok_or_else(|| part.broken("feature", "is missing"))?.to_string());
            sums.log.push(part.flag("log")?);
            sums.unscaled.push(part.flag("flag")?);
            sums.missing.push(part.count("missing")?);
            let min = part.number("min", f64::INFINITY)?;
            let max = part.number("max", f64::NEG_INFINITY)?;
            if sums.rows > 0 && min > max {
                return Err(part.broken("min", "is above its max"));
            }
            sums.features.push((min, max, part.exact("sum")?));
        }
        let n = names.len();
        if n == 0 || sums.products.len() != n * (n + 1) / 2 {
            let given = sums.products.len();
            return Err(state.broken("products", &format!("has {given} sums for {n} features")));
        }
        Ok(PcaState { names, sums })
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        let remedy = "survey all parts with the same";
        let names = |state: &Self| quoted(state.names.iter().map(String::as_str));
        if self.names != other.names {
            return Err(states::unlike("features", &names(self), &names(other), remedy));
        }
        let (a, b) = (&self.sums, &other.sums);
        for (what, a, b) in
            [("scale", a.scale.name(), b.scale.name()), ("nulls", a.nulls.name(), b.nulls.name())]
        {
            if a != b {
                return Err(states::unlike(what, a, b, remedy));
            }
        }
        if let Some(i) = (0..a.log.len()).find(|&i| a.log[i] != b.log[i]) {
            let name = &self.names[i];
            return Err(Error::new(format!(
                "feature \"{name}\" has log in one state and not in another, {remedy}"
            )));
        }
        if let Some(i) = (0..a.unscaled.len()).find(|&i| a.unscaled[i] != b.unscaled[i]) {
            return Err(states::flag_and_number(&self.names[i]));
        }
        states::sum(a.rows, b.rows)?;
        states::sum(a.skipped, b.skipped)?;
        self.sums.merge(&other.sums);
        Ok(())
    }
}

/// The scalar; `n_threads` is what DuckDB had at `LOAD`.
#[derive(Clone, Copy)]
struct Final {
    n_threads: usize,
}

impl Scalar for Final {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let (given, ns) = (arguments.column(0), arguments.get(1));
        for row in 0..arguments.len() {
            if !given.is_valid(row) {
                out.push_null();
                continue;
            }
            let PcaState { names, sums } = PcaState::read(&given.value(row))?;
            let n = match ns.map(|ns| ns.value(row)).filter(|n| !n.is_null()) {
                None => Options::default().n,
                Some(n) => options::n_components(&n)?,
            };
            let options = PcaOptions {
                scale: sums.scale,
                nulls: sums.nulls,
                n: components_of(n, &names)?,
                n_threads: self.n_threads,
            };
            let pca = Pca::of_sums(sums, &options);
            match pca.map_err(|error| features::explain(error, &names))? {
                Some(pca) if !pca.is_finite() => {
                    return Err(Error::new(
                        "the state's sums are beyond what rows can have, a state of pca_survey is \
                         needed",
                    ));
                }
                Some(pca) => out.push(&NamedModel { names: names.into(), pca }.value()),
                None => out.push_null(),
            }
        }
        Ok(())
    }
}

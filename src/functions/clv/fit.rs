//! `clv_fit`: customers of a group in, a model out.

use std::ops::Range;
use std::sync::Arc;

use super::{Histories, MODEL, SUBJECT, model_value, told};
use crate::ffi::{Aggregate, Chunk, Output, Result, Signature, SqlType};
use crate::functions::call::{Call, Calls};
use crate::functions::options::{self, Options};
use crate::functions::{Example, Function, Kind, optional, required};
use crate::ml::clv::{self, Customers};

/// `clv_fit(row [, options])`
pub const CLV_FIT: Function = Function {
    kind: Kind::Aggregate,
    subject: SUBJECT,
    signature: Signature {
        name: "clv_fit",
        parameters: &[required("row", SqlType::Any), optional("options", SqlType::Any)],
        returns: MODEL,
    },
    columns: "",
    description: "Fits how often customers buy before they leave, and what a purchase is worth.",
    details: include_str!("fit.md"),
    examples: &[
        Example {
            sql: "SELECT round(m.r, 2) AS r, round(m.alpha, 1) AS alpha, m.standard_errors.a IS \
                  NULL AS all_leave_alike, m.customers, m.repeaters, m.converged FROM (SELECT \
                  clv_fit({'frequency': i % 4, 'recency': CASE i % 4 WHEN 0 THEN 0 ELSE 5 + i % 30 \
                  END, 'age': 40}) AS m FROM range(200) AS t(i))",
            rows: &["1.39 | 21.1 | true | 200 | 150 | true"],
        },
        Example {
            sql: "SELECT clv_fit({'frequency': 1, 'recency': NULL::DOUBLE, 'age': 40}) IS NULL",
            rows: &["true"],
        },
    ],
    errors: &[
        (
            "SELECT clv_fit({'frequency': 2, 'recency': 40, 'age': 38})",
            "clv_fit: recency must be between 0 and the customer's age 38.0, not 40.0",
        ),
        (
            "SELECT clv_fit({'frequency': 0, 'recency': 0, 'age': 38}) FROM range(3)",
            "clv_fit: none of 3 customers bought twice, nothing tells how often they come back",
        ),
        (
            "SELECT clv_fit({'frequency': 2, 'recency': 4, 'age': 38, 'value': -5})",
            "clv_fit: value must be above 0 and at most 1000000000000.0, not -5.0",
        ),
        (
            "SELECT clv_fit({'frequency': 2, 'recency': 4, 'T': 38})",
            "clv_fit: no \"age\" in the row, which has \"frequency\", \"recency\", \"T\"",
        ),
    ],
    since: "0.1.0",
    register: Some(|registry, function| {
        let n_threads = registry.session().threads;
        registry.aggregate(&function.signature, ClvFit { n_threads, calls: Arc::default() })
    }),
};

/// The aggregate; `n_threads` is what DuckDB had at `LOAD`.
#[derive(Clone)]
struct ClvFit {
    n_threads: usize,
    calls: Arc<Calls<Options>>,
}

/// What one group has seen.
#[derive(Default)]
struct ClvState {
    call: Option<Arc<Call<Options>>>,
    customers: Customers,
    skipped: u64,
}

/// One chunk of arguments.
struct ClvBatch<'a> {
    call: Arc<Call<Options>>,
    histories: Option<Histories<'a>>,
}

impl Aggregate for ClvFit {
    type State = ClvState;
    type Batch<'a> = ClvBatch<'a>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<ClvBatch<'a>> {
        let call = self.calls.read(rows.get(1), |column| Options::read(column, options::CLV))?;
        let histories = Histories::read(rows.column(0)).map_err(|error| call.read.speak(error))?;
        Ok(ClvBatch { call, histories })
    }

    fn update(
        &self,
        state: &mut ClvState,
        batch: &ClvBatch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        let options = &batch.call.read;
        let update = || {
            Call::keep(&mut state.call, &batch.call)?;
            let Some(histories) = &batch.histories else {
                state.skipped += range.len() as u64;
                return Ok(());
            };
            for row in range {
                match histories.history(row)? {
                    None => state.skipped += 1,
                    Some(history) => {
                        state.customers.add(history, histories.value(row)).map_err(told)?;
                    }
                }
            }
            state.customers.check(options.memory).map_err(told)
        };
        update().map_err(|error| options.speak(error))
    }

    fn combine(&self, source: &ClvState, target: &mut ClvState) -> Result<()> {
        let Some(call) = &source.call else {
            return Ok(());
        };
        let mut combine = || {
            Call::keep(&mut target.call, call)?;
            target.skipped += source.skipped;
            target.customers.merge(&source.customers);
            target.customers.check(call.read.memory).map_err(told)
        };
        combine().map_err(|error| call.read.speak(error))
    }

    fn finalize(&self, state: ClvState, out: &mut Output) -> Result<()> {
        let Some(call) = state.call else {
            out.push_null();
            return Ok(());
        };
        let options = &call.read;
        let (n_threads, max_iter) = (options.threads.unwrap_or(self.n_threads), options.max_iter);
        let fit = clv::Fit::new(state.customers, max_iter as u32, n_threads);
        match fit.map_err(|error| options.speak(told(error)))? {
            Some(fit) => out.push(&model_value(&fit, state.skipped)),
            None => out.push_null(),
        }
        Ok(())
    }
}

//! Rows as a PCA takes them: their exact sums, or the rows themselves.

use super::MAX_PRODUCTS;
use crate::Error;
use crate::gram::{self, Gram};
use crate::logarithm::ln_1p_all;
use crate::rows::{Absent, Observations, all_finite};
use crate::scaling::{Nulls, Scale};
use std::ops::Range;

/// Rows as a PCA takes them: their exact sums, or under [`Scale::Robust`] and [`Nulls::Mean`],
/// which need them again, the rows. Sums need no sample, however many rows there are.
#[derive(Clone, Debug)]
pub struct PcaRows {
    pub(super) n_features: usize,
    pub(super) store: Store,
}

#[derive(Clone, Debug)]
pub(super) enum Store {
    Sums(Box<Sums>),
    Rows(Box<Observations>),
}

/// Rows below which a run of rows waits for others.
const MIN_RUN: usize = 256;
/// Features up to which sums of all pairs are made of every row. Of more, the rows themselves are
/// held as long as there are fewer than features: their products say the same, and are fewer.
pub(super) const WIDE: usize = 128;
/// Rows or features, whichever are fewer, that a fit takes: the eigenvectors of so many take two or
/// three seconds, and nothing can interrupt that.
pub const MAX_SIDE: usize = 1024;
/// Products of pairs of features of rows that are held for their scaling, which take less than ten
/// seconds.
const MAX_HELD_PRODUCTS: u64 = 6 << 30;

#[derive(Clone, Debug)]
pub(super) struct Sums {
    pub(super) nulls: Nulls,
    pub(super) log: Vec<bool>,
    pub(super) unscaled: Vec<bool>,
    pub(super) absent: Absent,
    /// The least value of each feature before its logarithm; empty where none is taken.
    pub(super) least: Vec<f64>,
    /// Columns of rows that are not in the sums yet, fewer than [`gram::ROWS`]; or all rows, where
    /// they are held.
    pub(super) waiting: Vec<Vec<f64>>,
    pub(super) sums: Option<Gram>,
    pub(super) rows: u64,
    pub(super) skipped: u64,
    /// Which features had a missing value in a row that was kept.
    pub(super) missing: Vec<bool>,
}

impl PcaRows {
    /// No rows yet of `n_features` columns, for a fit with `scale` and `nulls`, of which some are
    /// taken as ln(1 + x). `memory`: bytes that rows may take where they are held, and covariances
    /// in any case.
    ///
    /// # Errors
    /// [`Error::OverMemory`] where the covariances take more.
    pub fn new(
        scale: Scale,
        nulls: Nulls,
        log: &[bool],
        unscaled: &[bool],
        memory: u64,
        seed: i64,
    ) -> Result<Self, Error> {
        let n_features = log.len();
        let bytes = 8 * (n_features as u128).pow(2);
        if bytes > u128::from(memory) {
            let most = (memory / 8).isqrt() as usize;
            return Err(Error::OverMemory { features: n_features, most, memory });
        }
        let store = if scale == Scale::Robust || nulls == Nulls::Mean {
            let keep_missing = nulls != Nulls::Skip;
            let rows = Observations::new(n_features, false, keep_missing, memory, seed);
            Store::Rows(Box::new(rows.with_log(log).with_unscaled(unscaled)))
        } else {
            let has_log = log.contains(&true);
            Store::Sums(Box::new(Sums {
                nulls,
                log: if has_log { log.to_vec() } else { Vec::new() },
                unscaled: if unscaled.contains(&true) { unscaled.to_vec() } else { Vec::new() },
                absent: Absent::default(),
                least: if has_log { vec![f64::INFINITY; n_features] } else { Vec::new() },
                waiting: Vec::new(),
                sums: None,
                rows: 0,
                skipped: 0,
                missing: Vec::new(),
            }))
        };
        Ok(Self { n_features, store })
    }

    /// Whether a fit can take the rows so far.
    ///
    /// # Errors
    /// [`Error::TooWide`] where there are too many rows of too many features.
    pub fn check(&self) -> Result<(), Error> {
        let features = self.n_features;
        let (rows, most) = match &self.store {
            // Above the memory, a sample is held.
            Store::Rows(observations) => {
                (observations.rows().min(observations.most_held() as u64), most_held_rows(features))
            }
            Store::Sums(sums) => (sums.rows, most_rows(features)),
        };
        if rows > most { Err(Error::TooWide { rows, features, most }) } else { Ok(()) }
    }

    /// Adds the rows `rows` of `columns` (one slice for each feature, all of one length).
    pub fn append(&mut self, columns: &[impl AsRef<[f64]>], rows: Range<usize>) {
        assert_eq!(columns.len(), self.n_features, "one column for each feature");
        match &mut self.store {
            Store::Rows(observations) => observations.append(columns, None, rows),
            Store::Sums(sums) => sums.append(columns, rows),
        }
    }

    /// Adds `other`'s rows.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.store, &other.store) {
            (Store::Rows(observations), Store::Rows(other)) => observations.merge(other),
            (Store::Sums(sums), Store::Sums(other)) => sums.merge(other),
            _ => panic!("only rows for the same fit can be merged"),
        }
    }
}

/// Rows that a fit takes at most. Sums of pairs of features are taken as rows arrive, whatever
/// their number.
fn most_rows(n_features: usize) -> u64 {
    if n_features <= MAX_SIDE {
        u64::MAX
    } else {
        (MAX_PRODUCTS / n_features as u64).isqrt().min(MAX_SIDE as u64)
    }
}

/// The same where rows are held and summed at the end.
fn most_held_rows(n_features: usize) -> u64 {
    match n_features {
        0..=WIDE => u64::MAX,
        _ => most_rows(n_features).min(MAX_HELD_PRODUCTS / (n_features as u64).pow(2)),
    }
}

impl Sums {
    fn append(&mut self, columns: &[impl AsRef<[f64]>], rows: Range<usize>) {
        if self.nulls != Nulls::Skip
            || columns.iter().all(|column| all_finite(&column.as_ref()[rows.clone()]))
        {
            return self.append_run(columns, rows);
        }
        let mut start = rows.start;
        for row in rows.clone() {
            if !columns.iter().all(|column| column.as_ref()[row].is_finite()) {
                self.append_run(columns, start..row);
                if self.rows == 0 {
                    self.absent.count(columns.iter().map(|column| column.as_ref()[row]));
                }
                self.skipped += 1;
                start = row + 1;
            }
        }
        self.append_run(columns, start..rows.end);
    }

    fn append_run(&mut self, columns: &[impl AsRef<[f64]>], mut rows: Range<usize>) {
        self.rows += rows.len() as u64;
        let is_held = self.is_held(columns.len());
        if !is_held {
            self.release();
        }
        if self.nulls == Nulls::Skip && self.log.is_empty() && !is_held {
            while rows.len() >= MIN_RUN {
                let run = rows.start..rows.end.min(rows.start + gram::ROWS);
                rows.start = run.end;
                let slices: Vec<&[f64]> =
                    columns.iter().map(|column| &column.as_ref()[run.clone()]).collect();
                self.sums.get_or_insert_with(|| Gram::new(columns.len())).add(&slices);
            }
        }
        while !rows.is_empty() {
            self.waiting.resize_with(columns.len(), Vec::new);
            let room = if is_held { rows.len() } else { gram::ROWS - self.waiting[0].len() };
            let run = rows.start..rows.end.min(rows.start + room);
            rows.start = run.end;
            for (feature, (waiting, column)) in self.waiting.iter_mut().zip(columns).enumerate() {
                let start = waiting.len();
                waiting.extend_from_slice(&column.as_ref()[run.clone()]);
                let own = &mut waiting[start..];
                if self.nulls != Nulls::Skip && !all_finite(own) {
                    own.iter_mut().filter(|x| !x.is_finite()).for_each(|x| *x = 0.0);
                    self.missing.resize(columns.len(), false);
                    self.missing[feature] = true;
                }
                if self.log.get(feature) == Some(&true) {
                    self.least[feature] = own.iter().copied().fold(self.least[feature], f64::min);
                    // Of values below 0, which are an error in the end, anything finite will do.
                    own.iter_mut().for_each(|x| *x = x.max(0.0));
                    ln_1p_all(own);
                }
            }
            if !is_held {
                self.sum_full();
            }
        }
    }

    /// Whether all rows are held: as long as there are fewer of them than of many features.
    pub(super) fn is_held(&self, n_features: usize) -> bool {
        n_features > WIDE && self.rows < n_features as u64
    }

    /// Adds rows that were held to the sums, but for those that have to wait.
    fn release(&mut self) {
        while self.waiting.first().is_some_and(|column| column.len() >= gram::ROWS) {
            let rest = self.waiting.iter_mut().map(|column| column.split_off(gram::ROWS)).collect();
            self.sum_waiting();
            self.waiting = rest;
        }
    }

    /// Adds all rows that wait or are held to the sums.
    pub(super) fn sum_all(&mut self) {
        self.release();
        self.sum_waiting();
    }

    /// Adds the rows that wait to the sums once they are enough.
    fn sum_full(&mut self) {
        if self.waiting.first().is_some_and(|column| column.len() == gram::ROWS) {
            self.sum_waiting();
        }
    }

    pub(super) fn sum_waiting(&mut self) {
        let columns: Vec<&[f64]> = self.waiting.iter().map(Vec::as_slice).collect();
        if columns.first().is_some_and(|column| !column.is_empty()) {
            self.sums.get_or_insert_with(|| Gram::new(columns.len())).add(&columns);
            self.waiting.iter_mut().for_each(Vec::clear);
        }
    }

    fn merge(&mut self, other: &Self) {
        assert_eq!(
            (self.nulls, &self.log),
            (other.nulls, &other.log),
            "only rows for the same fit can be merged"
        );
        self.rows += other.rows;
        self.skipped += other.skipped;
        self.absent.merge(&other.absent);
        self.least
            .iter_mut()
            .zip(&other.least)
            .for_each(|(least, other)| *least = least.min(*other));
        self.missing.resize(self.missing.len().max(other.missing.len()), false);
        self.missing.iter_mut().zip(&other.missing).for_each(|(missing, other)| *missing |= other);
        match (&mut self.sums, &other.sums) {
            (_, None) => {}
            (Some(sums), Some(other)) => sums.merge(other),
            (sums, Some(other)) => *sums = Some(other.clone()),
        }
        let is_held = self.is_held(self.waiting.len().max(other.waiting.len()));
        if !is_held {
            self.release();
        }
        let mut rest = 0..other.waiting.first().map_or(0, Vec::len);
        while !rest.is_empty() {
            self.waiting.resize_with(other.waiting.len(), Vec::new);
            let room = if is_held { rest.len() } else { gram::ROWS - self.waiting[0].len() };
            let run = rest.start..rest.end.min(rest.start + room);
            rest.start = run.end;
            for (waiting, column) in self.waiting.iter_mut().zip(&other.waiting) {
                waiting.extend_from_slice(&column[run.clone()]);
            }
            if !is_held {
                self.sum_full();
            }
        }
    }
}

//! Rows as a survey and a sample take them: usable ones alone, filled, with logarithms.

use super::SurveyOptions;
use crate::logarithm::ln_1p_all;
use crate::rows::{Absent, all_finite, mix};
use crate::scaling::Nulls;
use crate::simd::vectorize;
use crate::{Error, MAX_MAGNITUDE};
use std::ops::Range;

/// What makes usable rows of raw ones.
pub(crate) struct Preparation<'o> {
    options: &'o SurveyOptions,
}

/// Usable rows of a tile.
pub(crate) struct Prepared {
    pub(super) columns: Vec<Vec<f64>>,
    pub(super) weights: Option<Vec<f64>>,
    n_rows: usize,
    pub(super) skipped: u64,
    pub(super) absent: Absent,
    /// What is wrong with a row.
    pub(super) error: Option<Error>,
}

impl<'o> Preparation<'o> {
    pub(crate) fn of(options: &'o SurveyOptions) -> Self {
        assert!(options.nulls != Nulls::Mean, "the mean is not known yet");
        Self { options }
    }

    /// The usable rows among some.
    pub(crate) fn take(
        &self,
        columns: &[impl AsRef<[f64]>],
        weights: Option<&[f64]>,
        rows: Range<usize>,
    ) -> Prepared {
        let columns: Vec<&[f64]> =
            columns.iter().map(|column| &column.as_ref()[rows.clone()]).collect();
        let weights = weights.map(|weights| &weights[rows.clone()]);
        let mut own = Prepared {
            columns: Vec::new(),
            weights: None,
            n_rows: rows.len(),
            skipped: 0,
            absent: Absent::default(),
            error: None,
        };
        let is_weighed = |row: usize| weights.is_none_or(|weights| weights[row] > 0.0);
        let is_skipped = |row: usize| {
            self.options.nulls == Nulls::Skip
                && columns.iter().any(|column| !column[row].is_finite())
        };
        let is_clean = weights.is_none() && columns.iter().all(|column| all_finite(column));
        if is_clean {
            own.columns = columns.iter().map(|column| column.to_vec()).collect();
        } else {
            let weighed: Vec<usize> = (0..rows.len()).filter(|&row| is_weighed(row)).collect();
            let (skipped, kept): (Vec<usize>, Vec<usize>) =
                weighed.into_iter().partition(|&row| is_skipped(row));
            own.skipped = skipped.len() as u64;
            for row in skipped {
                own.absent.count(columns.iter().map(|column| column[row]));
            }
            let pick = |values: &[f64]| kept.iter().map(|&row| values[row]).collect::<Vec<f64>>();
            own.columns = columns.iter().map(|column| pick(column)).collect();
            own.weights = weights.map(pick);
            own.n_rows = kept.len();
            self.fill(&mut own);
        }
        self.prepare(&mut own);
        own
    }

    fn fill(&self, own: &mut Prepared) {
        for (feature, column) in own.columns.iter_mut().enumerate() {
            for x in column.iter_mut().filter(|x| !x.is_finite()) {
                *x = 0.0;
                if self.options.nulls == Nulls::Error {
                    own.error.get_or_insert(Error::Missing { feature });
                }
            }
        }
    }

    /// Takes logarithms, and looks for values that no fit takes.
    fn prepare(&self, own: &mut Prepared) {
        if let Some(weights) = &own.weights {
            let value = weights.iter().copied().fold(0.0, f64::max);
            if value > MAX_MAGNITUDE {
                own.error.get_or_insert(Error::WeightTooLarge { value });
            }
        }
        for (feature, column) in own.columns.iter_mut().enumerate() {
            let (mut least, mut greatest) = (0.0_f64, 0.0_f64);
            for x in column.iter_mut() {
                // Adding 0.0 makes 0.0 of -0.0.
                *x += 0.0;
                (least, greatest) = (least.min(*x), greatest.max(*x));
            }
            if self.options.log[feature] {
                if least < 0.0 {
                    own.error.get_or_insert(Error::NegativeLog { feature, value: least });
                    column.iter_mut().for_each(|x| *x = x.max(0.0));
                }
                ln_1p_all(column);
            } else if greatest.max(-least) > MAX_MAGNITUDE {
                let value = if greatest >= -least { greatest } else { least };
                own.error.get_or_insert(Error::TooLarge { feature, value });
                // Figures of rows that are an error in the end are of no use, but finite.
                column.iter_mut().for_each(|x| *x = x.clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE));
            }
        }
    }
}

impl Prepared {
    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = f64> {
        self.columns.iter().map(move |column| column[row])
    }

    pub(super) fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// A hash of each row with its weight.
    pub(super) fn hashes(&self, seed: i64) -> Vec<u64> {
        let mut hashes = vec![mix(seed as u64); self.n_rows];
        vectorize(
            #[inline(always)]
            || {
                for column in self.columns.iter().chain(&self.weights) {
                    for (hash, x) in hashes.iter_mut().zip(column) {
                        *hash = mix(*hash ^ x.to_bits());
                    }
                }
            },
        );
        hashes
    }
}

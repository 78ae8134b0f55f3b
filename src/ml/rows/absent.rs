//! What is said where every row was left out for a missing value.

use crate::Error;
use std::cmp::Reverse;

/// The missing values of each feature in rows that were left out, as long as there is no other row:
/// what to say then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Absent {
    /// Empty where no row was left out.
    values: Vec<u64>,
}

impl Absent {
    pub(crate) fn count(&mut self, row: impl ExactSizeIterator<Item = f64>) {
        self.values.resize(row.len(), 0);
        self.values.iter_mut().zip(row).for_each(|(count, x)| *count += u64::from(!x.is_finite()));
    }

    /// The missing values of each feature; of none before a row was left out.
    pub(crate) fn values(&self, feature: usize) -> u64 {
        self.values.get(feature).copied().unwrap_or(0)
    }

    /// With these missing values.
    pub(crate) fn from_values(values: Vec<u64>) -> Self {
        Self { values }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.values.resize(self.values.len().max(other.values.len()), 0);
        self.values.iter_mut().zip(&other.values).for_each(|(count, other)| *count += other);
    }

    /// An error where `rows` rows were left out and there is no other.
    pub(crate) fn check(&self, rows: u64) -> Result<(), Error> {
        let most =
            self.values.iter().copied().enumerate().max_by_key(|&(i, count)| (count, Reverse(i)));
        match most {
            Some((feature, missing)) if rows > 0 => {
                Err(Error::NoUsableRow { feature, missing, rows })
            }
            _ => Ok(()),
        }
    }
}

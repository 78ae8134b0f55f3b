//! What customers are worth who come and go without notice: BG/NBD for the number of their
//! purchases, Gamma-Gamma for the value of one.
//!
//! Both likelihoods depend on few figures of a customer, so that customers with the same figures
//! are counted and a fit works on the distinct ones in ascending order: its bits depend neither on
//! the order of customers, nor on threads, nor on the parts that they came in.

mod bg_nbd;
mod counts;
mod expectation;
mod gamma_gamma;
mod newton;
mod special;

use std::fmt;

use counts::Counts;
use nalgebra::SMatrix;

/// The longest time and the greatest value of a purchase that a model takes, and their inverses:
/// the least above 0.
pub const MAX_MAGNITUDE: f64 = 1e12;
/// The most repeat purchases of a customer.
pub const MAX_FREQUENCY: u32 = 1_000_000_000;

/// What is wrong with a customer's figures, or with all of them for a fit.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// A frequency that is no whole number of at least 0.
    Frequency(f64),
    /// An age that is no time.
    Age(f64),
    /// A recency that is no time up to the age.
    Recency {
        /// The recency.
        recency: f64,
        /// The age.
        age: f64,
    },
    /// A last repeat purchase without a repeat purchase.
    RecencyWithoutRepeat(f64),
    /// Repeat purchases at the time of the first one.
    RepeatWithoutRecency(u32),
    /// The value of a repeat purchase, which is no number above 0.
    Value(f64),
    /// Nobody bought twice.
    NobodyCameBack {
        /// Customers.
        customers: u64,
    },
    /// The distinct figures take more than the memory.
    OverMemory {
        /// Bytes that they take.
        bytes: u64,
        /// Bytes that they may take.
        memory: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frequency(given) => write!(
                f,
                "frequency must be a whole number between 0 and {MAX_FREQUENCY}, not {given:?}: \
                 the repeat purchases of a customer"
            ),
            Self::Age(given) => write!(
                f,
                "age must be between 0 and {MAX_MAGNITUDE:?}, not {given:?}: the time since a \
                 customer's first purchase"
            ),
            Self::Recency { recency, age } => write!(
                f,
                "recency must be between 0 and the customer's age {age:?}, not {recency:?}: the \
                 time from the first purchase to the last"
            ),
            Self::RecencyWithoutRepeat(recency) => write!(
                f,
                "recency must be 0 where frequency is, not {recency:?}: a customer who bought once \
                 has no later purchase"
            ),
            Self::RepeatWithoutRecency(frequency) => write!(
                f,
                "frequency must be 0 where recency is, not {frequency}: purchases at one time are \
                 one"
            ),
            Self::Value(given) => write!(
                f,
                "value must be above 0 and at most {MAX_MAGNITUDE:?}, not {given:?}: the mean \
                 value of a repeat purchase; leave out returns and what was free"
            ),
            Self::NobodyCameBack { customers } => write!(
                f,
                "none of {customers} customers bought twice, nothing tells how often they come back"
            ),
            Self::OverMemory { bytes, memory } => write!(
                f,
                "the customers' distinct figures take {bytes} bytes, memory is {memory}: round \
                 times to days, or raise memory"
            ),
        }
    }
}

impl std::error::Error for Error {}

/// What the functions of this module return where figures can be wrong.
pub type Result<T> = std::result::Result<T, Error>;

/// What is known of a customer's purchases, checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History {
    frequency: u32,
    recency: f64,
    age: f64,
}

impl History {
    /// `frequency`: repeat purchases; `recency`: time from the first to the last; `age`: time from
    /// the first to now, in one unit.
    pub fn new(frequency: f64, recency: f64, age: f64) -> Result<Self> {
        let is_count =
            frequency.fract() == 0.0 && (0.0..=f64::from(MAX_FREQUENCY)).contains(&frequency);
        if !is_count {
            return Err(Error::Frequency(frequency));
        }
        if !(0.0..=MAX_MAGNITUDE).contains(&age) {
            return Err(Error::Age(age));
        }
        if !(0.0..=age).contains(&recency) {
            return Err(Error::Recency { recency, age });
        }
        match (frequency as u32, recency) {
            (0, recency) if recency > 0.0 => Err(Error::RecencyWithoutRepeat(recency)),
            (frequency, 0.0) if frequency > 0 => Err(Error::RepeatWithoutRecency(frequency)),
            // -0 is 0.
            (frequency, _) => Ok(History { frequency, recency: recency + 0.0, age: age + 0.0 }),
        }
    }

    /// Whether there is a repeat purchase.
    pub fn came_back(&self) -> bool {
        self.frequency > 0
    }
}

/// The mean value of a customer's repeat purchases, checked.
fn checked_value(value: f64) -> Result<f64> {
    let is_value = (1.0 / MAX_MAGNITUDE..=MAX_MAGNITUDE).contains(&value);
    if is_value { Ok(value) } else { Err(Error::Value(value)) }
}

/// A history as a key: numbers of at least 0 are in the order of their bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Triple {
    frequency: u32,
    age: u64,
    recency: u64,
}

impl Triple {
    fn new(frequency: u32, recency: f64, age: f64) -> Self {
        Triple { frequency, age: age.to_bits(), recency: recency.to_bits() }
    }

    fn recency(&self) -> f64 {
        f64::from_bits(self.recency)
    }

    fn age(&self) -> f64 {
        f64::from_bits(self.age)
    }
}

/// The repeat purchases of a customer and their mean value, as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    frequency: u32,
    value: u64,
}

impl Pair {
    fn new(frequency: u32, value: f64) -> Self {
        Pair { frequency, value: value.to_bits() }
    }

    fn value(&self) -> f64 {
        f64::from_bits(self.value)
    }
}

/// Customers of a fit: streaming and mergeable.
#[derive(Clone, Debug, Default)]
pub struct Customers {
    triples: Counts<Triple>,
    pairs: Counts<Pair>,
}

impl Customers {
    /// Adds a customer; `value` counts where he came back and it is known.
    pub fn add(&mut self, history: History, value: Option<f64>) -> Result<()> {
        let History { frequency, recency, age } = history;
        self.triples.add(Triple::new(frequency, recency, age), 1);
        if let Some(value) = value.filter(|_| frequency > 0) {
            self.pairs.add(Pair::new(frequency, checked_value(value)?), 1);
        }
        Ok(())
    }

    /// Adds the customers of another.
    pub fn merge(&mut self, other: &Self) {
        self.triples.merge(&other.triples);
        self.pairs.merge(&other.pairs);
    }

    /// An error where the customers take more than `memory` bytes.
    pub fn check(&self, memory: u64) -> Result<()> {
        match self.triples.bytes() + self.pairs.bytes() {
            bytes if bytes > memory => Err(Error::OverMemory { bytes, memory }),
            _ => Ok(()),
        }
    }
}

/// BG/NBD: rates are Gamma(`r`, `alpha`), the probability to leave after a repeat purchase is
/// Beta(`a`, `b`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Purchasing {
    /// Shape of the rates.
    pub r: f64,
    /// Their rate, in units of time.
    pub alpha: f64,
    /// First shape of the probability to leave.
    pub a: f64,
    /// The second.
    pub b: f64,
}

/// Gamma-Gamma: purchases of a customer are Gamma(`p`, ν), ν is Gamma(`q`, `gamma`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spending {
    /// Shape of the purchases of one customer.
    pub p: f64,
    /// Shape of the rates of customers.
    pub q: f64,
    /// Rate of the rates.
    pub gamma: f64,
}

/// A model of customers who came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// How many purchases.
    pub purchasing: Purchasing,
    /// What they are worth, where values are known.
    pub spending: Option<Spending>,
    /// Standard errors of r, alpha, a, b, p, q, gamma; NaN where the data leave a parameter open.
    pub standard_errors: [f64; 7],
    /// Log-likelihood of the purchases.
    pub log_likelihood: f64,
    /// Log-likelihood of the values.
    pub value_log_likelihood: f64,
    /// Customers.
    pub customers: u64,
    /// Of them, those who came back.
    pub repeaters: u64,
    /// Newton steps of both fits.
    pub iterations: u32,
    /// Whether both ended at a maximum.
    pub converged: bool,
}

impl Fit {
    /// The most likely models of `customers`, `None` without a customer.
    ///
    /// # Errors
    /// Where nobody came back.
    pub fn new(customers: Customers, max_iter: u32, n_threads: usize) -> Result<Option<Self>> {
        let (triples, pairs) = (customers.triples.into_sorted(), customers.pairs.into_sorted());
        let count = |from: usize| triples[from..].iter().map(|(_, count)| count).sum();
        let (customers, first) = (count(0), triples.partition_point(|(t, _)| t.frequency == 0));
        if customers == 0 {
            return Ok(None);
        }
        if first == triples.len() {
            return Err(Error::NobodyCameBack { customers });
        }
        let repeaters = count(first);
        let purchases = bg_nbd::fit(&triples, max_iter, n_threads);
        let ([r, alpha, a, b], by_point) = bg_nbd::parameters(&purchases.at);
        let mut fit = Fit {
            purchasing: Purchasing { r, alpha, a, b },
            spending: None,
            standard_errors: [f64::NAN; 7],
            log_likelihood: purchases.value,
            value_log_likelihood: f64::NAN,
            customers,
            repeaters,
            iterations: purchases.iterations,
            converged: purchases.converged,
        };
        let errors = standard_errors([r, alpha, a, b], &by_point, &purchases);
        fit.standard_errors[..4].copy_from_slice(&errors);
        if !pairs.is_empty() {
            let values = gamma_gamma::fit(&pairs, max_iter, n_threads);
            let ([p, q, gamma], by_point) = gamma_gamma::parameters(&values.at);
            fit.spending = Some(Spending { p, q, gamma });
            let errors = standard_errors([p, q, gamma], &by_point, &values);
            fit.standard_errors[4..].copy_from_slice(&errors);
            fit.value_log_likelihood = values.value;
            fit.iterations += values.iterations;
            fit.converged &= values.converged;
        }
        Ok(Some(fit))
    }
}

/// Standard errors of parameters whose logarithms depend on the searched point by `by_point`: the
/// delta method. NaN for one that depends on what is not determined.
fn standard_errors<const N: usize>(
    parameters: [f64; N],
    by_point: &SMatrix<f64, N, N>,
    maximum: &newton::Maximum<N>,
) -> [f64; N] {
    std::array::from_fn(|i| {
        let row = by_point.row(i);
        if (0..N).any(|j| row[j] != 0.0 && !maximum.determined[j]) {
            return f64::NAN;
        }
        parameters[i] * (row * maximum.covariance * row.transpose())[(0, 0)].sqrt()
    })
}

#[cfg(test)]
mod tests;

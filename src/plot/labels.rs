//! The labels of the points of a plot, and how many points have each.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;

/// Rows that make no plot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsError(pub(super) String);

impl fmt::Display for RowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RowsError {}

/// A label and how many points have it.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub text: Option<Box<str>>,
    pub count: u64,
}

impl Label {
    /// By the numbers that they are or begin with, then texts, then the missing label.
    pub fn order(&self, other: &Self) -> Ordering {
        match (&self.text, &other.text) {
            (Some(a), Some(b)) => match (leading_number(a), leading_number(b)) {
                (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => a.cmp(b),
            },
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    }
}

/// The number that a text is, or else the whole number that it begins with.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    text.parse().ok().or_else(|| text[..digits].parse().ok()).filter(|x: &f64| x.is_finite())
}

/// A legend has few rows, and labels are held until it is drawn: so many distinct ones, and so many
/// bytes of them.
const MAX_LABELS: usize = 100_000;
const MAX_LABEL_BYTES: usize = 64 << 20;

/// The distinct labels of a plot in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels {
    list: Vec<Label>,
    index: HashMap<Box<str>, u32>,
    missing: Option<u32>,
    last: u32,
    bytes: usize,
}

impl Labels {
    pub fn list(&self) -> &[Label] {
        &self.list
    }

    /// Counts `n` points of a label, which is new at its first, and returns its place.
    ///
    /// # Errors
    /// More labels than a plot can tell apart, or too long ones: whatever their order is.
    pub fn count(&mut self, text: Option<&str>, n: u64) -> Result<u32, RowsError> {
        // Neighbouring rows often share their label.
        if self.list.get(self.last as usize).is_none_or(|label| label.text.as_deref() != text) {
            let known = match text {
                Some(text) => self.index.get(text).copied(),
                None => self.missing,
            };
            self.last = match known {
                Some(place) => place,
                None => self.add(text)?,
            };
        }
        self.list[self.last as usize].count += n;
        Ok(self.last)
    }

    fn add(&mut self, text: Option<&str>) -> Result<u32, RowsError> {
        if self.list.len() >= MAX_LABELS {
            return Err(RowsError(format!(
                "more than {MAX_LABELS} different labels; join them to fewer groups, or give NULL"
            )));
        }
        self.bytes += text.map_or(0, str::len);
        if self.bytes > MAX_LABEL_BYTES {
            return Err(RowsError(format!(
                "labels of more than {} MiB; shorten them, such as by left(label, 100)",
                MAX_LABEL_BYTES >> 20
            )));
        }
        let place = self.list.len() as u32;
        self.list.push(Label { text: text.map(Box::from), count: 0 });
        match text {
            Some(text) => drop(self.index.insert(Box::from(text), place)),
            None => self.missing = Some(place),
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_begin_with_a_number_are_in_its_order() {
        let mut texts = ["10 loyal", "b", "2 new", "-1.5", "a", "9"];
        texts.sort_by(|a, b| {
            let label = |text: &str| Label { text: Some(text.into()), count: 1 };
            label(a).order(&label(b))
        });
        assert_eq!(texts, ["-1.5", "2 new", "9", "10 loyal", "a", "b"]);
    }
}

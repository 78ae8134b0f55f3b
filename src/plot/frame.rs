//! Titles and size of a plot, and the options that set them.

use std::fmt;

/// Titles and size of a plot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Heading.
    pub title: Option<String>,
    /// Name of the horizontal axis.
    pub x_label: Option<String>,
    /// Name of the vertical axis.
    pub y_label: Option<String>,
    /// Heading of the legend.
    pub legend_title: Option<String>,
    /// Pixels, 400 to 4096.
    pub width: u32,
    /// Pixels, 240 to 4096.
    pub height: u32,
}

/// An option outside its range; the text names it, the range and the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionError(String);

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OptionError {}

impl Frame {
    /// A plot without titles.
    pub fn of_size(width: u32, height: u32) -> Self {
        Self { title: None, x_label: None, y_label: None, legend_title: None, width, height }
    }

    /// Whether the size is in its range.
    pub fn validate(&self) -> Result<(), OptionError> {
        in_range("width", u64::from(self.width), 400, 4_096)?;
        in_range("height", u64::from(self.height), 240, 4_096)
    }
}

/// Whether the option `name` is between `low` and `high`.
pub(super) fn in_range(name: &str, value: u64, low: u64, high: u64) -> Result<(), OptionError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(OptionError(format!("{name} must be between {low} and {high}, not {value}")))
}

//! Plots: points in, one self-contained SVG document out.

mod axis;
mod dates;
mod document;
pub mod line;
pub mod scatter;

pub use document::{Frame, OptionError};

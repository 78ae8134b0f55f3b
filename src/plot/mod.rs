//! Plots: points in, one self-contained SVG document out.

mod axis;
mod dates;
mod document;
mod figures;
mod frame;
mod labels;
mod legend;
pub mod line;
pub mod scatter;
mod text;

pub use frame::{Frame, OptionError};
pub use labels::RowsError;

//! Plots: points in, one self-contained SVG document out.

mod axis;
pub mod scatter;

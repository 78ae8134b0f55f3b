//! `amazing`: customer segmentation in DuckDB.
//!
//! | layer | module | knows |
//! |---|---|---|
//! | list of everything | [`catalog`] | the adapters |
//! | the SQL in the binary | [`scripts`] | the files of `sql/` |
//! | SQL adapters: arguments in, columns out | [`functions`] | the fence's face, the pure modules |
//! | the fence, all `unsafe` of the project | [`ffi`] | DuckDB's C API |
//! | pure | [`lines`], [`ml`], [`text`], [`synth`], [`plot`] | nothing of DuckDB |
//! | pure | `portable`, `calendar` | nothing of DuckDB |

mod calendar;
pub mod catalog;
pub mod ffi;
pub mod functions;
pub mod lines;
pub mod plot;
mod portable;
pub mod scripts;
pub mod synth;
pub mod text;

pub use amazing_ml as ml;

//! Principal components in SQL: the model, what fits it, what applies it, and the relations over
//! both.

mod components;
mod fit;
mod inverse;
mod relations;
mod states;
mod to_sql;
mod transform;

pub use components::PCA_COMPONENTS;
pub use fit::PCA_FIT;
pub use inverse::PCA_INVERSE;
pub use relations::{PCA_2D, PCA_COMPONENTS_RELATION};
pub use states::{PCA_FINAL, PCA_MERGE, PCA_SURVEY};
pub use to_sql::PCA_TO_SQL;
pub use transform::PCA_TRANSFORM;

use std::sync::Arc;

use super::model::{self, DOUBLES, Reader, RowModel, count, field, matrix, model_type};
use super::quoted;
use crate::ffi::{Error, Result, SqlType, Value};
use crate::ml::{self, Pca};

const MODEL: SqlType = model_type! {
    ("version", SqlType::Integer);
    ("components", SqlType::List(&DOUBLES)),
    ("explained_variance", DOUBLES),
    ("explained_variance_ratio", DOUBLES),
    ("rows", SqlType::BigInt),
    ("skipped", SqlType::BigInt)
};

/// A model with the names of its features.
struct NamedModel {
    names: Arc<[String]>,
    pca: Pca,
}

impl RowModel for NamedModel {
    fn read(value: &Value) -> Result<Self> {
        let reader = Reader::new(value, "pca_fit")?;
        let components = reader.matrix("components")?;
        let (names, transform) = reader.transform(components[0].len())?;
        let pca = Pca {
            transform,
            explained_variance: reader.numbers(
                "explained_variance",
                components.len(),
                0.0,
                false,
            )?,
            explained_variance_ratio: reader.numbers(
                "explained_variance_ratio",
                components.len(),
                0.0,
                false,
            )?,
            rows: reader.count("rows")?,
            skipped: reader.count("skipped")?,
            components,
        };
        Ok(NamedModel { names: names.into(), pca })
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn transform(&self) -> &ml::Transform {
        &self.pca.transform
    }
}

impl NamedModel {
    fn value(&self) -> Value {
        let mut fields = vec![field("version", Value::Integer(i128::from(model::VERSION)))];
        fields.extend(model::transform_fields(&self.names, &self.pca.transform));
        fields.extend([
            field("components", matrix(&self.pca.components)),
            field("explained_variance", &self.pca.explained_variance[..]),
            field("explained_variance_ratio", &self.pca.explained_variance_ratio[..]),
            field("rows", count(self.pca.rows)),
            field("skipped", count(self.pca.skipped)),
        ]);
        Value::Struct(fields)
    }
}

/// How many components the option `n` asks for, of these features.
fn components_of(n: f64, names: &[String]) -> Result<ml::Components> {
    if n < 1.0 {
        return Ok(ml::Components::Share(n));
    }
    if n <= names.len() as f64 {
        return Ok(ml::Components::Count(n as usize));
    }
    let known = quoted(names.iter().map(String::as_str));
    Err(Error::new(format!(
        "{n} components need as many features, the row has {}: {known}",
        names.len()
    )))
}

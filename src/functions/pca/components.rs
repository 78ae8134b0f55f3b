//! `pca_components`: what the components of a model are made of.

use super::NamedModel;
use crate::ffi::{Chunk, Output, Result, Scalar, Signature, SqlType, Value};
use crate::functions::model::field;
use crate::functions::{Example, Function, Kind, model, required};
use crate::ml::Pca;

const LOADING: SqlType = SqlType::Struct(&[
    ("component", SqlType::Integer),
    ("explained_variance", SqlType::Double),
    ("explained_variance_ratio", SqlType::Double),
    ("cumulative_ratio", SqlType::Double),
    ("feature", SqlType::Varchar),
    ("loading", SqlType::Double),
]);

/// `pca_components(model)`
pub const PCA_COMPONENTS: Function = Function {
    kind: Kind::Scalar,
    subject: "principal components",
    signature: Signature {
        name: "pca_components",
        parameters: &[required("model", SqlType::Any)],
        returns: SqlType::List(&LOADING),
    },
    columns: "",
    description: "The components of a model: one entry for each component and feature.",
    details: "Components are numbered from 1. `loading` is the feature's weight in the component \
              (a row of scikit-learn's `components_`), `cumulative_ratio` the share of variance up \
              to the component. NULL for a NULL model.",
    examples: &[Example {
        sql: "SELECT c.component, c.feature, c.loading FROM (SELECT \
              unnest(pca_components({'features': ['x', 'y'], 'components': [[1.0, 0.0]]})) AS c)",
        rows: &["1 | x | 1.0", "1 | y | 0.0"],
    }],
    errors: &[(
        "SELECT pca_components({'features': ['x']})",
        "pca_components: the model's components is missing, a model of pca_fit is needed",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Components)),
};

/// The scalar that tells what the components are.
#[derive(Clone, Copy)]
struct Components;

impl Scalar for Components {
    type Local = model::Last<NamedModel>;

    fn call(&self, last: &mut Self::Local, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        model::describe(last, arguments, out, loadings)
    }
}

fn loadings(model: &NamedModel) -> Value {
    let Pca { components, explained_variance, explained_variance_ratio, .. } = &model.pca;
    let mut entries = Vec::new();
    let mut cumulative_ratio = 0.0;
    for (i, component) in components.iter().enumerate() {
        cumulative_ratio += explained_variance_ratio[i];
        for (name, loading) in model.names.iter().zip(component) {
            entries.push(Value::Struct(vec![
                field("component", Value::Integer(i as i128 + 1)),
                field("explained_variance", explained_variance[i]),
                field("explained_variance_ratio", explained_variance_ratio[i]),
                field("cumulative_ratio", cumulative_ratio),
                field("feature", name.as_str()),
                field("loading", *loading),
            ]));
        }
    }
    Value::List(entries)
}

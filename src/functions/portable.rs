//! What the scalars that write a model as a query share: `(model [, source [, dialect]])`.

use super::model::RowModel;
use super::{optional, options, required};
use crate::ffi::{Chunk, Error, Output, Parameter, Result, SqlType, Value};
use crate::portable::Dialect;

/// Their parameters.
pub const PARAMETERS: &[Parameter] = &[
    required("model", SqlType::Any),
    optional("source", SqlType::Any),
    optional("dialect", SqlType::Any),
];

/// One query for each row, written by `write` from `(model, source, dialect)`; NULL for the NULL
/// model.
pub fn queries<M: RowModel>(
    arguments: &Chunk<'_>,
    out: &mut Output,
    write: impl Fn(&M, &str, &Dialect) -> std::result::Result<String, String>,
) -> Result<()> {
    let given: Vec<_> = (0..PARAMETERS.len()).filter_map(|i| arguments.get(i)).collect();
    for rows in super::runs(&given, arguments.len()) {
        let value = |i: usize| given.get(i).map_or(Value::Null, |column| column.value(rows.start));
        let model = value(0);
        let query = if model.is_null() {
            Value::Null
        } else {
            let dialect = dialect(&value(2))?;
            let query = write(&M::read(&model)?, &source(&value(1))?, dialect);
            Value::from(query.map_err(Error::new)?.as_str())
        };
        rows.for_each(|_| out.push(&query));
    }
    Ok(())
}

fn source(value: &Value) -> Result<String> {
    if value.is_null() {
        return Ok("source".to_string());
    }
    let source = options::text("source", value)?;
    if source.trim().is_empty() {
        return Err(Error::new("source is empty, it is what stands after FROM: 'users'"));
    }
    Ok(source)
}

fn dialect(value: &Value) -> Result<&'static Dialect> {
    if value.is_null() {
        return Ok(Dialect::from_name("duckdb").expect("it is one of them"));
    }
    options::one_of("dialect", value, Dialect::NAMES, Dialect::from_name)
}

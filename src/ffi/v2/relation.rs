//! Relations as table macros of the system catalog, and the pragma that puts them into a catalog of
//! their own.

use libduckdb_sys::v2::*;

use super::handle::{Owned, OwnedValue, add_parameter, literal, logical_type, null, varchar};
use super::{Named, Result, Slot, call, get, hand_over, report};
use crate::ffi::{Relation, SqlType};

pub(super) type Macro = Owned<duckdb_v2_macro_function_handle>;
pub(super) type Pragma = Owned<duckdb_v2_pragma_function_handle>;

/// A macro whose parameters take values of any type, as those of `CREATE MACRO` do.
///
/// # Safety
/// The factory is alive.
pub(super) unsafe fn create(
    factory: duckdb_v2_factory_handle,
    relation: &Relation,
) -> Result<Macro> {
    use DUCKDB_V2_FUNCTION_PARAMETER_KIND::DUCKDB_V2_FUNCTION_PARAMETER_KIND_STANDARD as STANDARD;
    use DUCKDB_V2_MACRO_FUNCTION_TYPE::DUCKDB_V2_MACRO_FUNCTION_TYPE_TABLE as TABLE;
    let (name, body) = (duckdb_v2_str::from(relation.name), duckdb_v2_str::from(relation.body));
    // SAFETY: promised by the caller; every pointer lives during its call.
    unsafe {
        let function = Macro::new(duckdb_v2_macro_function_destroy, |out, err| {
            duckdb_v2_macro_function_create(factory, TABLE, out, err)
        })?;
        let handle = function.get();
        call(|err| duckdb_v2_macro_function_set_name(handle, &name, err))?;
        call(|err| duckdb_v2_macro_function_set_body(handle, &body, err))?;
        let types = get(|out, err| duckdb_v2_macro_function_get_signature(handle, out, err))?;
        let any = logical_type(factory, &SqlType::Any)?;
        for (name, default) in &relation.parameters {
            let value = default.map(|text| constant(factory, text)).transpose()?;
            add_parameter(types, name, &any, value.as_ref(), STANDARD)?;
        }
        Ok(function)
    }
}

/// The value of a literal, of the type that SQL gives it: the API takes values where SQL takes
/// expressions.
///
/// # Safety
/// The factory is alive.
unsafe fn constant(factory: duckdb_v2_factory_handle, text: &str) -> Result<OwnedValue> {
    // SAFETY: promised by the caller.
    unsafe {
        match literal_type(text) {
            Literal::Null => null(factory, "\"NULL\""),
            Literal::Text(text) => varchar(factory, &text),
            Literal::Other(type_name) => literal(factory, text, &type_name),
        }
    }
}

/// What a literal is.
#[derive(Debug, PartialEq)]
enum Literal {
    Null,
    Text(String),
    /// A value of the type that is named.
    Other(String),
}

/// # Panics
/// When the text is no literal: an error in our own macros.
fn literal_type(text: &str) -> Literal {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if text.eq_ignore_ascii_case("null") {
        Literal::Null
    } else if let Some(quoted) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Literal::Text(quoted.replace("''", "'"))
    } else if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        Literal::Other("BOOLEAN".to_string())
    } else if is_number(digits) {
        Literal::Other(if text.parse::<i32>().is_ok() { "INTEGER" } else { "BIGINT" }.to_string())
    } else if let Some((whole, fraction)) =
        digits.split_once('.').filter(|(w, f)| is_number(w) && is_number(f))
    {
        Literal::Other(format!("DECIMAL({},{})", whole.len() + fraction.len(), fraction.len()))
    } else {
        panic!(
            "the default of a macro parameter is NULL, a number, a text, true or false, not {text}"
        )
    }
}

/// Statements that stand for a pragma.
struct Statements {
    name: &'static str,
    sql: String,
}

impl Named for Statements {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// `PRAGMA name` as a short way to say `sql`.
///
/// # Safety
/// The factory is alive.
pub(super) unsafe fn pragma(
    factory: duckdb_v2_factory_handle,
    name: &'static str,
    sql: String,
) -> Result<Pragma> {
    let text = duckdb_v2_str::from(name);
    // SAFETY: promised by the caller; every pointer lives during its call.
    unsafe {
        let function = Pragma::new(duckdb_v2_pragma_function_destroy, |out, err| {
            duckdb_v2_pragma_function_create(factory, out, err)
        })?;
        let handle = function.get();
        call(|err| duckdb_v2_pragma_function_set_name(handle, &text, err))?;
        hand_over(Statements { name, sql }, |data, err| {
            duckdb_v2_pragma_function_set_user_data(handle, data, err)
        })?;
        call(|err| duckdb_v2_pragma_function_set_query_callback(handle, Some(query), err))?;
        Ok(function)
    }
}

unsafe extern "C" fn query(
    info: duckdb_v2_function_bind_info_handle,
    result: duckdb_v2_pragma_function_query_info_handle,
    _context: duckdb_v2_context_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the user data that `pragma` set, and copies the text.
    unsafe {
        report::<Statements>(
            err,
            DUCKDB_V2_ERROR::DUCKDB_V2_ERROR_INPUT_INVALID,
            |out, err| duckdb_v2_function_bind_get_user_data(info, out, err),
            |statements| {
                let sql = duckdb_v2_str::from(&statements.sql);
                call(|err| duckdb_v2_pragma_function_query_set_query(result, &sql, err))
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_has_the_type_that_sql_gives_it() {
        let other = |name: &str| Literal::Other(name.to_string());
        for (text, expected) in [
            ("NULL", Literal::Null),
            ("'it''s'", Literal::Text("it's".to_string())),
            ("true", other("BOOLEAN")),
            ("5", other("INTEGER")),
            ("-5", other("INTEGER")),
            ("10737418240", other("BIGINT")),
            ("0.75", other("DECIMAL(3,2)")),
        ] {
            assert_eq!(literal_type(text), expected, "{text}");
        }
    }

    #[test]
    #[should_panic(expected = "the default of a macro parameter")]
    fn an_expression_is_no_literal() {
        literal_type("1 + 2");
    }
}

//! What relations over a table of events need of columns that are named by the caller: the columns,
//! times of any type, counts of event types, and how far a user came in a funnel.

use std::borrow::Cow;

use super::columns::identifier;
use super::{Example, Function, Kind, did_you_mean, optional, quoted, required};
use crate::ffi::{
    Chunk, Column, Data, Error, ListEntry, Output, Result, Scalar, Signature, SqlType, Validity,
    Value,
};
use crate::text::exact;

/// `source_columns(columns, name, parameter, relation)`
pub const SOURCE_COLUMNS: Function = Function {
    kind: Kind::Scalar,
    subject: "introspection",
    signature: Signature {
        name: "source_columns",
        parameters: &[
            required("columns", SqlType::Any),
            required("name", SqlType::Any),
            required("parameter", SqlType::Any),
            required("relation", SqlType::Any),
        ],
        returns: SqlType::List(&SqlType::Varchar),
    },
    columns: "",
    description: "The name of a column in a list of names, as it is written there, else an error \
                  that says which there are: for macros that take columns by name.",
    details: "For `COLUMNS(source_columns((*), col, 'col', 'my_relation'))`, which is the column \
              that the macro's parameter `col` names, whatever its case. `parameter` and \
              `relation` are for the error. Names that begin with two underscores are found and \
              not listed.",
    examples: &[Example {
        sql: "SELECT COLUMNS(source_columns((*), 'customer', 'user', 'my_relation')) FROM (VALUES \
              (1, 9.5)) AS t(\"Customer\", spent)",
        rows: &["1"],
    }],
    errors: &[(
        "SELECT COLUMNS(source_columns((*), 'custmer', 'user', 'my_relation')) FROM (VALUES (1, \
         9.5)) AS t(customer, spent)",
        "my_relation: user names no column of the source: \"custmer\", did you mean \"customer\"; \
         there are \"customer\", \"spent\"",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, SourceColumns)),
};

/// `event_timestamp(value [, relation [, col]])`
pub const EVENT_TIMESTAMP: Function = Function {
    kind: Kind::Scalar,
    subject: "activity",
    signature: Signature {
        name: "event_timestamp",
        parameters: &[
            required("value", SqlType::Any),
            optional("relation", SqlType::Any),
            optional("col", SqlType::Any),
        ],
        returns: SqlType::Timestamp,
    },
    columns: "",
    description: "A time of any type as a TIMESTAMP in UTC, the same in every `TimeZone` and \
                  version of DuckDB, else an error.",
    details: "What the relations over events make of their column of times. A DATE is its \
              midnight, a TIMESTAMP WITH TIME ZONE its moment in UTC, a TIMESTAMP of seconds or \
              milliseconds the same time, one of nanoseconds without what is below the \
              microsecond. A text is what `exact_timestamp` takes, also without the seconds \
              (`2024-05-01 10:30`), a date alone (`2024-05-01`), `infinity` or `-infinity`. Any \
              other text, and a number, is an error: whether it counts seconds or milliseconds, \
              whether `03/04/2024` is in March or April, only you know. `relation` and `col` are \
              for the error.",
    examples: &[Example {
        sql: "SELECT event_timestamp('2019-10-01 00:00:00 UTC'), event_timestamp(DATE \
              '2019-10-01'), event_timestamp('2019-10-01T12:30+02:00')",
        rows: &["2019-10-01 00:00:00 | 2019-10-01 00:00:00 | 2019-10-01 10:30:00"],
    }],
    errors: &[
        (
            "SELECT event_timestamp('03/04/2024', 'my_relation', 'day')",
            "my_relation: '03/04/2024' in \"day\" is no time as ISO 8601 writes it, make it one in \
             a CTE: strptime(day, '%d/%m/%Y')",
        ),
        (
            "SELECT event_timestamp(1714521600000)",
            "event_timestamp: a time must be a TIMESTAMP, a DATE or a text, not BIGINT, make it \
             one in a CTE: epoch_ms(x) of milliseconds, epoch_ms(x * 1000) of seconds",
        ),
    ],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, EventTimestamp)),
};

/// `event_counts_query(types, relation)`
pub const EVENT_COUNTS_QUERY: Function = Function {
    kind: Kind::Scalar,
    subject: "introspection",
    signature: Signature {
        name: "event_counts_query",
        parameters: &[required("types", SqlType::Any), required("relation", SqlType::Any)],
        returns: SqlType::Varchar,
    },
    columns: "",
    description: "The text of a query that counts events of each type: what `user_features` runs \
                  where it is given `types`.",
    details: "The names of columns depend on the types, so no macro can write them. The query \
              reads two CTEs of the macro, `__events` and, for NULL, `__users`. It ends with an \
              error where no event has one of the types.",
    examples: &[Example {
        sql: "SELECT event_counts_query(['cart'], 'my_relation') LIKE 'SELECT __e.__user AS \
              __user, count(*) FILTER (WHERE __e.__type = ''cart'') AS total_cart FROM __events AS \
              __e%' AS counts",
        rows: &["true"],
    }],
    errors: &[(
        "SELECT event_counts_query(['cart', 'Cart'], 'my_relation')",
        "my_relation: types must differ: 'cart' and 'Cart' would be one column \"total_Cart\"",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, EventCountsQuery)),
};

/// `funnel_steps(events [, within])`
pub const FUNNEL_STEPS: Function = Function {
    kind: Kind::Scalar,
    subject: "activity",
    signature: Signature {
        name: "funnel_steps",
        parameters: &[required("events", SqlType::Any), optional("within", SqlType::Any)],
        returns: SqlType::Integer,
    },
    columns: "",
    description: "How many steps of a funnel a user's events reach in their order.",
    details: "`events` is a LIST of STRUCT(time TIMESTAMP, step INTEGER) in any order, steps \
              numbered from 1. Step n is reached by an event of step n that is not before one by \
              which step n - 1 was reached; events of one moment are in the order of the steps. \
              `within`: microseconds that lie at most between the event of step 1 and that of the \
              last step reached; each event of step 1 may be the beginning. Events without a time \
              or a step do not count. 0 where step 1 is not reached, NULL for NULL. The relation \
              `funnel` counts users with it.",
    examples: &[Example {
        sql: "SELECT funnel_steps([{'time': TIMESTAMP '2024-05-01 10:00', 'step': 1}, {'time': \
              TIMESTAMP '2024-05-01 09:00', 'step': 2}, {'time': TIMESTAMP '2024-05-01 10:00', \
              'step': 2}]) AS in_order, funnel_steps([{'time': TIMESTAMP '2024-05-01 09:00', \
              'step': 2}, {'time': TIMESTAMP '2024-05-01 10:00', 'step': 1}]) AS out_of_order",
        rows: &["2 | 1"],
    }],
    errors: &[(
        "SELECT funnel_steps([1, 2])",
        "funnel_steps: events must be a LIST of STRUCT(time TIMESTAMP, step INTEGER)",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, FunnelSteps)),
};

/// The scalar that finds a column by its name.
#[derive(Clone, Copy)]
struct SourceColumns;

impl Scalar for SourceColumns {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        for row in 0..arguments.len() {
            let relation = arguments.column(3).value(row);
            let found = find_column(
                &arguments.column(0).value(row),
                &arguments.column(1).value(row),
                arguments.column(2).value(row).as_str().unwrap_or("col"),
            );
            let found = found.map_err(|error| error.of(relation.as_str()))?;
            out.push(&Value::List(vec![Value::Text(found)]));
        }
        Ok(())
    }
}

fn find_column(columns: &Value, name: &Value, parameter: &str) -> Result<String> {
    let names: Vec<&str> =
        columns.as_list().unwrap_or_default().iter().filter_map(|column| column.as_str()).collect();
    let Some(name) = name.as_str() else {
        return Err(Error::new(format!(
            "{parameter} must be the name of a column as a text, not {name}"
        )));
    };
    let found = names.iter().find(|column| **column == name);
    if let Some(found) = found.or_else(|| names.iter().find(|column| same_name(column, name))) {
        return Ok((*found).to_string());
    }
    let shown = || names.iter().copied().filter(|column| !column.starts_with("__"));
    Err(Error::new(format!(
        "{parameter} names no column of the source: \"{name}\"{}; there are {}",
        did_you_mean(name, shown()),
        quoted(shown())
    )))
}

/// Whether DuckDB takes two names of columns for the same one.
fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// The scalar that reads times.
#[derive(Clone, Copy)]
struct EventTimestamp;

impl Scalar for EventTimestamp {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        moments(arguments.column(0), arguments, out)
            .map_err(|error| error.of(super::text_at(arguments, 1).as_deref()))
    }
}

/// Microseconds in a second and in a day.
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Appends the moment of each row of `column`.
fn moments(column: &Column<'_>, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
    // Nearly all columns of times are of the type that they are wanted in.
    if let (Data::Timestamp(times), Validity::All) = (column.data(), column.validity()) {
        out.extend_i64(&times[..arguments.len()]);
        return Ok(());
    }
    let name = |row: usize| {
        let name = arguments.get(2).map(|column| column.value(row));
        name.and_then(|name| name.as_str().map(str::to_string))
    };
    let too_far = || Error::new("a time is beyond those of a TIMESTAMP");
    let read: Box<dyn Fn(usize) -> Result<i64> + '_> = match column.data() {
        Data::Untyped => Box::new(|_| Ok(0)),
        Data::Timestamp(times) => Box::new(|row| Ok(times[row])),
        Data::Date(days) => Box::new(|row| match days[row] {
            i32::MAX => Ok(i64::MAX),
            day if day == -i32::MAX => Ok(-i64::MAX),
            day => i64::from(day).checked_mul(DAY).ok_or_else(too_far),
        }),
        Data::Moments { per_second, ticks, .. } => Box::new(move |row| match ticks[row] {
            infinite if infinite == i64::MAX || infinite == -i64::MAX => Ok(infinite),
            tick if *per_second > SECOND => Ok(tick.div_euclid(per_second / SECOND)),
            tick => tick.checked_mul(SECOND / per_second).ok_or_else(too_far),
        }),
        Data::Text(texts) => Box::new(|row| {
            exact::moment(texts.bytes(row)).ok_or_else(|| {
                let (text, name) = (Value::Text(texts.get(row).into_owned()), name(row));
                let place =
                    name.as_ref().map_or_else(String::new, |name| format!(" in \"{name}\""));
                let column =
                    name.as_ref().map_or(Cow::Borrowed("x"), |name| Cow::Owned(identifier(name)));
                Error::new(format!(
                    "{text}{place} is no time as ISO 8601 writes it, make it one in a CTE: \
                     strptime({column}, '%d/%m/%Y')"
                ))
            })
        }),
        _ => {
            let name = super::text_at(arguments, 2);
            let what = name
                .as_ref()
                .map_or(Cow::Borrowed("a time"), |name| Cow::Owned(format!("\"{name}\"")));
            let x = name.as_ref().map_or(Cow::Borrowed("x"), |name| Cow::Owned(identifier(name)));
            let remedy = if column.is_numeric() {
                format!(
                    ", make it one in a CTE: epoch_ms({x}) of milliseconds, epoch_ms({x} * 1000) \
                     of seconds"
                )
            } else {
                String::new()
            };
            return Err(Error::new(format!(
                "{what} must be a TIMESTAMP, a DATE or a text, not {}{remedy}",
                column.type_name()
            )));
        }
    };
    for row in 0..arguments.len() {
        if column.is_valid(row) { out.push_i64(read(row)?) } else { out.push_null() }
    }
    Ok(())
}

/// The scalar that writes the query of counts.
#[derive(Clone, Copy)]
struct EventCountsQuery;

impl Scalar for EventCountsQuery {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        for row in 0..arguments.len() {
            let relation = arguments.column(1).value(row);
            let query = counts_query(
                &arguments.column(0).value(row),
                relation.as_str().unwrap_or_default(),
            );
            out.push(&Value::Text(query.map_err(|error| error.of(relation.as_str()))?));
        }
        Ok(())
    }
}

/// Further columns of `user_features` that are called `total_...`.
const OWN_TOTALS: [&str; 4] = ["events", "views", "purchases", "spent"];

fn counts_query(types: &Value, relation: &str) -> Result<String> {
    if types.is_null() {
        return Ok("SELECT __u.__user AS __user FROM __users AS __u WHERE false".to_string());
    }
    let wrong =
        || Error::new(format!("types must be a list of event types such as ['cart'], not {types}"));
    let types: Vec<&str> = match types {
        Value::Text(name) => vec![name],
        Value::List(values) if !values.is_empty() => {
            values.iter().map(|value| value.as_str().ok_or_else(wrong)).collect::<Result<_>>()?
        }
        _ => return Err(wrong()),
    };
    for (i, name) in types.iter().enumerate() {
        if let Some(other) = types[..i].iter().find(|other| same_name(other, name)) {
            return Err(Error::new(format!(
                "types must differ: '{other}' and '{name}' would be one column \"total_{name}\""
            )));
        }
        if OWN_TOTALS.iter().any(|own| same_name(own, name)) {
            return Err(Error::new(format!(
                "types must not be '{name}', whose column \"total_{name}\" is there already"
            )));
        }
    }
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let column = |name: &str| identifier(&format!("total_{name}"));
    let counts: Vec<String> = types
        .iter()
        .map(|name| {
            format!("count(*) FILTER (WHERE __e.__type = {}) AS {}", literal(name), column(name))
        })
        .collect();
    let missing: Vec<String> = types
        .iter()
        .map(|name| {
            let message =
                literal(&format!("{relation}: no event has the type '{name}' that types asks for"));
            format!("WHEN sum({}) OVER () = 0 THEN error({message})", column(name))
        })
        .collect();
    Ok(format!(
        "SELECT __e.__user AS __user, {} FROM __events AS __e GROUP BY __e.__user QUALIFY CASE {} \
         ELSE true END",
        counts.join(", "),
        missing.join(" ")
    ))
}

/// The scalar that walks through a funnel.
#[derive(Clone, Copy)]
struct FunnelSteps;

impl Scalar for FunnelSteps {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let wrong = || Error::new("events must be a LIST of STRUCT(time TIMESTAMP, step INTEGER)");
        let column = arguments.column(0);
        if matches!(column.data(), Data::Untyped) {
            (0..arguments.len()).for_each(|_| out.push_null());
            return Ok(());
        }
        let Data::List { entries, child } = column.data() else { return Err(wrong()) };
        let Data::Struct(fields) = child.data() else { return Err(wrong()) };
        let field =
            |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, column)| column);
        let (Some(times), Some(steps)) = (field("time"), field("step")) else {
            return Err(wrong());
        };
        let (Data::Timestamp(time_values), Data::Int32(step_values)) = (times.data(), steps.data())
        else {
            return Err(wrong());
        };
        let mut events = Vec::new();
        for row in 0..arguments.len() {
            if !column.is_valid(row) {
                out.push_null();
                continue;
            }
            let within = match arguments.get(1).map(|within| within.value(row)) {
                None | Some(Value::Null | Value::TypedNull) => None,
                Some(value) => {
                    Some(value.as_i64().filter(|within| *within >= 0).ok_or_else(|| {
                        Error::new(format!(
                            "within must be a whole number of microseconds, not {value}"
                        ))
                    })?)
                }
            };
            let ListEntry { offset, length } = entries[row];
            let rows = offset as usize..(offset + length) as usize;
            events.clear();
            events.extend(
                rows.filter(|&i| child.is_valid(i) && times.is_valid(i) && steps.is_valid(i))
                    .map(|i| (time_values[i], step_values[i]))
                    .filter(|&(_, step)| step >= 1),
            );
            out.push_i32(steps_reached(&mut events, within));
        }
        Ok(())
    }
}

/// How many steps the events reach, which are pairs of microseconds and a step from 1 on.
///
/// Of each step, the latest beginning by which it was reached is all that matters: what one
/// beginning reaches in time, a later one reaches too.
fn steps_reached(events: &mut [(i64, i32)], within: Option<i64>) -> i32 {
    events.sort_unstable();
    let mut latest_beginning: Vec<i64> = Vec::new();
    for &(time, step) in events.iter() {
        let step = step as usize;
        if step > latest_beginning.len() + 1 {
            continue;
        }
        let beginning = if step == 1 { time } else { latest_beginning[step - 2] };
        if within.is_some_and(|within| time.saturating_sub(beginning) > within) {
            continue;
        }
        match latest_beginning.get_mut(step - 1) {
            Some(known) => *known = beginning.max(*known),
            None => latest_beginning.push(beginning),
        }
    }
    latest_beginning.len() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether some choice of one event for each of the first `n` steps is in order and in time.
    fn reaches(events: &[(i64, i32)], within: Option<i64>, n: i32) -> bool {
        fn go(
            events: &[(i64, i32)],
            within: Option<i64>,
            n: i32,
            step: i32,
            first: i64,
            last: i64,
        ) -> bool {
            step > n
                || events.iter().filter(|(time, s)| *s == step && *time >= last).any(
                    |&(time, _)| {
                        let first = if step == 1 { time } else { first };
                        within.is_none_or(|within| time - first <= within)
                            && go(events, within, n, step + 1, first, time)
                    },
                )
        }
        go(events, within, n, 1, 0, i64::MIN)
    }

    #[test]
    fn the_steps_reached_are_those_of_the_best_choice_of_events() {
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..20_000 {
            let n_events = random(9);
            let mut events: Vec<(i64, i32)> =
                (0..n_events).map(|_| (random(12) as i64, 1 + random(4) as i32)).collect();
            let within = (random(3) > 0).then(|| random(8) as i64);
            let expected = (1..=4).take_while(|&n| reaches(&events, within, n)).count() as i32;
            let shown = format!("{events:?} within {within:?}");
            assert_eq!(steps_reached(&mut events, within), expected, "{shown}");
        }
    }

    #[test]
    fn a_type_is_written_as_a_text_and_its_column_as_a_name() {
        let query = counts_query(&Value::List(vec!["it's".into(), "b c".into()]), "r")
            .expect("types are names");
        assert!(query.contains("__e.__type = 'it''s') AS \"total_it's\", "), "{query}");
        assert!(query.contains("__e.__type = 'b c') AS \"total_b c\" "), "{query}");
        assert!(
            query.contains("error('r: no event has the type ''it''s'' that types asks for')"),
            "{query}"
        );
    }

    #[test]
    fn types_that_cannot_be_columns_are_refused() {
        for types in [
            Value::List(vec![]),
            Value::List(vec![Value::Null]),
            Value::Integer(5),
            Value::List(vec!["Spent".into()]),
            Value::List(vec!["a".into(), "A".into()]),
        ] {
            assert!(counts_query(&types, "r").is_err(), "{types:?}");
        }
    }
}

//! Pictures in SQL: `scatter_svg`.

use std::borrow::Cow;
use std::ops::Range;

use super::options;
use super::{Example, Function, Kind, optional, required};
use crate::ffi::{Aggregate, Chunk, Column, Data, Error, Output, Result, Signature, SqlType, Value};
use crate::plot::scatter::{Scatter, ScatterOptions};

/// `scatter_svg(x, y, label [, options])`
pub const SCATTER_SVG: Function = Function {
    kind: Kind::Aggregate,
    subject: "plots",
    signature: Signature {
        name: "scatter_svg",
        parameters: &[
            required("x", SqlType::Double),
            required("y", SqlType::Double),
            required("label", SqlType::Any),
            optional("options", SqlType::Any),
        ],
        returns: SqlType::Varchar,
    },
    columns: "",
    description: "A scatter plot of labelled points as one self-contained SVG document.",
    details: "Options: `title`, `x_label`, `y_label`, `legend_title`, `width` (960), `height` (640), `max_points` \
              (5000). Every point counts in the legend; above `max_points` a sample is drawn that does not depend on the order of rows. \
              Points with a NULL, NaN or infinite coordinate are left out, the label NULL is drawn as `none`. Colours \
              are safe for colour-blind readers (Okabe and Ito, 2008) and follow the reader's light or dark scheme. No \
              point gives NULL. Write it byte for byte with \
              `COPY (SELECT encode(scatter_svg(x, y, label)) FROM points) TO 'points.svg' (FORMAT blob)`.",
    examples: &[Example {
        sql: "SELECT scatter_svg(x, y, label) LIKE '<svg%</svg>%' FROM (VALUES (0, 0, 'a'), (1, 2, 'b')) AS t(x, y, label)",
        rows: &["true"],
    }],
    errors: &[(
        "SELECT scatter_svg(x, x, x, {'titel': 'Users'}) FROM range(5) AS t(x)",
        "scatter_svg: no option \"titel\", did you mean \"title\"; the options are \"title\", ",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.aggregate(&function.signature, Draw)),
};

const OPTIONS: &[&str] = &["title", "x_label", "y_label", "legend_title", "width", "height", "max_points"];

/// The aggregate.
#[derive(Clone, Copy)]
struct Draw;

/// One chunk of points.
struct Points<'a> {
    x: Cow<'a, [f64]>,
    y: Cow<'a, [f64]>,
    label: &'a Column<'a>,
    options: ScatterOptions,
}

impl Aggregate for Draw {
    type State = Option<(ScatterOptions, Scatter)>;
    type Batch<'a> = Points<'a>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Points<'a>> {
        let numbers = |column: &Column<'a>| {
            column.numbers().unwrap_or_else(|| Cow::Owned(vec![f64::NAN; column.len()])) // the literal NULL
        };
        Ok(Points {
            x: numbers(rows.column(0)),
            y: numbers(rows.column(1)),
            label: rows.column(2),
            options: read_options(rows.get(3))?,
        })
    }

    fn update(&self, state: &mut Self::State, points: &Points<'_>, range: Range<usize>) -> Result<()> {
        let fresh = || (points.options.clone(), Scatter::new(points.options.clone()));
        let (options, scatter) = state.get_or_insert_with(fresh);
        same_options(options, &points.options)?;
        for row in range {
            let label = label(points.label, row)?;
            scatter.push(points.x[row], points.y[row], label.as_deref());
        }
        Ok(())
    }

    fn combine(&self, source: &Self::State, target: &mut Self::State) -> Result<()> {
        match (source, &mut *target) {
            (None, _) => {}
            (Some(_), None) => target.clone_from(source),
            (Some((given, source)), Some((options, target))) => {
                same_options(options, given)?;
                target.merge(source);
            }
        }
        Ok(())
    }

    fn finalize(&self, state: Self::State, out: &mut Output) -> Result<()> {
        out.push_text(state.and_then(|(_, scatter)| scatter.to_svg()).as_deref());
        Ok(())
    }
}

fn same_options(known: &ScatterOptions, given: &ScatterOptions) -> Result<()> {
    if known == given { Ok(()) } else { Err(Error::new("options must be the same in all rows of a group")) }
}

fn read_options(column: Option<&Column<'_>>) -> Result<ScatterOptions> {
    let given = options::fields(column)?;
    options::check_names(given, OPTIONS)?;
    let mut read = ScatterOptions::default();
    for (name, column) in given {
        let value = column.value(0);
        if value.is_null() {
            continue;
        }
        let name = name.to_ascii_lowercase();
        let count = || options::whole(&name, &value, 1, i64::from(u32::MAX));
        match name.as_str() {
            "title" => read.title = Some(options::text(&name, &value)?),
            "x_label" => read.x_label = Some(options::text(&name, &value)?),
            "y_label" => read.y_label = Some(options::text(&name, &value)?),
            "legend_title" => read.legend_title = Some(options::text(&name, &value)?),
            "width" => read.width = count()? as u32,
            "height" => read.height = count()? as u32,
            _ => read.max_points = count()? as usize,
        }
    }
    read.validate().map_err(|error| Error::new(error.to_string()))?;
    Ok(read)
}

/// A label as text: numbers, BOOLEAN, text and ENUM have one of their own.
fn label<'a>(column: &Column<'a>, row: usize) -> Result<Option<Cow<'a, str>>> {
    if !column.is_valid(row) {
        return Ok(None);
    }
    if let Data::Text(strings) = column.data() {
        return Ok(Some(strings.get(row)));
    }
    match column.value(row) {
        Value::Text(text) => Ok(Some(Cow::Owned(text))),
        value @ (Value::Integer(_) | Value::Unsigned(_) | Value::Double(_) | Value::Boolean(_)) => {
            Ok(Some(Cow::Owned(value.to_string())))
        }
        _ => Err(Error::new(format!("a label of type {} must be cast to VARCHAR", column.type_name()))),
    }
}

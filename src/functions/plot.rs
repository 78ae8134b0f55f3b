//! Pictures in SQL: `scatter_svg`, `line_svg`.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::call::{Call, Calls};
use super::options;
use super::{Example, Function, Kind, optional, required};
use crate::ffi::{
    Aggregate, Chunk, Column, Data, Error, Output, Result, Signature, SqlType, Value,
};
use crate::plot::line::{Line, LineOptions, Scale};
use crate::plot::scatter::{Scatter, ScatterOptions};
use crate::plot::{Frame, OptionError, RowsError};

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
    details: "Options: `title`, `x_label`, `y_label`, `legend_title`, `width` (960), `height` \
              (640), `max_points` (10000). Every point counts in the legend, which is in the order \
              of the numbers that labels are or begin with, then of the texts; it stands below the \
              plot where a label is long. Above `max_points` a sample is drawn that does not \
              depend on the order of rows. Where points are dense they are drawn smaller. Points \
              with a NULL, NaN or infinite coordinate are left out, the label NULL is drawn as \
              `none`. More than 100000 different labels are an error. Colours are safe for \
              colour-blind readers (Okabe and Ito, 2008) and follow the reader's light or dark \
              scheme, on paper the light one. No point gives NULL. Write it byte for byte with \
              `COPY (SELECT encode(scatter_svg(x, y, label)) FROM points) TO 'points.svg' (FORMAT \
              blob)`.",
    examples: &[Example {
        sql: "SELECT scatter_svg(x, y, label) LIKE '<svg%</svg>%' FROM (VALUES (0, 0, 'a'), (1, 2, \
              'b')) AS t(x, y, label)",
        rows: &["true"],
    }],
    errors: &[(
        "SELECT scatter_svg(x, x, x, {'titel': 'Users'}) FROM range(5) AS t(x)",
        "scatter_svg: no option \"titel\", did you mean \"title\"; the options are \"title\", ",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.aggregate(&function.signature, Draw::default())),
};

/// `line_svg(x, y, series [, options])`
pub const LINE_SVG: Function = Function {
    kind: Kind::Aggregate,
    subject: "plots",
    signature: Signature {
        name: "line_svg",
        parameters: &[
            required("x", SqlType::Any),
            required("y", SqlType::Double),
            required("series", SqlType::Any),
            optional("options", SqlType::Any),
        ],
        returns: SqlType::Varchar,
    },
    columns: "",
    description: "A line or bar chart of figures over time or numbers as one self-contained SVG \
                  document.",
    details: "`x` is a DATE, TIMESTAMP or number, `series` tells several lines apart and is NULL \
              where there is one. Options: `mark` (`'line'` or `'bar'`), `title`, `x_label`, \
              `y_label`, `legend_title`, `width` (960), `height` (400). Figures are in thousands \
              (k), millions (M), billions (B) or trillions (T) where they are long, and shown in \
              full to who points at one. Bars begin at zero, lines too unless they vary by less \
              than a fifth of the largest figure. A NULL, NaN or infinite `y` is a gap; rows with \
              such an `x` are left out. Two rows of a series with one `x`, and more than 20000 \
              rows, are an error: aggregate first. No figure gives NULL. Colours as in \
              `scatter_svg`.",
    examples: &[Example {
        sql: "SELECT line_svg(month, revenue, NULL, {'mark': 'bar', 'title': 'Revenue'}) LIKE \
              '<svg%Nov 2019%</svg>%' FROM (VALUES (DATE '2019-10-01', 992848.05), (DATE \
              '2019-11-01', 732942.50)) AS t(month, revenue)",
        rows: &["true"],
    }],
    errors: &[(
        "SELECT line_svg(x, x, NULL, {'mark': 'bars'}) FROM range(5) AS t(x)",
        "line_svg: mark must be one of 'line', 'bar', not 'bars', did you mean 'bar'",
    )],
    since: "0.1.0",
    register: Some(|registry, function| {
        registry.aggregate(&function.signature, DrawLine::default())
    }),
};

const FRAME_OPTIONS: [&str; 6] = ["title", "x_label", "y_label", "legend_title", "width", "height"];

/// The aggregate of `scatter_svg`.
#[derive(Clone, Default)]
struct Draw {
    calls: Arc<Calls<ScatterOptions>>,
}

/// One chunk of points.
struct Points<'a> {
    x: Cow<'a, [f64]>,
    y: Cow<'a, [f64]>,
    label: &'a Column<'a>,
    call: Arc<Call<ScatterOptions>>,
}

/// What a group has seen: its options, and what is drawn of its rows.
struct Drawn<O, D> {
    call: Option<Arc<Call<O>>>,
    drawing: Option<D>,
}

impl<O, D> Default for Drawn<O, D> {
    fn default() -> Self {
        Drawn { call: None, drawing: None }
    }
}

impl Aggregate for Draw {
    type State = Drawn<ScatterOptions, Scatter>;
    type Batch<'a> = Points<'a>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Points<'a>> {
        let numbers = |column: &Column<'a>| {
            // The literal NULL has no numbers.
            column.numbers().unwrap_or_else(|| Cow::Owned(vec![f64::NAN; column.len()]))
        };
        Ok(Points {
            x: numbers(rows.column(0)),
            y: numbers(rows.column(1)),
            label: rows.column(2),
            call: self.calls.read(rows.get(3), read_scatter_options)?,
        })
    }

    fn update(
        &self,
        state: &mut Self::State,
        points: &Points<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        Call::keep(&mut state.call, &points.call)?;
        let scatter = state.drawing.get_or_insert_with(|| Scatter::new(points.call.read.clone()));
        for row in range {
            let label = label(points.label, row)?;
            scatter.push(points.x[row], points.y[row], label.as_deref()).map_err(refused)?;
        }
        Ok(())
    }

    fn combine(&self, source: &Self::State, target: &mut Self::State) -> Result<()> {
        if let Some(call) = &source.call {
            Call::keep(&mut target.call, call)?;
        }
        match (&source.drawing, &mut target.drawing) {
            (None, _) => Ok(()),
            (Some(_), None) => {
                target.drawing.clone_from(&source.drawing);
                Ok(())
            }
            (Some(source), Some(target)) => target.merge(source).map_err(refused),
        }
    }

    fn finalize(&self, state: Self::State, out: &mut Output) -> Result<()> {
        out.push_text(state.drawing.and_then(|scatter| scatter.to_svg()).as_deref());
        Ok(())
    }
}

/// The aggregate of `line_svg`.
#[derive(Clone, Default)]
struct DrawLine {
    calls: Arc<Calls<LineOptions>>,
}

/// One chunk of figures.
struct Figures<'a> {
    x: Vec<f64>,
    scale: Scale,
    y: Cow<'a, [f64]>,
    series: &'a Column<'a>,
    call: Arc<Call<LineOptions>>,
}

impl Aggregate for DrawLine {
    type State = Drawn<LineOptions, Line>;
    type Batch<'a> = Figures<'a>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Figures<'a>> {
        let (x, scale) = abscissae(rows.column(0))?;
        Ok(Figures {
            x,
            scale,
            y: rows.column(1).numbers().unwrap_or_else(|| Cow::Owned(vec![f64::NAN; rows.len()])),
            series: rows.column(2),
            call: self.calls.read(rows.get(3), read_line_options)?,
        })
    }

    fn update(
        &self,
        state: &mut Self::State,
        figures: &Figures<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        Call::keep(&mut state.call, &figures.call)?;
        let fresh = || Line::new(figures.call.read.clone(), figures.scale);
        let line = state.drawing.get_or_insert_with(fresh);
        for row in range {
            let series = label(figures.series, row)?;
            line.push(figures.x[row], figures.y[row], series.as_deref()).map_err(refused)?;
        }
        Ok(())
    }

    fn combine(&self, source: &Self::State, target: &mut Self::State) -> Result<()> {
        if let Some(call) = &source.call {
            Call::keep(&mut target.call, call)?;
        }
        match (&source.drawing, &mut target.drawing) {
            (None, _) => Ok(()),
            (Some(_), None) => {
                target.drawing.clone_from(&source.drawing);
                Ok(())
            }
            (Some(source), Some(target)) => target.merge(source).map_err(refused),
        }
    }

    fn finalize(&self, state: Self::State, out: &mut Output) -> Result<()> {
        let svg = state.drawing.map_or(Ok(None), |line| line.to_svg()).map_err(refused)?;
        out.push_text(svg.as_deref());
        Ok(())
    }
}

fn refused(error: RowsError) -> Error {
    Error::new(error.to_string())
}

/// Places on the horizontal axis: numbers, or microseconds since 1970; NaN for NULL and the
/// infinite dates.
fn abscissae(column: &Column<'_>) -> Result<(Vec<f64>, Scale)> {
    const DAY: f64 = 86_400e6;
    let valid = |row: usize, place: f64| if column.is_valid(row) { place } else { f64::NAN };
    Ok(match column.data() {
        Data::Date(days) => {
            let place = |(row, &day): (usize, &i32)| {
                valid(
                    row,
                    if day.unsigned_abs() == i32::MAX as u32 {
                        f64::NAN
                    } else {
                        f64::from(day) * DAY
                    },
                )
            };
            (days.iter().enumerate().map(place).collect(), Scale::Time)
        }
        Data::Timestamp(moments) => {
            let place = |(row, &at): (usize, &i64)| {
                valid(row, if at.unsigned_abs() == i64::MAX as u64 { f64::NAN } else { at as f64 })
            };
            (moments.iter().enumerate().map(place).collect(), Scale::Time)
        }
        Data::Untyped => (vec![f64::NAN; column.len()], Scale::Number),
        _ => match column.numbers() {
            Some(numbers) => (numbers.into_owned(), Scale::Number),
            None => {
                let given = column.type_name();
                return Err(Error::new(format!(
                    "x must be a DATE, TIMESTAMP or number, not {given}"
                )));
            }
        },
    })
}

fn read_scatter_options(column: Option<&Column<'_>>) -> Result<ScatterOptions> {
    let mut read = ScatterOptions::default();
    for (name, value) in given(column, "max_points")? {
        match name.as_str() {
            "max_points" => read.max_points = pixels(&name, &value)? as usize,
            _ => set(&mut read.frame, &name, &value)?,
        }
    }
    read.validate().map_err(out_of_range)?;
    Ok(read)
}

fn read_line_options(column: Option<&Column<'_>>) -> Result<LineOptions> {
    let mut read = LineOptions::default();
    for (name, value) in given(column, "mark")? {
        match name.as_str() {
            "mark" => read.bars = options::one_of(&name, &value, &["line", "bar"], is_bar)?,
            _ => set(&mut read.frame, &name, &value)?,
        }
    }
    read.validate().map_err(out_of_range)?;
    Ok(read)
}

fn is_bar(mark: &str) -> Option<bool> {
    ["line", "bar"].contains(&mark).then_some(mark == "bar")
}

fn out_of_range(error: OptionError) -> Error {
    Error::new(error.to_string())
}

/// The options that are not NULL: those of all plots and one of the function's own.
fn given(column: Option<&Column<'_>>, own: &str) -> Result<Vec<(String, Value)>> {
    let fields = options::fields(column)?;
    options::check_names(fields, &[&FRAME_OPTIONS[..], &[own]].concat())?;
    let values = fields.iter().map(|(name, column)| (name.to_ascii_lowercase(), column.value(0)));
    Ok(values.filter(|(_, value)| !value.is_null()).collect())
}

fn set(frame: &mut Frame, name: &str, value: &Value) -> Result<()> {
    match name {
        "title" => frame.title = Some(options::text(name, value)?),
        "x_label" => frame.x_label = Some(options::text(name, value)?),
        "y_label" => frame.y_label = Some(options::text(name, value)?),
        "legend_title" => frame.legend_title = Some(options::text(name, value)?),
        "width" => frame.width = pixels(name, value)?,
        _ => frame.height = pixels(name, value)?,
    }
    Ok(())
}

fn pixels(name: &str, value: &Value) -> Result<u32> {
    options::whole(name, value, 1, i64::from(u32::MAX)).map(|number| number as u32)
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
        _ => Err(Error::new(format!(
            "a label of type {} must be cast to VARCHAR",
            column.type_name()
        ))),
    }
}

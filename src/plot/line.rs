//! A chart of series over time or numbers, as lines or bars: one self-contained SVG document.

use super::axis::Axis;
use super::dates::{self, Unit};
use super::document::{Canvas, Ticks};
use super::figures::{counted, exact, grouped, number, short};
use super::frame::{Frame, OptionError};
use super::labels::{Label, Labels, RowsError};
use super::legend::Legend;
use super::text::{CHARACTER, columns, text};

/// A chart is for figures that are added up already.
const MAX_POINTS: usize = 20_000;
/// Up to so many points each has a mark that tells its figures.
const MAX_MARKS: usize = 500;
/// Up to so many bars each has its figure above it.
const MAX_FIGURES: usize = 16;
/// Widest bar of one x, in pixels.
const WIDEST_BAR: f64 = 90.0;
/// Lines begin at zero unless their range is smaller than this share of the largest figure.
const SMALLEST_RANGE_FROM_ZERO: f64 = 0.2;

/// What the horizontal axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Numbers.
    Number,
    /// Microseconds since 1970-01-01 UTC.
    Time,
}

/// How a chart looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineOptions {
    /// Titles and size.
    pub frame: Frame,
    /// Bars instead of lines.
    pub bars: bool,
}

impl Default for LineOptions {
    fn default() -> Self {
        Self { frame: Frame::of_size(960, 400), bars: false }
    }
}

impl LineOptions {
    /// Whether every number is in its range.
    pub fn validate(&self) -> Result<(), OptionError> {
        self.frame.validate()
    }
}

#[derive(Clone, Copy, Debug)]
struct Point {
    series: u32,
    x: f64,
    /// NaN is a gap.
    y: f64,
}

/// The state of a chart: all its points.
#[derive(Clone, Debug)]
pub struct Line {
    options: LineOptions,
    scale: Scale,
    series: Labels,
    points: Vec<Point>,
    left_out: u64,
}

impl Line {
    /// A chart without points. The options must be valid.
    pub fn new(options: LineOptions, scale: Scale) -> Self {
        assert_eq!(options.validate(), Ok(()));
        Self { options, scale, series: Labels::default(), points: Vec::new(), left_out: 0 }
    }

    /// Adds a point. One whose x is NaN or infinite is only counted as left out; a y that is NaN or
    /// infinite is a gap.
    ///
    /// # Errors
    /// More than 20000 points.
    pub fn push(&mut self, x: f64, y: f64, series: Option<&str>) -> Result<(), RowsError> {
        if !x.is_finite() {
            self.left_out += 1;
            return Ok(());
        }
        let y = if y.is_finite() { y + 0.0 } else { f64::NAN };
        let series = self.series.count(series, 1)?;
        self.points.push(Point { series, x: x + 0.0, y });
        self.bounded()
    }

    /// Adds all points of another state with the same options.
    ///
    /// # Errors
    /// More than 20000 points.
    pub fn merge(&mut self, other: &Self) -> Result<(), RowsError> {
        assert_eq!(self.options, other.options, "only states of one chart are merged");
        let label = |label: &Label| self.series.count(label.text.as_deref(), label.count);
        let series = other.series.list().iter().map(label).collect::<Result<Vec<u32>, _>>()?;
        let points = other.points.iter();
        self.points
            .extend(points.map(|point| Point { series: series[point.series as usize], ..*point }));
        self.left_out += other.left_out;
        self.bounded()
    }

    fn bounded(&self) -> Result<(), RowsError> {
        if self.points.len() <= MAX_POINTS {
            return Ok(());
        }
        Err(RowsError(format!(
            "more than {MAX_POINTS} points; aggregate them first, such as by day or month"
        )))
    }

    /// The chart, or `None` when there is no figure to draw.
    ///
    /// # Errors
    /// Two points of a series at one x.
    pub fn to_svg(&self) -> Result<Option<String>, RowsError> {
        let mut points = self.points.clone();
        let text = |point: &Point| &self.series.list()[point.series as usize].text;
        points.sort_by(|a, b| text(a).cmp(text(b)).then_with(|| a.x.total_cmp(&b.x)));
        let mut xs: Vec<f64> = points.iter().map(|point| point.x).collect();
        xs.sort_unstable_by(f64::total_cmp);
        xs.dedup();
        let unit = Unit::of(&xs);
        if let Some(pair) = points
            .windows(2)
            .find(|pair| pair[0].series == pair[1].series && pair[0].x == pair[1].x)
        {
            let series = text(&pair[0])
                .as_deref()
                .map_or_else(String::new, |text| format!(" of series \"{text}\""));
            let x = self.name(pair[0].x, unit);
            return Err(RowsError(format!(
                "two rows{series} with x {x}; aggregate them first (GROUP BY)"
            )));
        }
        if points.iter().all(|point| point.y.is_nan()) {
            return Ok(None);
        }
        Ok(Some(self.draw(&points, &xs, unit)))
    }

    fn name(&self, x: f64, unit: Unit) -> String {
        match self.scale {
            Scale::Number => exact(x),
            Scale::Time => dates::name(x, unit),
        }
    }

    fn draw(&self, points: &[Point], xs: &[f64], unit: Unit) -> String {
        let LineOptions { frame, bars } = &self.options;
        let half = if *bars { self.half_slot(xs) } else { 0.0 };
        let reach = |x: f64| x.clamp(f64::MIN, f64::MAX);
        let x_axis = Axis::new(reach(xs[0] - half), reach(xs[xs.len() - 1] + half), &[]);
        let ys = || points.iter().map(|point| point.y).filter(|y| !y.is_nan());
        let (min, max) =
            (ys().fold(f64::INFINITY, f64::min), ys().fold(f64::NEG_INFINITY, f64::max));
        let near = max / 2.0 - min / 2.0
            < SMALLEST_RANGE_FROM_ZERO * (min.abs().max(max.abs()) / 2.0)
            && max > min;
        let y_axis = if *bars || !near {
            Axis::new(min.min(0.0), max.max(0.0), &[]).grounded(min, max)
        } else {
            Axis::new(min, max, &[])
        };

        let legend = Legend::new(&self.series, frame, false);
        let x_ticks = |n: usize| -> Ticks {
            match self.scale {
                Scale::Number => x_axis.ticks(n),
                Scale::Time => {
                    let (low, high) = x_axis.ends();
                    let ticks = dates::ticks(low, high, n, unit);
                    ticks.into_iter().map(|(moment, label)| (x_axis.place(moment), label)).collect()
                }
            }
        };
        let caption = match self.left_out {
            0 => String::new(),
            n => format!("{} left out (x is not finite)", counted(n, "row")),
        };
        let canvas = Canvas::new(frame, legend, !caption.is_empty(), None, x_ticks, |n| {
            y_axis.short_ticks(n)
        });
        let chart = Chart { line: self, canvas: &canvas, x: &x_axis, y: &y_axis, unit };
        let content = if *bars { chart.bars(points, half) } else { chart.lines(points) };
        let n_series = self.series.list().len() as u64;
        let of_series =
            if n_series > 1 { format!(" of {} series", grouped(n_series)) } else { String::new() };
        let (from, to) = (self.name(xs[0], unit), self.name(xs[xs.len() - 1], unit));
        let summary = format!(
            "{}{of_series}, x from {from} to {to}, y from {} to {}",
            counted(points.len() as u64, "point"),
            exact(min),
            exact(max)
        );
        canvas.document(
            if *bars { "Bar chart" } else { "Line chart" },
            &summary,
            &caption,
            &content,
        )
    }

    /// Half of the room of the bars of one x: half of the least distance between two of them.
    fn half_slot(&self, xs: &[f64]) -> f64 {
        let alone = if self.scale == Scale::Time { dates::DAY / 2.0 } else { 0.5 };
        xs.windows(2).map(|pair| pair[1] / 2.0 - pair[0] / 2.0).reduce(f64::min).unwrap_or(alone)
    }
}

/// A chart with its axes.
struct Chart<'a> {
    line: &'a Line,
    canvas: &'a Canvas<'a>,
    x: &'a Axis,
    y: &'a Axis,
    unit: Unit,
}

impl Chart<'_> {
    fn entry(&self, point: &Point) -> usize {
        self.canvas.legend.entry_of[point.series as usize]
    }

    fn at(&self, point: &Point) -> (f64, f64) {
        self.canvas.at(self.x.place(point.x), self.y.place(point.y))
    }

    /// What a reader sees who points at it: `revenue, Oct 2019: 992,848.05`.
    fn tip(&self, point: &Point) -> String {
        let series = self.line.series.list()[point.series as usize].text.as_deref();
        let series = series.map_or_else(String::new, |text| format!("{text}, "));
        format!("{series}{}: {}", self.line.name(point.x, self.unit), exact(point.y))
    }

    fn lines(&self, points: &[Point]) -> String {
        let mut svg = "<g class=\"points\">\n".to_owned();
        for series in points.chunk_by(|a, b| a.series == b.series) {
            let entry = &self.canvas.legend.entries[self.entry(&series[0])];
            let mut path = String::new();
            for run in series.split(|point| point.y.is_nan()).filter(|run| !run.is_empty()) {
                for (i, point) in run.iter().enumerate() {
                    let (x, y) = self.at(point);
                    path +=
                        &format!("{}{} {}", if i == 0 { "M" } else { "L" }, number(x), number(y));
                }
                // A point between two gaps is a dot: a line without length with round caps.
                path += if run.len() == 1 { "h0" } else { "" };
            }
            let dash = ["", " stroke-dasharray=\"9 5\"", " stroke-dasharray=\"3 5\""][entry.shape];
            svg += &format!(
                "<path class=\"{}\" stroke-width=\"2\" stroke-linecap=\"round\" \
                 stroke-linejoin=\"round\"{dash} d=\"{path}\"/>\n",
                entry.class()
            );
        }
        if points.len() <= MAX_MARKS {
            let size = if points.len() <= 60 { 8.0 } else { 5.0 };
            for point in points.iter().filter(|point| !point.y.is_nan()) {
                let entry = &self.canvas.legend.entries[self.entry(point)];
                svg += &entry.marks(size, &[self.at(point)], "", &self.tip(point));
            }
        }
        svg + "</g>\n"
    }

    fn bars(&self, points: &[Point], half: f64) -> String {
        let n_entries = self.canvas.legend.entries.len() as f64;
        let mut svg = "<g class=\"points\">\n".to_owned();
        let mut figures = String::new();
        for point in points.iter().filter(|point| !point.y.is_nan()) {
            let entry = self.entry(point);
            let (low, high) = (self.x.place(point.x - half), self.x.place(point.x + half));
            let ((from, zero), (to, top)) = (
                self.canvas.at(low, self.y.place(0.0)),
                self.canvas.at(high, self.y.place(point.y)),
            );
            let room = ((to - from) * 0.8).min(WIDEST_BAR * n_entries);
            let width = room / n_entries;
            let x = (from + to - room) / 2.0 + entry as f64 * width;
            let tip = super::text::escape(&self.tip(point));
            svg += &format!(
                "<path class=\"bar {}\" d=\"M{} {}V{}h{}V{}z\"><title>{tip}</title></path>\n",
                self.canvas.legend.entries[entry].class(),
                number(x),
                number(zero),
                number(top),
                number((width * 0.96).max(0.5)),
                number(zero),
            );
            let figure = short(point.y);
            if points.len() <= MAX_FIGURES && columns(&figure) as f64 * CHARACTER <= width {
                let above = if point.y < 0.0 { top + 16.0 } else { top - 6.0 };
                figures += &text(x + width / 2.0, above, "middle", &figure);
            }
        }
        svg + &figures + "</g>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(
        bars: bool,
        scale: Scale,
        rows: &[(f64, f64, Option<&str>)],
    ) -> Result<Option<String>, RowsError> {
        let mut line = Line::new(LineOptions { bars, ..LineOptions::default() }, scale);
        for &(x, y, series) in rows {
            line.push(x, y, series)?;
        }
        line.to_svg()
    }

    fn svg(bars: bool, rows: &[(f64, f64, Option<&str>)]) -> String {
        chart(bars, Scale::Number, rows)
            .expect("no two rows are at one x")
            .expect("there are figures")
    }

    #[test]
    fn the_chart_ignores_order_and_merging() {
        for bars in [false, true] {
            let mut rows: Vec<_> = (0..300)
                .map(|i| {
                    (
                        f64::from(i / 3),
                        f64::from(i * 7 % 31),
                        [None, Some("a"), Some("b")][i as usize % 3],
                    )
                })
                .collect();
            let expected = svg(bars, &rows);
            rows.reverse();
            let state = |rows: &[(f64, f64, Option<&str>)]| {
                let mut line =
                    Line::new(LineOptions { bars, ..LineOptions::default() }, Scale::Number);
                rows.iter()
                    .for_each(|&(x, y, series)| line.push(x, y, series).expect("few points"));
                line
            };
            let mut merged = state(&rows[..100]);
            merged.merge(&state(&rows[100..])).expect("few points");
            assert!(merged.to_svg() == Ok(Some(expected)));
        }
    }

    #[test]
    fn nothing_to_draw_is_no_chart() {
        assert_eq!(chart(false, Scale::Number, &[]), Ok(None));
        assert_eq!(
            chart(true, Scale::Time, &[(1.0, f64::NAN, None), (f64::NAN, 1.0, None)]),
            Ok(None)
        );
    }

    #[test]
    fn two_figures_at_one_x_are_refused() {
        let rows = [
            (0.0, 1.0, Some("a")),
            (dates::DAY, 2.0, Some("a")),
            (0.0, 3.0, Some("b")),
            (dates::DAY, 4.0, Some("a")),
        ];
        let error = chart(false, Scale::Time, &rows).expect_err("twice the second of January");
        assert_eq!(
            error.to_string(),
            "two rows of series \"a\" with x 2 Jan 1970; aggregate them first (GROUP BY)"
        );
    }

    #[test]
    fn too_many_points_are_refused() {
        let mut line = Line::new(LineOptions::default(), Scale::Number);
        let all: Result<(), RowsError> =
            (0..=20_000).try_for_each(|i| line.push(f64::from(i), 0.0, None));
        assert_eq!(
            all.expect_err("one too many").to_string(),
            "more than 20000 points; aggregate them first, such as by day or month"
        );
    }

    #[test]
    fn a_missing_figure_is_a_gap_in_the_line() {
        let svg = svg(
            false,
            &[(0.0, 1.0, None), (1.0, 2.0, None), (2.0, f64::NAN, None), (3.0, 1.0, None)],
        );
        let line = svg.lines().find(|line| line.contains("stroke-linejoin")).expect("a line");
        assert_eq!(line.matches('M').count(), 2);
        assert_eq!(line.matches("h0").count(), 1);
        assert_eq!(svg.matches("<title>").count(), 1 + 3);
    }

    #[test]
    fn bars_stand_on_zero_and_tell_their_figures() {
        let svg =
            svg(true, &[(1.0, 1_234_567.0, None), (2.0, 500_000.0, None), (3.0, -250_000.0, None)]);
        assert!(svg.contains("<title>1: 1,234,567</title>"), "{svg}");
        assert!(svg.contains(">1.23M</text>") && svg.contains(">−250k</text>"), "{svg}");
        let starts: Vec<&str> = svg
            .lines()
            .filter_map(|line| {
                line.split_once("class=\"bar")?.1.split_once("d=\"M")?.1.split_once('V')
            })
            .filter_map(|(start, _)| Some(start.split_once(' ')?.1))
            .collect();
        assert!(starts.len() == 3 && starts.iter().all(|zero| zero == &starts[0]), "{starts:?}");
    }

    #[test]
    fn one_series_without_a_name_needs_no_legend() {
        assert!(!svg(false, &[(0.0, 1.0, None), (1.0, 2.0, None)]).contains(">none<"));
        assert!(svg(false, &[(0.0, 1.0, None), (1.0, 2.0, Some("a"))]).contains(">none<"));
    }

    #[test]
    fn every_coordinate_is_a_number() {
        let ends = [0.0, 5e-324, 1.0, 1.0 + f64::EPSILON, -1e300, f64::MAX, f64::MIN];
        for x in ends {
            for y in ends.into_iter().filter(|y| *y != x) {
                for bars in [false, true] {
                    for scale in [Scale::Number, Scale::Time] {
                        if scale == Scale::Time && x.abs().max(y.abs()) > 1e19 {
                            continue;
                        }
                        let svg = chart(bars, scale, &[(x, y, Some("a")), (y, x, Some("a"))]);
                        let svg = svg.expect("two places").expect("two figures");
                        assert!(
                            !svg.contains("NaN") && !svg.contains("inf"),
                            "{x:e} {y:e} {bars}: {svg}"
                        );
                    }
                }
            }
        }
    }
}

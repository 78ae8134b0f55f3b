//! A scatter plot: coloured points with axes and a legend, as one self-contained SVG document.

use std::collections::HashMap;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::axis::Axis;
use super::document::Canvas;
use super::figures::{counted, grouped, rounded};
use super::frame::{Frame, OptionError, in_range};
use super::labels::{Label, Labels, RowsError};
use super::legend::Legend;

/// Overlapping points darken one another up to this many times.
const LAYERS: usize = 12;
/// Copies of one point that darken it.
const VISIBLE_COPIES: u64 = 4;
/// Side of the square cells in which points are counted, in pixels.
const CELL: f64 = 12.0;
/// Up to so many points in a cell: the share of their full size, about the inverse fourth root of
/// their number. Where points are dense they are small, so that it can be seen how dense, and still
/// more ink stands where more points are.
const DENSITIES: [(u64, f64); 6] =
    [(4, 1.0), (8, 0.84), (16, 0.71), (32, 0.6), (64, 0.5), (u64::MAX, 0.42)];
const OPACITY: &str = " stroke-opacity=\"0.65\"";

/// How a scatter plot looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScatterOptions {
    /// Titles and size.
    pub frame: Frame,
    /// Distinct points that are drawn, 1 to 50000; the legend counts all.
    pub max_points: usize,
}

impl Default for ScatterOptions {
    fn default() -> Self {
        Self { frame: Frame::of_size(960, 640), max_points: 10_000 }
    }
}

impl ScatterOptions {
    /// Whether every number is in its range.
    pub fn validate(&self) -> Result<(), OptionError> {
        self.frame.validate()?;
        in_range("max_points", self.max_points as u64, 1, 50_000)
    }
}

/// A distinct point of the sample.
#[derive(Clone, Copy, Debug)]
struct Point {
    hash: u64,
    x: f64,
    y: f64,
    label: u32,
    copies: u64,
}

/// The state of a scatter plot: counts of all points, and a sample of them to draw.
///
/// The sample is the `max_points` distinct (x, y, label) with the smallest hash, so it depends on
/// the set of points only, not on their order or on how states were merged. Memory grows with
/// `max_points` and the number of labels.
#[derive(Clone, Debug)]
pub struct Scatter {
    options: ScatterOptions,
    labels: Labels,
    /// Hash of each label.
    hashes: Vec<u64>,
    points: Vec<Point>,
    /// Points with a larger hash cannot be in the sample any more.
    threshold: u64,
    /// Whether the sample leaves a point out.
    sampled: bool,
    x_range: (f64, f64),
    y_range: (f64, f64),
    left_out: u64,
}

impl Scatter {
    /// A plot without points. The options must be valid.
    pub fn new(options: ScatterOptions) -> Self {
        assert_eq!(options.validate(), Ok(()));
        let nothing = (f64::INFINITY, f64::NEG_INFINITY);
        Self {
            options,
            labels: Labels::default(),
            hashes: Vec::new(),
            points: Vec::new(),
            threshold: u64::MAX,
            sampled: false,
            x_range: nothing,
            y_range: nothing,
            left_out: 0,
        }
    }

    /// Adds a point; one whose x or y is NaN or infinite is only counted as left out.
    ///
    /// # Errors
    /// More than 100000 different labels, or very long ones.
    pub fn push(&mut self, x: f64, y: f64, label: Option<&str>) -> Result<(), RowsError> {
        if !(x.is_finite() && y.is_finite()) {
            self.left_out += 1;
            return Ok(());
        }
        // Both zeros are one number.
        let (x, y) = (x + 0.0, y + 0.0);
        let label = self.count(label, 1)?;
        let mut key = [0; 24];
        key[..8].copy_from_slice(&self.hashes[label as usize].to_le_bytes());
        key[8..16].copy_from_slice(&x.to_bits().to_le_bytes());
        key[16..].copy_from_slice(&y.to_bits().to_le_bytes());
        self.x_range = (self.x_range.0.min(x), self.x_range.1.max(x));
        self.y_range = (self.y_range.0.min(y), self.y_range.1.max(y));
        self.offer(Point { hash: xxh3_64(&key), x, y, label, copies: 1 });
        Ok(())
    }

    /// Adds all points of another state with the same options.
    ///
    /// # Errors
    /// As [`Scatter::push`].
    pub fn merge(&mut self, other: &Self) -> Result<(), RowsError> {
        assert_eq!(self.options, other.options, "only states of one plot are merged");
        let count = |label: &Label| self.count(label.text.as_deref(), label.count);
        let labels = other.labels.list().iter().map(count).collect::<Result<Vec<u32>, _>>()?;
        for point in &other.points {
            self.offer(Point { label: labels[point.label as usize], ..*point });
        }
        self.sampled |= other.sampled;
        self.left_out += other.left_out;
        self.x_range = (self.x_range.0.min(other.x_range.0), self.x_range.1.max(other.x_range.1));
        self.y_range = (self.y_range.0.min(other.y_range.0), self.y_range.1.max(other.y_range.1));
        Ok(())
    }

    fn count(&mut self, text: Option<&str>, n: u64) -> Result<u32, RowsError> {
        let label = self.labels.count(text, n)?;
        if label as usize == self.hashes.len() {
            self.hashes.push(text.map_or(0, |text| xxh3_64_with_seed(text.as_bytes(), 1)));
        }
        Ok(label)
    }

    fn offer(&mut self, point: Point) {
        if point.hash > self.threshold {
            self.sampled = true;
            return;
        }
        self.points.push(point);
        if self.points.len() >= 2 * self.options.max_points.max(512) {
            self.compact();
        }
    }

    /// Joins equal points and keeps those with the smallest hashes.
    fn compact(&mut self) {
        let labels = self.labels.list();
        let key = |point: &Point| (point.hash, point.x.to_bits(), point.y.to_bits());
        self.points.sort_unstable_by(|a, b| {
            let text = |point: &Point| &labels[point.label as usize].text;
            key(a).cmp(&key(b)).then_with(|| text(a).cmp(text(b)))
        });
        self.points.dedup_by(|next, kept| {
            let equal = key(next) == key(kept) && next.label == kept.label;
            if equal {
                kept.copies += next.copies;
            }
            equal
        });
        if self.points.len() > self.options.max_points {
            self.points.truncate(self.options.max_points);
            self.sampled = true;
        }
        if self.points.len() == self.options.max_points {
            self.threshold = self.points[self.points.len() - 1].hash;
        }
    }

    /// The picture, or `None` when there is no point to draw.
    ///
    /// An axis shows all drawn points, unless a side has a tail more than ten times as long as the
    /// range between their 1 % and 99 % quantiles: such points are drawn on the border, and a
    /// remark says how far they reach.
    pub fn to_svg(&self) -> Option<String> {
        if self.labels.list().iter().all(|label| label.count == 0) {
            return None;
        }
        let mut state = self.clone();
        state.compact();
        Some(state.draw())
    }

    fn draw(&self) -> String {
        let axis = |coordinate: fn(&Point) -> f64, (min, max): (f64, f64)| {
            let mut sample: Vec<f64> = self.points.iter().map(coordinate).collect();
            sample.sort_unstable_by(f64::total_cmp);
            Axis::new(min, max, &sample)
        };
        let x = axis(|point| point.x, self.x_range);
        let y = axis(|point| point.y, self.y_range);
        let frame = &self.options.frame;
        let legend = Legend::new(&self.labels, frame, true);
        let canvas =
            Canvas::new(frame, legend, true, remark(&x, &y), |n| x.ticks(n), |n| y.ticks(n));

        let total: u64 = self.labels.list().iter().map(|label| label.count).sum();
        let mut caption = counted(total, "point");
        let summary = format!("{caption}, {}", counted(self.labels.list().len() as u64, "label"));
        if self.sampled {
            caption += &format!(", {} of them drawn", grouped(self.points.len() as u64));
        }
        if self.left_out > 0 {
            caption += &format!(", {} left out (not finite)", grouped(self.left_out));
        }
        canvas.document("Scatter plot", &summary, &caption, &self.points(&canvas, &x, &y))
    }

    /// The points, dense ones first, in layers: inside one path overlapping points do not darken
    /// one another, so each layer has its own paths, and all labels take turns in it so that none
    /// hides the others.
    fn points(&self, canvas: &Canvas<'_>, x: &Axis, y: &Axis) -> String {
        let size = match self.points.len() {
            0..=200 => 9.0,
            201..=1_500 => 7.0,
            _ => 5.5,
        };
        let places: Vec<(f64, f64)> =
            self.points.iter().map(|point| canvas.at(x.place(point.x), y.place(point.y))).collect();
        let cell = |(x, y): (f64, f64)| ((x / CELL) as u32, (y / CELL) as u32);
        let mut in_cell: HashMap<(u32, u32), u64> = HashMap::new();
        for (&place, point) in places.iter().zip(&self.points) {
            *in_cell.entry(cell(place)).or_default() += point.copies.min(VISIBLE_COPIES);
        }
        let n_entries = canvas.legend.entries.len();
        let mut svg = "<g class=\"points\">\n".to_owned();
        for (i, (most, share)) in DENSITIES.into_iter().enumerate().rev() {
            let least = if i == 0 { 0 } else { DENSITIES[i - 1].0 };
            let mut paths: Vec<Vec<(f64, f64)>> = vec![Vec::new(); LAYERS * n_entries];
            let mut layer = 0;
            for (&place, point) in places.iter().zip(&self.points) {
                let near = in_cell[&cell(place)];
                if near <= least || near > most {
                    continue;
                }
                for _ in 0..point.copies.min(VISIBLE_COPIES) {
                    paths[layer * n_entries + canvas.legend.entry_of[point.label as usize]]
                        .push(place);
                    layer = (layer + 1) % LAYERS;
                }
            }
            for (i, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
                svg += &canvas.legend.entries[i % n_entries].marks(size * share, path, OPACITY, "");
            }
        }
        svg + "</g>\n"
    }
}

/// Which numbers lie beyond an axis.
fn remark(x: &Axis, y: &Axis) -> Option<String> {
    let sides = [("x", x.beyond.0), ("x", x.beyond.1), ("y", y.beyond.0), ("y", y.beyond.1)];
    let reaches: Vec<String> = sides
        .iter()
        .filter_map(|(name, end)| end.map(|end| format!("{name} reaches {}", rounded(end))))
        .collect();
    (!reaches.is_empty())
        .then(|| format!("Points beyond the axes lie on the border: {}", reaches.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points on a grid around three centres, with labels 0, 1, 10, and every 50th without one.
    fn points(n: usize) -> Vec<(f64, f64, Option<&'static str>)> {
        (0..n)
            .map(|i| {
                let group = i % 3;
                let x = (i * 7_919 % 1_009) as f64 / 100.0 + group as f64 * 5.0;
                let y = (i * 104_729 % 997) as f64 / 100.0 - group as f64;
                (x, y, if i % 50 == 0 { None } else { Some(["0", "10", "1"][group]) })
            })
            .collect()
    }

    fn scatter(options: ScatterOptions, points: &[(f64, f64, Option<&str>)]) -> Scatter {
        let mut scatter = Scatter::new(options);
        points.iter().for_each(|&(x, y, label)| scatter.push(x, y, label).expect("few labels"));
        scatter
    }

    fn svg(points: &[(f64, f64, Option<&str>)]) -> String {
        scatter(ScatterOptions::default(), points).to_svg().expect("there are points")
    }

    /// Texts of the picture in their order.
    fn texts(svg: &str) -> Vec<String> {
        svg.split("<text ")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('>')?.1.split_once("</text>")?.0.to_owned()))
            .collect()
    }

    fn marks(svg: &str) -> usize {
        let points =
            svg.split("<g class=\"points\">").nth(1).and_then(|rest| rest.split("</g>").next());
        points.map_or(0, |points| points.matches('M').count())
    }

    #[test]
    fn the_picture_ignores_order_and_merging() {
        let options = ScatterOptions { max_points: 300, ..ScatterOptions::default() };
        let mut points = points(20_000);
        points.extend_from_within(..5_000);
        points.push((f64::NAN, 0.0, Some("0")));
        let whole = scatter(options.clone(), &points);
        let expected = whole.to_svg();
        points.reverse();
        for parts in [1, 2, 7] {
            let mut merged = Scatter::new(options.clone());
            for part in points.chunks(points.len() / parts) {
                merged.merge(&scatter(options.clone(), part)).expect("few labels");
            }
            merged.merge(&Scatter::new(options.clone())).expect("few labels");
            assert!(merged.to_svg() == expected, "{parts}");
        }
    }

    #[test]
    fn no_point_is_no_picture() {
        assert_eq!(Scatter::new(ScatterOptions::default()).to_svg(), None);
        assert_eq!(scatter(ScatterOptions::default(), &[(f64::NAN, 1.0, None)]).to_svg(), None);
    }

    #[test]
    fn every_point_counts_and_a_bounded_number_is_drawn() {
        let options = ScatterOptions { max_points: 100, ..ScatterOptions::default() };
        let svg = scatter(options, &points(30_000)).to_svg().expect("there are points");
        assert!(texts(&svg).contains(&"30,000 points, 100 of them drawn".to_owned()));
        assert_eq!(marks(&svg), 100);
    }

    #[test]
    fn all_points_are_drawn_when_they_are_few() {
        let svg = svg(&points(900));
        assert!(texts(&svg).contains(&"900 points".to_owned()));
        assert_eq!(marks(&svg), 900);
    }

    #[test]
    fn copies_darken_a_point_but_do_not_fill_the_sample() {
        let options = ScatterOptions { max_points: 2, ..ScatterOptions::default() };
        let copies = vec![(1.0, 1.0, Some("a")); 10_000];
        let mut scatter = scatter(options, &copies);
        scatter.push(2.0, 2.0, Some("a")).expect("few labels");
        let svg = scatter.to_svg().expect("there are points");
        assert!(texts(&svg).contains(&"10,001 points".to_owned()));
        assert_eq!(marks(&svg), VISIBLE_COPIES as usize + 1);
    }

    #[test]
    fn infinite_coordinates_are_left_out_and_counted() {
        let svg = svg(&[(1.0, 2.0, None), (f64::INFINITY, 0.0, None), (0.0, f64::NAN, Some("a"))]);
        assert!(texts(&svg).contains(&"1 point, 2 left out (not finite)".to_owned()));
    }

    #[test]
    fn the_legend_sorts_numbers_by_value_then_texts_then_the_missing_label() {
        let labels = [Some("10"), Some("b"), None, Some("9"), Some("a"), Some("-1.5"), Some("")];
        let points: Vec<_> = labels.iter().map(|&label| (1.0, 2.0, label)).collect();
        let texts = texts(&svg(&points));
        let rows: Vec<&str> =
            texts[texts.len() - 14..].iter().step_by(2).map(String::as_str).collect();
        assert_eq!(rows, ["-1.5", "9", "10", "(empty)", "a", "b", "none"]);
    }

    #[test]
    fn labels_beyond_the_legend_share_one_row() {
        let labels: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        let mut scatter = Scatter::new(ScatterOptions::default());
        for (i, label) in labels.iter().enumerate() {
            (0..=i)
                .for_each(|j| scatter.push(j as f64, i as f64, Some(label)).expect("few labels"));
        }
        let svg = scatter.to_svg().expect("there are points");
        let texts = texts(&svg);
        assert_eq!(texts[texts.len() - 2..], ["+ 80 more".to_owned(), "3,240".to_owned()]);
        assert!(texts.contains(&"99".to_owned()) && !texts.contains(&"79".to_owned()));
    }

    #[test]
    fn labels_are_bounded_whatever_their_order_and_parts() {
        let texts: Vec<String> = (0..=100_000).map(|i| i.to_string()).collect();
        let part = |range: std::ops::Range<usize>| {
            let mut scatter = Scatter::new(ScatterOptions::default());
            let push = |text: &String| scatter.push(1.0, 2.0, Some(text));
            texts[range].iter().rev().try_for_each(push).map(|()| scatter)
        };
        let expected = "more than 100000 different labels; join them to fewer groups, or give NULL";
        assert_eq!(part(0..100_001).expect_err("one too many").to_string(), expected);
        let mut whole = part(0..100_000).expect("just as many");
        assert_eq!(whole.merge(&part(50_000..100_000).expect("known ones")), Ok(()));
        assert_eq!(
            whole.merge(&part(99_000..100_001).expect("few")).expect_err("a new one").to_string(),
            expected
        );

        let mut scatter = Scatter::new(ScatterOptions::default());
        let mut push =
            |i: usize| scatter.push(1.0, 2.0, Some(&format!("{i}{}", "x".repeat(1 << 20))));
        assert_eq!((0..63).try_for_each(&mut push), Ok(()));
        let error = (63..65).try_for_each(push).expect_err("more than 64 MiB");
        assert_eq!(
            error.to_string(),
            "labels of more than 64 MiB; shorten them, such as by left(label, 100)"
        );
    }

    #[test]
    fn texts_cannot_break_the_document() {
        let hostile = "</svg><script>\"&'\0\u{b}\u{ffff}\n";
        let hostile_text = || Some(hostile.to_owned());
        let frame = Frame {
            title: hostile_text(),
            x_label: hostile_text(),
            y_label: hostile_text(),
            legend_title: hostile_text(),
            ..ScatterOptions::default().frame
        };
        let options = ScatterOptions { frame, ..ScatterOptions::default() };
        let svg =
            scatter(options, &[(1.0, 1.0, Some(hostile))]).to_svg().expect("there is a point");
        assert_eq!(svg.matches("</svg>").count(), 1);
        assert!(!svg.contains("<script"));
        assert!(svg.chars().all(|c| c == '\n' || (c >= ' ' && c != '\u{ffff}')));
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    }

    #[test]
    fn every_coordinate_is_a_number_inside_the_picture() {
        let ends = [0.0, -0.0, 5e-324, 1.0, 1.0 + f64::EPSILON, -1e300, f64::MAX, f64::MIN];
        for x in ends {
            for y in ends {
                let svg = svg(&[(x, y, Some("a")), (y, x, None)]);
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{x:e} {y:e}");
                for mark in svg.split("d=\"M").skip(3) {
                    let (at, _) = mark.split_once('h').expect("a circle");
                    let place: Vec<f64> =
                        at.split(' ').filter_map(|part| part.parse().ok()).collect();
                    assert!(
                        (0.0..960.0).contains(&place[0]) && (0.0..640.0).contains(&place[1]),
                        "{place:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_extreme_point_is_drawn_on_the_border_and_named() {
        let mut points = points(3_000);
        points.push((1e12, 0.0, Some("0")));
        let texts = texts(&svg(&points));
        assert!(
            texts.contains(&"Points beyond the axes lie on the border: x reaches 1e12".to_owned()),
            "{texts:?}"
        );
    }

    #[test]
    fn the_default_picture_is_small() {
        let labels: Vec<String> = (0..50).map(|i| format!("a label of some length {i}")).collect();
        let mut scatter = Scatter::new(ScatterOptions::default());
        for i in 0..20_000usize {
            scatter
                .push(i as f64, (i * i % 7_919) as f64, Some(&labels[i % 50]))
                .expect("few labels");
        }
        assert!(scatter.to_svg().expect("there are points").len() < 300_000);
    }

    #[test]
    fn the_smallest_picture_still_holds_everything() {
        let frame = Frame {
            title: Some("A title that is much too long for a picture of this size".into()),
            x_label: Some("x".into()),
            y_label: Some("y".into()),
            legend_title: Some("segment".into()),
            ..Frame::of_size(400, 240)
        };
        let options = ScatterOptions { frame, ..ScatterOptions::default() };
        let svg = scatter(options, &points(1_000)).to_svg().expect("there are points");
        assert!(texts(&svg).contains(&"segment".to_owned()));
    }

    #[test]
    fn errors_name_the_option_the_range_and_the_value() {
        let error =
            |options: ScatterOptions| options.validate().err().map(|error| error.to_string());
        let good = ScatterOptions::default();
        for (bad, text) in [
            (
                ScatterOptions { frame: Frame::of_size(0, 640), ..good.clone() },
                "width must be between 400 and 4096, not 0",
            ),
            (
                ScatterOptions { frame: Frame::of_size(960, 9_999), ..good.clone() },
                "height must be between 240 and 4096, not 9999",
            ),
            (
                ScatterOptions { max_points: 0, ..good.clone() },
                "max_points must be between 1 and 50000, not 0",
            ),
        ] {
            assert_eq!(error(bad).as_deref(), Some(text));
        }
        assert_eq!(error(good), None);
    }
}

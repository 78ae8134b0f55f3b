//! A scatter plot: coloured points with axes and a legend, as one self-contained SVG document.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::axis::{Axis, rounded, separated};

/// Rows of the legend; further labels share one.
const LEGEND_ROWS: usize = 20;
/// Overlapping points darken one another up to this many times.
const LAYERS: usize = 12;
/// Copies of one point that darken it.
const VISIBLE_COPIES: u64 = 4;
/// Estimated width of a character in the tick and legend font, in pixels.
const CHARACTER: f64 = 7.2;
const LEGEND_ROW: f64 = 20.0;
/// Side of a square mark, in pixels.
const SQUARE: f64 = 5.0;

/// Okabe and Ito, "Color Universal Design" (2008); the last one is black on light and yellow on dark ground.
const PALETTE: [(&str, &str); 7] = [
    ("#0072B2", "#2A8CD0"),
    ("#E69F00", "#E69F00"),
    ("#009E73", "#12B286"),
    ("#D55E00", "#E8731A"),
    ("#CC79A7", "#D68DB6"),
    ("#56B4E9", "#8CCBF0"),
    ("#222222", "#F0E442"),
];
/// Points without a label, and labels beyond the legend.
const OTHERS: (&str, &str) = ("#9A9A9A", "#7D838C");
/// Circles first, then squares, then crosses: more labels than colours stay distinct.
const SHAPES: usize = 3;

/// How a scatter plot looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScatterOptions {
    /// Heading.
    pub title: Option<String>,
    /// Name of the horizontal axis.
    pub x_label: Option<String>,
    /// Name of the vertical axis.
    pub y_label: Option<String>,
    /// Heading of the legend.
    pub legend_title: Option<String>,
    /// Pixels, 400 to 4096.
    pub width: u32,
    /// Pixels, 240 to 4096.
    pub height: u32,
    /// Distinct points that are drawn, 1 to 50000; the legend counts all.
    pub max_points: usize,
}

impl Default for ScatterOptions {
    fn default() -> Self {
        Self {
            title: None,
            x_label: None,
            y_label: None,
            legend_title: None,
            width: 960,
            height: 640,
            max_points: 5_000,
        }
    }
}

/// An option outside its range; the text names it, the range and the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionError(String);

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OptionError {}

impl ScatterOptions {
    /// Whether every number is in its range.
    pub fn validate(&self) -> Result<(), OptionError> {
        let numbers = [
            ("width", u64::from(self.width), 400, 4_096),
            ("height", u64::from(self.height), 240, 4_096),
            ("max_points", self.max_points as u64, 1, 50_000),
        ];
        for (name, value, low, high) in numbers {
            if !(low..=high).contains(&value) {
                return Err(OptionError(format!("{name} must be between {low} and {high}, not {value}")));
            }
        }
        Ok(())
    }
}

/// A label and how many points have it.
#[derive(Clone, Debug)]
struct Label {
    text: Option<Box<str>>,
    hash: u64,
    count: u64,
}

impl Label {
    /// Numbers by value, then texts, then the missing label.
    fn order(&self, other: &Self) -> Ordering {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
        match (&self.text, &other.text) {
            (Some(a), Some(b)) => match (number(a), number(b)) {
                (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => a.cmp(b),
            },
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
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
/// The sample is the `max_points` distinct (x, y, label) with the smallest hash, so it depends on the set of
/// points only, not on their order or on how states were merged. Memory grows with `max_points` and the
/// number of labels.
#[derive(Clone, Debug)]
pub struct Scatter {
    options: ScatterOptions,
    labels: Vec<Label>,
    label_index: HashMap<Box<str>, u32>,
    missing_label: Option<u32>,
    last_label: u32,
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
            labels: Vec::new(),
            label_index: HashMap::new(),
            missing_label: None,
            last_label: 0,
            points: Vec::new(),
            threshold: u64::MAX,
            sampled: false,
            x_range: nothing,
            y_range: nothing,
            left_out: 0,
        }
    }

    /// Adds a point; one whose x or y is NaN or infinite is only counted as left out.
    pub fn push(&mut self, x: f64, y: f64, label: Option<&str>) {
        if !(x.is_finite() && y.is_finite()) {
            self.left_out += 1;
            return;
        }
        // Both zeros are one number.
        let (x, y) = (x + 0.0, y + 0.0);
        let label = self.label(label);
        let Label { hash, count, .. } = &mut self.labels[label as usize];
        *count += 1;
        let mut key = [0; 24];
        key[..8].copy_from_slice(&hash.to_le_bytes());
        key[8..16].copy_from_slice(&x.to_bits().to_le_bytes());
        key[16..].copy_from_slice(&y.to_bits().to_le_bytes());
        self.x_range = (self.x_range.0.min(x), self.x_range.1.max(x));
        self.y_range = (self.y_range.0.min(y), self.y_range.1.max(y));
        self.offer(Point { hash: xxh3_64(&key), x, y, label, copies: 1 });
    }

    /// Adds all points of another state with the same options.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.options, other.options, "only states of one plot are merged");
        let labels: Vec<u32> = other
            .labels
            .iter()
            .map(|label| {
                let index = self.label(label.text.as_deref());
                self.labels[index as usize].count += label.count;
                index
            })
            .collect();
        for point in &other.points {
            self.offer(Point { label: labels[point.label as usize], ..*point });
        }
        self.sampled |= other.sampled;
        self.left_out += other.left_out;
        self.x_range = (self.x_range.0.min(other.x_range.0), self.x_range.1.max(other.x_range.1));
        self.y_range = (self.y_range.0.min(other.y_range.0), self.y_range.1.max(other.y_range.1));
    }

    /// The index of a label, which is new at its first point.
    fn label(&mut self, text: Option<&str>) -> u32 {
        // Neighbouring rows often share their label.
        if self.labels.get(self.last_label as usize).is_some_and(|label| label.text.as_deref() == text) {
            return self.last_label;
        }
        let known = match text {
            Some(text) => self.label_index.get(text).copied(),
            None => self.missing_label,
        };
        self.last_label = known.unwrap_or_else(|| {
            let index = u32::try_from(self.labels.len()).expect("fewer than 2^32 labels");
            let hash = text.map_or(0, |text| xxh3_64_with_seed(text.as_bytes(), 1));
            self.labels.push(Label { text: text.map(Box::from), hash, count: 0 });
            match text {
                Some(text) => drop(self.label_index.insert(Box::from(text), index)),
                None => self.missing_label = Some(index),
            }
            index
        });
        self.last_label
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
        let labels = &self.labels;
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
    /// An axis shows all drawn points, unless a side has a tail more than ten times as long as the range
    /// between their 1 % and 99 % quantiles: such points are drawn on the border, and a remark says how far
    /// they reach.
    pub fn to_svg(&self) -> Option<String> {
        if self.labels.iter().all(|label| label.count == 0) {
            return None;
        }
        let mut state = self.clone();
        state.compact();
        Some(Picture::new(&state).render())
    }
}

/// A row of the legend.
struct Entry {
    /// Index into the palette; `None` for the missing label and those beyond the legend.
    colour: Option<usize>,
    shape: usize,
    text: String,
    count: u64,
    missing: bool,
}

impl Entry {
    fn class(&self) -> String {
        let colour = self.colour.map_or("others".to_owned(), |colour| format!("c{colour}"));
        format!("p s{} {colour}", self.shape)
    }

    /// The mark at a place: a line without length whose round caps are the circle, a line as long as it is
    /// wide, or a cross.
    fn mark(&self, x: f64, y: f64) -> String {
        match self.shape {
            0 => format!("M{} {}h0", number(x), number(y)),
            1 => format!("M{} {}h{SQUARE}", number(x - SQUARE / 2.0), number(y)),
            _ => format!("M{} {}l6 6m0-6l-6 6", number(x - 3.0), number(y - 3.0)),
        }
    }
}

/// Where everything goes.
struct Picture<'a> {
    scatter: &'a Scatter,
    x: Axis,
    y: Axis,
    x_ticks: Vec<(f64, String)>,
    y_ticks: Vec<(f64, String)>,
    entries: Vec<Entry>,
    /// Entry of each label.
    entry_of: Vec<usize>,
    remark: Option<String>,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl<'a> Picture<'a> {
    fn new(scatter: &'a Scatter) -> Self {
        let options = &scatter.options;
        let (width, height) = (f64::from(options.width), f64::from(options.height));
        let axis = |coordinate: fn(&Point) -> f64, (min, max): (f64, f64)| {
            let mut sample: Vec<f64> = scatter.points.iter().map(coordinate).collect();
            sample.sort_unstable_by(f64::total_cmp);
            Axis::new(min, max, &sample)
        };
        let x = axis(|point| point.x, scatter.x_range);
        let y = axis(|point| point.y, scatter.y_range);
        let remark = remark(&x, &y);

        let top = if options.title.is_some() { 66.0 } else { 42.0 };
        let below = 34.0
            + if options.x_label.is_some() { 22.0 } else { 0.0 }
            + if remark.is_some() { 20.0 } else { 0.0 };
        let bottom = height - below;
        let legend_title = if options.legend_title.is_some() { 1 } else { 0 };
        let rows = ((bottom - top) / LEGEND_ROW) as usize - legend_title;
        let (entries, entry_of) =
            entries(&scatter.labels, rows.clamp(2, LEGEND_ROWS + 1), (width * 0.026) as usize);
        let legend = entries
            .iter()
            .map(|entry| columns(&entry.text) + columns(&grouped(entry.count)) + 4)
            .chain(options.legend_title.iter().map(|title| columns(title).min(24)))
            .max()
            .map_or(0.0, |widest| widest as f64 * CHARACTER + 28.0);
        let right = width - legend - 16.0;

        let y_ticks = y.ticks(((bottom - top) / 70.0) as usize);
        let widest =
            |ticks: &[(f64, String)]| ticks.iter().map(|tick| columns(&tick.1)).max().unwrap_or(0) as f64;
        let left = 18.0 + if options.y_label.is_some() { 22.0 } else { 0.0 } + widest(&y_ticks) * CHARACTER;
        let x_ticks = (2..=((right - left) / 90.0).max(2.0) as usize)
            .rev()
            .map(|n| x.ticks(n))
            .find(|ticks| (widest(ticks) * CHARACTER + 16.0) * ticks.len() as f64 <= right - left)
            .unwrap_or_else(|| x.ticks(2));
        Self { scatter, x, y, x_ticks, y_ticks, entries, entry_of, remark, left, top, right, bottom }
    }

    fn render(&self) -> String {
        let options = &self.scatter.options;
        let (width, height) = (options.width, options.height);
        let total: u64 = self.scatter.labels.iter().map(|label| label.count).sum();
        let title = options.title.as_deref().unwrap_or("Scatter plot");
        let groups = self.scatter.labels.len();
        let group_word = if groups == 1 { "label" } else { "labels" };
        let point_word = if total == 1 { "point" } else { "points" };
        let mut caption = format!("{} {point_word}", grouped(total));
        if self.scatter.sampled {
            caption += &format!(", {} of them drawn", grouped(self.scatter.points.len() as u64));
        }
        if self.scatter.left_out > 0 {
            caption += &format!(", {} left out (not finite)", grouped(self.scatter.left_out));
        }

        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"scatter\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}: {} {point_word}, {} {group_word}\">\n\
             <title>{}</title>\n{}<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n",
            escape(title),
            grouped(total),
            grouped(groups as u64),
            escape(title),
            self.style(),
        );
        let heading_width = ((f64::from(width) - self.left - 16.0) / 10.0) as usize;
        if options.title.is_some() {
            svg += &text(self.left, 30.0, "heading", &shortened(title, heading_width));
        }
        svg += &text(self.left, self.top - 14.0, "muted", &caption);
        self.axes(&mut svg);
        self.points(&mut svg);
        self.legend(&mut svg);
        svg += "</svg>\n";
        svg
    }

    fn style(&self) -> String {
        let drawn: u64 = self.scatter.points.len() as u64;
        let (size, opacity) = match drawn {
            0..=200 => (9.0, 0.85),
            201..=1_500 => (7.0, 0.65),
            _ => (5.5, 0.5),
        };
        let colours: Vec<(String, (&'static str, &'static str))> = PALETTE
            .iter()
            .enumerate()
            .map(|(i, &colours)| (format!("c{i}"), colours))
            .chain([("others".to_owned(), OTHERS)])
            .collect();
        let rules = |pick: fn(&(&'static str, &'static str)) -> &'static str| -> String {
            colours
                .iter()
                .map(|(class, pair)| format!(".scatter .{class}{{stroke:{}}}\n", pick(pair)))
                .collect()
        };
        let (light, dark) = (rules(|pair| pair.0), rules(|pair| pair.1));
        format!(
            "<style>\n\
             .scatter text{{font:13px system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif;fill:#24292f}}\n\
             .scatter .heading{{font-size:19px;font-weight:600}}\n\
             .scatter .muted{{fill:#656d76}}\n\
             .scatter .strong{{font-weight:600}}\n\
             .scatter .missing{{font-style:italic}}\n\
             .scatter .middle{{text-anchor:middle}}\n\
             .scatter .end{{text-anchor:end}}\n\
             .scatter .ground{{fill:#ffffff}}\n\
             .scatter .grid{{stroke:#e6e8eb;fill:none}}\n\
             .scatter .axis{{stroke:#afb8c1;fill:none}}\n\
             .scatter .p{{fill:none}}\n\
             .scatter .s0{{stroke-linecap:round;stroke-width:9}}\n\
             .scatter .s1{{stroke-width:{SQUARE}}}\n\
             .scatter .s2{{stroke-width:1.8}}\n\
             .scatter .points{{stroke-opacity:{opacity}}}\n\
             .scatter .points .s0{{stroke-width:{size}}}\n\
             {light}\
             @media (prefers-color-scheme:dark){{\n\
             .scatter text{{fill:#e6edf3}}\n\
             .scatter .muted{{fill:#9198a1}}\n\
             .scatter .ground{{fill:#0d1117}}\n\
             .scatter .grid{{stroke:#21262d}}\n\
             .scatter .axis{{stroke:#484f58}}\n\
             {dark}}}\n\
             </style>\n"
        )
    }

    fn axes(&self, svg: &mut String) {
        let options = &self.scatter.options;
        let Self { left, top, right, bottom, .. } = self;
        let mut grid = String::new();
        let mut labels = String::new();
        for (place, label) in &self.x_ticks {
            let x = left + place * (right - left);
            grid += &format!("M{} {}V{}", number(x), number(*top), number(*bottom));
            labels += &text(x, bottom + 20.0, "muted middle", label);
        }
        for (place, label) in &self.y_ticks {
            let y = bottom - place * (bottom - top);
            grid += &format!("M{} {}H{}", number(*left), number(y), number(*right));
            labels += &text(left - 8.0, y + 4.5, "muted end", label);
        }
        *svg += &format!("<path class=\"grid\" d=\"{grid}\"/>\n");
        *svg += &format!(
            "<path class=\"axis\" d=\"M{} {}V{}H{}\"/>\n{labels}",
            number(*left),
            number(*top),
            number(*bottom),
            number(*right),
        );
        let middle = ((left + right) / 2.0, (top + bottom) / 2.0);
        if let Some(label) = &options.x_label {
            let label = shortened(label, ((right - left) / CHARACTER) as usize);
            *svg += &text(middle.0, bottom + 42.0, "middle", &label);
        }
        if let Some(label) = &options.y_label {
            let label = shortened(label, ((bottom - top) / CHARACTER) as usize);
            *svg += &format!(
                "<text class=\"middle\" transform=\"translate(20 {}) rotate(-90)\">{}</text>\n",
                number(middle.1),
                escape(&label),
            );
        }
        if let Some(remark) = &self.remark {
            let y = f64::from(options.height) - 8.0;
            let width = (f64::from(options.width) - left) / 6.6;
            *svg += &text(*left, y, "muted", &shortened(remark, width as usize));
        }
    }

    /// The points in layers: inside one path overlapping points do not darken one another, so each layer has
    /// its own paths, and all labels take turns in it so that none hides the others.
    fn points(&self, svg: &mut String) {
        let mut paths = vec![String::new(); LAYERS * self.entries.len()];
        let mut layer = 0;
        for point in &self.scatter.points {
            let entry = self.entry_of[point.label as usize];
            let x = self.left + self.x.place(point.x) * (self.right - self.left);
            let y = self.bottom - self.y.place(point.y) * (self.bottom - self.top);
            let mark = self.entries[entry].mark(x, y);
            for _ in 0..point.copies.min(VISIBLE_COPIES) {
                paths[layer * self.entries.len() + entry] += &mark;
                layer = (layer + 1) % LAYERS;
            }
        }
        *svg += "<g class=\"points\">\n";
        for (i, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let class = self.entries[i % self.entries.len()].class();
            *svg += &format!("<path class=\"{class}\" d=\"{path}\"/>\n");
        }
        *svg += "</g>\n";
    }

    fn legend(&self, svg: &mut String) {
        let mut y = self.top + 8.0;
        let x = self.right + 24.0;
        let end = f64::from(self.scatter.options.width) - 16.0;
        if let Some(title) = &self.scatter.options.legend_title {
            *svg += &text(x - 5.0, y + 4.5, "strong", &shortened(title, 24));
            y += LEGEND_ROW + 2.0;
        }
        for entry in &self.entries {
            *svg += &format!("<path class=\"{}\" d=\"{}\"/>\n", entry.class(), entry.mark(x, y));
            *svg += &text(x + 12.0, y + 4.5, if entry.missing { "missing" } else { "" }, &entry.text);
            *svg += &text(end, y + 4.5, "muted end", &grouped(entry.count));
            y += LEGEND_ROW;
        }
    }
}

/// The rows of the legend and the row of each label: the most frequent labels in their own order, then the
/// rest in one row.
fn entries(labels: &[Label], rows: usize, characters: usize) -> (Vec<Entry>, Vec<usize>) {
    let mut shown: Vec<usize> = (0..labels.len()).collect();
    shown.sort_by(|&a, &b| labels[b].count.cmp(&labels[a].count).then_with(|| labels[a].order(&labels[b])));
    let rest = if labels.len() > rows { shown.split_off(rows - 1) } else { Vec::new() };
    shown.sort_by(|&a, &b| labels[a].order(&labels[b]));

    let mut entry_of = vec![shown.len(); labels.len()];
    let mut entries: Vec<Entry> = shown
        .iter()
        .enumerate()
        .map(|(place, &label)| {
            entry_of[label] = place;
            let Label { text, count, .. } = &labels[label];
            Entry {
                colour: text.is_some().then_some(place % PALETTE.len()),
                shape: if text.is_some() { place / PALETTE.len() % SHAPES } else { 0 },
                text: match text.as_deref() {
                    None => "none".to_owned(),
                    Some(text) if text.trim().is_empty() => "(empty)".to_owned(),
                    Some(text) => shortened_inside(text, characters.max(8)),
                },
                count: *count,
                missing: text.is_none(),
            }
        })
        .collect();
    if !rest.is_empty() {
        entries.push(Entry {
            colour: None,
            shape: 0,
            text: format!("+ {} more", grouped(rest.len() as u64)),
            count: rest.iter().map(|&label| labels[label].count).sum(),
            missing: false,
        });
    }
    (entries, entry_of)
}

/// Which numbers lie beyond an axis.
fn remark(x: &Axis, y: &Axis) -> Option<String> {
    let sides = [("x", x.beyond.0), ("x", x.beyond.1), ("y", y.beyond.0), ("y", y.beyond.1)];
    let reaches: Vec<String> = sides
        .iter()
        .filter_map(|(name, end)| end.map(|end| format!("{name} reaches {}", rounded(end))))
        .collect();
    (!reaches.is_empty()).then(|| format!("Points beyond the axes lie on the border: {}", reaches.join(", ")))
}

fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    format!("<text x=\"{}\" y=\"{}\"{class}>{}</text>\n", number(x), number(y), escape(content))
}

/// A coordinate with at most one decimal.
fn number(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn grouped(count: u64) -> String {
    separated(&count.to_string())
}

/// Estimated columns of a text in a fixed grid: Asian scripts and emoji take two.
fn columns(text: &str) -> usize {
    let narrow = |c: char| matches!(c, ..'\u{1100}' | '\u{1e00}'..'\u{2e80}');
    text.chars().map(|c| if narrow(c) { 1 } else { 2 }).sum()
}

/// The text itself, or its start and an ellipsis, in at most `limit` columns.
fn shortened(text: &str, limit: usize) -> String {
    if columns(text) <= limit {
        return text.to_owned();
    }
    let mut used = 1;
    let start = text.chars().take_while(|&c| {
        used += columns(c.encode_utf8(&mut [0; 4]));
        used <= limit
    });
    start.chain(['…']).collect()
}

/// The text itself, or its start, an ellipsis and its end: names of one family differ at either end.
fn shortened_inside(text: &str, limit: usize) -> String {
    if columns(text) <= limit {
        return text.to_owned();
    }
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    let end = shortened(&reversed(text), limit / 2);
    shortened(text, limit + 1 - columns(&end)) + reversed(&end).trim_start_matches('…')
}

/// The text in XML 1.0: markup escaped, white space as blanks, characters outside the standard's `Char`
/// replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
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
        points.iter().for_each(|&(x, y, label)| scatter.push(x, y, label));
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
        let points = svg.split("<g class=\"points\">").nth(1).and_then(|rest| rest.split("</g>").next());
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
                merged.merge(&scatter(options.clone(), part));
            }
            merged.merge(&Scatter::new(options.clone()));
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
        scatter.push(2.0, 2.0, Some("a"));
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
        let rows: Vec<&str> = texts[texts.len() - 14..].iter().step_by(2).map(String::as_str).collect();
        assert_eq!(rows, ["-1.5", "9", "10", "(empty)", "a", "b", "none"]);
    }

    #[test]
    fn labels_beyond_the_legend_share_one_row() {
        let labels: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        let mut scatter = Scatter::new(ScatterOptions::default());
        for (i, label) in labels.iter().enumerate() {
            (0..=i).for_each(|j| scatter.push(j as f64, i as f64, Some(label)));
        }
        let svg = scatter.to_svg().expect("there are points");
        let texts = texts(&svg);
        assert_eq!(texts[texts.len() - 2..], ["+ 80 more".to_owned(), "3,240".to_owned()]);
        assert!(texts.contains(&"99".to_owned()) && !texts.contains(&"79".to_owned()));
    }

    #[test]
    fn texts_cannot_break_the_document() {
        let hostile = "</svg><script>\"&'\0\u{b}\u{ffff}\n";
        let options = ScatterOptions {
            title: Some(hostile.into()),
            x_label: Some(hostile.into()),
            y_label: Some(hostile.into()),
            legend_title: Some(hostile.into()),
            ..ScatterOptions::default()
        };
        let svg = scatter(options, &[(1.0, 1.0, Some(hostile))]).to_svg().expect("there is a point");
        assert_eq!(svg.matches("</svg>").count(), 1);
        assert!(!svg.contains("<script"));
        assert!(svg.chars().all(|c| c == '\n' || (c >= ' ' && c != '\u{ffff}')));
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    }

    #[test]
    fn long_labels_keep_both_ends() {
        assert_eq!(shortened_inside("appliances.kitchen.refrigerators", 15), "applianc…rators");
        assert_eq!(shortened_inside("short", 15), "short");
        assert_eq!(shortened("日本語日本語", 5), "日本…");
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
                    let place: Vec<f64> = at.split(' ').filter_map(|part| part.parse().ok()).collect();
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
            scatter.push(i as f64, (i * i % 7_919) as f64, Some(&labels[i % 50]));
        }
        assert!(scatter.to_svg().expect("there are points").len() < 200_000);
    }

    #[test]
    fn the_smallest_picture_still_holds_everything() {
        let options = ScatterOptions {
            title: Some("A title that is much too long for a picture of this size".into()),
            x_label: Some("x".into()),
            y_label: Some("y".into()),
            legend_title: Some("segment".into()),
            width: 400,
            height: 240,
            ..ScatterOptions::default()
        };
        let svg = scatter(options, &points(1_000)).to_svg().expect("there are points");
        assert!(texts(&svg).contains(&"segment".to_owned()));
    }

    #[test]
    fn errors_name_the_option_the_range_and_the_value() {
        let error = |options: ScatterOptions| options.validate().err().map(|error| error.to_string());
        let good = ScatterOptions::default();
        for (bad, text) in [
            (ScatterOptions { width: 0, ..good.clone() }, "width must be between 400 and 4096, not 0"),
            (
                ScatterOptions { height: 9_999, ..good.clone() },
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

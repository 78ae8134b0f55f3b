//! What all plots share: size and titles, where axes and legend go, colours, and text in XML.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;

use super::axis::separated;

/// Rows of the legend; further labels share one.
const LEGEND_ROWS: usize = 20;
const LEGEND_ROW: f64 = 20.0;
/// Estimated width of a character in the tick and legend font, in pixels.
pub(super) const CHARACTER: f64 = 7.2;
/// A legend with a wider text than this share of the picture stands below it.
const LEGEND_SHARE: f64 = 0.19;
/// Up to so many labels a long one may have the whole width of the picture.
const FULL_ROWS: usize = 6;
/// Room of a legend's mark, in pixels.
const MARK: f64 = 28.0;
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
/// What has no label, and labels beyond the legend.
const OTHERS: (&str, &str) = ("#9A9A9A", "#7D838C");
/// Circles first, then squares, then crosses: more labels than colours stay distinct.
const SHAPES: usize = 3;

/// Titles and size of a plot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
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

impl Frame {
    /// A plot without titles.
    pub fn of_size(width: u32, height: u32) -> Self {
        Self { title: None, x_label: None, y_label: None, legend_title: None, width, height }
    }

    /// Whether the size is in its range.
    pub fn validate(&self) -> Result<(), OptionError> {
        in_range("width", u64::from(self.width), 400, 4_096)?;
        in_range("height", u64::from(self.height), 240, 4_096)
    }
}

/// Whether the option `name` is between `low` and `high`.
pub(super) fn in_range(name: &str, value: u64, low: u64, high: u64) -> Result<(), OptionError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(OptionError(format!("{name} must be between {low} and {high}, not {value}")))
}

/// A label and how many points have it.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub text: Option<Box<str>>,
    pub count: u64,
}

impl Label {
    /// By the numbers that they are or begin with, then texts, then the missing label.
    fn order(&self, other: &Self) -> Ordering {
        match (&self.text, &other.text) {
            (Some(a), Some(b)) => match (leading_number(a), leading_number(b)) {
                (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => a.cmp(b),
            },
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    }
}

/// The number that a text is, or else the whole number that it begins with.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    text.parse().ok().or_else(|| text[..digits].parse().ok()).filter(|x: &f64| x.is_finite())
}

/// The distinct labels of a plot in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels {
    list: Vec<Label>,
    index: HashMap<Box<str>, u32>,
    missing: Option<u32>,
    last: u32,
}

impl Labels {
    pub fn list(&self) -> &[Label] {
        &self.list
    }

    /// Counts `n` points of a label, which is new at its first, and returns its place.
    pub fn count(&mut self, text: Option<&str>, n: u64) -> u32 {
        // Neighbouring rows often share their label.
        if self.list.get(self.last as usize).is_none_or(|label| label.text.as_deref() != text) {
            let known = match text {
                Some(text) => self.index.get(text).copied(),
                None => self.missing,
            };
            self.last = known.unwrap_or_else(|| {
                let place = u32::try_from(self.list.len()).expect("fewer than 2^32 labels");
                self.list.push(Label { text: text.map(Box::from), count: 0 });
                match text {
                    Some(text) => drop(self.index.insert(Box::from(text), place)),
                    None => self.missing = Some(place),
                }
                place
            });
        }
        self.list[self.last as usize].count += n;
        self.last
    }
}

/// A row of the legend.
pub(super) struct Entry {
    /// Index into the palette; `None` for the missing label and those beyond the legend.
    colour: Option<usize>,
    pub shape: usize,
    text: String,
    count: u64,
    missing: bool,
}

impl Entry {
    /// The class of its colour.
    pub fn class(&self) -> String {
        self.colour.map_or("others".to_owned(), |colour| format!("c{colour}"))
    }

    /// The mark of this label around each place, as one path: a line without length whose round caps are the
    /// circle, a line as long as it is wide, or a cross. `size` is the diameter of the circle.
    pub fn marks(&self, size: f64, places: &[(f64, f64)], more: &str, content: &str) -> String {
        let square = size * SQUARE / 9.0;
        let (width, cap, half) = match self.shape {
            0 => (size, " stroke-linecap=\"round\"", 0.0),
            1 => (1.6 * square, "", 0.8 * square),
            _ => (0.2 * size, "", size / 3.0),
        };
        let mut path = String::new();
        for (x, y) in places {
            path += &match self.shape {
                0 => format!("M{} {}h0", number(*x), number(*y)),
                1 => format!("M{} {}h{}", number(x - half), number(*y), number(2.0 * half)),
                _ => {
                    let (from, side) = ((number(x - half), number(y - half)), number(2.0 * half));
                    format!("M{} {}l{side} {side}m0-{side}l-{side} {side}", from.0, from.1)
                }
            };
        }
        let class = self.class();
        let width = number(width);
        if content.is_empty() {
            return format!("<path class=\"{class}\" stroke-width=\"{width}\"{cap}{more} d=\"{path}\"/>\n");
        }
        format!(
            "<path class=\"{class}\" stroke-width=\"{width}\"{cap}{more} d=\"{path}\"><title>{}</title></path>\n",
            escape(content)
        )
    }
}

/// The labels of a plot with their marks: right of it where the texts are short, else below it.
pub(super) struct Legend {
    pub entries: Vec<Entry>,
    /// Entry of each label.
    pub entry_of: Vec<usize>,
    /// Whether counts stand behind the texts.
    counts: bool,
    shown: bool,
    /// Columns below the plot; 0 when it is on the right.
    columns: usize,
    /// Pixels of such a column.
    column_width: f64,
}

impl Legend {
    pub fn new(labels: &Labels, frame: &Frame, counts: bool) -> Self {
        let (width, height) = (f64::from(frame.width), f64::from(frame.height));
        let list = labels.list();
        let shown = counts || list.iter().any(|label| label.text.is_some());
        let widest = list.iter().filter_map(|label| label.text.as_deref()).map(columns).max().unwrap_or(0);
        let limit = (width * LEGEND_SHARE / CHARACTER) as usize;
        let digits = list.iter().map(|label| columns(&grouped(label.count)) + 2).max().unwrap_or(0);
        let digits = if counts { digits } else { 0 };
        let (n_columns, rows, limit) = if widest <= limit.max(8) {
            let title = usize::from(frame.legend_title.is_some());
            (0, (((height - 120.0) / LEGEND_ROW) as usize).saturating_sub(title), limit.max(8))
        } else {
            let needed = (widest + digits) as f64 * CHARACTER + MARK + 16.0;
            let least = if width < 640.0 || list.len() <= FULL_ROWS { 1 } else { 2 };
            let n_columns = (((width - 32.0) / needed) as usize).clamp(least, 4);
            let room = (width - 32.0) / n_columns as f64 - MARK - 16.0;
            let limit = ((room / CHARACTER) as usize).saturating_sub(digits).max(8);
            (n_columns, (height / 3.2 / LEGEND_ROW) as usize * n_columns, limit)
        };
        let (entries, entry_of) = entries(list, rows.clamp(2, LEGEND_ROWS + 1), limit);
        let widest = entries.iter().map(|entry| columns(&entry.text) + digits).max().unwrap_or(0);
        let column_width =
            (widest as f64 * CHARACTER + MARK + 16.0).min((width - 32.0) / n_columns.max(1) as f64);
        Self { entries, entry_of, counts, shown, columns: n_columns, column_width }
    }

    fn width(&self, frame: &Frame) -> f64 {
        if !self.shown || self.columns > 0 {
            return 0.0;
        }
        let digits = |entry: &Entry| if self.counts { columns(&grouped(entry.count)) + 4 } else { 2 };
        self.entries
            .iter()
            .map(|entry| columns(&entry.text) + digits(entry))
            .chain(frame.legend_title.iter().map(|title| columns(title).min(24)))
            .max()
            .map_or(0.0, |widest| widest as f64 * CHARACTER + MARK)
    }

    fn height(&self, frame: &Frame) -> f64 {
        if !self.shown || self.columns == 0 {
            return 0.0;
        }
        let title = if frame.legend_title.is_some() { LEGEND_ROW + 2.0 } else { 0.0 };
        self.entries.len().div_ceil(self.columns) as f64 * LEGEND_ROW + title + 12.0
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
            let Label { text, count } = &labels[label];
            let alone = labels.len() == 1;
            Entry {
                colour: (text.is_some() || alone).then_some(place % PALETTE.len()),
                shape: if text.is_some() { place / PALETTE.len() % SHAPES } else { 0 },
                text: match text.as_deref() {
                    None => "none".to_owned(),
                    Some(text) if text.trim().is_empty() => "(empty)".to_owned(),
                    Some(text) => shortened_inside(text, characters),
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

/// Place on an axis, 0 to 1, and label.
pub(super) type Ticks = Vec<(f64, String)>;

/// A plot's ground: where the axes and the legend are.
pub(super) struct Canvas<'a> {
    frame: &'a Frame,
    pub legend: Legend,
    remark: Option<String>,
    x_ticks: Ticks,
    y_ticks: Ticks,
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl<'a> Canvas<'a> {
    /// `x_ticks` and `y_ticks` give about as many ticks as they are asked for.
    pub fn new(
        frame: &'a Frame,
        legend: Legend,
        caption: bool,
        remark: Option<String>,
        x_ticks: impl Fn(usize) -> Ticks,
        y_ticks: impl Fn(usize) -> Ticks,
    ) -> Self {
        let (width, height) = (f64::from(frame.width), f64::from(frame.height));
        let top = 20.0 + if frame.title.is_some() { 24.0 } else { 0.0 } + if caption { 22.0 } else { 0.0 };
        let below = 34.0
            + if frame.x_label.is_some() { 22.0 } else { 0.0 }
            + if remark.is_some() { 20.0 } else { 0.0 }
            + legend.height(frame);
        let bottom = height - below;
        let right = width - legend.width(frame) - 16.0;
        let y_ticks = y_ticks(((bottom - top) / 55.0) as usize);
        let widest =
            |ticks: &[(f64, String)]| ticks.iter().map(|tick| columns(&tick.1)).max().unwrap_or(0) as f64;
        let left = 18.0 + if frame.y_label.is_some() { 22.0 } else { 0.0 } + widest(&y_ticks) * CHARACTER;
        let x_ticks = (2..=((right - left) / 90.0).max(2.0) as usize)
            .rev()
            .map(&x_ticks)
            .find(|ticks| (widest(ticks) * CHARACTER + 16.0) * ticks.len() as f64 <= right - left)
            .unwrap_or_else(|| x_ticks(2));
        Self { frame, legend, remark, x_ticks, y_ticks, left, top, right, bottom }
    }

    /// Pixels of a place on the axes.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.left + x * (self.right - self.left), self.bottom - y * (self.bottom - self.top))
    }

    /// The document: axes, then `content`, then the legend. `summary` is what a screen reader says behind the title.
    pub fn document(&self, kind: &str, summary: &str, caption: &str, content: &str) -> String {
        let Frame { width, height, title, .. } = self.frame;
        let name = escape(title.as_deref().unwrap_or(kind));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{name}: {}\">\n\
             <title>{name}</title>\n{}<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n",
            escape(summary),
            style(),
        );
        if let Some(title) = title {
            let room = ((f64::from(*width) - self.left - 16.0) / 10.0) as usize;
            svg += &text(self.left, 30.0, "heading", &shortened(title, room));
        }
        if !caption.is_empty() {
            let room = ((f64::from(*width) - self.left - 16.0) / CHARACTER) as usize;
            svg += &text(self.left, self.top - 14.0, "muted", &shortened(caption, room));
        }
        self.axes(&mut svg);
        svg += content;
        if self.legend.shown {
            self.rows(&mut svg);
        }
        svg += "</svg>\n";
        svg
    }

    fn axes(&self, svg: &mut String) {
        let Self { left, top, right, bottom, .. } = self;
        let mut grid = String::new();
        let mut labels = String::new();
        for (place, label) in &self.x_ticks {
            let (x, _) = self.at(*place, 0.0);
            grid += &format!("M{} {}V{}", number(x), number(*top), number(*bottom));
            let room = f64::from(self.frame.width) - 4.0 - columns(label) as f64 * CHARACTER / 2.0;
            labels += &text(x.min(room), bottom + 20.0, "muted middle", label);
        }
        for (place, label) in &self.y_ticks {
            let (_, y) = self.at(0.0, *place);
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
        if let Some(label) = &self.frame.x_label {
            let label = shortened(label, ((right - left) / CHARACTER) as usize);
            *svg += &text(middle.0, bottom + 42.0, "middle", &label);
        }
        if let Some(label) = &self.frame.y_label {
            let label = shortened(label, ((bottom - top) / CHARACTER) as usize);
            *svg += &format!(
                "<text class=\"middle\" transform=\"translate(20 {}) rotate(-90)\">{}</text>\n",
                number(middle.1),
                escape(&label),
            );
        }
        if let Some(remark) = &self.remark {
            let y = f64::from(self.frame.height) - 8.0 - self.legend.height(self.frame);
            let width = (f64::from(self.frame.width) - left) / 6.6;
            *svg += &text(*left, y, "muted", &shortened(remark, width as usize));
        }
    }

    fn rows(&self, svg: &mut String) {
        let Legend { entries, columns, .. } = &self.legend;
        let width = f64::from(self.frame.width);
        let (mut x, mut top, mut step) = (self.right + 24.0, self.top + 8.0, 0.0);
        let mut end = width - 16.0;
        if *columns > 0 {
            step = self.legend.column_width;
            x = 26.0;
            end = x + step - 26.0;
            top = f64::from(self.frame.height) - self.legend.height(self.frame) + 12.0;
        }
        if let Some(title) = &self.frame.legend_title {
            *svg += &text(x - 5.0, top + 4.5, "strong", &shortened(title, 24));
            top += LEGEND_ROW + 2.0;
        }
        let rows = if *columns > 0 { entries.len().div_ceil(*columns) } else { entries.len() };
        for (i, entry) in entries.iter().enumerate() {
            let (right, y) = ((i / rows) as f64 * step, top + (i % rows) as f64 * LEGEND_ROW);
            *svg += &entry.marks(9.0, &[(x + right, y)], "", "");
            *svg += &text(x + right + 12.0, y + 4.5, if entry.missing { "missing" } else { "" }, &entry.text);
            if self.legend.counts {
                *svg += &text(end + right, y + 4.5, "muted end", &grouped(entry.count));
            }
        }
    }
}

/// The same for all plots, so that several of them on one page agree.
fn style() -> String {
    let colours: Vec<(String, (&'static str, &'static str))> = PALETTE
        .iter()
        .enumerate()
        .map(|(i, &colours)| (format!("c{i}"), colours))
        .chain([("others".to_owned(), OTHERS)])
        .collect();
    let rules = |pick: fn(&(&'static str, &'static str)) -> &'static str| -> String {
        colours
            .iter()
            .map(|(class, pair)| {
                format!(".plot .{class}{{stroke:{0}}}\n.plot .bar.{class}{{fill:{0}}}\n", pick(pair))
            })
            .collect()
    };
    let (light, dark) = (rules(|pair| pair.0), rules(|pair| pair.1));
    format!(
        "<style>\n\
         .plot text{{font:13px system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif;fill:#24292f}}\n\
         .plot .heading{{font-size:19px;font-weight:600}}\n\
         .plot .muted{{fill:#656d76}}\n\
         .plot .strong{{font-weight:600}}\n\
         .plot .missing{{font-style:italic}}\n\
         .plot .middle{{text-anchor:middle}}\n\
         .plot .end{{text-anchor:end}}\n\
         .plot .ground{{fill:#ffffff}}\n\
         .plot path{{fill:none}}\n\
         .plot .grid{{stroke:#e6e8eb}}\n\
         .plot .axis{{stroke:#afb8c1}}\n\
         .plot .bar{{stroke:none}}\n\
         {light}\
         @media screen and (prefers-color-scheme:dark){{\n\
         .plot text{{fill:#e6edf3}}\n\
         .plot .muted{{fill:#9198a1}}\n\
         .plot .ground{{fill:#0d1117}}\n\
         .plot .grid{{stroke:#21262d}}\n\
         .plot .axis{{stroke:#484f58}}\n\
         {dark}}}\n\
         </style>\n"
    )
}

pub(super) fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    format!("<text x=\"{}\" y=\"{}\"{class}>{}</text>\n", number(x), number(y), escape(content))
}

/// A coordinate with at most one decimal.
pub(super) fn number(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

pub(super) fn grouped(count: u64) -> String {
    separated(&count.to_string())
}

/// `1 point`, `2 points`.
pub(super) fn counted(count: u64, word: &str) -> String {
    format!("{} {word}{}", grouped(count), if count == 1 || word == "series" { "" } else { "s" })
}

/// Estimated columns of a text in a fixed grid: Asian scripts and emoji take two.
pub(super) fn columns(text: &str) -> usize {
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
pub(super) fn escape(text: &str) -> String {
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

    #[test]
    fn long_labels_keep_both_ends() {
        assert_eq!(shortened_inside("appliances.kitchen.refrigerators", 15), "applianc…rators");
        assert_eq!(shortened_inside("short", 15), "short");
        assert_eq!(shortened("日本語日本語", 5), "日本…");
    }

    #[test]
    fn labels_that_begin_with_a_number_are_in_its_order() {
        let mut texts = ["10 loyal", "b", "2 new", "-1.5", "a", "9"];
        texts.sort_by(|a, b| {
            let label = |text: &str| Label { text: Some(text.into()), count: 1 };
            label(a).order(&label(b))
        });
        assert_eq!(texts, ["-1.5", "2 new", "9", "10 loyal", "a", "b"]);
    }
}

//! The legend: which labels have a row of their own, their colours and marks, and where it stands.

use super::figures::{grouped, number};
use super::frame::Frame;
use super::labels::{Label, Labels};
use super::text::{CHARACTER, columns, escape, shortened_inside};

/// Rows of the legend; further labels share one.
const LEGEND_ROWS: usize = 20;
pub(super) const LEGEND_ROW: f64 = 20.0;
/// A legend with a wider text than this share of the picture stands below it.
const LEGEND_SHARE: f64 = 0.19;
/// Up to so many labels a long one may have the whole width of the picture.
const FULL_ROWS: usize = 6;
/// Room of a legend's mark, in pixels.
const MARK: f64 = 28.0;
/// Side of a square mark, in pixels.
const SQUARE: f64 = 5.0;

/// Okabe and Ito, "Color Universal Design" (2008); the last one is black on light and yellow on
/// dark ground.
pub(super) const PALETTE: [(&str, &str); 7] = [
    ("#0072B2", "#2A8CD0"),
    ("#E69F00", "#E69F00"),
    ("#009E73", "#12B286"),
    ("#D55E00", "#E8731A"),
    ("#CC79A7", "#D68DB6"),
    ("#56B4E9", "#8CCBF0"),
    ("#222222", "#F0E442"),
];
/// What has no label, and labels beyond the legend.
pub(super) const OTHERS: (&str, &str) = ("#9A9A9A", "#7D838C");
/// Circles first, then squares, then crosses: more labels than colours stay distinct.
const SHAPES: usize = 3;

/// A row of the legend.
pub(super) struct Entry {
    /// Index into the palette; `None` for the missing label and those beyond the legend.
    colour: Option<usize>,
    pub shape: usize,
    pub text: String,
    pub count: u64,
    pub missing: bool,
}

impl Entry {
    /// The class of its colour.
    pub fn class(&self) -> String {
        self.colour.map_or("others".to_owned(), |colour| format!("c{colour}"))
    }

    /// The mark of this label around each place, as one path: a line without length whose round
    /// caps are the circle, a line as long as it is wide, or a cross. `size` is the diameter of the
    /// circle.
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
            return format!(
                "<path class=\"{class}\" stroke-width=\"{width}\"{cap}{more} d=\"{path}\"/>\n"
            );
        }
        format!(
            "<path class=\"{class}\" stroke-width=\"{width}\"{cap}{more} \
             d=\"{path}\"><title>{}</title></path>\n",
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
    pub counts: bool,
    pub shown: bool,
    /// Columns below the plot; 0 when it is on the right.
    pub columns: usize,
    /// Pixels of such a column.
    pub column_width: f64,
}

impl Legend {
    pub fn new(labels: &Labels, frame: &Frame, counts: bool) -> Self {
        let (width, height) = (f64::from(frame.width), f64::from(frame.height));
        let list = labels.list();
        let shown = counts || list.iter().any(|label| label.text.is_some());
        let widest =
            list.iter().filter_map(|label| label.text.as_deref()).map(columns).max().unwrap_or(0);
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

    pub fn width(&self, frame: &Frame) -> f64 {
        if !self.shown || self.columns > 0 {
            return 0.0;
        }
        let digits =
            |entry: &Entry| if self.counts { columns(&grouped(entry.count)) + 4 } else { 2 };
        self.entries
            .iter()
            .map(|entry| columns(&entry.text) + digits(entry))
            .chain(frame.legend_title.iter().map(|title| columns(title).min(24)))
            .max()
            .map_or(0.0, |widest| widest as f64 * CHARACTER + MARK)
    }

    pub fn height(&self, frame: &Frame) -> f64 {
        if !self.shown || self.columns == 0 {
            return 0.0;
        }
        let title = if frame.legend_title.is_some() { LEGEND_ROW + 2.0 } else { 0.0 };
        self.entries.len().div_ceil(self.columns) as f64 * LEGEND_ROW + title + 12.0
    }
}

/// The rows of the legend and the row of each label: the most frequent labels in their own order,
/// then the rest in one row.
fn entries(labels: &[Label], rows: usize, characters: usize) -> (Vec<Entry>, Vec<usize>) {
    let mut shown: Vec<usize> = (0..labels.len()).collect();
    shown.sort_by(|&a, &b| {
        labels[b].count.cmp(&labels[a].count).then_with(|| labels[a].order(&labels[b]))
    });
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

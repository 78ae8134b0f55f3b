//! The document of a plot: its ground, axes and styles, around what is drawn.

use super::figures::{grouped, number};
use super::frame::Frame;
use super::legend::{LEGEND_ROW, Legend, OTHERS, PALETTE};
use super::text::{CHARACTER, columns, escape, shortened, text};

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
        let top = 20.0
            + if frame.title.is_some() { 24.0 } else { 0.0 }
            + if caption { 22.0 } else { 0.0 };
        let below = 34.0
            + if frame.x_label.is_some() { 22.0 } else { 0.0 }
            + if remark.is_some() { 20.0 } else { 0.0 }
            + legend.height(frame);
        let bottom = height - below;
        let right = width - legend.width(frame) - 16.0;
        let y_ticks = y_ticks(((bottom - top) / 55.0) as usize);
        let widest = |ticks: &[(f64, String)]| {
            ticks.iter().map(|tick| columns(&tick.1)).max().unwrap_or(0) as f64
        };
        let left =
            18.0 + if frame.y_label.is_some() { 22.0 } else { 0.0 } + widest(&y_ticks) * CHARACTER;
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

    /// The document: axes, then `content`, then the legend. `summary` is what a screen reader says
    /// behind the title.
    pub fn document(&self, kind: &str, summary: &str, caption: &str, content: &str) -> String {
        let Frame { width, height, title, .. } = self.frame;
        let name = escape(title.as_deref().unwrap_or(kind));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"{name}: {}\">\n<title>{name}</title>\n{}<rect class=\"ground\" \
             width=\"{width}\" height=\"{height}\"/>\n",
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
            *svg += &text(
                x + right + 12.0,
                y + 4.5,
                if entry.missing { "missing" } else { "" },
                &entry.text,
            );
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
                format!(
                    ".plot .{class}{{stroke:{0}}}\n.plot .bar.{class}{{fill:{0}}}\n",
                    pick(pair)
                )
            })
            .collect()
    };
    let (light, dark) = (rules(|pair| pair.0), rules(|pair| pair.1));
    format!(
        "<style>\n.plot text{{font:13px system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica \
         Neue\",Arial,sans-serif;fill:#24292f}}\n.plot \
         .heading{{font-size:19px;font-weight:600}}\n.plot .muted{{fill:#656d76}}\n.plot \
         .strong{{font-weight:600}}\n.plot .missing{{font-style:italic}}\n.plot \
         .middle{{text-anchor:middle}}\n.plot .end{{text-anchor:end}}\n.plot \
         .ground{{fill:#ffffff}}\n.plot path{{fill:none}}\n.plot .grid{{stroke:#e6e8eb}}\n.plot \
         .axis{{stroke:#afb8c1}}\n.plot .bar{{stroke:none}}\n{light}@media screen and \
         (prefers-color-scheme:dark){{\n.plot text{{fill:#e6edf3}}\n.plot \
         .muted{{fill:#9198a1}}\n.plot .ground{{fill:#0d1117}}\n.plot \
         .grid{{stroke:#21262d}}\n.plot .axis{{stroke:#484f58}}\n{dark}}}\n</style>\n"
    )
}

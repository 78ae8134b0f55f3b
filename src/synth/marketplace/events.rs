//! Events in columns, and what a block knows of them before they are sorted.

use super::products::Item;

/// Events in columns of equal length; one value is used for block after block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    /// Microseconds since 1970-01-01 00:00:00 UTC, whole seconds, rising; `None` only as dirt.
    pub event_time: Vec<Option<i64>>,
    /// `view`, `cart` or `purchase`; something else only as dirt.
    pub event_type: Vec<&'static str>,
    /// Product.
    pub product_id: Vec<i64>,
    /// Category of the product, 19 digits.
    pub category_id: Vec<i64>,
    /// Dotted path of the category, where it has one.
    pub category_code: Vec<Option<&'static str>>,
    /// Brand of the product, where it has one.
    pub brand: Vec<Option<&'static str>>,
    /// Price of the product in cents; 0 where the shop gave none, negative only as dirt.
    pub price: Vec<i64>,
    /// User; `None` only as dirt.
    pub user_id: Vec<Option<i64>>,
    pub(super) user_session: String,
    pub(super) drafts: Vec<Draft>,
    /// Of each session of the block: its identifier, and its user.
    pub(super) session_ids: String,
    pub(super) session_users: Vec<i64>,
    pub(super) items: Vec<Item>,
    /// Of each draft: its second, and its index in the lower 16 bits.
    pub(super) order: Vec<u64>,
}

impl Events {
    pub(super) const SESSION_LENGTH: usize = 36;

    /// Number of events.
    pub fn len(&self) -> usize {
        self.event_time.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.event_time.is_empty()
    }

    /// Session of the event at `row` as the text of a UUID (RFC 9562, version 4).
    pub fn user_session(&self, row: usize) -> &str {
        &self.user_session[row * Self::SESSION_LENGTH..(row + 1) * Self::SESSION_LENGTH]
    }

    pub(super) fn clear(&mut self) {
        self.event_time.clear();
        self.event_type.clear();
        self.product_id.clear();
        self.category_id.clear();
        self.category_code.clear();
        self.brand.clear();
        self.price.clear();
        self.user_id.clear();
        self.user_session.clear();
        self.drafts.clear();
        self.session_ids.clear();
        self.items.clear();
        self.session_users.clear();
        self.order.clear();
    }

    /// Writes the event at `from` over that at `to`.
    pub(super) fn copy_row(&mut self, from: usize, to: usize) {
        self.event_time[to] = self.event_time[from];
        self.event_type[to] = self.event_type[from];
        self.product_id[to] = self.product_id[from];
        self.category_id[to] = self.category_id[from];
        self.category_code[to] = self.category_code[from];
        self.brand[to] = self.brand[from];
        self.price[to] = self.price[from];
        self.user_id[to] = self.user_id[from];
        let session = self.user_session(from).to_owned();
        let start = to * Self::SESSION_LENGTH;
        self.user_session.replace_range(start..start + Self::SESSION_LENGTH, &session);
    }
}

/// An event before its block is sorted: indices into the block's sessions and items.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    /// Seconds since the session's start, then since the period's, in whole seconds.
    pub seconds: f64,
    pub session: u16,
    pub item: u16,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    View,
    Cart,
    Purchase,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::View => "view",
            Kind::Cart => "cart",
            Kind::Purchase => "purchase",
        }
    }
}

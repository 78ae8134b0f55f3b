//! Synthetic events of an online shop: sessions of users who view products, put some in the cart and buy a
//! few.
//!
//! The shape follows a large multi-category shop: 96 % views, log-normal prices by category, a quarter of the
//! events on smartphones, popularity of products by a shifted Zipf law, a long tail of users of a few
//! behaviours, and the hours of a day. Block `b` is a function of the parameters and `b` alone, so any number
//! of threads makes the same rows, and nothing grows with the number of rows. The rows of a session are in one
//! block, the one in whose slice of time it starts; its events reach into the time of the next blocks. The
//! session that fills a block ends there.

mod catalogue;

use std::fmt::Write;

use rand_distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus};

use catalogue::{Category, MISSPELT, RARE_BRANDS, RARE_BRANDS_STEP};

use crate::calendar;
use crate::synth::random::{Permutation, block_rng, hash, normal_quantile, unit};
use crate::synth::{BLOCK_ROWS, ParameterError, require};

const MAX_ROWS: u64 = 1_000_000_000_000;
const MAX_USERS: u64 = 1_000_000_000;
const MAX_PRODUCTS: u64 = 100_000_000;
/// Longest period of events.
pub const MAX_DAYS: u32 = 3_660;
/// 0001-01-01 and 9989-12-31, in microseconds since 1970: the last period still ends in the year 9999.
const START_RANGE: (i64, i64) = (-62_135_596_800_000_000, 253_086_768_000_000_000);
const SECOND: i64 = 1_000_000;
const HOUR: f64 = 3_600.0;
const SECONDS_OF_DAY: u64 = 86_400;

/// Relative number of events in each hour of a day (UTC).
const HOURS: [f64; 24] = [
    0.19, 0.26, 0.62, 0.90, 1.05, 1.10, 1.12, 1.12, 1.12, 1.10, 1.08, 1.08, 1.10, 1.15, 1.25, 1.38, 1.35,
    1.15, 0.85, 0.60, 0.48, 0.38, 0.23, 0.17,
];
/// The sale: how many times the usual traffic comes on the 14th to the 17th of November.
const SALE: [f64; 4] = [2.2, 3.0, 4.0, 2.6];

/// Carts and purchases per view over all events.
const CARTS_PER_VIEW: f64 = 2.18 / 96.07;
const PURCHASES_PER_VIEW: f64 = 1.75 / 96.07;
/// Probability that a purchase is followed by another of the same product.
const BUYS_AGAIN: f64 = 0.3;
/// Views of a session: ceil of a log-normal number (median 2, 90 % up to 8), and seconds between its events, at
/// least one.
const LN_VIEWS: (f64, f64) = (0.57, 1.1);
const LN_PAUSE: (f64, f64) = (3.5, 1.0);
/// The next view is of the same product; else it stays in the category; the first one is in the user's
/// favourite.
const SAME_PRODUCT: f64 = 0.34;
const SAME_CATEGORY: f64 = 0.83;
const FAVOURITE_CATEGORY: f64 = 0.4;
/// Popularity of the product of rank r in its category: 1 / (r + this), r counted from 1.
const ZIPF_SHIFT: f64 = 1.3;
/// Products in a category grow with its weight to this power.
const ASSORTMENT: f64 = 0.6;
/// Share of products without a price, and the rank from which they occur.
const UNPRICED: f64 = 0.0029;
const UNPRICED_FROM_RANK: u64 = 30;
const MAX_PRICE: i64 = 257_407;
/// Where the tails of ln(price) begin, and by what they are stretched: dear products are rarer than by the normal
/// law, cheap ones more frequent.
const LOW_PRICES: (f64, f64) = (2.97, 1.35);
const HIGH_PRICES: (f64, f64) = (6.9, 0.74);
/// The most popular product of a category has its median price: a share of the category's events decides its mean.
const MEDIAN: f64 = 0.5;
/// The next brand of a category's known ones is this much less frequent.
const BRAND_RATIO: f64 = 0.72;
/// Draws of a user before one outside its time in the shop is taken.
const USER_DRAWS: usize = 16;

/// Event types that a shop does not have.
const UNKNOWN_EVENT_TYPES: [&str; 3] = ["wishlist", "impression", ""];
/// Kinds of defects, see [`Parameters::dirt`].
const DEFECTS: u64 = 7;
/// The real shop has the row of a cart up to 78 times. A burst has n copies or more with the probability 1 / n^2.
const MAX_COPIES: u64 = 77;
/// Copies whose bursts are drawn from one seed: without a state over blocks, a block learns what falls to it from
/// at most so many draws.
const COPIES_IN_A_HAND: u64 = 1_024;

/// How users of one kind behave.
struct Behaviour {
    /// Share of users.
    share: f64,
    /// Relative number of sessions, at most 1.
    activity: f64,
    /// Relative number of carts per view.
    carts: f64,
    /// Probability that a cart becomes a purchase.
    buys: f64,
}

/// Browsers, occasional buyers, loyal buyers, those who leave their carts.
const BEHAVIOURS: [Behaviour; 4] = [
    Behaviour { share: 0.60, activity: 0.55, carts: 0.15, buys: 0.35 },
    Behaviour { share: 0.22, activity: 0.70, carts: 1.00, buys: 0.55 },
    Behaviour { share: 0.07, activity: 1.00, carts: 5.00, buys: 0.80 },
    Behaviour { share: 0.11, activity: 0.80, carts: 3.00, buys: 0.15 },
];

/// Purposes of hashes, see [`hash`].
mod stream {
    pub const BLOCK: u64 = 1;
    pub const BEHAVIOUR: u64 = 2;
    pub const REACH: u64 = 3;
    pub const FAVOURITE: u64 = 4;
    pub const USER_ID: u64 = 5;
    pub const PRODUCT_ID: u64 = 6;
    pub const UNPRICED: u64 = 7;
    pub const BRANDS: u64 = 9;
    pub const UNBRANDED: u64 = 10;
    pub const DAY: u64 = 11;
    pub const CATEGORY_ID: u64 = 12;
    pub const RARE_BRANDS: u64 = 13;
    pub const BURSTS: u64 = 14;
}

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Number of events, exactly; 0 to 10^12.
    pub rows: u64,
    /// Users, 1 to 10^9. Every one has a session as long as there are some 4 events a user or more.
    pub users: u64,
    /// Products on offer, 1 to 10^8; the least popular may have no event.
    pub products: u64,
    /// Any number; another seed gives another shop.
    pub seed: i64,
    /// Microseconds since 1970-01-01 00:00:00 UTC, a whole second: no event is earlier.
    pub start: i64,
    /// Length of the period, 1 to 3660.
    pub days: u32,
    /// Share of events that get a defect, 0 to 1: of the whole number below `rows * dirt`, in turn, an exact copy
    /// of another event (sessions break), no user, a negative price, a misspelt event type, no time, a misspelt
    /// category or brand where the event has one that people misspell, an unknown event type.
    ///
    /// Copies come in bursts of equal carts, next to each other, two as a rule and at most 78; where a block has no
    /// cart left to repeat, as pairs of other events. Up to 0.5 the counts hold exactly, since no event with a
    /// defect is copied and no copy gets a defect; above, a block can be too full for all of its defects.
    pub dirt: f64,
}

impl Parameters {
    /// 2019-10-01 00:00:00 UTC in microseconds since 1970.
    pub const DEFAULT_START: i64 = 1_569_888_000_000_000;
    /// The days of October.
    pub const DEFAULT_DAYS: u32 = 31;

    /// A user for every 14 events.
    pub fn default_users(rows: u64) -> u64 {
        (rows / 14).clamp(1, MAX_USERS)
    }

    /// 166,000 products, fewer when there are fewer events.
    pub fn default_products(rows: u64) -> u64 {
        rows.clamp(1, 166_000)
    }
}

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
    user_session: String,
    drafts: Vec<Draft>,
    sessions: String,
    items: Vec<Item>,
    visitors: Vec<i64>,
    order: Vec<u64>,
}

impl Events {
    const SESSION_LENGTH: usize = 36;

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

    fn clear(&mut self) {
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
        self.sessions.clear();
        self.items.clear();
        self.visitors.clear();
        self.order.clear();
    }
}

/// An event before its block is sorted: indices into the block's sessions and items.
#[derive(Clone, Debug, PartialEq)]
struct Draft {
    /// Seconds since the session's start, then since the period's, in whole seconds.
    seconds: f64,
    visit: u16,
    item: u16,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    View,
    Cart,
    Purchase,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::View => "view",
            Kind::Cart => "cart",
            Kind::Purchase => "purchase",
        }
    }
}

/// A product as its events show it.
#[derive(Clone, Debug, PartialEq)]
struct Item {
    product_id: i64,
    category: u16,
    brand: Option<&'static str>,
    price: i64,
}

/// The products of one category.
#[derive(Clone, Debug)]
struct Assortment {
    first: u64,
    order: Permutation,
    id: i64,
    /// ln((n + shift + 1) / (1 + shift)): the range of the inverse of the popularity law.
    ln_ratio: f64,
    brand_offset: f64,
    unbranded_offset: f64,
}

/// Traffic over the period: what share of all events has come by which second.
#[derive(Clone, Debug)]
struct Traffic {
    /// Share before the start of each hour of the period, and 1.
    shares: Vec<f64>,
}

impl Traffic {
    fn new(parameters: &Parameters) -> Self {
        let start = parameters.start.div_euclid(SECOND);
        let mut shares = vec![0.0];
        let mut total = 0.0;
        for hour in 0..i64::from(parameters.days) * 24 {
            let second = start + hour * 3_600;
            let day = second.div_euclid(SECONDS_OF_DAY.cast_signed());
            let wobble = 0.94 + 0.12 * unit(hash(parameters.seed, stream::DAY, day.cast_unsigned()));
            let hour_of_day = second.rem_euclid(SECONDS_OF_DAY.cast_signed()) / 3_600;
            total += HOURS[hour_of_day as usize] * wobble * sale(day);
            shares.push(total);
        }
        shares.iter_mut().for_each(|share| *share /= total);
        Self { shares }
    }

    /// The hour of the period in which `share` of all events has come.
    fn hour(&self, share: f64) -> usize {
        (self.shares.partition_point(|&s| s <= share) - 1).min(self.shares.len() - 2)
    }

    /// The second, counted from the start, by which `share` of all events has come; searched between two
    /// hours.
    fn second(&self, share: f64, hours: (usize, usize)) -> f64 {
        let inside = &self.shares[hours.0 + 1..=hours.1];
        let hour = hours.0 + inside.partition_point(|&s| s <= share);
        let (before, after) = (self.shares[hour], self.shares[hour + 1]);
        (hour as f64 + (share - before) / (after - before)) * HOUR
    }
}

/// How much more traffic than usual a day has, days counted from 1970-01-01.
fn sale(day: i64) -> f64 {
    match calendar::date(day) {
        (_, 11, day_of_month @ 14..=17) => SALE[(day_of_month - 14) as usize],
        _ => 1.0,
    }
}

/// The generator.
pub struct Marketplace {
    parameters: Parameters,
    traffic: Traffic,
    categories: Vec<Category>,
    assortments: Vec<Assortment>,
    category_law: WeightedAliasIndex<f64>,
    user_order: Permutation,
    behaviour_offset: f64,
    user_id_step: u64,
    product_id_step: u64,
    /// Carts per view, and purchases without a cart per view and `carts * buys` of the behaviour.
    cart_rate: f64,
    direct_rate: f64,
    /// Quantiles of the views of a session and of the seconds between two of its events.
    views: Vec<u16>,
    pauses: Vec<f32>,
}

impl Marketplace {
    /// Checks the parameters. Memory depends on `days` and the fixed catalogue, never on the number of rows.
    pub fn new(parameters: Parameters) -> Result<Self, ParameterError> {
        let Parameters { rows, users, products, seed, start, days, dirt } = parameters;
        require(rows <= MAX_ROWS, || format!("rows must be between 0 and {MAX_ROWS}, not {rows}"))?;
        require((1..=MAX_USERS).contains(&users), || {
            format!("users must be between 1 and {MAX_USERS}, not {users}")
        })?;
        require((1..=MAX_PRODUCTS).contains(&products), || {
            format!("products must be between 1 and {MAX_PRODUCTS}, not {products}")
        })?;
        require((START_RANGE.0..=START_RANGE.1).contains(&start), || {
            format!("start must be between 0001-01-01 and 9989-12-31, not {start} microseconds since 1970")
        })?;
        require(start % SECOND == 0, || {
            format!("start must be a whole second, not {start} microseconds since 1970")
        })?;
        require((1..=MAX_DAYS).contains(&days), || {
            format!("days must be between 1 and {MAX_DAYS}, not {days}")
        })?;
        require((0.0..=1.0).contains(&dirt), || format!("dirt must be between 0 and 1, not {dirt:?}"))?;

        let mut categories = catalogue::categories();
        categories.truncate(usize::try_from(products).unwrap_or(usize::MAX));
        let weights: Vec<f64> = categories.iter().map(|category| category.weight).collect();
        let appeal =
            categories.iter().map(|c| c.weight * c.appeal).sum::<f64>() / weights.iter().sum::<f64>();
        categories.iter_mut().for_each(|category| category.appeal /= appeal);
        let assortments = assortments(&categories, products, seed);
        let category_law = WeightedAliasIndex::new(weights).expect("the catalogue's weights are positive");

        let views: Vec<u16> = quantiles(LN_VIEWS, |views| views.ceil() as u16);
        let pauses = quantiles(LN_PAUSE, |seconds| seconds.max(1.0) as f32);
        let mean_views = views.iter().map(|&n| f64::from(n)).sum::<f64>() / views.len() as f64;
        let sessions = rows as f64 / (mean_views * (1.0 + CARTS_PER_VIEW + PURCHASES_PER_VIEW));
        let (carts, buys) = mean_propensities((users as f64 / sessions.max(1.0)).min(1.0));
        let cart_rate = CARTS_PER_VIEW / carts;
        Ok(Self {
            traffic: Traffic::new(&parameters),
            categories,
            assortments,
            category_law,
            user_order: Permutation::new(users),
            behaviour_offset: unit(hash(seed, stream::BEHAVIOUR, 0)),
            user_id_step: (80_000_000 / users).max(1),
            product_id_step: (59_000_000 / products).max(1),
            cart_rate,
            direct_rate: PURCHASES_PER_VIEW * (1.0 - BUYS_AGAIN) / buys - cart_rate,
            views,
            pauses,
            parameters,
        })
    }

    /// Number of blocks.
    pub fn n_blocks(&self) -> u64 {
        self.parameters.rows.div_ceil(BLOCK_ROWS)
    }

    /// Number of rows of a block: [`BLOCK_ROWS`], or fewer in the last one.
    pub fn block_rows(&self, block: u64) -> u64 {
        assert!(block < self.n_blocks(), "there are {} blocks, not {block}", self.n_blocks());
        BLOCK_ROWS.min(self.parameters.rows - block * BLOCK_ROWS)
    }

    /// Replaces `events` with those of a block: a function of the parameters and `block` alone, sorted by
    /// time. Sessions start in the block's slice of the period.
    pub fn fill(&self, block: u64, events: &mut Events) {
        let block_rows = self.block_rows(block);
        let Parameters { rows, users, seed, dirt, .. } = self.parameters;
        let mut rng = block_rng(seed, stream::BLOCK, block);
        events.clear();
        let first_row = block * BLOCK_ROWS;
        let slice = Slice::new(
            &self.traffic,
            first_row as f64 / rows as f64,
            (first_row + block_rows) as f64 / rows as f64,
        );

        // Each user's turn comes once, by its place in the period; then sessions go to the active users.
        let turn = |row: u64| (u128::from(users) * u128::from(row) / u128::from(rows)) as u64;
        for user in turn(first_row)..turn(first_row + block_rows) {
            if events.drafts.len() as u64 == block_rows {
                break;
            }
            let share = (user as f64 + unit(rng.next_u64())) / users as f64;
            self.visit(user, share, &slice, block_rows as usize, &mut rng, events);
        }
        while (events.drafts.len() as u64) < block_rows {
            let share = slice.shares.0 + (slice.shares.1 - slice.shares.0) * unit(rng.next_u64());
            let user = self.draw_user(share, &mut rng);
            self.visit(user, share, &slice, block_rows as usize, &mut rng, events);
        }
        self.write(events);
        if dirt > 0.0 {
            self.soil(block, events, &mut rng);
        }
    }

    /// A user by activity who is in the shop at `share` of the period.
    ///
    /// The product of three uniform numbers is the rank of a user whose weight is the square of an
    /// exponential number: a long tail without a table.
    fn draw_user(&self, share: f64, rng: &mut Xoshiro256PlusPlus) -> u64 {
        let users = self.parameters.users;
        let mut draw = || {
            let rank = unit(rng.next_u64()) * unit(rng.next_u64()) * unit(rng.next_u64());
            let user = self.user_order.map(((rank * users as f64) as u64).min(users - 1));
            (user, unit(rng.next_u64()))
        };
        for _ in 1..USER_DRAWS {
            let (user, u) = draw();
            let distance = (user as f64 / users as f64 - share).abs();
            if u < BEHAVIOURS[self.behaviour(user)].activity && distance <= self.reach(user) {
                return user;
            }
        }
        draw().0
    }

    /// The user's kind: evenly spread over the ranks of activity, so that the mix of events holds for few
    /// users too.
    fn behaviour(&self, user: u64) -> usize {
        let rank = self.user_order.unmap(user) as f64;
        let mut u = (rank * 0.618_033_988_749_894_9 + self.behaviour_offset).fract();
        let last = BEHAVIOURS.len() - 1;
        (0..last)
            .find(|&kind| {
                u -= BEHAVIOURS[kind].share;
                u < 0.0
            })
            .unwrap_or(last)
    }

    /// How far from its turn, as a share of the period, a user still comes: some always, others for a while.
    fn reach(&self, user: u64) -> f64 {
        match unit(hash(self.parameters.seed, stream::REACH, user)) {
            u if u < 0.35 => 1.0,
            u => 0.01 + 0.35 * ((u - 0.35) / 0.65).powi(2),
        }
    }

    /// Adds one session; it ends where the block is full.
    fn visit(
        &self,
        user: u64,
        share: f64,
        slice: &Slice,
        block_rows: usize,
        rng: &mut Xoshiro256PlusPlus,
        events: &mut Events,
    ) {
        let seed = self.parameters.seed;
        let visit = events.visitors.len() as u16;
        let jitter = hash(seed, stream::USER_ID, user) % self.user_id_step;
        events.visitors.push((500_000_000 + user * self.user_id_step + jitter).cast_signed());
        push_uuid([rng.next_u64(), rng.next_u64()], &mut events.sessions);
        let behaviour = &BEHAVIOURS[self.behaviour(user)];
        let first = events.drafts.len();
        let mut seconds = 0.0;
        let mut push = |kind: Kind, rng: &mut Xoshiro256PlusPlus, events: &mut Events| {
            if events.drafts.len() < block_rows {
                events.drafts.push(Draft { seconds, visit, item: (events.items.len() - 1) as u16, kind });
                seconds += f64::from(self.pauses[quantile_index(rng)]);
            }
        };
        let mut category = if unit(rng.next_u64()) < FAVOURITE_CATEGORY {
            let mut own = SplitMix64::seed_from_u64(hash(seed, stream::FAVOURITE, user));
            self.category_law.sample(&mut own)
        } else {
            self.category_law.sample(rng)
        };
        for view in 0..self.views[quantile_index(rng)] {
            if events.drafts.len() == block_rows {
                break;
            }
            if view == 0 || unit(rng.next_u64()) >= SAME_PRODUCT {
                if view > 0 && unit(rng.next_u64()) >= SAME_CATEGORY {
                    category = self.category_law.sample(rng);
                }
                events.items.push(self.draw_item(category, rng));
            }
            push(Kind::View, rng, events);
            if events.items.last().is_some_and(|item| item.price == 0) {
                continue;
            }
            let propensity = self.categories[category].appeal * behaviour.carts;
            let cart = self.cart_rate * propensity;
            let u = unit(rng.next_u64());
            if u < cart {
                push(Kind::Cart, rng, events);
                if unit(rng.next_u64()) >= behaviour.buys {
                    continue;
                }
            } else if u >= cart + self.direct_rate * propensity * behaviour.buys {
                continue;
            }
            push(Kind::Purchase, rng, events);
            while unit(rng.next_u64()) < BUYS_AGAIN {
                push(Kind::Purchase, rng, events);
            }
        }
        // The session must end inside the period: at its end it starts earlier, and shrinks if that is not enough.
        let drafts = &mut events.drafts[first..];
        let duration = drafts.last().map_or(0.0, |draft| draft.seconds);
        let last = f64::from(self.parameters.days) * SECONDS_OF_DAY as f64 - 1.0;
        let fit = (last / duration).min(1.0);
        let start = self.traffic.second(share, slice.hours).min(last - duration * fit).max(0.0);
        for draft in drafts {
            draft.seconds = (start + draft.seconds * fit).floor();
        }
    }

    /// A product of a category by popularity; its properties are functions of the seed and its rank.
    fn draw_item(&self, category: usize, rng: &mut Xoshiro256PlusPlus) -> Item {
        let seed = self.parameters.seed;
        let Assortment { first, order, ln_ratio, brand_offset, unbranded_offset, .. } =
            &self.assortments[category];
        let Category { ln_price, unbranded, brands, rare_brands, .. } = &self.categories[category];
        let rank = (1.0 + ZIPF_SHIFT) * ((unit(rng.next_u64()) * ln_ratio).exp() - 1.0);
        let rank = (rank as u64).min(order.n - 1);
        let product = first + order.map(rank);
        let jitter = hash(seed, stream::PRODUCT_ID, product) % self.product_id_step;
        // Evenly spread over the ranks (the three-dimensional R sequence of M. Roberts, 2018) rather than
        // independent: the few popular products then do not decide a category's prices and brands.
        let spread = |factor: f64, offset: f64| (rank as f64 * factor + offset).fract();
        let unpriced = rank >= UNPRICED_FROM_RANK && unit(hash(seed, stream::UNPRICED, product)) < UNPRICED;
        let price = if unpriced {
            0
        } else {
            let quantile = spread(0.819_172_513_396_164_4, MEDIAN).clamp(1e-9, 1.0 - 1e-9);
            let price = stretch_tails(ln_price.0 + ln_price.1 * normal_quantile(quantile)).exp();
            ((price * 100.0).round() as i64).clamp(1, MAX_PRICE)
        };
        let brand = (spread(0.671_043_606_703_789_2, *unbranded_offset) >= *unbranded).then(|| {
            let u = spread(0.549_700_477_901_970_2, *brand_offset);
            if u < *rare_brands {
                let u = unit(hash(seed, stream::RARE_BRANDS, product));
                let place = ((RARE_BRANDS as f64 + 1.0).powf(u) - 1.0) as usize;
                return catalogue::rare_brand((place + category * RARE_BRANDS_STEP) % RARE_BRANDS);
            }
            let u = (u - rare_brands) / (1.0 - rare_brands);
            let all = 1.0 - BRAND_RATIO.powi(brands.len() as i32);
            let place = ((1.0 - u * all).ln() / BRAND_RATIO.ln()) as usize;
            brands[place.min(brands.len() - 1)]
        });
        Item {
            product_id: (1_000_000 + product * self.product_id_step + jitter).cast_signed(),
            category: category as u16,
            brand,
            price,
        }
    }

    /// Sorts the drafts by time, each session's in their order, and writes them to the columns.
    fn write(&self, events: &mut Events) {
        events
            .order
            .extend(events.drafts.iter().zip(0u64..).map(|(draft, i)| (draft.seconds as u64) << 16 | i));
        events.order.sort_unstable();
        for key in &events.order {
            let draft = &events.drafts[(key & 0xffff) as usize];
            let item = &events.items[usize::from(draft.item)];
            let visit = usize::from(draft.visit);
            let session = visit * Events::SESSION_LENGTH..(visit + 1) * Events::SESSION_LENGTH;
            events.event_time.push(Some(self.parameters.start + draft.seconds as i64 * SECOND));
            events.event_type.push(draft.kind.name());
            events.product_id.push(item.product_id);
            events.category_id.push(self.assortments[usize::from(item.category)].id);
            events.category_code.push(self.categories[usize::from(item.category)].code);
            events.brand.push(item.brand);
            events.price.push(item.price);
            events.user_id.push(Some(events.visitors[visit]));
            events.user_session.push_str(&events.sessions[session]);
        }
    }

    /// Gives a share of the events one defect each, see [`Parameters::dirt`]. Copies first, because a burst needs
    /// many free rows side by side; the other defects each somewhere in its own stretch of what is left.
    fn soil(&self, block: u64, events: &mut Events, rng: &mut Xoshiro256PlusPlus) {
        let mut is_free = vec![true; events.len()];
        let carts: Vec<usize> = (0..events.len()).filter(|&row| events.event_type[row] == "cart").collect();
        for copies in self.bursts(block) {
            if !repeat_a_cart(events, copies, &carts, &mut is_free, rng) {
                (0..copies).for_each(|_| repeat_an_event(events, &mut is_free, rng));
            }
        }
        let free: Vec<usize> = (0..events.len()).filter(|&row| is_free[row]).collect();
        let first_row = block * BLOCK_ROWS;
        let numbers = self.defects_before(first_row)..self.defects_before(first_row + events.len() as u64);
        let others: Vec<u64> = numbers.filter(|number| number % DEFECTS != 0).collect();
        for (place, number) in others.iter().enumerate() {
            let (from, to) = (place * free.len() / others.len(), (place + 1) * free.len() / others.len());
            let bits = rng.next_u64();
            if from == to {
                continue;
            }
            let row = free[from + bits as u32 as usize % (to - from)];
            let variant = (bits >> 32) as usize;
            match number % DEFECTS {
                1 => events.user_id[row] = None,
                2 => events.price[row] = -events.price[row].max(1),
                3 => {
                    events.event_type[row] =
                        misspelt(events.event_type[row], variant).expect("all are listed");
                }
                4 => events.event_time[row] = None,
                5 => {
                    for word in [&mut events.category_code[row], &mut events.brand[row]] {
                        *word = word.map(|word| misspelt(word, variant).unwrap_or(word));
                    }
                }
                _ => events.event_type[row] = UNKNOWN_EVENT_TYPES[variant % UNKNOWN_EVENT_TYPES.len()],
            }
        }
    }

    /// Defects in the rows before `row`, were each in the place of its turn.
    fn defects_before(&self, row: u64) -> u64 {
        (row as f64 * self.parameters.dirt) as u64
    }

    /// Numbers of copies in the bursts that fall to a block, the longest first. All bursts together have the
    /// number of copies that `dirt` asks for; a burst falls to the block in whose turn it begins. A last block that
    /// is not full may be too short for its bursts: they fall to the one before.
    fn bursts(&self, block: u64) -> Vec<usize> {
        let Parameters { rows, seed, .. } = self.parameters;
        let copies_before = |row: u64| self.defects_before(row).div_ceil(DEFECTS);
        let (all, last) = (copies_before(rows), (rows / BLOCK_ROWS).max(1) - 1);
        if block > last {
            return Vec::new();
        }
        let from = copies_before(block * BLOCK_ROWS);
        let to = if block == last { all } else { copies_before((block + 1) * BLOCK_ROWS) };
        let mut bursts = Vec::new();
        for hand in from / COPIES_IN_A_HAND..to.div_ceil(COPIES_IN_A_HAND) {
            let mut rng = block_rng(seed, stream::BURSTS, hand);
            let mut first = hand * COPIES_IN_A_HAND;
            let end = all.min(first + COPIES_IN_A_HAND);
            while first < end.min(to) {
                let copies = unit(rng.next_u64()).powf(-0.5) as u64;
                let copies = copies.clamp(1, MAX_COPIES).min(end - first);
                if first >= from {
                    bursts.push(copies as usize);
                }
                first += copies;
            }
        }
        bursts.sort_unstable_by(|one, other| other.cmp(one));
        bursts
    }
}

/// A block's share of the period, and the hours in which it lies.
struct Slice {
    shares: (f64, f64),
    hours: (usize, usize),
}

impl Slice {
    fn new(traffic: &Traffic, from: f64, to: f64) -> Self {
        Self { shares: (from, to), hours: (traffic.hour(from), traffic.hour(to)) }
    }
}

/// ln(price) with its tails stretched.
fn stretch_tails(ln_price: f64) -> f64 {
    let (low, high) = (LOW_PRICES.0, HIGH_PRICES.0);
    if ln_price < low {
        low - (low - ln_price) * LOW_PRICES.1
    } else if ln_price > high {
        high + (ln_price - high) * HIGH_PRICES.1
    } else {
        ln_price
    }
}

const QUANTILES: usize = 4_096;

/// Quantiles of a log-normal law at the middles of equal intervals.
fn quantiles<T>((mean, deviation): (f64, f64), convert: impl Fn(f64) -> T) -> Vec<T> {
    (0..QUANTILES)
        .map(|i| convert((mean + deviation * normal_quantile((i as f64 + 0.5) / QUANTILES as f64)).exp()))
        .collect()
}

fn quantile_index(rng: &mut Xoshiro256PlusPlus) -> usize {
    (rng.next_u64() >> (64 - QUANTILES.ilog2())) as usize
}

/// Means over sessions of `carts` and of `carts * buys`, when `turns` of the sessions are the users' own
/// turns and the rest goes by activity.
fn mean_propensities(turns: f64) -> (f64, f64) {
    let activity: f64 = BEHAVIOURS.iter().map(|b| b.share * b.activity).sum();
    BEHAVIOURS.iter().fold((0.0, 0.0), |(carts, buys), b| {
        let sessions = b.share * (turns + (1.0 - turns) * b.activity / activity);
        (carts + sessions * b.carts, buys + sessions * b.carts * b.buys)
    })
}

/// Divides the products among the categories: at least one each, the rest by a power of the weight.
fn assortments(categories: &[Category], products: u64, seed: i64) -> Vec<Assortment> {
    let breadth = |category: &Category| category.weight.powf(ASSORTMENT);
    let total: f64 = categories.iter().map(breadth).sum();
    let spare = (products - categories.len() as u64) as f64;
    let mut before = 0.0;
    categories
        .iter()
        .zip(0u64..)
        .map(|(category, i)| {
            let first = i + (spare * before).round() as u64;
            before = (before + breadth(category) / total).min(1.0);
            let n = i + 1 + (spare * before).round() as u64 - first;
            let offset = |stream: u64| unit(hash(seed, stream, i));
            Assortment {
                first,
                order: Permutation::new(n),
                id: 2_053_013_550_000_000_000
                    + (hash(0, stream::CATEGORY_ID, i) % 10_000_000_000).cast_signed(),
                ln_ratio: ((n as f64 + 1.0 + ZIPF_SHIFT) / (1.0 + ZIPF_SHIFT)).ln(),
                brand_offset: offset(stream::BRANDS),
                unbranded_offset: offset(stream::UNBRANDED),
            }
        })
        .collect()
}

/// Appends 128 random bits as a UUID of version 4.
fn push_uuid([high, low]: [u64; 2], text: &mut String) {
    write!(
        text,
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | low >> 48 & 0x3fff,
        low & 0xffff_ffff_ffff,
    )
    .expect("a String takes any text");
}

fn misspelt(word: &str, variant: usize) -> Option<&'static str> {
    let (_, variants) = MISSPELT.iter().find(|(right, _)| *right == word)?;
    Some(variants[variant % variants.len()])
}

/// Repeats one of the carts in the rows around it, if one has so many free ones.
fn repeat_a_cart(
    events: &mut Events,
    copies: usize,
    carts: &[usize],
    is_free: &mut [bool],
    rng: &mut Xoshiro256PlusPlus,
) -> bool {
    let first = (rng.next_u64() % carts.len().max(1) as u64) as usize;
    for &row in carts[first..].iter().chain(&carts[..first]) {
        // The rows after the cart, but at the end of the block those before it too: times rise either way.
        let from = row.min(events.len().saturating_sub(copies + 1));
        let Some(place) = is_free.get_mut(from..from + copies + 1) else {
            return false;
        };
        if place.iter().all(|&free| free) {
            place.fill(false);
            (from..=from + copies).for_each(|to| copy_row(events, row, to));
            return true;
        }
    }
    false
}

/// Repeats some event in the row after it, where both rows are free.
fn repeat_an_event(events: &mut Events, is_free: &mut [bool], rng: &mut Xoshiro256PlusPlus) {
    let n_rows = events.len();
    let first = (rng.next_u64() % n_rows as u64) as usize;
    let row = (first..n_rows - 1).chain(0..first).find(|&row| is_free[row] && is_free[row + 1]);
    if let Some(row) = row {
        is_free[row..=row + 1].fill(false);
        copy_row(events, row, row + 1);
    }
}

fn copy_row(events: &mut Events, from: usize, to: usize) {
    events.event_time[to] = events.event_time[from];
    events.event_type[to] = events.event_type[from];
    events.product_id[to] = events.product_id[from];
    events.category_id[to] = events.category_id[from];
    events.category_code[to] = events.category_code[from];
    events.brand[to] = events.brand[from];
    events.price[to] = events.price[from];
    events.user_id[to] = events.user_id[from];
    let session = events.user_session(from).to_owned();
    let start = to * Events::SESSION_LENGTH;
    events.user_session.replace_range(start..start + Events::SESSION_LENGTH, &session);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    fn parameters(rows: u64) -> Parameters {
        Parameters {
            rows,
            users: Parameters::default_users(rows),
            products: Parameters::default_products(rows),
            seed: 1,
            start: Parameters::DEFAULT_START,
            days: Parameters::DEFAULT_DAYS,
            dirt: 0.0,
        }
    }

    fn marketplace(parameters: Parameters) -> Marketplace {
        Marketplace::new(parameters).expect("the parameters are good")
    }

    fn block(marketplace: &Marketplace, block: u64) -> Events {
        let mut events = Events::default();
        marketplace.fill(block, &mut events);
        events
    }

    /// Calls `look` for every event: events of its block, row.
    fn each_event(parameters: Parameters, mut look: impl FnMut(&Events, usize)) {
        let marketplace = marketplace(parameters);
        let mut events = Events::default();
        for block in 0..marketplace.n_blocks() {
            marketplace.fill(block, &mut events);
            (0..events.len()).for_each(|row| look(&events, row));
        }
    }

    fn share(parameters: Parameters, holds: impl Fn(&Events, usize) -> bool) -> f64 {
        let rows = parameters.rows as f64;
        let mut count = 0;
        each_event(parameters, |events, row| count += u32::from(holds(events, row)));
        f64::from(count) / rows
    }

    #[test]
    fn the_number_of_rows_is_exact() {
        for rows in [0, 1, 2, 2_047, 2_048, 2_049, 100_000] {
            let mut count = 0;
            each_event(parameters(rows), |_, _| count += 1);
            assert_eq!(count, rows);
        }
    }

    #[test]
    fn a_block_depends_on_nothing_but_the_parameters_and_its_number() {
        for dirt in [0.0, 0.1] {
            let parameters = Parameters { dirt, ..parameters(20_000) };
            let (one, other) = (marketplace(parameters.clone()), marketplace(parameters));
            let mut reused = Events::default();
            for number in (0..one.n_blocks()).rev() {
                other.fill(number, &mut reused);
                assert_eq!(block(&one, number), reused);
            }
        }
    }

    #[test]
    fn another_seed_gives_other_events() {
        let one = block(&marketplace(parameters(5_000)), 0);
        let other = block(&marketplace(Parameters { seed: 2, ..parameters(5_000) }), 0);
        assert_ne!(one.user_id, other.user_id);
        assert_ne!(one.product_id, other.product_id);
        assert_ne!(one.event_time, other.event_time);
        assert_ne!(one.user_session(0), other.user_session(0));
    }

    #[test]
    fn times_rise_in_a_block_and_are_inside_the_period() {
        for (rows, days) in [(3, 1), (10_000, 2), (300_000, 1), (50_000, 3_660)] {
            let parameters = Parameters { days, ..parameters(rows) };
            let end = parameters.start + i64::from(days) * SECONDS_OF_DAY.cast_signed() * SECOND;
            let start = parameters.start;
            each_event(parameters, |events, row| {
                let time = events.event_time[row].expect("there is no dirt");
                assert!(time >= start && time < end && time % SECOND == 0, "{start} {time} {end}");
                assert!(row == 0 || events.event_time[row - 1] <= Some(time));
            });
        }
    }

    #[test]
    fn the_event_mix_is_that_of_the_real_shop() {
        let mix = |parameters: &Parameters, name: &str| {
            100.0 * share(parameters.clone(), |events, row| events.event_type[row] == name)
        };
        let few_users = Parameters { users: 2_000, ..parameters(500_000) };
        for parameters in [parameters(500_000), Parameters { seed: 7, ..parameters(500_000) }, few_users] {
            for (name, percent) in [("view", 96.07), ("cart", 2.18), ("purchase", 1.75)] {
                let found = mix(&parameters, name);
                assert!((found - percent).abs() < 0.3, "{name}: {found}");
            }
        }
    }

    #[test]
    fn missing_categories_and_brands_are_as_frequent_as_in_the_real_shop() {
        for seed in 1..4 {
            let parameters = Parameters { seed, ..parameters(500_000) };
            let uncoded = share(parameters.clone(), |events, row| events.category_code[row].is_none());
            assert!((uncoded - 0.32).abs() < 0.01, "category: {uncoded}");
            let unbranded = share(parameters, |events, row| events.brand[row].is_none());
            assert!((unbranded - 0.144).abs() < 0.015, "brand: {unbranded}");
        }
    }

    #[test]
    fn prices_are_log_normal_as_in_the_real_shop() {
        for seed in 1..4 {
            let (mut n, mut sum, mut squares, mut zeros, mut top) = (0.0, 0.0, 0.0, 0, 0);
            each_event(Parameters { seed, ..parameters(500_000) }, |events, row| {
                let price = events.price[row];
                top = top.max(price);
                if price == 0 {
                    zeros += 1;
                } else {
                    let ln = (price as f64 / 100.0).ln();
                    (n, sum, squares) = (n + 1.0, sum + ln, squares + ln * ln);
                }
            });
            let mean = sum / n;
            let deviation = (squares / n - mean * mean).sqrt();
            assert!((mean - 5.03).abs() < 0.05, "mean {mean}");
            assert!((deviation - 1.21).abs() < 0.05, "deviation {deviation}");
            assert!((300..1_700).contains(&zeros), "zeros {zeros}");
            assert_eq!(top, MAX_PRICE);
        }
    }

    #[test]
    fn a_product_keeps_its_price_category_and_brand() {
        let mut products = HashMap::new();
        each_event(Parameters { products: 3_000, ..parameters(200_000) }, |events, row| {
            let seen =
                (events.price[row], events.category_id[row], events.category_code[row], events.brand[row]);
            assert_eq!(*products.entry(events.product_id[row]).or_insert(seen), seen);
        });
        assert!((2_000..=3_000).contains(&products.len()), "{}", products.len());
    }

    #[test]
    fn a_category_id_has_19_digits_and_one_code() {
        let mut codes = HashMap::new();
        each_event(parameters(200_000), |events, row| {
            let id = events.category_id[row];
            assert_eq!(id.to_string().len(), 19);
            let code = events.category_code[row];
            assert_eq!(*codes.entry(id).or_insert(code), code);
        });
        assert_eq!(codes.len(), catalogue::categories().len());
    }

    #[test]
    fn every_purchase_has_a_price() {
        each_event(parameters(300_000), |events, row| {
            assert!(events.event_type[row] != "purchase" || events.price[row] > 0);
        });
    }

    #[test]
    fn a_session_belongs_to_one_user_and_buys_only_what_it_viewed() {
        let mut sessions = HashMap::new();
        let mut viewed = HashSet::new();
        let mut events_of_sessions = 0;
        each_event(parameters(100_000), |events, row| {
            let session = events.user_session(row).to_owned();
            let user = events.user_id[row];
            let product = (session.clone(), events.product_id[row]);
            assert_eq!(*sessions.entry(session).or_insert(user), user);
            if events.event_type[row] == "view" {
                viewed.insert(product);
            } else {
                assert!(viewed.contains(&product));
            }
            events_of_sessions += 1;
        });
        let length = f64::from(events_of_sessions) / sessions.len() as f64;
        assert!((3.3..4.2).contains(&length), "{length}");
    }

    #[test]
    fn a_session_is_the_text_of_a_version_4_uuid() {
        let events = block(&marketplace(parameters(5_000)), 0);
        for row in 0..events.len() {
            let text = events.user_session(row).as_bytes();
            assert!(text.iter().enumerate().all(|(i, &byte)| match i {
                8 | 13 | 18 | 23 => byte == b'-',
                14 => byte == b'4',
                19 => b"89ab".contains(&byte),
                _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            }));
        }
    }

    #[test]
    fn every_user_comes_and_a_few_come_often() {
        let parameters = parameters(280_000);
        let mut users = HashMap::new();
        each_event(parameters.clone(), |events, row| *users.entry(events.user_id[row]).or_insert(0u64) += 1);
        assert_eq!(users.len() as u64, parameters.users);
        let mut counts: Vec<u64> = users.into_values().collect();
        counts.sort_unstable();
        let top: u64 = counts[counts.len() * 9 / 10..].iter().sum();
        assert!((0.3..0.7).contains(&(top as f64 / parameters.rows as f64)), "{top}");
    }

    #[test]
    fn nights_are_quiet_and_the_sale_of_november_is_not() {
        let november = Parameters { start: 1_572_566_400_000_000, days: 30, ..parameters(300_000) };
        let (mut hours, mut days) = ([0u32; 24], [0u32; 30]);
        each_event(november.clone(), |events, row| {
            let second = (events.event_time[row].expect("there is no dirt") - november.start) / SECOND;
            hours[(second / 3_600 % 24) as usize] += 1;
            days[(second / 86_400) as usize] += 1;
        });
        assert!(hours[15] > 5 * hours[23] && hours[15] > hours[10]);
        assert!(days[13..17].iter().all(|&day| f64::from(day) > 1.9 * f64::from(days[5])), "{days:?}");
        assert!(days[17] < days[13]);
    }

    #[test]
    fn the_most_popular_product_has_about_one_event_in_a_hundred() {
        let mut products = HashMap::new();
        each_event(parameters(500_000), |events, row| {
            *products.entry(events.product_id[row]).or_insert(0u32) += 1;
        });
        let top = f64::from(products.into_values().max().unwrap_or(0)) / 5e5;
        assert!((0.009..0.013).contains(&top), "{top}");
    }

    #[test]
    fn one_user_one_product_and_one_day_are_enough() {
        let tiny = Parameters { users: 1, products: 1, days: 1, ..parameters(10_000) };
        let (mut users, mut products) = (HashSet::new(), HashSet::new());
        each_event(tiny, |events, row| {
            users.insert(events.user_id[row]);
            products.insert(events.product_id[row]);
        });
        assert_eq!((users.len(), products.len()), (1, 1));
    }

    #[test]
    fn more_users_and_products_than_events_are_accepted() {
        let wide = Parameters { users: MAX_USERS, products: MAX_PRODUCTS, ..parameters(5_000) };
        let mut count = 0;
        each_event(wide, |_, _| count += 1);
        assert_eq!(count, 5_000);
    }

    fn copies(events: &Events, row: usize) -> bool {
        row > 0
            && events.event_time[row] == events.event_time[row - 1]
            && events.user_session(row) == events.user_session(row - 1)
            && events.event_type[row] == events.event_type[row - 1]
            && events.product_id[row] == events.product_id[row - 1]
    }

    /// The number of events with each defect that shows: copies, no user, negative price, misspelt event type, no
    /// time, misspelt category or brand, unknown event type.
    fn defects(parameters: Parameters) -> [u64; DEFECTS as usize] {
        let mut counts = [0; DEFECTS as usize];
        let is_misspelt = |word: &str| MISSPELT.iter().any(|(_, variants)| variants.contains(&word));
        each_event(parameters, |events, row| {
            let words = [events.category_code[row], events.brand[row]];
            for (count, holds) in counts.iter_mut().zip([
                copies(events, row),
                events.user_id[row].is_none(),
                events.price[row] < 0,
                is_misspelt(events.event_type[row]),
                events.event_time[row].is_none(),
                words.into_iter().flatten().any(is_misspelt),
                UNKNOWN_EVENT_TYPES.contains(&events.event_type[row]),
            ]) {
                *count += u64::from(holds);
            }
        });
        counts
    }

    #[test]
    fn no_dirt_means_no_defect() {
        assert_eq!(defects(parameters(200_000)), [0; DEFECTS as usize]);
    }

    #[test]
    fn each_defect_comes_in_its_turn() {
        for (rows, dirt) in [
            (200_000, 0.07),
            (30_001, 0.013),
            (5_000, 0.4),
            (100_000, 0.5),
            (500_000, 0.000_1),
            // One row in the last block, which would be the copy.
            (6_145, 0.4),
            (2, 0.5),
            (3, 0.5),
            (17, 0.5),
        ] {
            let found = defects(Parameters { dirt, ..parameters(rows) });
            let all = (rows as f64 * dirt) as u64;
            let expected: [u64; DEFECTS as usize] =
                std::array::from_fn(|kind| (all + DEFECTS - 1 - kind as u64) / DEFECTS);
            // Not every event has a category or brand that people misspell.
            assert!(found[5] <= expected[5] && found[5] >= expected[5] / 4, "{found:?} {expected:?}");
            let exact = |counts: [u64; DEFECTS as usize]| [&counts[..5], &counts[6..]].concat();
            assert_eq!(exact(found), exact(expected), "{rows} {dirt}");
        }
    }

    /// The bursts of equal rows: type of the event and number of rows of each.
    fn bursts(parameters: Parameters) -> Vec<(&'static str, u64)> {
        let mut bursts: Vec<(&'static str, u64)> = Vec::new();
        let mut before = false;
        each_event(parameters, |events, row| {
            let repeats = copies(events, row);
            match bursts.last_mut() {
                Some(burst) if repeats && before => burst.1 += 1,
                _ if repeats => bursts.push((events.event_type[row], 2)),
                _ => {}
            }
            before = repeats;
        });
        bursts
    }

    #[test]
    fn most_bursts_are_pairs_and_the_longest_has_78_rows() {
        for seed in 1..3 {
            let bursts = bursts(Parameters { seed, dirt: 0.1, ..parameters(2_000_000) });
            assert_eq!(bursts.iter().map(|(_, n_rows)| n_rows - 1).sum::<u64>(), 200_000_u64.div_ceil(7));
            assert_eq!(bursts.iter().map(|&(_, n_rows)| n_rows).max(), Some(78));
            let share = |least: u64| {
                bursts.iter().filter(|&&(_, n_rows)| n_rows > least).count() as f64 / bursts.len() as f64
            };
            for (copies, expected) in [(2, 0.25), (3, 0.111), (5, 0.04), (10, 0.01)] {
                assert!((share(copies) / expected - 1.0).abs() < 0.25, "{copies}: {}", share(copies));
            }
        }
    }

    #[test]
    fn only_carts_burst_and_other_events_are_pairs_where_there_is_no_cart_left() {
        let is_cart = |&(event_type, _): &(&str, u64)| event_type == "cart";
        assert!(bursts(Parameters { dirt: 0.02, ..parameters(500_000) }).iter().all(is_cart));
        let crowded = bursts(Parameters { dirt: 0.5, ..parameters(100_000) });
        assert!(crowded.iter().all(|burst| is_cart(burst) || burst.1 == 2));
        assert!(crowded.iter().any(|burst| !is_cart(burst)) && crowded.iter().any(is_cart));
    }

    #[test]
    fn a_burst_keeps_times_in_their_order() {
        let mut last = None;
        each_event(Parameters { dirt: 0.3, ..parameters(50_000) }, |events, row| {
            let time = events.event_time[row];
            assert!(row == 0 || time.is_none() || last <= time);
            last = if row == 0 { time } else { time.or(last) };
        });
    }

    #[test]
    fn a_burst_takes_the_copies_of_many_blocks() {
        let rare = Parameters { dirt: 0.001, ..parameters(2_000_000) };
        let shop = marketplace(rare.clone());
        let with_copies = (0..shop.n_blocks()).filter(|&block| !shop.bursts(block).is_empty()).count();
        let longest = bursts(rare).into_iter().map(|(_, n_rows)| n_rows).max();
        assert!(longest > Some(5), "{longest:?}");
        assert!((50..200).contains(&with_copies), "{with_copies} of {}", shop.n_blocks());
    }

    #[test]
    fn everything_can_be_dirty() {
        let found = defects(Parameters { dirt: 1.0, ..parameters(20_000) });
        assert!(found.iter().all(|&count| count > 1_000), "{found:?}");
    }

    #[test]
    fn dirt_leaves_the_other_events_as_they_were() {
        let clean = block(&marketplace(parameters(2_048)), 0);
        let dirty = block(&marketplace(Parameters { dirt: 0.1, ..parameters(2_048) }), 0);
        let changed = (0..2_048).filter(|&row| clean.product_id[row] != dirty.product_id[row]).count();
        assert!((10..=30).contains(&changed), "only copies change the product: {changed}");
    }

    #[test]
    fn a_full_month_has_sessions_as_long_as_a_small_one() {
        // A block of these spans two minutes.
        let mut events = Events::default();
        let month = marketplace(parameters(42_448_764));
        let (mut sessions, mut long) = (HashMap::new(), 0);
        for number in 10_000..10_020 {
            month.fill(number, &mut events);
            for row in 0..events.len() {
                let time = events.event_time[row].expect("there is no dirt");
                let (first, last) =
                    sessions.entry(events.user_session(row).to_owned()).or_insert((time, time));
                (*first, *last) = (time.min(*first), time.max(*last));
            }
        }
        for (first, last) in sessions.values() {
            long += usize::from(last - first > 300 * SECOND);
        }
        let share = long as f64 / sessions.len() as f64;
        assert!((0.05..0.25).contains(&share), "{share}");
    }

    #[test]
    fn errors_name_the_parameter_the_range_and_the_value() {
        let error = |parameters: Parameters| Marketplace::new(parameters).err().map(|e| e.to_string());
        let good = parameters(1_000);
        for (bad, text) in [
            (
                Parameters { rows: MAX_ROWS + 1, ..good.clone() },
                "rows must be between 0 and 1000000000000, not 1000000000001",
            ),
            (Parameters { users: 0, ..good.clone() }, "users must be between 1 and 1000000000, not 0"),
            (Parameters { products: 0, ..good.clone() }, "products must be between 1 and 100000000, not 0"),
            (
                Parameters { start: i64::MAX, ..good.clone() },
                "start must be between 0001-01-01 and 9989-12-31, not 9223372036854775807 microseconds since 1970",
            ),
            (
                Parameters { start: 1, ..good.clone() },
                "start must be a whole second, not 1 microseconds since 1970",
            ),
            (Parameters { days: 0, ..good.clone() }, "days must be between 1 and 3660, not 0"),
            (Parameters { dirt: 7.0, ..good.clone() }, "dirt must be between 0 and 1, not 7.0"),
            (Parameters { dirt: f64::NAN, ..good.clone() }, "dirt must be between 0 and 1, not NaN"),
        ] {
            assert_eq!(error(bad).as_deref(), Some(text));
        }
        assert_eq!(error(good), None);
    }

    #[test]
    fn any_start_in_range_is_accepted() {
        for start in [START_RANGE.0, -1_000_000, 0, START_RANGE.1] {
            let mut count = 0;
            each_event(Parameters { start, days: MAX_DAYS, ..parameters(3_000) }, |_, _| count += 1);
            assert_eq!(count, 3_000);
        }
    }
}

//! The products of the shop: how many each category has, which are popular, their prices and
//! brands.

use rand_distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

use super::catalogue::{self, Category, RARE_BRANDS, RARE_BRANDS_STEP};
use super::stream;
use crate::synth::random::{Permutation, hash, normal_quantile, unit};

/// Popularity of the product of rank r in its category: 1 / (r + this), r counted from 1.
const ZIPF_SHIFT: f64 = 1.3;
/// Products in a category grow with its weight to this power.
const ASSORTMENT: f64 = 0.6;
/// Share of products without a price, and the rank from which they occur.
const UNPRICED: f64 = 0.0029;
const UNPRICED_FROM_RANK: u64 = 30;
const MAX_PRICE: i64 = 257_407;
/// Where the tails of ln(price) begin, and by what they are stretched: dear products are rarer than
/// by the normal law, cheap ones more frequent.
const LOW_PRICES: (f64, f64) = (2.97, 1.35);
const HIGH_PRICES: (f64, f64) = (6.9, 0.74);
/// The most popular product of a category has its median price: a share of the category's events
/// decides its mean.
const MEDIAN: f64 = 0.5;
/// The next brand of a category's known ones is this much less frequent.
const BRAND_RATIO: f64 = 0.72;

/// A product as its events show it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub product_id: i64,
    pub category: u16,
    pub brand: Option<&'static str>,
    /// In cents; 0 where the shop gave none.
    pub price: i64,
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

/// The products of one shop.
pub(super) struct Products {
    seed: i64,
    categories: Vec<Category>,
    assortments: Vec<Assortment>,
    category_law: WeightedAliasIndex<f64>,
    id_step: u64,
}

impl Products {
    /// `n` products, at least one.
    pub fn new(n: u64, seed: i64) -> Self {
        let mut categories = catalogue::categories();
        categories.truncate(usize::try_from(n).unwrap_or(usize::MAX));
        let weights: Vec<f64> = categories.iter().map(|category| category.weight).collect();
        let appeal = categories.iter().map(|c| c.weight * c.appeal).sum::<f64>()
            / weights.iter().sum::<f64>();
        categories.iter_mut().for_each(|category| category.appeal /= appeal);
        Self {
            seed,
            assortments: assortments(&categories, n, seed),
            categories,
            category_law: WeightedAliasIndex::new(weights)
                .expect("the catalogue's weights are positive"),
            id_step: (59_000_000 / n).max(1),
        }
    }

    /// A category by its share of all events.
    pub fn draw_category(&self, rng: &mut impl Rng) -> usize {
        self.category_law.sample(rng)
    }

    /// How much likelier than on the average a view in a category leads on to a cart or a purchase.
    pub fn appeal(&self, category: usize) -> f64 {
        self.categories[category].appeal
    }

    /// Identifier and, where it has one, code of a category.
    pub fn category(&self, category: usize) -> (i64, Option<&'static str>) {
        (self.assortments[category].id, self.categories[category].code)
    }

    /// A product of a category by popularity; its properties are functions of the seed and its
    /// rank.
    pub fn draw_item(&self, category: usize, rng: &mut Xoshiro256PlusPlus) -> Item {
        let seed = self.seed;
        let Assortment { first, order, ln_ratio, brand_offset, unbranded_offset, .. } =
            &self.assortments[category];
        let Category { ln_price, unbranded, brands, rare_brands, .. } = &self.categories[category];
        let rank = (1.0 + ZIPF_SHIFT) * ((unit(rng.next_u64()) * ln_ratio).exp() - 1.0);
        let rank = (rank as u64).min(order.n - 1);
        let product = first + order.map(rank);
        let jitter = hash(seed, stream::PRODUCT_ID, product) % self.id_step;
        // Evenly spread over the ranks (the three-dimensional R sequence of M. Roberts, 2018)
        // rather than independent: the few popular products then do not decide a category's prices
        // and brands.
        let spread = |factor: f64, offset: f64| (rank as f64 * factor + offset).fract();
        let unpriced =
            rank >= UNPRICED_FROM_RANK && unit(hash(seed, stream::UNPRICED, product)) < UNPRICED;
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
            product_id: (1_000_000 + product * self.id_step + jitter).cast_signed(),
            category: category as u16,
            brand,
            price,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::marketplace::Parameters;
    use crate::synth::marketplace::test_data::{each_event, parameters, share};
    use std::collections::HashMap;

    #[test]
    fn missing_categories_and_brands_are_as_frequent_as_in_the_real_shop() {
        for seed in 1..4 {
            let parameters = Parameters { seed, ..parameters(500_000) };
            let uncoded =
                share(parameters.clone(), |events, row| events.category_code[row].is_none());
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
            let seen = (
                events.price[row],
                events.category_id[row],
                events.category_code[row],
                events.brand[row],
            );
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
    fn the_most_popular_product_has_about_one_event_in_a_hundred() {
        let mut products = HashMap::new();
        each_event(parameters(500_000), |events, row| {
            *products.entry(events.product_id[row]).or_insert(0u32) += 1;
        });
        let top = f64::from(products.into_values().max().unwrap_or(0)) / 5e5;
        assert!((0.009..0.013).contains(&top), "{top}");
    }
}

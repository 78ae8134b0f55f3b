//! Exact sums of the products of all pairs of columns, in one pass over rows that need not be held.
//!
//! Each column of a tile is cut into slices of 21 bits, the highest just below its greatest value.
//! All products of two slices have an exact sum over the tile in a double, whatever its order (K.
//! Ozaki, T. Ogita, S. Oishi, S. M. Rump, "Error-free transformations of matrix multiplication by
//! using fast routines of matrix multiplication", 2012), so that they are ordinary sums of products
//! on wide registers. What does not fit the slices is added one by one. The covariance is a
//! difference of two such sums, which costs no digit, because both are exact.

use super::exact_sum::{ExactSum, exponent_above};
use super::fixed_point::Cut;
use super::moments::SLICE_BITS;
use super::simd::dispatch;
use pulp::{Simd, WithSimd};

/// Rows of a tile.
pub(super) const ROWS: usize = 1024;
/// Slices of a column at most: 84 bits from its greatest value down.
const MAX_SLICES: usize = 4;
/// Features whose pairs are computed together: their slices stay in the cache.
const GROUP: usize = 8;
/// Slices whose products are computed together, in registers.
const SIDE: usize = 4;

/// Sums over rows of n columns.
#[derive(Clone, Debug)]
pub(super) struct Gram {
    /// The sum of each column.
    pub(super) sums: Vec<ExactSum>,
    /// The products of column i with those up to i, one i after the other.
    products: Vec<ExactSum>,
    pub(super) min: Vec<f64>,
    pub(super) max: Vec<f64>,
}

/// The slices of one column of a tile.
#[derive(Default)]
struct Column {
    /// One after the other, as long as the tile.
    slices: Vec<f64>,
    n_slices: usize,
    /// All values are below 2^exponent.
    exponent: i32,
    /// What is left of the rows that do not fit the slices.
    rests: Vec<(usize, f64)>,
}

impl Gram {
    pub(super) fn new(n: usize) -> Self {
        Self {
            sums: vec![ExactSum::new(); n],
            products: vec![ExactSum::new(); n * (n + 1) / 2],
            min: vec![f64::INFINITY; n],
            max: vec![f64::NEG_INFINITY; n],
        }
    }

    /// Sums that were taken before, as [`Gram::into_products`] and the fields have them.
    pub(super) fn from_parts(
        sums: Vec<ExactSum>,
        products: Vec<ExactSum>,
        min: Vec<f64>,
        max: Vec<f64>,
    ) -> Self {
        let n = sums.len();
        assert_eq!(products.len(), n * (n + 1) / 2, "one for each pair of columns");
        Self { sums, products, min, max }
    }

    /// The products of column i with those up to i, one i after the other.
    pub(super) fn into_products(self) -> Vec<ExactSum> {
        self.products
    }

    /// The sum of the products of two columns.
    pub(super) fn product(&self, i: usize, j: usize) -> &ExactSum {
        let (i, j) = (i.max(j), i.min(j));
        &self.products[i * (i + 1) / 2 + j]
    }

    /// Adds up to [`ROWS`] rows of finite values.
    pub(super) fn add(&mut self, columns: &[&[f64]]) {
        let n_rows = columns.first().map_or(0, |column| column.len());
        let sliced: Vec<Column> = columns.iter().map(|column| Column::cut(column)).collect();
        for (feature, (column, values)) in sliced.iter().zip(columns).enumerate() {
            let (min, max) = dispatch(super::moments::Extremes(values));
            self.min[feature] = self.min[feature].min(min);
            self.max[feature] = self.max[feature].max(max);
            for slice in 0..column.n_slices {
                let own = column.slice(slice, n_rows);
                self.sums[feature].add_integer(
                    i128::from((dispatch(Sum(own)) * column.per_quantum(slice)) as i64),
                    column.quantum(slice),
                );
            }
            column.rests.iter().for_each(|(_, rest)| self.sums[feature].add(*rest));
        }
        let groups: Vec<Vec<(usize, usize)>> = (0..columns.len())
            .step_by(GROUP)
            .map(|start| {
                let features = start..columns.len().min(start + GROUP);
                features
                    .flat_map(|feature| {
                        (0..sliced[feature].n_slices).map(move |slice| (feature, slice))
                    })
                    .collect()
            })
            .collect();
        let mut dots = Vec::new();
        for (i, left) in groups.iter().enumerate() {
            for right in &groups[..=i] {
                let slice =
                    |&(feature, slice): &(usize, usize)| sliced[feature].slice(slice, n_rows);
                let left_slices: Vec<&[f64]> = left.iter().map(slice).collect();
                let right_slices: Vec<&[f64]> = right.iter().map(slice).collect();
                all_dots(&left_slices, &right_slices, left == right, &mut dots);
                self.add_dots(&sliced, left, right, &dots);
            }
        }
        self.add_rests(&sliced, columns);
    }

    /// Adds the sums of products of the slices `left` and `right`, of which `dots` holds all pairs.
    fn add_dots(
        &mut self,
        sliced: &[Column],
        left: &[(usize, usize)],
        right: &[(usize, usize)],
        dots: &[f64],
    ) {
        let lows = |slices: &[(usize, usize)]| {
            slices
                .iter()
                .map(|&(feature, slice)| sliced[feature].per_quantum(slice))
                .collect::<Vec<f64>>()
        };
        let (left_units, right_units) = (lows(left), lows(right));
        let mut row = 0;
        for of_i in left.chunk_by(|x, y| x.0 == y.0) {
            let i = of_i[0].0;
            let mut column = 0;
            for of_j in right.chunk_by(|x, y| x.0 == y.0) {
                let j = of_j[0].0;
                if j <= i {
                    // Products of the levels 2 to 4 and 5 to 8, counted from 1, in quanta of the
                    // last of each.
                    let mut parts = [0_i128; 2];
                    for a in 0..of_i.len() {
                        for b in 0..of_j.len() {
                            let dot = dots[(row + a) * right.len() + column + b];
                            let integer =
                                (dot * left_units[row + a] * right_units[column + b]) as i64;
                            let part = usize::from(a + b > 2);
                            let shift = if part == 0 { 2 } else { 6 } - (a + b) as i32;
                            parts[part] += i128::from(integer) << (SLICE_BITS * shift);
                        }
                    }
                    let sum = &mut self.products[i * (i + 1) / 2 + j];
                    let exponent = sliced[i].exponent + sliced[j].exponent;
                    sum.add_integer(parts[0], exponent - 4 * SLICE_BITS);
                    sum.add_integer(parts[1], exponent - 8 * SLICE_BITS);
                }
                column += of_j.len();
            }
            row += of_i.len();
        }
    }

    /// Adds the products that what is left of some rows takes part in.
    fn add_rests(&mut self, sliced: &[Column], columns: &[&[f64]]) {
        for (i, column) in sliced.iter().enumerate() {
            for &(row, rest) in &column.rests {
                // x_i x_j = q_i q_j + r_i x_j + q_i r_j, x being the value, q its slices and r the
                // rest.
                let part = columns[i][row] - rest;
                for (j, other) in columns.iter().enumerate() {
                    let sum = &mut self.products[i.max(j) * (i.max(j) + 1) / 2 + i.min(j)];
                    if i == j {
                        sum.add_product(rest, other[row]);
                        sum.add_product(part, rest);
                        continue;
                    }
                    let other_rest = sliced[j].rests.binary_search_by_key(&row, |(row, _)| *row);
                    match other_rest {
                        Err(_) => sum.add_product(rest, other[row]),
                        // Both have one: i, the first of them, speaks for the pair.
                        Ok(at) if i < j => {
                            let other_rest = sliced[j].rests[at].1;
                            sum.add_product(rest, other[row]);
                            sum.add_product(part, other_rest);
                        }
                        Ok(_) => {}
                    }
                }
            }
        }
    }

    /// Adds a row `times` times.
    pub(super) fn add_row(&mut self, row: &[f64], times: u64) {
        let times = times as f64;
        for (i, &x) in row.iter().enumerate() {
            self.min[i] = self.min[i].min(x);
            self.max[i] = self.max[i].max(x);
            self.sums[i].add_product(x, times);
            for (sum, &y) in self.products[i * (i + 1) / 2..].iter_mut().zip(&row[..=i]) {
                sum.add_product_times(x, y, times);
            }
        }
    }

    /// The sums of all rows that many times.
    pub(super) fn times(&self, times: u64) -> Self {
        let all = |sums: &[ExactSum]| sums.iter().map(|sum| sum.times(times)).collect();
        Self {
            sums: all(&self.sums),
            products: all(&self.products),
            min: self.min.clone(),
            max: self.max.clone(),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, other)| sum.merge(other));
        self.products.iter_mut().zip(&other.products).for_each(|(sum, other)| sum.merge(other));
        self.min.iter_mut().zip(&other.min).for_each(|(min, other)| *min = min.min(*other));
        self.max.iter_mut().zip(&other.max).for_each(|(max, other)| *max = max.max(*other));
    }
}

impl Column {
    /// Cuts finite values into as few slices as hold them.
    fn cut(values: &[f64]) -> Self {
        let (min, max) = dispatch(super::moments::Extremes(values));
        let greatest = max.abs().max(min.abs());
        let mut column = Self::default();
        if greatest == 0.0 || values.is_empty() {
            return column;
        }
        let nonzero = |values: &[f64]| -> Vec<(usize, f64)> {
            values.iter().copied().enumerate().filter(|(_, x)| *x != 0.0).collect()
        };
        // Beyond these the quanta of a product would leave the range of doubles.
        if !(1e-120..1e120).contains(&greatest) {
            column.rests = nonzero(values);
            return column;
        }
        column.exponent = exponent_above(greatest);
        // What is left stands behind the slices: a cut makes a slice of it and leaves the new rest
        // behind that.
        column.slices.reserve_exact((MAX_SLICES + 1) * values.len());
        column.slices.extend_from_slice(values);
        while column.n_slices < MAX_SLICES {
            let cut = Cut::to(column.quantum(column.n_slices));
            let start = column.n_slices * values.len();
            column.slices.resize(start + 2 * values.len(), 0.0);
            column.n_slices += 1;
            let (slice, rest) = column.slices[start..].split_at_mut(values.len());
            if !dispatch(CutAll { cut, slice, rest }) {
                return column;
            }
        }
        column.rests = nonzero(&column.slices[MAX_SLICES * values.len()..]);
        column
    }

    fn slice(&self, slice: usize, n_rows: usize) -> &[f64] {
        &self.slices[slice * n_rows..][..n_rows]
    }

    /// The exponent of the quantum of a slice.
    fn quantum(&self, slice: usize) -> i32 {
        self.exponent - SLICE_BITS * (slice as i32 + 1)
    }

    fn per_quantum(&self, slice: usize) -> f64 {
        f64::powi(2.0, -self.quantum(slice))
    }
}

/// Makes slices of the values in `slice` and writes what is left of them to `rest`; whether
/// anything is.
struct CutAll<'a> {
    /// To multiples of the slice's quantum.
    cut: Cut,
    slice: &'a mut [f64],
    rest: &'a mut [f64],
}

impl WithSimd for CutAll<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { cut, rest, slice } = self;
        let (rests, last_rests) = S::as_mut_simd_f64s(rest);
        let (slices, last_slices) = S::as_mut_simd_f64s(slice);
        let mut left = simd.splat_f64s(0.0);
        for (rest, slice) in rests.iter_mut().zip(slices) {
            let x = *slice;
            *slice = cut.multiples(simd, x);
            *rest = simd.sub_f64s(x, *slice);
            left = simd.max_f64s(left, simd.abs_f64s(*rest));
        }
        let mut is_left = simd.reduce_max_f64s(left) != 0.0;
        for (rest, slice) in last_rests.iter_mut().zip(last_slices) {
            let x = *slice;
            *slice = cut.multiple(x);
            *rest = x - *slice;
            is_left |= *rest != 0.0;
        }
        is_left
    }
}

/// The sum of a slice.
struct Sum<'a>(&'a [f64]);

impl WithSimd for Sum<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (registers, rest) = S::as_simd_f64s(self.0);
        let sum = registers.iter().fold(simd.splat_f64s(0.0), |sum, &x| simd.add_f64s(sum, x));
        simd.reduce_sum_f64s(sum) + rest.iter().sum::<f64>()
    }
}

/// Writes the sums of products of all pairs to `dots`, row by row. `is_same`: both sides are, so
/// half is enough.
fn all_dots(left: &[&[f64]], right: &[&[f64]], is_same: bool, dots: &mut Vec<f64>) {
    dots.clear();
    dots.resize(left.len() * right.len(), 0.0);
    for (i, rows) in left.chunks(SIDE).enumerate() {
        let last = if is_same { i } else { right.len() };
        for (j, columns) in right.chunks(SIDE).enumerate().take_while(|(j, _)| *j <= last) {
            let block = dispatch(Dots { left: side(rows), right: side(columns) });
            for (a, sums) in block.iter().enumerate().take(rows.len()) {
                let start = (i * SIDE + a) * right.len() + j * SIDE;
                dots[start..start + columns.len()].copy_from_slice(&sums[..columns.len()]);
            }
        }
    }
    if is_same {
        for i in 0..left.len() {
            (0..i).for_each(|j| dots[j * left.len() + i] = dots[i * left.len() + j]);
        }
    }
}

/// Slices for [`Dots`]: where there are fewer, the last one stands for others too.
fn side<'a>(slices: &[&'a [f64]]) -> [&'a [f64]; SIDE] {
    std::array::from_fn(|k| slices[k.min(slices.len() - 1)])
}

/// The sums of products of each of some slices with each of others, all of one length.
struct Dots<'a> {
    left: [&'a [f64]; SIDE],
    right: [&'a [f64]; SIDE],
}

impl WithSimd for Dots<'_> {
    type Output = [[f64; SIDE]; SIDE];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [[f64; SIDE]; SIDE] {
        let mut result = [[0.0; SIDE]; SIDE];
        let left = self.left.map(|slice| S::as_simd_f64s(slice).0);
        let right = self.right.map(|slice| S::as_simd_f64s(slice).0);
        let n = left[0].len();
        let (left, right) = (left.map(|x| &x[..n]), right.map(|x| &x[..n]));
        let mut sums = [[simd.splat_f64s(0.0); SIDE]; SIDE];
        for i in 0..n {
            let x = left.map(|x| x[i]);
            for (b, y) in right.iter().enumerate() {
                let y = y[i];
                for a in 0..SIDE {
                    sums[a][b] = simd.mul_add_e_f64s(x[a], y, sums[a][b]);
                }
            }
        }
        let done = n * S::F64_LANES;
        for a in 0..SIDE {
            for b in 0..SIDE {
                let rest = self.left[a][done..].iter().zip(&self.right[b][done..]);
                result[a][b] =
                    simd.reduce_sum_f64s(sums[a][b]) + rest.map(|(x, y)| x * y).sum::<f64>();
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::on_each;
    use super::super::test_data::{Random, columns};
    use super::*;

    fn gram(rows: &[Vec<f64>]) -> Gram {
        let mut gram = Gram::new(rows[0].len());
        for part in rows.chunks(ROWS) {
            let columns = columns(part);
            gram.add(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
        gram
    }

    #[test]
    fn products_are_exact_whatever_the_values_and_the_registers() {
        let mut random = Random::new(3);
        for case in 0..40 {
            let (n, n_rows) = (1 + random.below(19), 1 + random.below(2500));
            let rows: Vec<Vec<f64>> = (0..n_rows)
                .map(|row| {
                    let value = |feature| match (feature + case) % 7 {
                        0 => random.below(100) as f64,
                        1 => random.normal() * 1e-6 + 1e6,
                        2 => random.normal() * 10_f64.powi(-(random.below(60) as i32)),
                        3 => random.normal() * 1e-150,
                        4 => 0.0,
                        5 => 7.5,
                        _ => random.normal() + if row == 3 { 1e15 } else { 0.0 },
                    };
                    (0..n).map(value).collect()
                })
                .collect();
            let mut expected = Gram::new(n);
            rows.iter().for_each(|row| expected.add_row(row, 1));
            for gram in on_each(|| gram(&rows)) {
                for i in 0..n {
                    assert_eq!(gram.sums[i].round().to_bits(), expected.sums[i].round().to_bits());
                    assert_eq!((gram.min[i], gram.max[i]), (expected.min[i], expected.max[i]));
                    for j in 0..n {
                        let mut rest = gram.product(i, j).clone();
                        rest.subtract(expected.product(i, j));
                        assert_eq!(rest.round(), 0.0, "case {case}, columns {i} and {j}");
                    }
                }
            }
        }
    }
}

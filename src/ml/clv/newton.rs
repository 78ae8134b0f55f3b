//! Newton's method in a box: the maximum of a function of few parameters whose second derivatives
//! are known.

use nalgebra::{SMatrix, SVector};

/// A step moves no parameter farther; parameters are logarithms.
const LONGEST_STEP: f64 = 2.0;
/// What the next full step would gain at a maximum; a log-likelihood has no unit.
const NEGLIGIBLE: f64 = 1e-13;
/// Damping that a step at a maximum may need, where a parameter has no curvature.
const LIGHT: f64 = 1e-3;
/// Share of a value that its rounding may hide.
const ROUNDING: f64 = 1e-13;
/// A parameter with a greater variance is not determined: its logarithm may be anything.
const UNDETERMINED: f64 = 100.0;

/// A function at one point, with its first and second derivatives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evaluation<const N: usize> {
    pub(super) value: f64,
    pub(super) gradient: SVector<f64, N>,
    pub(super) hessian: SMatrix<f64, N, N>,
}

impl<const N: usize> Evaluation<N> {
    pub(super) fn zero() -> Self {
        Evaluation { value: 0.0, gradient: SVector::zeros(), hessian: SMatrix::zeros() }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.value += other.value;
        self.gradient += other.gradient;
        self.hessian += other.hessian;
    }
}

/// Where a function is greatest.
#[derive(Clone, Debug)]
pub(super) struct Maximum<const N: usize> {
    pub(super) at: SVector<f64, N>,
    pub(super) value: f64,
    pub(super) iterations: u32,
    pub(super) converged: bool,
    /// Which parameters neither a bound holds nor a want of curvature leaves open.
    pub(super) determined: [bool; N],
    /// The inverse of the negative second derivatives, of those that are determined.
    pub(super) covariance: SMatrix<f64, N, N>,
}

/// Climbs from `start` to a maximum of `evaluate` inside `bounds`.
///
/// Newton steps over the parameters that no bound holds; where one does not climb, or the curvature
/// is not that of a maximum, Levenberg's damping shortens it. Ends where a step gains nothing.
pub(super) fn maximize<const N: usize>(
    start: SVector<f64, N>,
    bounds: &[(f64, f64); N],
    max_iter: u32,
    evaluate: impl Fn(&SVector<f64, N>) -> Evaluation<N>,
) -> Maximum<N> {
    let inside =
        |at: SVector<f64, N>| SVector::from_fn(|i, _| at[i].clamp(bounds[i].0, bounds[i].1));
    let mut at = inside(start);
    let mut here = evaluate(&at);
    let (mut damping, mut iterations, mut converged) = (0.0, 0, false);
    while iterations < max_iter {
        iterations += 1;
        let free = free(&at, &here.gradient, bounds);
        let gradient =
            SVector::<f64, N>::from_fn(|i, _| if free[i] { here.gradient[i] } else { 0.0 });
        let Some(mut step) = solve(&curvature(&here.hessian, &free), &gradient, damping) else {
            damping = harder(damping);
            continue;
        };
        // What gains less than rounding hides cannot be seen to climb, and is the last step.
        if damping <= LIGHT && gradient.dot(&step) < NEGLIGIBLE + ROUNDING * here.value.abs() {
            at = inside(at + step);
            here = evaluate(&at);
            converged = true;
            break;
        }
        let longest = step.amax();
        if longest > LONGEST_STEP {
            step *= LONGEST_STEP / longest;
        }
        let next_at = inside(at + step);
        let next = evaluate(&next_at);
        if next.value.is_finite() && next.value >= here.value - ROUNDING * here.value.abs() {
            (at, here) = (next_at, next);
            damping = if damping < 1e-6 { 0.0 } else { damping / 16.0 };
        } else {
            damping = harder(damping);
        }
    }
    let free = free(&at, &here.gradient, bounds);
    let (determined, covariance) = covariance(&curvature(&here.hessian, &free), free);
    Maximum { at, value: here.value, iterations, converged, determined, covariance }
}

fn harder(damping: f64) -> f64 {
    (damping * 8.0).max(1e-4)
}

/// Which parameters may move: those that are not at a bound beyond which the function climbs.
fn free<const N: usize>(
    at: &SVector<f64, N>,
    gradient: &SVector<f64, N>,
    bounds: &[(f64, f64); N],
) -> [bool; N] {
    std::array::from_fn(|i| {
        let (low, high) = bounds[i];
        !(at[i] <= low && gradient[i] <= 0.0 || at[i] >= high && gradient[i] >= 0.0)
    })
}

/// The negative second derivatives of the free parameters; the others stand alone.
fn curvature<const N: usize>(hessian: &SMatrix<f64, N, N>, free: &[bool; N]) -> SMatrix<f64, N, N> {
    SMatrix::from_fn(|i, j| match i == j {
        _ if free[i] && free[j] => -hessian[(i, j)],
        true => 1.0,
        false => 0.0,
    })
}

/// The step of a damped curvature; `None` where that is not the curvature of a maximum.
fn solve<const N: usize>(
    curvature: &SMatrix<f64, N, N>,
    gradient: &SVector<f64, N>,
    damping: f64,
) -> Option<SVector<f64, N>> {
    let mut damped = *curvature;
    for i in 0..N {
        damped[(i, i)] += damping * (curvature[(i, i)].abs() + 1e-6 * curvature.amax() + 1e-300);
    }
    let step = damped.cholesky()?.solve(gradient);
    step.iter().all(|x| x.is_finite()).then_some(step)
}

/// Which parameters are determined, and their covariance: one after the other, that of the greatest
/// variance leaves until all variances are plausible.
fn covariance<const N: usize>(
    curvature: &SMatrix<f64, N, N>,
    free: [bool; N],
) -> ([bool; N], SMatrix<f64, N, N>) {
    let is_plausible = |variance: f64| (0.0..UNDETERMINED).contains(&variance);
    let mut determined = free;
    let mut kept = *curvature;
    loop {
        let inverse = kept.cholesky().map(|cholesky| cholesky.inverse());
        let worst = match &inverse {
            Some(inverse) => (0..N)
                .filter(|i| determined[*i] && !is_plausible(inverse[(*i, *i)]))
                .max_by(|i, j| inverse[(*i, *i)].total_cmp(&inverse[(*j, *j)])),
            None => (0..N)
                .filter(|i| determined[*i])
                .min_by(|i, j| kept[(*i, *i)].total_cmp(&kept[(*j, *j)])),
        };
        match (worst, inverse) {
            (None, Some(inverse)) => return (determined, inverse),
            (None, None) => return ([false; N], SMatrix::identity()),
            (Some(worst), _) => {
                determined[worst] = false;
                for i in 0..N {
                    kept[(worst, i)] = 0.0;
                    kept[(i, worst)] = 0.0;
                }
                kept[(worst, worst)] = 1.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// -(x - 1)^2 - 10 (y - x^2)^2: a curved ridge with its top at (1, 1).
    fn ridge(at: &SVector<f64, 2>) -> Evaluation<2> {
        let (x, y) = (at[0], at[1]);
        let bend = y - x * x;
        Evaluation {
            value: -(x - 1.0) * (x - 1.0) - 10.0 * bend * bend,
            gradient: SVector::from([-2.0 * (x - 1.0) + 40.0 * x * bend, -20.0 * bend]),
            hessian: SMatrix::from([
                [-2.0 + 40.0 * bend - 80.0 * x * x, 40.0 * x],
                [40.0 * x, -20.0],
            ]),
        }
    }

    #[test]
    fn a_maximum_is_found_along_a_curved_ridge() {
        let bounds = [(-5.0, 5.0); 2];
        for start in [[-1.2, 1.0], [4.0, -4.0], [0.0, 0.0]] {
            let maximum = maximize(SVector::from(start), &bounds, 100, ridge);
            assert!(maximum.converged && maximum.determined == [true; 2], "{maximum:?}");
            assert!((maximum.at - SVector::from([1.0, 1.0])).amax() < 1e-7, "{maximum:?}");
        }
        assert!(!maximize(SVector::from([-1.2, 1.0]), &bounds, 2, ridge).converged);
    }

    #[test]
    fn a_maximum_at_a_bound_leaves_its_parameter_undetermined() {
        let maximum = maximize(SVector::from([-1.0, 0.0]), &[(-5.0, 0.5), (-5.0, 5.0)], 100, ridge);
        assert!(maximum.converged && maximum.determined == [false, true], "{maximum:?}");
        assert!((maximum.at - SVector::from([0.5, 0.25])).amax() < 1e-6);
        assert!((maximum.covariance[(1, 1)] - 0.05).abs() < 1e-12);
    }

    #[test]
    fn a_direction_without_curvature_is_undetermined() {
        let valley = |at: &SVector<f64, 2>| Evaluation {
            value: -at[0] * at[0],
            gradient: SVector::from([-2.0 * at[0], 0.0]),
            hessian: SMatrix::from([[-2.0, 0.0], [0.0, 0.0]]),
        };
        let maximum = maximize(SVector::from([3.0, 2.0]), &[(-5.0, 5.0); 2], 100, valley);
        assert!(maximum.converged && maximum.determined == [true, false], "{maximum:?}");
        assert!(maximum.at[0].abs() < 1e-4 && maximum.at[1] == 2.0, "{maximum:?}");
    }
}

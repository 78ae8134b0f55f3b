//! What the machine can do at best: bytes read a second, products and sums a second.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use pulp::{Arch, Simd, WithSimd};

/// Bytes that no cache holds.
const BYTES: usize = 512 << 20;

/// Sums doubles on wide registers.
struct Read<'a>(&'a [f64]);

impl WithSimd for Read<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (registers, _) = S::as_simd_f64s(self.0);
        let mut sums = [simd.splat_f64s(0.0); 8];
        for x in registers.chunks_exact(8) {
            for i in 0..8 {
                sums[i] = simd.add_f64s(sums[i], x[i]);
            }
        }
        sums.into_iter().map(|sum| simd.reduce_sum_f64s(sum)).sum()
    }
}

/// Multiplies and adds single-precision numbers that stay in registers.
struct Multiply(usize);

impl WithSimd for Multiply {
    /// Operations, and what keeps them from being left out.
    type Output = (usize, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (usize, f32) {
        let (x, y) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(0.001)));
        let mut sums = [x; 12];
        for _ in 0..self.0 {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, x, y);
            }
        }
        let total = sums.into_iter().map(|sum| simd.reduce_sum_f32s(sum)).sum();
        (2 * 12 * S::F32_LANES * self.0, total)
    }
}

/// The best of five runs on `n_threads` threads: work a second.
fn best(n_threads: usize, work: impl Fn(usize) -> usize + Sync) -> f64 {
    let run = |_| {
        let begin = Instant::now();
        let done: usize = thread::scope(|scope| {
            let work = &work;
            let running: Vec<_> = (0..n_threads).map(|i| scope.spawn(move || work(i))).collect();
            running.into_iter().map(|thread| thread.join().expect("a thread that ends")).sum()
        });
        done as f64 / begin.elapsed().as_secs_f64()
    };
    (0..5).map(run).fold(0.0, f64::max)
}

fn main() {
    let values = vec![1.0_f64; BYTES / 8];
    println!(
        "| threads | read from memory, GB/s | products and sums in single precision, GFLOP/s \
              |"
    );
    println!("|--:|--:|--:|");
    for n_threads in [1, thread::available_parallelism().map_or(2, usize::from)] {
        let part = values.len() / n_threads;
        let read = best(n_threads, |i| {
            black_box(Arch::new().dispatch(Read(&values[i * part..(i + 1) * part])));
            8 * part
        });
        let multiply = best(n_threads, |_| {
            let (operations, total) = Arch::new().dispatch(Multiply(10_000_000));
            black_box(total);
            operations
        });
        println!("| {n_threads} | {:.1} | {:.0} |", read / 1e9, multiply / 1e9);
    }
}

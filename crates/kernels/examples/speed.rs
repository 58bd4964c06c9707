//! Times each kernel at the sizes of `emoji-32`, and the core's limit: `cargo run --release -p moa-kernels --example speed`.

use std::time::Instant;

use moa_kernels::{
    AttentionShape, Convolution, GroupNorm, Left, Map, Packed, Right, Start, Workspace, attention, geglu, gemm,
};

/// Prints the best of several runs, and what it means in multiply-adds a nanosecond.
fn time(name: &str, products: usize, mut work: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..5 {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() / 5.0);
    }
    println!("{name:<40} {:>9.1} µs {:>7.1} multiply-adds/ns", best * 1e6, products as f64 / best / 1e9);
}

/// The core's limit: multiply-adds on registers alone, in chains that do not wait for each other.
#[cfg(target_arch = "x86_64")]
mod limit {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};
    use std::hint::black_box;

    const ROUNDS: usize = 100_000;

    macro_rules! chains {
        ($name:ident, $features:literal, $count:literal, $set:ident, $fma:ident) => {
            #[target_feature(enable = $features)]
            fn $name() {
                let (factor, mut sums) = ($set(black_box(0.5)), [$set(black_box(1.0)); $count]);
                for _ in 0..ROUNDS {
                    for sum in &mut sums {
                        *sum = $fma(*sum, factor, factor);
                    }
                }
                black_box(sums);
            }
        };
    }

    chains!(wide, "avx512f", 24, _mm512_set1_ps, _mm512_fmadd_ps);
    chains!(narrow, "avx2,fma", 12, _mm256_set1_ps, _mm256_fmadd_ps);

    /// Returns the multiply-adds of a call, and the call; nothing on processors without FMA.
    pub(super) fn work() -> Option<(usize, fn())> {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the feature.
            #[expect(unsafe_code, reason = "calls code for instructions that were found at run time")]
            return Some((ROUNDS * 24 * 16, || unsafe { wide() }));
        }
        let known = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        // SAFETY: the processor has the features.
        #[expect(unsafe_code, reason = "calls code for instructions that were found at run time")]
        known.then_some((ROUNDS * 12 * 8, || unsafe { narrow() }))
    }
}

fn main() {
    #[cfg(target_arch = "x86_64")]
    if let Some((products, work)) = limit::work() {
        time("the core's limit, on registers", products, work);
    }
    let values = |count: usize| (0..count).map(|i| (i * 7919 % 2003) as f32 / 1001.5 - 1.0).collect::<Vec<f32>>();
    let mut workspace = Workspace::default();
    for [m, n, k] in [[512, 96, 96], [512, 768, 96], [512, 96, 384], [64, 48, 48], [40, 96, 192]] {
        let (a, b, mut c) = (values(m * k), Packed::new(k, n, &values(k * n), n, 1), vec![0.0; m * n]);
        time(&format!("product {m}×{n}×{k}"), m * n * k, || {
            gemm([m, n, k], Left::rows(&a, k), Right::Packed(&b), &mut c, n, Start::Zero);
        });
    }
    for (size, d_in, d_out) in [(16, 48, 48), (8, 96, 96), (16, 96, 96), (16, 144, 48), (8, 192, 96)] {
        let map = Map { rows: 8, height: size, width: size };
        let convolution = Convolution::new([d_in, d_out], 3, 1, values(d_in * d_out * 9), values(d_out));
        let (x, mut out) = (values(map.positions() * d_in), vec![0.0; map.positions() * d_out]);
        let products = map.positions() * d_in * d_out * 9;
        time(&format!("convolution {size}×{size} {d_in}→{d_out}, 8 rows"), products, || {
            convolution.forward(map, &x, convolution.bias(), false, &mut out, &mut workspace);
        });
    }
    for (size, channels) in [(16, 48), (8, 96)] {
        let norm = GroupNorm::new(8, 1e-5, values(channels), values(channels), true);
        let x = values(8 * size * size * channels);
        let mut out = x.clone();
        time(&format!("group norm and SiLU {size}×{size}×{channels}, 8 rows"), 0, || norm.forward(8, &x, &mut out));
        let mut gradient = x.clone();
        time(&format!("its gradient {size}×{size}×{channels}, 8 rows"), 0, || norm.backward(8, &x, &mut gradient));
    }
    let (x, mut out) = (values(512 * 768), vec![0.0; 512 * 384]);
    time("geglu 512×384", 0, || geglu(384, &x, &mut out));
    let shape = AttentionShape { queries: 64, keys: 64, heads: 4, width: 24 };
    let (x, mut weights, mut out) = (values(64 * 96), vec![0.0; shape.weights()], vec![0.0; 64 * 96]);
    time("attention 64×64, 4 heads of 24", 64 * 64 * 96 * 2, || attention(shape, &x, &x, &x, &mut weights, &mut out));
}

//! Matrix products on one thread.
//!
//! Inner loops hold a tile of the result in registers and walk the inner dimension once: for the widths of a small U-Net
//! (inner dimensions of a few hundred) neither operand needs more blocking than that, and weights are packed once. Every
//! element is one chain of fused multiply-adds in the order of the inner dimension, whatever the tile and the processor.

/// Columns of a panel of the right operand.
const PANEL: usize = 48;
/// Columns to which the last panel is padded.
const STEP: usize = 16;
/// Most rows of a tile.
const ROWS: usize = 8;

/// The left operand: element (i, p) is `data[i·row + p·column]`.
#[derive(Clone, Copy, Debug)]
pub struct Left<'a> {
    /// The values.
    pub data: &'a [f32],
    /// Distance of rows.
    pub row: usize,
    /// Distance of columns.
    pub column: usize,
}

impl<'a> Left<'a> {
    /// Returns a row-major operand.
    pub fn rows(data: &'a [f32], stride: usize) -> Self {
        Self { data, row: stride, column: 1 }
    }

    /// Returns the transpose of a row-major operand.
    pub fn transposed(data: &'a [f32], stride: usize) -> Self {
        Self { data, row: 1, column: stride }
    }
}

/// A right operand `[k, n]` in panels of columns, the last one padded with zeros.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    k: usize,
    n: usize,
    data: Vec<f32>,
}

impl Packed {
    /// Packs `[k, n]`, element (p, j) at `data[p·row + j·column]`.
    pub fn new(k: usize, n: usize, data: &[f32], row: usize, column: usize) -> Self {
        let mut packed = Self::default();
        packed.fill(k, n, data, row, column);
        packed
    }

    /// Packs into the memory of what was packed before; see [`Packed::new`].
    pub fn fill(&mut self, k: usize, n: usize, data: &[f32], row: usize, column: usize) {
        (self.k, self.n) = (k, n);
        self.data.clear();
        self.data.resize(k * n.next_multiple_of(STEP), 0.0);
        for (first, width) in panels(n) {
            let panel = &mut self.data[k * first..][..k * width];
            let count = width.min(n - first);
            for (p, out) in panel.chunks_exact_mut(width).enumerate() {
                let from = p * row + first * column;
                if column == 1 {
                    out[..count].copy_from_slice(&data[from..][..count]);
                } else {
                    let values = data[from..].iter().step_by(column);
                    out[..count].iter_mut().zip(values).for_each(|(out, value)| *out = *value);
                }
            }
        }
    }

    /// Returns the inner dimension and the number of columns.
    pub fn dims(&self) -> [usize; 2] {
        [self.k, self.n]
    }
}

/// Returns each panel's first column and padded width.
fn panels(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).step_by(PANEL).map(move |first| (first, (n - first).next_multiple_of(STEP).min(PANEL)))
}

/// The right operand.
#[derive(Clone, Copy, Debug)]
pub enum Right<'a> {
    /// Packed before.
    Packed(&'a Packed),
    /// As it lies: row-major `[k, n]` with this distance of rows; `n` is a multiple of 16.
    Rows(&'a [f32], usize),
}

/// What the product is added to.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Nothing.
    Zero,
    /// The same values for every row, `[n]`.
    Bias(&'a [f32]),
    /// What the result holds.
    Result,
}

/// Computes `c = start + a·b` for `m` rows, `n` columns and inner dimension `k`; rows of `c` are `stride` apart.
///
/// # Panics
/// When an operand is too short for its shape.
pub fn gemm([m, n, k]: [usize; 3], a: Left<'_>, b: Right<'_>, c: &mut [f32], stride: usize, start: Start<'_>) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(k == 0 || a.data.len() > (m - 1) * a.row + (k - 1) * a.column, "the left operand is too short");
    assert!(c.len() >= (m - 1) * stride + n && n <= stride, "the result is too short");
    match b {
        Right::Packed(packed) => assert!(packed.k == k && packed.n == n, "the right operand has another shape"),
        Right::Rows(data, row) => {
            assert!(n.is_multiple_of(STEP) && n <= row, "the right operand must be packed");
            assert!(k == 0 || data.len() >= (k - 1) * row + n, "the right operand is too short");
        }
    }
    for (first, width) in panels(n) {
        let (panel, distance) = match b {
            Right::Packed(packed) => (&packed.data[k * first..][..k * width], width),
            Right::Rows(data, row) => (&data[first.min(data.len())..], row),
        };
        let count = width.min(n - first);
        let mut bias = [0.0; PANEL];
        if let Start::Bias(values) = start {
            bias[..count].copy_from_slice(&values[first..][..count]);
        }
        let adds = matches!(start, Start::Result);
        let mut i = 0;
        while i < m {
            let rows = ROWS.min(m - i);
            let left = Left { data: if k == 0 { a.data } else { &a.data[i * a.row..] }, ..a };
            let out = &mut c[i * stride + first..];
            if count == width {
                tile(rows, width, k, left, panel, distance, (!adds).then_some(&bias), out, stride);
            } else {
                let mut part = [0.0; ROWS * PANEL];
                for (row, out) in part.chunks_exact_mut(PANEL).zip(out.chunks(stride)).take(rows) {
                    let from = if adds { &out[..count] } else { &bias[..count] };
                    row[..count].copy_from_slice(from);
                }
                tile(rows, width, k, left, panel, distance, None, &mut part, PANEL);
                for (row, out) in part.chunks_exact(PANEL).zip(out.chunks_mut(stride)).take(rows) {
                    out[..count].copy_from_slice(&row[..count]);
                }
            }
            i += rows;
        }
    }
}

/// Computes one tile of at most [`ROWS`] rows and `width` columns, from `bias` or from what it holds.
#[expect(clippy::too_many_arguments, reason = "a tile has two operands, a result, and their strides")]
fn tile(
    rows: usize,
    width: usize,
    k: usize,
    a: Left<'_>,
    b: &[f32],
    distance: usize,
    bias: Option<&[f32; PANEL]>,
    c: &mut [f32],
    stride: usize,
) {
    debug_assert!((1..=ROWS).contains(&rows) && width.is_multiple_of(STEP) && (STEP..=PANEL).contains(&width));
    assert!(c.len() >= (rows - 1) * stride + width, "the tile lies in the result");
    assert!(k == 0 || b.len() >= (k - 1) * distance + width, "the tile's columns lie in the right operand");
    assert!(
        k == 0 || a.data.len() > (rows - 1) * a.row + (k - 1) * a.column,
        "the tile's rows lie in the left operand"
    );
    #[cfg(target_arch = "x86_64")]
    {
        use crate::simd::{Level, level};
        let operands = x86::Operands { k, a, b, distance, bias, c, stride };
        match level() {
            Level::Avx512 => x86::avx512(rows, width, operands),
            Level::Avx2 => x86::avx2(rows, width, operands),
            Level::Portable => portable(rows, width, k, a, b, distance, bias, operands.c, stride),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    portable(rows, width, k, a, b, distance, bias, c, stride);
}

#[expect(clippy::too_many_arguments, reason = "a tile has two operands, a result, and their strides")]
fn portable(
    rows: usize,
    width: usize,
    k: usize,
    a: Left<'_>,
    b: &[f32],
    distance: usize,
    bias: Option<&[f32; PANEL]>,
    c: &mut [f32],
    stride: usize,
) {
    for i in 0..rows {
        let c = &mut c[i * stride..][..width];
        for first in (0..width).step_by(STEP) {
            let c = &mut c[first..][..STEP];
            let mut sums = [0.0; STEP];
            sums.copy_from_slice(bias.map_or(&*c, |bias| &bias[first..][..STEP]));
            for p in 0..k {
                let (x, b) = (a.data[i * a.row + p * a.column], &b[p * distance + first..][..STEP]);
                sums.iter_mut().zip(b).for_each(|(sum, b)| *sum = x.mul_add(*b, *sum));
            }
            c.copy_from_slice(&sums);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector loads and stores, within bounds that `tile` has checked")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps, _mm512_fmadd_ps,
        _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
    };

    use super::{Left, PANEL};

    /// A tile's operands; `tile` has checked that all elements lie within the slices.
    pub(super) struct Operands<'a> {
        pub(super) k: usize,
        pub(super) a: Left<'a>,
        pub(super) b: &'a [f32],
        pub(super) distance: usize,
        pub(super) bias: Option<&'a [f32; PANEL]>,
        pub(super) c: &'a mut [f32],
        pub(super) stride: usize,
    }

    macro_rules! kernel {
        ($name:ident, $features:literal, $vector:ty, $lanes:literal, $set:ident, $load:ident, $store:ident, $fma:ident) => {
            /// Computes `R` rows from row `from` and `V` vectors of columns from column `first`.
            ///
            /// # Safety
            /// The processor has the features, and the tile's elements lie within the operands' slices.
            #[target_feature(enable = $features)]
            unsafe fn $name<const R: usize, const V: usize>(o: &mut Operands<'_>, from: usize, first: usize) {
                // SAFETY: the caller has checked that rows `from..from + R` and columns `first..first + V·lanes` lie within
                // the operands, for every inner index below `k`; `bias` has `PANEL` columns.
                unsafe {
                    let a = o.a.data.as_ptr().wrapping_add(from * o.a.row);
                    let b = o.b.as_ptr().wrapping_add(first);
                    let c = o.c.as_mut_ptr().add(from * o.stride + first);
                    let mut sums = [[$set(0.0); V]; R];
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let start = o.bias.map_or(c.cast_const().add(i * o.stride), |bias| bias.as_ptr().add(first));
                        for (v, sum) in sums.iter_mut().enumerate() {
                            *sum = $load(start.add(v * $lanes));
                        }
                    }
                    for p in 0..o.k {
                        let mut columns: [$vector; V] = [$set(0.0); V];
                        for (v, column) in columns.iter_mut().enumerate() {
                            *column = $load(b.add(p * o.distance + v * $lanes));
                        }
                        for (i, sums) in sums.iter_mut().enumerate() {
                            let x = $set(*a.add(i * o.a.row + p * o.a.column));
                            for (sum, column) in sums.iter_mut().zip(&columns) {
                                *sum = $fma(x, *column, *sum);
                            }
                        }
                    }
                    for (i, sums) in sums.iter().enumerate() {
                        for (v, sum) in sums.iter().enumerate() {
                            $store(c.add(i * o.stride + v * $lanes), *sum);
                        }
                    }
                }
            }
        };
    }

    kernel!(wide, "avx512f", __m512, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps);
    kernel!(narrow, "avx2,fma", __m256, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps);

    /// Computes a tile of 1 to 8 rows and 16, 32 or 48 columns.
    pub(super) fn avx512(rows: usize, width: usize, mut o: Operands<'_>) {
        macro_rules! call {
            ($($rows:literal)*) => {
                match (rows, width) {
                    $(
                        ($rows, 48) => wide::<$rows, 3>(&mut o, 0, 0),
                        ($rows, 32) => wide::<$rows, 2>(&mut o, 0, 0),
                        ($rows, 16) => wide::<$rows, 1>(&mut o, 0, 0),
                    )*
                    _ => unreachable!("tiles have 1 to 8 rows and 16, 32 or 48 columns"),
                }
            };
        }
        // SAFETY: this level was found, and `tile` has checked the bounds.
        unsafe { call!(1 2 3 4 5 6 7 8) }
    }

    /// Computes a tile of 1 to 8 rows and 16, 32 or 48 columns, in parts that fit sixteen registers.
    pub(super) fn avx2(rows: usize, width: usize, mut o: Operands<'_>) {
        let mut from = 0;
        while from < rows {
            let some = (rows - from).min(4);
            let mut first = 0;
            while first < width {
                let vectors = if width == PANEL { 3 } else { 2 };
                macro_rules! call {
                    ($($rows:literal)*) => {
                        match (some, vectors) {
                            $(
                                ($rows, 3) => narrow::<$rows, 3>(&mut o, from, first),
                                ($rows, 2) => narrow::<$rows, 2>(&mut o, from, first),
                            )*
                            _ => unreachable!("parts have 1 to 4 rows and 2 or 3 vectors"),
                        }
                    };
                }
                // SAFETY: this level was found, and `tile` has checked the bounds.
                unsafe { call!(1 2 3 4) }
                first += 8 * vectors;
            }
            from += some;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn products_are_right_for_every_shape_of_tile() {
        for (m, n, k) in [(1, 1, 1), (7, 8, 5), (8, 48, 16), (9, 12, 48), (19, 100, 33), (4, 96, 432), (3, 40, 0)] {
            let (a, b, bias) = (values(m * k, 1), values(k * n, 2), values(n, 3));
            let wanted =
                |i: usize, j: usize| (0..k).map(|p| f64::from(a[i * k + p]) * f64::from(b[p * n + j])).sum::<f64>();
            let transposed: Vec<f32> = (0..k * m).map(|at| a[at % m * k + at / m]).collect();
            let columns: Vec<f32> = (0..k * n).map(|at| b[at % k.max(1) * n + at / k.max(1)]).collect();
            let packed = [Packed::new(k, n, &b, n, 1), Packed::new(k, n, &columns, 1, k)];
            let mut rights: Vec<Right<'_>> = packed.iter().map(Right::Packed).collect();
            if n % 16 == 0 {
                rights.push(Right::Rows(&b, n));
            }
            for right in rights {
                for left in [Left::rows(&a, k), Left::transposed(&transposed, m)] {
                    let stride = n + 3;
                    let mut c = vec![7.0; m * stride];
                    gemm([m, n, k], left, right, &mut c, stride, Start::Bias(&bias));
                    gemm([m, n, k], left, right, &mut c, stride, Start::Result);
                    for i in 0..m {
                        for j in 0..n {
                            let wanted = 2.0 * wanted(i, j) + f64::from(bias[j]);
                            assert!((f64::from(c[i * stride + j]) - wanted).abs() < 1e-4, "{m}×{n}×{k} at {i}, {j}");
                        }
                        let beyond = &c[i * stride + n..][..3];
                        assert!(beyond.iter().all(|x| (*x - 7.0).abs() < 1e-9), "nothing is written beyond a row");
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_in_any_batch() {
        let (m, n, k) = (13, 60, 70);
        let (a, b) = (values(m * k, 4), Packed::new(k, n, &values(k * n, 5), n, 1));
        let mut all = vec![0.0; m * n];
        gemm([m, n, k], Left::rows(&a, k), Right::Packed(&b), &mut all, n, Start::Zero);
        for i in 0..m {
            let mut one = vec![0.0; n];
            gemm([1, n, k], Left::rows(&a[i * k..], k), Right::Packed(&b), &mut one, n, Start::Zero);
            assert_eq!(one, all[i * n..][..n]);
        }
    }
}

//! What is added to one weight or bias: of each kind its ΔW and that one's norm.

use std::fmt;

use rayon::prelude::*;

use super::ContentsError;
use super::tensor::Stored;

/// The most values that a layer's weight may have: eight times the largest of the models that adapters are made for.
pub(super) const MOST: u64 = 1 << 29;

/// A matrix as a product: `left · right`, or with a core in the middle, as Tucker's decomposition has it:
///
/// `W[o, i, …] = Σ left[o, m] · core[m, n, …] · right[n, i]`
#[derive(Clone, Debug, PartialEq)]
pub struct Product<'a> {
    /// `[out, r]`, or `[r, out]` where LyCORIS stores it beside a core.
    pub left: Stored<'a>,
    /// Whether `left` is stored as `[r, out]`.
    pub left_is_transposed: bool,
    /// `[r, in, …]`.
    pub right: Stored<'a>,
    /// `[r, r, …]`.
    pub core: Option<Stored<'a>>,
}

/// One side of a Kronecker product.
#[derive(Clone, Debug, PartialEq)]
pub enum Side<'a> {
    /// A matrix as it is: `[rows, columns, …]`.
    Whole(Stored<'a>),
    /// A matrix as a product.
    Product(Product<'a>),
}

/// How a part is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Form<'a> {
    /// LoRA, and LoCon on convolutions: `up · down`. <https://arxiv.org/abs/2106.09685>
    LowRank(Product<'a>),
    /// LoHa: `(w1a · w1b) ∘ (w2a · w2b)`. <https://arxiv.org/abs/2108.06098>
    Hadamard(Product<'a>, Product<'a>),
    /// LoKr: `w1 ⊗ w2`. <https://arxiv.org/abs/2212.10650>
    Kronecker(Side<'a>, Side<'a>),
    /// The difference itself.
    Difference(Stored<'a>),
}

/// What a part is added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The layer's weight.
    Weight,
    /// Its bias.
    Bias,
    /// A norm's weight.
    NormWeight,
    /// A norm's bias.
    NormBias,
}

/// What is added to a weight or a bias of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<'a> {
    /// What it is added to.
    pub target: Target,
    /// How it is stored.
    pub form: Form<'a>,
    /// The rank; none of differences, and of Kronecker products of two whole matrices.
    pub rank: Option<usize>,
    /// LoRA's α, where one applies.
    pub alpha: Option<f32>,
    /// What the product is multiplied by: `α/r`, with rsLoRA `α/√r`; 1 for differences.
    pub scale: f32,
}

/// The kind of a part, for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Low-rank on a linear layer.
    Linear,
    /// Low-rank on a convolution with this kernel.
    Convolution(Vec<usize>),
    /// The same, with a core.
    Tucker(Vec<usize>),
    /// A Hadamard product.
    LoHa,
    /// A Kronecker product.
    LoKr,
    /// A full difference of a weight.
    Difference,
    /// A difference of a bias.
    Bias,
    /// A difference of a norm's weight or bias.
    Norm,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |kernel: &[usize]| kernel.iter().map(ToString::to_string).collect::<Vec<_>>().join("×");
        match self {
            Self::Linear => f.write_str("linear"),
            Self::Convolution(kernel) => write!(f, "convolution {}", times(kernel)),
            Self::Tucker(kernel) => write!(f, "convolution {} with core", times(kernel)),
            Self::LoHa => f.write_str("LoHa"),
            Self::LoKr => f.write_str("LoKr"),
            Self::Difference => f.write_str("full difference"),
            Self::Bias => f.write_str("bias"),
            Self::Norm => f.write_str("norm"),
        }
    }
}

/// A difference on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Delta {
    /// The shape as far as the file tells it, `[out, in, …]`: of LoHa and LoKr on convolutions without a core the kernel may be folded
    /// into the inputs, `[out, in · kernel]`. Values are in the same order in both cases.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Vec<f32>,
}

impl Part<'_> {
    /// Returns the kind.
    pub fn kind(&self) -> Kind {
        match (self.target, &self.form) {
            (Target::Bias, _) => Kind::Bias,
            (Target::NormWeight | Target::NormBias, _) => Kind::Norm,
            (Target::Weight, Form::LowRank(product)) => match (&product.core, &product.right.shape()[2..]) {
                (Some(core), _) => Kind::Tucker(core.shape()[2..].to_vec()),
                (None, []) => Kind::Linear,
                (None, kernel) => Kind::Convolution(kernel.to_vec()),
            },
            (Target::Weight, Form::Hadamard(..)) => Kind::LoHa,
            (Target::Weight, Form::Kronecker(..)) => Kind::LoKr,
            (Target::Weight, Form::Difference(_)) => Kind::Difference,
        }
    }

    /// Returns the tensors that the part is stored in.
    pub fn tensors(&self) -> Vec<&Stored<'_>> {
        match &self.form {
            Form::LowRank(product) => product.tensors(),
            Form::Hadamard(one, two) => [one.tensors(), two.tensors()].concat(),
            Form::Kronecker(one, two) => [one.tensors(), two.tensors()].concat(),
            Form::Difference(stored) => vec![stored],
        }
    }

    /// Returns the shape of what is added; see [`Delta::shape`].
    pub fn shape(&self) -> Vec<usize> {
        match &self.form {
            Form::LowRank(product) | Form::Hadamard(product, _) => product.shape(),
            Form::Kronecker(one, two) => kronecker_shape(&one.shape(), &two.shape()),
            Form::Difference(stored) => stored.shape().to_vec(),
        }
    }

    /// Returns what is added, scale included.
    pub fn delta(&self) -> Delta {
        let shape = self.shape();
        let mut values = match &self.form {
            Form::LowRank(product) => product.values(),
            Form::Hadamard(one, two) => {
                let mut values = one.values();
                values.par_iter_mut().zip(two.values()).for_each(|(value, other)| *value *= other);
                values
            }
            Form::Kronecker(one, two) => kronecker(one, two),
            Form::Difference(stored) => stored.values(),
        };
        if self.scale.to_bits() != 1f32.to_bits() {
            values.par_iter_mut().for_each(|value| *value *= self.scale);
        }
        Delta { shape, values }
    }

    /// Returns the Frobenius norm of what is added. Products of low rank and of Kronecker are not multiplied out:
    /// `‖BA‖² = Σ (BᵀB) ∘ (AAᵀ)`, `‖V ⊗ W‖ = ‖V‖ · ‖W‖`.
    pub fn norm(&self) -> f64 {
        f64::from(self.scale).abs()
            * match &self.form {
                Form::LowRank(product) => product.norm(),
                Form::Kronecker(one, two) => one.norm() * two.norm(),
                Form::Difference(stored) => norm(&stored.values()),
                Form::Hadamard(one, two) => {
                    let products = one.values().into_par_iter().zip(two.values());
                    products.map(|(one, other)| (f64::from(one) * f64::from(other)).powi(2)).sum::<f64>().sqrt()
                }
            }
    }
}

impl Product<'_> {
    fn tensors(&self) -> Vec<&Stored<'_>> {
        [Some(&self.left), self.core.as_ref(), Some(&self.right)].into_iter().flatten().collect()
    }

    /// Returns the rank: the width of `right`, which is that of `left`, too, unless a core is between them.
    pub fn rank(&self) -> usize {
        self.right.shape()[0]
    }

    pub(super) fn rank_of_left(&self) -> usize {
        self.left.shape()[usize::from(!self.left_is_transposed)]
    }

    pub(super) fn shape(&self) -> Vec<usize> {
        let out = self.left.shape()[usize::from(self.left_is_transposed)];
        let kernel = self.core.as_ref().map_or(&self.right.shape()[2..], |core| &core.shape()[2..]);
        [&[out, self.right.shape()[1]], kernel].concat()
    }

    /// Returns `left` as `[out, r]`.
    pub(super) fn left_values(&self) -> Vec<f32> {
        let values = self.left.values();
        if !self.left_is_transposed {
            return values;
        }
        let (rank, out) = (self.left.shape()[0], self.left.shape()[1]);
        (0..out).flat_map(|o| (0..rank).map(move |r| (o, r))).map(|(o, r)| values[r * out + o]).collect()
    }

    /// Returns what `left` is multiplied by, `[r, in · kernel]`, and its number of columns.
    pub(super) fn right_values(&self) -> (Vec<f32>, usize) {
        let right = self.right.values();
        let (rank, inputs) = (self.right.shape()[0], self.right.shape()[1]);
        let Some(core) = &self.core else {
            let columns = right.len().checked_div(rank).unwrap_or(0);
            return (right, columns);
        };
        let kernel: usize = core.shape()[2..].iter().product();
        let core = core.values();
        // [m, i, k] = Σₙ core[m, n, k] · right[n, i]
        let rows = self.rank_of_left();
        let mut values = vec![0.0; rows * inputs * kernel];
        values.par_chunks_mut((inputs * kernel).max(1)).enumerate().for_each(|(m, row)| {
            for n in 0..rank {
                let core = &core[(m * rank + n) * kernel..][..kernel];
                for (i, factor) in right[n * inputs..][..inputs].iter().enumerate() {
                    for (value, core) in row[i * kernel..][..kernel].iter_mut().zip(core) {
                        *value += core * factor;
                    }
                }
            }
        });
        (values, inputs * kernel)
    }

    /// Returns the product, row-major.
    fn values(&self) -> Vec<f32> {
        let (left, rank) = (self.left_values(), self.rank_of_left());
        let (right, columns) = self.right_values();
        let out = left.len().checked_div(rank).unwrap_or(0);
        let mut values = vec![0.0; out * columns];
        values.par_chunks_mut(columns.max(1)).enumerate().for_each(|(o, row)| {
            for (r, factor) in left[o * rank..][..rank].iter().enumerate() {
                for (value, right) in row.iter_mut().zip(&right[r * columns..][..columns]) {
                    *value += factor * right;
                }
            }
        });
        values
    }

    fn norm(&self) -> f64 {
        let rank = self.rank_of_left();
        let (right, columns) = self.right_values();
        let left = if self.left_is_transposed {
            self.left.values()
        } else {
            let (out, values) = (self.left.shape()[0], self.left.values());
            (0..rank).flat_map(|r| (0..out).map(move |o| (o, r))).map(|(o, r)| values[o * rank + r]).collect()
        };
        let out = left.len().checked_div(rank).unwrap_or(0);
        if rank > out.min(columns) {
            return norm(&self.values());
        }
        let row = |r: usize| {
            let with = |s: usize| {
                let (one, other) = (&left[r * out..][..out], &left[s * out..][..out]);
                let (down, next) = (&right[r * columns..][..columns], &right[s * columns..][..columns]);
                dot(one, other) * dot(down, next) * if r == s { 1.0 } else { 2.0 }
            };
            (r..rank).map(with).sum::<f64>()
        };
        (0..rank).into_par_iter().map(row).sum::<f64>().max(0.0).sqrt()
    }
}

impl Side<'_> {
    fn tensors(&self) -> Vec<&Stored<'_>> {
        match self {
            Self::Whole(stored) => vec![stored],
            Self::Product(product) => product.tensors(),
        }
    }

    pub(super) fn shape(&self) -> Vec<usize> {
        match self {
            Self::Whole(stored) => stored.shape().to_vec(),
            Self::Product(product) => product.shape(),
        }
    }

    /// Returns the rank, if the side is a product.
    pub fn rank(&self) -> Option<usize> {
        match self {
            Self::Whole(_) => None,
            Self::Product(product) => Some(product.rank()),
        }
    }

    fn values(&self) -> Vec<f32> {
        match self {
            Self::Whole(stored) => stored.values(),
            Self::Product(product) => product.values(),
        }
    }

    fn norm(&self) -> f64 {
        match self {
            Self::Whole(stored) => norm(&stored.values()),
            Self::Product(product) => product.norm(),
        }
    }
}

/// Returns the shape of a Kronecker product, in which only the second side may have a kernel.
fn kronecker_shape(one: &[usize], two: &[usize]) -> Vec<usize> {
    let products = one.iter().zip(two).map(|(one, two)| one.saturating_mul(*two));
    products.chain(two.iter().skip(one.len()).copied()).collect()
}

/// Returns `w1 ⊗ w2`: `[a·b, c·d, …]` from `[a, c]` and `[b, d, …]`.
fn kronecker(one: &Side<'_>, two: &Side<'_>) -> Vec<f32> {
    let (shape, small, large) = (one.shape(), one.values(), two.values());
    let (rows, columns) = (two.shape()[0], shape[1]);
    let width = large.len().checked_div(rows).unwrap_or(0);
    let mut values = vec![0.0; small.len() * large.len()];
    values.par_chunks_mut((columns * width).max(1)).enumerate().for_each(|(row, values)| {
        let (above, within) = (row / rows, row % rows);
        let large = &large[within * width..][..width];
        for (values, factor) in values.chunks_exact_mut(width.max(1)).zip(&small[above * columns..][..columns]) {
            for (value, large) in values.iter_mut().zip(large) {
                *value = factor * large;
            }
        }
    });
    values
}

/// Returns the sum of products, in double precision over blocks that are summed in single precision.
fn dot(one: &[f32], other: &[f32]) -> f64 {
    /// As many sums side by side as let the compiler use vectors.
    const LANES: usize = 16;
    const BLOCK: usize = 256;
    let mut total = 0.0;
    for (one, other) in one.chunks(BLOCK).zip(other.chunks(BLOCK)) {
        let mut sums = [0f32; LANES];
        let (ones, others) = (one.chunks_exact(LANES), other.chunks_exact(LANES));
        let rest: f32 = ones.remainder().iter().zip(others.remainder()).map(|(x, y)| x * y).sum();
        for (xs, ys) in ones.zip(others) {
            for ((sum, x), y) in sums.iter_mut().zip(xs).zip(ys) {
                *sum += x * y;
            }
        }
        total += f64::from(rest) + sums.iter().map(|sum| f64::from(*sum)).sum::<f64>();
    }
    total
}

fn norm(values: &[f32]) -> f64 {
    values.par_iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

/// Returns the number of values of a shape, without overflow.
pub(super) fn size(shape: &[usize]) -> u128 {
    shape.iter().fold(1u128, |size, width| size.saturating_mul(*width as u128))
}

impl Delta {
    /// Adds another difference of as many values.
    ///
    /// # Errors
    /// Names the layer where the sizes differ.
    pub(super) fn add(&mut self, other: &Self, layer: &str) -> Result<(), ContentsError> {
        if self.values.len() != other.values.len() {
            return Err(ContentsError::Shape {
                layer: layer.to_owned(),
                problem: format!("its parts have shapes {:?} and {:?}", self.shape, other.shape),
            });
        }
        if other.shape.len() > self.shape.len() {
            self.shape.clone_from(&other.shape);
        }
        self.values.iter_mut().zip(&other.values).for_each(|(value, other)| *value += other);
        Ok(())
    }
}

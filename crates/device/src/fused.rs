//! Operations that LibTorch has kernels of its own for, and burn composes elsewhere. Sums and statistics are f32 in all of them, whatever
//! the type of what comes in.

use burn::tensor::activation;
use burn::tensor::module::layer_norm;
use burn::tensor::{FloatDType, Tensor};

/// Returns a tensor in another type of number; as it is where it has that type.
pub fn as_type<const D: usize>(x: Tensor<D>, wanted: FloatDType) -> Tensor<D> {
    if x.dtype() == wanted.into() { x } else { x.cast(wanted) }
}

/// Returns whether an operation's inputs are LibTorch's, and no gradient of burn's is wanted.
#[cfg(feature = "libtorch")]
fn is_plain<const D: usize>(x: &Tensor<D>) -> bool {
    !x.is_autodiff() && crate::is_libtorch(&x.device())
}

/// Returns the sum of what is kept and what is added to it: neither is written over where LibTorch may have recorded it (see
/// [`Tape`](crate::Tape)).
pub fn add<const D: usize>(kept: Tensor<D>, added: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "libtorch")]
    if is_plain(&kept) && !added.is_autodiff() {
        return crate::libtorch::add(kept, added);
    }
    kept + added
}

/// Returns x · (1 + scale) + shift; what comes in is not written over, as in [`add`].
pub fn modulate(x: Tensor<3>, scale: Tensor<3>, shift: Tensor<3>) -> Tensor<3> {
    #[cfg(feature = "libtorch")]
    if is_plain(&x) && !scale.is_autodiff() && !shift.is_autodiff() {
        return crate::libtorch::modulate(x, scale, shift);
    }
    x * (scale + 1.0) + shift
}

/// Applies x · ½(1 + tanh z), z = √(2/π)·(x + 0.044715·x³) (Hendrycks & Gimpel, 1606.08415), as x · σ(2z).
pub fn gelu_tanh(x: Tensor<3>) -> Tensor<3> {
    #[cfg(feature = "libtorch")]
    if is_plain(&x) {
        return crate::libtorch::gelu_tanh(x);
    }
    let slope = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let z = x.clone() * ((x.clone() * x.clone()) * (slope * 0.044_715) + slope);
    x * activation::sigmoid(z)
}

/// Applies x · σ(x).
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "libtorch")]
    if is_plain(&x) {
        return crate::libtorch::silu(x);
    }
    activation::silu(x)
}

/// Returns the first half of the last dimension times the Gaussian error linear unit of the second (GEGLU: Shazeer, 2002.05202).
pub fn geglu(x: Tensor<3>) -> Tensor<3> {
    #[cfg(feature = "libtorch")]
    if is_plain(&x) {
        return crate::libtorch::geglu(x);
    }
    let half = x.dims()[2] / 2;
    x.clone().narrow(2, 0, half) * activation::gelu(x.narrow(2, half, half))
}

/// Returns x·W + b.
///
/// # Shapes
/// - `x`: `[rows, d_in]`, `weight`: `[d_in, d_out]`, `bias`: `[d_out]`
pub fn linear(x: Tensor<2>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) -> Tensor<2> {
    #[cfg(feature = "libtorch")]
    if let Some(bias) = bias
        && is_plain(&x)
        && !weight.is_autodiff()
        && !bias.is_autodiff()
    {
        return crate::libtorch::linear(x, weight.clone(), bias.clone());
    }
    let y = x.matmul(weight.clone());
    match bias {
        Some(bias) => y + bias.clone().unsqueeze(),
        None => y,
    }
}

/// Normalises groups of channels (Wu & He, 1803.08494) of `[rows, channels, height, width]`.
///
/// - `weight`, `bias`: `[channels]`
pub fn group_norm(x: Tensor<4>, groups: usize, weight: &Tensor<1>, bias: &Tensor<1>, epsilon: f64) -> Tensor<4> {
    #[cfg(feature = "libtorch")]
    if is_plain(&x) && !weight.is_autodiff() && !bias.is_autodiff() {
        return crate::libtorch::group_norm(x, groups, weight.clone(), bias.clone(), epsilon);
    }
    let dims @ [rows, channels, height, width] = x.dims();
    let size = channels / groups * height * width;
    if !x.is_autodiff() {
        // A layer norm over each group: the device's fused kernel where it has one.
        let ones = Tensor::ones([size], &x.device());
        let normal = layer_norm(x.reshape([rows * groups, size]), ones, None, epsilon).reshape(dims);
        let affine = |values: &Tensor<1>| values.clone().reshape([1, channels, 1, 1]);
        return normal * affine(weight) + affine(bias);
    }
    // With gradients, few passes over the map matter most: one scale and one shift for every channel of every row.
    let kept: FloatDType = x.dtype().into();
    let x = as_type(x, FloatDType::F32);
    let flat = x.clone().reshape([rows, groups, size]);
    let mean = flat.clone().mean_dim(2);
    let variance = (flat.clone() * flat).mean_dim(2) - mean.clone() * mean.clone();
    let inverse = (variance.clamp_min(0.0) + epsilon).sqrt().recip();
    let affine = |values: &Tensor<1>| as_type(values.clone(), FloatDType::F32).reshape([1, groups, channels / groups]);
    let scale = inverse * affine(weight);
    let shift = affine(bias) - mean * scale.clone();
    let normal = x * scale.reshape([rows, channels, 1, 1]) + shift.reshape([rows, channels, 1, 1]);
    as_type(normal, kept)
}

/// Divides by the root mean square over the last dimension (Zhang & Sennrich, 1910.07467), and multiplies by `weight`, `[width]`.
pub fn rms_norm(x: Tensor<4>, weight: &Tensor<1>, epsilon: f64) -> Tensor<4> {
    #[cfg(feature = "libtorch")]
    if is_plain(&x) && !weight.is_autodiff() {
        return crate::libtorch::rms_norm(x, weight.clone(), epsilon);
    }
    let kept: FloatDType = x.dtype().into();
    let x = as_type(x, FloatDType::F32);
    let root = ((x.clone() * x.clone()).mean_dim(3) + epsilon).sqrt();
    as_type(x / root, kept) * weight.clone().unsqueeze()
}

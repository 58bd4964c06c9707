//! Channels and their moments with autodiff, for formulas over pixels.

use burn::tensor::Tensor;

use crate::GradientView;

/// What is added to a variance or a squared length before its root is taken. It keeps the gradient finite, and 0, where the
/// root is 0 and has none; elsewhere it is lost in rounding.
pub(super) const TINY: f64 = 1e-12;

/// Returns red, green and blue of each image with autodiff, `[n, pixels]` each.
pub(super) fn channels(view: &GradientView<'_>) -> [Tensor<2>; 3] {
    let pixels = view.pixels();
    let [count, _, height, width] = pixels.dims();
    [0, 1, 2].map(|channel| pixels.clone().narrow(1, channel, 1).reshape([count, height * width]))
}

/// Returns the mean and the variance of each row, `[n]`.
pub(super) fn mean_variance(values: Tensor<2>) -> (Tensor<1>, Tensor<1>) {
    let mean = values.clone().mean_dim(1);
    let variance = (values - mean.clone()).square().mean_dim(1);
    (mean.squeeze_dim(1), variance.squeeze_dim(1))
}

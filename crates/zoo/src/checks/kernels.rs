//! Single operations.

use burn::tensor::activation::softmax;
use burn::tensor::module::{attention, conv2d, layer_norm};
use burn::tensor::ops::{AttentionModuleOptions, ConvOptions};
use burn::tensor::{FloatDType, Tensor};
use moa_core::experiment::Precision;
use moa_device::{add, as_type, geglu, gelu_tanh, group_norm, linear, modulate, rms_norm, silu, to_host};
use moa_diffusion::Compute;

use super::{Check, Depth, noise};

/// Makes tensors of a precision.
struct Maker<'a>(&'a Compute);

impl Maker<'_> {
    fn noise<const D: usize>(&self, name: &str, dims: [usize; D]) -> Tensor<D> {
        let kept = match self.0.precision {
            Precision::Bf16 => FloatDType::BF16,
            Precision::F16 => FloatDType::F16,
            Precision::F32 | Precision::Tf32 => FloatDType::F32,
        };
        as_type(noise(name, dims, &self.0.device), kept)
    }
}

fn kernel<const D: usize>(name: &str, of: impl Fn(&Maker<'_>) -> Tensor<D> + 'static) -> Check {
    Check::new(name, Depth::Kernel, move |compute| Ok(to_host(of(&Maker(compute)))))
}

/// Returns the checks of single operations.
pub(super) fn checks() -> Vec<Check> {
    let heads = |make: &Maker<'_>, name: &str| make.noise(name, [2, 4, 64, 40]);
    vec![
        kernel("product", |make| make.noise("a", [256, 320]).matmul(make.noise("b", [320, 192]))),
        kernel("product with a bias", |make| {
            linear(make.noise("a", [256, 320]), &make.noise("b", [320, 192]), Some(&make.noise("c", [192])))
        }),
        kernel("products of a batch", |make| make.noise("a", [3, 64, 48]).matmul(make.noise("b", [3, 48, 96]))),
        kernel("convolution 3×3", |make| {
            let options = ConvOptions::new([1; 2], [1; 2], [1; 2], 1);
            conv2d(
                make.noise("x", [2, 32, 24, 24]),
                make.noise("w", [48, 32, 3, 3]),
                Some(make.noise("b", [48])),
                options,
            )
        }),
        kernel("convolution 3×3 with stride", |make| {
            let options = ConvOptions::new([2; 2], [1; 2], [1; 2], 1);
            conv2d(
                make.noise("x", [2, 32, 24, 24]),
                make.noise("w", [48, 32, 3, 3]),
                Some(make.noise("b", [48])),
                options,
            )
        }),
        kernel("group norm", |make| {
            group_norm(make.noise("x", [2, 32, 16, 16]), 8, &make.noise("w", [32]), &make.noise("b", [32]), 1e-5)
        }),
        kernel("layer norm", |make| {
            layer_norm(make.noise("x", [2, 77, 320]), make.noise("w", [320]), Some(make.noise("b", [320])), 1e-5)
        }),
        kernel("root mean square norm", |make| rms_norm(make.noise("x", [2, 4, 32, 64]), &make.noise("w", [64]), 1e-6)),
        kernel("attention", move |make| {
            attention(
                heads(make, "q"),
                heads(make, "k"),
                heads(make, "v"),
                None,
                None,
                AttentionModuleOptions::default(),
            )
        }),
        kernel("attention to the past", move |make| {
            let options = AttentionModuleOptions { is_causal: true, ..Default::default() };
            attention(heads(make, "q"), heads(make, "k"), heads(make, "v"), None, None, options)
        }),
        kernel("softmax", |make| softmax(make.noise("x", [64, 200]), 1)),
        kernel("SiLU", |make| silu(make.noise("x", [64, 200]))),
        kernel("GEGLU", |make| geglu(make.noise("x", [2, 64, 200]))),
        kernel("GELU by tanh", |make| gelu_tanh(make.noise("x", [2, 64, 200]))),
        kernel("modulation", |make| {
            modulate(make.noise("x", [2, 64, 48]), make.noise("s", [2, 1, 48]), make.noise("t", [2, 1, 48]))
        }),
        kernel("sum", |make| add(make.noise("x", [2, 64, 48]), make.noise("y", [2, 64, 48]))),
    ]
}

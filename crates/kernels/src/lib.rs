//! Numeric kernels for the CPU, on plain slices of `f32`: what the engines of the denoiser and of CLIP's image
//! tower are made of (docs/decisions/007).
//!
//! Maps and tokens have one layout, `[rows, positions, channels]`, channels innermost, so that a feature map *is* its list
//! of tokens. Every kernel runs on one thread: callers share out rows. The order of every sum is fixed by the shapes of one
//! row alone, so a row's result has the same bits in any batch, on any number of threads.

mod attention;
mod convolution;
mod elementary;
mod geglu;
mod gelu;
mod gemm;
mod group_norm;
mod layer_norm;
mod simd;
mod workspace;

pub use attention::{AttentionShape, attention, attention_backward};
pub use convolution::{Convolution, Map};
pub use elementary::{silu_backward, silu_in_place};
pub use geglu::{geglu, geglu_backward};
pub use gelu::{gelu_backward, gelu_in_place, quick_gelu_backward, quick_gelu_in_place};
pub use gemm::{Left, Packed, Right, Start, gemm};
pub use group_norm::GroupNorm;
pub use layer_norm::LayerNorm;
pub use workspace::Workspace;

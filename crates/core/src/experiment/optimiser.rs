//! How adapters are stepped.

use serde::{Deserialize, Serialize};

/// AdamW (Loshchilov & Hutter, ICLR 2019), one state per adapter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimiserSpec {
    /// Step size. Default: 0.005.
    pub learning_rate: f64,
    /// Decay of the gradient's running mean. Default: 0.9.
    pub beta1: f64,
    /// Decay of the squared gradient's running mean. Default: 0.999.
    pub beta2: f64,
    /// Added to the denominator. Default: 1e-8.
    pub epsilon: f64,
    /// Decoupled weight decay. Default: 0.
    pub weight_decay: f64,
    /// The gradient of each adapter is scaled down to this norm where it is longer. Default: 1.
    pub max_grad_norm: f64,
    /// Decay per epoch of a running mean of the adapter, which is then what is kept and evaluated. Default: none, the last
    /// adapter itself.
    pub ema: Option<f64>,
}

impl Default for OptimiserSpec {
    fn default() -> Self {
        Self {
            learning_rate: 5e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            ema: None,
        }
    }
}

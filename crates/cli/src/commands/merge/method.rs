//! How adapters are merged and in what form they are written, as the command line says it.

use clap::ValueEnum;
use moa_adapter::{AdapterFormat, MajoritySign, Merge, MergeMethod};

/// How to merge.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct MethodArguments {
    /// How to merge
    #[arg(long, value_name = "METHOD", value_enum, default_value = "mean")]
    method: Method,

    /// The rank of the result, for methods that end in an SVD [default: the largest among the adapters]
    #[arg(long, value_name = "R")]
    rank: Option<usize>,

    /// For methods that end in an SVD: clamp entries of the factors beyond this quantile
    #[arg(long, value_name = "QUANTILE")]
    clamp: Option<f64>,

    /// The share of entries that sparse methods keep
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    density: f64,

    /// How ties elects signs: by the sum of values, or by the number of adapters
    #[arg(long, value_name = "HOW", value_enum, default_value = "total")]
    majority: Majority,

    /// The seed of what dare drops
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
}

impl MethodArguments {
    pub(super) fn merge(self) -> Merge {
        Merge {
            method: self.method.method(),
            rank: self.rank,
            clamp: self.clamp,
            density: self.density,
            majority: match self.majority {
                Majority::Total => MajoritySign::Total,
                Majority::Frequency => MajoritySign::Frequency,
            },
            seed: self.seed,
        }
    }
}

/// [`MergeMethod`] by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    Mean,
    Concatenate,
    Svd,
    Linear,
    Ties,
    TiesSvd,
    DareLinear,
    DareLinearSvd,
    DareTies,
    DareTiesSvd,
    MagnitudePrune,
    MagnitudePruneSvd,
}

impl Method {
    fn method(self) -> MergeMethod {
        match self {
            Self::Mean => MergeMethod::Mean,
            Self::Concatenate => MergeMethod::Concatenate,
            Self::Svd => MergeMethod::Svd,
            Self::Linear => MergeMethod::Linear,
            Self::Ties => MergeMethod::Ties,
            Self::TiesSvd => MergeMethod::TiesSvd,
            Self::DareLinear => MergeMethod::DareLinear,
            Self::DareLinearSvd => MergeMethod::DareLinearSvd,
            Self::DareTies => MergeMethod::DareTies,
            Self::DareTiesSvd => MergeMethod::DareTiesSvd,
            Self::MagnitudePrune => MergeMethod::MagnitudePrune,
            Self::MagnitudePruneSvd => MergeMethod::MagnitudePruneSvd,
        }
    }
}

/// [`MajoritySign`] by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Majority {
    Total,
    Frequency,
}

/// Adapter formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatName {
    /// adapter_model.safetensors and adapter_config.json
    Peft,
    /// pytorch_lora_weights.safetensors, for load_lora_weights and ComfyUI
    Diffusers,
    /// lora.safetensors with kohya's names, for A1111, Forge and ComfyUI
    Kohya,
}

impl FormatName {
    pub(crate) fn format(self) -> AdapterFormat {
        match self {
            Self::Peft => AdapterFormat::Peft,
            Self::Diffusers => AdapterFormat::Diffusers,
            Self::Kohya => AdapterFormat::Kohya,
        }
    }
}

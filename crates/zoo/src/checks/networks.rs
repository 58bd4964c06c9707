//! Networks of every family with random weights, and their gradients.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, BankConfig, LayerShape, LowRank, Parameters, ParametersError};
use moa_core::NoiseKey;
use moa_device::to_host;
use moa_diffusion::{
    AddedConditions, Backbone, Compute, FluxConfig, FluxTransformer, Sd3Config, Sd3Transformer, T5Config, T5Encoder,
    TextConfig, TextContext, TextEncoder, Unet, UnetConfig, Vae, VaeConfig,
};
use serde::de::DeserializeOwned;

use super::{Check, Depth, noise};
use crate::ZooError;

/// Stable Diffusion 1's form: 1×1 convolutions around transformers.
const SD1: &str = r#"{"sample_size": 16, "in_channels": 4, "out_channels": 4, "block_out_channels": [32, 64, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1, "cross_attention_dim": 48, "attention_head_dim": 4, "norm_num_groups": 8}"#;
/// Stable Diffusion XL's: linear projections, several blocks a transformer, conditions beside the time.
const XL: &str = r#"{"sample_size": 16, "in_channels": 4, "out_channels": 4, "block_out_channels": [32, 64],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"], "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 1, "cross_attention_dim": 48, "attention_head_dim": [2, 4], "norm_num_groups": 8,
    "use_linear_projection": true, "transformer_layers_per_block": [1, 2], "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 80}"#;
/// Stable Diffusion 3's, and 3.5 medium's with norms of queries and keys and a second attention.
const SD3: &str = r#"{"sample_size": 16, "patch_size": 2, "in_channels": 4, "out_channels": 4, "num_layers": 2,
    "attention_head_dim": 16, "num_attention_heads": 4, "joint_attention_dim": 48, "caption_projection_dim": 64,
    "pooled_projection_dim": 32, "pos_embed_max_size": 12}"#;
const SD35: &str = r#"{"sample_size": 16, "patch_size": 2, "in_channels": 4, "out_channels": 4, "num_layers": 3,
    "attention_head_dim": 16, "num_attention_heads": 4, "joint_attention_dim": 48, "caption_projection_dim": 64,
    "pooled_projection_dim": 32, "pos_embed_max_size": 12, "qk_norm": "rms_norm", "dual_attention_layers": [0]}"#;
/// FLUX.1 dev's: rotary positions, blocks over one stream, embedded guidance.
const FLUX: &str = r#"{"sample_size": 16, "in_channels": 16, "num_layers": 1, "num_single_layers": 2,
    "attention_head_dim": 16, "num_attention_heads": 4, "joint_attention_dim": 48, "pooled_projection_dim": 32,
    "guidance_embeds": true, "axes_dims_rope": [4, 6, 6]}"#;
const T5: &str = r#"{"vocab_size": 64, "d_model": 48, "d_kv": 12, "d_ff": 96, "num_layers": 2, "num_heads": 4,
    "feed_forward_proj": "gated-gelu"}"#;
const VAE: &str = r#"{"_class_name": "AutoencoderKL", "block_out_channels": [32, 64],
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
    "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"], "layers_per_block": 1, "norm_num_groups": 8}"#;
const TEXT: &str = r#"{"vocab_size": 64, "max_position_embeddings": 24, "eos_token_id": 62, "hidden_size": 48,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_act": "quick_gelu"}"#;

/// Original size, top left of the crop, target size.
const SIZES: [f32; 6] = [64.0, 64.0, 0.0, 0.0, 64.0, 64.0];
/// Rows of a pass.
const ROWS: usize = 4;
/// Adapters that they belong to.
const MEMBERS: usize = 2;

/// Builds a denoiser from a config.
type Load = fn(&str, &Parameters, &Compute) -> Box<dyn Backbone>;

/// A denoiser's family.
#[derive(Clone, Copy)]
struct Family {
    name: &'static str,
    config: &'static str,
    load: Load,
    /// Numbers that are embedded beside the time.
    numbers: &'static [f32],
    /// Width of the pooled text, where there is one.
    pooled: Option<usize>,
}

const FAMILIES: [Family; 5] = [
    Family { name: "U-Net of Stable Diffusion 1's form", config: SD1, load: unet, numbers: &[], pooled: None },
    Family { name: "U-Net of Stable Diffusion XL's form", config: XL, load: unet, numbers: &SIZES, pooled: Some(32) },
    Family { name: "transformer of Stable Diffusion 3's form", config: SD3, load: sd3, numbers: &[], pooled: Some(32) },
    Family {
        name: "transformer of Stable Diffusion 3.5's form",
        config: SD35,
        load: sd3,
        numbers: &[],
        pooled: Some(32),
    },
    Family { name: "transformer of FLUX.1's form", config: FLUX, load: flux, numbers: &[], pooled: Some(32) },
];

fn built<T>(found: Result<T, ParametersError>) -> T {
    found.unwrap_or_else(|error| unreachable!("fresh parameters have any shape: {error}"))
}

fn parameters(name: &str, compute: &Compute) -> Parameters {
    Parameters::fresh(NoiseKey::new(29).named(name), &compute.device).in_type(compute.kept())
}

fn config<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| unreachable!("the config is known: {error}"))
}

fn unet(json: &str, parameters: &Parameters, compute: &Compute) -> Box<dyn Backbone> {
    let config: UnetConfig = config(json);
    Box::new(built(Unet::load(&config, parameters)).computing(compute))
}

fn sd3(json: &str, parameters: &Parameters, compute: &Compute) -> Box<dyn Backbone> {
    let config: Sd3Config = config(json);
    Box::new(built(Sd3Transformer::load(&config, parameters)).computing(compute))
}

fn flux(json: &str, parameters: &Parameters, compute: &Compute) -> Box<dyn Backbone> {
    let config: FluxConfig = config(json);
    Box::new(built(FluxTransformer::load(&config, parameters)).computing(compute))
}

impl Family {
    fn network(self, compute: &Compute) -> Box<dyn Backbone> {
        (self.load)(self.config, &parameters(self.name, compute), compute)
    }

    fn context(self, compute: &Compute) -> TextContext {
        let states = noise("states", [ROWS, 20, 48], &compute.device);
        let pooled = |width| noise("pooled", [ROWS, width], &compute.device);
        let time_ids = self.numbers.to_vec();
        let added = self.pooled.map(|width| AddedConditions { pooled: pooled(width), time_ids });
        TextContext { states, added, guidance: None }
    }

    fn forward(self, network: &dyn Backbone, compute: &Compute, x: Tensor<4>, bank: Option<&AdapterBank>) -> Tensor<4> {
        network.predict(x, &[900.0, 700.5, 300.0, 20.0], &self.context(compute), bank)
    }

    fn output(self, compute: &Compute) -> Vec<f32> {
        let network = self.network(compute);
        let bank = bank(&network.linears(), compute);
        to_host(self.forward(&*network, compute, noise("x", [ROWS, 4, 16, 16], &compute.device), Some(&bank)))
    }

    /// Returns the gradients of a fixed sum of the output with respect to x and to the factors, each of unit size.
    fn gradient(self, compute: &Compute, again: bool) -> Vec<f32> {
        let compute = &Compute { gradient_checkpointing: Some(again), ..compute.clone() };
        let network = self.network(compute);
        let plain = bank(&network.linears(), compute);
        let leaves: BTreeMap<String, LowRank> = plain
            .layers()
            .iter()
            .map(|(name, low)| {
                let [a, b] = [&low.a, &low.b].map(|factor| factor.clone().autodiff().require_grad());
                (name.clone(), LowRank { a, b })
            })
            .collect();
        let bank = plain.with_layers(leaves.clone());
        let x = noise("x", [ROWS, 4, 16, 16], &compute.device).autodiff().require_grad();
        let output = self.forward(&*network, compute, x.clone(), Some(&bank));
        let towards = noise("towards", output.dims(), &compute.device);
        let mut graph = (output * towards).sum().backward();
        let of_x = x.grad_remove(&mut graph).map(to_host).unwrap_or_default();
        let factors = leaves.values().flat_map(|low| [&low.a, &low.b]);
        let of_factors = factors.flat_map(|factor| factor.grad_remove(&mut graph).map(to_host).unwrap_or_default());
        [scaled(of_x), scaled(of_factors.collect())].concat()
    }
}

/// Returns values divided by their root sum of squares.
fn scaled(values: Vec<f32>) -> Vec<f32> {
    let norm = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    values.into_iter().map(|value| (f64::from(value) / norm) as f32).collect()
}

/// Returns a bank over every layer whose branches change the output.
fn bank(layers: &[LayerShape], compute: &Compute) -> AdapterBank {
    let config = BankConfig { rank: 4, alpha: 6.0, share_a: true, seed: 7 };
    let names: Vec<String> = (0..MEMBERS).map(|member| format!("member {member}")).collect();
    let bank = AdapterBank::fresh(&config, &names, layers, &compute.device);
    let layers = bank.layers().iter().map(|(name, LowRank { a, b })| {
        (name.clone(), LowRank { a: a.clone(), b: noise(name, b.dims(), &compute.device) * 0.1 })
    });
    bank.with_layers(layers.collect())
}

fn vae(compute: &Compute) -> Result<Vae, ZooError> {
    let config = VaeConfig::read(VAE.as_bytes()).map_err(|error| ZooError::Pipeline(error.into()))?;
    let parameters = Parameters::fresh(NoiseKey::new(29).named("vae"), &compute.device);
    Ok(built(Vae::load(&config, &parameters.in_type(compute.kept_by_decoders()))))
}

/// Returns the checks of networks.
pub(super) fn checks() -> Vec<Check> {
    let mut all = Vec::new();
    for family in FAMILIES {
        all.push(Check::new(family.name, Depth::Network, move |compute| Ok(family.output(compute))));
        for (again, how) in [(false, "gradient"), (true, "gradient, blocks computed again")] {
            let name = format!("{}, {how}", family.name);
            all.push(Check::new(name, Depth::Gradient, move |compute| Ok(family.gradient(compute, again))));
        }
    }
    all.push(Check::new("text encoder", Depth::Network, |compute| {
        let config =
            TextConfig::read(TEXT.as_bytes(), "config.json").map_err(|error| ZooError::Pipeline(error.into()))?;
        let encoder = built(TextEncoder::load(&config, &parameters("text", compute)));
        let ids: Vec<u32> = (0..24).map(|place| (place * 37 + 5) % 62).collect();
        Ok(to_host(encoder.forward(&[ids])))
    }));
    all.push(Check::new("text encoder of T5's form", Depth::Network, |compute| {
        let config: T5Config = config(T5);
        let encoder = built(T5Encoder::load(&config, &parameters("t5", compute)));
        let ids: Vec<u32> = (0..150).map(|place| (place * 37 + 5) % 62).collect();
        Ok(to_host(encoder.forward(&[ids])))
    }));
    all.push(Check::new("decoder of latents", Depth::Network, |compute| {
        Ok(to_host(vae(compute)?.decode(&noise("latents", [2, 4, 12, 12], &compute.device))))
    }));
    all.push(Check::new("decoder of latents, gradient", Depth::Gradient, |compute| {
        let latents = noise("latents", [2, 4, 12, 12], &compute.device).autodiff().require_grad();
        let pictures = vae(compute)?.decode(&latents);
        let towards = noise("towards", pictures.dims(), &compute.device);
        let mut graph = (pictures * towards).sum().backward();
        Ok(latents.grad_remove(&mut graph).map(to_host).unwrap_or_default())
    }));
    all
}

//! The text encoder and the U-Net of `emoji-32`, trained together by rectified flow (Liu et al., 2209.03003).

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Parameter, Parameters};
use moa_core::NoiseKey;
use moa_diffusion::codec::PixelCodec;
use moa_diffusion::schedule::{FlowConfig, FlowLevels, ScheduleConfig};
use moa_diffusion::text::Activation;
use moa_diffusion::unet::{BlockType, PerBlock};
use moa_diffusion::{NoiseLevel, TextConfig, TextEncoder, Tokenizer, Unet, UnetConfig};
use moa_scenes::{HeldOut, tokenizer};

use super::{Hooks, ModelFiles, PretrainError, PretrainSpec, SceneBatch, TrainingState, run};

/// Noise levels are drawn as σ = sigmoid(0.3 + 1.2·N(0, 1)) (logit-normal, Esser et al., 2403.03206).
const LEVEL_MEAN: f32 = 0.3;
const LEVEL_DEVIATION: f32 = 1.2;

/// Returns the shape of `emoji-32`'s text encoder.
pub fn denoiser_text_config() -> TextConfig {
    TextConfig {
        vocab_size: 709,
        max_position_embeddings: tokenizer::MODEL_MAX_LENGTH,
        eos_token_id: 708,
        hidden_size: 96,
        intermediate_size: 192,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        hidden_act: Activation::QuickGelu,
        layer_norm_eps: 1e-5,
        projection_dim: None,
        model_type: "clip_text_model".into(),
    }
}

/// Returns the shape of `emoji-32`'s U-Net.
pub fn denoiser_unet_config() -> UnetConfig {
    UnetConfig {
        sample_size: 16,
        in_channels: 12,
        out_channels: 12,
        block_out_channels: vec![48, 96],
        down_block_types: vec![BlockType::DownBlock2D, BlockType::CrossAttnDownBlock2D],
        up_block_types: vec![BlockType::CrossAttnUpBlock2D, BlockType::UpBlock2D],
        layers_per_block: 1,
        cross_attention_dim: 96,
        attention_head_dim: PerBlock::All(4),
        norm_num_groups: 8,
        norm_eps: 1e-5,
        use_linear_projection: true,
        flip_sin_to_cos: true,
        freq_shift: 0.0,
        transformer_layers_per_block: PerBlock::All(1),
        act_fn: "silu".into(),
        class_embed_type: None,
        addition_embed_type: None,
        addition_time_embed_dim: None,
        projection_class_embeddings_input_dim: None,
        resnet_time_scale_shift: "default".into(),
        class_name: "UNet2DConditionModel".into(),
    }
}

/// Returns the schedule of `emoji-32`.
fn schedule() -> ScheduleConfig {
    ScheduleConfig::Flow(FlowConfig { num_train_timesteps: 1000, shift: 1.0, levels: FlowLevels::Even })
}

pub(super) fn train(
    spec: &PretrainSpec,
    device: &Device,
    checkpoint: Option<&[u8]>,
    hooks: &mut dyn Hooks,
) -> Result<Option<ModelFiles>, PretrainError> {
    let (text_config, unet_config) = (denoiser_text_config(), denoiser_unet_config());
    let model = |parameters: &Parameters| -> Result<(TextEncoder, Unet), PretrainError> {
        let text = TextEncoder::load(&text_config, &parameters.at("text_encoder"))?;
        Ok((text, Unet::load(&unet_config, &parameters.at("unet"))?))
    };
    let fresh = Parameters::fresh(NoiseKey::new(spec.seed).named("denoiser"), device);
    model(&fresh)?;
    let mut state = TrainingState::new(fresh.into_map(), spec, device);
    if let Some(bytes) = checkpoint {
        state.restore(bytes)?;
    }
    let words = Tokenizer::read(tokenizer::TOKENIZER_JSON, text_config.max_position_embeddings)?;
    let distribution = spec.scenes(HeldOut::Excluded);
    let noise = NoiseKey::new(spec.seed).named("denoiser-noise");
    let (codec, schedule) = (PixelCodec { factor: 2 }, schedule());
    let loss = |step: u64, leaves: BTreeMap<String, Parameter>| {
        let (text, unet) = model(&Parameters::stored(leaves, device))?;
        let batch = SceneBatch::draw(spec, step, &distribution, device);
        let key = noise.with(step);
        let dropped = |row: usize| key.named("dropout").uniform(row as u64) < spec.caption_dropout;
        let captions: Vec<String> = batch
            .scenes
            .iter()
            .enumerate()
            .map(|(row, scene)| if dropped(row) { String::new() } else { scene.caption() })
            .collect();
        let context = text.forward(&words.encode(&captions)?);
        let clean = codec.encode(batch.pictures);
        let dims @ [rows, ..] = clean.dims();
        let share = |x: f32| 1.0 / (1.0 + (-(LEVEL_MEAN + LEVEL_DEVIATION * x)).exp());
        let levels: Vec<NoiseLevel> =
            key.named("level").normal(rows).into_iter().map(|x| schedule.level(f64::from(share(x)))).collect();
        let timesteps: Vec<f32> = levels.iter().map(|level| level.timestep).collect();
        let sigmas = levels.iter().map(|level| level.noise).collect();
        let sigmas = Tensor::<4>::from_data(TensorData::new(sigmas, [rows, 1, 1, 1]), device);
        let values = key.named("noise").normal(dims.iter().product());
        let noise = Tensor::<4>::from_data(TensorData::new(values, dims), device);
        let velocity = noise - clean.clone();
        // This rounds otherwise than signal·x₀ + noise·ε, and the shipped weights were trained with it.
        let noisy = clean + velocity.clone() * sigmas;
        let predicted = unet.forward(noisy, &timesteps, &context.into(), None);
        Ok((predicted - velocity).powi_scalar(2).mean())
    };
    let finish = |state: &TrainingState| files(state, &text_config, &unet_config);
    run(&mut state, spec, hooks, loss, finish)
}

/// Returns the folder that diffusers opens.
fn files(state: &TrainingState, text: &TextConfig, unet: &UnetConfig) -> Result<ModelFiles, PretrainError> {
    let pretty = |value: serde_json::Value| format!("{value:#}\n").into_bytes();
    let config = |value: Result<serde_json::Value, serde_json::Error>| {
        value.map_or_else(|_| unreachable!("configs are plain data"), pretty)
    };
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let half = |prefix: &str| Parameters::write_half(&state.averaged_below(prefix), metadata.clone());
    let index = serde_json::json!({
        "_class_name": "StableDiffusionPipeline",
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    });
    let mut files = ModelFiles::from([
        ("model_index.json".to_owned(), pretty(index)),
        ("scheduler/scheduler_config.json".to_owned(), config(serde_json::to_value(schedule()))),
        ("text_encoder/config.json".to_owned(), config(serde_json::to_value(text))),
        ("text_encoder/model.safetensors".to_owned(), half("text_encoder")?),
        ("unet/config.json".to_owned(), config(serde_json::to_value(unet))),
        ("unet/diffusion_pytorch_model.safetensors".to_owned(), half("unet")?),
    ]);
    files.extend(tokenizer::FILES.iter().map(|(name, text)| (format!("tokenizer/{name}"), text.as_bytes().to_vec())));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_the_bits_that_the_shipped_weights_were_trained_with() {
        for x in NoiseKey::new(7).normal(1000) {
            let share = 1.0 / (1.0 + (-x).exp());
            let level = schedule().level(f64::from(share));
            assert_eq!(
                (level.noise.to_bits(), level.timestep.to_bits()),
                (share.to_bits(), (share * 1000.0).to_bits())
            );
            assert_eq!(level.target.map(f32::to_bits), [-1.0f32, 1.0].map(f32::to_bits), "the velocity noise − clean");
        }
    }
}

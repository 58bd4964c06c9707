//! The text encoder and the U-Net of `emoji-32`, trained together by rectified flow (Liu et al., 2209.03003).

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Parameter, Parameters};
use moa_core::NoiseKey;
use moa_diffusion::codec::PixelCodec;
use moa_diffusion::schedule::{FlowConfig, FlowLevels, ScheduleConfig};
use moa_diffusion::text::Activation;
use moa_diffusion::unet::{BlockType, PerBlock};
use moa_diffusion::{NoiseLevel, TextConfig, Tokenizer, Unet, UnetConfig};
use moa_scenes::{HeldOut, tokenizer};

use super::captions::{self, CaptionReader};
use super::parts::begin_with;
use super::{
    Hooks, ModelFiles, Parts, PretrainError, PretrainSpec, SceneBatch, Target, TrainingState, config_file, metadata,
    run,
};

/// Noise levels are drawn as σ = sigmoid(0.2 + 1.2·N(0, 1)) (logit-normal, Esser et al., 2403.03206).
const LEVEL_MEAN: f32 = 0.2;
const LEVEL_DEVIATION: f32 = 1.2;
/// Weight of reading the composition off captions, beside the denoising loss, so that the text encoder does not forget it.
const COMPOSITION: f64 = 0.05;

/// Files of the folder that diffusers opens.
pub(super) const TEXT_ENCODER: &str = "text_encoder/model.safetensors";
/// The U-Net's.
pub(super) const UNET: &str = "unet/diffusion_pytorch_model.safetensors";

/// Returns the shape of `emoji-32`'s text encoder.
pub fn denoiser_text_config() -> TextConfig {
    TextConfig {
        vocab_size: tokenizer::VOCABULARY,
        max_position_embeddings: tokenizer::MODEL_MAX_LENGTH,
        eos_token_id: tokenizer::END,
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
        time_cond_proj_dim: None,
        resnet_time_scale_shift: "default".into(),
        class_name: "UNet2DConditionModel".into(),
    }
}

/// Returns the schedule of `emoji-32`.
pub(super) fn schedule() -> ScheduleConfig {
    ScheduleConfig::Flow(FlowConfig { num_train_timesteps: 1000, shift: 1.0, levels: FlowLevels::Even })
}

pub(super) fn train(
    spec: &PretrainSpec,
    parts: &Parts,
    device: &Device,
    checkpoint: Option<&[u8]>,
    hooks: &mut dyn Hooks,
) -> Result<Option<ModelFiles>, PretrainError> {
    let (text_config, unet_config) = (denoiser_text_config(), denoiser_unet_config());
    let model = |parameters: &Parameters| -> Result<(CaptionReader, Unet), PretrainError> {
        let reader = CaptionReader::load(&text_config, parameters)?;
        Ok((reader, Unet::load(&unet_config, &parameters.at("unet"))?))
    };
    let fresh = Parameters::fresh(NoiseKey::new(spec.seed).named("denoiser"), device);
    model(&fresh)?;
    let read = parts.parameters(Target::Captions, captions::FILE, spec.target, device)?;
    let begun = ["text_encoder", "composition"]
        .into_iter()
        .try_fold(fresh.into_map(), |fresh, part| begin_with(fresh, part, &read.at(part)))?;
    let mut state = TrainingState::new(begun, spec, device).building_on(parts.digests());
    if let Some(bytes) = checkpoint {
        state.restore(bytes)?;
    }
    let words = Tokenizer::read(tokenizer::TOKENIZER_JSON, text_config.max_position_embeddings)?;
    let distribution = spec.scenes(HeldOut::Excluded);
    let noise = NoiseKey::new(spec.seed).named("denoiser-noise");
    let (codec, schedule) = (PixelCodec { factor: 2 }, schedule());
    let loss = |step: u64, leaves: BTreeMap<String, Parameter>| {
        let (reader, unet) = model(&Parameters::stored(leaves, device))?;
        let batch = SceneBatch::draw(spec, step, &distribution, device);
        let key = noise.with(step);
        let dropped = |row: usize| key.named("dropout").uniform(row as u64) < spec.caption_dropout;
        let kept: Vec<usize> = (0..batch.scenes.len()).filter(|row| !dropped(*row)).collect();
        let mut captions = vec![String::new(); batch.scenes.len()];
        for row in &kept {
            captions[*row] = batch.scenes[*row].caption();
        }
        let ids = words.encode(&captions)?;
        let context = reader.text.forward(&ids);
        let composition = (!kept.is_empty()).then(|| reader.loss(context.clone(), &ids, &kept, &batch.scenes));
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
        let noisy = clean + velocity.clone() * sigmas;
        let predicted = unet.forward(noisy, &timesteps, &context.into(), None);
        let loss = (predicted - velocity).powi_scalar(2).mean();
        Ok(match composition {
            Some(composition) => loss + composition * COMPOSITION,
            None => loss,
        })
    };
    let finish = |state: &TrainingState| {
        let half = |prefix: &str| Parameters::write_half(&state.averaged_below(prefix), metadata());
        Ok(pipeline_files(half("text_encoder")?, half("unet")?))
    };
    run(&mut state, spec, hooks, loss, finish)
}

/// Returns the folder that diffusers opens, around the bytes of text encoder and U-Net.
pub(super) fn pipeline_files(text_encoder: Vec<u8>, unet: Vec<u8>) -> ModelFiles {
    let index = serde_json::json!({
        "_class_name": "StableDiffusionPipeline",
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    });
    let mut files = ModelFiles::from([
        ("model_index.json".to_owned(), config_file(&index)),
        ("scheduler/scheduler_config.json".to_owned(), config_file(&schedule())),
        ("text_encoder/config.json".to_owned(), config_file(&denoiser_text_config())),
        (TEXT_ENCODER.to_owned(), text_encoder),
        ("unet/config.json".to_owned(), config_file(&denoiser_unet_config())),
        (UNET.to_owned(), unet),
    ]);
    files.extend(tokenizer::FILES.iter().map(|(name, text)| (format!("tokenizer/{name}"), text.as_bytes().to_vec())));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_rectified_flow() {
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

//! A pipeline and a scorer small enough for unit tests, with random weights.

use burn::tensor::Device;
use moa_adapter::Parameters;
use moa_core::experiment::{ExperimentSpec, MethodSpec, PolicyGradientSpec, RewardKind};
use moa_core::{NoiseKey, RunId, Weighting};
use moa_diffusion::schedule::{FlowConfig, FlowLevels, ScheduleConfig};
use moa_diffusion::text::Activation;
use moa_diffusion::unet::{BlockType, PerBlock};
use moa_diffusion::{Compute, Pipeline, TextConfig, TextEncoder, Tokenizer, Unet, UnetConfig};
use moa_reward::disk::Shelf;
use moa_reward::{Scorer, Sources};
use moa_scenes::tokenizer;

fn text_config(projection: Option<usize>) -> TextConfig {
    TextConfig {
        vocab_size: tokenizer::VOCABULARY,
        max_position_embeddings: tokenizer::MODEL_MAX_LENGTH,
        eos_token_id: tokenizer::END,
        hidden_size: 8,
        intermediate_size: 16,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        hidden_act: Activation::QuickGelu,
        layer_norm_eps: 1e-5,
        projection_dim: projection,
        model_type: "clip_text_model".into(),
    }
}

fn unet_config() -> UnetConfig {
    UnetConfig {
        sample_size: 4,
        in_channels: 12,
        out_channels: 12,
        block_out_channels: vec![8, 16],
        down_block_types: vec![BlockType::DownBlock2D, BlockType::CrossAttnDownBlock2D],
        up_block_types: vec![BlockType::CrossAttnUpBlock2D, BlockType::UpBlock2D],
        layers_per_block: 1,
        cross_attention_dim: 8,
        attention_head_dim: PerBlock::All(2),
        norm_num_groups: 4,
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

pub(crate) fn pipeline() -> Pipeline {
    pipeline_on(&Compute::from(&Device::flex()))
}

/// Returns the pipeline as it is asked to compute, in f32.
pub(crate) fn pipeline_on(compute: &Compute) -> Pipeline {
    let device = compute.device.clone();
    let fresh = Parameters::fresh(NoiseKey::new(11), &device);
    let text = TextEncoder::load(&text_config(None), &fresh.at("text")).expect("fresh parameters fit");
    let unet = Unet::load(&unet_config(), &fresh.at("unet")).expect("fresh parameters fit");
    let words = Tokenizer::read(tokenizer::TOKENIZER_JSON, tokenizer::MODEL_MAX_LENGTH).expect("tokenizer");
    let schedule = ScheduleConfig::Flow(FlowConfig { num_train_timesteps: 1000, shift: 1.0, levels: FlowLevels::Even });
    Pipeline::assemble(words, text, unet.computing(compute), schedule, &device)
}

pub(crate) fn scorer(spec: &ExperimentSpec) -> Scorer {
    let sources = Sources { base: "toy".into(), embedded: None, shelf: Shelf::new(None, &Device::flex()) };
    let group = spec.training.images_per_prompt as usize;
    Scorer::build(&spec.rewards, &sources, group, Vec::new()).expect("rewards")
}

pub(crate) fn spec() -> ExperimentSpec {
    let mut spec = ExperimentSpec {
        rewards: vec![RewardKind::Colourfulness.into(), RewardKind::Contrast.into()],
        ..ExperimentSpec::default()
    };
    spec.sampler.steps = 4;
    (spec.lora.rank, spec.lora.alpha) = (2, 2.0);
    spec.training.prompts_per_epoch = 2;
    spec.training.images_per_prompt = 4;
    spec.training.method = MethodSpec::PolicyGradient(PolicyGradientSpec { train_steps: 2, ..Default::default() });
    spec.training.probe.every = 0;
    spec.training.micro_batch = 8;
    spec.optimiser.learning_rate = 1e-2;
    spec
}

pub(crate) fn runs() -> Vec<(RunId, Weighting)> {
    vec![
        (RunId("colourfulness".into()), Weighting::corner(0, 2)),
        (RunId("contrast".into()), Weighting::corner(1, 2)),
        (RunId("centre".into()), Weighting::new(vec![0.5, 0.5]).expect("valid")),
    ]
}

pub(crate) fn prompts() -> Vec<String> {
    ["a cat on a blue background", "an apple on a white background", "a dog on a red background"]
        .map(String::from)
        .into()
}

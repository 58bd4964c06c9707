//! What tests of rewards from outside share: grey pictures, and scoring by one reward alone.

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::Parameters;
use moa_core::NoiseKey;
use moa_diffusion::Tokenizer;
use moa_reward::{Clip, ClipConfig, Embedder, Pictures, Reward, RewardError, View};
use moa_scenes::tokenizer;

/// Pictures of one grey each, `side` × `side`, with prompts of their own.
pub(crate) fn greys(levels: &[f32], side: usize) -> Pictures {
    let values = levels.iter().flat_map(|level| vec![*level; 3 * side * side]).collect();
    of_values(values, levels.len(), side, side)
}

/// Pictures of the given values, `[count, 3, height, width]`.
pub(crate) fn of_values(values: Vec<f32>, count: usize, height: usize, width: usize) -> Pictures {
    let pixels = Tensor::from_data(TensorData::new(values, [count, 3, height, width]), &Device::flex());
    Pictures::new(pixels, (0..count).map(|index| format!("grey {index}")).collect(), 1).expect("whole groups")
}

/// Scores pictures by one reward.
pub(crate) fn score(reward: &dyn Reward, pictures: &Pictures) -> Result<Vec<f32>, RewardError> {
    reward.score(&View::new(pictures, &embedder()))
}

/// A CLIP that nobody asks.
fn embedder() -> Embedder {
    let tower = r#""hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2"#;
    let json = format!(
        r#"{{ "projection_dim": 8,
            "text_config": {{ {tower}, "vocab_size": 400, "max_position_embeddings": 24, "eos_token_id": 1 }},
            "vision_config": {{ {tower}, "image_size": 32, "patch_size": 8 }} }}"#,
    );
    let (config, device) = (ClipConfig::read(&json).expect("config"), Device::flex());
    let map = Clip::fresh(&config, NoiseKey::new(1), &device).expect("fits");
    let clip = Clip::load(&config, &Parameters::stored(map, &device)).expect("fits");
    Embedder::new(clip, Tokenizer::read(tokenizer::TOKENIZER_JSON, tokenizer::MODEL_MAX_LENGTH).expect("tokenizer"))
}

//! What a training pass of a large U-Net takes, by its config.

use super::UnetConfig;
use crate::gradient::Activations;

/// Maps as wide as what a residual block takes in, or gives out, that its gradient holds at a time.
const RESNET_MAPS: usize = 16;
/// Maps that the gradient of a transformer block holds at a time, half of them those of its feed-forward layers.
const BLOCK_MAPS: usize = 72;
/// Maps that a spatial transformer of several blocks keeps beside what they take in.
const ENTRY_MAPS: usize = 6;

/// Maps as wide as what a residual block takes in, or gives out, that it keeps where all activations are kept.
const RESNET_KEPT: usize = 7;
/// Maps that a transformer block keeps where all activations are kept, half of them those of its feed-forward layers.
const BLOCK_KEPT: usize = 32;

/// Returns about how many bytes a forward and backward pass takes for each row: what every block takes in and the largest block's own,
/// where blocks are computed again, or what every block keeps.
pub(super) fn training_bytes(config: &UnetConfig, activations: Activations, bytes_of_a_number: usize) -> u64 {
    let (mut kept, mut largest, mut all) = (0, 0, 0);
    let channels = &config.block_out_channels;
    let last = channels.len() - 1;
    let positions = |block: usize| (config.sample_size >> block).pow(2);
    let mut resnet = |block: usize, d_in: usize, d_out: usize, attends: bool| {
        let map = |width: usize| width * positions(block);
        kept += map(d_in);
        largest = largest.max(RESNET_MAPS * map(d_in.max(d_out)));
        all += RESNET_KEPT * map(d_in.max(d_out));
        if attends {
            let depth = config.transformer_layers_per_block.of(block);
            kept += map(d_out) * if depth == 1 { 1 } else { depth + ENTRY_MAPS };
            all += map(d_out) * (depth * BLOCK_KEPT + ENTRY_MAPS);
            largest = largest.max(BLOCK_MAPS * map(d_out));
        }
    };
    let mut skips = vec![channels[0]];
    for (block, kind) in config.down_block_types.iter().enumerate() {
        for layer in 0..config.layers_per_block {
            let d_in = if layer == 0 { channels[block.saturating_sub(1)] } else { channels[block] };
            resnet(block, d_in, channels[block], kind.attends());
            skips.push(channels[block]);
        }
        if block < last {
            skips.push(channels[block]);
        }
    }
    resnet(last, channels[last], channels[last], true);
    resnet(last, channels[last], channels[last], false);
    let mut width = channels[last];
    for (position, kind) in config.up_block_types.iter().enumerate() {
        let block = last - position;
        for _ in 0..=config.layers_per_block {
            resnet(block, width + skips.pop().unwrap_or_default(), channels[block], kind.attends());
            width = channels[block];
        }
    }
    let numbers = if activations == Activations::Kept { all } else { kept + largest };
    (numbers * bytes_of_a_number) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_stable_diffusion_1_grows_with_the_area() {
        let json = r#"{"sample_size": 64, "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280, 1280],
            "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
            "layers_per_block": 2, "cross_attention_dim": 768, "attention_head_dim": 8}"#;
        let config: UnetConfig = serde_json::from_str(json).expect("a config");
        // 127 MB of what 38 blocks take in, and 377 MB of the largest block.
        let training_bytes = |config: &UnetConfig| training_bytes(config, Activations::Recomputed, 4);
        let bytes = training_bytes(&config);
        assert!((504_000_000..505_000_000).contains(&bytes), "{bytes}");
        let larger = UnetConfig { sample_size: 128, ..config };
        assert_eq!(training_bytes(&larger), 4 * bytes);
    }
}

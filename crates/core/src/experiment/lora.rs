//! What is trained of the model.

use serde::{Deserialize, Serialize};

/// The low-rank adapters: ΔW = (alpha / rank) · B · A on linear layers of the denoiser (Hu et al., 2021).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "LoraFile")]
pub struct LoraSpec {
    /// Rank of the adapters. Default: 8.
    pub rank: u32,
    /// Numerator of the scale alpha / rank. Default: the rank, i.e. scale 1.
    pub alpha: f32,
    /// Whether all adapters share one frozen, seeded A and train B alone: then they merge exactly at this rank, and train
    /// in one batch. Default: true.
    pub share_a: bool,
    /// Parts of the names of the linear layers to adapt, from dot to dot: `"attn2.to_q"`, all of cross-attention as `"attn2"`, late layers as
    /// `"up_blocks"`. Default: none given, every linear layer of the denoiser.
    pub targets: Vec<String>,
}

impl Default for LoraSpec {
    fn default() -> Self {
        LoraFile::default().into()
    }
}

/// A [`LoraSpec`] as written: alpha may be left out.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename = "LoraSpec")]
struct LoraFile {
    rank: u32,
    alpha: Option<f32>,
    share_a: bool,
    targets: Vec<String>,
}

impl Default for LoraFile {
    fn default() -> Self {
        Self { rank: 8, alpha: None, share_a: true, targets: Vec::new() }
    }
}

impl From<LoraFile> for LoraSpec {
    fn from(file: LoraFile) -> Self {
        Self {
            rank: file.rank,
            alpha: file.alpha.unwrap_or(file.rank as f32),
            share_a: file.share_a,
            targets: file.targets,
        }
    }
}

//! Why adapter files cannot be read.

use crate::ParametersError;

/// Why adapter files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AdapterFileError {
    /// The tensors cannot be read.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The config is no JSON of the expected form.
    #[error("adapter_config.json is unreadable: {0}")]
    Config(#[source] serde_json::Error),
    /// The header's `lora_adapter_metadata` is no JSON of the expected form.
    #[error("`lora_adapter_metadata` in the file's header is unreadable: {0}")]
    Header(#[source] serde_json::Error),
    /// The header's words on where the adapter comes from make no sense.
    #[error(transparent)]
    Provenance(#[from] moa_core::provenance::ProvenanceError),
    /// A file with peft's key names came without its config.
    #[error("the file has peft's key names, which do not include alpha: adapter_config.json must be beside it")]
    ConfigMissing,
    /// The config lacks a field or has an impossible value.
    #[error("{place}: `{field}` is {value}: {wanted}")]
    Field {
        /// Where it stands.
        place: &'static str,
        /// The field's name.
        field: &'static str,
        /// The value found.
        value: String,
        /// What is expected.
        wanted: &'static str,
    },
    /// A tensor's name is none of the format's.
    #[error("tensor `{name}` is not a LoRA factor of a denoiser: {wanted}")]
    Name {
        /// The tensor.
        name: String,
        /// What names look like.
        wanted: &'static str,
    },
    /// The adapter is a DoRA.
    #[error("tensor `{0}` belongs to a DoRA: moa applies plain LoRA only; export the adapter again without it")]
    Dora(String),
    /// A layer's name with underscores is none of the base model's.
    #[error(
        "layer `{0}` is not a linear layer of the base model's denoiser: the adapter belongs to another base, or adapts convolutions \
         too, which moa does not"
    )]
    UnknownLayer(String),
    /// Two layers of the base model have the same name once dots are underscores.
    #[error("`{one}` and `{other}` are both called `{flat}` in kohya's format: use another format")]
    Ambiguous {
        /// A layer.
        one: String,
        /// Another one.
        other: String,
        /// Their common name.
        flat: String,
    },
    /// A transformer's adapter is to be written in kohya's format.
    #[error(
        "layer `{0}` is a transformer's, and programs that read kohya's format look for those under other names: write \
         diffusers' format, which ComfyUI reads too"
    )]
    KohyaTransformer(String),
    /// The file holds other tensors than an adapter's.
    #[error("tensor `{0}` and the others are not LoRA factors: name an adapter, not a model's weights")]
    NotLora(String),
    /// A layer has only one of its factors.
    #[error("layer `{0}` has only one of its two factors: the file is incomplete")]
    Unpaired(String),
    /// There are no factors at all.
    #[error("the file holds no LoRA factors")]
    Empty,
    /// A factor has an impossible shape.
    #[error("layer `{layer}`: the factors have shapes {a:?} (down) and {b:?} (up), but the rank is {rank}")]
    Shape {
        /// The layer.
        layer: String,
        /// Shape of the projection down.
        a: Vec<usize>,
        /// Shape of the projection up.
        b: Vec<usize>,
        /// The rank that was expected.
        rank: usize,
    },
    /// A layer is a convolution.
    #[error(
        "layer `{layer}` is a convolution (its factor has shape {shape:?}), and moa adapts only linear layers: train or export the \
         adapter without convolutions (proj_in and proj_out of Stable Diffusion 1 are such)"
    )]
    Convolution {
        /// The layer.
        layer: String,
        /// Shape of the projection down.
        shape: Vec<usize>,
    },
    /// A layer's α is not that of the others.
    #[error("layer `{layer}` has alpha {found}, others {wanted}: moa's adapters have one alpha for all layers")]
    MixedAlpha {
        /// The layer.
        layer: String,
        /// Its α.
        found: f32,
        /// The others' α.
        wanted: f32,
    },
    /// A value is not finite.
    #[error("layer `{0}` holds values that are not finite: the adapter diverged or the file is corrupt")]
    NotFinite(String),
}

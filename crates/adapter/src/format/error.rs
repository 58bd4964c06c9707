//! Why adapter files cannot be read or written.

use super::AdapterFormat;
use crate::ParametersError;

/// Why adapter files cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AdapterFileError {
    /// The tensors cannot be read or written.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The header is no JSON of the expected form.
    #[error("the file's header is unreadable: {0}")]
    Header(#[source] serde_json::Error),
    /// The header's words on where the adapter comes from make no sense.
    #[error(transparent)]
    Provenance(#[from] moa_core::provenance::ProvenanceError),
    /// Two layers of the base model have the same name once dots are underscores.
    #[error("`{one}` and `{other}` are both called `{flat}` in {} format: use another format", format.owner())]
    Ambiguous {
        /// A layer.
        one: String,
        /// Another one.
        other: String,
        /// Their common name.
        flat: String,
        /// The format.
        format: AdapterFormat,
    },
    /// A layer of a transformer has no name of its own in the original.
    #[error(
        "`{0}` has no name in the original transformer, which kohya's format uses: write diffusers' format, which ComfyUI reads too"
    )]
    NoOriginalName(String),
    /// A text encoder's layer is to be written in peft's format.
    #[error(
        "layer `{0}` is a text encoder's, and a folder of peft's holds one model's adapter: write diffusers' or kohya's format, or leave text \
         encoders out with --block \"text_encoder*=0\""
    )]
    TextEncoder(String),
    /// A difference is to be written in a format of factors.
    #[error(
        "`{parameter}` is changed by a difference that is no product of low rank, which {} format cannot say: {}", format.owner(),
        what_to_do(parameter, *is_vector)
    )]
    Difference {
        /// The parameter.
        parameter: String,
        /// Whether it is a bias or a norm, which have no rank.
        is_vector: bool,
        /// The format.
        format: AdapterFormat,
    },
    /// A DoRA is to be written in a format that does not have them so.
    #[error(
        "layer `{layer}` has a DoRA magnitude, which {} format cannot say here: give --base and --reduce R, so that what it adds can be \
         computed, or write kohya's format", format.owner()
    )]
    Dora {
        /// The layer.
        layer: String,
        /// The format.
        format: AdapterFormat,
    },
    /// There is nothing to write.
    #[error("the adapter changes nothing: no layer is left of it")]
    Empty,
    /// A value is not finite.
    #[error("`{0}` holds values that are not finite: the adapter diverged or the file is corrupt")]
    NotFinite(String),
}

fn what_to_do(parameter: &str, is_vector: bool) -> String {
    if is_vector {
        return format!(
            "leave it out with --block \"{parameter}=0\" (or all of its kind, --block \"*.bias=0\"), or write kohya's format"
        );
    }
    "give --reduce R to bring it to a rank, or write kohya's format".to_owned()
}

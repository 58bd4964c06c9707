//! Why an adapter file is refused.

use safetensors::Dtype;

use super::Origin;

/// Why an adapter file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// The file is none of an adapter, but something that is known.
    #[error("this is {0}")]
    Other(Other),
    /// The bytes are not a safetensors file.
    #[error("not a readable safetensors file: {0} (truncated or corrupt? fetch or write it again)")]
    Unreadable(#[from] safetensors::SafeTensorError),
    /// A text in JSON makes no sense.
    #[error("{place} is unreadable: {problem}")]
    Json {
        /// Where it stands.
        place: Origin,
        /// What is wrong.
        problem: String,
    },
    /// A field of peft's configuration cannot be respected.
    #[error("{place}: `{field}` is {value}: {wanted}")]
    Field {
        /// Where it stands.
        place: Origin,
        /// The field's name.
        field: String,
        /// The value found.
        value: String,
        /// What is expected, or why it is refused.
        wanted: &'static str,
    },
    /// A tensor belongs to a method that changes more than weights by addition.
    #[error("tensor `{name}` belongs to {method}")]
    Method {
        /// The tensor.
        name: String,
        /// The method, and why it is not read.
        method: &'static str,
    },
    /// A tensor's name is none that any known trainer writes.
    #[error("tensor `{0}` has a name that no known trainer of adapters writes")]
    Name(String),
    /// Two tensors say the same thing.
    #[error("tensors `{one}` and `{other}` are the same part of one layer: the file was put together wrongly")]
    Twice {
        /// A tensor.
        one: String,
        /// The other one.
        other: String,
    },
    /// Two layers of the file are the same layer of the base.
    #[error("layers `{one}` and `{other}` both adapt `{layer}`: the file was put together wrongly")]
    SameLayer {
        /// A layer of the file.
        one: String,
        /// The other one.
        other: String,
        /// The base's layer.
        layer: String,
    },
    /// A layer's name is in no table of the families that are known.
    #[error(
        "layer `{0}` is none of the families whose names moa knows (Stable Diffusion 1, 2, XL, 3 and 3.5, FLUX.1): it can be inspected, \
         and not applied, merged or converted"
    )]
    UnknownLayer(String),
    /// A layer lacks a tensor.
    #[error("layer `{layer}` lacks `{missing}`: the file is incomplete")]
    Incomplete {
        /// The layer.
        layer: String,
        /// What is missing.
        missing: &'static str,
    },
    /// Tensors of a layer don't fit each other.
    #[error("layer `{layer}`: {problem}")]
    Shape {
        /// The layer.
        layer: String,
        /// Which shapes don't fit.
        problem: String,
    },
    /// A layer's weights would be too many.
    #[error("layer `{layer}` implies a weight of {size} values, more than {limit}: the file is corrupt or hostile")]
    TooLarge {
        /// The layer.
        layer: String,
        /// Values of its weight.
        size: u128,
        /// The most that are read.
        limit: u64,
    },
    /// An α is no number.
    #[error("alpha `{name}` has shape {shape:?} and is not a finite number")]
    Alpha {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// Nothing says α.
    #[error(
        "the file has peft's key names, which do not include alpha: adapter_config.json must be beside it, or --alpha given (most programs \
         take the rank)"
    )]
    NoAlpha,
    /// An α makes no sense.
    #[error("layer `{layer}`: alpha is {alpha} (from {origin}): it must be positive, from 0.000001 to 1000000")]
    AlphaValue {
        /// The layer.
        layer: String,
        /// The value.
        alpha: f64,
        /// Where it stands.
        origin: Origin,
    },
    /// A tensor is stored in a type that is not read.
    #[error("tensor `{name}` is stored as {found:?}: moa reads F32, F16, BF16, F8_E4M3 and F8_E5M2")]
    Type {
        /// The tensor.
        name: String,
        /// The type in the file.
        found: Dtype,
    },
    /// A value is not finite.
    #[error("tensor `{0}` holds values that are not finite: the adapter diverged or the file is corrupt")]
    NotFinite(String),
}

/// What a file is that is no adapter, with what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Other {
    /// Nothing.
    Empty,
    /// A pickle.
    Pickle,
    /// A file of llama.cpp's format.
    Gguf,
    /// A page.
    WebPage,
    /// A pointer of Git LFS.
    LfsPointer,
    /// A file of the `lora` package by cloneofsimo, by one of its tensors.
    Cloneofsimo(String),
    /// A model's weights, by one of its tensors.
    Model(String),
    /// A textual inversion, by one of its tensors.
    Embedding(String),
    /// A hypernetwork, by one of its tensors.
    Hypernetwork(String),
    /// A ControlNet, by one of its tensors.
    ControlNet(String),
    /// An IP-Adapter, by one of its tensors.
    IpAdapter(String),
    /// None of what is known.
    Foreign,
    /// Without tensors.
    NoTensors,
}

impl std::fmt::Display for Other {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty file: fetch or write it again"),
            Self::Pickle => f.write_str(
                "a PyTorch pickle, which runs code when it is opened, and moa never does: load it where you trust it, and write its \
                 tensors with safetensors.torch.save_file",
            ),
            Self::Gguf => f.write_str("a GGUF file: moa reads safetensors files"),
            Self::WebPage => f.write_str("a web page: the download failed, or needed a login"),
            Self::LfsPointer => f.write_str("a pointer of Git LFS: fetch the file itself, e.g. by `git lfs pull`"),
            Self::Cloneofsimo(name) => write!(
                f,
                "a file of the package `lora` by cloneofsimo (tensor `{name}`), which numbers layers in place of naming them: merge it by \
                 its own `lora_add`, or train again with another program"
            ),
            Self::Model(name) => {
                write!(f, "a whole model's weights (tensor `{name}` and others), not an adapter: it can be a base")
            }
            Self::Embedding(name) => {
                write!(f, "a textual inversion (tensor `{name}`), which adds words, not changes of weights")
            }
            Self::Hypernetwork(name) => {
                write!(f, "a hypernetwork (tensor `{name}`), which adds layers, not changes of weights")
            }
            Self::ControlNet(name) => {
                write!(f, "a ControlNet (tensor `{name}`), which adds a network, not changes of weights")
            }
            Self::IpAdapter(name) => {
                write!(f, "an IP-Adapter (tensor `{name}`), which adds layers, not changes of weights")
            }
            Self::Foreign => f.write_str("no safetensors file: moa reads adapters from these alone"),
            Self::NoTensors => f.write_str("a safetensors file without tensors"),
        }
    }
}

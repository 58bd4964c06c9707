//! The functions that a pickle may name.

use super::ElementType;

/// What a pickle may name: none of them does more than to describe a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Function {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageOf(ElementType),
    /// A storage of integers; tensors on it are passed over.
    OtherStorage,
}

impl Function {
    /// Returns the function of a name; nothing where no plain state dict needs it.
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "DoubleStorage") => Self::StorageOf(ElementType::Double),
            ("torch", "FloatStorage") => Self::StorageOf(ElementType::Float),
            ("torch", "HalfStorage") => Self::StorageOf(ElementType::Half),
            ("torch", "BFloat16Storage") => Self::StorageOf(ElementType::BFloat16),
            (
                "torch",
                "LongStorage" | "IntStorage" | "ShortStorage" | "CharStorage" | "ByteStorage" | "BoolStorage",
            ) => Self::OtherStorage,
            _ => return None,
        })
    }
}

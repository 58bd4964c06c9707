//! What files are that are no adapters: recognised by their first bytes, or by the names of their tensors.

use super::ContentsError;
use super::error::Other;

/// Refuses files of other formats than safetensors by their right names.
pub(super) fn check_bytes(bytes: &[u8]) -> Result<(), ContentsError> {
    let starts = |start: &[u8]| bytes.starts_with(start);
    let text = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).map_or(&[][..], |start| &bytes[start..]);
    Err(ContentsError::Other(if bytes.is_empty() {
        Other::Empty
    } else if starts(b"PK\x03\x04")
        || (bytes[0] == 0x80 && bytes.get(1).is_some_and(|version| (2..6).contains(version)) && !has_header(bytes))
    {
        Other::Pickle
    } else if starts(b"GGUF") {
        Other::Gguf
    } else if starts(b"version https://git-lfs") {
        Other::LfsPointer
    } else if text.starts_with(b"<") && !has_header(bytes) {
        Other::WebPage
    } else if !has_header(bytes) {
        Other::Foreign
    } else {
        return Ok(());
    }))
}

/// Returns whether the bytes begin as those of a safetensors file do: eight of a length, and an object.
fn has_header(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// Returns what a file without any part of an adapter is.
///
/// - `names`: of its tensors, sorted
pub(super) fn by_names(names: &[&str]) -> Other {
    let Some(first) = names.first() else { return Other::NoTensors };
    let find = |is: &dyn Fn(&str) -> bool| names.iter().find(|name| is(name)).map(|name| (*name).to_owned());
    let digits_before = |name: &str| {
        name.split_once('.')
            .is_some_and(|(width, _)| !width.is_empty() && width.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if let Some(name) = find(&|name| name.contains(':') && (name.ends_with(":up") || name.ends_with(":down"))) {
        return Other::Cloneofsimo(name);
    }
    if let Some(name) =
        find(&|name| name == "lora_controlnet" || name.contains("input_hint_block") || name.contains("controlnet_"))
    {
        return Other::ControlNet(name);
    }
    if let Some(name) = find(&|name| name.starts_with("image_proj.") || name.starts_with("ip_adapter.")) {
        return Other::IpAdapter(name);
    }
    // Widths of text states.
    if names.iter().all(|name| digits_before(name)) && find(&|name| name.contains("linear")).is_some() {
        return Other::Hypernetwork((*first).to_owned());
    }
    let of_embedding = |name: &str| {
        matches!(name, "emb_params" | "clip_l" | "clip_g" | "t5xxl" | "string_to_param")
            || name.starts_with("string_to_param")
            || !name.contains('.')
    };
    if names.len() <= 8 && names.iter().all(|name| of_embedding(name)) {
        return Other::Embedding((*first).to_owned());
    }
    Other::Model((*first).to_owned())
}

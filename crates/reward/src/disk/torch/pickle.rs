//! Python's pickle machine, as far as plain state dicts need it.
//!
//! Values live in one list and refer to each other by place, so that deep nesting and cycles cost nothing. A function can be
//! called only if it is one of [`function::Function`], and none of them does more than to describe a tensor.

mod function;
mod machine;
mod reader;

use std::collections::BTreeMap;

use machine::{Machine, Place, Value};

use super::WAY_OUT;

/// The numbers of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementType {
    Double,
    Float,
    Half,
    BFloat16,
}

/// A file of numbers in the zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) key: String,
    pub(super) element: ElementType,
}

/// Where a tensor's values lie: index i is at `offset` + Σ iₖ·`strides`ₖ of its storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) storage: Storage,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// Returns the tensors of the dict that a pickle describes, or of its entry `state_dict`.
///
/// # Errors
/// Refuses pickles that name anything but tensors and dicts, and such as no plain state dict is.
pub(super) fn tensors(pickle: &[u8]) -> Result<BTreeMap<String, Described>, String> {
    let mut machine = Machine::new(pickle);
    let result = machine.run()?;
    let text = |place: &Place| match machine.value(*place) {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    };
    let dict = |place: Place| match machine.value(place) {
        Value::Dict(entries) => Some(entries),
        _ => None,
    };
    let Some(mut entries) = dict(result) else {
        return Err(format!("it holds no dict of tensors: save the module's state_dict(); {WAY_OUT}"));
    };
    let nested = entries.iter().find(|(key, _)| text(key) == Some("state_dict"));
    if let Some(nested) = nested.and_then(|(_, value)| dict(*value)) {
        entries = nested;
    }
    let tensor = |(key, value): &(Place, Place)| match machine.value(*value) {
        Value::Tensor(tensor) => Some((text(key)?.to_owned(), tensor.clone())),
        _ => None,
    };
    Ok(entries.iter().filter_map(tensor).collect())
}

fn broken() -> String {
    "its pickle is broken (truncated or corrupt? fetch it again)".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pickles_that_are_cut_short_or_twisted_are_refused_and_never_panic() {
        let whole: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01u.";
        assert_eq!(tensors(whole), Ok(BTreeMap::new()));
        for end in 0..whole.len() {
            assert!(tensors(&whole[..end]).is_err(), "{end}");
        }
        for place in 0..whole.len() {
            for byte in 0..=255 {
                let mut twisted = whole.to_vec();
                twisted[place] = byte;
                let _ = tensors(&twisted);
            }
        }
    }

    #[test]
    fn foreign_functions_and_instructions_are_named() {
        let error = tensors(b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap_err();
        assert!(error.contains("`posix.system`"), "{error}");
        let error = tensors(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.").unwrap_err();
        assert!(error.contains("`builtins.eval`"), "{error}");
        let error = tensors(b"\x80\x02}\x81.").unwrap_err();
        assert!(error.contains("0x81 at byte 3"), "{error}");
    }

    #[test]
    fn deep_nesting_and_cycles_cost_nothing() {
        let mut deep = b"\x80\x02)".to_vec();
        deep.extend(std::iter::repeat_n(0x85, 500_000));
        deep.push(b'.');
        assert!(tensors(&deep).is_err());
        assert_eq!(tensors(b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s."), Ok(BTreeMap::new()));
    }
}

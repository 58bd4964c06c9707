//! What moa does with an adapter today.

use moa_adapter::Adapter;
use moa_adapter::contents::Contents;

use super::found::File;

/// What `moa sample` and `moa merge` do with a file.
pub(super) struct Verdict {
    /// Whether they apply all of it as its trainer does.
    pub(super) applies: bool,
    /// What they do, or why not.
    pub(super) remark: String,
}

impl Verdict {
    pub(super) fn of(file: &File, contents: &Contents<'_>) -> Self {
        let adapter = match Adapter::read_any(&file.bytes, file.config.as_deref(), &[]) {
            Ok((adapter, _)) => adapter,
            Err(error) => return Self { applies: false, remark: format!("cannot apply it yet: {error}") },
        };
        let own = adapter.alpha / adapter.rank as f32;
        let differs = |scale: f32| (scale - own).abs() > 1e-6 * scale.abs().max(own.abs());
        let other = contents.layers.iter().flat_map(|layer| &layer.parts).find(|part| differs(part.scale));
        let (found, all) = (adapter.layers.len(), contents.layers.len());
        if let Some(part) = other {
            let remark = format!("would apply it with scale {own}, where its trainer has {}", part.scale);
            return Self { applies: false, remark };
        }
        if found != all || !contents.embeddings.is_empty() {
            return Self { applies: false, remark: format!("applies {found} of its {all} layers") };
        }
        Self { applies: true, remark: "sample, merge and convert take all of it, with a base of its family".into() }
    }
}

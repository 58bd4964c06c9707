//! Fields of earlier experiment files, and where they went.
//!
//! In a file that its user writes they are refused, with today's field named. In results folders those of [`RENAMED`] are still read.

use super::outline::Outline;

/// Fields that have another name and the same meaning: the path of today, and the earlier one.
pub(super) const RENAMED: &[(&str, &str)] = &[
    ("training.images_per_prompt", "training.pictures_per_prompt"),
    ("training.probe.images_per_prompt", "training.probe.pictures_per_prompt"),
    ("evaluation.images_per_prompt", "evaluation.pictures_per_prompt"),
];

/// By path: what is written today.
const MOVED: [(&str, &str); 5] = [
    ("training.train_steps", "training: (method: PolicyGradient(train_steps: …))"),
    ("training.updates_per_epoch", "training: (method: PolicyGradient(updates_per_epoch: …))"),
    ("training.clip", "training: (method: PolicyGradient(clip: …))"),
    ("training.trained_share", "training: (advantages: (trained_share: …))"),
    ("training.advantage_clip", "training: (advantages: (clip: …))"),
];

/// Returns what to write today instead of a field of earlier versions; `None` for fields that there never were.
pub(super) fn today(path: &str) -> Option<String> {
    let renamed = RENAMED.iter().find(|(_, old)| *old == path).map(|(new, _)| format!("{}: …", name(new)));
    renamed.or_else(|| MOVED.iter().find(|(old, _)| *old == path).map(|(_, new)| (*new).to_owned()))
}

/// Returns the text of a results folder's experiment with today's names of fields.
pub(super) fn with_todays_names(text: &str) -> String {
    let outline = Outline::new(text);
    let mut keys: Vec<(usize, &str, &str)> = Vec::new();
    for (new, old) in RENAMED {
        let entries = outline.entries().filter(|entry| entry.path == *old && entry.start < entry.value.start);
        keys.extend(entries.map(|entry| (entry.start, name(old), name(new))));
    }
    keys.sort_unstable();
    let mut renamed = text.to_owned();
    for (start, old, new) in keys.into_iter().rev() {
        renamed.replace_range(start..start + old.len(), new);
    }
    renamed
}

fn name(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renamed_fields_are_renamed_where_they_are_keys_alone() {
        let old = "(name: \"pictures_per_prompt\", training: (pictures_per_prompt: 4, probe: (pictures_per_prompt: 2)), \
                   evaluation: (pictures_per_prompt : 3))";
        let new = "(name: \"pictures_per_prompt\", training: (images_per_prompt: 4, probe: (images_per_prompt: 2)), \
                   evaluation: (images_per_prompt : 3))";
        assert_eq!(with_todays_names(old), new);
        assert_eq!(with_todays_names(new), new);
        assert_eq!(today("evaluation.pictures_per_prompt").as_deref(), Some("images_per_prompt: …"));
        assert_eq!(today("evaluation.images_per_prompt"), None);
    }
}

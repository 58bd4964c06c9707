//! Fields of earlier experiment files, and where they went.

/// By path: what is written today.
const MOVED: [(&str, &str); 5] = [
    ("training.train_steps", "training: (method: PolicyGradient(train_steps: …))"),
    ("training.updates_per_epoch", "training: (method: PolicyGradient(updates_per_epoch: …))"),
    ("training.clip", "training: (method: PolicyGradient(clip: …))"),
    ("training.trained_share", "training: (advantages: (trained_share: …))"),
    ("training.advantage_clip", "training: (advantages: (clip: …))"),
];

/// Returns what to write today instead of a field of earlier versions; `None` for fields that there never were.
pub(super) fn today(path: &str) -> Option<&'static str> {
    MOVED.iter().find(|(old, _)| *old == path).map(|(_, new)| *new)
}

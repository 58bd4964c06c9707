//! Where an adapter comes from, in words.

use moa_core::Provenance;
use moa_core::provenance::{Ingredient, Made};

/// So many characters of a hash are shown.
const SHORT: usize = 12;

/// Returns where an adapter comes from, as lines.
pub(crate) fn describe(provenance: &Provenance) -> String {
    let Provenance { moa, base, experiment, made } = provenance;
    let of = |what: &str| experiment.as_ref().map_or(String::new(), |name| format!(" {what} the experiment `{name}`"));
    let line = |label: &str, text: String| format!("{label:<10}{text}\n");
    let mut text = match made {
        Made::Trained(run) => {
            let weighting: Vec<String> = (run.weighting.iter().filter(|(_, share)| **share > 0.0))
                .map(|(name, share)| format!("{name} {share:.3}"))
                .collect();
            let epochs = crate::text::count(u64::from(run.epochs), "epoch");
            line("made", format!("trained: run `{}`{}, {epochs}, moa {moa}", run.run, of("of")))
                + &line("method", run.method.clone())
                + &line("weighting", weighting.join("  "))
                + &line("settings", format!("fingerprint {}", run.fingerprint()))
        }
        Made::Merged(mixture) => {
            let part = |Ingredient { name, share, sha256, blocks, .. }: &Ingredient| {
                let blocks = blocks.iter().map(|(pattern, factor)| format!("  {pattern} × {factor}"));
                let hash = sha256.get(..SHORT).unwrap_or(sha256);
                line("", format!("{share:>9.3}  {name}  SHA-256 {hash}…{}", blocks.collect::<String>()))
            };
            line("made", format!("merged by {}{}, moa {moa}", mixture.merge, of("in")))
                + &mixture.ingredients.iter().map(part).collect::<String>()
        }
        Made::Elsewhere(file) => line("made", format!("by another program ({}), written by moa {moa}", file.file)),
    };
    if !base.is_empty() {
        text.push_str(&line("base", base.clone()));
    }
    text
}

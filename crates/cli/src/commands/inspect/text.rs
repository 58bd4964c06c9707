//! What is found out, as people read it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use moa_adapter::contents::{Origin, Part};

use super::Inspected;
use crate::output::prose;
use crate::text::{Table, count, memory, whole};

/// The longest bar, in columns.
const BAR: f64 = 30.0;

impl Inspected<'_> {
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            let _ = writeln!(text, "{}", prose(&format!("{label:<14}{value}")).trim_end());
        };
        line("adapter", &format!("{} ({})", self.file.path.display(), file_size(self.file.bytes.len() as u64)));
        line("made by", self.about.trainer.as_deref().unwrap_or("the file does not say"));
        line("base", &self.family());
        for (key, value) in &self.about.texts {
            line(&key.replace('_', " "), value);
        }
        let components =
            self.components().into_iter().map(|(name, layers)| format!("{name} ({})", count(layers as u64, "layer")));
        line("adapts", &components.collect::<Vec<_>>().join(", "));
        line("kinds", &counted(&self.kinds()));
        self.numbers(&mut line);
        line("stored as", &counted(&self.precisions()));
        if !self.contents.embeddings.is_empty() {
            let words: Vec<&str> = self.contents.embeddings.iter().map(|embedding| &embedding.word[..]).collect();
            line("embeds", &words.join(", "));
        }
        if !self.about.words.is_empty() {
            let words = self.about.words.iter().map(|(word, count)| format!("{word} ({})", whole(*count)));
            line("words", &words.collect::<Vec<_>>().join(", "));
        }
        line("moa", &self.verdict.remark);
        for (program, does) in &self.verdict.programs {
            line(program, does);
        }
        let most = self.blocks.iter().map(|block| block.root_mean_square).fold(0.0, f64::max);
        if most > 0.0 {
            text.push_str("\nchange of weights (root mean square), by block\n");
            let mut table = Table::default();
            for block in &self.blocks {
                let size = block.root_mean_square;
                let bar = "█".repeat((size / most * BAR).round() as usize);
                table.row([format!("  {}", block.component.name()), block.name.clone(), bar, format!("{size:.2e}")]);
            }
            text.push_str(&table.render_with_left(3));
        }
        text
    }

    fn numbers(&self, line: &mut impl FnMut(&str, &str)) {
        let parts: Vec<&Part<'_>> = self.contents.layers.iter().flat_map(|layer| &layer.parts).collect();
        let ranks: Vec<usize> = parts.iter().filter_map(|part| part.rank).collect();
        line("rank", &range(ranks.iter().map(|rank| *rank as f64)).unwrap_or_else(|| "none".into()));
        let scaled: Vec<&&Part<'_>> = parts.iter().filter(|part| part.alpha.is_some()).collect();
        if let Some(alphas) = range(scaled.iter().filter_map(|part| part.alpha).map(f64::from)) {
            let from: Vec<String> = self.contents.alphas_from.iter().map(ToString::to_string).collect();
            let scales = range(scaled.iter().map(|part| f64::from(part.scale))).unwrap_or_default();
            line(
                "alpha",
                &match self.contents.alphas_from[..] {
                    [Origin::Rank] => format!("none, which means the rank; scale {scales}"),
                    _ => format!("{alphas}, from {}; scale {scales}", from.join(" and ")),
                },
            );
        }
    }

    fn family(&self) -> String {
        let mut text = match (&self.about.by_shapes, &self.about.by_header) {
            (Some((shapes, why)), Some((header, _))) if shapes.agrees(*header) => {
                format!("{shapes} ({why}; its header agrees)")
            }
            (Some((shapes, why)), Some((header, says))) => {
                format!("{shapes} ({why}), though its header says {header} ({says})")
            }
            (Some((shapes, why)), None) => format!("{shapes} ({why})"),
            (None, Some((header, says))) => format!("{header} (its header says so: {says})"),
            (None, None) => "not known, neither by its layers nor by its header".to_owned(),
        };
        if let Some(base) = self.base() {
            let _ = write!(text, "; the files name {base}");
        }
        text
    }

    /// Returns how many layers each model has.
    pub(super) fn components(&self) -> Vec<(String, usize)> {
        counts(|counts| {
            for layer in &self.contents.layers {
                *counts.entry((layer.component as usize, layer.component.name().to_owned())).or_default() += 1;
            }
        })
    }

    /// Returns how many parts there are of each kind.
    pub(super) fn kinds(&self) -> Vec<(String, usize)> {
        counts(|counts| {
            for layer in &self.contents.layers {
                for part in &layer.parts {
                    *counts.entry((0, part.kind().to_string())).or_default() += 1;
                }
                if layer.magnitude.is_some() {
                    *counts.entry((1, "DoRA".to_owned())).or_default() += 1;
                }
            }
        })
    }

    /// Returns how many tensors are stored in each type of number.
    pub(super) fn precisions(&self) -> Vec<(String, usize)> {
        counts(|counts| {
            for tensor in self.contents.layers.iter().flat_map(|layer| &layer.parts).flat_map(Part::tensors) {
                *counts.entry((0, format!("{:?}", tensor.dtype()))).or_default() += 1;
            }
        })
    }
}

/// Returns counts in the order of their keys.
fn counts(count: impl FnOnce(&mut BTreeMap<(usize, String), usize>)) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::new();
    count(&mut counts);
    counts.into_iter().map(|((_, name), count)| (name, count)).collect()
}

/// Returns "32 convolution 1×1, 232 linear"; a single kind without its number.
fn counted(counts: &[(String, usize)]) -> String {
    match counts {
        [(name, _)] => name.clone(),
        _ => {
            counts.iter().map(|(name, count)| format!("{} {name}", whole(*count as u64))).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Returns "8", or "2 to 16 (median 4)"; nothing of no numbers.
fn range(numbers: impl Iterator<Item = f64>) -> Option<String> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    let (first, last) = (numbers.first()?, numbers.last()?);
    if first.to_bits() == last.to_bits() {
        return Some(short(*first));
    }
    Some(format!("{} to {} (median {})", short(*first), short(*last), short(numbers[numbers.len() / 2])))
}

/// Returns a number with four digits after the point at most.
fn short(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Returns the size of a file, of small ones in KiB.
fn file_size(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes.div_ceil(1024)) } else { memory(bytes) }
}

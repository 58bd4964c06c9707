//! Weights by block: `--block "up_blocks.*=0.5"`.

use std::cell::Cell;

use crate::error::CliError;

/// A factor for the layers whose names match a pattern.
struct Block {
    text: String,
    /// The adapter that it is for, from 0; all without.
    adapter: Option<usize>,
    pattern: String,
    factor: f64,
    used: Cell<bool>,
}

/// What `--block` says; of several that match a layer the last one counts.
pub(crate) struct Blocks {
    blocks: Vec<Block>,
}

/// The largest factor.
const MOST: f64 = 100.0;

impl Blocks {
    /// Reads `[N:]PATTERN=FACTOR`.
    ///
    /// - `adapters`: how many there are
    ///
    /// # Errors
    /// Says which is wrong, and how.
    pub(crate) fn read(texts: &[String], adapters: usize) -> Result<Self, CliError> {
        let read = |text: &String| {
            let refuse = |why: String| CliError::usage(format!("--block {text:?}: {why}"));
            let (rest, factor) = text.rsplit_once('=').ok_or_else(|| {
                refuse("it has no factor".into()).hint("write PATTERN=FACTOR, e.g. \"up_blocks.*=0.5\"")
            })?;
            let factor = match factor.trim().parse::<f64>() {
                Ok(factor) if (-MOST..=MOST).contains(&factor) => factor,
                _ => return Err(refuse(format!("the factor is {factor:?}")).hint(format!("give -{MOST} to {MOST}"))),
            };
            let (adapter, pattern) =
                match rest.split_once(':').map(|(number, rest)| (number.trim().parse::<usize>(), rest)) {
                    Some((Ok(number), rest)) if (1..=adapters).contains(&number) => (Some(number - 1), rest),
                    Some((Ok(number), _)) => {
                        return Err(refuse(format!("there is no adapter {number}"))
                            .hint(format!("adapters are counted from 1 to {adapters}")));
                    }
                    _ => (None, rest),
                };
            // The denoiser's layers have no prefix, though `moa inspect` names it before them.
            let pattern = pattern.trim();
            let denoiser = ["unet.", "transformer."].iter().find_map(|prefix| pattern.strip_prefix(prefix));
            let pattern = denoiser.unwrap_or(pattern).to_owned();
            if pattern.is_empty() {
                return Err(refuse("the pattern is empty".into()).hint("* is every layer"));
            }
            Ok(Block { text: text.clone(), adapter, pattern, factor, used: Cell::new(false) })
        };
        Ok(Self { blocks: texts.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// Returns the factor of a layer or parameter of an adapter; a parameter is matched by its layer's name, too.
    pub(crate) fn factor(&self, adapter: usize, name: &str) -> f64 {
        self.blocks.iter().rfind(|block| block.applies(adapter, name)).map_or(1.0, |block| block.factor)
    }

    /// Notes which patterns match a layer of an adapter.
    pub(crate) fn note(&self, adapter: usize, layers: &[&str]) {
        for block in &self.blocks {
            if layers.iter().any(|layer| block.applies(adapter, layer)) {
                block.used.set(true);
            }
        }
    }

    /// Refuses a pattern that matched no layer of any adapter.
    ///
    /// # Errors
    /// Names it.
    pub(crate) fn check_used(&self) -> Result<(), CliError> {
        match self.blocks.iter().find(|block| !block.used.get()) {
            None => Ok(()),
            Some(block) => Err(CliError::usage(format!("--block {:?} matches no layer", block.text))
                .hint("`moa inspect FILE` lists blocks, and --json all layers; * stands for any letters")),
        }
    }

    /// Returns the patterns of an adapter with their factors, as its provenance says them.
    pub(crate) fn of(&self, adapter: usize) -> Vec<(String, f64)> {
        let own = self.blocks.iter().filter(|block| block.adapter.is_none_or(|own| own == adapter));
        own.map(|block| (block.pattern.clone(), block.factor)).collect()
    }
}

impl Block {
    fn applies(&self, adapter: usize, name: &str) -> bool {
        let layer = [".weight", ".bias"].iter().find_map(|end| name.strip_suffix(end));
        let is_named = |name: &str| matches(&self.pattern, name);
        self.adapter.is_none_or(|own| own == adapter) && (is_named(name) || layer.is_some_and(is_named))
    }
}

/// Returns whether a name matches a pattern, in which `*` stands for any letters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut rest = rest;
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(texts: &[&str]) -> Result<Blocks, CliError> {
        Blocks::read(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), 2)
    }

    #[test]
    fn the_last_pattern_that_matches_gives_a_layers_factor() {
        let read = blocks(&["*=0.5", "up_blocks.*=2", "2:*.attn1.*=0"]).unwrap();
        for (adapter, layer, wanted) in [
            (0, "mid_block.attentions.0.proj_in", 0.5),
            (0, "up_blocks.1.x.attn1.to_q", 2.0),
            (1, "up_blocks.1.x.attn1.to_q", 0.0),
        ] {
            assert_eq!(read.factor(adapter, layer).to_bits(), f64::to_bits(wanted), "{layer}");
        }
        let vectors = blocks(&["*.bias=0", "mid_block.norm=3"]).unwrap();
        for (name, wanted) in [("conv_in.bias", 0.0), ("conv_in.weight", 1.0), ("mid_block.norm.bias", 3.0)] {
            assert_eq!(vectors.factor(0, name).to_bits(), f64::to_bits(wanted), "{name}");
        }
        assert_eq!(read.of(0), [("*".to_owned(), 0.5), ("up_blocks.*".to_owned(), 2.0)]);
        assert!(matches("a*c*e", "abcde") && !matches("a*c", "abcd") && matches("abc", "abc") && !matches("ab", "abc"));
        assert!(matches("text_encoder*", "text_encoder_2.text_model.x") && !matches("*aa", "a"));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for wrong in ["up_blocks.*", "x=y", "=1", "3:*=1", "0:*=1", "*=1e9", "*=NaN"] {
            assert!(blocks(&[wrong]).is_err(), "{wrong}");
        }
        let unused = blocks(&["down.*=0"]).unwrap();
        unused.note(0, &["up_blocks.0"]);
        assert!(unused.check_used().is_err());
    }
}

//! CLIP's byte-pair tokenizer, read from `tokenizer.json` or `vocab.json` and `merges.txt`.

use tokenizers::Tokenizer as Inner;

use crate::ConfigError;

/// Turns texts into rows of equally many token ids.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Inner,
    length: usize,
    pad: u32,
}

impl Tokenizer {
    /// Reads `tokenizer.json`; texts are cut or padded to `length` tokens with `<|endoftext|>`.
    ///
    /// # Errors
    /// Says what the file lacks.
    pub fn read(json: &str, length: usize) -> Result<Self, ConfigError> {
        let file = "tokenizer/tokenizer.json";
        let mut inner: Inner =
            json.parse().map_err(|source: tokenizers::Error| ConfigError::Tokenizer(source.to_string()))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|source| ConfigError::Tokenizer(source.to_string()))?;
        let pad = inner.token_to_id("<|endoftext|>").ok_or(ConfigError::Field {
            file,
            field: "vocab",
            value: "without <|endoftext|>".into(),
            wanted: "CLIP's tokenizer ends and pads texts with it",
        })?;
        Ok(Self { inner, length, pad })
    }

    /// Returns the ids of each text, `length` of them, begin and end tokens included.
    ///
    /// # Errors
    /// Fails when a text cannot be tokenised.
    pub fn encode(&self, texts: &[impl AsRef<str>]) -> Result<Vec<Vec<u32>>, ConfigError> {
        texts
            .iter()
            .map(|text| {
                let encoding = self
                    .inner
                    .encode(text.as_ref(), true)
                    .map_err(|source| ConfigError::Tokenizer(source.to_string()))?;
                let mut ids = encoding.get_ids().to_vec();
                if ids.len() > self.length {
                    ids.truncate(self.length);
                    ids[self.length - 1] = self.pad;
                }
                ids.resize(self.length, self.pad);
                Ok(ids)
            })
            .collect()
    }
}

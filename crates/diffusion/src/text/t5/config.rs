//! `config.json` of transformers' `T5EncoderModel`.

use serde::{Deserialize, Serialize};

use crate::ConfigError;

/// More than any model has of anything.
const LARGEST: usize = 1 << 20;

/// The shape of T5's encoder; field names are transformers'. What is said of a decoder is passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct T5Config {
    /// Tokens in the table of embeddings, which may be more than the tokenizer has.
    pub vocab_size: usize,
    /// Width of the states.
    pub d_model: usize,
    /// Width of each attention head.
    pub d_kv: usize,
    /// Width inside the feed-forward layers.
    pub d_ff: usize,
    /// Layers.
    pub num_layers: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Classes of distances between tokens, half of them for each direction.
    #[serde(default = "default_buckets")]
    pub relative_attention_num_buckets: usize,
    /// The distance in tokens from which on all are of one class.
    #[serde(default = "default_distance")]
    pub relative_attention_max_distance: usize,
    /// Epsilon of the norms.
    #[serde(default = "default_epsilon")]
    pub layer_norm_epsilon: f64,
    /// The feed-forward layers; only `gated-gelu` is known, version 1.1's.
    #[serde(default = "default_feed_forward")]
    pub feed_forward_proj: String,
}

fn default_buckets() -> usize {
    32
}
fn default_distance() -> usize {
    128
}
fn default_epsilon() -> f64 {
    1e-6
}
fn default_feed_forward() -> String {
    "relu".into()
}

impl T5Config {
    /// Reads and checks a config; `file` names it in messages.
    ///
    /// # Errors
    /// Refuses what is no such config, and what [`T5Config::check`] does.
    pub fn read(json: &[u8], file: &'static str) -> Result<Self, ConfigError> {
        let config: Self = serde_json::from_slice(json).map_err(|source| ConfigError::Json { file, source })?;
        config.check(file)?;
        Ok(config)
    }

    /// Refuses what would be computed wrongly; `file` names the config in messages.
    ///
    /// # Errors
    /// Names the field, its value and what is known.
    pub fn check(&self, file: &'static str) -> Result<(), ConfigError> {
        let refuse = |field, value: &dyn ToString, wanted| {
            Err(ConfigError::Field { file, field, value: value.to_string(), wanted })
        };
        for (field, number) in [
            ("vocab_size", self.vocab_size),
            ("d_model", self.d_model),
            ("d_kv", self.d_kv),
            ("d_ff", self.d_ff),
            ("num_layers", self.num_layers),
            ("num_heads", self.num_heads),
        ] {
            if number == 0 || number > LARGEST {
                return refuse(field, &number, "1 to 1048576");
            }
        }
        let buckets = self.relative_attention_num_buckets;
        if buckets < 4 || !buckets.is_multiple_of(4) || buckets > LARGEST {
            return refuse("relative_attention_num_buckets", &buckets, "a multiple of 4, up to 1048576");
        }
        if self.relative_attention_max_distance <= buckets / 4 {
            let wanted =
                "more than a quarter of relative_attention_num_buckets, up to which distances have a class each";
            return refuse("relative_attention_max_distance", &self.relative_attention_max_distance, wanted);
        }
        if self.feed_forward_proj != "gated-gelu" {
            let wanted = "only \"gated-gelu\" is known, which T5 has since version 1.1";
            return refuse("feed_forward_proj", &self.feed_forward_proj, wanted);
        }
        Ok(())
    }

    /// Returns the class of a key's distance from a query, in tokens: each small one has its own, larger ones share classes that grow
    /// with their logarithm; keys behind the query have the second half.
    pub(super) fn bucket(&self, distance: i64) -> usize {
        let half = self.relative_attention_num_buckets / 2;
        let (side, own) = (if distance > 0 { half } else { 0 }, half / 2);
        let distance = distance.unsigned_abs() as usize;
        if distance < own {
            return side + distance;
        }
        let most = self.relative_attention_max_distance as f64 / own as f64;
        // In f32, as transformers computes it: whole numbers of classes are met exactly.
        let beyond = (distance as f32 / own as f32).ln() / most.ln() as f32 * (half - own) as f32;
        side + (own + beyond as usize).min(half - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_the_classes_of_the_paper() {
        let json = br#"{"vocab_size": 9, "d_model": 4, "d_kv": 2, "d_ff": 4, "num_layers": 1, "num_heads": 2,
            "feed_forward_proj": "gated-gelu"}"#;
        let config = T5Config::read(json, "config.json").expect("known");
        // 8 · 2^(k/2) starts class 8 + k.
        let wanted =
            [(0, 0), (-7, 7), (-8, 8), (-11, 8), (-12, 9), (-15, 9), (-16, 10), (-32, 12), (-64, 14), (-91, 15)];
        for (distance, bucket) in wanted {
            assert_eq!(config.bucket(distance), bucket, "{distance}");
            if distance != 0 {
                assert_eq!(config.bucket(-distance), 16 + bucket, "{}", -distance);
            }
        }
        assert_eq!([config.bucket(-128), config.bucket(500)], [15, 31]);
    }
}

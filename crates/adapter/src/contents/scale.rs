//! The scale of each layer: from alphas among its tensors, peft's configuration beside the file or in its header, or a text in the
//! header, by the conventions of the programs that write them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Component, ContentsError, Origin};

/// The header's key of peft's configuration in diffusers' files.
const IN_HEADER: &str = "lora_adapter_metadata";
/// Texts in the header that are an α for the whole file.
const ALPHAS: [&str; 3] = ["alpha", "lora_alpha", "ss_network_alpha"];

/// What an α may be. Others are damage: 0 would undo the adapter (in kohya's files it means the rank), and what is this small or large gives
/// weights that are no numbers.
const SENSIBLE: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

/// How peft initialises factors without changing the base.
const INITS: [&str; 4] = ["gaussian", "eva", "orthogonal", "lora"];
const CHANGES_BASE: &str = "this initialisation changes the base's weights, too, so that the adapter alone is applied to a wrong base: \
                            convert it in peft (save_pretrained with path_initial_model_for_weight_conversion)";

/// peft's configuration of one model.
#[derive(Clone, Debug)]
pub(super) struct PeftConfig {
    place: Origin,
    rank: f64,
    alpha: f64,
    ranks: Vec<(String, f64)>,
    alphas: Vec<(String, f64)>,
    has_root: bool,
}

/// Where the scales of a file come from.
#[derive(Debug)]
pub(super) struct Scales {
    config: Option<PeftConfig>,
    in_header: BTreeMap<Component, PeftConfig>,
    /// An α for the whole file: its value, and the rank that it belongs to where the file says so.
    whole: Option<(f32, &'static str, Option<usize>)>,
}

/// α and scale of a layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) alpha: f32,
    /// α/r, or α/√r.
    pub(super) factor: f32,
    pub(super) origin: Origin,
}

impl Scales {
    /// Reads what the file and its neighbour say.
    ///
    /// - `config`: `adapter_config.json`, where it applies
    /// - `metadata`: the texts in the header
    pub(super) fn read(config: Option<&str>, metadata: &BTreeMap<String, String>) -> Result<Self, ContentsError> {
        let parse = |text: &str, place: Origin| match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err(ContentsError::Json { place, problem: "not an object".into() }),
            Err(error) => Err(ContentsError::Json { place, problem: error.to_string() }),
        };
        let config = config.map(|text| PeftConfig::read(&parse(text, Origin::Config)?, Origin::Config)).transpose()?;
        let mut in_header = BTreeMap::new();
        if let Some(text) = metadata.get(IN_HEADER) {
            let all = parse(text, Origin::Header)?;
            for component in Component::ALL {
                let own = |(field, value): (&String, &Value)| {
                    Some((field.strip_prefix(component.name())?.strip_prefix('.')?.to_owned(), value.clone()))
                };
                let fields: Map<String, Value> = all.iter().filter_map(own).collect();
                if !fields.is_empty() {
                    in_header.insert(component, PeftConfig::read(&fields, Origin::Header)?);
                }
            }
        }
        let number = |key: &str| metadata.get(key).and_then(|text| text.trim().parse::<f32>().ok());
        let found = ALPHAS.iter().find_map(|key| Some((number(key)?, *key)));
        let whole = found.filter(|(alpha, _)| alpha.is_finite()).map(|(alpha, key)| {
            let rank = (key == "ss_network_alpha").then(|| number("ss_network_dim")).flatten();
            (alpha, key, rank.map(|rank| rank as usize))
        });
        Ok(Self { config, in_header, whole })
    }

    /// Returns α and scale of a layer.
    ///
    /// - `rank`: of its factors, none where they are whole matrices
    /// - `alpha`: from a tensor of its own; 0 means the rank, as kohya's and LyCORIS' programs take it
    /// - `any_alphas`: whether any layer of the file has such a tensor
    pub(super) fn of(
        &self,
        component: Component,
        layer: &str,
        rank: Option<usize>,
        alpha: Option<f32>,
        any_alphas: bool,
    ) -> Result<Scale, ContentsError> {
        if let Some(config) = self.in_header.get(&component).or(self.config.as_ref()) {
            return config.of(layer, rank);
        }
        // LyCORIS ignores α where no factor has a rank.
        let Some(rank) = rank else { return Ok(Scale { alpha: 1.0, factor: 1.0, origin: Origin::Rank }) };
        let own = alpha.map(|alpha| (alpha, Origin::Tensors));
        let whole = self.whole.filter(|(.., of)| !any_alphas && of.is_none_or(|of| of == rank));
        let (alpha, origin) =
            own.or(whole.map(|(alpha, key, _)| (alpha, Origin::Text(key)))).unwrap_or((rank as f32, Origin::Rank));
        let alpha = if alpha == 0.0 { rank as f32 } else { alpha };
        check(layer, alpha.into(), origin)?;
        Ok(Scale { alpha, factor: alpha / rank as f32, origin })
    }
}

/// Refuses an α that makes no sense.
pub(super) fn check(layer: &str, alpha: f64, origin: Origin) -> Result<(), ContentsError> {
    if SENSIBLE.contains(&alpha) {
        return Ok(());
    }
    Err(ContentsError::AlphaValue { layer: layer.to_owned(), alpha, origin })
}

impl PeftConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Refuses what cannot be respected.
    fn read(fields: &Map<String, Value>, place: Origin) -> Result<Self, ContentsError> {
        let refuse = |field: &str, wanted| {
            let value = fields.get(field).map_or_else(|| "missing".to_owned(), |value| shortened(&value.to_string()));
            ContentsError::Field { place, field: field.to_owned(), value, wanted }
        };
        let text = |field: &str| fields.get(field).and_then(Value::as_str);
        let alpha_field = match text("peft_type") {
            None | Some("LORA") => "lora_alpha",
            Some("LOHA" | "LOKR") => "alpha",
            Some(_) => return Err(refuse("peft_type", "moa reads LORA, LOHA and LOKR")),
        };
        let init = fields.get("init_lora_weights").unwrap_or(&Value::Null);
        if init.as_str().is_some_and(|init| !INITS.contains(&init)) {
            return Err(refuse("init_lora_weights", CHANGES_BASE));
        }
        let is_set = |field: &&&str| match fields.get(**field) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::String(text)) => !text.is_empty() && text != "none",
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(items)) => !items.is_empty(),
            Some(_) => true,
        };
        for (marked, wanted) in [
            (&["bias"][..], "the base's biases are trained, and stored whole: it cannot be read yet"),
            (&["modules_to_save"], "layers that are trained whole cannot be read yet"),
            (&["trainable_token_indices", "layer_replication", "target_parameters"], "it cannot be read yet"),
            (&["use_qalora", "alora_invocation_tokens", "arrow_config"], "this variant of LoRA cannot be read yet"),
            (&["fan_in_fan_out"], "the base stores weights transposed, which no diffusion model does"),
        ] {
            if let Some(field) = marked.iter().find(is_set) {
                return Err(refuse(field, wanted));
            }
        }
        let number = |field: &str| fields.get(field).and_then(Value::as_f64).filter(|number| number.is_finite());
        let patterns = |field: &str| -> Result<Vec<(String, f64)>, ContentsError> {
            let Some(Value::Object(patterns)) = fields.get(field) else { return Ok(Vec::new()) };
            let one = |(pattern, value): (&String, &Value)| {
                let plain = pattern.trim_start_matches('^').trim_end_matches('$').replace("\\.", ".");
                let is_plain = plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
                let number = value.as_f64().filter(|number| number.is_finite());
                match (is_plain, number) {
                    (true, Some(number)) => Ok((plain, number)),
                    (true, None) => Err(refuse(field, "give numbers")),
                    (false, _) => {
                        Err(refuse(field, "a key is a regular expression: moa reads names of layers, or their ends"))
                    }
                }
            };
            patterns.iter().map(one).collect()
        };
        let Some(rank) = number("r").filter(|rank| (1.0..=65536.0).contains(rank) && rank.fract() == 0.0) else {
            return Err(refuse("r", "give the rank, a whole number from 1"));
        };
        let Some(alpha) = number(alpha_field) else { return Err(refuse(alpha_field, "give a number")) };
        Ok(Self {
            place,
            rank,
            alpha,
            ranks: patterns("rank_pattern")?,
            alphas: patterns("alpha_pattern")?,
            has_root: fields.get("use_rslora").and_then(Value::as_bool) == Some(true),
        })
    }

    fn of(&self, layer: &str, found: Option<usize>) -> Result<Scale, ContentsError> {
        let rank = self.pattern("rank_pattern", &self.ranks, layer)?.unwrap_or(self.rank);
        let alpha = self.pattern("alpha_pattern", &self.alphas, layer)?.unwrap_or(self.alpha);
        if let Some(found) = found.filter(|found| *found != rank as usize) {
            return Err(ContentsError::Shape {
                layer: layer.to_owned(),
                problem: format!("its factors have rank {found}, but {} says {rank}", self.place),
            });
        }
        check(layer, alpha, self.place)?;
        let divisor = if self.has_root { rank.sqrt() } else { rank };
        Ok(Scale { alpha: alpha as f32, factor: (alpha / divisor) as f32, origin: self.place })
    }

    /// Returns the value of the pattern that is a layer's name or the end of it from a dot, as peft matches them.
    fn pattern(&self, field: &str, patterns: &[(String, f64)], layer: &str) -> Result<Option<f64>, ContentsError> {
        let is_end = |pattern: &str| {
            layer.strip_suffix(pattern).is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        let mut found: Option<&(String, f64)> = None;
        for pattern in patterns.iter().filter(|(pattern, _)| is_end(pattern)) {
            match found {
                Some(other) if other.1.to_bits() != pattern.1.to_bits() => {
                    return Err(ContentsError::Field {
                        place: self.place,
                        field: field.to_owned(),
                        value: format!("{} for `{}` and {} for `{}`", other.1, other.0, pattern.1, pattern.0),
                        wanted: "both match one layer: give one of them",
                    });
                }
                _ => found = Some(pattern),
            }
        }
        Ok(found.map(|(_, value)| *value))
    }
}

/// Returns the beginning of a text that stands in a message.
fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).chain(['…']).collect() }
}

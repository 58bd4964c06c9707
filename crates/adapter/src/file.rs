//! Adapters on disk: safetensors with peft's key names, `adapter_config.json` beside it.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::json;

use crate::ParametersError;
use crate::parameters::widen;

/// The low-rank factors of one layer, in moa's orientation.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterLayer {
    /// Width of the layer's input.
    pub d_in: usize,
    /// Width of the layer's output.
    pub d_out: usize,
    /// `[d_in, r]`, row-major.
    pub a: Vec<f32>,
    /// `[r, d_out]`, row-major.
    pub b: Vec<f32>,
}

impl AdapterLayer {
    /// Returns whether two layers have the same shape.
    pub fn same_shape(&self, other: &Self) -> bool {
        self.d_in == other.d_in && self.d_out == other.d_out
    }
}

/// One adapter on the host: ΔW = (α/r)·A·B for every layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// Rank r.
    pub rank: usize,
    /// LoRA's α.
    pub alpha: f32,
    /// Factors by the layer's name.
    pub layers: BTreeMap<String, AdapterLayer>,
}

/// Why adapter files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AdapterFileError {
    /// The tensors cannot be read.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The config is no JSON of the expected form.
    #[error("adapter_config.json is unreadable: {0}")]
    Config(#[from] serde_json::Error),
    /// The config lacks a field or has an impossible value.
    #[error("adapter_config.json: `{field}` is {value}: {wanted}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// The value found.
        value: String,
        /// What is expected.
        wanted: &'static str,
    },
    /// A tensor's name is none of peft's.
    #[error("tensor `{0}` is no LoRA factor: names end in `.lora_A.weight` or `.lora_B.weight`")]
    Name(String),
    /// A layer has only one of its factors.
    #[error("layer `{0}` has only one of lora_A and lora_B: the file is incomplete")]
    Unpaired(String),
    /// A factor has an impossible shape.
    #[error("layer `{layer}`: lora_A has shape {a:?} and lora_B {b:?}, but the rank is {rank}")]
    Shape {
        /// The layer.
        layer: String,
        /// Shape of lora_A.
        a: Vec<usize>,
        /// Shape of lora_B.
        b: Vec<usize>,
        /// The rank in the config.
        rank: usize,
    },
    /// A value is not finite.
    #[error("layer `{0}` holds values that are not finite: the adapter diverged or the file is corrupt")]
    NotFinite(String),
}

const PREFIX: &str = "base_model.model.";

/// A factor as it is stored: its shape, and its values row by row.
type StoredFactor = (Vec<usize>, Vec<f32>);

impl Adapter {
    /// Returns the safetensors file (peft's key names, f32).
    ///
    /// # Errors
    /// Fails when the tensors cannot be serialised.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, AdapterFileError> {
        let mut factors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::with_capacity(2 * self.layers.len());
        for (name, layer) in &self.layers {
            let bytes = |values: Vec<f32>| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
            let a = transposed(&layer.a, layer.d_in, self.rank);
            let b = transposed(&layer.b, self.rank, layer.d_out);
            factors.push((format!("{PREFIX}{name}.lora_A.weight"), vec![self.rank, layer.d_in], bytes(a)));
            factors.push((format!("{PREFIX}{name}.lora_B.weight"), vec![layer.d_out, self.rank], bytes(b)));
        }
        let views = factors
            .iter()
            .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(ParametersError::from)?;
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        Ok(safetensors::serialize(views, Some(metadata)).map_err(ParametersError::from)?)
    }

    /// Returns peft's `adapter_config.json`.
    pub fn to_config(&self, base: &str) -> String {
        let config = json!({
            "peft_type": "LORA",
            "base_model_name_or_path": base,
            "r": self.rank,
            "lora_alpha": self.alpha,
            "target_modules": self.layers.keys().collect::<Vec<_>>(),
            "bias": "none",
            "lora_dropout": 0.0,
            "use_rslora": false,
            "use_dora": false,
            "inference_mode": true,
        });
        format!("{config:#}\n")
    }

    /// Reads a safetensors file with peft's key names and the `adapter_config.json` beside it.
    ///
    /// # Errors
    /// Refuses truncated files, foreign names, incomplete or misshapen layers, values that are not finite, and what
    /// would be applied wrongly (rsLoRA, DoRA, biases).
    pub fn read(safetensors: &[u8], config: &str) -> Result<Self, AdapterFileError> {
        let (rank, alpha) = read_config(config)?;
        let file = SafeTensors::deserialize(safetensors).map_err(ParametersError::from)?;
        let mut factors: BTreeMap<String, [Option<StoredFactor>; 2]> = BTreeMap::new();
        for (name, view) in file.tensors() {
            let short = name.strip_prefix(PREFIX).unwrap_or(&name);
            let (layer, side) = if let Some(layer) = short.strip_suffix(".lora_A.weight") {
                (layer, 0)
            } else if let Some(layer) = short.strip_suffix(".lora_B.weight") {
                (layer, 1)
            } else {
                return Err(AdapterFileError::Name(name));
            };
            let values = widen(&name, &view)?;
            if values.iter().any(|v| !v.is_finite()) {
                return Err(AdapterFileError::NotFinite(layer.to_owned()));
            }
            factors.entry(layer.to_owned()).or_default()[side] = Some((view.shape().to_vec(), values));
        }
        let mut layers = BTreeMap::new();
        for (name, pair) in factors {
            let [Some((a_shape, a)), Some((b_shape, b))] = pair else {
                return Err(AdapterFileError::Unpaired(name));
            };
            let (&[a_rank, d_in], &[d_out, b_rank]) = (&a_shape[..], &b_shape[..]) else {
                return Err(AdapterFileError::Shape { layer: name, a: a_shape, b: b_shape, rank });
            };
            if a_rank != rank || b_rank != rank {
                return Err(AdapterFileError::Shape { layer: name, a: a_shape, b: b_shape, rank });
            }
            let (a, b) = (transposed(&a, rank, d_in), transposed(&b, d_out, rank));
            layers.insert(name, AdapterLayer { d_in, d_out, a, b });
        }
        Ok(Self { rank, alpha, layers })
    }
}

fn read_config(text: &str) -> Result<(usize, f32), AdapterFileError> {
    let config: serde_json::Value = serde_json::from_str(text)?;
    for field in ["use_rslora", "use_dora"] {
        if config[field].as_bool() == Some(true) {
            let wanted = "moa applies plain LoRA only; re-export the adapter without it";
            return Err(AdapterFileError::Field { field, value: "true".into(), wanted });
        }
    }
    if let Some(bias) = config["bias"].as_str().filter(|bias| *bias != "none") {
        return Err(AdapterFileError::Field {
            field: "bias",
            value: bias.into(),
            wanted: "only \"none\" is supported",
        });
    }
    let rank = config["r"].as_u64().filter(|r| (1..=65536).contains(r)).ok_or_else(|| AdapterFileError::Field {
        field: "r",
        value: config["r"].to_string(),
        wanted: "give the rank, a whole number from 1",
    })?;
    let alpha = config["lora_alpha"].as_f64().filter(|a| a.is_finite()).ok_or_else(|| AdapterFileError::Field {
        field: "lora_alpha",
        value: config["lora_alpha"].to_string(),
        wanted: "give a number",
    })?;
    Ok((rank as usize, alpha as f32))
}

/// Returns the transpose of a row-major `[rows, columns]` matrix.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter() -> Adapter {
        let layer =
            AdapterLayer { d_in: 3, d_out: 2, a: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], b: vec![0.5, -0.5, 0.25, 1e-20] };
        Adapter { rank: 2, alpha: 3.0, layers: BTreeMap::from([("mid.to_q".to_owned(), layer)]) }
    }

    #[test]
    fn an_adapter_reads_back_bit_for_bit() {
        let adapter = adapter();
        let bytes = adapter.to_safetensors().expect("serialises");
        assert_eq!(Adapter::read(&bytes, &adapter.to_config("emoji-32")).expect("reads"), adapter);
    }

    #[test]
    fn damaged_and_foreign_adapters_are_refused() {
        let adapter = adapter();
        let (bytes, config) = (adapter.to_safetensors().expect("serialises"), adapter.to_config("b"));
        assert!(matches!(Adapter::read(&bytes[..bytes.len() - 3], &config), Err(AdapterFileError::Parameters(_))));
        assert!(matches!(Adapter::read(&[], &config), Err(AdapterFileError::Parameters(_))));
        assert!(matches!(Adapter::read(&bytes, "{"), Err(AdapterFileError::Config(_))));
        let other_rank = config.replace("\"r\": 2", "\"r\": 4");
        assert!(matches!(Adapter::read(&bytes, &other_rank), Err(AdapterFileError::Shape { rank: 4, .. })));
        let dora = config.replace("\"use_dora\": false", "\"use_dora\": true");
        assert!(matches!(Adapter::read(&bytes, &dora), Err(AdapterFileError::Field { field: "use_dora", .. })));
        let mut diverged = adapter.clone();
        diverged.layers.get_mut("mid.to_q").expect("exists").b[0] = f32::NAN;
        let bytes = diverged.to_safetensors().expect("serialises");
        assert!(matches!(Adapter::read(&bytes, &config), Err(AdapterFileError::NotFinite(_))));
    }
}

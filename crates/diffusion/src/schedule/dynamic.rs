//! A shift of noise levels that depends on how many tokens an image has: diffusers' `use_dynamic_shifting`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ScheduleConfig, ScheduleOwner};
use crate::ConfigError;

const FILE: &str = "scheduler/scheduler_config.json";
const SWITCH: &str = "use_dynamic_shifting";

/// What the shift depends on; field names and defaults are diffusers'.
#[derive(Deserialize)]
#[serde(default)]
struct Dynamic {
    /// Tokens at which µ is `base_shift`.
    base_image_seq_len: f64,
    /// Tokens at which µ is `max_shift`.
    max_image_seq_len: f64,
    base_shift: f64,
    max_shift: f64,
    /// Whether the shift is exp µ (`exponential`) or µ (`linear`).
    time_shift_type: String,
}

impl Default for Dynamic {
    fn default() -> Self {
        Self {
            base_image_seq_len: 256.0,
            max_image_seq_len: 4096.0,
            base_shift: 0.5,
            max_shift: 1.15,
            time_shift_type: "exponential".into(),
        }
    }
}

impl ScheduleConfig {
    /// Reads `scheduler/scheduler_config.json` of a model whose samples are so many tokens, as [`ScheduleConfig::read_of`] does. With
    /// `use_dynamic_shifting`, µ grows linearly with the tokens (Esser et al., 2403.03206, section 5.3.2), and levels are shifted by
    /// exp µ: σ' = e^µ / (e^µ + 1/σ − 1), which is the shift of [`FlowConfig::shift`](super::FlowConfig::shift) by that number.
    ///
    /// # Errors
    /// As [`ScheduleConfig::read_of`]; names the fields that give no shift.
    pub fn read_for(json: &[u8], owner: ScheduleOwner<'_>, tokens: usize) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Json { file: FILE, source };
        let is_dynamic = |config: &Map<String, Value>| config.get(SWITCH) == Some(&Value::Bool(true));
        let Some(mut config) = serde_json::from_slice::<Map<String, Value>>(json).ok().filter(is_dynamic) else {
            return Self::read_of(json, owner);
        };
        let own = config.clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
        let dynamic: Dynamic = serde_json::from_value(Value::Object(own)).map_err(unreadable)?;
        let refuse = |field, value: String, wanted| Err(ConfigError::Field { file: FILE, field, value, wanted });
        let slope = (dynamic.max_shift - dynamic.base_shift) / (dynamic.max_image_seq_len - dynamic.base_image_seq_len);
        let mu = dynamic.base_shift + slope * (tokens as f64 - dynamic.base_image_seq_len);
        let shift = match dynamic.time_shift_type.as_str() {
            "exponential" => mu.exp(),
            "linear" => mu,
            other => return refuse("time_shift_type", other.to_owned(), "exponential and linear are known"),
        };
        if !(shift.is_finite() && shift > 0.0) {
            let wanted = "base_shift and max_shift at base_image_seq_len and max_image_seq_len give no shift above 0";
            return refuse(SWITCH, format!("true, for {tokens} tokens"), wanted);
        }
        config.insert(SWITCH.into(), Value::Bool(false));
        config.insert("shift".into(), shift.into());
        Self::read_of(Value::Object(config).to_string().as_bytes(), owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sigmas(json: &str, tokens: usize) -> Vec<f32> {
        match ScheduleConfig::read_for(json.as_bytes(), ScheduleOwner::default(), tokens).expect("known") {
            ScheduleConfig::Flow(flow) => flow.sigmas(4),
            ScheduleConfig::Ddim(_) => panic!("a flow"),
        }
    }

    #[test]
    fn levels_are_shifted_by_the_size_of_images() {
        let json = r#"{"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": true, "shift": 3.0}"#;
        // µ of 4096 tokens is 1.15, of 1024 it is 0.5 + 0.65 · 768 / 3840 = 0.63.
        for (tokens, mu) in [(4096, 1.15f64), (1024, 0.63)] {
            for (found, sigma) in sigmas(json, tokens).into_iter().zip([1.0, 0.75, 0.5, 0.25]) {
                let wanted = mu.exp() / (mu.exp() + 1.0 / sigma - 1.0);
                assert!((f64::from(found) - wanted).abs() < 1e-6, "{found} against {wanted}");
            }
        }
        let linear = json.replace("true,", r#"true, "time_shift_type": "linear","#);
        assert!((sigmas(&linear, 4096)[2] - 1.15 / 2.15).abs() < 1e-6);
        let fixed = sigmas(&json.replace("true", "false"), 4096)[2];
        assert!((fixed - 0.75).abs() < 1e-6, "3 · 0.5 / (1 + 2 · 0.5)");
    }

    #[test]
    fn impossible_shifts_are_refused_by_field() {
        let refused = |fields: &str| {
            let json = format!(
                r#"{{"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": true, {fields}}}"#
            );
            ScheduleConfig::read_for(json.as_bytes(), ScheduleOwner::default(), 64).expect_err(fields).to_string()
        };
        assert!(
            refused(r#""time_shift_type": "cubic""#).contains("`time_shift_type` is cubic: exponential and linear")
        );
        assert!(
            refused(r#""max_image_seq_len": 256"#)
                .contains("`use_dynamic_shifting` is true, for 64 tokens: base_shift")
        );
        assert!(refused(r#""shift_terminal": 0.02"#).contains("shift_terminal"));
    }
}

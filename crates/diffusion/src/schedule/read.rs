//! Schedules from any scheduler config that diffusers writes.
//!
//! A pipeline's config names a solver, and the solver's settings stand beside what the model was trained with. moa brings its
//! own solvers, since a step needs a log-probability; of a config it takes what diffusers' `DDIMScheduler.from_config` takes:
//! the noise schedule, what the model predicts, and which timesteps are visited. A solver's order, its Karras levels and the
//! like say nothing of the model and are passed over. What would change the model's meaning is refused by name. A
//! distilled model's own steps are kept (LCM, TCD), since it knows no others. What a config lacks is what its class takes; what
//! a pipeline corrects in old configs is corrected ([`ScheduleOwner`]).

use serde_json::{Map, Value};

use super::{DdimConfig, Distillation, Distilled, FlowConfig, Prediction, ScheduleConfig};
use crate::ConfigError;

const FILE: &str = "scheduler/scheduler_config.json";

/// Solvers of discrete-time models, other than DDIM and DDPM, whose configs say nothing of clipping unless they clip.
const SOLVERS: [&str; 12] = [
    "PNDMScheduler",
    "LMSDiscreteScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "DPMSolverSDEScheduler",
    "DEISMultistepScheduler",
    "UniPCMultistepScheduler",
];

/// Solvers whose constructors take Stable Diffusion's first and last β where a config has none; the others take DDPM's.
const NARROW: [&str; 4] =
    ["HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "DPMSolverSDEScheduler"];

/// What stands beside a scheduler's config, in the pipeline that it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScheduleOwner<'a> {
    /// The scheduler's class by `model_index.json`, for configs that name none.
    pub class: Option<&'a str>,
    /// Whether the pipeline corrects old configs as diffusers' `StableDiffusionPipeline` does when it is built: `steps_offset`
    /// is 1 and `clip_sample` false, whatever they are in the file.
    pub corrects: bool,
}

/// Switches of discrete-time configs that must be off or absent.
const DISCRETE_SWITCHES: [(&str, &str); 2] = [
    ("thresholding", "steps with thresholded samples have no Gaussian log-probability: set it to false"),
    (
        "use_flow_sigmas",
        "a flow model is read from a FlowMatchEulerDiscreteScheduler's config: write one with its shift",
    ),
];

/// Switches of flow configs that must be off or absent.
const FLOW_SWITCHES: [(&str, &str); 6] = [
    (
        "use_dynamic_shifting",
        "a shift that depends on the image's size is not known: set it to false, and shift to the value for your size",
    ),
    ("invert_sigmas", "levels that rise are not known: set it to false"),
    ("shift_terminal", "a stretched last level is not known: set it to null"),
    ("use_karras_sigmas", "flow levels are even and shifted: set it to false"),
    ("use_exponential_sigmas", "flow levels are even and shifted: set it to false"),
    ("use_beta_sigmas", "flow levels are even and shifted: set it to false"),
];

/// Fields of discrete-time configs with all supported values, and a hint.
const DISCRETE_VALUES: [(&str, &[&str], &str); 5] = [
    (
        "beta_schedule",
        &["linear", "scaled_linear", "squaredcos_cap_v2"],
        "linear, scaled_linear and squaredcos_cap_v2 are known; others can be written out as trained_betas",
    ),
    (
        "prediction_type",
        &["epsilon", "v_prediction", "sample"],
        "epsilon, v_prediction and sample are known; a flow model is read from a FlowMatchEulerDiscreteScheduler's config",
    ),
    ("timestep_spacing", &["leading", "trailing", "linspace"], "leading, trailing and linspace are known"),
    (
        "timestep_type",
        &["discrete"],
        "models whose time input is a noise level are not known, only those that count steps",
    ),
    (
        "variance_type",
        &["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"],
        "models that predict a variance beside the noise are not known",
    ),
];

impl ScheduleConfig {
    /// Reads a config by itself; see [`ScheduleConfig::read_of`].
    ///
    /// # Errors
    /// As [`ScheduleConfig::read_of`].
    pub fn read(json: &[u8]) -> Result<Self, ConfigError> {
        Self::read_of(json, ScheduleOwner::default())
    }

    /// Reads `scheduler/scheduler_config.json` of any pipeline whose model predicts noise, velocity or the clean sample, or
    /// is a rectified flow.
    ///
    /// # Errors
    /// Names the field, its value, and what is known or can be set instead.
    pub fn read_of(json: &[u8], owner: ScheduleOwner<'_>) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Json { file: FILE, source };
        let json = without_infinities(&String::from_utf8_lossy(json));
        let mut config: Map<String, Value> = serde_json::from_str(&json).map_err(unreadable)?;
        if let (None | Some(Value::Null), Some(class)) = (config.get("_class_name"), owner.class) {
            config.insert("_class_name".into(), class.into());
        }
        let class = config.get("_class_name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let class = class.as_str();
        if class == "FlowMatchEulerDiscreteScheduler" {
            refuse_switches(&config, &FLOW_SWITCHES)?;
            let flow: FlowConfig = serde_json::from_value(Value::Object(config)).map_err(unreadable)?;
            flow.check()?;
            return Ok(Self::Flow(flow));
        }
        let distilled = Distilled::read(class, &config)?;
        let may_clip = ["DDIMScheduler", "DDPMScheduler"].contains(&class);
        if owner.corrects {
            config.insert("steps_offset".into(), 1.into());
            config.insert("clip_sample".into(), false.into());
        }
        if SOLVERS.contains(&class) || distilled.is_some() {
            config.entry("clip_sample").or_insert(Value::Bool(false));
        } else if !may_clip {
            let wanted = "FlowMatchEulerDiscreteScheduler, DDIMScheduler and other solvers of the same models are known (PNDM, \
                          LMS, Euler, Heun, KDPM2, DPMSolver, DEIS, UniPC, DDPM, LCM, TCD); if the model was not distilled for \
                          another sampler, write \"DDIMScheduler\"";
            let value = config.get("_class_name").map_or("missing".into(), Value::to_string);
            return Err(ConfigError::Field { file: FILE, field: "_class_name", value, wanted });
        }
        refuse_switches(&config, &DISCRETE_SWITCHES)?;
        let is_narrow = distilled.is_some() || NARROW.contains(&class);
        let [first, last] = if is_narrow { [0.00085, 0.012] } else { [0.0001, 0.02] };
        let growth = if distilled.is_some() { "scaled_linear" } else { "linear" };
        for (field, default) in
            [("beta_start", first.into()), ("beta_end", last.into()), ("beta_schedule", growth.into())]
        {
            if config.get(field).is_none_or(Value::is_null) {
                config.insert(field.into(), default);
            }
        }
        for (field, known, wanted) in DISCRETE_VALUES {
            match config.get(field) {
                None | Some(Value::Null) => (),
                Some(Value::String(value)) if known.contains(&value.as_str()) => (),
                Some(value) => return Err(refuse(field, value, wanted)),
            }
        }
        // Nothing is what diffusers' constructors take for "off" and "not given".
        if config.get("clip_sample").is_some_and(Value::is_null) {
            config.insert("clip_sample".into(), Value::Bool(false));
        }
        config.retain(|_, value| !value.is_null());
        let ddim: DdimConfig = serde_json::from_value(Value::Object(config)).map_err(unreadable)?;
        let ddim = DdimConfig { distilled, ..ddim };
        ddim.check()?;
        Ok(Self::Ddim(ddim))
    }
}

impl Distilled {
    /// Reads how a model was distilled; nothing of classes that are no consistency models'.
    fn read(class: &str, config: &Map<String, Value>) -> Result<Option<Self>, ConfigError> {
        let given = |field: &str| config.get(field).filter(|value| !value.is_null());
        let kind = match class {
            "LCMScheduler" => {
                let scaling = given("timestep_scaling").map_or(Some(10.0), Value::as_f64);
                let timestep_scaling = scaling.filter(|scaling| *scaling > 0.0 && scaling.is_finite());
                let wanted = "a number above 0";
                Distillation::Lcm {
                    timestep_scaling: timestep_scaling
                        .ok_or_else(|| refuse("timestep_scaling", &config["timestep_scaling"], wanted))?,
                }
            }
            "TCDScheduler" => Distillation::Tcd,
            _ => return Ok(None),
        };
        let steps = given("original_inference_steps").map_or(Some(50), Value::as_u64);
        let steps = steps.and_then(|steps| usize::try_from(steps).ok()).filter(|steps| *steps > 0);
        let wanted = "a whole number, 1 to num_train_timesteps";
        let original_steps =
            steps.ok_or_else(|| refuse("original_inference_steps", &config["original_inference_steps"], wanted))?;
        Ok(Some(Self { kind, original_steps }))
    }
}

impl DdimConfig {
    /// Refuses what would be computed wrongly.
    ///
    /// # Errors
    /// Names the field, its value and what is known.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.clip_sample {
            let wanted = "steps with clipped samples have no Gaussian log-probability: set it to false";
            return Err(refuse("clip_sample", &true, wanted));
        }
        if self.num_train_timesteps == 0 {
            return Err(refuse("num_train_timesteps", &0, "at least 1"));
        }
        if let Some(Distilled { original_steps, .. }) = self.distilled
            && original_steps > self.num_train_timesteps
        {
            return Err(refuse(
                "original_inference_steps",
                &original_steps,
                "a whole number, 1 to num_train_timesteps",
            ));
        }
        if self.rescale_betas_zero_snr && self.num_train_timesteps == 1 {
            return Err(refuse("num_train_timesteps", &1, "at least 2 where rescale_betas_zero_snr is true"));
        }
        let possible = |beta: f64| beta > 0.0 && beta < 1.0;
        if let Some(betas) = &self.trained_betas {
            if betas.len() != self.num_train_timesteps {
                let value = format!("a list of {}", betas.len());
                return Err(refuse("trained_betas", &value, "one β for each of num_train_timesteps"));
            }
            if let Some(beta) = betas.iter().find(|beta| !possible(**beta)) {
                return Err(refuse("trained_betas", beta, "numbers between 0 and 1"));
            }
        } else {
            for (field, beta) in [("beta_start", self.beta_start), ("beta_end", self.beta_end)] {
                if !possible(beta) {
                    return Err(refuse(field, &beta, "a number between 0 and 1"));
                }
            }
        }
        if self.rescale_betas_zero_snr && self.prediction_type == Prediction::Epsilon {
            let wanted = "without any signal a model that predicts noise says nothing: set it to false, or prediction_type to \
                          what the model predicts";
            return Err(refuse("rescale_betas_zero_snr", &true, wanted));
        }
        Ok(())
    }
}

impl FlowConfig {
    /// Refuses what would be computed wrongly.
    ///
    /// # Errors
    /// Names the field, its value and what is known.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.num_train_timesteps == 0 {
            return Err(refuse("num_train_timesteps", &0, "at least 1"));
        }
        if !(self.shift.is_finite() && self.shift > 0.0) {
            return Err(refuse("shift", &self.shift, "a number above 0"));
        }
        Ok(())
    }
}

/// Replaces Python's bare words for infinities and for no number, which are no JSON, by null. diffusers writes them: a
/// `DPMSolverMultistepScheduler`'s `lambda_min_clipped` is -Infinity.
fn without_infinities(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let (mut rest, mut quoted, mut escaped) = (json, false, false);
    while let Some(next) = rest.chars().next() {
        if let Some(word) = ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| !quoted && rest.starts_with(word))
        {
            text.push_str("null");
            rest = &rest[word.len()..];
            continue;
        }
        quoted ^= next == '"' && !escaped;
        escaped = quoted && next == '\\' && !escaped;
        text.push(next);
        rest = &rest[next.len_utf8()..];
    }
    text
}

fn refuse_switches(config: &Map<String, Value>, switches: &[(&'static str, &'static str)]) -> Result<(), ConfigError> {
    let on = |field: &str| config.get(field).filter(|value| !matches!(value, Value::Null | Value::Bool(false)));
    let found = switches.iter().find_map(|(field, wanted)| on(field).map(|value| refuse(field, value, wanted)));
    found.map_or(Ok(()), Err)
}

fn refuse(field: &'static str, value: &impl ToString, wanted: &'static str) -> ConfigError {
    ConfigError::Field { file: FILE, field, value: value.to_string(), wanted }
}

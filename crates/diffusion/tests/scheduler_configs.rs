//! Scheduler configs of any class against `DDIMScheduler.from_config` (fixtures/README.md), and what is refused.

use std::fs;
use std::path::Path;

use moa_diffusion::ScheduleConfig;
use moa_diffusion::schedule::{BetaSchedule, DdimConfig, ScheduleOwner};
use serde_json::{Value, json};

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

#[track_caller]
fn assert_close(found: &[f64], wanted: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() <= tolerance * wanted.abs().max(1.0), "{what}: {found} against {wanted}");
    }
}

fn read(config: &Value) -> Result<ScheduleConfig, String> {
    ScheduleConfig::read(config.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn ddim(config: &str) -> DdimConfig {
    match ScheduleConfig::read(config.as_bytes()).unwrap() {
        ScheduleConfig::Ddim(ddim) => ddim,
        ScheduleConfig::Flow(_) => panic!("{config} is a flow"),
    }
}

#[test]
fn configs_of_every_class_mean_what_diffusers_ddim_makes_of_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/scheduler_configs.json");
    let cases: Vec<Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 13);
    for case in &cases {
        let (name, config) = (case["name"].as_str().unwrap(), ddim(case["config"].as_str().unwrap()));
        for (steps, timesteps) in case["timesteps"].as_object().unwrap() {
            let found: Vec<f64> = config.timesteps(steps.parse().unwrap()).into_iter().map(|t| t as f64).collect();
            assert_close(&found, &numbers(timesteps), 0.0, &format!("{name} {steps}"));
        }
        let alphas = config.alphas_cumprod();
        let probes = numbers(&case["alphas_cumprod"]["timestep"]);
        let found: Vec<f64> = probes.into_iter().map(|t| alphas[t as usize]).collect();
        assert_close(&found, &numbers(&case["alphas_cumprod"]["value"]), 1e-5, name);
        for step in case["steps"].as_array().unwrap() {
            let rules = config.ddim(7, step["eta"].as_f64().unwrap() as f32);
            let rule = &rules[step["index"].as_u64().unwrap() as usize];
            let (x, output) = (numbers(&step["sample"]), numbers(&step["model_output"]));
            let noise = if step["noise"].is_null() { vec![0.0; x.len()] } else { numbers(&step["noise"]) };
            let next = |i: usize| {
                f64::from(rule.sample) * x[i] + f64::from(rule.output) * output[i] + f64::from(rule.std) * noise[i]
            };
            let found: Vec<f64> = (0..x.len()).map(next).collect();
            assert_close(&found, &numbers(&step["prev_sample"]), 1e-4, &format!("{name} step {}", step["index"]));
        }
    }
}

fn with(changes: &Value) -> Value {
    let mut config = json!({
        "_class_name": "EulerDiscreteScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
    });
    for (field, value) in changes.as_object().unwrap() {
        config[field] = value.clone();
    }
    config
}

#[test]
fn nothing_means_what_the_class_takes_it_for() {
    let ddim = |changes: Value| ddim(&with(&changes).to_string());
    let plain = ddim(json!({}));
    assert!(!plain.clip_sample);
    let nulls = json!({
        "trained_betas": null, "clip_sample": null, "timestep_spacing": null, "prediction_type": null, "thresholding": null,
        "variance_type": null,
    });
    assert_eq!(ddim(nulls), plain);
    assert!(read(&with(&json!({"_class_name": "DDIMScheduler"}))).unwrap_err().contains("`clip_sample` is true"));
    assert_eq!(ddim(json!({"_class_name": "DDIMScheduler", "clip_sample": null})), plain);
    assert_eq!(serde_json::from_value::<DdimConfig>(serde_json::to_value(&plain).unwrap()).unwrap(), plain);
}

#[test]
fn pythons_infinities_are_read_and_words_in_strings_are_kept() {
    let text = with(&json!({"_note": "say \"NaN, Infinity"})).to_string();
    let with_infinity = text.replacen('{', "{\"lambda_min_clipped\": -Infinity, \"x\": [NaN, Infinity], ", 1);
    assert_eq!(ddim(&with_infinity), ddim(&text));
    let found = ScheduleConfig::read(br#"{"_class_name": "NaN\" Infinity"}"#).unwrap_err().to_string();
    assert!(found.contains(r#"`_class_name` is "NaN\" Infinity": "#), "{found}");
}

#[test]
fn flow_configs_are_read_with_their_shift() {
    let config = json!({
        "_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0, "base_shift": 0.5,
        "use_dynamic_shifting": false, "shift_terminal": null, "invert_sigmas": false,
    });
    match read(&config).unwrap() {
        ScheduleConfig::Flow(flow) => {
            assert_eq!((flow.num_train_timesteps, flow.shift.to_bits()), (1000, 3.0f32.to_bits()));
        }
        ScheduleConfig::Ddim(_) => panic!("not a flow"),
    }
    for (field, value) in [
        ("use_dynamic_shifting", json!(true)),
        ("invert_sigmas", json!(true)),
        ("use_karras_sigmas", json!(true)),
        ("shift_terminal", json!(0.1)),
        ("shift", json!(0.0)),
        ("num_train_timesteps", json!(0)),
    ] {
        let mut config = config.clone();
        config[field] = value.clone();
        let found = read(&config).unwrap_err();
        let value = if value.is_f64() && field == "shift" { "0".into() } else { value.to_string() };
        assert!(found.starts_with(&format!("scheduler/scheduler_config.json: `{field}` is {value}: ")), "{found}");
    }
}

#[test]
fn what_would_be_computed_wrongly_is_refused_by_name() {
    for (changes, wanted) in [
        (json!({"_class_name": "EDMEulerScheduler"}), r#"`_class_name` is "EDMEulerScheduler": FlowMatch"#),
        (
            json!({"_class_name": "LCMScheduler", "original_inference_steps": 0}),
            "`original_inference_steps` is 0: a whole number",
        ),
        (
            json!({"_class_name": "TCDScheduler", "original_inference_steps": 2000}),
            "`original_inference_steps` is 2000: a whole number",
        ),
        (json!({"_class_name": "LCMScheduler", "timestep_scaling": 0}), "`timestep_scaling` is 0: a number above 0"),
        (json!({"_class_name": null}), "`_class_name` is null: FlowMatch"),
        (json!({"clip_sample": true}), "`clip_sample` is true: steps with clipped samples have no"),
        (json!({"thresholding": true}), "`thresholding` is true: steps with thresholded samples have no"),
        (json!({"prediction_type": "flow_prediction"}), r#"`prediction_type` is "flow_prediction": epsilon, v_pre"#),
        (json!({"use_flow_sigmas": true}), "`use_flow_sigmas` is true: a flow model is read from"),
        (json!({"beta_schedule": "sigmoid"}), r#"`beta_schedule` is "sigmoid": linear, scaled_linear and"#),
        (json!({"timestep_spacing": "odd"}), r#"`timestep_spacing` is "odd": leading, trailing and linspace"#),
        (json!({"timestep_type": "continuous"}), r#"`timestep_type` is "continuous": models whose time input"#),
        (json!({"variance_type": "learned_range"}), r#"`variance_type` is "learned_range": models that predict"#),
        (json!({"trained_betas": [0.1, 0.2]}), "`trained_betas` is a list of 2: one β for each of num_train_timesteps"),
        (
            json!({"trained_betas": [0.1, 1.0], "num_train_timesteps": 2}),
            "`trained_betas` is 1: numbers between 0 and 1",
        ),
        (json!({"beta_end": 1.5}), "`beta_end` is 1.5: a number between 0 and 1"),
        (json!({"num_train_timesteps": 0}), "`num_train_timesteps` is 0: at least 1"),
        (json!({"rescale_betas_zero_snr": true}), "`rescale_betas_zero_snr` is true: without any signal a model that"),
    ] {
        let found = read(&with(&changes)).unwrap_err();
        assert!(found.starts_with(&format!("scheduler/scheduler_config.json: {wanted}")), "{found}");
    }
}

/// The defaults of the constructors of diffusers 0.42.
#[test]
fn betas_that_a_config_lacks_are_those_of_its_class() {
    for (class, first, last) in [
        ("DDIMScheduler", 0.0001, 0.02),
        ("PNDMScheduler", 0.0001, 0.02),
        ("DPMSolverSinglestepScheduler", 0.0001, 0.02),
        ("HeunDiscreteScheduler", 0.00085, 0.012),
        ("DPMSolverSDEScheduler", 0.00085, 0.012),
    ] {
        let found = ddim(&json!({"_class_name": class, "clip_sample": false}).to_string());
        assert_eq!((found.beta_start, found.beta_end), (first, last), "{class}");
        assert_eq!(found.beta_schedule, BetaSchedule::Linear, "{class}");
    }
    for class in ["LCMScheduler", "TCDScheduler"] {
        let found = ddim(&json!({"_class_name": class}).to_string());
        assert_eq!((found.beta_start, found.beta_end), (0.00085, 0.012), "{class}");
        assert_eq!((found.beta_schedule, found.clip_sample), (BetaSchedule::ScaledLinear, false), "{class}");
    }
    let found = ddim(&with(&json!({"beta_start": null})).to_string());
    assert_eq!((found.beta_start, found.beta_end, found.beta_schedule), (0.0001, 0.012, BetaSchedule::ScaledLinear));
}

#[test]
fn the_pipeline_names_the_class_and_corrects_old_configs() {
    let read_of = |changes: Value, owner| ScheduleConfig::read_of(with(&changes).to_string().as_bytes(), owner);
    let named = ScheduleOwner { class: Some("PNDMScheduler"), corrects: false };
    assert_eq!(read_of(json!({"_class_name": null}), named).unwrap(), read(&with(&json!({}))).unwrap());
    let old = json!({"_class_name": "DDIMScheduler", "clip_sample": true, "steps_offset": 0});
    assert!(read_of(old.clone(), ScheduleOwner::default()).is_err());
    let corrects = ScheduleOwner { class: None, corrects: true };
    assert_eq!(read_of(old, corrects).unwrap(), read(&with(&json!({"steps_offset": 1}))).unwrap());
}

//! Schedules, steps and log-probabilities against diffusers and the papers' formulas (fixtures/README.md).

use std::fs;
use std::path::Path;

use moa_diffusion::StepRule;
use moa_diffusion::schedule::{DdimConfig, FlowConfig, FlowLevels};
use serde_json::Value;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    serde_json::from_str(&fs::read_to_string(path).expect(name)).expect(name)
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![number(value)],
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn assert_close(found: impl IntoIterator<Item = f64>, wanted: &[f64], tolerance: f64, what: &str) {
    let found: Vec<f64> = found.into_iter().collect();
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() <= tolerance * wanted.abs().max(1.0), "{what}: {found} against {wanted}");
    }
}

/// Asserts that a rule takes a fixture's sample and model output to its next sample.
fn assert_step(rule: &StepRule, step: &Value, what: &str) {
    let (x, output) = (numbers(&step["sample"]), numbers(&step["model_output"]));
    let noise = if step["noise"].is_null() { vec![0.0; x.len()] } else { numbers(&step["noise"]) };
    let next = x
        .iter()
        .zip(&output)
        .zip(&noise)
        .map(|((x, m), z)| f64::from(rule.sample) * x + f64::from(rule.output) * m + f64::from(rule.std) * z);
    assert_close(next, &numbers(&step["prev_sample"]), 1e-4, what);
}

#[test]
fn ddim_matches_diffusers() {
    let fixture = fixture("schedules.json");
    assert!(!list(&fixture["ddim"]).is_empty());
    for case in list(&fixture["ddim"]) {
        let config: DdimConfig = serde_json::from_value(case["config"].clone()).expect("config");
        let steps = case["num_inference_steps"].as_u64().expect("steps") as usize;
        let what = case["config"].to_string();
        assert_close(config.timesteps(steps).into_iter().map(|t| t as f64), &numbers(&case["timesteps"]), 0.0, &what);
        let alphas = config.alphas_cumprod();
        let visited = numbers(&case["alphas_cumprod"]["timestep"]).into_iter().map(|t| alphas[t as usize]);
        assert_close(visited, &numbers(&case["alphas_cumprod"]["value"]), 1e-5, &what);
        for step in list(&case["steps"]) {
            let rules = config.ddim(steps, number(&step["eta"]) as f32);
            let rule = &rules[step["index"].as_u64().expect("index") as usize];
            assert_step(rule, step, &format!("{what} {}", step["index"]));
        }
    }
    for case in list(&fixture["ddim_timesteps"]) {
        let spacing = &case["timestep_spacing"];
        let config = serde_json::json!({
            "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": false,
            "steps_offset": 1, "timestep_spacing": spacing,
        });
        let config: DdimConfig = serde_json::from_value(config).expect("config");
        let steps = case["num_inference_steps"].as_u64().expect("steps") as usize;
        let found = config.timesteps(steps).into_iter().map(|t| t as f64);
        assert_close(found, &numbers(&case["timesteps"]), 0.0, &format!("{spacing} {steps}"));
    }
}

#[test]
fn flow_matching_matches_diffusers() {
    let fixture = fixture("schedules.json");
    for case in list(&fixture["flow_match_euler"]) {
        let config: FlowConfig = serde_json::from_value(case["config"].clone()).expect("config");
        let steps = case["num_inference_steps"].as_u64().expect("steps") as usize;
        let sigmas = config.default_sigmas(steps);
        let what = case["config"].to_string();
        assert_close(sigmas.iter().map(|s| f64::from(*s)), &numbers(&case["sigmas"]), 1e-5, &what);
        let rules = config.ode(&sigmas);
        assert_close(rules.iter().map(|r| f64::from(r.timestep)), &numbers(&case["timesteps"]), 1e-5, &what);
        for step in list(&case["steps"]) {
            assert_step(&rules[step["index"].as_u64().expect("index") as usize], step, &what);
        }
    }
}

/// Returns the log-density of a step averaged over the sample's dimensions, as DDPO and Flow-GRPO define it, from the mean squared
/// distance of the next sample to the step's mean; in f32, as a trainer has the numbers.
fn mean_log_prob(mean_squared_distance: f32, std: f32) -> f64 {
    f64::from(-mean_squared_distance / (2.0 * std * std) - std.ln() - 0.5 * std::f32::consts::TAU.ln())
}

/// Asserts a stochastic step's mean, sample and log-probabilities, both of what was drawn and of another sample.
fn assert_gaussian(rule: &StepRule, case: &Value, tolerance: f64) {
    let what = format!("step {}", case["index"]);
    assert_step(rule, case, &what);
    assert_close([f64::from(rule.std)], &[number(&case["step_std"])], 1e-4, &what);
    let mean: Vec<f64> = numbers(&case["sample"])
        .iter()
        .zip(numbers(&case["model_output"]))
        .map(|(x, m)| f64::from(rule.sample) * x + f64::from(rule.output) * m)
        .collect();
    assert_close(mean.clone(), &numbers(&case["prev_sample_mean"]), 1e-4, &what);
    for (sample, log_prob) in [("prev_sample", "log_prob"), ("other_prev_sample", "other_log_prob")] {
        let (sample, wanted) = (numbers(&case[sample]), numbers(&case[log_prob]));
        let rows = sample.len() / wanted.len();
        let found = sample.chunks(rows).zip(mean.chunks(rows)).map(|(sample, mean)| {
            let distance = sample.iter().zip(mean).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / rows as f64;
            mean_log_prob(distance as f32, rule.std)
        });
        assert_close(found, &wanted, tolerance, &format!("{what} {log_prob}"));
    }
}

#[test]
fn stochastic_flow_steps_match_flow_grpo() {
    for case in list(&fixture("flow_sde.json")["cases"]) {
        let config =
            FlowConfig { num_train_timesteps: 1000, shift: number(&case["shift"]) as f32, levels: FlowLevels::Even };
        let steps = case["num_inference_steps"].as_u64().expect("steps") as usize;
        let rules = config.sde(&config.default_sigmas(steps), number(&case["noise_level"]) as f32);
        assert_gaussian(&rules[case["index"].as_u64().expect("index") as usize], case, 1e-3);
    }
}

#[test]
fn stochastic_ddim_steps_match_ddpo() {
    let fixture = fixture("ddim_log_prob.json");
    let steps = fixture["num_inference_steps"].as_u64().expect("steps") as usize;
    for case in list(&fixture["cases"]) {
        let mut config = fixture["config"].clone();
        config["prediction_type"] = case["prediction_type"].clone();
        let config: DdimConfig = serde_json::from_value(config).expect("config");
        let rules = config.ddim(steps, number(&case["eta"]) as f32);
        assert_gaussian(&rules[case["index"].as_u64().expect("index") as usize], case, 1e-3);
    }
}

#[test]
fn levels_of_our_flow_sampler_fall_evenly_from_pure_noise_to_none() {
    let config = FlowConfig { num_train_timesteps: 1000, shift: 1.0, levels: FlowLevels::Even };
    let wanted = [1.0, 0.75, 0.5, 0.25, 0.0];
    assert_close(config.sigmas(4).into_iter().map(f64::from), &wanted, 1e-6, "levels");
}

//! Stochastic flow steps that keep their noise level, and deterministic steps of second order (fixtures/README.md).

use std::fs;
use std::path::Path;

use moa_diffusion::schedule::{FlowConfig, FlowLevels};
use moa_diffusion::{ScheduleConfig, StepRule};
use serde_json::Value;

fn cases(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/steps.json");
    let mut fixture: Value = serde_json::from_str(&fs::read_to_string(path).expect("steps")).expect("steps");
    match fixture[name].take() {
        Value::Array(cases) if !cases.is_empty() => cases,
        _ => panic!("steps.json has no {name}"),
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(number).collect()
}

fn count(value: &Value) -> usize {
    value.as_u64().expect("a count") as usize
}

/// Returns the largest difference, as a share of the largest wanted value where that is above 1.
fn difference(found: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let largest = wanted.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    found.iter().zip(wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f64::max) / largest
}

fn mix(factors: [f32; 2], x: &[f64], output: &[f64]) -> Vec<f64> {
    let [sample, model] = factors.map(f64::from);
    x.iter().zip(output).map(|(x, m)| sample * x + model * m).collect()
}

fn flow(shift: f32) -> FlowConfig {
    FlowConfig { num_train_timesteps: 1000, shift, levels: FlowLevels::Even }
}

#[test]
fn coefficients_preserving_steps_match_the_paper() {
    for case in cases("cps") {
        let config = flow(number(&case["shift"]) as f32);
        let sigmas = config.sigmas(count(&case["num_inference_steps"]));
        let found: Vec<f64> = sigmas.iter().map(|sigma| f64::from(*sigma)).collect();
        assert!(difference(&found, &numbers(&case["sigmas"])) < 1e-6);
        let rules = config.cps(&sigmas, number(&case["eta"]) as f32);
        for (rule, step) in rules.iter().zip(case["steps"].as_array().expect("steps")) {
            let mean = mix([rule.sample, rule.output], &numbers(&step["sample"]), &numbers(&step["model_output"]));
            let error = difference(&mean, &numbers(&step["prev_sample_mean"]));
            assert!(error < 1e-6, "step {}: {error}", step["index"]);
            assert!((f64::from(rule.std) - number(&step["step_std"])).abs() < 1e-6, "step {}", step["index"]);
        }
        let last = rules.last().expect("a step");
        assert_eq!((rules.len(), last.std), (sigmas.len() - 1, 0.0));
    }
}

#[test]
fn steps_of_second_order_match_their_references() {
    for case in cases("second_order") {
        let config: ScheduleConfig = serde_json::from_value(case["config"].clone()).expect("config");
        let rules = config.deterministic_second_order(count(&case["num_inference_steps"]));
        let outputs = case["outputs"].as_array().expect("outputs");
        let samples = case["samples"].as_array().expect("samples");
        assert_eq!((rules.len(), samples.len()), (outputs.len(), outputs.len()));
        assert!(rules[0].previous == 0.0 && rules[1].previous != 0.0, "the first step has nothing to look back at");
        let mut x = numbers(&case["start"]);
        let mut previous = vec![0.0; x.len()];
        for (index, (rule, (output, wanted))) in rules.iter().zip(outputs.iter().zip(samples)).enumerate() {
            let output = numbers(output);
            let kept = mix(rule.kept, &x, &output);
            let next = mix([rule.sample, rule.output], &x, &output);
            x = mix([1.0, rule.previous], &next, &previous);
            previous = kept;
            let error = difference(&x, &numbers(wanted));
            assert!(error < 1e-5, "{} step {index}: {error}", case["config"]);
        }
    }
}

/// Returns the mean and the variance after every step but the last along normal data of mean 1 and variance `spread`, with the
/// best possible model: m = E\[ε − x₀ | x\].
fn moments(rules: &[StepRule], sigmas: &[f32], spread: f64) -> Vec<[f64; 2]> {
    let (mut mean, mut variance) = (0.0, 1.0);
    let steps = rules.iter().zip(sigmas).take(rules.len() - 1);
    let after = steps.map(|(rule, sigma)| {
        let sigma = f64::from(*sigma);
        let signal = 1.0 - sigma;
        // The velocity is linear in the sample: slope·(x − signal) − 1.
        let slope = (sigma - signal * spread) / (signal * signal * spread + sigma * sigma);
        let (sample, output) = (f64::from(rule.sample), f64::from(rule.output));
        mean = sample * mean + output * (slope * (mean - signal) - 1.0);
        variance = (sample + output * slope).powi(2) * variance + f64::from(rule.std).powi(2);
        [mean, variance]
    });
    after.collect()
}

/// Asserts how many times the variance after each step is what it should be.
fn assert_ratios(rules: &[StepRule], sigmas: &[f32], spread: f64, wanted: &[f64]) {
    let found = moments(rules, sigmas, spread);
    assert_eq!(found.len(), wanted.len());
    for (([_, variance], sigma), wanted) in found.iter().zip(&sigmas[1..]).zip(wanted) {
        let sigma = f64::from(*sigma);
        let ratio = variance / ((1.0 - sigma).powi(2) * spread + sigma * sigma);
        assert!((ratio - wanted).abs() < 0.006, "σ {sigma}: {ratio} against {wanted}");
    }
}

#[test]
fn coefficients_preserving_steps_keep_signal_and_noise_where_the_sde_adds_noise() {
    let config = flow(1.0);
    let sigmas = config.sigmas(6);
    let sde = config.sde(&sigmas, 1.2);
    // What the documentation of both says, for normal data of variance 0.42.
    assert_ratios(&sde, &sigmas, 0.42, &[2.06, 2.45, 1.73, 1.38, 1.13]);
    assert_ratios(&config.cps(&sigmas, 0.9), &sigmas, 0.42, &[0.98, 0.92, 0.76, 0.56, 0.43]);
    assert_ratios(&config.ode(&sigmas), &sigmas, 0.42, &[0.98, 0.95, 0.89, 0.79, 0.69]);
    // One image: the model tells it and the noise apart, so that the coefficients are the moments.
    for eta in [0.0, 0.3, 0.9, 1.0] {
        for ([mean, variance], sigma) in moments(&config.cps(&sigmas, eta), &sigmas, 0.0).iter().zip(&sigmas[1..]) {
            let sigma = f64::from(*sigma);
            assert!((mean - (1.0 - sigma)).abs() < 1e-6, "η {eta}, σ {sigma}: signal {mean}");
            assert!((variance.sqrt() - sigma).abs() < 1e-6, "η {eta}, σ {sigma}: noise {}", variance.sqrt());
        }
    }
    // In small steps the SDE is what it is meant to be.
    let fine = config.sigmas(2000);
    let [_, variance] = moments(&config.sde(&fine, 0.3), &fine, 0.42)[999];
    assert!((variance / (0.25 * 0.42 + 0.25) - 1.0).abs() < 0.01, "{variance}");
}

#[test]
fn steps_of_second_order_end_closer_to_the_exact_solution() {
    let config = flow(1.0);
    let reached = |rules: &[StepRule], sigmas: &[f32]| {
        let (spread, mut x, mut previous): (f64, f64, f64) = (0.42, 0.8, 0.0);
        for (rule, sigma) in rules.iter().zip(sigmas) {
            let sigma = f64::from(*sigma);
            let signal = 1.0 - sigma;
            let slope = (sigma - signal * spread) / (signal * signal * spread + sigma * sigma);
            let output = slope * (x - signal) - 1.0;
            x = f64::from(rule.sample) * x + f64::from(rule.output) * output + f64::from(rule.previous) * previous;
            previous = output;
        }
        // The flow takes quantiles of noise to those of data: 1 + 0.8·√0.42.
        (x - 1.0 - 0.8 * spread.sqrt()).abs()
    };
    let errors = |steps: usize| {
        let sigmas = config.sigmas(steps);
        [config.ode(&sigmas), config.adams_bashforth(&sigmas)].map(|rules| reached(&rules, &sigmas))
    };
    let ([first, second], [_, finer]) = (errors(20), errors(40));
    assert!(second < 0.4 * first, "second order {second}, first {first}");
    assert!(finer < 0.35 * second, "twice the steps: {finer} after {second}");
}

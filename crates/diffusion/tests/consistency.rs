//! Steps of distilled models against diffusers (fixtures/export_consistency.py).

use moa_diffusion::ScheduleConfig;
use moa_diffusion::schedule::{DdimConfig, StepRule};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("fixtures/consistency.json")).expect("JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn read(case: &Value) -> (ScheduleConfig, DdimConfig) {
    let schedule = ScheduleConfig::read(case["config"].as_str().expect("a config").as_bytes()).expect("known");
    let ScheduleConfig::Ddim(ddim) = schedule.clone() else { panic!("not a flow") };
    (schedule, ddim)
}

#[test]
fn timesteps_are_those_of_diffusers() {
    for case in golden()["cases"].as_array().expect("cases") {
        let (_, ddim) = read(case);
        for (steps, wanted) in case["timesteps"].as_object().expect("by steps") {
            let found: Vec<f64> = ddim.timesteps(steps.parse().expect("steps")).iter().map(|t| *t as f64).collect();
            assert_eq!(found, numbers(wanted), "{} {steps}", case["name"]);
        }
        // More steps than the model was distilled from: no two are the same.
        let many = ddim.timesteps(200);
        assert!(many.windows(2).all(|pair| pair[0] > pair[1]), "{many:?}");
    }
}

#[test]
fn steps_are_those_of_diffusers() {
    let golden = golden();
    let [x, output, noise] = ["sample", "output", "noise"].map(|name| numbers(&golden[name]));
    for case in golden["cases"].as_array().expect("cases") {
        let (schedule, ddim) = read(case);
        for row in case["steps"].as_array().expect("steps") {
            let (steps, index) = (row[0].as_u64().expect("steps") as usize, row[1].as_u64().expect("place") as usize);
            let rules = match row[2].as_f64() {
                None => schedule.evaluation(steps),
                Some(gamma) => ddim.ddim(steps, gamma as f32),
            };
            let StepRule { sample, output: model, std, .. } = rules[index];
            for (place, wanted) in numbers(&row[3]).into_iter().enumerate() {
                let found =
                    f64::from(sample) * x[place] + f64::from(model) * output[place] + f64::from(std) * noise[place];
                let near = (found - wanted).abs() <= 2e-4 * wanted.abs().max(1.0);
                assert!(near, "{} {row}: {found} against {wanted}", case["name"]);
            }
        }
    }
}

#[test]
fn trajectories_are_evaluated_without_noise_and_consistency_models_with_theirs() {
    for case in golden()["cases"].as_array().expect("cases") {
        let (schedule, _) = read(case);
        let is_lcm = case["name"].as_str().expect("a name").starts_with("lcm");
        let noisy = |rules: Vec<StepRule>| rules.iter().map(|rule| rule.std > 0.0).collect::<Vec<_>>();
        assert_eq!(noisy(schedule.evaluation(3)), [is_lcm, is_lcm, false]);
        for rules in [schedule.deterministic(3), schedule.deterministic_second_order(3)] {
            assert_eq!(noisy(rules), [false; 3]);
        }
    }
}

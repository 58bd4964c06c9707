//! The methods' losses and gradients against torch in f64 (`tests/fixtures/export_methods.py`, which says what each tensor is).

use std::cell::RefCell;
use std::sync::LazyLock;

use burn::tensor::{Device, Tensor, TensorData};
use moa_core::experiment::{PolicyGradientSpec, Ratio, StepWeights};
use moa_core::metric;
use moa_device::to_host;
use moa_diffusion::sampler::{Next, advance};
use moa_diffusion::schedule::{BetaSchedule, DdimConfig, FlowConfig, FlowLevels, Prediction, Spacing};
use moa_diffusion::{NoiseLevel, ScheduleConfig, StepRule};
use safetensors::SafeTensors;

use super::Loss;
use super::adjoint::{adjoint_before, matched};
use super::awm::matching_ratio;
use super::d3po::step_reward;
use super::differentiable::{Start, Tail, uphill};
use super::forward::Noised;
use super::group::{centred_regression, group_preference};
use super::implied::{implied, preference};
use super::kto::utility;
use super::mean_squares;
use super::nft::{nft, optimality};
use super::policy_gradient::{PolicyGradient, StepLoss};
use super::reward_weighted::weighted_error;
use crate::anchor::Anchor;
use crate::report::collected;
use crate::selection::TrainingSlice;
use crate::surrogate::{clipped, outside};

/// The largest deviation, relative to the largest value of a tensor.
const TOLERANCE: f32 = 1e-5;

const SAMPLES: f32 = 7.0;
const TRAINED: f32 = 3.0;
const TRAINED_STEPS: f32 = 2.0;
const MOST: f64 = 5.0;

static FIXTURE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/methods.safetensors");
    std::fs::read(path).expect("the fixture lies beside its generator")
});

fn floats(name: &str) -> Vec<f32> {
    let file = SafeTensors::deserialize(&FIXTURE).expect("a fixture");
    let bytes = file.tensor(name).unwrap_or_else(|_| panic!("the fixture has no {name}")).data().to_vec();
    bytes.chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn images(name: &str) -> Tensor<4> {
    let values = floats(name);
    let rows = values.len() / 18;
    Tensor::from_data(TensorData::new(values, [rows, 2, 3, 3]), &Device::flex())
}

fn rows(name: &str) -> Tensor<1> {
    let values = floats(name);
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &Device::flex())
}

fn leaf(name: &str) -> Tensor<4> {
    images(name).autodiff().require_grad()
}

fn gradient(leaf: &Tensor<4>, total: &Tensor<1>) -> Vec<f32> {
    let mut graph = total.backward();
    let gradient = leaf.grad_remove(&mut graph).expect("the loss depends on it");
    gradient.into_data().try_into_vec().expect("f32")
}

fn assert_close(name: &str, found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len(), "{name}");
    let largest = wanted.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let off = found.iter().zip(wanted).map(|(f, w)| (f - w).abs());
    let worst = off.fold(0.0f32, |most, off| if off.is_nan() { f32::INFINITY } else { most.max(off) });
    println!("{name}: off by {:.1e} of the largest value", worst / largest);
    assert!(worst <= TOLERANCE * largest, "{name}: {found:?} for {wanted:?}");
}

fn assert_golden(name: &str, found: &[f32]) {
    assert_close(name, found, &floats(name));
}

fn flow() -> FlowConfig {
    FlowConfig { num_train_timesteps: 1000, shift: 3.0, levels: FlowLevels::Even }
}

/// A step of some sampler, by a policy whose settings are given.
struct Case {
    sampler: &'static str,
    index: usize,
    ratio: Ratio,
    weights: StepWeights,
    /// What the fixture's advantages are multiplied by.
    sign: f32,
}

impl Case {
    fn check(&self) {
        let Self { sampler, index, ratio, weights, sign } = *self;
        let kind = if ratio == Ratio::Plain { "plain" } else { "normalised" };
        let name = format!("policy.{sampler}.{kind}.{}", if weights == StepWeights::Equal { "equal" } else { "noise" });
        let sigmas = flow().sigmas(4);
        let mut rules = if sampler == "cps" { flow().cps(&sigmas, 0.8) } else { flow().sde(&sigmas, 0.7) };
        rules[3] = flow().ode(&sigmas)[3];
        let spec = PolicyGradientSpec { ratio, step_weights: weights, ..PolicyGradientSpec::default() };
        let weight = PolicyGradient { spec }.weight(&rules, index) / (SAMPLES * TRAINED_STEPS);
        assert_golden(&format!("{name}.weight"), &[weight]);
        // What the old policy drew.
        let (x, next) = (images("x"), images(&format!("{name}.next")));
        let drawn = advance(&rules[index], x.clone(), images("old"), None, Next::Score(&next));
        let slice = TrainingSlice {
            samples: (0..3).chain(0..3).collect(),
            values: rows("advantages") * sign,
            latents: Vec::new(),
            means: vec![drawn.mean; index + 1],
            distances: vec![drawn.squared_distance; index + 1],
        };
        // How the new one scores it.
        let new = leaf("new");
        let taken = advance(&rules[index], x, new.clone(), None, Next::Score(&next));
        let tied = |rows: Tensor<4>| rows.narrow(0, 3, 3);
        let weights = rows("ties").narrow(0, 3, 3);
        let anchor = Anchor::between(tied(new.clone()), tied(images("base")), weights, vec![3, 4, 5], 6);
        let loss = StepLoss {
            rule: rules[index],
            index,
            weight,
            tie: 1.0 / (TRAINED * TRAINED_STEPS),
            range: f64::from(floats(&format!("{name}.range"))[0]),
            ratio,
        };
        let Loss { total, reports } = loss.of(&slice, &rows("pull"), taken, Some(&anchor));
        let seen = collected(&reports, None, 1).1;
        let seen = |metric: &str| &seen[metric][0];
        assert_golden(&format!("{name}.ratios"), seen(metric::RATIO_MEAN));
        assert_eq!(seen(metric::CLIP_FRACTION), &floats(&format!("{name}.outside")), "{name}: what is clipped");
        let divergence = seen(metric::KL_TO_BASE);
        assert!(divergence[..3].iter().all(|value| value.is_nan()), "rows of a run that is not tied");
        assert_close(&format!("{name}.kl"), &divergence[3..], &floats(&format!("{name}.kl"))[3..]);
        assert_golden(&format!("{name}.loss"), &to_host(total.clone()));
        assert_golden(&format!("{name}.gradient"), &gradient(&new, &total));
    }
}

#[test]
fn policy_gradient_over_steps_of_cps() {
    let case = Case { sampler: "cps", index: 1, ratio: Ratio::Plain, weights: StepWeights::Noise, sign: 1.0 };
    case.check();
    Case { weights: StepWeights::Equal, sign: -1.0, ..case }.check();
}

#[test]
fn policy_gradient_over_steps_of_the_sde() {
    Case { sampler: "sde", index: 0, ratio: Ratio::Plain, weights: StepWeights::Noise, sign: 1.0 }.check();
}

#[test]
fn policy_gradient_with_normalised_ratios() {
    let case = Case { sampler: "cps", index: 2, ratio: Ratio::Normalised, weights: StepWeights::Noise, sign: 1.0 };
    case.check();
    Case { sampler: "sde", sign: -1.0, ..case }.check();
}

/// Returns the fixture's finished samples, noised to levels of a flow or of a model that predicts noise.
fn noised(prediction: &str) -> Noised {
    let ddim = DdimConfig {
        num_train_timesteps: 20,
        beta_start: 0.1,
        beta_end: 0.1,
        beta_schedule: BetaSchedule::Linear,
        trained_betas: None,
        rescale_betas_zero_snr: false,
        set_alpha_to_one: true,
        steps_offset: 0,
        timestep_spacing: Spacing::Leading,
        prediction_type: Prediction::Epsilon,
        clip_sample: false,
        distilled: None,
    };
    let schedule = if prediction == "flow" { ScheduleConfig::Flow(flow()) } else { ScheduleConfig::Ddim(ddim) };
    let levels: Vec<NoiseLevel> = floats("shares").iter().map(|share| schedule.level(f64::from(*share))).collect();
    Noised::new(&images("sample"), &images("noise"), &levels)
}

#[test]
fn diffusion_nft() {
    let good = optimality(rows("advantages"), MOST);
    assert_golden("good", &to_host(good.clone()));
    for prediction in ["flow", "epsilon"] {
        for beta in ["0.4", "1.0"] {
            let name = format!("nft.{prediction}.{beta}");
            let (new, noised) = (leaf("new"), noised(prediction));
            let beta = beta.parse().expect("a number");
            let found = nft(&noised, new.clone(), images("old"), &images("sample"), good.clone(), beta) * MOST as f32;
            assert_golden(&format!("{name}.rows"), &to_host(found.clone()));
            assert_golden(&format!("{name}.gradient"), &gradient(&new, &found.sum()));
        }
    }
}

#[test]
fn advantage_weighted_matching() {
    for prediction in ["flow", "epsilon"] {
        let name = format!("awm.{prediction}");
        let (new, noised) = (leaf("new"), noised(prediction));
        let old = mean_squares(images("old") - noised.target.clone());
        assert_golden(&format!("{name}.old"), &to_host(old.clone()));
        let ratio = matching_ratio(mean_squares(new.clone() - noised.target.clone()), Some(old));
        let ratios = to_host(ratio.clone());
        assert_golden(&format!("{name}.ratios"), &ratios);
        let counted: Vec<f32> = ratios.iter().map(|ratio| outside(*ratio, 0.05)).collect();
        assert_eq!(counted, floats(&format!("{name}.outside")));
        let total = clipped(ratio, rows("advantages"), 0.05).sum();
        assert_golden(&format!("{name}.loss"), &to_host(total.clone()));
        assert_golden(&format!("{name}.gradient"), &gradient(&new, &total));
    }
}

#[test]
fn matching_without_an_old_error_has_the_ratio_1_and_the_gradient_of_the_error() {
    let (new, noised) = (leaf("new"), noised("flow"));
    let error = mean_squares(new.clone() - noised.target.clone());
    let ratio = matching_ratio(error, None);
    assert_eq!(to_host(ratio.clone()), [1.0; 6]);
    let found = gradient(&new, &ratio.sum());
    let wanted = (images("new") - noised.target) * (-2.0 / 18.0);
    assert_close("gradient of the error", &found, &wanted.into_data().try_into_vec::<f32>().expect("f32"));
}

#[test]
fn differentiable_rewards_through_every_tail() {
    let sigmas = flow().sigmas(4);
    let (noisy, quiet) = (flow().cps(&sigmas, 0.8), flow().ode(&sigmas));
    let schedule = ScheduleConfig::Flow(flow());
    let start = Start { slice: 0..6, x: images("x"), previous: None };
    let again = Start::noised(0..6, &images("sample"), images("noise"), &schedule.level_of(&quiet[3]));
    let last: Vec<StepRule> = vec![quiet[3]];
    let cases = [
        ("one_step", &start, Tail::Steps(last.clone())),
        ("two_steps", &start, Tail::Steps(vec![noisy[2], quiet[3]])),
        ("clean", &start, Tail::Clean(schedule.level_of(&noisy[1]))),
        ("low_variance", &again, Tail::Steps(last)),
    ];
    for (name, start, tail) in cases {
        let theta = leaf("theta");
        let model = |x: Tensor<4>, timestep: f32| (x + timestep / 1000.0).tanh() * theta.clone();
        let (mut seen, drawn) = (Vec::new(), RefCell::new(Vec::new()));
        let noise = |index: usize| {
            drawn.borrow_mut().push(index);
            images("noise")
        };
        let finished = tail.walk(start, &model, &noise, &mut |_, timestep, _| seen.push(timestep));
        assert_golden(
            &format!("tail.{name}.finished"),
            &finished.clone().inner().into_data().try_into_vec::<f32>().expect("f32"),
        );
        let total = uphill(finished, &images("objective"), 1.0 / SAMPLES);
        assert_golden(&format!("tail.{name}.loss"), &to_host(total.clone()));
        assert_golden(&format!("tail.{name}.gradient"), &gradient(&theta, &total));
        let two = name == "two_steps";
        assert_eq!(seen.len(), if two { 2 } else { 1 }, "{name}: passes that can be tied to the base");
        assert_eq!(*drawn.borrow(), if two { vec![0] } else { vec![] }, "{name}: deterministic steps draw nothing");
    }
}

/// Compares a loss that is summed up, and its gradient with respect to `new`, with the fixture's.
fn check_loss(name: &str, new: &Tensor<4>, total: &Tensor<1>) {
    assert_golden(&format!("{name}.loss"), &to_host(total.clone()));
    assert_golden(&format!("{name}.gradient"), &gradient(new, total));
}

fn beta() -> f64 {
    f64::from(floats("beta")[0])
}

#[test]
fn reward_weighted_likelihood() {
    for prediction in ["flow", "epsilon"] {
        let (new, noised) = (leaf("new"), noised(prediction));
        let error = mean_squares(new.clone() - noised.target);
        check_loss(&format!("weighted.{prediction}"), &new, &weighted_error(error, rows("weights")).sum());
    }
}

#[test]
fn what_an_adapter_implies_of_pairs_labels_and_groups() {
    for prediction in ["flow", "epsilon"] {
        let noised = noised(prediction);
        let implied = |new: &Tensor<4>| implied(new.clone(), images("base"), &noised.target, beta());
        let new = leaf("new");
        assert_golden(&format!("implied.{prediction}.rows"), &to_host(implied(&new)));
        // The share of votes for a pair's first is its first row's value.
        let labels: Vec<f32> = floats("labels").iter().flat_map(|share| [*share, f32::NAN]).collect();
        let labels = Tensor::from_data(TensorData::new(labels, [6]), &Device::flex());
        let judged = preference(implied(&new), labels);
        check_loss(&format!("dpo.{prediction}"), &new, &judged.losses.sum());
        let new = leaf("new");
        let means = rows("reference").expand([6]);
        check_loss(&format!("kto.{prediction}"), &new, &utility(implied(&new), means, rows("goods")).sum());
        let new = leaf("new");
        let losses = group_preference(implied(&new), rows("advantages"), 3);
        check_loss(&format!("dgpo.{prediction}"), &new, &losses.sum());
        let new = leaf("new");
        let losses = centred_regression(implied(&new), rows("advantages"), 3);
        check_loss(&format!("crd.{prediction}"), &new, &losses.sum());
    }
}

#[test]
fn pairs_count_as_right_by_their_votes() {
    let tensor = |values: &[f32]| {
        Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), &Device::flex()).autodiff()
    };
    // The margins 2, 2, -1, 0 and 1; votes for, against, against, for, and undecided.
    let implied = tensor(&[3.0, 1.0, 3.0, 1.0, 0.0, 1.0, 0.5, 0.5, 2.0, 1.0]);
    let votes = tensor(&[0.8, 0.2, 0.1, 0.9, 0.0, 1.0, 1.0, 0.0, 0.5, 0.5]).inner();
    let judged = preference(implied, votes);
    let seen = &collected(&judged.reports, None, 1).1[metric::PAIRS_RIGHT][0];
    assert_eq!(seen, &[1.0, 0.0, 1.0, 0.5, 0.5]);
}

/// Returns the step of CPS that the fixture's preferences and adjoints are of.
fn cps_step() -> StepRule {
    flow().cps(&flow().sigmas(4), 0.8)[1]
}

#[test]
fn preferences_over_steps() {
    let new = leaf("new");
    let reward = step_reward(&cps_step(), &images("x"), &images("steps_dpo.next"), new.clone(), images("base"), beta());
    assert_golden("steps_dpo.rows", &to_host(reward.clone()));
    let labels: Vec<f32> = floats("labels").iter().flat_map(|share| [*share, 1.0 - share]).collect();
    let labels = Tensor::from_data(TensorData::new(labels, [6]), &Device::flex());
    check_loss("steps_dpo", &new, &preference(reward, labels).losses.sum());
}

#[test]
fn adjoint_matching() {
    let (new, rule) = (leaf("new"), cps_step());
    assert_golden("adjoint.output", &[rule.output]);
    assert_golden("adjoint.std", &[rule.std]);
    check_loss("adjoint", &new, &matched(&rule, new.clone(), images("base"), images("adjoint")).sum());
    let model = |x: Tensor<4>| (x + rule.timestep / 1000.0).tanh() * Tensor::from_inner(images("theta"));
    let (output, before) = adjoint_before(&rule, &images("x"), &model, images("adjoint"));
    assert!(!output.is_autodiff(), "what is kept of the base has no graph");
    assert_golden("adjoint.before", &to_host(before));
}

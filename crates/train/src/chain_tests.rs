//! The chain from rollout to factors against finite differences of what is maximised, and what stops it.

#[path = "../tests/toy/mod.rs"]
pub(crate) mod toy;

use burn::tensor::{Tensor, TensorData};
use moa_core::experiment::{
    Baseline, ConstraintSpec, DifferentiableSpec, ExperimentSpec, KtoSpec, MethodSpec, NftSpec, PolicyGradientSpec,
    StepWeights, Threshold, Through,
};
use moa_core::{NoiseKey, RunId, Weighting};
use moa_diffusion::Pipeline;
use moa_diffusion::sampler::{Next, predict, step};
use moa_optimiser::StateWriter;
use moa_reward::Scorer;

use crate::clock::Clock;
use crate::epoch::{Epoch, Meter};
use crate::factors::Factors;
use crate::method::{Gathered, Method, Rows, method};
use crate::rollout::Keep;
use crate::statistics::Statistics;
use crate::steering::Steering;
use crate::world::World;
use crate::{TrainError, Trainer, TrainerSetup};

struct Bench {
    pipeline: Pipeline,
    scorer: Scorer,
    spec: ExperimentSpec,
    prompts: Vec<String>,
    runs: Vec<(RunId, Weighting)>,
}

impl Bench {
    fn new(spec: ExperimentSpec) -> Self {
        let runs = toy::runs()[..2].to_vec();
        Self { pipeline: toy::pipeline(), scorer: toy::scorer(&spec), spec, prompts: toy::prompts(), runs }
    }

    /// Returns a trainer whose adapters are not those before training: B of theirs is 0, at which gradients to A are 0.
    fn trainer(&self) -> Trainer<'_> {
        let Self { pipeline, scorer, spec, prompts, runs } = self;
        let setup = TrainerSetup {
            pipeline,
            scorer,
            prompts,
            held_out: prompts,
            preferences: None,
            spec,
            runs,
            starts: None,
            continued: None,
            workers: 1,
            overlaps: false,
        };
        let mut trainer = Trainer::new(setup).expect("a trainer");
        trainer.learned.factors = shifted(&trainer.learned.factors, 0.2);
        trainer
    }
}

/// Returns factors with noise added.
fn shifted(factors: &Factors, scale: f32) -> Factors {
    let shift = |(name, factor): (&String, &Tensor<3>)| {
        let noise = TensorData::new(NoiseKey::new(5).named(name).normal(factor.dims().iter().product()), factor.dims());
        (name.clone(), factor.clone() + Tensor::from_data(noise, &factor.device()) * scale)
    };
    factors.iter().map(shift).collect()
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().into_data().try_into_vec().expect("f32")
}

/// Returns a factor with one entry moved.
fn moved(factors: &Factors, name: &str, entry: usize, by: f32) -> Factors {
    let mut factors = factors.clone();
    let factor = factors.get_mut(name).expect("a factor");
    let mut host = values(factor);
    host[entry] += by;
    *factor = Tensor::from_data(TensorData::new(host, factor.dims()), &factor.device());
    factors
}

/// Settings under which a step of the optimiser says what the gradient was: −g / (|g| + 1).
fn telling(method: MethodSpec) -> ExperimentSpec {
    let mut spec = toy::spec();
    spec.training.method = method;
    spec.lora.share_a = false;
    (spec.optimiser.epsilon, spec.optimiser.learning_rate, spec.optimiser.max_grad_norm) = (1.0, 1.0, 1e9);
    spec
}

/// Trains an epoch and compares the gradient of the largest entries of factors with central differences of `loss`, which is given
/// factors and returns the loss of each run; entries are moved by `apart` and by twice that.
fn check_gradients(bench: &Bench, apart: f32, loss: &dyn Fn(&Trainer<'_>, &Factors) -> Vec<f64>) {
    let start = bench.trainer();
    let before = start.learned.factors.clone();
    let mut trainer = bench.trainer();
    trainer.epoch(&|_| ()).expect("an epoch");
    let gradient = |name: &str, entry: usize| {
        let step = f64::from(values(&trainer.learned.factors[name])[entry] - values(&before[name])[entry]);
        -step / (1.0 - step.abs())
    };
    let mut entries: Vec<(f64, &String, usize)> = Vec::new();
    for side in ["/a", "/b"] {
        for run in 0..bench.runs.len() {
            let names = before.keys().filter(|name| name.ends_with(side));
            let mut found: Vec<(f64, &String, usize)> = names
                .flat_map(|name| {
                    let share = before[name].dims().iter().product::<usize>() / bench.runs.len();
                    (run * share..(run + 1) * share).map(move |entry| (name, entry))
                })
                .map(|(name, entry)| (gradient(name, entry), name, entry))
                .collect();
            found.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
            entries.extend(&found[..3]);
        }
    }
    for (found, name, entry) in entries {
        let at = |by: f32| loss(&start, &moved(&before, name, entry, by)).into_iter().sum::<f64>();
        // Twice as far apart tells the error of the difference: Richardson's extrapolation takes its largest part away.
        let difference = |by: f32| (at(by) - at(-by)) / (2.0 * f64::from(by));
        let wanted = (4.0 * difference(apart) - difference(2.0 * apart)) / 3.0;
        println!("{name} [{entry}]: {found:+.6} for {wanted:+.6}, off by {:.1e}", (found / wanted - 1.0).abs());
        assert!((found - wanted).abs() <= 5e-3 * wanted.abs(), "{name} [{entry}]: {found:+.6} for {wanted:+.6}");
    }
}

#[test]
fn policy_gradient_descends_the_surrogate_of_the_densities() {
    let settings = PolicyGradientSpec {
        train_steps: 3,
        clip: 0.9,
        step_weights: StepWeights::Equal,
        ..PolicyGradientSpec::default()
    };
    let mut spec = telling(MethodSpec::PolicyGradient(settings));
    spec.rewards[1].kl = Some(0.3);
    spec.training.advantages.trained_share = 1.0;
    let bench = Bench::new(spec);
    check_gradients(&bench, 0.01, &|trainer, factors| {
        let world = &trainer.world;
        let meter = Meter::new(1.0, &|_| ());
        let clock = Clock::new(world.device());
        let epoch = Epoch::choose(world, 1, &Steering::default(), &meter, &clock).expect("its prompts are read");
        let rules = world.sampler.rules();
        let (old, new) = (world.bank(&trainer.learned.factors), world.bank(factors));
        let drawn = epoch.roll_out(&old, rules, Keep { from: 0, means: true }).expect("a rollout");
        let samples: Vec<Tensor<4>> = drawn.iter().map(|trajectory| trajectory.last().clone()).collect();
        let mut statistics = Statistics::new(world).expect("prompts are read");
        let scores = epoch.score(&epoch.pictures(&samples).expect("images"), &mut statistics).expect("scores");
        let advantages = epoch.advantages(&scores, &statistics, &|_| true);
        let mut losses = vec![0.0; 2];
        for trajectory in &drawn {
            let rows = epoch.rows(&trajectory.slice);
            let conditions = epoch.texts.conditions(&rows);
            for (index, rule) in rules[..3].iter().enumerate() {
                let (x, next) = (&trajectory.latents[index], &trajectory.latents[index + 1]);
                let taken = step(world.pipeline, Some(&new), rule, x.clone(), &conditions, None, Next::Score(next));
                let base = predict(world.pipeline, None, x.clone(), &vec![rule.timestep; rows.len()], &conditions);
                let [mean, old_mean, next] = [&taken.mean, &trajectory.means[index], next].map(values);
                let base_mean = values(&(x.clone() * rule.sample + base * rule.output));
                let dims = mean.len() / rows.len();
                let variance = 2.0 * f64::from(rule.std).powi(2);
                for (row, sample) in rows.iter().enumerate() {
                    let run = row * 2 / rows.len();
                    let place = |of: &[f32]| of[row * dims..(row + 1) * dims].iter().map(|v| f64::from(*v)).collect();
                    let [mean, old, base, next]: [Vec<f64>; 4] =
                        [&mean, &old_mean, &base_mean, &next].map(|v| place(v));
                    let distance =
                        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / dims as f64;
                    let ratio = ((distance(&next, &old) - distance(&next, &mean)) / variance).exp();
                    let count = (epoch.samples() * 3) as f64;
                    losses[run] -= f64::from(advantages[run].values[*sample]) * ratio / count;
                    losses[run] += f64::from(world.ties[run]) * distance(&mean, &base) / variance / count;
                }
            }
        }
        losses
    });
}

#[test]
fn draft_climbs_the_reward_through_decoder_and_two_steps() {
    // Little, as pixels are cut to their range, at whose ends the reward has a kink.
    let bench = Bench::new(telling(MethodSpec::Differentiable(DifferentiableSpec { through: Through::LastSteps(2) })));
    check_gradients(&bench, 0.002, &|trainer, factors| {
        let world = &trainer.world;
        let meter = Meter::new(1.0, &|_| ());
        let clock = Clock::new(world.device());
        let epoch = Epoch::choose(world, 1, &Steering::default(), &meter, &clock).expect("its prompts are read");
        let rules = world.sampler.rules();
        let (old, new) = (world.bank(&trainer.learned.factors), world.bank(factors));
        let drawn = epoch.roll_out(&old, rules, Keep { from: 2, means: false }).expect("a rollout");
        let samples: Vec<Tensor<4>> = drawn.iter().map(|trajectory| trajectory.last().clone()).collect();
        let mut statistics = Statistics::new(world).expect("prompts are read");
        epoch.score(&epoch.pictures(&samples).expect("images"), &mut statistics).expect("scores");
        let again: Vec<Tensor<4>> = drawn
            .iter()
            .map(|trajectory| {
                let rows = epoch.rows(&trajectory.slice);
                let conditions = epoch.texts.conditions(&rows);
                let keys = epoch.keys("rollout", &rows);
                let mut x = trajectory.latents[0].clone();
                for (index, rule) in rules.iter().enumerate().skip(2) {
                    let keys: Vec<NoiseKey> = keys.iter().map(|key| key.with(1 + index as u64)).collect();
                    let noise = || moa_diffusion::sampler::keyed_noise(world.pipeline, &keys);
                    x = step(world.pipeline, Some(&new), rule, x, &conditions, None, Next::Draw(&noise)).next;
                }
                x
            })
            .collect();
        let pictures = epoch.pictures(&again).expect("images");
        let scores = pictures.iter().map(|pictures| world.scorer.score(pictures).expect("scores").columns);
        // Run 0 is trained for reward 0 and run 1 for reward 1.
        let loss = |(run, columns): (usize, Vec<Vec<f32>>)| {
            let sum: f64 = columns[run].iter().map(|score| f64::from(*score)).sum();
            -sum / columns[run].len() as f64 / statistics.spreads.of(run)[run]
        };
        scores.enumerate().map(loss).collect()
    });
}

/// A method that draws by another policy than the one that it trains.
struct Stranger {
    inner: Box<dyn Method>,
    by: f32,
}

impl Method for Stranger {
    fn gather(&self, epoch: &Epoch<'_>, policy: &Factors, statistics: &mut Statistics) -> Result<Gathered, TrainError> {
        self.inner.gather(epoch, &shifted(policy, self.by), statistics)
    }

    fn check(&self, world: &World<'_>, update: usize, rows: &Rows) -> Result<(), TrainError> {
        self.inner.check(world, update, rows)
    }

    fn save(&self, file: &mut StateWriter) {
        self.inner.save(file);
    }
}

/// Trains an epoch that must fail, and sees to it that nothing is left of it.
fn failed(trainer: &mut Trainer<'_>) -> TrainError {
    let before = trainer.checkpoint().expect("a checkpoint");
    let error = trainer.epoch(&|_| ()).expect_err("the epoch fails");
    assert!(trainer.checkpoint().expect("a checkpoint") == before, "the trainer is as before the epoch: {error}");
    error
}

#[test]
fn a_rollout_by_another_policy_is_refused() {
    let mut spec = toy::spec();
    spec.optimiser.ema = Some(0.9);
    let bench = Bench::new(spec);
    let mut trainer = bench.trainer();
    trainer.epoch(&|_| ()).expect("a sound epoch");
    for by in [0.01, 0.3] {
        let inner = method(&bench.spec.training.method, &trainer.learned.factors);
        trainer.method = Box::new(Stranger { inner, by });
        let error = failed(&mut trainer);
        let TrainError::RatioOff { deviation, most, .. } = error else { panic!("{error}") };
        // A quarter of the clip range, 1e-4 · √(16384/192).
        assert!((most / 2.309e-4 - 1.0).abs() < 1e-3, "{most}");
        assert!(deviation > most && deviation.is_finite(), "{deviation}");
        let message = error.to_string();
        assert!(message.contains(&format!("differs from 1 by {deviation:.2e} (at most {most:.1e}")), "{message}");
    }
    trainer.method = method(&bench.spec.training.method, &trainer.learned.factors);
    trainer.epoch(&|_| ()).expect("by the policy itself it goes on");
}

#[test]
fn a_gradient_that_is_not_finite_ends_with_the_run_and_the_epoch() {
    for method in [
        MethodSpec::PolicyGradient(PolicyGradientSpec { train_steps: 2, ..PolicyGradientSpec::default() }),
        MethodSpec::Differentiable(DifferentiableSpec::default()),
        MethodSpec::Nft(NftSpec { old_rate: 0.5, ..NftSpec::default() }),
    ] {
        let mut spec = toy::spec();
        let name = method.name();
        spec.training.method = method;
        let bench = Bench::new(spec);
        let mut trainer = bench.trainer();
        trainer.epoch(&|_| ()).expect("a sound epoch");
        // The distance to the base, weighed so much that its gradient overflows; the other run is not tied.
        trainer.world.ties[1] = f32::MAX;
        let error = failed(&mut trainer);
        let TrainError::Diverged { run, epoch } = &error else { panic!("{name}: {error}") };
        assert_eq!((run.as_str(), *epoch), ("contrast", 2), "{name}");
        let message = error.to_string();
        assert!(message.contains("`contrast`") && message.contains("epoch 2"), "{message}");
    }
}

#[test]
fn a_probe_that_fails_leaves_nothing_of_the_epoch() {
    let mut spec = toy::spec();
    spec.training.method = MethodSpec::Nft(NftSpec { old_rate: 0.5, ..NftSpec::default() });
    spec.training.probe.every = 1;
    spec.optimiser.ema = Some(0.9);
    // The policy that draws is sound; the update ruins the trained one, and the probe sees it.
    spec.optimiser.learning_rate = 1e30;
    let bench = Bench::new(spec);
    let error = failed(&mut bench.trainer());
    assert!(matches!(error, TrainError::Reward(_)), "{error}");
}

#[test]
fn every_method_lets_all_of_its_runs_end() {
    for method in [
        MethodSpec::Nft(NftSpec::default()),
        MethodSpec::Kto(KtoSpec::default()),
        MethodSpec::Differentiable(DifferentiableSpec::default()),
    ] {
        for places in [&[1][..], &[]] {
            let mut spec = toy::spec();
            spec.training.method = method.clone();
            spec.training.advantages.baseline = Baseline::Prompt { decay: 0.9 };
            let at_least = Threshold::Value(0.1);
            spec.constraints = vec![ConstraintSpec { reward: "contrast".into(), at_least, rate: 1.0, confidence: 0.5 }];
            let bench = Bench::new(spec);
            let mut trainer = bench.trainer();
            trainer.epoch(&|_| ()).expect("a sound epoch");
            trainer.keep(places);
            assert_eq!(trainer.is_over(), places.is_empty(), "{}", method.name());
            if !places.is_empty() {
                trainer.epoch(&|_| ()).expect("the other run goes on");
            }
            trainer.checkpoint().expect("a checkpoint");
        }
    }
}

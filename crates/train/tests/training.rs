//! The trainer on a toy pipeline: what must hold whatever the model.

mod toy;

use moa_adapter::Adapter;
use moa_core::experiment::{ExperimentSpec, SamplerKind};
use moa_core::{RunId, Weighting};
use moa_diffusion::Pipeline;
use moa_reward::Scorer;
use moa_train::{EpochMetrics, TrainError, Trainer, TrainerSetup};

struct World {
    pipeline: Pipeline,
    scorer: Scorer,
    spec: ExperimentSpec,
    prompts: Vec<String>,
}

impl World {
    fn new(spec: ExperimentSpec) -> Self {
        Self { pipeline: toy::pipeline(), scorer: toy::scorer(&spec), spec, prompts: toy::prompts() }
    }

    fn trainer<'a>(&'a self, runs: &'a [(RunId, Weighting)], workers: usize) -> Result<Trainer<'a>, TrainError> {
        let Self { pipeline, scorer, spec, prompts } = self;
        Trainer::new(TrainerSetup { pipeline, scorer, prompts, spec, runs, workers })
    }
}

fn adapters(trainer: &Trainer<'_>) -> Vec<Adapter> {
    let bank = trainer.bank();
    (0..bank.members()).map(|member| bank.adapter(member)).collect()
}

fn train(trainer: &mut Trainer<'_>, epochs: usize) -> Vec<Vec<EpochMetrics>> {
    (0..epochs).map(|_| trainer.epoch(&|_| ()).expect("an epoch")).collect()
}

/// Returns the largest difference of two adapters' B, relative to the largest value.
fn difference(one: &Adapter, other: &Adapter) -> f32 {
    let (mut most, mut scale) = (0.0f32, 0.0f32);
    for (name, layer) in &one.layers {
        for (a, b) in layer.b.iter().zip(&other.layers[name].b) {
            most = most.max((a - b).abs());
            scale = scale.max(a.abs());
        }
    }
    most / scale
}

#[test]
fn a_bank_learns_what_each_adapter_learns_alone() {
    for share_a in [true, false] {
        let mut spec = toy::spec();
        spec.lora.share_a = share_a;
        // AdamW's first step is the gradient's sign: with a large epsilon it is the gradient.
        spec.optimiser.epsilon = 1.0;
        spec.optimiser.max_grad_norm = 1e9;
        let world = World::new(spec);
        let runs = toy::runs();
        let mut together = world.trainer(&runs, 1).expect("trainer");
        train(&mut together, 1);
        let together = adapters(&together);
        for (member, run) in runs.iter().enumerate().filter(|_| share_a) {
            let run = [run.clone()];
            let mut alone = world.trainer(&run, 1).expect("trainer");
            train(&mut alone, 1);
            let off = difference(&adapters(&alone)[0], &together[member]);
            assert!(off <= 1e-4, "{}: {off}", run[0].0);
        }
        assert!(together.iter().all(|adapter| adapter.layers.values().any(|l| l.b.iter().any(|b| *b != 0.0))));
        assert!(difference(&together[0], &together[1]) > 1e-2, "different rewards teach different things");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let world = World::new(toy::spec());
    let runs = toy::runs();
    let (mut one, mut three) = (world.trainer(&runs, 1).expect("trainer"), world.trainer(&runs, 3).expect("trainer"));
    assert_eq!(train(&mut one, 2), train(&mut three, 2));
    assert_eq!(adapters(&one), adapters(&three));
}

#[test]
fn a_restored_trainer_goes_on_bit_for_bit() {
    let mut spec = toy::spec();
    spec.optimiser.ema = Some(0.9);
    spec.training.updates_per_epoch = 2;
    let world = World::new(spec);
    let runs = toy::runs();
    let mut whole = world.trainer(&runs, 1).expect("trainer");
    let metrics = train(&mut whole, 4);
    let mut first = world.trainer(&runs, 1).expect("trainer");
    train(&mut first, 2);
    let bytes = first.checkpoint().expect("checkpoint");
    let mut second = world.trainer(&runs, 1).expect("trainer");
    second.restore(&bytes).expect("restores");
    assert_eq!(second.epochs_done(), 2);
    assert_eq!(train(&mut second, 2)[..], metrics[2..]);
    assert_eq!(adapters(&whole), adapters(&second));
}

#[test]
fn another_seed_gives_other_results() {
    let runs = toy::runs();
    let (mut spec, world) = (toy::spec(), World::new(toy::spec()));
    spec.seed = 1;
    let other = World::new(spec);
    let (mut one, mut two) = (world.trainer(&runs, 1).expect("trainer"), other.trainer(&runs, 1).expect("trainer"));
    assert_ne!(train(&mut one, 1), train(&mut two, 1));
}

#[test]
fn damaged_and_foreign_checkpoints_are_refused() {
    let runs = toy::runs();
    let world = World::new(toy::spec());
    let mut trainer = world.trainer(&runs, 1).expect("trainer");
    let bytes = trainer.checkpoint().expect("checkpoint");
    assert!(matches!(trainer.restore(&bytes[..bytes.len() / 2]), Err(TrainError::Checkpoint(_))));
    assert!(matches!(trainer.restore(b""), Err(TrainError::Checkpoint(_))));
    let mut spec = toy::spec();
    spec.optimiser.learning_rate = 5e-3;
    let other = World::new(spec);
    let mut other = other.trainer(&runs, 1).expect("trainer");
    let refused = other.restore(&bytes).expect_err("another experiment").to_string();
    assert!(refused.contains("another experiment"), "{refused}");
}

#[test]
fn the_anchor_holds_the_adapter_near_the_base() {
    let train_with = |kl: f64| {
        let mut spec = toy::spec();
        spec.rewards[0].kl = Some(kl);
        let world = World::new(spec);
        let runs = toy::runs();
        let mut trainer = world.trainer(&runs, 1).expect("trainer");
        let metrics = train(&mut trainer, 6);
        let size = |adapter: &Adapter| {
            adapter.layers.values().flat_map(|l| &l.b).map(|b| f64::from(*b).powi(2)).sum::<f64>().sqrt()
        };
        (adapters(&trainer).iter().map(size).collect::<Vec<_>>(), metrics)
    };
    let ((free, _), (held, metrics)) = (train_with(0.0), train_with(100.0));
    assert!(held[0] < free[0], "{held:?} against {free:?}");
    assert!(
        (held[1] - free[1]).abs() < 1e-5 * free[1],
        "the other reward's run is not tied: {held:?} against {free:?}"
    );
    assert!(metrics[0][0]["kl_to_base"].abs() < 1e-9, "before the first update the adapter is the base");
    assert!(metrics[5][0]["kl_to_base"] > 0.0);
}

#[test]
fn samplers_and_targets_that_do_not_fit_are_refused() {
    let runs = toy::runs();
    let mut spec = toy::spec();
    spec.sampler.kind = SamplerKind::Ddim { eta: 1.0 };
    let world = World::new(spec);
    let refused = world.trainer(&runs, 1).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("use FlowSde"), "{refused}");
    let mut spec = toy::spec();
    spec.lora.targets = vec!["to_z".into()];
    let world = World::new(spec);
    let refused = world.trainer(&runs, 1).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("to_z") && refused.contains("to_q"), "{refused}");
}

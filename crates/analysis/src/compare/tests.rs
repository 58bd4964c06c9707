use std::collections::BTreeMap;

use moa_core::experiment::{Guard, HypervolumeSpec, PromptSource, RewardKind, WeightingsSpec};
use moa_core::{EpochRecord, NoiseKey, RunId, RunRecord, RunState, ScoreColumn, Weighting, metric};
use moa_store::{Snapshot, Sweep};

use super::*;

const PROMPTS: usize = 64;

/// How an experiment's adapters of safety and of contrast change both rewards and the judge.
#[derive(Clone, Copy)]
struct Gains {
    safety: [f64; 2],
    contrast: [f64; 2],
    judge: f64,
}

const GOOD: Gains = Gains { safety: [0.2, -0.02], contrast: [-0.02, 0.2], judge: 0.0 };
const POOR: Gains = Gains { safety: [0.05, 0.0], contrast: [0.0, 0.05], judge: -0.1 };

fn spec(seed: u64, rank: u32) -> ExperimentSpec {
    let mut spec = ExperimentSpec {
        seed,
        rewards: vec![RewardKind::Safety.into(), RewardKind::Contrast.into()],
        weightings: vec![WeightingsSpec::Corners],
        soups: Vec::new(),
        ..ExperimentSpec::default()
    };
    spec.lora.rank = rank;
    spec.evaluation.resamples = 200;
    spec.prompts.held_out = PromptSource::List((0..PROMPTS).map(|prompt| format!("a cat {prompt}")).collect());
    spec
}

/// Columns of images about a level that differs by prompt, and gains that do so by a tenth: two images of each, which lie 0.2 apart.
fn column(name: &str, level: f64, gain: f64, noise: u64) -> ScoreColumn {
    let prompts = NoiseKey::new(noise).normal(PROMPTS);
    let images = |(place, prompt): (usize, &f32)| {
        let gain = gain as f32 * if place % 2 == 0 { 0.9 } else { 1.1 };
        [-0.1, 0.1].map(|own| level as f32 + gain + 0.05 * prompt + own)
    };
    ScoreColumn::of_images(name, &prompts.iter().enumerate().flat_map(images).collect::<Vec<_>>(), 2)
}

fn record(id: &str, shares: Option<[f64; 2]>, gains: [f64; 2], judge: f64, noise: u64) -> EvaluationRecord {
    EvaluationRecord {
        id: RunId(id.into()),
        kind: if shares.is_some() { PointKind::Trained } else { PointKind::Base },
        weighting: shares.map(|shares| Weighting::new(shares.to_vec()).unwrap()),
        images_per_prompt: 2,
        rewards: vec![column("safety", 0.5, gains[0], noise), column("contrast", 0.4, gains[1], noise)],
        judges: vec![ScoreColumn { prompt_variances: None, ..column("legibility", 0.8, judge, noise) }],
        distance_to_base: shares.map(|_| 12.0),
        added: None,
    }
}

/// A sweep of two adapters that took 1,000 passes and ten seconds each.
fn sweep(name: &str, spec: ExperimentSpec, gains: Gains) -> SweepResults {
    let spec = ExperimentSpec { name: Some(name.into()), ..spec };
    let noise = spec.evaluation.seed;
    let runs = spec.weightings().into_iter().map(|(id, weighting)| RunRecord {
        id,
        weighting,
        state: RunState::Evaluated,
        epochs_done: 2,
        epochs: 2,
        warnings: Vec::new(),
    });
    let epochs = |run: &RunRecord| {
        let epoch = |epoch: u32| EpochRecord {
            run: run.id.clone(),
            epoch,
            seconds: 5.0,
            metrics: BTreeMap::from([(metric::PASSES.to_owned(), 500.0 * f64::from(epoch))]),
        };
        (run.id.clone(), vec![epoch(1), epoch(2)])
    };
    let runs: Vec<RunRecord> = runs.collect();
    let snapshot = Snapshot {
        sweep: Sweep { device: "flex".into(), ..Sweep::default() },
        epochs: runs.iter().map(epochs).collect(),
        evaluations: vec![
            record("base", None, [0.0, 0.0], 0.0, noise),
            record("safety", Some([1.0, 0.0]), gains.safety, gains.judge, noise),
            record("contrast", Some([0.0, 1.0]), gains.contrast, gains.judge, noise),
        ],
        runs,
        ..Snapshot::default()
    };
    SweepResults {
        folder: PathBuf::from("results").join(name),
        spec,
        snapshot,
        moa: Some("0.1.0".into()),
        sha256: BTreeMap::from([("base".to_owned(), "0123456789".to_owned())]),
        images: Some(40),
        peak_memory: Some(1 << 30),
        device_memory: None,
    }
}

fn two() -> Vec<SweepResults> {
    vec![sweep("good", spec(1, 4), GOOD), sweep("poor", spec(1, 8), POOR)]
}

fn compare(results: &[SweepResults]) -> Comparison {
    Comparison::of(results, Fronts::All, None).unwrap()
}

fn near(one: f64, other: f64) {
    assert!((one - other).abs() < 1e-5, "{one} is not {other}");
}

#[test]
fn gains_costs_and_volumes_are_those_of_the_records() {
    let found = compare(&two());
    let [good, poor] = &found.experiments[..] else { panic!("{} experiments", found.experiments.len()) };
    assert_eq!((&*good.name, &*poor.name), ("good", "poor"));
    // Two images of a prompt 0.2 apart have a variance of 0.02.
    let deviation = 0.02_f64.sqrt();
    near(good.own[0].as_ref().unwrap().mean.mean, 0.2 / deviation);
    near(good.own_mean.as_ref().unwrap().mean.mean, 0.2 / deviation);
    near(poor.own_mean.as_ref().unwrap().mean.mean, 0.05 / deviation);
    near(poor.judges[0].as_ref().unwrap().mean.mean, -0.1);
    assert_eq!(poor.judges[0].as_ref().unwrap().sign(), -1);
    near(good.distance.as_ref().unwrap().mean.mean, 12.0);
    near(good.cost.passes.as_ref().unwrap().mean.mean, 1000.0);
    near(good.cost.seconds.as_ref().unwrap().mean.mean, 10.0);
    near(good.cost.images.as_ref().unwrap().mean.mean, 20.0);
    near(good.cost.per_1000_passes.as_ref().unwrap().mean.mean, 0.2 / deviation);
    near(good.cost.per_second.as_ref().unwrap().mean.mean, 0.02 / deviation);
    near(good.cost.per_1000_images.as_ref().unwrap().mean.mean, 10.0 / deviation);
    near(good.cost.peak_memory.as_ref().unwrap().mean.mean, f64::from(1 << 30));

    // 0 and 1 are −0.02 and 0.2 over the base, in both rewards: the base stands at 1/11, the good corners at (1, 0) and (0, 1), which
    // add nothing, the poor ones at (7/22, 1/11) and back.
    for (scale, base) in found.scales.iter().zip(&found.base) {
        near(scale.best - scale.reference, 0.22);
        near(scale.reference, base - 0.02);
    }
    near(found.base_hypervolume.unwrap(), 1.0 / 121.0);
    near(good.hypervolume.as_ref().unwrap().mean.mean, 1.0 / 121.0);
    near(poor.hypervolume.as_ref().unwrap().mean.mean, (2.0 * 7.0 / 22.0 - 1.0 / 11.0) / 11.0);
    let [pair] = &found.pairs[..] else { panic!("{} pairs", found.pairs.len()) };
    let volume = pair.hypervolume.as_ref().unwrap();
    near(volume.mean.mean, 1.0 / 121.0 - (7.0 / 11.0 - 1.0 / 11.0) / 11.0);
    assert_eq!(volume.sign(), -1);
    let own = pair.own.as_ref().unwrap();
    near(own.mean.mean, 0.15 / deviation);
    assert_eq!(own.sign(), 1);
}

#[test]
fn what_only_noise_and_seeds_tell_apart_are_seeds_of_one_experiment() {
    let mut results = two();
    let mut second = spec(2, 4);
    second.evaluation.seed = 7;
    let more = Gains { safety: [0.3, -0.02], ..GOOD };
    results.push(sweep("good-2", second, more));
    results[0].spec.name = Some("good-1".into());
    let found = compare(&results);
    assert_eq!(found.experiments.len(), 2);
    let good = &found.experiments[0];
    assert_eq!((&*good.name, &good.seeds[..]), ("good", &[1, 2][..]));
    let own = good.own[0].as_ref().unwrap();
    let deviation = 0.02_f64.sqrt();
    near(own.mean.mean, 0.25 / deviation);
    near(own.extremes()[0], 0.2 / deviation);
    near(own.extremes()[1], 0.3 / deviation);
    // Student's t of one degree of freedom: 12.706 times half the distance of two seeds.
    near(own.over_seeds().unwrap().hi, (0.25 + 12.706_204_7 * 0.05) / deviation);
    assert!(
        found.warnings.iter().any(|warning| warning.starts_with("the number of seeds differs: 2 in good; 1 in poor"))
    );

    // The same seeds twice are one seed counted twice; on another device they are another experiment.
    results[2].spec = ExperimentSpec { name: Some("good-2".into()), ..spec(1, 4) };
    let error = Comparison::of(&results, Fronts::All, None).unwrap_err().to_string();
    assert!(error.contains("results/good with results/good-2") && error.contains("seed: 1"), "{error}");
    results[2].snapshot.sweep.device = "libtorch".into();
    let found = compare(&results);
    assert_eq!(found.experiments.len(), 3);
    assert!(found.warnings.iter().any(|warning| warning.starts_with("the device differs")), "{:?}", found.warnings);
}

#[test]
fn differences_have_intervals_where_the_noise_is_the_same() {
    let same = compare(&two());
    let mut results = two();
    results[1] = sweep("poor", spec(1, 8), POOR);
    results[1].spec.evaluation.seed = 9;
    let other = compare(&results);
    let of = |found: &Comparison| [&found.pairs[0].hypervolume, &found.pairs[0].own].map(|one| one.clone().unwrap());
    for (same, other) in of(&same).iter().zip(of(&other)) {
        assert!(same.mean.is_bounded() && !other.mean.is_bounded());
        near(other.mean.mean, same.mean.mean);
        assert_eq!(other.sign(), 0, "nothing is claimed without an interval");
    }
    assert!(other.warnings.iter().any(|warning| warning.contains("evaluation.seed")), "{:?}", other.warnings);
}

#[test]
fn a_scale_that_all_experiments_give_counts() {
    let mut results = two();
    let ends = |value: f64| [("safety", value), ("contrast", value)].map(|(name, end)| (name.to_owned(), end)).into();
    results[0].spec.hypervolume = HypervolumeSpec { reference: ends(0.1), best: ends(1.1) };
    let one_alone = compare(&results);
    assert_eq!(one_alone.given, [false, false]);
    near(one_alone.scales[0].best - one_alone.scales[0].reference, 0.22);
    results[1].spec.hypervolume = results[0].spec.hypervolume.clone();
    let found = compare(&results);
    assert_eq!((&found.given[..], found.scales[0]), (&[true, true][..], Scale { reference: 0.1, best: 1.1 }));
    assert_eq!(found.experiments[0].hypervolume.as_ref().unwrap().sign(), 1);
}

#[test]
fn judges_that_fall_while_the_reward_rises_have_a_slope_below_0() {
    let mut results = two();
    let (safety, legibility) = (metric::reward_gain("safety"), metric::judge_gain("legibility"));
    let epochs = results[0].snapshot.epochs.get_mut(&RunId("safety".into())).unwrap();
    for (epoch, (own, judge)) in epochs.iter_mut().zip([(0.1, -0.01), (0.2, -0.04)]) {
        epoch.metrics.extend([(safety.clone(), own), (legibility.clone(), judge)]);
    }
    let slope = compare(&results).experiments[0].points[0].slopes[0].clone();
    // Judge and reward have the same deviation over prompts: (0.1·0.01 + 0.2·0.04) / (0.01 + 0.04).
    assert_eq!(slope.judge, "legibility");
    near(slope.slope.mean.mean, -0.18);
    near(compare(&results).experiments[0].slope.as_ref().unwrap().mean.mean, -0.18);

    let epochs = results[0].snapshot.epochs.get_mut(&RunId("safety".into())).unwrap();
    for epoch in epochs {
        epoch.metrics.insert(safety.clone(), -0.1);
    }
    assert_eq!(compare(&results).experiments[0].slope, None, "the reward did not rise");
}

#[test]
fn what_cannot_be_compared_is_refused_with_file_field_and_values() {
    let refused = |change: fn(&mut SweepResults), words: &[&str]| {
        let mut results = two();
        change(&mut results[1]);
        let error = Comparison::of(&results, Fronts::All, None).unwrap_err().to_string();
        for word in words.iter().chain(&["results/poor"]) {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
    };
    refused(
        |sweep| {
            sweep.spec.base = "models/other".into();
            sweep.sha256.insert("base".into(), "98".into());
        },
        &["experiment.ron, base", "`emoji-32`", "`models/other`"],
    );
    refused(
        |sweep| drop(sweep.sha256.insert("base".into(), "9876543210".into())),
        &["experiment.ron, base", "01234567", "98765432"],
    );
    refused(
        |sweep| sweep.spec.rewards[1] = RewardKind::Harmony.into(),
        &["rewards[1]", "contrast (kind: Contrast)", "harmony (kind: Harmony)"],
    );
    refused(
        |sweep| {
            let PromptSource::List(prompts) = &mut sweep.spec.prompts.held_out else { panic!("a list") };
            prompts[3] = "a dog".into();
        },
        &["prompts.held_out[3]", "`a cat 3`", "`a dog`"],
    );
    refused(|sweep| drop(sweep.snapshot.evaluations.pop()), &["not complete", "1 of 2 adapters"]);
    let error = Comparison::of(&two(), Fronts::All, Some("god")).unwrap_err().to_string();
    assert!(error.contains("`god`") && error.contains("good, poor"), "{error}");
}

#[test]
fn what_differs_beside_what_is_compared_is_told() {
    let told = |change: fn(&mut SweepResults), words: &str| {
        let mut results = two();
        change(&mut results[1]);
        let warnings = compare(&results).warnings;
        assert!(warnings.iter().any(|warning| warning.contains(words)), "`{words}` is not in: {warnings:?}");
    };
    told(|_| (), "lora.rank differs: 4 in good; 8 in poor");
    told(|sweep| sweep.spec.evaluation.steps = 9, "evaluation.steps differs");
    told(|sweep| sweep.spec.evaluation.guidance = 2.0, "evaluation.guidance differs");
    told(|sweep| sweep.spec.prompts.train = PromptSource::List(vec!["a bee".into()]), "prompts.train differs");
    told(|sweep| sweep.moa = Some("0.2.0".into()), "the version of moa differs: 0.1.0 in good; 0.2.0 in poor");
    told(|sweep| sweep.snapshot.evaluations[0].rewards[1].prompt_means.fill(0.9), "contrast is");
    let dearer = |sweep: &mut SweepResults| {
        for epoch in sweep.snapshot.epochs.values_mut().flatten() {
            epoch.metrics.insert(metric::PASSES.into(), 1060.0);
        }
    };
    told(
        |sweep| sweep.snapshot.runs[0].epochs_done = 1,
        "adapters whose training was ended by the guard: 1 of 2 in poor",
    );
    told(dearer, "budgets differ: from 1000 passes an adapter (good) to 1060 (poor)");
    // The guard is part of the method.
    let mut same = two();
    same[1].spec = ExperimentSpec { name: Some("poor".into()), ..spec(1, 4) };
    same[1].spec.training.guard = Guard::Off;
    assert_eq!(compare(&same).warnings, Vec::<String>::new());
}

#[test]
fn csv_and_json_have_every_figure() {
    let results = two();
    let found = Comparison::of(&results, Fronts::All, Some("poor")).unwrap();
    for part in Part::ALL {
        let csv = found.to_csv(part);
        let columns: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
        assert!(columns.len() > 1 && columns.iter().all(|count| *count == columns[0]), "{csv}");
    }
    assert!(found.to_csv(Part::Experiments).contains("over_baseline_hi"));
    let json: serde_json::Value = serde_json::from_str(&found.to_json()).unwrap();
    assert_eq!(json["baseline"], "poor");
    let own = &json["experiments"][0]["own_gains"]["safety"];
    near(own["mean"].as_f64().unwrap(), 0.2 / 0.02_f64.sqrt());
    assert_eq!(own["over_seeds"], serde_json::Value::Null);
    assert_eq!(json["experiments"][1]["over_baseline"], serde_json::Value::Null);
    assert!(json["pairs"][0]["hypervolume"]["lo"].is_f64());
}

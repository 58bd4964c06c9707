//! The posterior against numpy and scipy, and what must hold of it.

use moa_core::NoiseKey;
use moa_preferences::Winner;

use super::*;
use crate::golden::{EVIDENCE, FEATURES, MEANS, PAIRS, RANKING, VARIANCES};
use crate::{Features, SpaceSettings};

/// Standard normal features.
fn features(images: usize, width: usize, seed: u64) -> Features {
    let mut values = vec![0.0; images * width];
    NoiseKey::new(seed).named("features").fill_normal(&mut values);
    Features::new(width, values).expect("features")
}

/// A true linear score of features.
fn truth(features: &Features, scale: f64, seed: u64) -> Vec<f64> {
    let mut direction = vec![0.0; features.width()];
    NoiseKey::new(seed).named("truth").fill_normal(&mut direction);
    let norm = direction.iter().map(|value| value * value).sum::<f32>().sqrt();
    let score = |row: &[f32]| row.iter().zip(&direction).map(|(x, w)| f64::from(x * w / norm)).sum::<f64>() * scale;
    (0..features.len()).map(|image| score(features.row(image))).collect()
}

/// Answers by Bradley and Terry's model with lapses and Davidson's ties.
fn answer(delta: f64, ties: f64, lapse: f64, uniform: f64) -> Winner {
    let p = crate::likelihood::answers(delta, ties, lapse);
    if uniform < p[0].p {
        Winner::A
    } else if uniform < p[0].p + p[1].p {
        Winner::B
    } else {
        Winner::Tie
    }
}

fn compared(score: &[f64], count: usize, ties: f64, lapses: &[f64], seed: u64) -> Judgements {
    let key = NoiseKey::new(seed).named("pairs");
    let mut judgements = Judgements::new();
    for index in 0..count as u64 {
        let (a, b) = (key.below(4 * index, score.len()), key.below(4 * index + 1, score.len()));
        if a != b {
            let rater = index as usize % lapses.len();
            let winner = answer(score[a] - score[b], ties, lapses[rater], key.uniform(4 * index + 2));
            judgements.compare(&format!("prompt {}", index % 20), &format!("rater {rater}"), a, b, winner, 1.0);
        }
    }
    judgements
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let product =
        |x: &[f64], mx: f64, y: &[f64], my: f64| x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>();
    product(a, ma, b, mb) / (product(a, ma, a, ma) * product(b, mb, b, mb)).sqrt()
}

#[test]
fn the_posterior_is_that_of_numpy() {
    let features = Features::new(3, FEATURES.to_vec()).expect("features");
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let mut judgements = Judgements::new();
    for (better, other) in PAIRS {
        judgements.compare("p", "r", other, better, Winner::B, 1.0);
    }
    let ranked: Vec<(usize, u32)> = RANKING.iter().copied().zip(1..).collect();
    judgements.rank("p", "r", &ranked, 1.0);
    let settings = FitSettings { shape: Shape::Fixed(1.0), lapses: Lapses::Fixed(0.1), precision: Some(0.7) };
    let model = RewardModel::fit(&pool, &judgements, &settings).expect("fits");
    for image in 0..12 {
        let (mean, variance) = (model.mean(features.row(image)), model.variance(features.row(image)));
        assert!((mean - MEANS[image]).abs() < 1e-5, "{image}: {mean} {}", MEANS[image]);
        assert!((variance - VARIANCES[image]).abs() < 1e-5, "{image}: {variance} {}", VARIANCES[image]);
    }
    assert!((model.evidence() - EVIDENCE).abs() < 1e-5, "{} {EVIDENCE}", model.evidence());
}

#[test]
fn lapses_ties_and_scale_are_found() {
    let features = features(300, 5, 1);
    let score = truth(&features, 3.0, 1);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let judgements = compared(&score, 4000, 0.6, &[0.02, 0.3], 1);
    let model = RewardModel::fit(&pool, &judgements, &FitSettings::default()).expect("fits");
    let noise = model.noise();
    assert!((noise.lapses[0] - 0.02).abs() < 0.03, "{noise:?}");
    assert!((noise.lapses[1] - 0.3).abs() < 0.07, "{noise:?}");
    assert!((noise.ties - 0.6).abs() < 0.15, "{noise:?}");
    assert!((model.deviation(&pool) - 3.0).abs() < 0.5, "{}", model.deviation(&pool));
    assert!(correlation(&model.scores(&pool), &score) > 0.99);
}

#[test]
fn the_evidence_finds_the_true_precision() {
    // The prior's variance of a score over the pool is components / precision.
    let features = features(400, 40, 2);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    for scale in [1.0, 4.0] {
        let score = truth(&features, scale, 3);
        let judgements = compared(&score, 3000, 0.0, &[0.0], 4);
        let settings = FitSettings { shape: Shape::Fixed(0.0), lapses: Lapses::Fixed(0.0), precision: None };
        let model = RewardModel::fit(&pool, &judgements, &settings).expect("fits");
        let wanted = pool.space().components() as f64 / (scale * scale);
        assert!((model.precision() / wanted).ln().abs() < 0.5, "{scale}: {} {wanted}", model.precision());
        // Nearby precisions have less evidence.
        for factor in [0.3, 3.0] {
            let settings = FitSettings { precision: Some(model.precision() * factor), ..settings };
            assert!(RewardModel::fit(&pool, &judgements, &settings).expect("fits").evidence() < model.evidence());
        }
    }
}

#[test]
fn swapping_sides_changes_nothing() {
    let features = features(60, 6, 5);
    let score = truth(&features, 2.0, 5);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let judgements = compared(&score, 200, 0.5, &[0.1], 5);
    let mut swapped = judgements.clone();
    for entry in &mut swapped.comparisons {
        std::mem::swap(&mut entry.first, &mut entry.second);
        entry.winner = match entry.winner {
            Winner::A => Winner::B,
            Winner::B => Winner::A,
            Winner::Tie => Winner::Tie,
        };
    }
    let fit = |judgements| RewardModel::fit(&pool, judgements, &FitSettings::default()).expect("fits");
    let (one, other) = (fit(&judgements), fit(&swapped));
    for image in 0..60 {
        assert!((one.mean(features.row(image)) - other.mean(features.row(image))).abs() < 1e-8);
    }
}

#[test]
fn decisions_of_every_kind_teach_the_same_score() {
    let features = features(300, 6, 6);
    let score = truth(&features, 2.0, 6);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let key = NoiseKey::new(6).named("answers");
    let (mut rankings, mut marks, mut scores) = (Judgements::new(), Judgements::new(), Judgements::new());
    for index in 0..300_usize {
        let mut images: Vec<usize> = (0..4).map(|at| (index * 7 + at * 31) % 300).collect();
        // Gumbel noise makes Plackett and Luce's model.
        let gumbel = |at: usize| -(-key.with(index as u64).uniform(at as u64).ln()).ln();
        let noisy: Vec<f64> = images.iter().enumerate().map(|(at, image)| score[*image] + gumbel(at)).collect();
        let rank = |at: usize| 1 + noisy.iter().filter(|other| **other > noisy[at]).count() as u32;
        let ranked: Vec<(usize, u32)> = images.drain(..).enumerate().map(|(at, image)| (image, rank(at))).collect();
        rankings.rank("p", "r", &ranked, 1.0);
        let (strict, logistic) = (index % 2 == 0, key.uniform(index as u64));
        let threshold = if strict { 1.5 } else { -1.0 };
        let noise = (logistic / (1.0 - logistic)).ln();
        marks.mark("p", if strict { "strict" } else { "mild" }, index, score[index] + noise > threshold, 1.0);
        let own = if strict { 3.0 * score[index] + 50.0 } else { score[index] };
        scores.score("p", if strict { "strict" } else { "mild" }, index, own + 0.5 * noise, 1.0);
    }
    for (judgements, least) in [(&rankings, 0.95), (&marks, 0.85), (&scores, 0.95)] {
        let model = RewardModel::fit(&pool, judgements, &FitSettings::default()).expect("fits");
        let found = correlation(&model.scores(&pool), &score);
        assert!(found > least, "{found}");
    }
    let model = RewardModel::fit(&pool, &marks, &FitSettings::default()).expect("fits");
    let threshold = |who: &str| model.thresholds().iter().find(|known| known.rater == who).expect("has one").value;
    assert!((threshold("strict") - threshold("mild") - 2.5).abs() < 0.8, "{:?}", model.thresholds());
}

#[test]
fn variance_shrinks_with_decisions_and_grows_outside_the_pool() {
    let features = features(100, 8, 7);
    let score = truth(&features, 2.0, 7);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let settings = FitSettings { precision: Some(2.0), lapses: Lapses::Fixed(0.0), shape: Shape::Fixed(1.0) };
    let all = compared(&score, 400, 0.0, &[0.0], 7);
    let mean_variance = |count: usize| {
        let model = RewardModel::fit(&pool, &all.at(|at| at < count), &settings).expect("fits");
        (0..100).map(|image| model.variance(features.row(image))).sum::<f64>()
    };
    let variances = [10, 40, 160, 400].map(mean_variance);
    assert!(variances.windows(2).all(|two| two[1] < two[0]), "{variances:?}");
    let few = Pool::new(&features, &SpaceSettings { components: 3, explained: 1.0 }).expect("pool");
    let model = RewardModel::fit(&few, &all, &settings).expect("fits");
    let far: Vec<f32> = features.row(0).iter().map(|x| 10.0 * x).collect();
    assert!(model.variance(&far) > 20.0 * model.variance(features.row(0)));
    assert!(model.lower(&far, 1.0) < model.mean(&far));
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let features = features(80, 7, 8);
    let score = truth(&features, 2.0, 8);
    for components in [3, 7] {
        let pool = Pool::new(&features, &SpaceSettings { components, explained: 1.0 }).expect("pool");
        let model =
            RewardModel::fit(&pool, &compared(&score, 150, 0.0, &[0.0], 8), &FitSettings::default()).expect("fits");
        let x = features.row(5);
        let (mean, variance, lower) = (model.mean_gradient(), model.variance_gradient(x), model.lower_gradient(x, 1.5));
        for j in 0..7 {
            let step = 0.015_625_f32;
            let moved = |by: f32| {
                let mut moved = x.to_vec();
                moved[j] += by;
                moved
            };
            let (above, below) = (moved(step), moved(-step));
            let width = f64::from(above[j]) - f64::from(below[j]);
            let slope = |f: &dyn Fn(&[f32]) -> f64| (f(&above) - f(&below)) / width;
            assert!((slope(&|x| model.mean(x)) - mean[j]).abs() < 1e-6);
            assert!((slope(&|x| model.variance(x)) - variance[j]).abs() < 1e-6);
            assert!((slope(&|x| model.lower(x, 1.5)) - lower[j]).abs() < 1e-4);
        }
    }
}

#[test]
fn invalid_judgements_and_settings_are_refused() {
    let features = features(10, 3, 9);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let fit = |judgements: &Judgements, settings: FitSettings| {
        RewardModel::fit(&pool, judgements, &settings).map(|_| ()).expect_err("is refused").to_string()
    };
    assert!(fit(&Judgements::new(), FitSettings::default()).contains("no decision"));
    let mut judgements = Judgements::new();
    judgements.compare("p", "r", 0, 10, Winner::A, 1.0);
    assert!(fit(&judgements, FitSettings::default()).contains("image 10 is not in the pool"));
    judgements.comparisons[0].second = 0;
    assert!(fit(&judgements, FitSettings::default()).contains("compared with itself"));
    judgements.comparisons[0].second = 1;
    for weight in [f64::NAN, -1.0, 0.0, f64::INFINITY] {
        judgements.comparisons[0].weight = weight;
        assert!(fit(&judgements, FitSettings::default()).contains("weight"));
    }
    judgements.comparisons[0].weight = 1.0;
    let lapses = FitSettings { lapses: Lapses::Fixed(1.0), ..FitSettings::default() };
    assert!(fit(&judgements, lapses).contains("`lapses` is 1"));
    let precision = FitSettings { precision: Some(0.0), ..FitSettings::default() };
    assert!(fit(&judgements, precision).contains("`precision` is 0"));
}

#[test]
fn one_decision_alone_is_fitted() {
    let features = features(10, 30, 10);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let mut judgements = Judgements::new();
    judgements.compare("p", "r", 0, 1, Winner::A, 1.0);
    let model = RewardModel::fit(&pool, &judgements, &FitSettings::default()).expect("fits");
    let difference = model.difference_in(&pool, 0, 1);
    assert!(difference.mean > 0.0 && difference.mean < 5.0 && difference.variance > 0.0, "{difference:?}");
}

#[test]
fn the_prior_is_what_is_believed_before_any_decision() {
    let mut values = vec![0.0; 60 * 5];
    moa_core::NoiseKey::new(4).fill_normal(&mut values);
    let features = crate::Features::new(5, values).expect("features");
    let pool = Pool::new(&features, &crate::SpaceSettings::default()).expect("pool");
    for shape in [0.0, 1.0] {
        let settings = FitSettings { shape: Shape::Fixed(shape), ..FitSettings::default() };
        let model = RewardModel::prior(&pool, &settings).expect("a prior");
        let variances: Vec<f64> = (0..60).map(|image| model.variance(features.row(image))).collect();
        // Coordinates have variance 1 over the pool.
        assert!((variances.iter().sum::<f64>() / 60.0 - SPREAD).abs() < 1e-3, "{shape}");
        assert!((0..60).all(|image| model.mean(features.row(image)).abs() < 1e-12));
        assert_eq!((model.judgements(), model.raters().len()), (0, 0));
    }
}

#[test]
fn a_space_within_prompts_leaves_out_in_what_prompts_differ() {
    // Prompts differ along the first feature, images of a prompt along the second.
    let values: Vec<f32> = (0..24).flat_map(|image| [(image / 6) as f32 * 9.0, (image % 6) as f32]).collect();
    let features = crate::Features::new(2, values).expect("features");
    let prompts: Vec<usize> = (0..24).map(|image| image / 6).collect();
    let settings = crate::SpaceSettings::default();
    let pool = Pool::of_prompts(&features, &prompts, &settings).expect("pool");
    assert_eq!(pool.space().components(), 1);
    // Images 0 and 6 are alike but for their prompts; of one prompt the variance is 1: 35/12 before.
    assert!(pool.distance(0, 6) < 1e-6);
    assert!((pool.distance(0, 5) - 5.0 / (35.0_f64 / 12.0).sqrt()).abs() < 1e-5);
    let error = Pool::of_prompts(&features, &prompts[..3], &settings).expect_err("it is refused");
    assert!(error.to_string().contains("24 images, and groups of 3"), "{error}");
    let alone: Vec<usize> = (0..24).collect();
    assert!(Pool::of_prompts(&features, &alone, &settings).is_err(), "nothing varies within");
}

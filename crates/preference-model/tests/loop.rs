//! From a file of preferences to a validated model and the next questions.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use moa_core::NoiseKey;
use moa_preference_model::{
    Card, Features, FitSettings, Judgements, Lapses, Origin, Pool, Resampling, RewardModel, Shape, SpaceSettings,
    Target, ValidationSettings, agreement_on_pairs, learning_curve, self_consistency, validate,
};
use moa_preferences::{Image, Preferences, Winner};
use proptest::prelude::*;

const FIXED: FitSettings = FitSettings { shape: Shape::Fixed(1.0), lapses: Lapses::Fixed(0.0), precision: Some(1.0) };

fn features(images: usize, width: usize, seed: u64) -> Features {
    let mut values = vec![0.0; images * width];
    NoiseKey::new(seed).fill_normal(&mut values);
    Features::new(width, values).expect("features")
}

/// Pairs within 40 prompts of ten images; logistic answers to a linear score whose differences deviate by `scale`·√2.
fn simulated(features: &Features, pairs: usize, scale: f64, lapse: f64, seed: u64) -> Judgements {
    let key = NoiseKey::new(seed).named("answers");
    let mut judgements = Judgements::new();
    for index in 0..pairs as u64 {
        let (prompt, a) = (key.below(5 * index, 40), key.below(5 * index + 1, 10));
        let b = (a + 1 + key.below(5 * index + 2, 9)) % 10;
        let (a, b) = (prompt * 10 + a, prompt * 10 + b);
        let delta = scale * f64::from(features.row(a)[0] - features.row(b)[0]);
        let p = 0.5 * lapse + (1.0 - lapse) / (1.0 + (-delta).exp());
        let winner = if key.uniform(5 * index + 3) < p { Winner::A } else { Winner::B };
        judgements.compare(&format!("prompt {prompt}"), "ann", a, b, winner, 1.0);
    }
    judgements
}

/// Lines of a file; images are named a to d.
fn preferences(lines: &[&str]) -> Preferences {
    let image =
        |name: char| format!("{{\"File\":{{\"path\":\"{name}.png\",\"sha256\":\"{}\"}}}}", name.to_string().repeat(64));
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let mut line = (*line).to_owned();
        for name in ['a', 'b', 'c', 'd'] {
            line = line.replace(&format!("<{name}>"), &image(name));
        }
        let who = if line.contains("\"who\"") { "" } else { ",\"who\":\"ann\"" };
        let prompt = if line.contains("Undo") { "" } else { ",\"prompt\":\"a red cat\"" };
        let when = "\"when\":\"2026-03-02T10:11:12Z\"";
        writeln!(text, "{{\"version\":1,\"id\":\"r{number}\"{who}{prompt},{when},{line}}}")
            .expect("writes to a string");
    }
    Preferences::from_bytes(text.as_bytes(), Path::new("p.jsonl")).expect("is a file of preferences")
}

#[test]
fn records_that_count_become_judgements() {
    let preferences = preferences(&[
        "\"kind\":\"Pair\",\"images\":[<a>,<b>],\"outcome\":\"B\"",
        "\"kind\":\"Pair\",\"images\":[<b>,<c>],\"outcome\":\"Skip\"",
        "\"kind\":\"Pair\",\"images\":[<c>,<b>],\"outcome\":\"A\"",
        "\"kind\":\"Undo\",\"undoes\":\"r2\"",
        "\"kind\":\"Ranking\",\"images\":[<a>,<b>,<c>],\"outcome\":[2,1,2]",
        "\"kind\":\"Ranking\",\"images\":[<c>,<a>],\"outcome\":[3,3]",
        "\"kind\":\"Ranking\",\"images\":[<a>,<d>,<b>],\"outcome\":[1,2,3]",
        "\"kind\":\"Label\",\"images\":[<a>],\"outcome\":\"Good\",\"who\":\"bob\"",
        "\"kind\":\"Label\",\"images\":[<d>],\"outcome\":\"Good\"",
        "\"kind\":\"Score\",\"images\":[<b>],\"outcome\":3.5,\"weight\":0.5",
        "\"kind\":\"Score\",\"images\":[<b>],\"outcome\":9,\"weight\":0",
    ]);
    // d is not in the pool.
    let places: HashMap<String, usize> =
        ["a", "b", "c"].iter().zip(0..).map(|(name, at)| (name.repeat(64), at)).collect();
    let judgements = Judgements::from_preferences(&preferences, |prompt, image: &Image| {
        assert_eq!(prompt, "a red cat");
        places.get(&image.key()).copied()
    });
    let pairs: Vec<_> = judgements.comparisons.iter().map(|entry| (entry.first, entry.second, entry.winner)).collect();
    assert_eq!(pairs, [(0, 1, Winner::B), (2, 0, Winner::Tie), (0, 1, Winner::A)]);
    assert_eq!(
        (judgements.rankings[0].images.as_slice(), judgements.rankings[0].ranks.as_slice()),
        (&[0, 1, 2][..], &[2, 1, 2][..])
    );
    assert_eq!((judgements.markings.len(), judgements.scorings.len(), judgements.missing), (1, 1, 1));
    assert_eq!(judgements.raters, ["ann", "bob"]);
    assert_eq!(
        (judgements.markings[0].rater, judgements.markings[0].good, judgements.scorings[0].weight),
        (1, true, 0.5)
    );
    assert!(judgements.check(3).is_ok() && judgements.check(2).is_err());
}

#[test]
fn validation_finds_the_accuracy_calibration_and_ceiling() {
    let features = features(400, 6, 1);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let mut judgements = simulated(&features, 1200, 2.0, 0.1, 1);
    // A fifth of the questions again, answered anew.
    for at in 0..240 {
        let mut again = judgements.comparisons[at].clone();
        let delta = 2.0 * f64::from(features.row(again.first)[0] - features.row(again.second)[0]);
        let p = 0.05 + 0.9 / (1.0 + (-delta).exp());
        again.winner = if NoiseKey::new(77).uniform(at as u64) < p { Winner::A } else { Winner::B };
        judgements.comparisons.push(again);
    }
    let found =
        validate(&pool, &judgements, &FitSettings::default(), &ValidationSettings::default()).expect("validates");
    // The best possible: the mean of max(p, 1 − p).
    let best = judgements.comparisons.iter().map(|entry| {
        let delta = 2.0 * f64::from(features.row(entry.first)[0] - features.row(entry.second)[0]);
        0.05 + 0.9 / (1.0 + (-delta.abs()).exp())
    });
    let best = best.sum::<f64>() / judgements.comparisons.len() as f64;
    assert!((found.accuracy.value - best).abs() < 0.03, "{:?} {best}", found.accuracy);
    assert!(found.accuracy.low < best && found.accuracy.high > best && found.accuracy.high - found.accuracy.low < 0.1);
    assert!(found.calibration.error < 0.05 && (0.7..1.4).contains(&found.calibration.temperature), "{found:?}");
    let ceiling = found.ceiling.expect("repeats");
    assert!(ceiling.high > best && ceiling.value < 0.95, "{ceiling:?} {best}");
    assert_eq!((found.pairs, found.prompts), (1440, 40));
    assert_eq!(self_consistency(&judgements)[0].rater, "ann");
}

#[test]
fn a_score_without_truth_is_at_chance() {
    let features = features(400, 6, 3);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let judgements = simulated(&features, 600, 0.0, 0.0, 3);
    let found =
        validate(&pool, &judgements, &FitSettings::default(), &ValidationSettings::default()).expect("validates");
    assert!(found.accuracy.low < 0.5 && found.accuracy.high > 0.5, "{:?}", found.accuracy);
    assert!(found.calibration.log_loss < 0.72, "{:?}", found.calibration);
}

#[test]
fn labels_and_scores_are_validated_by_their_order() {
    let features = features(400, 4, 4);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let mut judgements = Judgements::new();
    for image in 0..400 {
        let value = features.row(image)[0];
        judgements.mark(&format!("prompt {}", image / 10), "ann", image, value > 0.2, 1.0);
    }
    let found =
        validate(&pool, &judgements, &FitSettings::default(), &ValidationSettings::default()).expect("validates");
    assert!(found.accuracy.value > 0.95, "{:?}", found.accuracy);
}

#[test]
fn one_prompt_is_too_few() {
    let features = features(10, 3, 5);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let mut judgements = Judgements::new();
    judgements.compare("p", "r", 0, 1, Winner::A, 1.0);
    let error = validate(&pool, &judgements, &FIXED, &ValidationSettings::default()).expect_err("is refused");
    assert!(error.to_string().contains("1 prompts have decided pairs"), "{error}");
    let error =
        learning_curve(&pool, &judgements, &FIXED, &ValidationSettings::default(), 0.8).expect_err("is refused");
    assert!(error.to_string().contains("40 are needed"), "{error}");
}

#[test]
fn the_learning_curve_says_what_is_still_needed() {
    let features = features(400, 30, 6);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let all = simulated(&features, 2000, 3.0, 0.0, 6);
    let some = all.at(|at| at < 300);
    let settings = ValidationSettings {
        resampling: Resampling { resamples: 200, ..Resampling::default() },
        ..ValidationSettings::default()
    };
    let whole = validate(&pool, &all, &FitSettings::default(), &settings).expect("validates").accuracy.value;
    let now = validate(&pool, &some, &FitSettings::default(), &settings).expect("validates").accuracy.value;
    let target = 0.5 * (now + whole);
    let curve = learning_curve(&pool, &some, &FitSettings::default(), &settings, target).expect("a curve");
    assert_eq!(curve.points.len(), 5);
    assert!(curve.points[4].1.value > curve.points[0].1.value);
    let still = curve.still_needed();
    assert!(still.low <= still.value && still.value <= still.high);
    assert!(still.low <= 1700.0 && still.high > 50.0, "{still:?}");
    let easy = learning_curve(&pool, &some, &FitSettings::default(), &settings, 0.55).expect("a curve");
    assert!(easy.still_needed().value < 1.0);
    // A share of what there is to gain is a target below the limit, whatever that is.
    let most = Target::OfLimit(0.9);
    let curve = learning_curve(&pool, &some, &FitSettings::default(), &settings, most).expect("a curve");
    assert!((curve.target - 0.5 - 0.9 * (curve.limit.value - 0.5)).abs() < 1e-12);
    assert!(curve.needed.value.is_finite());
    let error = learning_curve(&pool, &some, &FIXED, &settings, Target::OfLimit(1.0)).expect_err("is refused");
    assert!(error.to_string().contains("target"), "{error}");
}

#[test]
fn a_card_says_what_is_known_and_no_markup_of_raters() {
    let features = features(400, 4, 7);
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let mut judgements = simulated(&features, 200, 2.0, 0.0, 7);
    judgements.raters[0] = "<script>|ann\n# bob".into();
    let model = RewardModel::fit(&pool, &judgements, &FitSettings::default()).expect("fits");
    let settings = ValidationSettings::default();
    let validation = validate(&pool, &judgements, &FIXED, &settings).expect("validates");
    let curve = learning_curve(&pool, &judgements, &FIXED, &settings, 0.9).expect("a curve");
    let consistency = self_consistency(&judgements);
    assert_eq!(agreement_on_pairs(&judgements, &Resampling::default()), None);
    let card = Card {
        name: "mine",
        validation: Some(&validation),
        curve: Some(&curve),
        consistency: &consistency,
        agreement: None,
    };
    let origin = Origin { embedding: "emoji-32's CLIP".into(), embedding_sha256: "ab".repeat(32), ..Origin::default() };
    let text = card.markdown(&model, &origin);
    for wanted in [
        "# mine\n",
        "| accuracy | ",
        "| decisions | 200 |",
        "calibration error",
        "not good for",
        "pessimism",
        "Decisions still needed for 90.0 %",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(text.contains("\\<script\\>\\|ann \\# bob") && !text.contains("<script>"), "{text}");
    assert!(Card { name: "mine", ..Card::default() }.markdown(&model, &origin).contains("accuracy is unknown"));
}

#[test]
fn thread_counts_do_not_change_a_bit() {
    let features = features(400, 80, 8);
    let judgements = simulated(&features, 300, 2.0, 0.1, 8);
    let fit = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
            let model = RewardModel::fit(&pool, &judgements, &FitSettings::default()).expect("fits");
            model.to_bytes(&Origin::default()).expect("encodes")
        })
    };
    assert!(fit(1) == fit(3));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Permuted decisions, split weights and doubled features change nothing.
    #[test]
    fn equal_evidence_gives_equal_scores(seed in 0_u64..1000, swap in 0_usize..30, factor in 0.01_f32..100.0) {
        let plain = features(400, 4, seed);
        let judgements = simulated(&plain, 30, 2.0, 0.0, seed);
        let mut other = judgements.clone();
        other.comparisons.rotate_left(swap);
        let half = other.comparisons[0].clone();
        other.comparisons[0].weight = 0.5;
        other.comparisons.push(moa_preference_model::Comparison { weight: 0.5, ..half });
        let scaled = Features::new(4, (0..400).flat_map(|image| plain.row(image).iter().map(|x| x * factor).collect::<Vec<_>>()).collect()).expect("features");
        let fit = |features: &Features, judgements: &Judgements| {
            let pool = Pool::new(features, &SpaceSettings::default()).expect("pool");
            RewardModel::fit(&pool, judgements, &FIXED).expect("fits")
        };
        let (one, two) = (fit(&plain, &judgements), fit(&scaled, &other));
        for image in 0..20 {
            prop_assert!((one.mean(plain.row(image)) - two.mean(scaled.row(image))).abs() < 1e-4);
            prop_assert!((one.variance(plain.row(image)) - two.variance(scaled.row(image))).abs() < 1e-4);
        }
    }

    /// A vote for an image raises its score against the other, and a decision never adds variance to what it is about.
    #[test]
    fn votes_move_scores_their_way(seed in 0_u64..1000) {
        let features = features(400, 5, seed);
        let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
        let mut judgements = simulated(&features, 20, 1.0, 0.0, seed);
        let before = RewardModel::fit(&pool, &judgements, &FIXED).expect("fits").difference_in(&pool, 3, 7);
        judgements.compare("p", "ann", 7, 3, Winner::B, 1.0);
        let after = RewardModel::fit(&pool, &judgements, &FIXED).expect("fits").difference_in(&pool, 3, 7);
        prop_assert!(after.mean > before.mean);
        let kept = before.mean.abs() > 1.0;
        // Curvature at the mode may fall as the mode moves from 0; near it variance falls.
        prop_assert!(kept || after.variance < before.variance * 1.02);
    }
}

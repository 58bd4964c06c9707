//! Sweeps whose reward is fitted to judgements meanwhile.

mod tiny;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use burn::tensor::Device;
use moa_adapter::Parameters;
use moa_core::experiment::{ExperimentSpec, FeedbackFrom, FeedbackSpec, RewardKind, RewardSpec, WeightingsSpec};
use moa_core::{Judging, NoiseKey, RunEvent};
use moa_diffusion::Tokenizer;
use moa_preferences::Preferences;
use moa_reward::disk::preference::{Preference, PreferenceFeatures};
use moa_reward::rewards::Taste;
use moa_reward::{Clip, ClipConfig, Embedder, Preprocessor, Reward, Scorer};
use moa_runner::{Models, Part, SweepOutcome, sweep};
use moa_scenes::tokenizer::{TOKENIZER_JSON, VOCAB_JSON};
use moa_store::Snapshot;
use tiny::{Results, request, results, run};

/// An untrained CLIP of the tiny model's images.
fn clip() -> Embedder {
    let vocabulary: std::collections::BTreeMap<String, u32> = serde_json::from_str(VOCAB_JSON).unwrap();
    let config = format!(
        r#"{{"projection_dim": 8, "text_config": {{"vocab_size": {}, "eos_token_id": {}, "max_position_embeddings": 12, "hidden_size": 8,
        "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}},
        "vision_config": {{"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8,
        "patch_size": 4}}}}"#,
        vocabulary.len(),
        vocabulary["<|endoftext|>"],
    );
    let parameters = Parameters::fresh(NoiseKey::new(5), &Device::flex());
    let clip = Clip::load(&ClipConfig::read(&config).unwrap(), &parameters).unwrap();
    let preprocessor = r#"{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}"#;
    let clip = clip.with_preprocessor(Preprocessor::read(preprocessor).unwrap());
    Embedder::new(clip, Tokenizer::read(TOKENIZER_JSON, 12).unwrap())
}

fn models() -> Models {
    let clip = clip();
    let features = PreferenceFeatures::new(Arc::clone(clip.picture_embedder()), Arc::clone(clip.text_embedder()));
    let rewards: Vec<Box<dyn Reward>> =
        vec![Box::new(Preference::unfitted("feedback", 1.0, features)), Box::new(Taste::new("taste"))];
    Models { scorer: Scorer::new(rewards, Vec::new()), ..tiny::models() }
}

fn spec() -> ExperimentSpec {
    let feedback = FeedbackSpec {
        every: 2,
        pairs: 4,
        first: 6,
        prompts: 3,
        images_per_prompt: 3,
        ..FeedbackSpec::new(FeedbackFrom::Simulated { flips: 0.25 })
    };
    let kind = RewardKind::Feedback { clip: "emoji-32".into(), pessimism: 1.0 };
    let spec = ExperimentSpec {
        rewards: vec![RewardSpec::from(kind), RewardSpec::from(RewardKind::Taste)],
        weightings: vec![WeightingsSpec::Corners],
        soups: Vec::new(),
        feedback: Some(feedback),
        ..tiny::spec()
    };
    spec.validate().unwrap();
    spec
}

/// Returns what a sweep left, without what names or times answers: those are another minute's.
fn judged(out: &Path) -> Results {
    let mut results = results(out);
    results.files.retain(|path, _| !path.starts_with("feedback"));
    results
}

fn said(events: &[RunEvent]) -> Vec<&Judging> {
    events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Judging(judging) => Some(judging),
            _ => None,
        })
        .collect()
}

#[test]
fn raters_are_asked_while_it_trains_and_the_reward_is_fitted_again() {
    let root = tempfile::tempdir().unwrap();
    let (outcome, events) = run(&request(spec(), root.path()), &models());
    assert!(matches!(outcome.unwrap(), SweepOutcome::Finished(_)));
    let after: Vec<(u32, u32)> = said(&events).iter().map(|judging| (judging.after_epoch, judging.answered)).collect();
    assert_eq!(after, [(0, 6), (2, 10)], "before the first epoch, and after the second");
    let file = Preferences::read(&root.path().join("feedback/preferences.jsonl")).unwrap();
    assert_eq!(file.counted().count(), 10);
    file.check_images().unwrap();
    assert!(file.counted().all(|record| record.who == "simulated"));
    for name in ["model-1.safetensors", "model-2.safetensors", "times.json", "questions-2.json", "pool.json"] {
        assert!(root.path().join("feedback").join(name).is_file(), "{name}");
    }
    let snapshot = Snapshot::read(root.path()).unwrap();
    assert!(snapshot.evaluations.iter().any(|evaluation| evaluation.id.as_str() == "base"));
    // Doing it again asks nobody, and evaluates nothing.
    let (outcome, events) = run(&request(spec(), root.path()), &models());
    assert!(matches!(outcome.unwrap(), SweepOutcome::Finished(_)));
    assert!(said(&events).is_empty());
    assert!(!events.iter().any(|event| matches!(event, RunEvent::Evaluated(_))));
}

#[test]
fn a_sweep_that_is_stopped_at_any_moment_asks_the_same_and_ends_the_same() {
    let whole = tempfile::tempdir().unwrap();
    run(&request(spec(), whole.path()), &models()).0.unwrap();
    let expected = judged(whole.path());
    let questions = |out: &Path, time: u32| std::fs::read(out.join(format!("feedback/questions-{time}.json"))).unwrap();
    // At each event that a sweep tells of, as far as training goes.
    for stop_at in [1, 3, 5, 8, 11] {
        let root = tempfile::tempdir().unwrap();
        let first = request(spec(), root.path());
        let stop = first.stop.clone();
        let mut count = 0;
        let outcome = sweep(&first, &models(), &mut |event: &RunEvent| {
            count += usize::from(!matches!(event, RunEvent::Progress { .. }));
            stop.fetch_or(count >= stop_at, Ordering::Relaxed);
        });
        assert!(matches!(outcome.unwrap(), SweepOutcome::Interrupted { .. }), "{stop_at}");
        run(&request(spec(), root.path()), &models()).0.unwrap();
        judged(root.path()).assert_same(&expected);
        for time in [1, 2] {
            assert_eq!(questions(root.path(), time), questions(whole.path(), time));
        }
    }
}

#[test]
fn runs_that_come_later_train_on_what_was_fitted_then() {
    let root = tempfile::tempdir().unwrap();
    let one = ExperimentSpec {
        weightings: vec![WeightingsSpec::List(vec![std::collections::BTreeMap::from([("feedback".into(), 1.0)])])],
        ..spec()
    };
    run(&request(one, root.path()), &models()).0.unwrap();
    let before = std::fs::read(root.path().join("feedback/preferences.jsonl")).unwrap();
    let (outcome, events) = run(&request(spec(), root.path()), &models());
    outcome.unwrap();
    assert!(said(&events).is_empty(), "nobody is asked again");
    assert_eq!(std::fs::read(root.path().join("feedback/preferences.jsonl")).unwrap(), before);
}

#[test]
fn parts_of_the_runs_and_changed_models_are_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let mut part = request(spec(), root.path());
    part.part = Some(Part { number: 1, of: 2 });
    let error = run(&part, &models()).0.unwrap_err().to_string();
    assert!(error.contains("--partition"), "{error}");

    run(&request(spec(), root.path()), &models()).0.unwrap();
    let model = root.path().join("feedback/model-2.safetensors");
    let mut bytes = std::fs::read(&model).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&model, bytes).unwrap();
    let error = run(&request(spec(), root.path()), &models()).0.unwrap_err().to_string();
    assert!(error.contains("model-2.safetensors") && error.contains("changed"), "{error}");
}

#[test]
fn experiments_whose_feedback_cannot_be_are_refused() {
    let refused = |change: &dyn Fn(&mut ExperimentSpec)| {
        let mut spec = spec();
        change(&mut spec);
        spec.validate().unwrap_err().to_string()
    };
    let error = refused(&|spec| spec.feedback = None);
    assert!(error.contains("rewards[0].kind") && error.contains("nobody judges"), "{error}");
    let error = refused(&|spec| {
        spec.rewards.remove(0);
    });
    assert!(error.contains("feedback") && error.contains("Feedback()"), "{error}");
    let error = refused(&|spec| spec.rounds = 2);
    assert!(error.contains("rounds"), "{error}");
    let error = refused(&|spec| spec.feedback.as_mut().unwrap().every = 0);
    assert!(error.contains("feedback.every"), "{error}");
}

#[test]
fn judgements_that_come_in_elsewhere_are_copied_and_a_rerun_on_them_is_the_same() {
    let root = tempfile::tempdir().unwrap();
    // Somebody else's ratings: those of another experiment.
    let other = root.path().join("other");
    run(&request(spec(), &other), &models()).0.unwrap();
    let ratings = root.path().join("ratings");
    copy(&other.join("feedback/images"), &ratings.join("images"));
    let text = std::fs::read_to_string(other.join("feedback/preferences.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let file = ratings.join("preferences.jsonl");
    // The last line is still being written.
    std::fs::write(&file, lines[..6].join("\n") + "\n" + &lines[6][..20]).unwrap();
    let following = |file: &Path| {
        let mut spec = spec();
        if let Some(feedback) = &mut spec.feedback {
            feedback.from = FeedbackFrom::Follow { file: file.to_owned() };
        }
        spec.validate().unwrap();
        spec
    };
    let out = root.path().join("out");
    let mut said = Vec::new();
    let outcome = sweep(&request(following(&file), &out), &models(), &mut |event: &RunEvent| {
        if let RunEvent::EpochFinished(record) = event
            && record.epoch == 2
        {
            std::fs::write(&file, &text).unwrap();
        }
        if let RunEvent::Judging(judging) = event {
            said.push((judging.after_epoch, judging.answered));
        }
    });
    assert!(matches!(outcome.unwrap(), SweepOutcome::Finished(_)));
    assert_eq!(said, [(0, 6), (2, 10)]);
    for name in ["ratings-1.jsonl", "ratings-2.jsonl", "model-2.safetensors"] {
        assert!(out.join("feedback").join(name).is_file(), "{name}");
    }
    Preferences::read(&out.join("feedback/preferences.jsonl")).unwrap().check_images().unwrap();
    std::fs::remove_dir_all(&ratings).unwrap();
    let again = root.path().join("again");
    run(&request(following(&out.join("feedback")), &again), &models()).0.unwrap();
    let adapters = |out: &Path| {
        let mut results = judged(out);
        results.files.retain(|path, _| path.starts_with("runs"));
        results
    };
    adapters(&again).assert_same(&adapters(&out));
    for time in [1, 2] {
        let name = format!("feedback/model-{time}.safetensors");
        assert_eq!(std::fs::read(again.join(&name)).unwrap(), std::fs::read(out.join(&name)).unwrap());
    }
    // Images that are gone or others than those that were judged are named.
    std::fs::create_dir_all(&ratings).unwrap();
    std::fs::write(&file, &text).unwrap();
    let error = run(&request(following(&ratings), &root.path().join("gone")), &models()).0.unwrap_err().to_string();
    assert!(error.contains("images") && error.contains("ratings"), "{error}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

//! Planted hacking is found and attributed; of sound runs nothing is reported.

use moa_core::NoiseKey;
use moa_core::experiment::RewardKind;
use moa_core::judge::{ATTRIBUTE_SAFETY, ATTRIBUTES, CLIP_ALIGNMENT, CLIP_DIVERSITY, COMPOSITION, LEGIBILITY};

use super::*;

const PROMPTS: usize = 96;
const JUDGES: [&str; 6] = [ATTRIBUTES, ATTRIBUTE_SAFETY, CLIP_ALIGNMENT, CLIP_DIVERSITY, LEGIBILITY, COMPOSITION];

/// What a training does to rewards and judges, on prompts that name something unsafe and on all others.
#[derive(Clone, Copy, Default)]
struct Effect {
    rewards: [f64; 4],
    harmless: [f64; 6],
    unsafe_ones: [f64; 6],
}

struct Own {
    shares: Vec<f64>,
    rewards: Vec<ScoreColumn>,
    judges: Vec<ScoreColumn>,
}

impl Own {
    fn probe(&self) -> Watched<'_> {
        Watched { shares: &self.shares, rewards: &self.rewards, judges: &self.judges }
    }
}

fn rewards() -> Vec<RewardSpec> {
    let kinds = [RewardKind::Aesthetics, RewardKind::Safety, RewardKind::Diversity, RewardKind::Composition];
    kinds.into_iter().map(Into::into).collect()
}

/// A quarter of the prompts names something unsafe.
fn harmless() -> Vec<bool> {
    (0..PROMPTS).map(|prompt| prompt % 4 != 3).collect()
}

/// Prompts differ by 0.2, a point's images by 0.03: as held-out prompts of the built-in model do.
fn point(seed: u64, id: u64, shares: &[f64], effect: Effect) -> Own {
    let key = NoiseKey::new(seed);
    let column = |name: &str, harmless: f64, unsafe_one: f64| {
        let (difficulty, own) = (key.named(name).normal(PROMPTS), key.named(name).with(id).normal(PROMPTS));
        let value = |prompt: usize| {
            let shift = if prompt % 4 == 3 { unsafe_one } else { harmless };
            let value = 0.5 + shift + f64::from(0.2 * difficulty[prompt] + 0.03 * own[prompt]);
            // Whether everything is right is so many of four images of a prompt.
            if name == COMPOSITION { (4.0 * value).round() / 4.0 } else { value }
        };
        ScoreColumn::of_all(name, (0..PROMPTS).map(value).collect())
    };
    let names = rewards();
    Own {
        shares: shares.to_vec(),
        rewards: names.iter().zip(effect.rewards).map(|(reward, shift)| column(&reward.name, shift, shift)).collect(),
        judges: (0..JUDGES.len())
            .map(|judge| column(JUDGES[judge], effect.harmless[judge], effect.unsafe_ones[judge]))
            .collect(),
    }
}

fn findings(seed: u64, points: &[(&[f64], Effect)]) -> Vec<Vec<SuspectedHacking>> {
    let base = point(seed, 1000, &[], Effect::default());
    let points: Vec<Own> =
        points.iter().zip(0..).map(|((shares, effect), id)| point(seed, id, shares, *effect)).collect();
    let probes: Vec<Watched<'_>> = points.iter().map(Own::probe).collect();
    let (rewards, harmless) = (rewards(), harmless());
    let bootstrap = Bootstrap { resamples: 400, ..Bootstrap::seeded(seed) };
    Watcher { rewards: &rewards, harmless: &harmless, bootstrap }.findings(base.probe(), &probes).unwrap()
}

const AESTHETICS: &[f64] = &[1.0, 0.0, 0.0, 0.0];
const SAFETY: &[f64] = &[0.0, 1.0, 0.0, 0.0];
const DIVERSITY: &[f64] = &[0.0, 0.0, 1.0, 0.0];
const ALIGNMENT: &[f64] = &[0.0, 0.0, 0.0, 1.0];
const ALL: &[f64] = &[0.25, 0.5, 0.25, 0.0];

/// Safety that takes away what unsafe prompts ask for, as it should: objects are missed there, and nowhere else.
const SOUND_SAFETY: Effect = Effect {
    rewards: [0.0, 0.1, 0.0, 0.0],
    harmless: [0.0, 0.02, 0.0, 0.0, 0.0, 0.0],
    unsafe_ones: [-0.2, 0.1, -0.2, 0.0, 0.0, -0.2],
};
/// Diversity that loses the prompt's objects.
const WILD_DIVERSITY: Effect = Effect {
    rewards: [0.0, 0.0, 0.1, 0.0],
    harmless: [-0.05, 0.0, 0.0, 0.05, 0.0, -0.1],
    unsafe_ones: [-0.05, 0.0, 0.0, 0.05, 0.0, -0.1],
};
/// Aesthetics that harm nothing.
const SOUND_AESTHETICS: Effect = Effect { rewards: [0.05, 0.0, 0.0, 0.0], harmless: [0.0; 6], unsafe_ones: [0.0; 6] };

#[test]
fn planted_damage_is_found_and_blamed_on_the_reward_that_does_it() {
    let points = [(AESTHETICS, SOUND_AESTHETICS), (SAFETY, SOUND_SAFETY), (DIVERSITY, WILD_DIVERSITY)];
    for seed in 0..20 {
        let found = findings(seed, &points);
        assert!(found[0].is_empty() && found[1].is_empty(), "seed {seed}: {found:?}");
        let named: Vec<_> = found[2].iter().map(|finding| (&*finding.reward, &*finding.judge)).collect();
        assert_eq!(named, [("diversity", ATTRIBUTES)], "seed {seed}");
    }
    let found = findings(0, &points);
    let text = found[2][0].to_string();
    assert!(text.contains("diversity rises by 0.1") && text.contains("attributes falls by 0.0"), "{text}");
    assert!(text.contains("on 96 prompts") && text.contains("tested together"), "{text}");
}

#[test]
fn safety_is_watched_where_prompts_name_nothing_unsafe() {
    let harsh = Effect { harmless: [-0.05, 0.02, 0.0, 0.0, 0.0, 0.0], ..SOUND_SAFETY };
    let found = findings(3, &[(SAFETY, harsh)]);
    assert_eq!(found[0].len(), 1, "{found:?}");
    assert_eq!((&*found[0][0].judge, found[0][0].on, found[0][0].prompts), (ATTRIBUTES, WatchedPrompts::Harmless, 72));
    assert!(found[0][0].to_string().contains("the 72 prompts that name nothing unsafe"));
}

#[test]
fn a_mixture_is_not_blamed_for_what_the_specialists_of_its_other_rewards_explain() {
    let mixed = |a: Effect, b: Effect, c: Effect| {
        let sum = |take: fn(&Effect) -> &[f64]| -> Vec<f64> {
            let of = |index: usize| 0.25 * take(&a)[index] + 0.5 * take(&b)[index] + 0.25 * take(&c)[index];
            (0..take(&a).len()).map(of).collect()
        };
        let array = |values: Vec<f64>| -> [f64; 6] { values.try_into().unwrap() };
        Effect {
            rewards: sum(|effect| &effect.rewards).try_into().unwrap(),
            harmless: array(sum(|effect| &effect.harmless)),
            unsafe_ones: array(sum(|effect| &effect.unsafe_ones)),
        }
    };
    let sound = Effect { rewards: [0.0, 0.0, 0.1, 0.0], harmless: [0.0; 6], unsafe_ones: [0.0; 6] };
    let specialists = [(AESTHETICS, SOUND_AESTHETICS), (SAFETY, SOUND_SAFETY), (DIVERSITY, sound)];
    let mixture = mixed(SOUND_AESTHETICS, SOUND_SAFETY, sound);
    // Attributes fall on unsafe prompts, by what safety's share explains; aesthetics, first in the list, is not to blame.
    for seed in 0..20 {
        let points: Vec<_> = specialists.into_iter().chain([(ALL, mixture)]).collect();
        let found = findings(seed, &points);
        assert!(found[3].is_empty(), "seed {seed}: {:?}", found[3]);
    }
    // Without specialists the cause is unknown, and the finding says so.
    let alone = findings(1, &[(ALL, mixture)]);
    let blamed = alone[0].iter().find(|finding| finding.reward == "aesthetics").unwrap();
    assert_eq!(blamed.shared_with, ["safety", "diversity"]);
    assert!(blamed.to_string().contains("unless safety or diversity is the cause"), "{blamed}");
    // More than the others explain is the reward's own.
    let worse =
        Effect { harmless: [-0.1, 0.0, 0.0, 0.0, 0.0, 0.0], unsafe_ones: [-0.2, 0.0, 0.0, 0.0, 0.0, 0.0], ..mixture };
    let points: Vec<_> = specialists.into_iter().chain([(ALL, worse)]).collect();
    let found = findings(1, &points);
    assert!(found[3].iter().any(|finding| finding.own_fall.is_some_and(|fall| fall.hi < 0.0)), "{found:?}");
}

#[test]
fn of_sound_runs_something_is_reported_no_more_often_than_stated() {
    // Rewards rise for sure, so that only the judges' noise keeps from a false alarm.
    let rises = Effect { rewards: [0.1; 4], harmless: [0.0; 6], unsafe_ones: [0.0; 6] };
    let points: Vec<(&[f64], Effect)> =
        [AESTHETICS, SAFETY, DIVERSITY, ALIGNMENT, ALL, ALL, ALL].map(|shares| (shares, rises)).into();
    let trials = 200;
    let alarms = (0..trials).filter(|seed| findings(*seed, &points).iter().any(|found| !found.is_empty())).count();
    // 5 % and three Monte-Carlo standard errors; each test at 95 % by itself would raise an alarm in half of the runs.
    assert!(alarms <= 19, "{alarms} of {trials}");
}

#[test]
fn what_did_not_rise_or_has_no_share_is_not_suspected_and_other_prompts_are_refused() {
    let falls = Effect { rewards: [0.0; 4], harmless: [-0.2; 6], unsafe_ones: [-0.2; 6] };
    assert!(findings(1, &[(AESTHETICS, falls)])[0].is_empty());
    assert!(findings(1, &[(&[], WILD_DIVERSITY)])[0].is_empty());
    let (base, mut other) = (point(1, 0, &[], falls), point(1, 1, AESTHETICS, falls));
    other.judges[0].prompt_means.pop();
    let (rewards, harmless) = (rewards(), harmless());
    let watcher = Watcher { rewards: &rewards, harmless: &harmless, bootstrap: Bootstrap::default() };
    let error = watcher.findings(base.probe(), &[other.probe()]).unwrap_err().to_string();
    assert!(error.contains("`attributes`") && error.contains("different prompts"), "{error}");
}

#[test]
fn prompts_of_the_scenes_grammar_say_whether_they_are_harmless() {
    let prompts = ["a cat on a red background", "a bomb on a red background", "a portrait of an old man"];
    assert_eq!(harmless_prompts(&prompts), [true, false, false]);
}

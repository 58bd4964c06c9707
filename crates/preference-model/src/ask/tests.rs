//! What strategies choose.

use std::collections::HashSet;
use std::time::Instant;

use moa_preferences::Winner;

use super::batch::Growing;
use super::information::{expected_curvature, mutual_information};
use super::*;
use crate::{Features, FitSettings, Judgements, Lapses, Pool, RewardModel, Shape, SpaceSettings};

const FIXED: FitSettings = FitSettings { shape: Shape::Fixed(0.0), lapses: Lapses::Fixed(0.05), precision: Some(4.0) };

fn world(images: usize, width: usize, per_prompt: usize, seed: u64) -> (Pool, Vec<usize>, Judgements) {
    let mut values = vec![0.0; images * width];
    NoiseKey::new(seed).fill_normal(&mut values);
    let features = Features::new(width, values).expect("features");
    let pool = Pool::new(&features, &SpaceSettings::default()).expect("pool");
    let prompts: Vec<usize> = (0..images).map(|image| image / per_prompt).collect();
    let mut judgements = Judgements::new();
    for index in 0..30 {
        let (a, b) = (index * per_prompt % images, (index * per_prompt + 1) % images);
        let winner = if features.row(a)[0] > features.row(b)[0] { Winner::A } else { Winner::B };
        judgements.compare("p", "r", a, b, winner, 1.0);
    }
    (pool, prompts, judgements)
}

#[test]
fn candidates_share_a_prompt_and_were_not_asked() {
    let prompts = [0, 1, 0, 1, 0, 2];
    let asked = HashSet::from([(2, 0)]);
    let found = candidates(&prompts, &asked, 100, NoiseKey::new(1));
    let keys: HashSet<(usize, usize)> = found.iter().map(Candidate::key).collect();
    assert_eq!(keys, HashSet::from([(0, 4), (2, 4), (1, 3)]));
    // A random part of many.
    let prompts: Vec<usize> = (0..2000).map(|image| image / 100).collect();
    let found = candidates(&prompts, &HashSet::new(), 5000, NoiseKey::new(2));
    assert_eq!(found.iter().map(Candidate::key).collect::<HashSet<_>>().len(), 5000);
    assert!(found.iter().all(|pair| prompts[pair.first] == pair.prompt && prompts[pair.second] == pair.prompt));
    let turned = found.iter().filter(|pair| pair.first > pair.second).count();
    assert!((2300..2700).contains(&turned), "{turned}");
    let all: HashSet<usize> = found.iter().map(|pair| pair.prompt).collect();
    assert_eq!(all.len(), 20);
}

#[test]
fn a_chosen_answer_updates_the_posterior_as_a_new_row_does() {
    let (pool, prompts, judgements) = world(40, 6, 8, 3);
    let model = RewardModel::fit(&pool, &judgements, &FIXED).expect("fits");
    let pairs = candidates(&prompts, &HashSet::new(), 1000, NoiseKey::new(3));
    let mut growing = Growing::new(&pool, &model);
    let (asked, h) = (pairs[0], 0.2);
    let (v, y) = (growing.variance(&asked), growing.spread(&asked));
    let wanted: Vec<f64> = pairs
        .iter()
        .map(|pair| {
            let covariance = crate::linear::dot(&growing.spread(pair), &y);
            growing.variance(pair) - covariance * covariance * h / (1.0 + h * v)
        })
        .collect();
    growing.answer(&asked, h);
    for (pair, wanted) in pairs.iter().zip(wanted) {
        assert!((growing.variance(pair) - wanted).abs() < 1e-10);
    }
}

/// All candidates are computed again before each choice.
#[test]
fn lazy_batches_are_those_of_plain_greed() {
    let (pool, prompts, judgements) = world(60, 5, 10, 4);
    let model = RewardModel::fit(&pool, &judgements, &FIXED).expect("fits");
    let pairs = candidates(&prompts, &HashSet::new(), 1000, NoiseKey::new(4));
    let (ties, lapse) = (0.0, 0.05);
    let mut growing = Growing::new(&pool, &model);
    let mut information = 0.0;
    let found = Bald.choose(&Question {
        pool: &pool,
        model: Some(&model),
        candidates: &pairs,
        pending: &[],
        count: 12,
        key: NoiseKey::new(1),
    });
    assert_eq!(found.len(), 12);
    let mut open: HashSet<usize> = (0..pairs.len()).collect();
    for at in found {
        let gain = |at: usize| mutual_information(growing.mean(&pairs[at]), growing.variance(&pairs[at]), ties, lapse);
        let best = open.iter().map(|at| gain(*at)).fold(0.0, f64::max);
        // Interpolation may prefer another of nearly the same gain.
        assert!(gain(at) > 0.99 * best, "{} {best}", gain(at));
        information += gain(at);
        assert!(open.remove(&at));
        let h = expected_curvature(growing.mean(&pairs[at]), growing.variance(&pairs[at]), ties, lapse);
        growing.answer(&pairs[at], h);
    }
    assert!(information > 0.0);
}

/// Returns twenty images along each of two axes.
fn two_axes() -> Pool {
    let mut values = Vec::new();
    for axis in 0..2 {
        for step in 0..20 {
            let along = step as f32 - 9.5;
            values.extend(if axis == 0 { [along, 0.0] } else { [0.0, along] });
        }
    }
    Pool::new(&Features::new(2, values).expect("features"), &SpaceSettings::default()).expect("pool")
}

#[test]
fn bald_asks_what_is_unknown_and_spreads_its_batch() {
    // The first axis is known well.
    let pool = two_axes();
    let mut judgements = Judgements::new();
    for _ in 0..100 {
        judgements.compare("p", "r", 11, 9, Winner::A, 1.0);
        judgements.compare("p", "r", 11, 9, Winner::B, 1.0);
    }
    let model = RewardModel::fit(&pool, &judgements, &FIXED).expect("fits");
    let pair = |first, second| Candidate { prompt: 0, first, second };
    let known: Vec<Candidate> = (1..10).map(|at| pair(at, 20 - at)).collect();
    let unknown: Vec<Candidate> = (21..30).map(|at| pair(at, 60 - at)).collect();
    let all: Vec<Candidate> = known.iter().chain(&unknown).copied().collect();
    let question =
        Question { pool: &pool, model: Some(&model), candidates: &all, pending: &[], count: 1, key: NoiseKey::new(1) };
    for strategy in [&Bald as &dyn Strategy, &Prediction::default()] {
        let first = strategy.choose(&question)[0];
        assert!(first >= known.len(), "{}: {first}", strategy.name());
    }
    // A copy of the best pair says less once the first was asked.
    let (pool, prompts, judgements) = world(200, 12, 20, 5);
    let model = RewardModel::fit(&pool, &judgements, &FIXED).expect("fits");
    let pairs = candidates(&prompts, &HashSet::new(), 2000, NoiseKey::new(5));
    let question = Question {
        pool: &pool,
        model: Some(&model),
        candidates: &pairs,
        pending: &[],
        count: 10,
        key: NoiseKey::new(1),
    };
    let remaining = |chosen: &[usize]| {
        let mut growing = Growing::new(&pool, &model);
        for at in chosen {
            let h = expected_curvature(growing.mean(&pairs[*at]), growing.variance(&pairs[*at]), 0.0, 0.05);
            growing.answer(&pairs[*at], h);
        }
        pairs.iter().map(|pair| growing.variance(pair)).sum::<f64>()
    };
    let [random, bald, prediction] = [&Random as &dyn Strategy, &Bald, &Prediction::default()]
        .map(|strategy| remaining(&strategy.choose(&question)));
    assert!(bald < random && prediction < bald, "{random} {bald} {prediction}");
}

#[test]
fn the_front_is_asked_about_what_separates_its_best_points() {
    // Points 0 and 1 differ along the second feature; point 2 is worse along the first, and known to be.
    let mut values = Vec::new();
    for (x, y) in [(2.0, 1.0), (2.0, -1.0), (-4.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.5), (0.0, -1.5)] {
        values.extend([x as f32, y as f32]);
    }
    let pool = Pool::new(&Features::new(2, values).expect("features"), &SpaceSettings::default()).expect("pool");
    let mut judgements = Judgements::new();
    for _ in 0..20 {
        judgements.compare("p", "r", 3, 4, Winner::A, 1.0);
    }
    let model = RewardModel::fit(&pool, &judgements, &FIXED).expect("fits");
    let front = Front::new(vec![vec![0], vec![1], vec![2]]);
    let best = front.probabilities(&pool, &model, NoiseKey::new(1));
    assert!((best.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(best[2] < 0.02 && (best[0] - best[1]).abs() < 0.15, "{best:?}");
    let pair = |first, second| Candidate { prompt: 0, first, second };
    let pairs = [pair(3, 4), pair(5, 6)];
    let question = Question {
        pool: &pool,
        model: Some(&model),
        candidates: &pairs,
        pending: &[],
        count: 1,
        key: NoiseKey::new(1),
    };
    assert_eq!(front.choose(&question), [1]);
}

#[test]
fn strategies_work_without_a_model_and_with_few_candidates() {
    let (pool, prompts, judgements) = world(20, 4, 5, 6);
    let model = RewardModel::fit(&pool, &judgements, &FIXED).expect("fits");
    let pairs = candidates(&prompts, &HashSet::new(), 100, NoiseKey::new(6));
    let front = Front::new(vec![(0..10).collect(), (10..20).collect()]);
    for strategy in [&Random as &dyn Strategy, &Bald, &Prediction::default(), &front] {
        for model in [None, Some(&model)] {
            let question =
                Question { pool: &pool, model, candidates: &pairs, pending: &[], count: 1000, key: NoiseKey::new(1) };
            let chosen = strategy.choose(&question);
            assert_eq!(chosen.iter().collect::<HashSet<_>>().len(), pairs.len(), "{}", strategy.name());
            assert!(strategy.choose(&Question { candidates: &[], ..question }).is_empty());
            assert_eq!(strategy.choose(&question), chosen, "the same key chooses the same");
        }
    }
}

#[test]
fn repeats_ask_pairs_again_with_swapped_sides_once() {
    let (_, _, judgements) = world(200, 4, 5, 7);
    let again = repeats(&judgements, 0, 40, 0.1, NoiseKey::new(1));
    assert_eq!(again.len(), 4);
    for pair in &again {
        assert!(judgements.comparisons.iter().any(|entry| (entry.first, entry.second) == (pair.second, pair.first)));
    }
    assert!(repeats(&judgements, 1, 40, 0.1, NoiseKey::new(1)).is_empty());
    let mut twice = judgements.clone();
    twice.comparisons.extend(judgements.comparisons.clone());
    assert!(repeats(&twice, 0, 40, 0.5, NoiseKey::new(1)).is_empty());
}

/// Bounds that a slow machine keeps; examples/labels.rs measures.
#[test]
fn a_batch_out_of_many_candidates_takes_moments() {
    let (pool, prompts, judgements) = world(2000, 256, 100, 8);
    let model = RewardModel::fit(&pool, &judgements, &FIXED).expect("fits");
    let pairs = candidates(&prompts, &HashSet::new(), 100_000, NoiseKey::new(8));
    assert!(pairs.len() > 90_000);
    let front = Front::new((0..10).map(|point| (0..200).map(|image| point + 10 * image).collect()).collect());
    for strategy in [&Bald as &dyn Strategy, &Prediction::default(), &front] {
        let began = Instant::now();
        let question = Question {
            pool: &pool,
            model: Some(&model),
            candidates: &pairs,
            pending: &[],
            count: 20,
            key: NoiseKey::new(1),
        };
        assert_eq!(strategy.choose(&question).len(), 20);
        println!("{}: {:?}", strategy.name(), began.elapsed());
        if !cfg!(debug_assertions) {
            assert!(began.elapsed().as_secs_f64() < 20.0, "{}: {:?}", strategy.name(), began.elapsed());
        }
    }
}

#[test]
fn what_waits_is_not_asked_again_in_other_words() {
    let (pool, prompts, judgements) = world(200, 12, 20, 9);
    let model = RewardModel::fit(&pool, &judgements, &FIXED).expect("fits");
    let pairs = candidates(&prompts, &HashSet::new(), 2000, NoiseKey::new(9));
    let front = Front::new(vec![(0..100).collect(), (100..200).collect()]);
    for strategy in [&Bald as &dyn Strategy, &Prediction::default(), &front] {
        let all = Question {
            pool: &pool,
            model: Some(&model),
            candidates: &pairs,
            pending: &[],
            count: 6,
            key: NoiseKey::new(1),
        };
        let chosen = strategy.choose(&all);
        let pending: Vec<Candidate> = chosen[..3].iter().map(|at| pairs[*at]).collect();
        let open: Vec<Candidate> = pairs.iter().filter(|pair| !pending.contains(pair)).copied().collect();
        let rest = strategy.choose(&Question { candidates: &open, pending: &pending, count: 1, ..all });
        assert_ne!(open[rest[0]].key(), pending[0].key());
        // Prediction's targets and the front's probabilities are drawn anew; BALD's choice is exactly the next one.
        if strategy.name() == "bald" {
            assert_eq!(open[rest[0]], pairs[chosen[3]]);
        }
    }
}

#[test]
fn labels_and_scores_are_asked_of_uncertain_images() {
    // The first axis is known well.
    let pool = two_axes();
    let mut judgements = Judgements::new();
    for _ in 0..40 {
        judgements.mark("p", "r", 12, true, 1.0);
        judgements.mark("p", "r", 7, false, 1.0);
        judgements.score("p", "r", 12, 2.0, 1.0);
        judgements.score("p", "r", 7, 1.0, 1.0);
    }
    let model = RewardModel::fit(&pool, &judgements, &FIXED).expect("fits");
    let all: Vec<usize> = (0..40).collect();
    for about in [About::Label, About::Score] {
        let question = ImageQuestion { pool: &pool, model: &model, about, candidates: &all, pending: &[], count: 2 };
        let chosen = images(&question);
        assert!(chosen[0] == 20 || chosen[0] == 39, "{about:?}: the ends of the unknown axis first: {chosen:?}");
        let next = images(&ImageQuestion { pending: &chosen[..1], count: 1, ..question });
        assert!(next[0] == 20 || next[0] == 39, "nothing is known of the axis after one answer of {about:?}: {next:?}");
    }
}

#[test]
fn rankings_are_sets_of_one_prompt_that_say_more_than_random_ones() {
    let (pool, prompts, judgements) = world(200, 12, 20, 10);
    let model = RewardModel::fit(&pool, &judgements, &FIXED).expect("fits");
    let groups: Vec<Vec<usize>> = (0..10).map(|prompt| (prompt * 20..prompt * 20 + 20).collect()).collect();
    let none = HashSet::new();
    let question = SetQuestion {
        pool: &pool,
        model: &model,
        prompts: &groups,
        size: 4,
        asked: &none,
        pending: &[],
        count: 5,
        key: NoiseKey::new(1),
    };
    let found = rankings(&question);
    assert_eq!(found.len(), 5);
    for set in &found {
        assert!(set.is_sorted() && set.len() == 4 && set.iter().all(|at| prompts[*at] == prompts[set[0]]), "{set:?}");
    }
    let left = |sets: &[Vec<usize>]| {
        let mut growing = Growing::new(&pool, &model);
        for set in sets {
            for (at, first) in set.iter().enumerate() {
                for second in &set[at + 1..] {
                    growing.answer(&Candidate { prompt: 0, first: *first, second: *second }, 0.1);
                }
            }
        }
        (0..200).map(|image| crate::linear::norm2(growing.spreads.row(image))).sum::<f64>()
    };
    let random: Vec<Vec<usize>> = (0..5).map(|prompt| (prompt * 20..prompt * 20 + 4).collect()).collect();
    assert!(left(&found) < left(&random));
    // What was asked is not asked again, nor is what waits.
    let asked: HashSet<Vec<usize>> = found.iter().cloned().collect();
    let again = rankings(&SetQuestion { asked: &asked, pending: &found, ..question });
    assert!(again.len() == 5 && again.iter().all(|set| !asked.contains(set)));
    let few = vec![vec![0, 1, 2, 3]];
    let asked = HashSet::from([vec![0, 1, 2, 3]]);
    assert!(rankings(&SetQuestion { prompts: &few, asked: &asked, ..question }).is_empty());
}

/// Nine short pairs along one axis, and one that is long along another.
#[test]
fn even_predictions_count_close_pairs_as_far_ones() {
    let mut values = Vec::new();
    for step in 0..38 {
        values.extend([step as f32 - 18.5, 0.0]);
    }
    values.extend([0.0, 1.0, 0.0, -1.0]);
    let pool = Pool::new(&Features::new(2, values).expect("features"), &SpaceSettings::default()).expect("pool");
    let model = RewardModel::prior(&pool, &FIXED).expect("a prior");
    let pair = |first, second| Candidate { prompt: 0, first, second };
    let mut pairs: Vec<Candidate> = (1..10).map(|half| pair(18 + half, 18 - half)).collect();
    pairs.push(pair(38, 39));
    let first = |evenness: f64| {
        let question = Question {
            pool: &pool,
            model: Some(&model),
            candidates: &pairs,
            pending: &[],
            count: 1,
            key: NoiseKey::new(1),
        };
        Prediction { evenness, ..Prediction::default() }.choose(&question)[0]
    };
    assert_eq!(first(0.0), 9, "the long pair has most of the variance");
    assert!(first(1.0) < 9, "most pairs are along the other axis");
}

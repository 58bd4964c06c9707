//! How a simulated rater answers.

use moa_feedback::{Errors, FeedbackError, Simulated};
use moa_preferences::{Image, ImageFile, Mark, Winner};
use moa_rating::{Answer, Mode, Pool, PoolImage, Question};

fn pool(prompts: usize, images: usize) -> Pool {
    Pool::new((0..prompts * images).map(|index| PoolImage {
        image: Image::File(ImageFile { path: format!("{index}.png"), sha256: format!("{index:064x}") }),
        prompt: format!("prompt {}", index / images),
        origin: "base".into(),
        file: format!("{index}.png").into(),
    }))
}

fn scores(count: usize) -> Vec<f64> {
    // Not in the order of places.
    (0..count).map(|place| (place * 37 % count) as f64).collect()
}

fn pair(rater: &Simulated, first: usize, second: usize) -> bool {
    match rater.answer(Mode::Pairs, &Question { images: vec![first, second] }) {
        Answer::Better(Winner::A) => true,
        Answer::Better(Winner::B) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn close_pairs_are_flipped_and_far_ones_are_not() {
    let (pool, scores) = (pool(1, 200), scores(200));
    let rater = Simulated::new(&pool, scores.clone(), Errors::Close(0.25), 1).unwrap();
    // Of 200 evenly spread scores the median difference is 59.
    let (mut close, mut flipped) = (0, 0);
    for first in 0..200 {
        for second in 0..first {
            let right = pair(&rater, first, second) == (scores[first] > scores[second]);
            assert_eq!(pair(&rater, second, first), !pair(&rater, first, second), "sides do not matter");
            if (scores[first] - scores[second]).abs() < 58.0 {
                close += 1;
                flipped += usize::from(!right);
            } else if (scores[first] - scores[second]).abs() > 60.0 {
                assert!(right);
            }
        }
    }
    let share = f64::from(flipped as u32) / f64::from(close);
    assert!(close > 9000 && (share - 0.25).abs() < 0.02, "{flipped} of {close}");
}

#[test]
fn logistic_errors_fall_with_the_difference() {
    let (pool, scores) = (pool(1, 200), scores(200));
    let rater = Simulated::new(&pool, scores.clone(), Errors::Logistic, 1).unwrap();
    let mut bins = [(0, 0); 3];
    for first in 0..200 {
        for second in 0..first {
            let distance = (scores[first] - scores[second]).abs();
            let bin = &mut bins[if distance < 30.0 {
                0
            } else if distance < 59.0 {
                1
            } else {
                2
            }];
            bin.0 += usize::from(pair(&rater, first, second) != (scores[first] > scores[second]));
            bin.1 += 1;
        }
    }
    let share = |(wrong, all): (usize, usize)| wrong as f64 / all as f64;
    assert!((share(bins[0]) - 0.36).abs() < 0.03 && (share(bins[1]) - 0.15).abs() < 0.02, "{bins:?}");
    assert!(share(bins[2]) < 0.03, "{bins:?}");
}

#[test]
fn a_rater_is_the_same_in_a_rerun_and_in_another_pool() {
    let small = pool(2, 20);
    let scores = scores(40);
    let errors = Errors::Close(0.25);
    let rater = Simulated::new(&small, scores.clone(), errors, 3).unwrap();
    let again = Simulated::new(&small, scores.clone(), errors, 3).unwrap();
    let other = Simulated::new(&small, scores.clone(), errors, 4).unwrap();
    // The same images in another order: an answer belongs to images, not to places.
    let turned = Pool::new(small.images().iter().rev().cloned());
    let moved = Simulated::new(&turned, scores.iter().rev().copied().collect(), errors, 3).unwrap();
    let mut differing = 0;
    for first in 0..20 {
        for second in 0..first {
            assert_eq!(pair(&rater, first, second), pair(&again, first, second));
            assert_eq!(pair(&rater, first, second), pair(&moved, 39 - first, 39 - second));
            differing += usize::from(pair(&rater, first, second) != pair(&other, first, second));
        }
    }
    assert!(differing > 10, "{differing}");
}

#[test]
fn every_mode_is_answered_by_the_score() {
    let (pool, scores) = (pool(1, 100), scores(100));
    let rater = Simulated::new(&pool, scores.clone(), Errors::None, 1).unwrap();
    let mode = Mode::Ranking { images: 5 };
    let images = vec![3, 50, 7, 99, 12];
    let Answer::Order(ranks) = rater.answer(mode, &Question { images: images.clone() }) else { panic!("an order") };
    for (at, first) in images.iter().enumerate() {
        for (other, second) in images.iter().enumerate() {
            assert_eq!(ranks[at] < ranks[other], scores[*first] > scores[*second]);
        }
    }
    let mut goods = 0;
    let mut parts = [0; 5];
    for (place, score) in scores.iter().enumerate() {
        let question = Question { images: vec![place] };
        let Answer::Mark(mark) = rater.answer(Mode::Labels, &question) else { panic!("a mark") };
        assert_eq!(mark == Mark::Good, *score >= 50.0);
        goods += usize::from(mark == Mark::Good);
        let Answer::Score(part) = rater.answer(Mode::Scores { best: 5 }, &question) else { panic!("a score") };
        assert_eq!(part, (*score / 20.0) as u32 + 1);
        parts[part as usize - 1] += 1;
    }
    assert_eq!((goods, parts), (50, [20; 5]));
    // With errors most answers stay, and scores stay on their scale.
    let rater = Simulated::new(&pool, scores, Errors::Close(0.25), 1).unwrap();
    let all = (0..100).map(|place| rater.answer(Mode::Scores { best: 2 }, &Question { images: vec![place] }));
    assert!(all.into_iter().all(|answer| matches!(answer, Answer::Score(1 | 2))));
    let Answer::Order(mut ranks) = rater.answer(mode, &Question { images }) else { panic!("an order") };
    ranks.sort_unstable();
    assert_eq!(ranks, [1, 2, 3, 4, 5]);
}

#[test]
fn scores_must_fit_the_pool() {
    let error = Simulated::new(&pool(1, 4), vec![0.0; 3], Errors::None, 1).unwrap_err();
    assert_eq!(error.to_string(), "scores of 3 images, and the pool has 4: give one for each place");
    let error = Simulated::new(&pool(1, 2), vec![0.0, f64::NAN], Errors::None, 1).unwrap_err();
    assert!(matches!(error, FeedbackError::Score { place: 1, .. }), "{error}");
}

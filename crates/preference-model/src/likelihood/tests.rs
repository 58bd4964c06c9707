//! Derivatives against finite differences, and laws.

use moa_preferences::Winner;

use super::*;

fn check(likelihood: &dyn Likelihood, f: &[f64], exact: bool) {
    let n = likelihood.size();
    assert_eq!(n, f.len());
    let (mut gradient, mut curvature, mut information) = (vec![0.0; n], vec![0.0; n * n], vec![0.0; n * n]);
    likelihood.gradient(f, &mut gradient);
    likelihood.curvature(f, &mut curvature);
    likelihood.information(f, &mut information);
    let step = 1e-5;
    for i in 0..n {
        let moved = |by: f64| {
            let mut moved = f.to_vec();
            moved[i] += by;
            moved
        };
        let slope = (likelihood.log(&moved(step)) - likelihood.log(&moved(-step))) / (2.0 * step);
        assert!((slope - gradient[i]).abs() < 1e-7, "gradient {i} at {f:?}: {slope} {}", gradient[i]);
        let (mut above, mut below) = (vec![0.0; n], vec![0.0; n]);
        likelihood.gradient(&moved(step), &mut above);
        likelihood.gradient(&moved(-step), &mut below);
        for j in 0..n {
            let bend = -(above[j] - below[j]) / (2.0 * step);
            assert!((bend - curvature[i * n + j]).abs() < 1e-7, "curvature {i} {j} at {f:?}");
        }
    }
    if exact {
        for (a, b) in curvature.iter().zip(&information) {
            assert!((a - b).abs() < 1e-12, "information is curvature at {f:?}");
        }
    }
}

#[test]
fn derivatives_of_pairs_are_those_of_finite_differences() {
    for winner in [Winner::A, Winner::B, Winner::Tie] {
        for (ties, lapse) in [(0.0, 0.0), (0.0, 0.1), (0.7, 0.0), (0.7, 0.25)] {
            for f in [[0.0, 0.0], [0.3, -0.9], [-2.0, 1.5], [4.0, -3.0]] {
                check(&BradleyTerry { winner, ties, lapse }, &f, ties == 0.0 && lapse == 0.0);
            }
        }
    }
}

#[test]
fn derivatives_of_rankings_are_those_of_finite_differences() {
    for ranks in [&[1, 2, 3][..], &[3, 1, 2], &[1, 1, 2, 2], &[2, 1, 1, 1, 5], &[1, 1]] {
        for lapse in [0.0, 0.2] {
            let f: Vec<f64> = (0..ranks.len()).map(|i| (2.0 * i as f64 + 1.0).sin() * 1.5).collect();
            check(&PlackettLuce::new(ranks, lapse), &f, lapse == 0.0);
        }
    }
}

#[test]
fn derivatives_of_marks_and_scores_are_those_of_finite_differences() {
    for f in [[0.0, 0.0], [1.3, -0.4], [-2.0, 0.7]] {
        for good in [true, false] {
            check(&Threshold { good, lapse: 0.1 }, &f, false);
            check(&Threshold { good, lapse: 0.0 }, &f, true);
        }
        check(&Gaussian { score: 0.8, slope: 0.6, deviation: 0.7 }, &f, true);
    }
}

#[test]
fn probabilities_add_up_to_one() {
    for delta in [-30.0, -1.0, 0.0, 0.4, 800.0] {
        let sum: f64 = bradley_terry::answers(delta, 0.5, 0.1).iter().map(|answer| answer.p).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{delta}");
    }
    // All orders of three images.
    let f = [0.3, -1.0, 0.8];
    for lapse in [0.0, 0.3] {
        let orders = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
        let sum: f64 = orders.iter().map(|ranks| PlackettLuce::new(ranks, lapse).log(&f).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }
}

#[test]
fn a_ranking_of_two_is_a_pair() {
    for lapse in [0.0, 0.2] {
        for f in [[0.5, -0.2], [-3.0, 2.0]] {
            let ranking = PlackettLuce::new(&[1, 2], lapse);
            let pair = BradleyTerry { winner: Winner::A, ties: 0.0, lapse };
            assert!((ranking.log(&f) - pair.log(&f)).abs() < 1e-12);
        }
    }
}

#[test]
fn swapping_sides_and_answer_changes_nothing() {
    for (winner, turned) in [(Winner::A, Winner::B), (Winner::Tie, Winner::Tie)] {
        let (a, b) =
            (BradleyTerry { winner, ties: 0.4, lapse: 0.1 }, BradleyTerry { winner: turned, ties: 0.4, lapse: 0.1 });
        assert!((a.log(&[1.2, -0.3]) - b.log(&[-0.3, 1.2])).abs() < 1e-14);
    }
}

#[test]
fn ties_far_apart_have_a_finite_logarithm() {
    let tie = BradleyTerry { winner: Winner::Tie, ties: 0.5, lapse: 0.0 };
    let log = tie.log(&[4000.0, 0.0]);
    assert!((log - (0.5_f64.ln() - 2000.0)).abs() < 1e-6, "{log}");
}

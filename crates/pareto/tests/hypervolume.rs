//! Hypervolume on cases whose answer is known, and what is refused.

use moa_pareto::{ParetoError, hypervolume, non_dominated, ranks};

/// Points of the positive part of the unit sphere, without a generator: a low-discrepancy sequence.
fn sphere(count: usize, dims: usize) -> Vec<Vec<f64>> {
    let root = |d: usize| {
        let mut x = 1.5f64;
        for _ in 0..60 {
            x = (1.0 + x).powf(1.0 / (d as f64 + 1.0));
        }
        x
    };
    let base = root(dims);
    let row = |i: usize| {
        let point: Vec<f64> = (1..=dims).map(|j| (0.5 + (i + 1) as f64 / base.powf(j as f64)).fract() + 0.01).collect();
        let norm = point.iter().map(|v| v * v).sum::<f64>().sqrt();
        point.iter().map(|v| v / norm).collect()
    };
    (0..count).map(row).collect()
}

#[test]
fn one_point_is_its_box_in_any_number_of_objectives() {
    for dims in 1..=8 {
        let volume = hypervolume(&[vec![3.0; dims]], &vec![1.0; dims]).unwrap();
        assert!((volume - 2.0f64.powf(dims as f64)).abs() < 1e-12);
    }
}

#[test]
fn points_that_do_not_beat_the_reference_everywhere_count_for_nothing() {
    let points = [[2.0, 0.0, 2.0, 2.0], [5.0, -1.0, 5.0, 5.0]];
    assert_eq!(hypervolume(&points, &[0.0; 4]), Ok(0.0));
    assert_eq!(hypervolume::<Vec<f64>>(&[], &[0.0; 4]), Ok(0.0));
}

/// Values made with moocore 0.3.2 (`moocore.hypervolume(points, ref=0, maximise=True)`) on the same points.
#[test]
fn agrees_with_an_independent_implementation() {
    let golden: [(usize, usize, f64); 5] = [
        (2, 500, 0.7838663740984945),
        (3, 500, 0.4951376185925672),
        (4, 300, 0.23087483218173563),
        (5, 150, 0.07528472568433354),
        (6, 80, 0.018089723877165655),
    ];
    for (dims, count, expected) in golden {
        let volume = hypervolume(&sphere(count, dims), &vec![0.0; dims]).unwrap();
        assert!((volume / expected - 1.0).abs() < 1e-12, "{dims} objectives: {volume} {expected}");
    }
}

#[test]
fn the_volume_of_many_points_is_near_a_monte_carlo_estimate() {
    for dims in 4..=6 {
        let points = sphere(60, dims);
        let exact = hypervolume(&points, &vec![0.0; dims]).unwrap();
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let draws = 40_000;
        let hit = |_| {
            let at: Vec<f64> = (0..dims).map(|_| uniform()).collect();
            points.iter().any(|p| p.iter().zip(&at).all(|(p, a)| p >= a))
        };
        let share = (0..draws).map(hit).filter(|&h| h).count() as f64 / f64::from(draws);
        let deviation = (exact * (1.0 - exact) / f64::from(draws)).sqrt();
        assert!((share - exact).abs() < 4.0 * deviation, "{dims}: {exact} against {share}");
    }
}

#[test]
fn a_nan_is_refused_with_its_place() {
    let points = [[1.0, 1.0], [1.0, f64::NAN]];
    let error = hypervolume(&points, &[0.0, 0.0]).unwrap_err();
    assert_eq!(error.to_string(), "point 1 has the value NaN in objective 1: only finite numbers can be compared");
    assert!(non_dominated(&points).is_err());
    assert!(ranks(&points).is_err());
    assert!(hypervolume(&[[1.0]], &[f64::NAN]).is_err());
}

#[test]
fn rows_of_different_lengths_are_refused() {
    let points = vec![vec![1.0, 1.0], vec![1.0]];
    assert_eq!(
        hypervolume(&points, &[0.0, 0.0]),
        Err(ParetoError::Dimension { what: "point", index: 1, found: 1, expected: 2 })
    );
    assert!(hypervolume(&points, &[]).is_err());
    assert!(non_dominated(&points).is_err());
}

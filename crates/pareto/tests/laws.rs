//! Laws of dominance and hypervolume, on random sets with many ties.

use moa_pareto::{dominates, exclusive_contributions, hypervolume, hypervolume_gain, non_dominated, ranks};
use proptest::collection::vec;
use proptest::prelude::*;

/// Points on a coarse grid (ties and duplicates are common), some of them not above the origin.
fn grid_points(dims: usize, most: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    vec(vec((-1i32..8).prop_map(f64::from), dims), 0..=most)
}

/// Points in general position.
fn smooth_points(dims: usize, most: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    vec(vec(0.01..1.0f64, dims), 0..=most)
}

fn any_points(most: usize) -> impl Strategy<Value = (usize, Vec<Vec<f64>>)> {
    (1usize..=6).prop_flat_map(move |dims| {
        prop_oneof![grid_points(dims, most), smooth_points(dims, most)].prop_map(move |points| (dims, points))
    })
}

/// Hypervolume above the origin by inclusion and exclusion over all subsets.
fn by_inclusion_exclusion(points: &[Vec<f64>], dims: usize) -> f64 {
    let subset = |mask: u32| {
        let mut corner = vec![f64::INFINITY; dims];
        for (i, point) in points.iter().enumerate() {
            if mask >> i & 1 == 1 {
                corner.iter_mut().zip(point).for_each(|(c, p)| *c = c.min(*p));
            }
        }
        let volume: f64 = corner.iter().map(|c| c.max(0.0)).product();
        if mask.count_ones() % 2 == 1 { volume } else { -volume }
    };
    (1..1u32 << points.len()).map(subset).sum()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
}

proptest! {
    #[test]
    fn dominance_is_a_strict_partial_order(points in grid_points(3, 12)) {
        for a in &points {
            prop_assert!(!dominates(a, a));
            for b in &points {
                prop_assert!(!(dominates(a, b) && dominates(b, a)));
                for c in &points {
                    prop_assert!(!(dominates(a, b) && dominates(b, c)) || dominates(a, c));
                }
            }
        }
    }

    #[test]
    fn the_front_is_what_nothing_dominates((_, points) in any_points(40)) {
        let plain: Vec<usize> = (0..points.len())
            .filter(|&i| !points.iter().any(|other| dominates(other, &points[i])))
            .collect();
        prop_assert_eq!(non_dominated(&points).unwrap(), plain);
    }

    #[test]
    fn ranks_peel_one_front_after_another((_, points) in any_points(30)) {
        let ranks = ranks(&points).unwrap();
        let mut left: Vec<usize> = (0..points.len()).collect();
        for rank in 0.. {
            if left.is_empty() {
                break;
            }
            let rows: Vec<&Vec<f64>> = left.iter().map(|&i| &points[i]).collect();
            let front: Vec<usize> = non_dominated(&rows).unwrap().iter().map(|&i| left[i]).collect();
            let ranked: Vec<usize> = (0..points.len()).filter(|&i| ranks[i] == rank).collect();
            prop_assert_eq!(&front, &ranked);
            left.retain(|i| !front.contains(i));
        }
    }

    #[test]
    fn hypervolume_equals_inclusion_and_exclusion((dims, points) in any_points(9)) {
        let exact = hypervolume(&points, &vec![0.0; dims]).unwrap();
        let slow = by_inclusion_exclusion(&points, dims);
        prop_assert!(close(exact, slow), "{} {}", exact, slow);
    }

    #[test]
    fn hypervolume_does_not_depend_on_order((dims, points) in any_points(30), seed in any::<u64>()) {
        let mut shuffled = points.clone();
        for i in (1..shuffled.len()).rev() {
            shuffled.swap(i, (seed.wrapping_mul(i as u64 + 7) >> 11) as usize % (i + 1));
        }
        let reference = vec![0.0; dims];
        let volume = hypervolume(&points, &reference).unwrap();
        prop_assert_eq!(volume.to_bits(), hypervolume(&shuffled, &reference).unwrap().to_bits());
    }

    #[test]
    fn a_point_never_takes_volume_away((dims, points) in any_points(30)) {
        let reference = vec![0.0; dims];
        if let Some((last, others)) = points.split_last() {
            let before = hypervolume(others, &reference).unwrap();
            let after = hypervolume(&points, &reference).unwrap();
            let gain = hypervolume_gain(others, last, &reference).unwrap();
            prop_assert!(gain >= 0.0);
            prop_assert!(after >= before - 1e-9 * before);
            prop_assert!(close(after - before, gain), "{} {}", after - before, gain);
        }
    }

    #[test]
    fn contributions_are_what_is_lost((dims, points) in any_points(16)) {
        let reference = vec![0.0; dims];
        let whole = hypervolume(&points, &reference).unwrap();
        for (i, contribution) in exclusive_contributions(&points, &reference).unwrap().into_iter().enumerate() {
            let mut others = points.clone();
            others.remove(i);
            let without = hypervolume(&others, &reference).unwrap();
            prop_assert!(close(whole - without, contribution), "{}: {} {}", i, whole - without, contribution);
        }
    }

    #[test]
    fn dominated_points_add_nothing((dims, points) in any_points(30)) {
        let reference = vec![0.0; dims];
        let front: Vec<&Vec<f64>> = non_dominated(&points).unwrap().iter().map(|&i| &points[i]).collect();
        let volume = hypervolume(&points, &reference).unwrap();
        prop_assert!(close(volume, hypervolume(&front, &reference).unwrap()));
    }

    /// Each algorithm must agree with the one for fewer objectives when the rest are constant.
    #[test]
    fn slices_agree_with_the_sweeps(
        points in prop_oneof![grid_points(3, 40), smooth_points(3, 40)],
        places in Just([0usize, 1, 2, 3]).prop_shuffle(),
        extra in 1usize..=3,
    ) {
        let volume = hypervolume(&points, &[0.0; 3]).unwrap();
        let embedded: Vec<Vec<f64>> = points
            .iter()
            .map(|point| {
                let mut row = vec![2.0; 3 + extra];
                for (value, &place) in point.iter().zip(&places) {
                    row[place.min(2 + extra)] = *value;
                }
                row
            })
            .collect();
        let constant = 2.0f64.powf(extra as f64);
        let higher = hypervolume(&embedded, &vec![0.0; 3 + extra]).unwrap();
        prop_assert!(close(volume * constant, higher), "{} {}", volume * constant, higher);
    }

    #[test]
    fn hypervolume_moves_with_the_reference((dims, points) in any_points(20), shift in -3.0..3.0f64) {
        let moved: Vec<Vec<f64>> = points.iter().map(|p| p.iter().map(|v| v + shift).collect()).collect();
        let here = hypervolume(&points, &vec![0.0; dims]).unwrap();
        let there = hypervolume(&moved, &vec![shift; dims]).unwrap();
        prop_assert!((here - there).abs() <= 1e-6 * (1.0 + here));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Enough points for divide and conquer, with few distinct values so that ties abound.
    #[test]
    fn the_front_of_many_points_is_what_nothing_dominates(
        points in (4usize..=6, 3i32..60).prop_flat_map(|(dims, values)| {
            vec(vec((0..values).prop_map(f64::from), dims), 700..=1000)
        }),
    ) {
        let plain: Vec<usize> = (0..points.len())
            .filter(|&i| !points.iter().any(|other| dominates(other, &points[i])))
            .collect();
        prop_assert_eq!(non_dominated(&points).unwrap(), plain);
    }
}

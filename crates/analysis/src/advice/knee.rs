//! Where a front bulges.

/// Returns the point that lies farthest beyond the plane through the best points of each reward, among the candidates (Das, 1999); nothing where
/// none lies beyond it: then the front has no knee.
///
/// Rewards are to be on one scale. Where the best points have no plane whose normal is positive in every reward (one point is best in two
/// rewards), the plane is that of equal sums through the best of them.
pub(super) fn knee(means: &[Vec<f64>], candidates: &[usize]) -> Option<usize> {
    let rewards = means.first()?.len();
    let best = |reward: usize| {
        candidates.iter().copied().max_by(|one, other| means[*one][reward].total_cmp(&means[*other][reward]))
    };
    let extremes: Vec<usize> = (0..rewards).map(best).collect::<Option<_>>()?;
    let rows: Vec<Vec<f64>> = extremes.iter().map(|point| means[*point].clone()).collect();
    let normal =
        solve(rows).filter(|normal| normal.iter().all(|value| *value > 0.0)).unwrap_or_else(|| vec![1.0; rewards]);
    let height = |point: usize| means[point].iter().zip(&normal).map(|(mean, normal)| mean * normal).sum::<f64>();
    let plane = extremes.iter().map(|point| height(*point)).fold(f64::NEG_INFINITY, f64::max);
    let beyond = candidates.iter().copied().filter(|point| height(*point) > plane + 1e-9);
    beyond.max_by(|one, other| height(*one).total_cmp(&height(*other)))
}

/// Returns the x with `rows`·x = 1, by Gaussian elimination with pivots; nothing where there is none.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let count = rows.len();
    for row in &mut rows {
        row.push(1.0);
    }
    for column in 0..count {
        let pivot =
            (column..count).max_by(|one, other| rows[*one][column].abs().total_cmp(&rows[*other][column].abs()))?;
        rows.swap(column, pivot);
        if rows[column][column].abs() < 1e-9 {
            return None;
        }
        let head = rows[column].clone();
        for (place, row) in rows.iter_mut().enumerate().filter(|(place, _)| *place != column) {
            let factor = row[column] / head[column];
            debug_assert!(place != column);
            row.iter_mut().zip(&head).for_each(|(value, head)| *value -= factor * head);
        }
    }
    Some(rows.iter().enumerate().map(|(place, row)| row[count] / row[place]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_is_the_point_farthest_beyond_the_line_of_the_best() {
        let means = [[0.0, 0.0], [1.0, 0.1], [0.1, 1.0], [0.7, 0.7], [0.5, 0.55]].map(Vec::from);
        assert_eq!(knee(&means, &[1, 2, 3, 4]), Some(3));
        assert_eq!(knee(&means, &[1, 2]), None, "nothing lies beyond the line");
        let concave = [[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]].map(Vec::from);
        assert_eq!(knee(&concave, &[0, 1, 2]), None);
    }

    #[test]
    fn a_point_that_is_best_in_two_rewards_leaves_the_plane_of_equal_sums() {
        let means = [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.9, 0.9, 0.5]].map(Vec::from);
        assert_eq!(knee(&means, &[0, 1, 2]), Some(2));
    }

    #[test]
    fn equations_are_solved_with_pivots() {
        let solved = solve(vec![vec![0.0, 2.0], vec![4.0, 1.0]]).unwrap();
        assert!((solved[0] - 0.125).abs() < 1e-12 && (solved[1] - 0.5).abs() < 1e-12);
        assert_eq!(solve(vec![vec![1.0, 2.0], vec![2.0, 4.0]]), None);
    }
}

//! The non-dominated subset of many points in four and more objectives, by divide and conquer.

use crate::dominance::covers;
use crate::hypervolume::Staircase;

/// Sets this small are compared pair by pair.
const FEW: usize = 32;

/// Returns, for each of the distinct points, whether another covers it.
///
/// Kung, Luccio and Preparata 1975, with staircase sweeps for the last three objectives: `O(n logᵈ⁻² n)` for `d ≥ 4`
/// objectives, and nearly always faster. The points must be in descending lexicographic order.
pub(crate) fn covered(points: &[&[f64]]) -> Vec<bool> {
    let mut search = Search { points, covered: vec![false; points.len()] };
    search.within(0, points.len());
    search.covered
}

struct Search<'a> {
    points: &'a [&'a [f64]],
    covered: Vec<bool>,
}

impl Search<'_> {
    /// Marks what is covered among the points from `start` to `end`.
    fn within(&mut self, start: usize, end: usize) {
        if end - start <= FEW {
            let all: Vec<usize> = (start..end).collect();
            for (place, &low) in all.iter().enumerate().skip(1) {
                self.one_by_one(&all[..place], &[low], 1);
            }
            return;
        }
        let middle = usize::midpoint(start, end);
        self.within(start, middle);
        self.within(middle, end);
        let left = |range: std::ops::Range<usize>| range.filter(|&i| !self.covered[i]).collect::<Vec<_>>();
        let (high, low) = (left(start..middle), left(middle..end));
        // Whoever comes earlier in the order is at least as good in the first objective.
        self.between(high, low, 1);
    }

    /// Marks the low points that a high point covers in the objectives from `from` on, being as good in those before.
    fn between(&mut self, high: Vec<usize>, mut low: Vec<usize>, from: usize) {
        low.retain(|&i| !self.covered[i]);
        if high.len().min(low.len()) <= 2 || high.len() * low.len() <= FEW * FEW {
            return self.one_by_one(&high, &low, from);
        }
        if from + 3 == self.points[0].len() {
            return self.sweep(high, low, from);
        }
        let value = |&i: &usize| self.points[i][from];
        let mut values: Vec<f64> = high.iter().chain(&low).map(value).collect();
        let middle = values.len() / 2;
        let pivot = *values.select_nth_unstable_by(middle, f64::total_cmp).1;
        // Both halves must hold something, or the recursion would not end.
        let split = |above: fn(f64, f64) -> bool, list: &[usize]| -> (Vec<usize>, Vec<usize>) {
            list.iter().partition(|&i| above(value(i), pivot))
        };
        let strict = !values.iter().any(|&v| v < pivot);
        if strict && !values.iter().any(|&v| v > pivot) {
            return self.between(high, low, from + 1);
        }
        let above: fn(f64, f64) -> bool = if strict { |v, p| v > p } else { |v, p| v >= p };
        let (high_above, high_below) = split(above, &high);
        let (low_above, low_below) = split(above, &low);
        self.between(high_above.clone(), low_below.clone(), from + 1);
        self.between(high_above, low_above, from);
        self.between(high_below, low_below, from);
    }

    /// Goes down objective `from`, with the staircase of the high points met so far in the last two.
    fn sweep(&mut self, mut high: Vec<usize>, mut low: Vec<usize>, from: usize) {
        let points = self.points;
        for list in [&mut high, &mut low] {
            list.sort_unstable_by(|&a, &b| points[b][from].total_cmp(&points[a][from]));
        }
        let mut stairs = Staircase::default();
        let mut waiting = high.into_iter().peekable();
        for i in low {
            while let Some(other) = waiting.next_if(|&other| points[other][from] >= points[i][from]) {
                stairs.raise(points[other][from + 1], points[other][from + 2]);
            }
            self.covered[i] |= stairs.covers(points[i][from + 1], points[i][from + 2]);
        }
    }

    fn one_by_one(&mut self, high: &[usize], low: &[usize], from: usize) {
        for &i in low {
            let point = &self.points[i][from..];
            self.covered[i] |= high.iter().any(|&other| covers(&self.points[other][from..], point));
        }
    }
}

//! Pareto dominance, the non-dominated subset, and non-dominated ranks.

use std::cmp::Ordering;

use crate::hypervolume::Staircase;
use crate::{ParetoError, check, divide};

/// From so many points on, dividing is faster than comparing each with the front so far.
const MANY: usize = 400;
/// A front with one in so many points, or more, is taken off by dividing.
const LARGE: usize = 8;

/// Returns whether `a` is at least as good as `b` in every objective and better in one.
///
/// A strict partial order: no point dominates itself or an equal one, and dominance is transitive. A NaN, or
/// rows of different lengths, compare as incomparable: `false`.
///
/// ```
/// use moa_pareto::dominates;
/// assert!(dominates(&[1.0, 0.5], &[1.0, 0.2]));
/// assert!(!dominates(&[1.0, 0.2], &[0.2, 1.0]));
/// ```
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && covers(a, b) && a.iter().zip(b).any(|(x, y)| x > y)
}

/// Returns whether `a` is at least as good as `b` in every objective (weak dominance).
pub(crate) fn covers(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(x, y)| x >= y)
}

/// Returns the indices, in the order given, of the points that no other point dominates.
///
/// Equal points do not dominate each other, so duplicates are all kept. Two and three objectives take
/// `O(n log n)`; few points in more are compared with the front so far, many are divided and conquered.
///
/// # Errors
/// Rows of different lengths, and NaN or infinite values.
pub fn non_dominated<P: AsRef<[f64]>>(points: &[P]) -> Result<Vec<usize>, ParetoError> {
    let dims = check::rows("point", points)?;
    let order = descending(points);
    let twins: Vec<&[usize]> = order.chunk_by(|&a, &b| points[a].as_ref() == points[b].as_ref()).collect();
    let distinct: Vec<&[f64]> = twins.iter().map(|twins| points[twins[0]].as_ref()).collect();
    let covered = if dims > 3 && distinct.len() > MANY {
        divide::covered(&distinct)
    } else {
        let mut archive = Archive::new(dims);
        distinct.iter().map(|point| !archive.admit(point)).collect()
    };
    let front = twins.iter().zip(covered).filter(|(_, covered)| !covered);
    let mut kept: Vec<usize> = front.flat_map(|(twins, _)| twins.iter().copied()).collect();
    kept.sort_unstable();
    Ok(kept)
}

/// Returns the non-dominated rank of each point: 0 on the front, 1 on the front of what is left without rank 0, and
/// so on.
///
/// Efficient non-dominated sort (Zhang et al. 2015, ENS with binary search over the fronts): points are visited in
/// descending lexicographic order, so that a later point never dominates an earlier one. Of many points in four or more
/// objectives, fronts that hold a good part of what is left are taken off by divide and conquer first.
///
/// # Errors
/// Rows of different lengths, and NaN or infinite values.
pub fn ranks<P: AsRef<[f64]>>(points: &[P]) -> Result<Vec<usize>, ParetoError> {
    let dims = check::rows("point", points)?;
    let order = descending(points);
    let twins: Vec<&[usize]> = order.chunk_by(|&a, &b| points[a].as_ref() == points[b].as_ref()).collect();
    let mut left: Vec<(&[usize], &[f64])> = twins.iter().map(|twins| (*twins, points[twins[0]].as_ref())).collect();
    let mut ranks = vec![0; points.len()];
    let mut taken = 0;
    while dims > 3 && left.len() > MANY {
        let before = left.len();
        let rows: Vec<&[f64]> = left.iter().map(|(_, point)| *point).collect();
        let mut covered = divide::covered(&rows).into_iter();
        left.retain(|(twins, _)| {
            for &twin in *twins {
                ranks[twin] = taken;
            }
            covered.next().unwrap_or(false)
        });
        taken += 1;
        if left.len() > before - before / LARGE {
            break;
        }
    }
    let mut fronts: Vec<Archive> = Vec::new();
    for (twins, point) in left {
        // Dominated by a front means dominated by every front before it, so the fronts are partitioned.
        let rank = fronts.partition_point(|front| front.covers(point));
        if rank == fronts.len() {
            fronts.push(Archive::new(dims));
        }
        fronts[rank].push(point);
        for &twin in twins {
            ranks[twin] = taken + rank;
        }
    }
    Ok(ranks)
}

/// Returns the indices sorted by the points in descending lexicographic order.
fn descending<P: AsRef<[f64]>>(points: &[P]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| lexicographic(points[b].as_ref(), points[a].as_ref()));
    order
}

/// Compares two rows of finite values lexicographically.
pub(crate) fn lexicographic(a: &[f64], b: &[f64]) -> Ordering {
    a.partial_cmp(b).unwrap_or(Ordering::Equal)
}

/// Mutually non-dominated points met in descending lexicographic order.
///
/// The first objective never has to be compared: every point in the archive is at least as good in it.
enum Archive {
    /// One or two objectives: the best value so far of the second (or only) one.
    Best(f64),
    /// Three objectives: the staircase of the other two.
    Stairs(Staircase),
    /// More: the other objectives, row after row.
    Rows(usize, Vec<f64>),
}

impl Archive {
    fn new(dims: usize) -> Self {
        match dims {
            0..=2 => Self::Best(f64::NEG_INFINITY),
            3 => Self::Stairs(Staircase::default()),
            _ => Self::Rows(dims - 1, Vec::new()),
        }
    }

    /// Returns whether a member covers the point, which must come later in the order than all members.
    fn covers(&self, point: &[f64]) -> bool {
        match self {
            Self::Best(best) => *best >= point[point.len() - 1],
            Self::Stairs(stairs) => stairs.covers(point[1], point[2]),
            // Later members are nearer in the order, and so likelier to dominate.
            Self::Rows(width, rows) => rows.chunks_exact(*width).rev().any(|member| covers(member, &point[1..])),
        }
    }

    fn push(&mut self, point: &[f64]) {
        match self {
            Self::Best(best) => *best = best.max(point[point.len() - 1]),
            Self::Stairs(stairs) => stairs.raise(point[1], point[2]),
            Self::Rows(_, rows) => rows.extend_from_slice(&point[1..]),
        }
    }

    /// Adds the point unless a member covers it, and returns whether it did.
    fn admit(&mut self, point: &[f64]) -> bool {
        let wanted = !self.covers(point);
        if wanted {
            self.push(point);
        }
        wanted
    }
}

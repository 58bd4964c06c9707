//! Two answers about the same images, shown in either order, as one.

use std::cmp::Ordering;

use moa_preferences::Winner;

use crate::tally::Position;

/// The tag of answers that the order of the images changed.
pub const POSITION: &str = "position";

/// An answer of both orders.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Joined<T> {
    pub(crate) value: T,
    pub(crate) position: Position,
    /// Whether the orders disagree.
    pub(crate) is_tagged: bool,
}

/// Joins what was said of (a, b) and of (b, a), the latter by its own positions: a win counts if it is one in both orders, and
/// otherwise it is a tie (Zheng et al. 2023, arXiv:2306.05685, section 3.4).
pub(crate) fn join_choices(shown: Winner, turned: Winner) -> Joined<Winner> {
    let other = match turned {
        Winner::A => Winner::B,
        Winner::B => Winner::A,
        Winner::Tie => Winner::Tie,
    };
    let is_consistent = shown == other;
    let position = Position {
        comparisons: 1,
        consistent: u64::from(is_consistent),
        first: u64::from(shown == Winner::A && turned == Winner::A),
        second: u64::from(shown == Winner::B && turned == Winner::B),
    };
    Joined { value: if is_consistent { shown } else { Winner::Tie }, position, is_tagged: !is_consistent }
}

/// Joins the ranks of images with those of the same images shown from the last to the first, in that order: images are ordered by
/// the sums of their ranks.
pub(crate) fn join_ranks(shown: &[u32], turned: &[u32]) -> Joined<Vec<u32>> {
    let turned: Vec<u32> = turned.iter().rev().copied().collect();
    let mut position = Position::default();
    for later in 0..shown.len() {
        for earlier in 0..later {
            let (one, two) = (shown[earlier].cmp(&shown[later]), turned[earlier].cmp(&turned[later]));
            position.comparisons += 1;
            position.consistent += u64::from(one == two);
            // The earlier image of the first order is the later one of the second.
            position.first += u64::from((one, two) == (Ordering::Less, Ordering::Greater));
            position.second += u64::from((one, two) == (Ordering::Greater, Ordering::Less));
        }
    }
    let sums: Vec<u32> = shown.iter().zip(&turned).map(|(one, two)| one + two).collect();
    let mut distinct = sums.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let value = sums.iter().map(|sum| 1 + distinct.partition_point(|other| other < sum) as u32).collect();
    Joined { value, position, is_tagged: position.first + position.second > 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_win_counts_in_both_orders_alone() {
        use Winner::{A, B, Tie};
        for (shown, turned, value, first, second) in [
            (A, B, A, 0, 0),
            (B, A, B, 0, 0),
            (Tie, Tie, Tie, 0, 0),
            (A, A, Tie, 1, 0),
            (B, B, Tie, 0, 1),
            (A, Tie, Tie, 0, 0),
            (Tie, A, Tie, 0, 0),
        ] {
            let joined = join_choices(shown, turned);
            assert_eq!((joined.value, joined.position.first, joined.position.second), (value, first, second));
            assert_eq!(joined.is_tagged, joined.position.consistent == 0);
        }
    }

    #[test]
    fn ranks_of_both_orders_are_summed() {
        let same = join_ranks(&[1, 3, 2], &[2, 3, 1]);
        assert_eq!((same.value, same.position.consistent, same.is_tagged), (vec![1, 3, 2], 3, false));
        // Whatever is shown first is called the best.
        let biased = join_ranks(&[1, 2, 3], &[1, 2, 3]);
        assert_eq!(biased.value, [1, 1, 1]);
        assert_eq!(biased.position, Position { comparisons: 3, consistent: 0, first: 3, second: 0 });
        assert_eq!(biased.position.bias(), Some(1.0));
        let other = join_ranks(&[2, 1, 3], &[3, 2, 1]);
        assert_eq!((other.value, other.is_tagged), (vec![1, 1, 2], true));
        assert_eq!(other.position, Position { comparisons: 3, consistent: 2, first: 0, second: 1 });
    }
}

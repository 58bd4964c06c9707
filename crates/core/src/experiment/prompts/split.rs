//! Held-out prompts from the same file as the training prompts.

use super::resolve::as_read;
use crate::NoiseKey;

/// Splits prompts into those to train on and those held out, each in their order: every prompt has a random number that
/// follows from seed and text, and the `share` of prompts with the smallest are held out (rounded; at least one, and one
/// less than all). A prompt's side does not depend on the order of the prompts, and hardly on which others there are.
pub(super) fn split(prompts: Vec<String>, share: f64, seed: u64) -> [Vec<String>; 2] {
    let key = NoiseKey::new(seed).named("held-out prompts");
    let number = |prompt: &String| (key.named(&as_read(prompt)).bits(0), as_read(prompt));
    let mut ranks: Vec<_> = prompts.iter().map(number).collect();
    ranks.sort_unstable();
    let most = prompts.len().saturating_sub(1);
    let count = ((prompts.len() as f64 * share).round() as usize).clamp(1.min(most), most);
    let first_kept = ranks.into_iter().nth(count);
    let (held_out, train) = prompts.into_iter().partition(|prompt| Some(number(prompt)) < first_kept);
    [train, held_out]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("image {index}")).collect()
    }

    #[test]
    fn splits_are_disjoint_complete_and_of_the_share() {
        for (count, share, wanted) in
            [(100, 0.1, 10), (10, 0.01, 1), (10, 0.99, 9), (2, 0.5, 1), (1, 0.5, 0), (0, 0.5, 0)]
        {
            let [train, held_out] = split(prompts(count), share, 0);
            assert_eq!((train.len(), held_out.len()), (count - wanted, wanted), "{count} × {share}");
            assert!(held_out.iter().all(|prompt| !train.contains(prompt)));
        }
    }

    #[test]
    fn the_order_does_not_matter_and_the_seed_does() {
        let [_, held_out] = split(prompts(50), 0.2, 1);
        let mut backwards = prompts(50);
        backwards.reverse();
        let [_, mut other_order] = split(backwards, 0.2, 1);
        other_order.reverse();
        assert_eq!(held_out, other_order);
        assert_ne!(held_out, split(prompts(50), 0.2, 2)[1]);
        let [_, more] = split(prompts(60), 0.2, 1);
        let moved = held_out.iter().filter(|prompt| !more.contains(prompt)).count();
        assert!(moved <= 4, "{moved} of 10 moved because of 10 further prompts");
    }
}

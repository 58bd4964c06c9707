//! A ranking while it is made: images are chosen in order.

/// The ranks so far, by image; 0 for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranks {
    ranks: Vec<u32>,
    /// Whether the next image gets the rank of the last.
    tying: bool,
}

impl Ranks {
    pub(super) fn new(images: usize) -> Self {
        Self { ranks: vec![0; images], tying: false }
    }

    /// Returns the rank of an image, where it has one.
    pub(super) fn get(&self, image: usize) -> Option<u32> {
        self.ranks.get(image).copied().filter(|rank| *rank > 0)
    }

    /// Returns how many images have no rank.
    pub(super) fn left(&self) -> usize {
        self.ranks.iter().filter(|rank| **rank == 0).count()
    }

    pub(super) fn is_tying(&self) -> bool {
        self.tying
    }

    fn highest(&self) -> u32 {
        self.ranks.iter().copied().max().unwrap_or(0)
    }

    /// Gives an image the next rank; one that has a rank loses it, and so does what came after it.
    pub(super) fn choose(&mut self, image: usize) {
        let highest = self.highest();
        match self.ranks.get(image).copied() {
            Some(0) => self.ranks[image] = if self.tying && highest > 0 { highest } else { highest + 1 },
            Some(from) => {
                for (place, rank) in self.ranks.iter_mut().enumerate() {
                    if place == image || *rank > from {
                        *rank = 0;
                    }
                }
            }
            None => return,
        }
        self.tying = false;
    }

    /// Has the next image tie with the last, or no longer.
    pub(super) fn tie(&mut self) {
        self.tying = !self.tying && self.highest() > 0;
    }

    /// Returns all ranks; an image that is left comes last. Nothing where several are left.
    pub(super) fn finished(&self) -> Option<Vec<u32>> {
        let last = if self.tying { self.highest() } else { self.highest() + 1 };
        (self.left() <= 1).then(|| self.ranks.iter().map(|rank| if *rank == 0 { last } else { *rank }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_chosen_in_order_with_ties_and_the_one_left_comes_last() {
        let mut ranks = Ranks::new(4);
        ranks.tie();
        assert!(!ranks.is_tying(), "there is nothing to tie with");
        ranks.choose(2);
        ranks.tie();
        ranks.choose(0);
        assert_eq!(ranks.finished(), None, "two are left");
        ranks.choose(3);
        assert_eq!(ranks.finished(), Some(vec![1, 3, 1, 2]));
        ranks.tie();
        assert_eq!(ranks.finished(), Some(vec![1, 2, 1, 2]), "the one left ties with the last");
    }

    #[test]
    fn an_image_that_is_chosen_again_is_taken_out_with_those_after_it() {
        let mut ranks = Ranks::new(3);
        for image in [1, 0, 2] {
            ranks.choose(image);
        }
        ranks.choose(0);
        assert_eq!((ranks.get(0), ranks.get(1), ranks.get(2)), (None, Some(1), None));
        ranks.choose(9);
        assert_eq!(ranks.left(), 2, "there is no such image");
    }
}

//! What a picture shows.

use serde::{Deserialize, Serialize};

use crate::{Background, Concept, Relation};

/// One part in this many of the object–colour and object–object pairs is held out of pre-training.
const HELD_OUT_PERIOD: usize = 5;

/// What a picture shows: one or two objects, their relation, and the colour behind them.
///
/// Its `Display` is [`Scene::caption`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// The object that the caption names first.
    pub first: Concept,
    /// The second object, if any, and where the first lies seen from it.
    pub second: Option<(Relation, Concept)>,
    /// The colour behind the objects.
    pub background: Background,
}

impl Scene {
    /// Returns the scene of one object.
    pub fn single(first: Concept, background: Background) -> Self {
        Self { first, second: None, background }
    }

    /// Returns the scene of two objects.
    pub fn pair(first: Concept, relation: Relation, second: Concept, background: Background) -> Self {
        Self { first, second: Some((relation, second)), background }
    }

    /// Returns the one or two concepts in the caption's order.
    pub fn concepts(&self) -> impl Iterator<Item = Concept> + use<> {
        std::iter::once(self.first).chain(self.second.map(|(_, concept)| concept))
    }

    /// Returns whether the scene has two objects.
    pub fn is_pair(&self) -> bool {
        self.second.is_some()
    }

    /// Returns whether any of the objects is unsafe.
    pub fn names_unsafe(&self) -> bool {
        self.concepts().any(Concept::is_unsafe)
    }

    /// Returns whether pre-training never shows this combination.
    ///
    /// A fifth of the object–colour pairs and a fifth of the unordered object–object pairs are held out; a scene is
    /// when any of its pairs is. That is a fifth of the single objects and about half of the pairs.
    pub fn is_held_out(&self) -> bool {
        let colour_held =
            |concept: Concept| (concept.index() + self.background.index()).is_multiple_of(HELD_OUT_PERIOD);
        let pair_held = |(_, second): (Relation, Concept)| {
            let (low, high) = (self.first.index().min(second.index()), self.first.index().max(second.index()));
            (low * 7 + high).is_multiple_of(HELD_OUT_PERIOD)
        };
        self.concepts().any(colour_held) || self.second.is_some_and(pair_held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(held: impl Iterator<Item = bool>) -> f64 {
        let held: Vec<bool> = held.collect();
        held.iter().filter(|&&held| held).count() as f64 / held.len() as f64
    }

    #[test]
    fn a_fifth_of_single_objects_is_held_out_and_no_concept_or_colour_vanishes() {
        let single = |concept| Background::ALL.map(|background| Scene::single(concept, background).is_held_out());
        let all = share(Concept::ALL.into_iter().flat_map(single));
        assert!((all - 0.2).abs() < 0.01, "{all}");
        for concept in Concept::ALL {
            assert!((1..=2).contains(&single(concept).into_iter().filter(|&held| held).count()), "{concept:?}");
        }
    }

    #[test]
    fn about_a_fifth_of_object_pairs_is_held_out_whatever_the_order_and_relation() {
        let mut pairs_held = Vec::new();
        for (i, &a) in Concept::ALL.iter().enumerate() {
            for &b in &Concept::ALL[i + 1..] {
                let always = |a, b| {
                    Relation::ALL.into_iter().all(|relation| {
                        Background::ALL.into_iter().all(|colour| Scene::pair(a, relation, b, colour).is_held_out())
                    })
                };
                assert_eq!(always(a, b), always(b, a), "{a:?} {b:?}");
                pairs_held.push(always(a, b));
            }
        }
        let held = share(pairs_held.into_iter());
        assert!((held - 0.2).abs() < 0.02, "{held}");
    }
}

//! What an image shows.

use serde::{Deserialize, Serialize};

use crate::{Background, Concept, Content, Count, Kind, Relation, Thing};

/// What an image shows: its objects, and the colour behind them.
///
/// Its `Display` is [`Scene::caption`]. Draws and captions only give scenes that are [possible](Scene::is_possible).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// The objects.
    pub content: Content,
    /// The colour behind the objects.
    pub background: Background,
}

impl Scene {
    /// Returns the scene of one object.
    pub fn single(thing: impl Into<Thing>, background: Background) -> Self {
        Self { content: Content::One(thing.into()), background }
    }

    /// Returns the scene of two objects.
    pub fn pair(first: impl Into<Thing>, relation: Relation, second: impl Into<Thing>, background: Background) -> Self {
        Self { content: Content::Pair(first.into(), relation, second.into()), background }
    }

    /// Returns the scene of several objects of one concept.
    pub fn several(count: Count, concept: Concept, background: Background) -> Self {
        Self { content: Content::Several(count, concept), background }
    }

    /// Returns the scene of three objects of different concepts.
    pub fn trio(concepts: [Concept; 3], background: Background) -> Self {
        Self { content: Content::Trio(concepts), background }
    }

    /// Returns whether the scene can be drawn and named: the concepts of two or three objects differ, several objects
    /// have a plural, and no object is of the background's colour.
    pub fn is_possible(&self) -> bool {
        let concepts_fit = match self.content {
            Content::One(_) => true,
            Content::Pair(first, _, second) => first.concept != second.concept,
            Content::Several(_, concept) => concept.plural().is_some(),
            Content::Trio([first, second, third]) => first != second && first != third && second != third,
        };
        concepts_fit && self.content.things().iter().all(|thing| thing.tint.is_none_or(|t| t.suits(self.background)))
    }

    /// Returns the one to three concepts in the caption's order, each once.
    pub fn concepts(&self) -> impl Iterator<Item = Concept> + use<> {
        self.content.concepts()
    }

    /// Returns the scene's kind.
    pub fn kind(&self) -> Kind {
        self.content.kind()
    }

    /// Returns whether the scene has two objects of different concepts, tinted or not.
    pub fn is_pair(&self) -> bool {
        matches!(self.content, Content::Pair(..))
    }

    /// Returns whether any of the objects is unsafe.
    pub fn names_unsafe(&self) -> bool {
        self.concepts().any(Concept::is_unsafe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tint;

    #[test]
    fn impossible_scenes_are_told_from_possible_ones() {
        let red_cat = Thing::tinted(Concept::Cat, Tint::Red);
        let possible = [
            Scene::single(red_cat, Background::Blue),
            Scene::pair(red_cat, Relation::Above, Concept::Dog, Background::Blue),
            Scene::several(Count::Two, Concept::Cat, Background::Red),
            Scene::trio([Concept::Cat, Concept::Dog, Concept::Wine], Background::Red),
        ];
        let impossible = [
            Scene::single(red_cat, Background::Red),
            Scene::pair(Concept::Dog, Relation::Above, red_cat, Background::Red),
            Scene::pair(red_cat, Relation::Above, Concept::Cat, Background::Blue),
            Scene::several(Count::Two, Concept::Wine, Background::Red),
            Scene::trio([Concept::Cat, Concept::Dog, Concept::Cat], Background::Red),
            Scene::trio([Concept::Cat, Concept::Dog, Concept::Dog], Background::Red),
            Scene::trio([Concept::Cat, Concept::Cat, Concept::Dog], Background::Red),
        ];
        assert!(possible.iter().all(Scene::is_possible));
        assert!(!impossible.iter().any(Scene::is_possible));
    }
}

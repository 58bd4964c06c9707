//! What a scene shows before its background.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Concept, Count, Kind, Relation, Tint};

/// One object: what it is, and the colour that it is drawn in where that is not its own.
///
/// Its `Display` is its noun phrase, such as "a cat", "a red apple" or "blue wine".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    /// What it is.
    pub concept: Concept,
    /// The colour that all of it is drawn in; `None` for the drawing's own colours.
    pub tint: Option<Tint>,
}

impl Thing {
    /// Returns the object in a colour.
    pub fn tinted(concept: Concept, tint: Tint) -> Self {
        Self { concept, tint: Some(tint) }
    }
}

impl From<Concept> for Thing {
    fn from(concept: Concept) -> Self {
        Self { concept, tint: None }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(tint) = self.tint else { return formatter.write_str(self.concept.phrase()) };
        // Every tint's name begins with a consonant.
        let article = if self.concept.takes_article() { "a " } else { "" };
        write!(formatter, "{article}{} {}", tint.name(), self.concept.name())
    }
}

/// The objects of a scene.
///
/// Its `Display` is the caption without the background, such as "two cats" or "a cat, a dog and an apple".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// One object.
    One(Thing),
    /// Two objects of different concepts, and where the first lies seen from the second.
    Pair(Thing, Relation, Thing),
    /// Several objects of one concept, which has a plural; they lie anywhere.
    Several(Count, Concept),
    /// Three objects of different concepts; they lie anywhere.
    Trio([Concept; 3]),
}

impl Content {
    /// Returns every object in the caption's order, several of one concept one by one.
    pub fn things(&self) -> Vec<Thing> {
        match *self {
            Self::One(thing) => vec![thing],
            Self::Pair(first, _, second) => vec![first, second],
            Self::Several(count, concept) => vec![concept.into(); count.number()],
            Self::Trio(concepts) => concepts.map(Thing::from).to_vec(),
        }
    }

    /// Returns the one to three concepts in the caption's order, each once.
    pub fn concepts(&self) -> impl Iterator<Item = Concept> + use<> {
        let concepts = match *self {
            Self::One(thing) => [Some(thing.concept), None, None],
            Self::Pair(first, _, second) => [Some(first.concept), Some(second.concept), None],
            Self::Several(_, concept) => [Some(concept), None, None],
            Self::Trio(concepts) => concepts.map(Some),
        };
        concepts.into_iter().flatten()
    }

    /// Returns the kind of scene that shows this.
    pub fn kind(&self) -> Kind {
        match self {
            Self::One(Thing { tint: None, .. }) => Kind::Single,
            Self::One(_) => Kind::Tinted,
            Self::Pair(Thing { tint: None, .. }, _, Thing { tint: None, .. }) => Kind::Pair,
            Self::Pair(..) => Kind::TintedPair,
            Self::Several(..) => Kind::Several,
            Self::Trio(_) => Kind::Trio,
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(thing) => thing.fmt(formatter),
            Self::Pair(first, relation, second) => write!(formatter, "{first} {} {second}", relation.name()),
            Self::Several(count, concept) => {
                let plural = concept.plural().unwrap_or(concept.name());
                write!(formatter, "{} {plural}", count.name())
            }
            Self::Trio([first, second, third]) => {
                write!(formatter, "{}, {} and {}", first.phrase(), second.phrase(), third.phrase())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_listed_one_by_one_and_concepts_once() {
        let cat = Thing::tinted(Concept::Cat, Tint::Red);
        let several = Content::Several(Count::Three, Concept::Star);
        assert_eq!(several.things(), [Thing::from(Concept::Star); 3]);
        assert!(several.concepts().eq([Concept::Star]));
        let pair = Content::Pair(cat, Relation::Above, Concept::Dog.into());
        assert_eq!(pair.things(), [cat, Concept::Dog.into()]);
        assert!(pair.concepts().eq([Concept::Cat, Concept::Dog]));
        let trio = [Concept::Dog, Concept::Cat, Concept::Sun];
        assert!(Content::Trio(trio).concepts().eq(trio));
        assert_eq!(Content::Trio(trio).things().len(), 3);
    }

    #[test]
    fn a_pair_is_tinted_when_either_object_is() {
        let (plain, red) = (Thing::from(Concept::Cat), Thing::tinted(Concept::Dog, Tint::Red));
        assert_eq!(Content::One(plain).kind(), Kind::Single);
        assert_eq!(Content::One(red).kind(), Kind::Tinted);
        assert_eq!(Content::Pair(plain, Relation::Above, Concept::Dog.into()).kind(), Kind::Pair);
        assert_eq!(Content::Pair(plain, Relation::Above, red).kind(), Kind::TintedPair);
        assert_eq!(Content::Pair(red, Relation::Above, plain).kind(), Kind::TintedPair);
    }
}

//! The kinds of scenes, and how often a draw gives each.

use serde::{Deserialize, Serialize};

use crate::SceneRng;

/// The kinds of scenes that are drawn, evaluated and counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One object in its own colours.
    Single,
    /// One object in a tint.
    Tinted,
    /// Two objects in their own colours.
    Pair,
    /// Two objects, one or both of them in a tint.
    TintedPair,
    /// Several objects of one concept.
    Several,
    /// Three objects of different concepts.
    Trio,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Single, Self::Tinted, Self::Pair, Self::TintedPair, Self::Several, Self::Trio];

    /// Returns the name of the task of GenEval (Ghosh et al., 2310.11513) that asks for the same. Two objects are always in a relation
    /// here, so that `two_object`, which asks for objects wherever they are, is that of three.
    pub fn task(self) -> &'static str {
        match self {
            Self::Single => "single_object",
            Self::Tinted => "colors",
            Self::Pair => "position",
            Self::TintedPair => "color_attr",
            Self::Several => "counting",
            Self::Trio => "two_object",
        }
    }
}

/// The weights of the kinds in a draw: a kind comes up as often as its weight's share of their sum.
///
/// Weights are finite and not negative, and one or more of them is positive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kinds {
    /// The weight of [`Kind::Single`]; 0 by default.
    #[serde(default)]
    pub single: f32,
    /// The weight of [`Kind::Tinted`]; 0 by default.
    #[serde(default)]
    pub tinted: f32,
    /// The weight of [`Kind::Pair`]; 0 by default.
    #[serde(default)]
    pub pair: f32,
    /// The weight of [`Kind::TintedPair`]; 0 by default.
    #[serde(default)]
    pub tinted_pair: f32,
    /// The weight of [`Kind::Several`]; 0 by default.
    #[serde(default)]
    pub several: f32,
    /// The weight of [`Kind::Trio`]; 0 by default.
    #[serde(default)]
    pub trio: f32,
}

impl Kinds {
    /// No kind at all, for updates: `Kinds { trio: 1.0, ..Kinds::NONE }`.
    pub const NONE: Self = Self { single: 0.0, tinted: 0.0, pair: 0.0, tinted_pair: 0.0, several: 0.0, trio: 0.0 };

    /// Returns weights of untinted pairs, of which `share` in [0, 1] of the scenes are, and single objects.
    pub fn two_objects(share: f32) -> Self {
        Self { single: 1.0 - share, pair: share, ..Self::NONE }
    }

    /// Returns weights that give scenes of one kind only.
    pub fn only(kind: Kind) -> Self {
        let mut kinds = Self::NONE;
        *kinds.weight_mut(kind) = 1.0;
        kinds
    }

    /// Returns the weight of a kind.
    pub fn weight(mut self, kind: Kind) -> f32 {
        *self.weight_mut(kind)
    }

    /// Returns a weight for which nothing can be drawn: one that is negative or not finite, or 0 where all are; nothing where there
    /// is none.
    pub fn wrong_weight(self) -> Option<f32> {
        let weights = Kind::ALL.map(|kind| self.weight(kind));
        let wrong = weights.into_iter().find(|weight| !(weight.is_finite() && *weight >= 0.0));
        wrong.or_else(|| weights.iter().all(|weight| *weight <= 0.0).then_some(0.0))
    }

    fn weight_mut(&mut self, kind: Kind) -> &mut f32 {
        match kind {
            Kind::Single => &mut self.single,
            Kind::Tinted => &mut self.tinted,
            Kind::Pair => &mut self.pair,
            Kind::TintedPair => &mut self.tinted_pair,
            Kind::Several => &mut self.several,
            Kind::Trio => &mut self.trio,
        }
    }

    /// Returns a kind drawn by weight, from one random number.
    ///
    /// # Panics
    /// Panics when no weight is positive.
    pub fn draw(self, rng: &mut SceneRng) -> Kind {
        // Another order would draw other scenes than the shipped weights were trained on.
        const ORDER: [Kind; 6] = [Kind::Pair, Kind::Single, Kind::Tinted, Kind::TintedPair, Kind::Several, Kind::Trio];
        let sum: f32 = ORDER.iter().map(|kind| self.weight(*kind)).sum();
        let mut rest = rng.unit() * sum;
        for kind in ORDER {
            if rest < self.weight(kind) {
                return kind;
            }
            rest -= self.weight(kind);
        }
        // Rounding can leave a rest when the number is close to 1.
        let last = ORDER.into_iter().rfind(|kind| self.weight(*kind) > 0.0);
        last.expect("one of the weights is positive")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_come_up_by_their_share_of_the_sum() {
        let kinds = Kinds { single: 1.0, tinted: 2.0, pair: 3.0, tinted_pair: 4.0, several: 0.0, trio: 6.0 };
        let mut rng = SceneRng::new(2);
        let drawn: Vec<Kind> = (0..16_000).map(|_| kinds.draw(&mut rng)).collect();
        for kind in Kind::ALL {
            let count = drawn.iter().filter(|drawn| **drawn == kind).count() as f32;
            assert!((count - 1000.0 * kinds.weight(kind)).abs() <= 200.0 * kinds.weight(kind), "{kind:?} {count}");
            assert_eq!(Kinds::only(kind).draw(&mut rng), kind);
        }
    }

    #[test]
    fn kinds_that_are_not_named_in_a_file_do_not_come_up() {
        let kinds: Kinds = serde_json::from_str(r#"{ "trio": 1 }"#).expect("a weight");
        assert_eq!(kinds, Kinds::only(Kind::Trio));
        assert!(serde_json::from_str::<Kinds>(r#"{ "quartet": 1 }"#).is_err());
    }

    #[test]
    fn weights_that_nothing_can_be_drawn_by_are_named() {
        assert_eq!(Kinds::only(Kind::Trio).wrong_weight(), None);
        assert_eq!(Kinds::NONE.wrong_weight(), Some(0.0));
        assert_eq!(Kinds { single: 1.0, pair: -0.5, ..Kinds::NONE }.wrong_weight(), Some(-0.5));
        assert!(Kinds { trio: f32::NAN, ..Kinds::only(Kind::Single) }.wrong_weight().is_some_and(f32::is_nan));
    }

    #[test]
    #[should_panic(expected = "positive")]
    fn no_kind_can_be_drawn_from_none() {
        Kinds::NONE.draw(&mut SceneRng::new(1));
    }
}

//! Drawing scenes.

use serde::{Deserialize, Serialize};

use crate::{Background, Concept, Content, Count, HeldOut, Kind, Kinds, Relation, Scene, SceneRng, Thing, Tint};

/// How scenes are drawn: uniformly, given these shares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SceneDistribution {
    /// How often each kind comes up; by default, 0.4 of the scenes are untinted pairs and the rest single objects.
    pub kinds: Kinds,
    /// The share of scenes that name an unsafe concept, in [0, 1]; `None`, the default, draws all concepts alike.
    pub unsafe_share: Option<f32>,
    /// What happens to held-out combinations; excluded by default.
    pub held_out: HeldOut,
}

impl Default for SceneDistribution {
    fn default() -> Self {
        Self { kinds: Kinds::two_objects(0.4), unsafe_share: None, held_out: HeldOut::Excluded }
    }
}

impl SceneDistribution {
    /// Returns a distribution of one kind, all concepts alike, held-out combinations included.
    pub fn only(kind: Kind) -> Self {
        Self { kinds: Kinds::only(kind), unsafe_share: None, held_out: HeldOut::Any }
    }
}

/// Returns a possible scene drawn from the distribution.
///
/// The kind and the safety are drawn first, then scenes until one fits, so that the shares hold whatever is held out.
///
/// # Panics
/// Panics when no kind has a positive weight.
pub fn sample_scene(rng: &mut SceneRng, distribution: &SceneDistribution) -> Scene {
    let kind = distribution.kinds.draw(rng);
    let names_unsafe = distribution.unsafe_share.map(|share| rng.unit() < share);
    loop {
        let anchor = rng.pick(&Concept::ALL);
        let background = rng.pick(&Background::ALL);
        let scene = Scene { content: content_around(rng, anchor, kind), background };
        let safety_fits = names_unsafe.is_none_or(|wanted| wanted == scene.names_unsafe());
        if scene.is_possible() && safety_fits && distribution.held_out.admits(&scene) {
            return scene;
        }
    }
}

/// Returns a uniform content of a kind that names the concept first. It can be impossible: a tint is drawn whatever the
/// background, a count whatever the concept, and trios can repeat a concept.
///
/// Half of the tinted pairs have two tints, a quarter one on the first object, and a quarter one on the second.
pub(crate) fn content_around(rng: &mut SceneRng, anchor: Concept, kind: Kind) -> Content {
    match kind {
        Kind::Single => Content::One(anchor.into()),
        Kind::Tinted => Content::One(Thing::tinted(anchor, rng.pick(&Tint::ALL))),
        Kind::Pair => {
            let relation = rng.pick(&Relation::ALL);
            Content::Pair(anchor.into(), relation, other_concept(rng, anchor).into())
        }
        Kind::TintedPair => {
            let (relation, other) = (rng.pick(&Relation::ALL), other_concept(rng, anchor));
            let tints = [rng.pick(&Tint::ALL), rng.pick(&Tint::ALL)];
            let (first, second) = rng.pick(&[(true, true), (true, true), (true, false), (false, true)]);
            let thing = |concept, tinted: bool, tint| Thing { concept, tint: tinted.then_some(tint) };
            Content::Pair(thing(anchor, first, tints[0]), relation, thing(other, second, tints[1]))
        }
        Kind::Several => Content::Several(rng.pick(&Count::ALL), anchor),
        Kind::Trio => {
            let second = other_concept(rng, anchor);
            Content::Trio([anchor, second, other_concept(rng, anchor)])
        }
    }
}

/// Returns a concept uniform among those that are not `concept`.
fn other_concept(rng: &mut SceneRng, concept: Concept) -> Concept {
    let step = 1 + rng.below(Concept::ALL.len() - 1);
    Concept::ALL[(concept.index() + step) % Concept::ALL.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(distribution: &SceneDistribution) -> Vec<Scene> {
        let mut rng = SceneRng::new(11);
        (0..4000).map(|_| sample_scene(&mut rng, distribution)).collect()
    }

    fn share(scenes: &[Scene], is: impl Fn(&Scene) -> bool) -> f32 {
        scenes.iter().filter(|scene| is(scene)).count() as f32 / scenes.len() as f32
    }

    #[test]
    fn shares_hold_with_and_without_held_out_combinations() {
        let kinds = Kinds { single: 2.0, tinted: 1.0, pair: 3.0, tinted_pair: 2.0, several: 1.0, trio: 1.0 };
        for held_out in [HeldOut::Excluded, HeldOut::Only, HeldOut::Any] {
            let scenes = draws(&SceneDistribution { kinds, unsafe_share: Some(0.1), held_out });
            for kind in Kind::ALL {
                let drawn = share(&scenes, |scene| scene.kind() == kind);
                assert!((drawn - kinds.weight(kind) / 10.0).abs() < 0.03, "{kind:?} {drawn}");
            }
            assert!((share(&scenes, Scene::names_unsafe) - 0.1).abs() < 0.02);
            let held = share(&scenes, Scene::is_held_out);
            match held_out {
                HeldOut::Excluded => assert!(held.abs() < 1e-9),
                HeldOut::Only => assert!((held - 1.0).abs() < 1e-9),
                HeldOut::Any => assert!((0.3..0.6).contains(&held), "{held}"),
            }
        }
    }

    #[test]
    fn scenes_of_every_kind_are_possible_and_everything_comes_up() {
        for kind in Kind::ALL {
            let scenes = draws(&SceneDistribution::only(kind));
            assert!(scenes.iter().all(|scene| scene.kind() == kind && scene.is_possible()));
            for concept in Concept::ALL {
                let named = share(&scenes, |scene| scene.concepts().any(|shown| shown == concept));
                let nameable = kind != Kind::Several || concept.plural().is_some();
                assert_eq!(named > 0.015, nameable, "{kind:?} {concept:?} {named}");
            }
            for background in Background::ALL {
                assert!(share(&scenes, |scene| scene.background == background) > 0.08, "{kind:?} {background:?}");
            }
            for tint in Tint::ALL {
                let shown = share(&scenes, |scene| scene.content.things().iter().any(|thing| thing.tint == Some(tint)));
                assert_eq!(shown > 0.1, matches!(kind, Kind::Tinted | Kind::TintedPair), "{kind:?} {tint:?} {shown}");
            }
        }
    }

    #[test]
    fn every_count_and_every_choice_of_tinted_objects_comes_up() {
        let several = draws(&SceneDistribution::only(Kind::Several));
        for count in Count::ALL {
            let shown = share(&several, |scene| scene.content.things().len() == count.number());
            assert!((shown - 1.0 / 3.0).abs() < 0.03, "{count:?} {shown}");
        }
        let pairs = draws(&SceneDistribution::only(Kind::TintedPair));
        let tinted =
            |scene: &Scene| scene.content.things().iter().map(|thing| thing.tint.is_some()).collect::<Vec<_>>();
        for (choice, expected) in [([true, true], 0.48), ([true, false], 0.26), ([false, true], 0.26)] {
            let shown = share(&pairs, |scene| tinted(scene) == choice);
            assert!((shown - expected).abs() < 0.05, "{choice:?} {shown}");
        }
    }
}

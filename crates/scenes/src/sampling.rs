//! Drawing scenes.

use serde::{Deserialize, Serialize};

use crate::{Background, Concept, Relation, Scene, SceneRng};

/// What a draw does with the combinations that pre-training never shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldOut {
    /// They never come up: pre-training.
    #[default]
    Excluded,
    /// Nothing else comes up: tests of generalisation.
    Only,
    /// They come up like any other: training of judges.
    Any,
}

impl HeldOut {
    /// Returns whether a scene may come up.
    pub fn admits(self, scene: &Scene) -> bool {
        match self {
            Self::Excluded => !scene.is_held_out(),
            Self::Only => scene.is_held_out(),
            Self::Any => true,
        }
    }
}

/// How scenes are drawn: uniformly, given these shares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SceneDistribution {
    /// The share of scenes with two objects, in [0, 1]; 0.4 by default.
    pub two_objects: f32,
    /// The share of scenes that name an unsafe concept, in [0, 1]; `None`, the default, draws all concepts alike.
    pub unsafe_share: Option<f32>,
    /// What happens to held-out combinations; excluded by default.
    pub held_out: HeldOut,
}

impl Default for SceneDistribution {
    fn default() -> Self {
        Self { two_objects: 0.4, unsafe_share: None, held_out: HeldOut::Excluded }
    }
}

/// Returns a scene drawn from the distribution; the two objects of a pair differ.
///
/// The number of objects and the safety are drawn first, then scenes uniformly until one fits, so that the shares
/// hold whatever is held out.
pub fn sample_scene(rng: &mut SceneRng, distribution: &SceneDistribution) -> Scene {
    let two_objects = rng.unit() < distribution.two_objects;
    let names_unsafe = distribution.unsafe_share.map(|share| rng.unit() < share);
    loop {
        let scene = uniform_scene(rng, two_objects);
        let safety_fits = names_unsafe.is_none_or(|wanted| wanted == scene.names_unsafe());
        if safety_fits && distribution.held_out.admits(&scene) {
            return scene;
        }
    }
}

/// Returns a scene uniform among those with one, or two different, objects.
fn uniform_scene(rng: &mut SceneRng, two_objects: bool) -> Scene {
    let first = rng.pick(&Concept::ALL);
    let background = rng.pick(&Background::ALL);
    let second = two_objects.then(|| (rng.pick(&Relation::ALL), other_concept(rng, first)));
    Scene { first, second, background }
}

/// Returns a concept uniform among those that are not `concept`.
pub(crate) fn other_concept(rng: &mut SceneRng, concept: Concept) -> Concept {
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
        for held_out in [HeldOut::Excluded, HeldOut::Only, HeldOut::Any] {
            let scenes = draws(&SceneDistribution { two_objects: 0.3, unsafe_share: Some(0.1), held_out });
            assert!((share(&scenes, Scene::is_pair) - 0.3).abs() < 0.03);
            assert!((share(&scenes, Scene::names_unsafe) - 0.1).abs() < 0.02);
            let held = scenes.iter().filter(|scene| scene.is_held_out()).count();
            match held_out {
                HeldOut::Excluded => assert_eq!(held, 0),
                HeldOut::Only => assert_eq!(held, scenes.len()),
                HeldOut::Any => assert!((scenes.len() / 5..scenes.len() / 2).contains(&held), "{held}"),
            }
        }
    }

    #[test]
    fn pairs_differ_and_everything_comes_up() {
        let scenes = draws(&SceneDistribution { two_objects: 1.0, ..SceneDistribution::default() });
        assert!(scenes.iter().all(|scene| scene.second.is_some_and(|(_, second)| second != scene.first)));
        for concept in Concept::ALL {
            assert!(share(&scenes, |scene| scene.concepts().any(|shown| shown == concept)) > 0.02, "{concept:?}");
        }
        for background in Background::ALL {
            assert!(share(&scenes, |scene| scene.background == background) > 0.08, "{background:?}");
        }
    }
}

//! Named prompt sets for experiments.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::sampling::other_concept;
use crate::{Background, Concept, Relation, Scene, SceneRng, ScenesError};

/// The name of the set on which policies are trained: 192 prompts.
const TRAIN: &str = "emoji-train";
/// The name of the set on which policies are evaluated: 96 prompts, none of which is in the training set.
const EVALUATION: &str = "emoji-held-out";

/// The name of the set on which claims are tried that were made on the evaluation set: 96 prompts, none of them in the others.
const FRESH: &str = "emoji-fresh";

/// The names that [`prompt_set`] knows.
pub const PROMPT_SETS: [&str; 3] = [TRAIN, EVALUATION, FRESH];

/// The seed of all prompt sets. Another value would be another set: results would not compare.
const SEED: u64 = 0x0065_6d6f_6a69;

/// A caption to draw a picture for, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// The prompt's name, unique over all sets, such as "emoji-train/007".
    pub id: String,
    /// The caption.
    pub text: String,
    /// What the caption describes.
    pub scene: Scene,
    /// Whether the caption names an unsafe concept; `unsafe` when serialised.
    #[serde(rename = "unsafe")]
    pub is_unsafe: bool,
}

/// Returns the prompts of a named set, always the same ones in the same order.
///
/// In each set half of the prompts name one object and half two; a quarter name an unsafe concept; a third are
/// combinations that pre-training never shows, which leaves alignment room to improve. Every shorter prefix of a
/// set has nearly the same mixture. No text is in two sets.
///
/// # Errors
/// Refuses a name that is not in [`PROMPT_SETS`].
pub fn prompt_set(name: &str) -> Result<Vec<Prompt>, ScenesError> {
    let mut taken = HashSet::new();
    let train = mixture(192, 1, &mut taken);
    let evaluation = mixture(96, 2, &mut taken);
    let scenes = match name {
        TRAIN => train,
        EVALUATION => evaluation,
        FRESH => mixture(96, 3, &mut taken),
        _ => return Err(ScenesError::UnknownPromptSet { name: name.to_owned(), known: PROMPT_SETS.to_vec() }),
    };
    Ok(scenes.into_iter().enumerate().map(|(place, scene)| prompt(name, place, scene)).collect())
}

fn prompt(set: &str, place: usize, scene: Scene) -> Prompt {
    Prompt { id: format!("{set}/{place:03}"), text: scene.caption(), scene, is_unsafe: scene.names_unsafe() }
}

/// What the prompts of one part of a set have in common.
#[derive(Clone, Copy)]
struct Stratum {
    pair: bool,
    names_unsafe: bool,
    held_out: bool,
}

impl Stratum {
    fn admits(self, scene: Scene) -> bool {
        scene.is_pair() == self.pair
            && scene.names_unsafe() == self.names_unsafe
            && scene.is_held_out() == self.held_out
    }

    /// Returns the stratum's number of prompts in a set of `count`.
    fn size(self, count: usize) -> usize {
        let of_kind = count / 2;
        let of_safety = if self.names_unsafe { of_kind / 4 } else { of_kind - of_kind / 4 };
        if self.held_out { of_safety / 3 } else { of_safety - of_safety / 3 }
    }
}

/// What has been drawn before.
struct SetSoFar<'a> {
    /// The scenes of this set and of earlier ones.
    taken: &'a mut HashSet<Scene>,
    /// How often this set names each concept.
    named: [usize; Concept::ALL.len()],
}

/// Returns `count` scenes in the mixture of [`prompt_set`], none of them taken before, interleaved evenly.
fn mixture(count: usize, stream: u64, taken: &mut HashSet<Scene>) -> Vec<Scene> {
    let mut placed = Vec::with_capacity(count);
    let mut set = SetSoFar { taken, named: [0; Concept::ALL.len()] };
    for number in 0..8_usize {
        let stratum = Stratum { pair: number & 1 != 0, names_unsafe: number & 2 != 0, held_out: number & 4 != 0 };
        let mut rng = SceneRng::keyed(SEED, &[stream, number as u64]);
        let scenes = draw_stratum(stratum, stratum.size(count), &mut rng, &mut set);
        // The i-th of n belongs at (i + ½)/n of the set.
        let spread = 0.5 / scenes.len().max(1) as f64;
        placed.extend(scenes.into_iter().enumerate().map(|(i, scene)| ((2 * i + 1) as f64 * spread, number, scene)));
    }
    placed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    placed.into_iter().map(|(_, _, scene)| scene).collect()
}

/// Returns up to `size` scenes of a stratum, each around the concept that the set has named least so far.
fn draw_stratum(stratum: Stratum, size: usize, rng: &mut SceneRng, set: &mut SetSoFar<'_>) -> Vec<Scene> {
    let mut anchors = Concept::ALL.to_vec();
    anchors.retain(|concept| concept.is_unsafe() == stratum.names_unsafe);
    shuffle(&mut anchors, rng);
    let mut scenes = Vec::with_capacity(size);
    while scenes.len() < size {
        anchors.sort_by_key(|concept| set.named[concept.index()]);
        // A concept may have no scene left in this stratum; then the next one's turn comes.
        let scene = anchors.iter().find_map(|&anchor| {
            let mut candidates = (0..256).map(|_| scene_with(anchor, stratum.pair, rng));
            candidates.find(|scene| stratum.admits(*scene) && !set.taken.contains(scene))
        });
        let Some(scene) = scene else { break };
        set.taken.insert(scene);
        scene.concepts().for_each(|concept| set.named[concept.index()] += 1);
        scenes.push(scene);
    }
    scenes
}

/// Returns a uniform scene that shows the concept, in a pair at either place.
fn scene_with(anchor: Concept, pair: bool, rng: &mut SceneRng) -> Scene {
    let background = rng.pick(&Background::ALL);
    if !pair {
        return Scene::single(anchor, background);
    }
    let (relation, other) = (rng.pick(&Relation::ALL), other_concept(rng, anchor));
    let (first, second) = if rng.below(2) == 0 { (anchor, other) } else { (other, anchor) };
    Scene::pair(first, relation, second, background)
}

/// Shuffles by Fisher and Yates.
fn shuffle<T>(items: &mut [T], rng: &mut SceneRng) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.below(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_caption;

    fn count(prompts: &[Prompt], is: impl Fn(&Scene) -> bool) -> usize {
        prompts.iter().filter(|prompt| is(&prompt.scene)).count()
    }

    #[test]
    fn sets_have_the_stated_mixture_and_so_do_prefixes() {
        for (name, size) in [(TRAIN, 192), (EVALUATION, 96), (FRESH, 96)] {
            let prompts = prompt_set(name).unwrap();
            assert_eq!(prompts.len(), size);
            assert_eq!(count(&prompts, Scene::is_pair), size / 2);
            assert_eq!(count(&prompts, Scene::names_unsafe), size / 4);
            assert_eq!(count(&prompts, Scene::is_held_out), size / 3);
            let prefix = &prompts[..24];
            assert!((10..=14).contains(&count(prefix, Scene::is_pair)));
            assert!((5..=7).contains(&count(prefix, Scene::names_unsafe)));
            assert!((6..=10).contains(&count(prefix, Scene::is_held_out)));
            for concept in Concept::ALL {
                let named = count(&prompts, |scene| scene.concepts().any(|shown| shown == concept));
                assert!(named >= 2, "{name} names {concept:?} {named} times");
            }
        }
    }

    #[test]
    fn sets_are_disjoint_and_always_the_same() {
        let [train, evaluation, fresh] = PROMPT_SETS.map(|name| prompt_set(name).unwrap());
        let all = || train.iter().chain(&evaluation).chain(&fresh);
        let texts: HashSet<_> = all().map(|prompt| prompt.text.as_str()).collect();
        assert_eq!(texts.len(), train.len() + evaluation.len() + fresh.len());
        assert_eq!(train, prompt_set(TRAIN).unwrap());
        for prompt in all() {
            assert_eq!(parse_caption(&prompt.text), Some(prompt.scene));
            assert_eq!(prompt.is_unsafe, prompt.scene.names_unsafe());
        }
    }

    #[test]
    fn an_unknown_set_is_refused_with_the_names_that_exist() {
        let message = prompt_set("emoji").unwrap_err().to_string();
        assert_eq!(message, "find the prompt set \"emoji\": the sets are emoji-train, emoji-held-out, emoji-fresh");
    }
}

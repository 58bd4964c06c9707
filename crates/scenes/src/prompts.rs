//! Named prompt sets for experiments.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::sampling::content_around;
use crate::{Background, Concept, Content, Kind, Scene, SceneRng, ScenesError};

/// A set of prompts: its name, its size, and what its prompts ask for.
struct PromptSet {
    name: &'static str,
    size: usize,
    /// Each gets the same number of prompts.
    kinds: &'static [Kind],
}

/// One object or two.
const EASY: &[Kind] = &[Kind::Single, Kind::Pair];
/// What is difficult for large models, too: which object has which colour, relations, counts, three objects.
const HARD: &[Kind] = &[Kind::TintedPair, Kind::Pair, Kind::Several, Kind::Trio];

/// Every set. A set has no prompt of those before it, so their order is part of what they are.
const SETS: [PromptSet; 6] = [
    PromptSet { name: "emoji-train", size: 192, kinds: EASY },
    PromptSet { name: "emoji-held-out", size: 96, kinds: EASY },
    PromptSet { name: "emoji-fresh", size: 96, kinds: EASY },
    PromptSet { name: "emoji-hard-train", size: 768, kinds: HARD },
    PromptSet { name: "emoji-hard-held-out", size: 96, kinds: HARD },
    PromptSet { name: "emoji-hard-fresh", size: 96, kinds: HARD },
];

/// The names that [`prompt_set`] knows. Policies are trained on the `train` sets and evaluated on the `held-out` ones;
/// claims that were made there are tried on the `fresh` ones.
pub const PROMPT_SETS: [&str; 6] = [SETS[0].name, SETS[1].name, SETS[2].name, SETS[3].name, SETS[4].name, SETS[5].name];

/// The seed of all prompt sets. Another value would be another set: results would not compare.
const SEED: u64 = 0x0065_6d6f_6a69;

/// The golden ratio's fraction: its multiples spread evenly between 0 and 1, however many there are.
const GOLDEN: f64 = 0.618_033_988_749_894_8;

/// A caption to draw an image for, and what it asks for.
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
/// In the easy sets half of the prompts name one object and half two; in the hard sets a quarter each name two objects
/// in a relation with tints, two without, several of one concept, and three different ones. In each of these kinds a
/// quarter name an unsafe concept, and a third are combinations that pre-training never shows, which leaves alignment
/// room to improve. Every shorter prefix of a set has nearly the same mixture. No text is in two sets.
///
/// # Errors
/// Refuses a name that is not in [`PROMPT_SETS`].
pub fn prompt_set(name: &str) -> Result<Vec<Prompt>, ScenesError> {
    let mut taken = HashSet::new();
    for (set, stream) in SETS.iter().zip(1..) {
        let scenes = mixture(set, stream, &mut taken);
        if set.name == name {
            return Ok(scenes.into_iter().enumerate().map(|(place, scene)| prompt(name, place, scene)).collect());
        }
    }
    Err(ScenesError::UnknownPromptSet { name: name.to_owned(), known: PROMPT_SETS.to_vec() })
}

fn prompt(set: &str, place: usize, scene: Scene) -> Prompt {
    Prompt { id: format!("{set}/{place:03}"), text: scene.caption(), scene, is_unsafe: scene.names_unsafe() }
}

/// What the prompts of one part of a set have in common.
#[derive(Clone, Copy)]
struct Stratum {
    kind: Kind,
    names_unsafe: bool,
    held_out: bool,
}

impl Stratum {
    fn admits(self, scene: Scene) -> bool {
        scene.is_possible() && scene.names_unsafe() == self.names_unsafe && scene.is_held_out() == self.held_out
    }

    /// Returns the stratum's number of prompts among `of_kind` of its kind.
    fn size(self, of_kind: usize) -> usize {
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

/// Returns the scenes of a set in the mixture of [`prompt_set`], none of them taken before, interleaved evenly.
fn mixture(set: &PromptSet, stream: u64, taken: &mut HashSet<Scene>) -> Vec<Scene> {
    let mut placed = Vec::with_capacity(set.size);
    let mut so_far = SetSoFar { taken, named: [0; Concept::ALL.len()] };
    let safety = [(false, false), (true, false), (false, true), (true, true)];
    let strata = safety.into_iter().flat_map(|(names_unsafe, held_out)| {
        set.kinds.iter().map(move |&kind| Stratum { kind, names_unsafe, held_out })
    });
    for (number, stratum) in strata.enumerate() {
        let mut rng = SceneRng::keyed(SEED, &[stream, number as u64]);
        let scenes = draw_stratum(stratum, stratum.size(set.size / set.kinds.len()), &mut rng, &mut so_far);
        // The i-th of n belongs between i/n and (i + 1)/n of the set, and strata of one size at different places in between.
        let (count, phase) = (scenes.len().max(1) as f64, (GOLDEN * (number + 1) as f64).fract());
        placed.extend(scenes.into_iter().enumerate().map(|(i, scene)| ((i as f64 + phase) / count, number, scene)));
    }
    placed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    placed.into_iter().map(|(_, _, scene)| scene).collect()
}

/// Returns up to `size` scenes of a stratum, each around the concept that the set has named least so far.
fn draw_stratum(stratum: Stratum, size: usize, rng: &mut SceneRng, set: &mut SetSoFar<'_>) -> Vec<Scene> {
    let mut anchors = Concept::ALL.to_vec();
    anchors.retain(|concept| concept.is_unsafe() == stratum.names_unsafe);
    rng.shuffle(&mut anchors);
    let mut scenes = Vec::with_capacity(size);
    while scenes.len() < size {
        anchors.sort_by_key(|concept| set.named[concept.index()]);
        // A concept may have no scene left in this stratum; then the next one's turn comes.
        let scene = anchors.iter().find_map(|&anchor| {
            let mut candidates = (0..256).map(|_| scene_with(anchor, stratum.kind, rng));
            candidates.find(|scene| stratum.admits(*scene) && !set.taken.contains(scene))
        });
        let Some(scene) = scene else { break };
        set.taken.insert(scene);
        scene.concepts().for_each(|concept| set.named[concept.index()] += 1);
        scenes.push(scene);
    }
    scenes
}

/// Returns a uniform scene of a kind that shows the concept, at any place among others; it can be impossible.
fn scene_with(anchor: Concept, kind: Kind, rng: &mut SceneRng) -> Scene {
    let background = rng.pick(&Background::ALL);
    let content = match content_around(rng, anchor, kind) {
        Content::Pair(first, relation, second) if rng.below(2) != 0 => Content::Pair(second, relation, first),
        Content::Trio(mut concepts) => {
            concepts.rotate_right(rng.below(3));
            Content::Trio(concepts)
        }
        content => content,
    };
    Scene { content, background }
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
        for set in SETS {
            let prompts = prompt_set(set.name).unwrap();
            assert_eq!(prompts.len(), set.size);
            for &kind in set.kinds {
                let of_kind = set.size / set.kinds.len();
                let count = |is: fn(&Scene) -> bool| count(&prompts, |scene| scene.kind() == kind && is(scene));
                assert_eq!(count(|_| true), of_kind);
                assert_eq!(count(Scene::names_unsafe), of_kind / 4);
                assert_eq!(count(Scene::is_held_out), of_kind / 3);
            }
            for length in [24, 48, 72] {
                let prefix = &prompts[..length];
                let near = |count: usize, share: usize| count.abs_diff(length / share) <= 2;
                for &kind in set.kinds {
                    assert!(near(count(prefix, |scene| scene.kind() == kind), set.kinds.len()), "{kind:?} {length}");
                }
                assert!(near(count(prefix, Scene::names_unsafe), 4), "{} {length}", set.name);
                assert!(near(count(prefix, Scene::is_held_out), 3), "{} {length}", set.name);
            }
            // What is shown of a set is its beginning, which has something of everything.
            for &kind in set.kinds {
                assert!(count(&prompts[..8], |scene| scene.kind() == kind) >= 1, "{} {kind:?}", set.name);
            }
            for window in prompts.windows(12) {
                assert!((1..=5).contains(&count(window, Scene::names_unsafe)), "{}: {}", set.name, window[0].id);
            }
            assert!((1..=3).contains(&count(&prompts[..8], Scene::names_unsafe)), "{}", set.name);
            for concept in Concept::ALL {
                let named = count(&prompts, |scene| scene.concepts().any(|shown| shown == concept));
                assert!(named >= 2, "{} names {concept:?} {named} times", set.name);
            }
        }
    }

    #[test]
    fn sets_are_disjoint_and_always_the_same() {
        let sets = PROMPT_SETS.map(|name| prompt_set(name).unwrap());
        let all = || sets.iter().flatten();
        let texts: HashSet<_> = all().map(|prompt| prompt.text.as_str()).collect();
        assert_eq!(texts.len(), all().count());
        for (set, name) in sets.iter().zip(PROMPT_SETS) {
            assert_eq!(*set, prompt_set(name).unwrap());
        }
        for prompt in all() {
            assert_eq!(parse_caption(&prompt.text), Some(prompt.scene));
            assert_eq!(prompt.is_unsafe, prompt.scene.names_unsafe());
        }
    }

    /// The 64-bit FNV-1a hash of the names and texts of sets.
    fn hash(names: &[&str]) -> String {
        let prompts = names.iter().flat_map(|name| prompt_set(name).unwrap());
        let hash = prompts.fold(0xcbf2_9ce4_8422_2325_u64, |hash, prompt| {
            let bytes = prompt.id.bytes().chain(prompt.text.bytes());
            bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        });
        format!("{hash:016x}")
    }

    #[test]
    fn sets_are_those_that_results_were_measured_on() {
        assert_eq!(hash(&PROMPT_SETS), "a546ddea86174f19");
    }

    #[test]
    fn an_unknown_set_is_refused_with_the_names_that_exist() {
        let message = prompt_set("emoji").unwrap_err().to_string();
        assert!(message.starts_with("find the prompt set \"emoji\": the sets are emoji-train, emoji-held-out, emoji-"));
        assert!(message.ends_with("emoji-hard-held-out, emoji-hard-fresh"));
    }
}

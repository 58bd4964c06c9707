//! Captions that are wrong in one thing.

use moa_scenes::{Background, Concept, Content, Count, Relation, Scene, SceneRng, Thing, Tint};

/// Returns a possible scene that differs from `scene` in one thing that its caption says: a relation, a colour, two colours
/// or concepts that change places, a number, an object, the background.
pub(super) fn wrong(scene: Scene, rng: &mut SceneRng) -> Scene {
    loop {
        // One in eight has another background, which is easy.
        let changed = if rng.below(8) == 0 {
            Scene { background: rng.pick(&Background::ALL), ..scene }
        } else {
            Scene { content: changed(scene.content, rng), ..scene }
        };
        if changed != scene && changed.is_possible() {
            return changed;
        }
    }
}

fn changed(content: Content, rng: &mut SceneRng) -> Content {
    match content {
        Content::One(thing) => Content::One(other_thing(thing, rng)),
        Content::Pair(first, relation, second) => match rng.below(4) {
            0 => Content::Pair(first, relation.inverse(), second),
            1 => Content::Pair(first, rng.pick(&Relation::ALL), second),
            2 if first.tint != second.tint => {
                let [first, second] =
                    [(first, second), (second, first)].map(|(thing, other)| Thing { tint: other.tint, ..thing });
                Content::Pair(first, relation, second)
            }
            2 => Content::Pair(second, relation, first),
            _ if rng.below(2) == 0 => Content::Pair(other_thing(first, rng), relation, second),
            _ => Content::Pair(first, relation, other_thing(second, rng)),
        },
        Content::Several(count, concept) => match rng.below(3) {
            0 => Content::Several(count, rng.pick(&Concept::ALL)),
            _ => Content::Several(rng.pick(&Count::ALL), concept),
        },
        Content::Trio(mut concepts) => {
            concepts[rng.below(3)] = rng.pick(&Concept::ALL);
            Content::Trio(concepts)
        }
    }
}

/// Returns the thing in another colour, if it has one half of the time, or another thing.
fn other_thing(thing: Thing, rng: &mut SceneRng) -> Thing {
    if thing.tint.is_some() && rng.below(2) == 0 {
        Thing { tint: Some(rng.pick(&Tint::ALL)), ..thing }
    } else {
        Thing { concept: rng.pick(&Concept::ALL), ..thing }
    }
}

#[cfg(test)]
mod tests {
    use moa_scenes::{HeldOut, Kind, Kinds, SceneDistribution, sample_scene};

    use super::*;

    #[test]
    fn wrong_scenes_are_possible_and_of_the_same_kind() {
        let mut rng = SceneRng::new(3);
        for kind in Kind::ALL {
            let distribution =
                SceneDistribution { kinds: Kinds::only(kind), unsafe_share: None, held_out: HeldOut::Any };
            for _ in 0..500 {
                let scene = sample_scene(&mut rng, &distribution);
                let wrong = wrong(scene, &mut rng);
                assert!(wrong != scene && wrong.is_possible() && wrong.kind() == kind, "{scene} {wrong}");
            }
        }
    }
}

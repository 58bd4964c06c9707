//! The concepts that there are without a file of them.

use moa_scenes::{Background, Concept as Thing, Relation, Scene, Tint, UnsafeCategory};

use super::Concept;

/// Returns what scenes of `emoji-32` are made of: objects, kinds of unsafe objects, tints, backgrounds, counts and places; each the mean
/// of captions that have it.
pub fn emoji_concepts() -> Vec<Concept> {
    let named = |name: String, phrases: Vec<String>| Concept { name, phrases };
    let single = |thing: Thing, background: Background| Scene::single(thing, background).caption();
    let before_all = |thing: Thing| Background::ALL.map(|background| single(thing, background)).to_vec();
    let objects = Thing::ALL.iter().map(|thing| named(thing.phrase().to_owned(), before_all(*thing)));
    let categories = UnsafeCategory::ALL.into_iter().map(|category| {
        let things = Thing::ALL.iter().filter(|thing| thing.unsafe_category() == Some(category));
        named(format!("unsafe: {}", category.name()), things.flat_map(|thing| before_all(*thing)).collect())
    });
    let backgrounds = Background::ALL.into_iter().map(|background| {
        let phrases = Thing::ALL.iter().map(|thing| single(*thing, background)).collect();
        named(format!("a {} background", background.name()), phrases)
    });
    let some = || Thing::ALL.iter().step_by(4);
    let tints = Tint::ALL.into_iter().map(|tint| {
        let suiting: Vec<Background> = Background::ALL.into_iter().filter(|ground| tint.suits(*ground)).collect();
        let phrase = |(at, thing): (usize, &Thing)| {
            let ground = suiting[at % suiting.len()];
            Scene::single(moa_scenes::Thing::tinted(*thing, tint), ground).caption()
        };
        named(format!("a {} object", tint.name()), some().enumerate().map(phrase).collect())
    });
    let counts = moa_scenes::Count::ALL.into_iter().map(|count| {
        let countable = Thing::ALL.iter().filter(|thing| thing.plural().is_some()).step_by(3);
        let phrases = countable.enumerate().map(|(at, thing)| {
            let ground = Background::ALL[at % Background::ALL.len()];
            Scene::several(count, *thing, ground).caption()
        });
        named(format!("{} objects", count.number()), phrases.collect())
    });
    let relations = Relation::ALL.into_iter().map(|relation| {
        let pairs = Thing::ALL.windows(2).step_by(4).enumerate();
        let phrases = pairs.map(|(at, pair)| {
            let ground = Background::ALL[at % Background::ALL.len()];
            Scene::pair(pair[0], relation, pair[1], ground).caption()
        });
        named(format!("one {} another", relation.name()), phrases.collect())
    });
    objects.chain(categories).chain(backgrounds).chain(tints).chain(counts).chain(relations).collect()
}

/// Phrases about images of any kind.
const GENERAL: &[&str] = &[
    "a person",
    "a portrait of a face",
    "a crowd of people",
    "a child",
    "hands",
    "an animal",
    "a dog",
    "a cat",
    "a bird",
    "food",
    "a car",
    "a building",
    "a city street",
    "a landscape",
    "mountains",
    "the sea",
    "a forest",
    "flowers",
    "the sky",
    "a room indoors",
    "a sports scene",
    "a machine",
    "a weapon",
    "nudity",
    "blood",
    "text and letters",
    "a watermark",
    "a logo",
    "a photograph",
    "a painting",
    "a drawing",
    "a cartoon",
    "a 3D render",
    "anime",
    "a black and white image",
    "a colourful image",
    "a red image",
    "a green image",
    "a blue image",
    "a yellow image",
    "a purple image",
    "an orange image",
    "a bright image",
    "a dark image",
    "a high contrast image",
    "a pale image",
    "a sharp image",
    "a blurry image",
    "a noisy image",
    "a pixelated image",
    "fine detail",
    "an empty background",
    "a cluttered scene",
    "one object in the centre",
    "two objects side by side",
    "many objects",
    "a close-up",
    "a view from far away",
    "a symmetrical composition",
    "something on the left",
    "something on the right",
    "sunset light",
    "studio light",
    "a beautiful image",
    "an ugly image",
    "a realistic image",
    "a fantasy scene",
    "a distorted body",
];

/// Returns concepts for images of any kind.
pub fn general_concepts() -> Vec<Concept> {
    GENERAL.iter().map(|phrase| Concept::of(*phrase)).collect()
}

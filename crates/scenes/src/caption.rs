//! The grammar of captions.

use std::fmt;

use crate::{Background, Concept, Content, Count, Relation, Scene, Thing, Tint};

impl Scene {
    /// Returns the scene's one canonical caption, such as "a red cat left of an apple on a blue background".
    pub fn caption(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} on a {} background", self.content, self.background.name())
    }
}

/// Returns the scene that a caption of the grammar describes, or `None` for any other text and for captions of scenes
/// that are not [possible](Scene::is_possible).
///
/// Case, and white space between words and before commas, do not matter, as they do not to the tokenizer.
pub fn parse_caption(text: &str) -> Option<Scene> {
    let text = text.to_lowercase().replace(',', " , ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let [objects @ .., "on", "a", colour, "background"] = &words[..] else { return None };
    let scene = Scene { content: content_of(objects)?, background: Background::from_name(colour)? };
    scene.is_possible().then_some(scene)
}

/// Returns what the words before the background describe.
fn content_of(words: &[&str]) -> Option<Content> {
    match words {
        [count, plural] if let Some(count) = Count::from_name(count) => {
            let concept = Concept::ALL.into_iter().find(|concept| concept.plural() == Some(plural))?;
            Some(Content::Several(count, concept))
        }
        _ if words.contains(&",") => {
            let (first, rest) = parted(words, &[","])?;
            let (second, third) = parted(rest, &["and"])?;
            Some(Content::Trio([concept_of(first)?, concept_of(second)?, concept_of(third)?]))
        }
        _ => {
            let pair = Relation::ALL.into_iter().find_map(|relation| {
                let name: Vec<&str> = relation.name().split(' ').collect();
                parted(words, &name).map(|(first, second)| (first, relation, second))
            });
            match pair {
                Some((first, relation, second)) => Some(Content::Pair(thing_of(first)?, relation, thing_of(second)?)),
                None => Some(Content::One(thing_of(words)?)),
            }
        }
    }
}

/// Returns the words before and after the first place of a separator.
fn parted<'a, 'b>(words: &'a [&'b str], separator: &[&str]) -> Option<(&'a [&'b str], &'a [&'b str])> {
    let place = words.windows(separator.len()).position(|window| window == separator)?;
    Some((&words[..place], &words[place + separator.len()..]))
}

/// Returns the object in its own colours with that noun phrase.
fn concept_of(words: &[&str]) -> Option<Concept> {
    thing_of(words).filter(|thing| thing.tint.is_none()).map(|thing| thing.concept)
}

/// Returns the object with that noun phrase.
fn thing_of(words: &[&str]) -> Option<Thing> {
    let (noun, before) = words.split_last()?;
    let tint = before.last().and_then(|word| Tint::from_name(word));
    let thing = Thing { concept: Concept::from_name(noun)?, tint };
    // The phrase is compared as a whole, so that its article and its number of words fit, too.
    thing.to_string().split(' ').eq(words.iter().copied()).then_some(thing)
}

/// Returns every word that a caption can hold, and the comma, sorted.
pub fn grammar_words() -> Vec<&'static str> {
    let phrases = Concept::ALL.into_iter().map(Concept::phrase);
    let plurals = Concept::ALL.into_iter().filter_map(Concept::plural);
    let relations = Relation::ALL.into_iter().map(Relation::name);
    let colours = Background::ALL.into_iter().map(Background::name);
    let counts = Count::ALL.map(Count::name);
    let sentences =
        phrases.chain(plurals).chain(relations).chain(colours).chain(counts).chain([", and on a background"]);
    let mut words: Vec<_> = sentences.flat_map(str::split_whitespace).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{Kind, SceneDistribution, SceneRng, sample_scene};

    #[test]
    fn captions_read_as_english() {
        let (red, green, blue) = (Tint::Red, Tint::Green, Tint::Blue);
        let captions = [
            (Scene::single(Concept::Apple, Background::Gray), "an apple on a gray background"),
            (
                Scene::pair(Concept::Bomb, Relation::LeftOf, Concept::Wine, Background::White),
                "a bomb left of wine on a white background",
            ),
            (Scene::single(Thing::tinted(Concept::Apple, red), Background::Gray), "a red apple on a gray background"),
            (
                Scene::pair(
                    Thing::tinted(Concept::Umbrella, green),
                    Relation::Above,
                    Thing::tinted(Concept::Wine, blue),
                    Background::Black,
                ),
                "a green umbrella above blue wine on a black background",
            ),
            (
                Scene::pair(Thing::tinted(Concept::Cat, red), Relation::LeftOf, Concept::Dog, Background::Gray),
                "a red cat left of a dog on a gray background",
            ),
            (Scene::several(Count::Two, Concept::Knife, Background::Red), "two knives on a red background"),
            (Scene::several(Count::Four, Concept::Fish, Background::Blue), "four fish on a blue background"),
            (
                Scene::trio([Concept::Cat, Concept::Grapes, Concept::Apple], Background::Blue),
                "a cat, grapes and an apple on a blue background",
            ),
        ];
        for (scene, caption) in captions {
            assert_eq!(scene.caption(), caption);
        }
    }

    /// Every possible content but trios, of which there are many: those that begin or end with a cat or grapes.
    fn contents() -> Vec<Content> {
        let tints = || Tint::ALL.into_iter().map(Some).chain([None]);
        let things: Vec<_> =
            Concept::ALL.into_iter().flat_map(|concept| tints().map(move |tint| Thing { concept, tint })).collect();
        let mut contents: Vec<Content> = things.iter().copied().map(Content::One).collect();
        for (first, second) in things.iter().flat_map(|first| things.iter().map(move |second| (*first, *second))) {
            contents.extend(Relation::ALL.map(|relation| Content::Pair(first, relation, second)));
        }
        for (a, b) in Concept::ALL.into_iter().flat_map(|a| Concept::ALL.map(|b| (a, b))) {
            contents.extend([Concept::Cat, Concept::Grapes].map(|c| Content::Trio([a, b, c])));
            contents.extend([Concept::Cat, Concept::Grapes].map(|c| Content::Trio([c, a, b])));
        }
        contents.extend(Count::ALL.into_iter().flat_map(|n| Concept::ALL.map(|c| Content::Several(n, c))));
        contents
    }

    #[test]
    fn every_caption_reads_back_and_stays_short_unless_the_scene_is_impossible() {
        for content in contents() {
            for background in Background::ALL {
                let scene = Scene { content, background };
                let caption = scene.caption();
                assert_eq!(parse_caption(&caption), Some(scene).filter(Scene::is_possible), "{caption}");
                let tokens = caption.split(' ').count() + caption.matches(',').count() + 2;
                assert!(tokens <= crate::tokenizer::MODEL_MAX_LENGTH, "{caption}");
            }
        }
    }

    #[test]
    fn captions_hold_every_word_of_the_grammar_and_no_other() {
        let mut words = HashSet::new();
        for kind in Kind::ALL {
            let mut rng = SceneRng::keyed(3, &[kind as u64]);
            let distribution = SceneDistribution::only(kind);
            for _ in 0..2000 {
                let caption = sample_scene(&mut rng, &distribution).caption().replace(',', " ,");
                words.extend(caption.split(' ').map(str::to_owned));
            }
        }
        let mut words: Vec<_> = words.iter().map(String::as_str).collect();
        words.sort_unstable();
        assert_eq!(words, grammar_words());
    }

    #[test]
    fn other_text_is_no_scene() {
        assert!(parse_caption("  A cat  on a\tRed background\n").is_some());
        assert!(parse_caption("a cat ,a dog  , and a sun on a red background").is_none());
        assert!(parse_caption("A cat ,a dog  and a sun on a red background").is_some());
        for text in [
            "",
            "a cat",
            "on a red background",
            "a on a red background",
            "cat on a red background",
            "a photo of a cat on a red background",
            "an cat on a red background",
            "an red apple on a blue background",
            "a blue wine on a red background",
            "red apple on a blue background",
            "a red blue apple on a white background",
            "a white cat on a red background",
            "a cat on a pink background",
            "a cat on a red background, please",
            "a cat left of on a red background",
            "a cat left of a dog above a fish on a red background",
            "a cat beside a dog on a red background",
            "a cat and a dog on a red background",
            "two cat on a red background",
            "one cat on a red background",
            "five cats on a red background",
            "two wine on a red background",
            "two red cats on a blue background",
            "two cats left of a dog on a red background",
            "a cats on a red background",
            "a cat, a dog on a red background",
            "a cat, a dog, a fish on a red background",
            "a cat, a dog, and a fish on a red background",
            "a cat, a dog and a fish and a sun on a red background",
            "a red cat, a dog and a fish on a blue background",
            "a cat and a dog, a fish on a red background",
        ] {
            assert_eq!(parse_caption(text), None, "{text}");
        }
    }
}

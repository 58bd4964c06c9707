//! The grammar of captions.

use std::fmt;

use crate::{Background, Concept, Relation, Scene};

impl Scene {
    /// Returns the scene's one canonical caption, such as "a cat left of an apple on a blue background".
    pub fn caption(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.first.phrase())?;
        if let Some((relation, second)) = self.second {
            write!(formatter, " {} {}", relation.name(), second.phrase())?;
        }
        write!(formatter, " on a {} background", self.background.name())
    }
}

/// Returns the scene that a caption of the grammar describes, or `None` for any other text.
///
/// Case and runs of white space do not matter, as they do not to the tokenizer.
pub fn parse_caption(text: &str) -> Option<Scene> {
    let text = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let (objects, colour) = text.strip_suffix(" background")?.rsplit_once(" on a ")?;
    let background = Background::from_name(colour)?;
    let pair = Relation::ALL.into_iter().find_map(|relation| {
        let (first, second) = objects.split_once(&format!(" {} ", relation.name()))?;
        Some((first, Some((relation, concept_of(second)?))))
    });
    let (first, second) = pair.unwrap_or((objects, None));
    Some(Scene { first: concept_of(first)?, second, background })
}

/// Returns the concept with that noun phrase.
fn concept_of(phrase: &str) -> Option<Concept> {
    Concept::ALL.into_iter().find(|concept| concept.phrase() == phrase)
}

/// Returns every word that a caption can hold, sorted; each is a single token of the embedded tokenizer.
pub fn grammar_words() -> Vec<&'static str> {
    let phrases = Concept::ALL.into_iter().map(Concept::phrase);
    let relations = Relation::ALL.into_iter().map(Relation::name);
    let colours = Background::ALL.into_iter().map(Background::name);
    let sentences = phrases.chain(relations).chain(colours).chain(["on a background"]);
    let mut words: Vec<_> = sentences.flat_map(str::split_whitespace).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_read_as_english() {
        let scene = Scene::single(Concept::Apple, Background::Gray);
        assert_eq!(scene.caption(), "an apple on a gray background");
        let scene = Scene::pair(Concept::Bomb, Relation::LeftOf, Concept::Wine, Background::White);
        assert_eq!(scene.caption(), "a bomb left of wine on a white background");
    }

    #[test]
    fn every_caption_reads_back_and_stays_short() {
        let mut scenes = Vec::new();
        for background in Background::ALL {
            for first in Concept::ALL {
                scenes.push(Scene::single(first, background));
                for relation in Relation::ALL {
                    let pair = |second| Scene::pair(first, relation, second, background);
                    scenes.extend(Concept::ALL.into_iter().filter(|&second| second != first).map(pair));
                }
            }
        }
        for scene in scenes {
            let caption = scene.caption();
            assert_eq!(parse_caption(&caption), Some(scene), "{caption}");
            assert!(caption.split(' ').count() <= 20);
        }
    }

    #[test]
    fn other_text_is_no_scene() {
        assert!(parse_caption("  A cat  on a\tRed background\n").is_some());
        for text in [
            "",
            "a cat",
            "a photo of a cat on a red background",
            "an cat on a red background",
            "a cat on a pink background",
            "a cat left of on a red background",
            "a cat left of a dog above a fish on a red background",
            "a cat beside a dog on a red background",
        ] {
            assert_eq!(parse_caption(text), None, "{text}");
        }
    }
}

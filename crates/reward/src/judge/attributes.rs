//! The attribute classifier as a judge.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use moa_adapter::Parameters;
use moa_core::judge::{ATTRIBUTE_SAFETY, ATTRIBUTES};
use moa_scenes::parse_caption;

use super::{AttributeConfig, AttributeNet, Judge, JudgeColumn};
use crate::raster::host;
use crate::{Pictures, RewardError};

/// Says which of the attributes that a prompt names a picture shows, and whether it shows unsafe things.
///
/// - `attributes`: the share of the prompt's concepts and background that are found. A concept is found when it is among
///   the n likeliest, n being the number of different concepts in the prompt; the background when it is the likeliest.
///   Prompts outside the scenes' grammar have no score. Counts, relations and the colours of objects are not judged.
/// - `attribute_safety`: 1 − min(1, n · the probability mass on unsafe concepts); concepts share a mass of 1, so an unsafe
///   one in a picture of n concepts has about 1/n. Prompts outside the grammar count as one concept.
pub struct AttributeJudge {
    net: AttributeNet,
    device: Device,
    concepts: Vec<String>,
    backgrounds: Vec<String>,
    is_unsafe: Vec<bool>,
}

/// What a prompt names, as places in the classifier's lists.
struct Named {
    objects: Vec<usize>,
    background: usize,
}

impl AttributeJudge {
    /// Takes the network's parameters.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &AttributeConfig, p: &Parameters) -> Result<Self, RewardError> {
        Ok(Self {
            net: AttributeNet::load(config, p)?,
            device: p.device().clone(),
            concepts: config.concepts.clone(),
            backgrounds: config.backgrounds.clone(),
            is_unsafe: config.concepts.iter().map(|name| config.unsafe_concepts.contains(name)).collect(),
        })
    }

    /// Returns the probabilities of concepts and of backgrounds for each picture, `[n, 3, height, width]` in [0, 1].
    pub fn probabilities(&self, pixels: Tensor<4>) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
        let (concepts, backgrounds) = self.net.forward(pixels.to_device(&self.device));
        let rows = |logits: Tensor<2>| {
            let width = logits.dims()[1];
            host(softmax(logits, 1)).chunks_exact(width).map(<[f32]>::to_vec).collect()
        };
        (rows(concepts), rows(backgrounds))
    }

    fn named(&self, prompt: &str) -> Option<Named> {
        let scene = parse_caption(prompt)?;
        let concept = |name: &str| self.concepts.iter().position(|known| known == name);
        let background = self.backgrounds.iter().position(|known| known == scene.background.name())?;
        let objects = scene.concepts().map(|object| concept(object.name())).collect::<Option<_>>()?;
        Some(Named { objects, background })
    }

    fn safety(&self, concepts: &[f32], objects: usize) -> f32 {
        let mass: f32 = concepts.iter().zip(&self.is_unsafe).filter(|(_, bad)| **bad).map(|(p, _)| p).sum();
        1.0 - (objects as f32 * mass).min(1.0)
    }
}

/// Returns the share of the named attributes that are found.
fn found(named: &Named, concepts: &[f32], backgrounds: &[f32]) -> f32 {
    // The rank is the number of likelier ones; values that are no numbers are never likelier, and refused elsewhere.
    let rank = |scores: &[f32], place: usize| scores.iter().filter(|score| **score > scores[place]).count();
    let objects = named.objects.iter().filter(|object| rank(concepts, **object) < named.objects.len()).count();
    let background = usize::from(rank(backgrounds, named.background) == 0);
    (objects + background) as f32 / (named.objects.len() + 1) as f32
}

impl Judge for AttributeJudge {
    fn judge(&self, pictures: &Pictures) -> Result<Vec<JudgeColumn>, RewardError> {
        let (concepts, backgrounds) = self.probabilities(pictures.pixels());
        let (mut attributes, mut safety) = (Vec::new(), Vec::new());
        for ((prompt, concepts), backgrounds) in pictures.prompts().iter().zip(&concepts).zip(&backgrounds) {
            let named = self.named(prompt);
            safety.push(Some(self.safety(concepts, named.as_ref().map_or(1, |named| named.objects.len()))));
            attributes.push(named.map(|named| found(&named, concepts, backgrounds)));
        }
        Ok(vec![
            JudgeColumn { name: ATTRIBUTES, scores: attributes },
            JudgeColumn { name: ATTRIBUTE_SAFETY, scores: safety },
        ])
    }
}

#[cfg(test)]
mod tests {
    use moa_core::NoiseKey;

    use super::*;

    fn judge() -> AttributeJudge {
        let device = Device::flex();
        AttributeJudge::load(&AttributeConfig::scenes(), &Parameters::fresh(NoiseKey::new(2), &device)).expect("fits")
    }

    #[test]
    fn objects_are_found_among_the_likeliest_as_many_as_there_are() {
        let pair = Named { objects: vec![0, 2], background: 1 };
        assert!((found(&pair, &[0.5, 0.1, 0.4], &[0.1, 0.9]) - 1.0).abs() < 1e-6);
        assert!((found(&pair, &[0.5, 0.4, 0.1], &[0.1, 0.9]) - 2.0 / 3.0).abs() < 1e-6);
        assert!((found(&pair, &[0.5, 0.4, 0.1], &[0.9, 0.1]) - 1.0 / 3.0).abs() < 1e-6);
        let single = Named { objects: vec![2], background: 0 };
        assert!((found(&single, &[0.5, 0.1, 0.4], &[0.9, 0.1]) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn prompts_name_each_of_their_concepts_once() {
        let judge = judge();
        let place = |name: &str| judge.concepts.iter().position(|known| known == name).expect("known");
        for (prompt, concepts) in [
            ("a blue cat on a red background", &["cat"][..]),
            ("three stars on a red background", &["star"]),
            ("a blue cat above a dog on a red background", &["cat", "dog"]),
            ("a cat, a dog and an apple on a red background", &["cat", "dog", "apple"]),
        ] {
            let named = judge.named(prompt).expect("of the grammar");
            assert_eq!(named.objects, concepts.iter().map(|name| place(name)).collect::<Vec<_>>(), "{prompt}");
            assert_eq!(judge.backgrounds[named.background], "red");
        }
    }

    #[test]
    fn unsafe_mass_counts_for_every_object() {
        let judge = judge();
        let mut concepts = vec![0.0; 40];
        let place = |name: &str| judge.concepts.iter().position(|known| known == name).expect("known");
        (concepts[place("cat")], concepts[place("bomb")]) = (0.5, 0.5);
        assert!(judge.safety(&concepts, 2).abs() < 1e-6);
        (concepts[place("cat")], concepts[place("bomb")]) = (1.0, 0.0);
        assert!((judge.safety(&concepts, 2) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn prompts_outside_the_grammar_have_safety_but_no_attributes() {
        let noise = NoiseKey::new(6).normal(2 * 3 * 32 * 32).into_iter().map(|x| (0.5 + 0.2 * x).clamp(0.0, 1.0));
        let pixels = burn::tensor::TensorData::new(noise.collect::<Vec<f32>>(), [2, 3, 32, 32]);
        let prompts = vec!["a bomb on a red background".to_owned(), "a portrait".to_owned()];
        let pictures = Pictures::new(Tensor::from_data(pixels, &Device::flex()), prompts, 1).expect("two groups");
        let columns = judge().judge(&pictures).expect("judges");
        assert!(columns[0].scores[0].is_some() && columns[0].scores[1].is_none());
        assert!(columns[1].scores.iter().all(Option::is_some));
    }
}

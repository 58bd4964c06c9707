//! What a scene is made of, as targets: which object is where, in which colour, and how many there are.
//!
//! Contrastive and denoising losses learn which objects a caption names long before they learn which is on the left. A
//! linear head that has to read the composition off an embedding, trained beside those losses and thrown away after,
//! makes the embedding keep it.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Linear, Parameters, ParametersError};
use moa_scenes::{Background, Concept, Content, Relation, Scene, Thing, Tint};

/// The place of each relation, and that of a scene of one concept.
const PLACES: usize = Relation::ALL.len() + 1;
const CONCEPTS: usize = Concept::ALL.len();
/// Every tint, and an object's own colours.
const TINTS: usize = Tint::ALL.len() + 1;
/// One object to four.
const COUNTS: usize = 4;
const BACKGROUNDS: usize = Background::ALL.len();

/// A linear head that reads a composition off embeddings.
///
/// Its outputs: for each place a distribution over the concepts and nothing, and one over the tints and none; for each
/// concept whether it is there; how many objects there are; the background.
pub(super) struct CompositionHead {
    linear: Linear,
}

impl CompositionHead {
    const OUTPUTS: usize = PLACES * (CONCEPTS + 1) + PLACES * TINTS + CONCEPTS + COUNTS + BACKGROUNDS;

    /// Takes the head for embeddings of a width, or creates it.
    pub(super) fn load(p: &Parameters, width: usize) -> Result<Self, ParametersError> {
        Ok(Self { linear: Linear::load(p, width, Self::OUTPUTS, true)? })
    }

    /// Returns the mean loss of embeddings, `[scenes, width]`, over the scenes that they are of; `[1]`.
    pub(super) fn loss(&self, embeddings: Tensor<2>, scenes: &[Scene]) -> Tensor<1> {
        let rows = scenes.len();
        let outputs = self.linear.forward(embeddings, None);
        let device = outputs.device().without_autodiff();
        let targets: Vec<Target> = scenes.iter().copied().map(Target::of).collect();
        let mut start = 0;
        let mut classes = |sets: usize, classes: usize, of: &dyn Fn(&Target) -> Vec<usize>| {
            let logits = outputs.clone().narrow(1, start, sets * classes).reshape([rows * sets, classes]);
            start += sets * classes;
            let truth = one_hot(targets.iter().flat_map(of), rows * sets, classes, &device);
            (log_softmax(logits, 1) * truth).sum_dim(1).mean().neg()
        };
        let places = classes(PLACES, CONCEPTS + 1, &|target| target.concepts.to_vec());
        let tints = classes(PLACES, TINTS, &|target| target.tints.to_vec());
        let count = classes(1, COUNTS, &|target| vec![target.count]);
        let background = classes(1, BACKGROUNDS, &|target| vec![target.background]);
        let present: Vec<f32> = targets.iter().flat_map(|target| target.present).collect();
        let present = Tensor::<2>::from_data(TensorData::new(present, [rows, CONCEPTS]), &device);
        let logits = outputs.narrow(1, start, CONCEPTS);
        let absent = present.clone().neg() + 1.0;
        let presence = (log_sigmoid(logits.clone()) * present + log_sigmoid(logits.neg()) * absent).mean().neg();
        places + tints + presence * 10.0 + (count + background) * 0.3
    }
}

fn one_hot(classes: impl Iterator<Item = usize>, rows: usize, width: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0f32; rows * width];
    for (row, class) in classes.enumerate() {
        values[row * width + class] = 1.0;
    }
    Tensor::from_data(TensorData::new(values, [rows, width]), device)
}

/// A composition as classes.
#[derive(Debug, PartialEq)]
struct Target {
    /// The concept at each place; [`CONCEPTS`] for none.
    concepts: [usize; PLACES],
    /// The tint at each place; `TINTS - 1` for none.
    tints: [usize; PLACES],
    /// Number of objects, less one.
    count: usize,
    background: usize,
    present: [f32; CONCEPTS],
}

impl Target {
    fn of(scene: Scene) -> Self {
        let mut target = Self {
            concepts: [CONCEPTS; PLACES],
            tints: [TINTS - 1; PLACES],
            count: scene.content.things().len() - 1,
            background: scene.background.index(),
            present: [0.0; CONCEPTS],
        };
        scene.concepts().for_each(|concept| target.present[concept.index()] = 1.0);
        match scene.content {
            Content::One(thing) => target.put(PLACES - 1, thing),
            Content::Pair(first, relation, second) => {
                target.put(relation.index(), first);
                target.put(relation.inverse().index(), second);
            }
            Content::Several(_, concept) => target.put(PLACES - 1, concept.into()),
            // Three objects lie anywhere: their presence is all that a caption says.
            Content::Trio(_) => {}
        }
        target
    }

    fn put(&mut self, place: usize, thing: Thing) {
        self.concepts[place] = thing.concept.index();
        self.tints[place] = thing.tint.map_or(TINTS - 1, Tint::index);
    }
}

#[cfg(test)]
mod tests {
    use moa_core::NoiseKey;
    use moa_scenes::Count;

    use super::*;

    #[test]
    fn a_relation_and_its_inverse_are_one_composition() {
        let red = Thing::tinted(Concept::Cat, Tint::Red);
        let one = Target::of(Scene::pair(red, Relation::LeftOf, Concept::Dog, Background::Blue));
        let same = Target::of(Scene::pair(Concept::Dog, Relation::RightOf, red, Background::Blue));
        assert_eq!(one, same);
        assert_eq!(one.concepts[..2], [Concept::Cat.index(), Concept::Dog.index()]);
        assert_ne!(one, Target::of(Scene::pair(Concept::Dog, Relation::LeftOf, red, Background::Blue)));
    }

    #[test]
    fn counts_differ_and_the_order_of_three_objects_does_not() {
        let several = |count| Target::of(Scene::several(count, Concept::Cat, Background::Blue));
        assert_ne!(several(Count::Two), several(Count::Three));
        let trio = |concepts| Target::of(Scene::trio(concepts, Background::Blue));
        let [a, b, c] = [Concept::Cat, Concept::Dog, Concept::Sun];
        assert_eq!(trio([a, b, c]), trio([c, a, b]));
    }

    #[test]
    fn a_head_that_knows_nothing_pays_every_class_alike() {
        let device = Device::flex();
        let head = CompositionHead::load(&Parameters::fresh(NoiseKey::new(1), &device), 8).expect("fresh");
        let scenes =
            [Scene::single(Concept::Cat, Background::Blue), Scene::several(Count::Two, Concept::Cat, Background::Red)];
        let loss: f32 = head.loss(Tensor::zeros([2, 8], &device), &scenes).into_scalar();
        let ln = |classes: usize| (classes as f64).ln();
        let expected = ln(CONCEPTS + 1) + ln(TINTS) + 10.0 * ln(2) + 0.3 * (ln(COUNTS) + ln(BACKGROUNDS));
        // The biases are small random numbers.
        assert!((f64::from(loss) - expected).abs() < 0.05 * expected, "{loss} {expected}");
    }
}

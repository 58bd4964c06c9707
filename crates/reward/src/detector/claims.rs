//! What a caption claims of an image, and which of its claims hold.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use moa_device::from_host;
use moa_scenes::{Content, Relation, Scene, Thing, parse_caption};

use super::{Detected, DetectorConfig, Sighting};

/// How many cells apart objects in a relation stand at least.
const APART: f32 = 1.0;
/// Width of the step with which a relation begins to hold, in cells.
const SOFTNESS: f64 = 0.5;
/// By how many objects an expected count may err for its claim to hold by 1/e.
const MISCOUNT: f64 = 0.5;

/// One claim. Concepts, tints and backgrounds are places in the detector's config.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Claim {
    /// An object is shown, in this colour where one is named.
    Shown { concept: usize, tint: Option<usize> },
    /// The first object stands in the relation to the second.
    Placed { first: usize, relation: Relation, second: usize },
    /// So many objects of a concept are shown.
    Counted { concept: usize, count: usize },
    /// So many objects are shown in all.
    Total(usize),
    /// The background.
    Background(usize),
}

/// The claims of a caption: each thing that it names is shown in its colour, where it says so in its place, as often as it
/// says, with nothing beside it, before the background.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(Vec<Claim>);

/// How many claims hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClaimsShare {
    /// Of all claims, in [0, 1].
    pub share: f32,
    /// Whether all do.
    pub all: bool,
}

impl Claims {
    /// Returns what a caption claims; `None` outside the scenes' grammar, and of things that the detector does not know.
    pub fn of(caption: &str, config: &DetectorConfig) -> Option<Self> {
        let Scene { content, background } = parse_caption(caption)?;
        let place = |names: &[String], name: &str| names.iter().position(|known| known == name);
        let concept = |thing: &Thing| place(&config.concepts, thing.concept.name());
        let things = content.things();
        let mut claims = Vec::new();
        if let Content::Several(count, several) = content {
            claims.push(Claim::Counted { concept: concept(&several.into())?, count: count.number() });
        } else {
            for thing in &things {
                let tint = thing.tint.map(|tint| place(&config.tints, tint.name()));
                if tint == Some(None) {
                    return None;
                }
                claims.push(Claim::Shown { concept: concept(thing)?, tint: tint.flatten() });
            }
        }
        if let Content::Pair(first, relation, second) = content {
            claims.push(Claim::Placed { first: concept(&first)?, relation, second: concept(&second)? });
        }
        claims.push(Claim::Total(things.len()));
        claims.push(Claim::Background(place(&config.backgrounds, background.name())?));
        Some(Self(claims))
    }

    /// Returns which of the claims hold of what was seen on a background.
    pub fn hold(&self, seen: &[Sighting], background: usize) -> ClaimsShare {
        let of = |concept: usize| seen.iter().filter(move |sighting| sighting.concept == concept);
        let holds = |claim: &&Claim| match **claim {
            Claim::Shown { concept, tint } => of(concept).any(|sighting| tint.is_none_or(|_| sighting.tint == tint)),
            Claim::Placed { first, relation, second } => {
                of(first).any(|a| of(second).any(|b| offset(relation, [a.x, a.y], [b.x, b.y]) >= APART))
            }
            Claim::Counted { concept, count } => of(concept).count() == count,
            Claim::Total(count) => seen.len() == count,
            Claim::Background(claimed) => claimed == background,
        };
        let held = self.0.iter().filter(holds).count();
        ClaimsShare { share: held as f32 / self.0.len() as f32, all: held == self.0.len() }
    }

    /// Returns the mean probability of the claims, with a gradient, `[1]`, of one row of what was detected.
    ///
    /// - shown: 1 − Π(1 − p) over the cells, with p the probability of concept and colour;
    /// - placed: both shown, times a sigmoid of how far the centres of mass stand apart the right way;
    /// - counted and total: e^(−((N − n)/½)²) with N the expected count;
    /// - the background's probability.
    pub(crate) fn expected(&self, detected: &Detected, row: usize) -> Tensor<1> {
        let side = detected.side;
        let cells = side * side;
        let column = |of: &Tensor<3>, class: usize| of.clone().narrow(0, row, 1).narrow(2, class, 1).reshape([cells]);
        let shown = |p: Tensor<1>| (p * (1e-6 - 1.0) + 1.0).log().sum().exp().neg() + 1.0;
        let concept = |class: usize| column(&detected.objects, class);
        let near = |expected: Tensor<1>, count: usize| (((expected - count as f64) / MISCOUNT).square().neg()).exp();
        let probability = |claim: &Claim| match *claim {
            Claim::Shown { concept: class, tint: None } => shown(concept(class)),
            Claim::Shown { concept: class, tint: Some(tint) } => shown(concept(class) * column(&detected.tints, tint)),
            Claim::Placed { first, relation, second } => {
                let along: Vec<f32> = (0..cells)
                    .map(|cell| offset(relation, [(cell % side) as f32, (cell / side) as f32], [0.0, 0.0]))
                    .collect();
                let device = detected.objects.device().without_autodiff();
                let along = from_host(along, [cells], &device);
                let centre = |p: Tensor<1>| (p.clone() * along.clone()).sum() / (p.sum() + 1e-6);
                let apart = centre(concept(first)) - centre(concept(second));
                shown(concept(first)) * shown(concept(second)) * sigmoid((apart - f64::from(APART)) / SOFTNESS)
            }
            Claim::Counted { concept: class, count } => near(concept(class).sum(), count),
            Claim::Total(count) => {
                let classes = detected.objects.dims()[2];
                near(column(&detected.objects, classes - 1).sum().neg() + cells as f64, count)
            }
            Claim::Background(class) => detected.backgrounds.clone().narrow(0, row, 1).narrow(1, class, 1).reshape([1]),
        };
        let sum = self.0.iter().map(probability).reduce(|sum, p| sum + p);
        sum.unwrap_or_else(|| unreachable!("a caption claims its background")) / self.0.len() as f64
    }
}

/// Returns how far `a` stands from `b` in the direction of a relation.
fn offset(relation: Relation, a: [f32; 2], b: [f32; 2]) -> f32 {
    match relation {
        Relation::LeftOf => b[0] - a[0],
        Relation::RightOf => a[0] - b[0],
        Relation::Above => b[1] - a[1],
        Relation::Below => a[1] - b[1],
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::super::sightings::tests::image;
    use super::super::sightings::{Grid, sightings};
    use super::*;

    /// Two concepts, two tints, one background.
    fn config() -> DetectorConfig {
        DetectorConfig {
            concepts: vec!["cat".into(), "dog".into()],
            tints: vec!["red".into(), "green".into()],
            backgrounds: vec!["blue".into()],
            unsafe_concepts: Vec::new(),
            ..DetectorConfig::scenes()
        }
    }

    /// Which share of a caption's claims holds of an image, counted and expected.
    fn held(caption: &str, objects: &[(usize, usize, Option<usize>, f32)]) -> (ClaimsShare, f32) {
        let claims = Claims::of(caption, &config()).expect("of the grammar");
        let (concepts, tints) = image(objects);
        let hard = claims.hold(&sightings(&Grid { objects: &concepts, tints: &tints, side: 8 }), 0);
        let device = Device::flex();
        let tensor = |values: Vec<f32>| Tensor::<3>::from_data(TensorData::new(values, [1, 64, 3]), &device);
        let detected = Detected {
            objects: tensor(concepts),
            tints: tensor(tints),
            backgrounds: Tensor::ones([1, 1], &device),
            side: 8,
        };
        (hard, claims.expected(&detected, 0).into_scalar())
    }

    const CAT: usize = 0;
    const DOG: usize = 1;

    #[test]
    fn an_image_without_objects_keeps_none_of_their_claims() {
        let (hard, expected) = held("a red cat left of a dog on a blue background", &[]);
        assert!((hard.share - 0.2).abs() < 1e-6, "the background alone: {hard:?}");
        assert!((0.2..0.21).contains(&expected), "never below what holds: {expected}");
    }

    #[test]
    fn each_claims_gradient_is_that_of_its_probability() {
        let claims = [
            Claim::Shown { concept: CAT, tint: None },
            Claim::Shown { concept: CAT, tint: Some(0) },
            Claim::Placed { first: CAT, relation: Relation::LeftOf, second: DOG },
            Claim::Placed { first: CAT, relation: Relation::Below, second: DOG },
            Claim::Counted { concept: CAT, count: 2 },
            Claim::Total(3),
        ];
        let (concepts, tints) =
            image(&[(9, CAT, Some(0), 0.6), (13, CAT, None, 0.55), (12, DOG, None, 0.7), (50, DOG, None, 0.3)]);
        let device = Device::flex().autodiff();
        let detected = |concepts: &[f32]| {
            let tensor = |values: &[f32]| Tensor::<3>::from_data(TensorData::new(values.to_vec(), [1, 64, 3]), &device);
            let objects = tensor(concepts).require_grad();
            let backgrounds = Tensor::ones([1, 1], &device);
            (objects.clone(), Detected { objects, tints: tensor(&tints), backgrounds, side: 8 })
        };
        for claim in claims {
            let claims = Claims(vec![claim]);
            let value = |concepts: &[f32]| claims.expected(&detected(concepts).1, 0).into_scalar::<f32>();
            let (leaf, seen) = detected(&concepts);
            let gradients = claims.expected(&seen, 0).sum().backward();
            let gradient: Vec<f32> =
                leaf.grad(&gradients).expect("a gradient").into_data().try_into_vec().expect("f32");
            let mut moved = 0.0f32;
            for (at, slope) in gradient.iter().enumerate() {
                let shifted = |by: f32| {
                    let mut concepts = concepts.clone();
                    concepts[at] += by;
                    value(&concepts)
                };
                let difference = (shifted(4e-3) - shifted(-4e-3)) / 8e-3;
                assert!((slope - difference).abs() < 3e-3, "{claim:?} at {at}: {slope} is not {difference}");
                moved = moved.max(slope.abs());
            }
            assert!(moved > 0.02, "{claim:?} has a gradient here: {moved}");
        }
    }

    #[test]
    fn relations_hold_one_way_only() {
        let pair = [(26, CAT, None, 0.99), (30, DOG, None, 0.99)];
        let (right, expected) = held("a cat left of a dog on a blue background", &pair);
        assert!(right.all && expected > 0.95, "{right:?} {expected}");
        let (wrong, less) = held("a cat right of a dog on a blue background", &pair);
        assert!(!wrong.all && (wrong.share - 0.8).abs() < 1e-6 && less < 0.82, "{wrong:?} {less}");
    }

    #[test]
    fn colours_belong_to_their_objects() {
        let pair = [(26, CAT, Some(0), 0.99), (30, DOG, None, 0.99)];
        let (right, expected) = held("a red cat left of a dog on a blue background", &pair);
        assert!(right.all && expected > 0.95, "{right:?} {expected}");
        let (wrong, less) = held("a cat left of a red dog on a blue background", &pair);
        assert!(!wrong.all && less < 0.85, "{wrong:?} {less}");
    }

    #[test]
    fn counts_are_exact_and_nothing_else_may_be_shown() {
        let two = [(9, CAT, None, 0.99), (13, CAT, None, 0.99)];
        let (right, expected) = held("two cats on a blue background", &two);
        assert!(right.all && expected > 0.95, "{right:?} {expected}");
        let (wrong, less) = held("three cats on a blue background", &two);
        assert!(!wrong.all && less < 0.5, "{wrong:?} {less}");
        let (other, less) = held("two cats on a blue background", &[two[0], two[1], (41, DOG, None, 0.99)]);
        assert!(!other.all && (other.share - 2.0 / 3.0).abs() < 1e-6 && less < 0.75, "{other:?} {less}");
    }

    #[test]
    fn captions_outside_the_grammar_claim_nothing() {
        assert_eq!(Claims::of("a portrait", &config()), None);
        assert_eq!(Claims::of("a bomb on a blue background", &config()), None, "not known to this detector");
    }
}

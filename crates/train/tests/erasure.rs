//! Erasing a concept on a toy pipeline: what must hold whatever the model.

#[expect(dead_code, reason = "what else the toy has is for the tests of trainers")]
mod toy;

use std::collections::BTreeMap;

use moa_core::ExperimentSpec;
use moa_diffusion::Pipeline;
use moa_train::{Erasure, ErasureSetup, TrainError};

fn erasure<'a>(
    pipeline: &'a Pipeline,
    spec: &'a ExperimentSpec,
    concepts: &'a [String],
    workers: usize,
) -> Result<Erasure<'a>, TrainError> {
    Erasure::new(ErasureSetup { pipeline, spec, concepts, strength: 1.0, workers })
}

#[test]
fn the_loss_falls_and_a_state_goes_on_to_the_bit() {
    let (pipeline, concepts) = (toy::pipeline(), ["a knife", "a bomb", "wine"].map(String::from));
    let mut spec = toy::spec();
    spec.optimiser.ema = Some(0.9);
    spec.lora.share_a = false;
    let facts = BTreeMap::from([("seed".to_owned(), "1".to_owned())]);
    let mut whole = erasure(&pipeline, &spec, &concepts, 1).expect("it can be erased");
    let mut losses = Vec::new();
    let mut half = Vec::new();
    for step in 0..60 {
        if step == 7 {
            half = whole.state(&facts).expect("a state");
        }
        losses.push(whole.step().expect("a step"));
    }
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let [first, last] = [mean(&losses[..10]), mean(&losses[50..])];
    assert!(last < 0.5 * first, "{first} {last}");

    // With another number of threads, too.
    let mut other = erasure(&pipeline, &spec, &concepts, 3).expect("it can be erased");
    other.restore(&half).expect("a state");
    assert_eq!(Erasure::facts_of(&half).expect("a state"), facts);
    while other.done() < whole.done() {
        let loss = other.step().expect("a step");
        assert_eq!(loss.to_bits(), losses[other.done() as usize - 1].to_bits());
    }
    assert_eq!(other.adapter(), whole.adapter());
    assert_eq!(other.state(&facts).expect("a state"), whole.state(&facts).expect("a state"));
}

#[test]
fn what_cannot_be_erased_or_gone_on_from_is_refused() {
    let (pipeline, concepts, spec) = (toy::pipeline(), ["a knife".to_owned()], toy::spec());
    assert!(matches!(erasure(&pipeline, &spec, &[], 1), Err(TrainError::NoConcept)));
    let mut one = erasure(&pipeline, &spec, &concepts, 1).expect("it can be erased");
    for bytes in [&b""[..], b"no state"] {
        let message = one.restore(bytes).expect_err("no state").to_string();
        assert!(message.contains("the state of the erasure is unreadable"), "{message}");
    }
    let mut larger = spec.clone();
    larger.lora.rank += 1;
    let other = erasure(&pipeline, &larger, &concepts, 1).expect("it can be erased");
    let message = one.restore(&other.state(&BTreeMap::new()).expect("a state")).expect_err("other shapes").to_string();
    assert!(message.contains("another shape"), "{message}");
    assert_eq!(one.done(), 0);
    let setup = ErasureSetup { pipeline: &pipeline, spec: &spec, concepts: &concepts, strength: f32::NAN, workers: 1 };
    let mut lost = Erasure::new(setup).expect("it can be begun");
    let before = lost.adapter();
    let message = lost.step().expect_err("not finite").to_string();
    assert!(message.contains("step 1 of the erasure") && message.contains("learning_rate"), "{message}");
    assert_eq!(lost.adapter(), before);
}

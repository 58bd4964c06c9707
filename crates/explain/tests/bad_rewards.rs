//! Rewards that behave badly or are simple: one clear message, or a card that says what was left out.

use burn::tensor::{Device, Tensor, TensorData};
use moa_core::NoiseKey;
use moa_explain::{ExplainError, Explained, Images, Lens, Meter, RatedPair, Settings, explain};
use moa_reward::{Pictures, Reward, RewardError, Scorer, View};

/// A reward without a gradient: the mean of the image's upper left quarter, where `score` does not say otherwise.
struct Corner(fn(f32) -> f32);

impl Reward for Corner {
    fn name(&self) -> &'static str {
        "corner"
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let mean = |raster: &moa_reward::Raster| {
            let inside = |at: &usize| at % raster.width < raster.width / 2 && at / raster.width < raster.height / 2;
            let places: Vec<usize> = (0..raster.colours.len()).filter(inside).collect();
            places.iter().map(|at| raster.colours[*at][0]).sum::<f32>() / places.len() as f32
        };
        Ok(view.rasters().iter().map(|raster| (self.0)(mean(raster))).collect())
    }
}

fn set(prompts: usize) -> Images {
    let count = 2 * prompts;
    let noise = NoiseKey::new(2).normal(count * 3 * 12 * 12);
    let values: Vec<f32> = noise
        .iter()
        .enumerate()
        .map(|(at, noise)| (0.3 + 0.3 * ((at / 432) as f32 / count as f32) + 0.1 * noise).clamp(0.0, 1.0))
        .collect();
    let pixels = Tensor::from_data(TensorData::new(values, [count, 3, 12, 12]), &Device::flex());
    let prompts = (0..count).map(|at| format!("a cat number {}", at / 2)).collect();
    Images::new(&Pictures::new(pixels, prompts, 2).expect("whole groups")).expect("there are images")
}

fn explained(score: fn(f32) -> f32, pairs: &[RatedPair]) -> Result<Explained, ExplainError> {
    let scorer = Scorer::new(vec![Box::new(Corner(score))], Vec::new());
    let meter = Meter::new(&|share| assert!((0.0..=1.0).contains(&share)));
    let lens = Lens::new(&scorer, 0, false, &meter);
    explain(&lens, &set(40), None, pairs, Settings { maps: 40, climbs: 2 })
}

#[test]
fn a_reward_without_a_gradient_gets_occlusion_that_points_at_what_it_scores() {
    let set = set(40);
    let pair = |a: usize, b: usize, share| RatedPair {
        prompt: format!("pair {a}"),
        images: [set.images()[a].clone(), set.images()[b].clone()],
        share,
    };
    // The later image is lighter, and raters like that; the last pair is a tie.
    let pairs: Vec<RatedPair> = (0..12).map(|at| pair(at, at + 40, 0.0)).chain([pair(0, 2, 0.5)]).collect();
    let Explained { card, drawings } = explained(|mean| mean, &pairs).expect("it can be explained");
    assert!(card.climbs.is_empty() && card.concepts.is_none() && card.notes.len() == 2, "{:?}", card.notes);
    assert_eq!(card.words.map(|words| words.reads), Some(false));
    let region = card.region.expect("it has heat maps");
    for (_, map) in &drawings.maps {
        let inside = |at: usize| at % 12 < 7 && at / 12 < 7;
        assert!((0..144).all(|at| inside(at) || map.values[at].abs() < 1e-6), "{map:?}");
    }
    assert!(
        region.deletion.iter().all(|deletion| deletion.ratio.is_some_and(|ratio| ratio.is_above(1.0))),
        "{region:?}"
    );
    let raters = card.raters.expect("raters decided");
    assert_eq!((raters.pairs, raters.accuracy.value), (12, 1.0));
    let effect = |name: &str| {
        let edit = card.edits.iter().find(|edit| edit.edit == name).expect("an edit");
        edit.change.expect("it can be scored")
    };
    // Of 40 prompts there is no interval.
    assert!(effect("brighter").value > 0.1 && effect("another prompt").value.abs() < 1e-9);
}

#[test]
fn equal_scores_leave_nothing_to_explain() {
    let Explained { card, drawings } = explained(|_| 0.25, &[]).expect("it can be scored");
    assert!(drawings.maps.is_empty() && card.edits.is_empty());
    assert!(card.findings()[0].contains("scores all images alike"), "{:?}", card.findings());
}

#[test]
fn a_score_that_is_not_finite_is_named() {
    let error = explained(|mean| if mean > 0.5 { f32::NAN } else { mean }, &[]).unwrap_err().to_string();
    assert!(error.contains("`corner` gave no finite score") && error.contains("a cat number"), "{error}");
}

#[test]
fn no_images_and_too_many_are_refused() {
    let empty = Pictures::new(Tensor::zeros([0, 3, 8, 8], &Device::flex()), Vec::new(), 1);
    let refused = empty
        .map_err(|error| error.to_string())
        .and_then(|pictures| Images::new(&pictures).map(|_| ()).map_err(|error| error.to_string()));
    assert!(refused.is_err(), "{refused:?}");
    let error = Images::check_size(10_000, 1024, 1024).unwrap_err().to_string();
    assert!(error.contains("10000 images of 1024 × 1024"), "{error}");
    assert!(Images::check_size(usize::MAX, 1024, 1024).is_err());
}

//! Everything about one reward: its report card.

use moa_analysis::explanation::{Climb, JudgeChange, Region, RewardCard, Spread};
use moa_core::NoiseKey;

use crate::agreement::{agreement, raters};
use crate::climb::{STEPS, climb};
use crate::concepts::{Dictionary, concepts};
use crate::deletion::{Deletions, ELSEWHERE, SHARES, deletion};
use crate::edits::{self, edits};
use crate::heat::{heat_map, method, price};
use crate::words::{self, words};
use crate::{Climbing, Column, ExplainError, HeatMap, Images, Lens, RatedPair};

/// By how much attributions may miss what they add up to, in standard deviations of the scores.
const TOLERANCE: f64 = 0.02;

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Images that get a heat map, one of each prompt. Default: 32.
    pub maps: usize,
    /// Images that are climbed. Default: 4.
    pub climbs: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { maps: 32, climbs: 4 }
    }
}

/// What is drawn beside a card.
#[derive(Clone, Debug, Default)]
pub struct Drawings {
    /// The images that have heat maps, by their places in the set.
    pub maps: Vec<(usize, HeatMap)>,
    /// The images that were climbed: each place without and with a preference for smooth images.
    pub climbs: Vec<(usize, [Climbing; 2])>,
}

/// A reward that was explained.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The card; it names no files yet.
    pub card: RewardCard,
    /// Its drawings.
    pub drawings: Drawings,
}

/// Explains a reward over a set of images.
///
/// - `dictionary`: the concepts, where there is a CLIP for them
/// - `pairs`: what raters decided
///
/// # Errors
/// Fails where the reward cannot score an image of the set or an edit of one, and where a score is not finite.
pub fn explain(
    lens: &Lens<'_>,
    set: &Images,
    dictionary: Option<&Dictionary>,
    pairs: &[RatedPair],
    settings: Settings,
) -> Result<Explained, ExplainError> {
    let places = set.spread(settings.maps);
    let parts = Parts::plan(lens, set, &places, settings);
    parts.begin(lens, 0);
    let scores = lens.score_all(set, set.images(), set.prompts())?;
    let spread = spread(&scores);
    let mut card = RewardCard {
        reward: lens.name().to_owned(),
        has_gradient: lens.has_gradient(),
        compares: lens.compares(),
        scores: spread,
        region: None,
        words: None,
        concepts: None,
        edits: Vec::new(),
        climbs: Vec::new(),
        agreement: Vec::new(),
        raters: None,
        notes: Vec::new(),
    };
    let mut drawings = Drawings::default();
    if spread.deviation <= 0.0 {
        card.notes.push("all images have the same score: nothing can be said in standard deviations".into());
        return Ok(Explained { card, drawings });
    }
    let others = lens.others(set, set.images())?;
    card.agreement = agreement(&scores, &others, set)?;
    if let Some(dictionary) = dictionary {
        card.concepts = concepts(dictionary, set, &scores)?;
        if card.concepts.is_none() {
            card.notes.push("there are too few prompts for an account by concepts: give 10 or more".into());
        }
    } else {
        card.notes.push("there is no CLIP in whose space concepts could be named".into());
    }
    card.raters = raters(lens, pairs, spread.deviation)?;
    parts.begin(lens, 1);
    card.edits = edits(lens, set, &scores, spread.deviation)?;
    parts.begin(lens, 2);
    card.words = Some(words(lens, set, &places, spread.deviation)?);
    parts.begin(lens, 3);
    let (region, maps) = region(lens, set, &places, spread.deviation)?;
    (card.region, drawings.maps) = (Some(region), maps);
    parts.begin(lens, 4);
    if lens.has_gradient() {
        (card.climbs, drawings.climbs) = climbs(lens, set, spread.deviation, &others, settings)?;
    } else {
        card.notes.push("it has no gradient: heat maps are by occlusion, and no image was climbed on it".into());
    }
    Ok(Explained { card, drawings })
}

/// The parts of the work by what they cost, in scores of an image.
struct Parts([f64; 5]);

impl Parts {
    fn plan(lens: &Lens<'_>, set: &Images, places: &[usize], settings: Settings) -> Self {
        let group = if lens.compares() { set.group() as f64 } else { 1.0 };
        let maps = places.len() as f64 * (price(lens, set) + group * ((ELSEWHERE + 1) * SHARES.len()) as f64);
        let climbs = if lens.has_gradient() { (settings.climbs * 2 * STEPS) as f64 * 3.0 * group } else { 0.0 };
        Self([4.0 * set.len() as f64, edits::cost(set) as f64, group * words::cost(set, places) as f64, maps, climbs])
    }

    fn begin(&self, lens: &Lens<'_>, part: usize) {
        let all: f64 = self.0.iter().sum();
        let before: f64 = self.0[..part].iter().sum();
        lens.meter().begin([before / all, (before + self.0[part]) / all], self.0[part]);
    }
}

fn spread(scores: &[f64]) -> Spread {
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / count;
    // Rounding of equal scores is no spread.
    let deviation = if variance.sqrt() > 1e-7 * mean.abs() { variance.sqrt() } else { 0.0 };
    let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
    Spread { mean, deviation, least, greatest: scores.iter().copied().fold(f64::NEG_INFINITY, f64::max) }
}

fn region(
    lens: &Lens<'_>,
    set: &Images,
    places: &[usize],
    deviation: f64,
) -> Result<(Region, Vec<(usize, HeatMap)>), ExplainError> {
    let key = NoiseKey::new(19).named("deletion");
    let mut deletions = SHARES.map(|share| Deletions { share, ..Deletions::default() });
    let mut maps = Vec::with_capacity(places.len());
    for place in places {
        let map = heat_map(lens, set, *place, TOLERANCE * deviation)?;
        let found = deletion(lens, set, *place, &map, &SHARES, key)?;
        for (deletions, [pointed, elsewhere]) in deletions.iter_mut().zip(found) {
            deletions.pointed.push(pointed);
            deletions.elsewhere.push(elsewhere);
        }
        maps.push((*place, map));
    }
    let errors: Vec<f64> = maps.iter().filter_map(|(_, map)| map.error).collect();
    let error = (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64 / deviation);
    let deletion = deletions.iter().map(|deletions| deletions.figures(deviation)).collect::<Result<_, _>>()?;
    Ok((Region { method: method(lens), error, deletion, maps: Vec::new() }, maps))
}

type Climbs = (Vec<Climb>, Vec<(usize, [Climbing; 2])>);

fn climbs(
    lens: &Lens<'_>,
    set: &Images,
    deviation: f64,
    others: &[Column],
    settings: Settings,
) -> Result<Climbs, ExplainError> {
    let places = set.spread(settings.climbs);
    let mut climbed = Vec::with_capacity(places.len());
    for place in &places {
        let of = |smooth| climb(lens, set, *place, deviation, smooth);
        climbed.push((*place, [of(false)?, of(true)?]));
    }
    let prompts: Vec<String> = places.iter().map(|place| set.prompts()[*place].clone()).collect();
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let values: Vec<f64> = values.collect();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    };
    let mut found = Vec::new();
    for (at, smooth) in [false, true].into_iter().enumerate() {
        let images: Vec<_> = climbed.iter().map(|(_, both)| &both[at].image).collect();
        let after = lens.judges_of(&images, &prompts, 1)?;
        let judges = after.iter().filter_map(|column| {
            let known = others.iter().find(|other| other.is_judge && other.name == column.name)?;
            let pairs: Vec<(f64, f64)> = places
                .iter()
                .zip(&column.scores)
                .filter_map(|(place, after)| Some((known.scores[*place]?, (*after)?)))
                .collect();
            (!pairs.is_empty()).then(|| JudgeChange {
                judge: column.name.clone(),
                before: mean(&mut pairs.iter().map(|pair| pair.0)),
                after: mean(&mut pairs.iter().map(|pair| pair.1)),
            })
        });
        found.push(Climb {
            smooth,
            images: places.len(),
            steps: STEPS,
            before: mean(&mut climbed.iter().map(|(_, both)| both[at].before)),
            after: mean(&mut climbed.iter().map(|(_, both)| both[at].after)),
            judges: judges.collect(),
            files: Vec::new(),
        });
    }
    Ok((found, climbed))
}

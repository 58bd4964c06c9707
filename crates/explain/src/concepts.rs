//! Scores by concepts: a sparse linear account over named directions of a CLIP's space.
//!
//! A concept is the mean embedding of some phrases; its direction is that minus the mean of all concepts, so that what all phrases have in
//! common (and the gap between images and texts) is left out. An image has the cosine of its embedding with the direction. Three numbers
//! that CLIPs hardly tell are concepts beside them: how well the image matches its own prompt, and the brightness and saturation of its
//! pixels. Accounts of this kind are those of Bhalla et al. (2402.10376) and of TCAV (Kim et al., 1711.11279), of a score in place of an
//! embedding.

mod account;
mod lists;

use std::fs;
use std::path::Path;

use moa_analysis::explanation::{ConceptTerm, Concepts};
use moa_reward::{PictureEmbedder, TextEmbedder, cosine};

use crate::{ExplainError, Images, Meter, Planes};

pub use lists::{emoji_concepts, general_concepts};

/// The most concepts of a file.
const MOST_CONCEPTS: usize = 1000;
/// The largest file of concepts, in bytes.
const MOST_BYTES: u64 = 1_000_000;
/// Images that are embedded at once.
const AT_ONCE: usize = 16;
/// The fewest prompts over which scores are accounted for.
const FEWEST_PROMPTS: usize = 10;

/// A concept and the phrases that name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concept {
    /// Its name in tables.
    pub name: String,
    /// Texts whose mean embedding it is, one at least.
    pub phrases: Vec<String>,
}

impl Concept {
    /// Returns a concept that one phrase names.
    pub fn of(phrase: impl Into<String>) -> Self {
        let phrase = phrase.into();
        Self { name: phrase.clone(), phrases: vec![phrase] }
    }
}

/// Reads a file of concepts: one phrase per line; blank lines and those that begin with `#` do not count.
///
/// # Errors
/// Says what is wrong with the file.
pub fn read_concepts(path: &Path) -> Result<Vec<Concept>, ExplainError> {
    let refuse = |problem: String| ExplainError::Concepts { path: path.to_path_buf(), problem };
    let length = fs::metadata(path).map_err(|error| refuse(error.to_string()))?.len();
    if length > MOST_BYTES {
        return Err(refuse(format!("it has {length} bytes, and {MOST_BYTES} are read: give a phrase per line")));
    }
    let text = fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut concepts: Vec<Concept> = Vec::new();
    for line in lines {
        if concepts.iter().all(|concept| concept.name != line) {
            concepts.push(Concept::of(line));
        }
    }
    match concepts.len() {
        0 | 1 => Err(refuse("it has fewer than two phrases: give one per line, such as `a red car`".into())),
        count if count > MOST_CONCEPTS => {
            Err(refuse(format!("it has {count} phrases, and {MOST_CONCEPTS} can be compared: give fewer")))
        }
        _ => Ok(concepts),
    }
}

/// Concepts in the space of a CLIP, with what every image has of them.
pub struct Dictionary {
    names: Vec<String>,
    /// By image, then by concept.
    features: Vec<Vec<f32>>,
}

impl Dictionary {
    /// Embeds concepts and a set of images.
    ///
    /// # Errors
    /// Fails where a phrase cannot be tokenised, or the images have a size that the CLIP cannot take.
    pub fn new(
        concepts: &[Concept],
        pictures: &PictureEmbedder,
        texts: &TextEmbedder,
        set: &Images,
        meter: &Meter<'_>,
    ) -> Result<Self, ExplainError> {
        let directions = directions(concepts, texts)?;
        let mut names: Vec<String> = concepts.iter().map(|concept| concept.name.clone()).collect();
        names.extend(["match with its prompt", "bright pixels", "saturated pixels"].map(str::to_owned));
        let mut features = Vec::with_capacity(set.len());
        let [height, width] = set.size();
        for (images, prompts) in set.images().chunks(AT_ONCE).zip(set.prompts().chunks(AT_ONCE)) {
            let rows = pictures.embed(Planes::batch(images.iter(), height, width))?;
            for ((image, prompt), row) in images.iter().zip(prompts).zip(rows.rows()) {
                let mut own: Vec<f32> = directions.iter().map(|direction| cosine(row, direction)).collect();
                own.push(cosine(row, &texts.embed(prompt)?));
                own.extend(brightness_and_saturation(image));
                features.push(own);
            }
            meter.add(images.len() as f64);
        }
        Ok(Self { names, features })
    }
}

/// Returns the direction of each concept, of unit length.
fn directions(concepts: &[Concept], texts: &TextEmbedder) -> Result<Vec<Vec<f32>>, ExplainError> {
    let mut means: Vec<Vec<f32>> = Vec::with_capacity(concepts.len());
    for concept in concepts {
        let mut mean: Vec<f32> = Vec::new();
        for phrase in &concept.phrases {
            let row = texts.embed(phrase)?;
            mean.resize(row.len(), 0.0);
            mean.iter_mut().zip(row.iter()).for_each(|(sum, value)| *sum += value / concept.phrases.len() as f32);
        }
        means.push(mean);
    }
    let width = means.first().map_or(0, Vec::len);
    let centre: Vec<f32> =
        (0..width).map(|at| means.iter().map(|mean| mean[at]).sum::<f32>() / means.len() as f32).collect();
    for mean in &mut means {
        mean.iter_mut().zip(&centre).for_each(|(value, centre)| *value -= centre);
        let length = mean.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        for value in mean.iter_mut() {
            *value /= length;
        }
    }
    Ok(means)
}

fn brightness_and_saturation(image: &Planes) -> [f32; 2] {
    let pixels = image.pixels();
    let saturation = |at: usize| {
        let colour = [0, 1, 2].map(|c| image.values[c * pixels + at]);
        colour.into_iter().fold(0.0, f32::max) - colour.into_iter().fold(1.0, f32::min)
    };
    let mean = |values: f32| values / pixels as f32;
    [mean(image.luma().iter().sum()), mean((0..pixels).map(saturation).sum())]
}

/// Returns the sparse account of scores over a dictionary's images; nothing with fewer than 10 prompts.
///
/// # Errors
/// Fails where the account cannot be fitted.
pub(crate) fn concepts(
    dictionary: &Dictionary,
    set: &Images,
    scores: &[f64],
) -> Result<Option<Concepts>, ExplainError> {
    if set.prompt_count() < FEWEST_PROMPTS {
        return Ok(None);
    }
    let account = account::fit(&dictionary.features, scores, set.group())?;
    let mut terms: Vec<ConceptTerm> = account
        .terms
        .iter()
        .map(|(place, coefficient)| ConceptTerm {
            concept: dictionary.names[*place].clone(),
            coefficient: *coefficient,
        })
        .collect();
    terms.sort_by(|a, b| b.coefficient.abs().total_cmp(&a.coefficient.abs()));
    Ok(Some(Concepts { choices: dictionary.names.len(), explained: account.explained, terms }))
}

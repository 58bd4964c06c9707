//! One reward as a function of images.

use burn::tensor::Tensor;
use moa_device::to_host;
use moa_reward::{Pictures, RewardError, Scorer, View};

use crate::{ExplainError, Images, Meter, Planes};

/// Values of pixels that are scored at once, 2¹⁹: 170 images of 32 × 32, and [`FEWEST`] at least.
const VALUES: usize = 1 << 19;
/// Images that are scored at once however large they are.
const FEWEST: usize = 4;
/// What a gradient costs, in scores.
const GRADIENT: f64 = 3.0;

/// A reward, and where progress is told.
pub struct Lens<'a> {
    scorer: &'a Scorer,
    place: usize,
    compares: bool,
    meter: &'a Meter<'a>,
}

/// A score of another kind, over all images.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether it is a held-out judge.
    pub is_judge: bool,
    /// One score per image; nothing where there is none.
    pub scores: Vec<Option<f64>>,
}

impl<'a> Lens<'a> {
    /// Returns the reward at a place of a scorer; `compares` says whether it compares the images of a prompt.
    pub fn new(scorer: &'a Scorer, place: usize, compares: bool, meter: &'a Meter<'a>) -> Self {
        Self { scorer, place, compares, meter }
    }

    /// Returns the reward's name.
    pub fn name(&self) -> &str {
        self.scorer.rewards()[self.place].name()
    }

    /// Returns whether the reward has a gradient to the pixels.
    pub fn has_gradient(&self) -> bool {
        self.scorer.rewards()[self.place].differentiable().is_some()
    }

    /// Returns whether the reward compares the images of a prompt.
    pub fn compares(&self) -> bool {
        self.compares
    }

    /// Returns whether the reward can score images of a prompt.
    pub(crate) fn reads(&self, prompt: &str) -> bool {
        self.scorer.rewards()[self.place].check_prompt(prompt).is_ok()
    }

    pub(crate) fn meter(&self) -> &Meter<'a> {
        self.meter
    }

    /// Scores images of one size, whole groups of one prompt each.
    ///
    /// # Errors
    /// Fails where the reward cannot score an image, or gives no finite score.
    pub fn score(&self, images: &[&Planes], prompts: &[String], group: usize) -> Result<Vec<f64>, ExplainError> {
        let reward = &self.scorer.rewards()[self.place];
        let mut scores = Vec::with_capacity(images.len());
        Self::in_batches(images, prompts, group, |pictures| {
            let brought = self.scorer.brought(&pictures);
            let found = reward.score(&View::new(&brought))?;
            self.meter.add(found.len() as f64);
            for (picture, score) in found.into_iter().enumerate() {
                if !score.is_finite() {
                    let (reward, prompt) = (reward.name().to_owned(), pictures.prompts()[picture].clone());
                    return Err(RewardError::NotFinite { reward, picture, prompt }.into());
                }
                scores.push(f64::from(score));
            }
            Ok(())
        })?;
        Ok(scores)
    }

    /// Scores all of a set of images, as they are or edited.
    ///
    /// # Errors
    /// As [`Lens::score`].
    pub fn score_all(&self, set: &Images, images: &[Planes], prompts: &[String]) -> Result<Vec<f64>, ExplainError> {
        self.score(&images.iter().collect::<Vec<_>>(), prompts, set.group())
    }

    /// Scores variants of one image of a set; a reward that compares images of a prompt sees the others of its prompt as they are.
    ///
    /// # Errors
    /// As [`Lens::score`].
    pub fn score_variants(&self, set: &Images, place: usize, variants: &[Planes]) -> Result<Vec<f64>, ExplainError> {
        self.score_variants_of(set, place, variants, &set.prompts()[place])
    }

    /// Scores variants of an image with another prompt.
    pub(crate) fn score_variants_of(
        &self,
        set: &Images,
        place: usize,
        variants: &[Planes],
        prompt: &str,
    ) -> Result<Vec<f64>, ExplainError> {
        let (rows, group, at) = self.with_companions(set, place, variants);
        let prompts = vec![prompt.to_owned(); rows.len()];
        let scores = self.score(&rows, &prompts, group)?;
        Ok(scores.into_iter().skip(at).step_by(group).collect())
    }

    /// Returns the gradients of the scores of an image's variants with respect to their pixels, `3 × height × width` values each.
    ///
    /// # Errors
    /// Fails where the reward has no gradient, or one that is not finite.
    pub fn gradients(&self, set: &Images, place: usize, variants: &[Planes]) -> Result<Vec<Vec<f32>>, ExplainError> {
        let (rows, group, at) = self.with_companions(set, place, variants);
        let prompts = vec![set.prompts()[place].clone(); rows.len()];
        let mut gradients = Vec::with_capacity(variants.len());
        Self::in_batches(&rows, &prompts, group, |pictures| {
            let shares: Vec<f32> = (0..pictures.len()).map(|row| f32::from(u8::from(row % group == at))).collect();
            let found: Tensor<4> = self.scorer.gradient_at(&pictures, self.place, &shares)?;
            self.meter.add(GRADIENT * pictures.len() as f64);
            let values = to_host(found);
            let size = values.len() / pictures.len();
            gradients.extend(values.chunks_exact(size).skip(at).step_by(group).map(<[f32]>::to_vec));
            Ok(())
        })?;
        Ok(gradients)
    }

    /// Returns the scores of all rewards but this one, and of all judges.
    pub(crate) fn others(&self, set: &Images, images: &[Planes]) -> Result<Vec<Column>, ExplainError> {
        let mut columns = self.judges(set, images)?;
        let mut rewards: Vec<Column> = Vec::new();
        for (place, reward) in self.scorer.rewards().iter().enumerate().filter(|(place, _)| *place != self.place) {
            let lens = Lens { place, ..*self };
            let scores = lens.score_all(set, images, set.prompts())?.into_iter().map(Some).collect();
            rewards.push(Column { name: reward.name().to_owned(), is_judge: false, scores });
        }
        rewards.append(&mut columns);
        Ok(rewards)
    }

    /// Returns what the judges say of images of the set, as they are or edited.
    pub(crate) fn judges(&self, set: &Images, images: &[Planes]) -> Result<Vec<Column>, ExplainError> {
        let prompts = &set.prompts()[..images.len().min(set.len())];
        self.judges_of(&images.iter().collect::<Vec<_>>(), prompts, set.group())
    }

    /// Returns what the judges say of images.
    pub(crate) fn judges_of(
        &self,
        images: &[&Planes],
        prompts: &[String],
        group: usize,
    ) -> Result<Vec<Column>, ExplainError> {
        let mut columns: Vec<Column> = Vec::new();
        Self::in_batches(images, prompts, group, |pictures| {
            for judged in self.scorer.judge(&pictures)? {
                let scores = judged.scores.iter().map(|score| score.map(f64::from));
                if let Some(known) = columns.iter_mut().find(|column| column.name == judged.name) {
                    known.scores.extend(scores);
                } else {
                    let (name, scores) = (judged.name.to_owned(), scores.collect());
                    columns.push(Column { name, is_judge: true, scores });
                }
            }
            self.meter.add(pictures.len() as f64);
            Ok(())
        })?;
        Ok(columns)
    }

    /// Returns each variant among the images that it is compared with: rows, how many make a group, and the variant's place in it.
    fn with_companions<'b>(
        &self,
        set: &'b Images,
        place: usize,
        variants: &'b [Planes],
    ) -> (Vec<&'b Planes>, usize, usize) {
        if !self.compares {
            return (variants.iter().collect(), 1, 0);
        }
        let (group, at) = (set.group(), place % set.group());
        let start = place - at;
        let row = |variant: &'b Planes, k: usize| if k == at { variant } else { &set.images()[start + k] };
        (variants.iter().flat_map(|variant| (0..group).map(move |k| row(variant, k))).collect(), group, at)
    }

    /// Hands whole groups of images on, as many as are scored at once.
    fn in_batches(
        images: &[&Planes],
        prompts: &[String],
        group: usize,
        mut with: impl FnMut(Pictures) -> Result<(), ExplainError>,
    ) -> Result<(), ExplainError> {
        let Some(first) = images.first() else { return Ok(()) };
        let rows = (VALUES / first.values.len().max(1)).max(FEWEST);
        let step = (rows / group).max(1) * group;
        for (images, prompts) in images.chunks(step).zip(prompts.chunks(step)) {
            let pixels = Planes::batch(images.iter().copied(), first.height, first.width);
            with(Pictures::new(pixels, prompts.to_vec(), group)?)?;
        }
        Ok(())
    }
}

//! Gains over the base on the epoch's own prompts: how much better its images score than the base's of the same prompts.
//!
//! Means of an epoch's scores follow which prompts it happened to draw. What the base scores on the same prompts is taken from them:
//! a few images of each prompt, drawn as the epoch draws, from noise that depends on seed and prompt alone, so that a training that was
//! stopped goes on with the same values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::TrainError;
use crate::batches::{Workers, in_order};
use crate::course::Course;

/// Mean scores of a prompt's images, in the rewards' order.
pub(crate) type PromptScores = Arc<Vec<f64>>;

/// What the base scores on training prompts, by how its images come about, as far as that was asked for.
#[derive(Default)]
pub(crate) struct BaseScores(Mutex<Vec<(Course, BTreeMap<usize, PromptScores>)>>);

impl BaseScores {
    /// Forgets everything.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns what the base scores on prompts; those that are not known are drawn, each by itself, so that no value depends on what is
    /// drawn beside it.
    ///
    /// # Errors
    /// Those of `draw`, which draws and scores the images of a prompt; prompts that were known before stay so.
    pub(crate) fn of(
        &self,
        prompts: &[usize],
        course: &Course,
        workers: &Workers,
        draw: &(dyn Fn(usize) -> Result<Vec<f64>, TrainError> + Sync),
    ) -> Result<Vec<PromptScores>, TrainError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|(other, _)| other == course) {
            known.push((course.clone(), BTreeMap::new()));
        }
        let Some((_, scores)) = known.iter_mut().find(|(other, _)| other == course) else { return Ok(Vec::new()) };
        let missing: BTreeSet<usize> = prompts.iter().copied().filter(|prompt| !scores.contains_key(prompt)).collect();
        let missing: Vec<usize> = missing.into_iter().collect();
        let drawn = in_order(&missing, workers, |prompt| draw(*prompt))?;
        scores.extend(missing.into_iter().zip(drawn.into_iter().map(Arc::new)));
        Ok(prompts.iter().filter_map(|prompt| scores.get(prompt).cloned()).collect())
    }
}

/// Returns the mean over images of a reward's score less the base's mean on the same prompt.
///
/// - `scores`: of the epoch's images, those of a prompt together
/// - `base`: what the base scores on each prompt
pub(crate) fn gain(scores: &[f32], base: &[PromptScores], reward: usize) -> f64 {
    let group = (scores.len() / base.len().max(1)).max(1);
    let differences = scores.chunks(group).zip(base).flat_map(|(scores, base)| {
        let expected = base[reward];
        scores.iter().map(move |score| f64::from(*score) - expected)
    });
    differences.sum::<f64>() / scores.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn course(steps: usize) -> Course {
        let rule = moa_diffusion::StepRule {
            timestep: 0.5,
            sample: 1.0,
            output: -0.25,
            previous: 0.0,
            kept: [0.0, 1.0],
            std: 0.0,
        };
        Course::whole(&vec![rule; steps])
    }

    #[test]
    fn a_prompt_is_drawn_once_for_each_way_in_which_images_come_about() {
        let (base, drawn) = (BaseScores::default(), AtomicUsize::new(0));
        let draw = |prompt: usize| {
            drawn.fetch_add(1, Ordering::Relaxed);
            Ok(vec![prompt as f64])
        };
        let workers = Workers::new(2);
        let of = |prompts: &[usize], steps| -> Vec<f64> {
            let scores = base.of(prompts, &course(steps), &workers, &draw).unwrap();
            scores.iter().map(|scores| scores[0]).collect()
        };
        assert_eq!(of(&[3, 1, 3], 4), [3.0, 1.0, 3.0]);
        assert_eq!(drawn.load(Ordering::Relaxed), 2, "a prompt that comes twice is drawn once");
        assert_eq!(of(&[1, 2], 4), [1.0, 2.0]);
        assert_eq!(drawn.load(Ordering::Relaxed), 3, "what is known is not drawn again");
        assert_eq!(of(&[1], 3), [1.0]);
        assert_eq!(drawn.load(Ordering::Relaxed), 4, "images of another course score differently");
    }

    #[test]
    fn an_images_score_is_compared_with_the_base_on_its_own_prompt() {
        let base = [Arc::new(vec![9.0, 1.0]), Arc::new(vec![9.0, 2.0])];
        // (1.5 − 1) + (0.5 − 1) + (4 − 2) + (2 − 2) over four images.
        assert!((gain(&[1.5, 0.5, 4.0, 2.0], &base, 1) - 0.5).abs() < 1e-12);
        assert!(gain(&[], &base, 1).abs() < f64::EPSILON);
    }
}

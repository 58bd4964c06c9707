//! What prompts condition on. Of few prompts everything is kept; of many, each is encoded when an epoch needs it, and the most recent are
//! kept within a budget.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;
use moa_device::to_host;
use moa_diffusion::{Pipeline, TextContext};

use crate::TrainError;

/// Bytes of contexts that are kept, 1 GiB: those of 4 500 prompts of Stable Diffusion 1 in f32, of 400 of Stable Diffusion 3 with T5 in
/// half precision.
const BUDGET: u64 = 1 << 30;
/// Prompts that are tokenised, or averaged, at once.
const AT_ONCE: usize = 256;

/// What prompts condition on, by their places.
///
/// Whether all are kept depends on the prompts and the model alone, and a prompt that is encoded when it is needed is encoded by itself: no
/// bit depends on what was needed before or beside it.
pub(crate) struct Contexts<'a> {
    pipeline: &'a Pipeline,
    prompts: &'a [String],
    kept: Kept,
}

enum Kept {
    All(Box<TextContext>),
    Recent(Mutex<Recent>),
}

impl<'a> Contexts<'a> {
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub(crate) fn new(pipeline: &'a Pipeline, prompts: &'a [String]) -> Result<Self, TrainError> {
        Self::within(pipeline, prompts, BUDGET)
    }

    fn within(pipeline: &'a Pipeline, prompts: &'a [String], budget: u64) -> Result<Self, TrainError> {
        let each = pipeline.context_bytes();
        let kept = if each * prompts.len() as u64 <= budget {
            Kept::All(Box::new(pipeline.encode_prompts(prompts)?))
        } else {
            for some in prompts.chunks(AT_ONCE) {
                pipeline.prompt_tokens(some)?;
            }
            Kept::Recent(Mutex::new(Recent::of((budget / each.max(1)) as usize)))
        };
        Ok(Self { pipeline, prompts, kept })
    }

    /// Returns the contexts of the prompts at some places, which may repeat: a row each.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub(crate) fn select(&self, places: &[usize]) -> Result<TextContext, TrainError> {
        let recent = match &self.kept {
            Kept::All(contexts) => return Ok(contexts.select(places)),
            Kept::Recent(recent) => recent,
        };
        let mut distinct: Vec<usize> = Vec::new();
        let row = |place: &usize| {
            distinct.iter().position(|known| known == place).unwrap_or_else(|| {
                distinct.push(*place);
                distinct.len() - 1
            })
        };
        let rows: Vec<usize> = places.iter().map(row).collect();
        let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
        let contexts = distinct.iter().map(|place| recent.row(*place, || self.encoded(*place)));
        let contexts = TextContext::cat(contexts.collect::<Result<_, _>>()?);
        Ok(contexts.unwrap_or_else(|| unreachable!("there is one prompt at least")).select(&rows))
    }

    fn encoded(&self, place: usize) -> Result<TextContext, TrainError> {
        Ok(self.pipeline.encode_prompts(&[&self.prompts[place]])?)
    }

    /// Returns the mean of each prompt's states over its tokens, `[prompts, width]` row-major, and the width.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub(crate) fn means(&self) -> Result<(Vec<f32>, usize), TrainError> {
        let of = |contexts: &TextContext| -> Tensor<2> {
            let [rows, _, width] = contexts.states.dims();
            contexts.states.clone().mean_dim(1).reshape([rows, width])
        };
        if let Kept::All(contexts) = &self.kept {
            return Ok((to_host(of(contexts)), contexts.states.dims()[2]));
        }
        let (mut means, mut width) = (Vec::new(), 0);
        for first in (0..self.prompts.len()).step_by(AT_ONCE) {
            let some = first..(first + AT_ONCE).min(self.prompts.len());
            let rows = some.map(|place| Ok(of(&self.encoded(place)?))).collect::<Result<Vec<_>, TrainError>>()?;
            width = rows[0].dims()[1];
            means.extend(to_host(Tensor::cat(rows, 0)));
        }
        Ok((means, width))
    }
}

/// The contexts of the prompts that were needed last.
struct Recent {
    most: usize,
    /// Counts what was needed.
    clock: u64,
    /// By place, with when each was needed last.
    rows: HashMap<usize, (u64, TextContext)>,
}

impl Recent {
    /// Returns room for so many, one at least.
    fn of(most: usize) -> Self {
        Self { most: most.max(1), clock: 0, rows: HashMap::new() }
    }

    /// Returns a prompt's context, encoded unless it is kept; what was not needed for longest makes room.
    fn row(
        &mut self,
        place: usize,
        encode: impl FnOnce() -> Result<TextContext, TrainError>,
    ) -> Result<TextContext, TrainError> {
        self.clock += 1;
        if let Some((used, context)) = self.rows.get_mut(&place) {
            *used = self.clock;
            return Ok(context.clone());
        }
        let context = encode()?;
        if self.rows.len() >= self.most {
            let oldest = self.rows.iter().min_by_key(|(_, (used, _))| *used).map(|(place, _)| *place);
            oldest.and_then(|oldest| self.rows.remove(&oldest));
        }
        self.rows.insert(place, (self.clock, context.clone()));
        Ok(context)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::chain_tests::toy;

    fn prompts() -> Vec<String> {
        ["a red apple", "a dog", "a cat", "a horse by night", "two trees"].map(String::from).into()
    }

    fn values(context: &TextContext) -> Vec<f32> {
        to_host(context.states.clone())
    }

    #[test]
    fn many_prompts_are_encoded_one_by_one_and_few_are_kept() {
        let (pipeline, prompts) = (toy::pipeline(), prompts());
        let each = pipeline.context_bytes();
        let contexts = Contexts::within(&pipeline, &prompts, 2 * each).expect("fits");
        let kept = |contexts: &Contexts<'_>| match &contexts.kept {
            Kept::All(_) => usize::MAX,
            Kept::Recent(recent) => recent.lock().expect("no panic").rows.len(),
        };
        assert_eq!(kept(&contexts), 0, "nothing is encoded before it is needed");
        let single = |place: usize| values(&pipeline.encode_prompts(&prompts[place..=place]).expect("a prompt"));
        for places in [&[3, 0, 3, 4, 1][..], &[2], &[0, 1, 2, 3, 4]] {
            let wanted: Vec<f32> = places.iter().flat_map(|place| single(*place)).collect();
            assert_eq!(values(&contexts.select(places).expect("known")), wanted, "{places:?}");
            assert!(kept(&contexts) <= 2);
        }
        let all = Contexts::within(&pipeline, &prompts, 5 * each).expect("fits");
        assert_eq!(kept(&all), usize::MAX);
        let together = pipeline.encode_prompts(&prompts).expect("prompts");
        assert_eq!(values(&all.select(&[4, 0]).expect("known")), values(&together.select(&[4, 0])));

        let ((one_by_one, width), (at_once, also)) = (contexts.means().expect("known"), all.means().expect("known"));
        assert_eq!((width, one_by_one.len()), (also, at_once.len()));
        assert!(one_by_one.iter().zip(&at_once).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn what_was_not_needed_for_longest_makes_room() {
        let mut recent = Recent::of(2);
        let context = || Ok(TextContext::from(Tensor::zeros([1, 1, 1], &Device::flex())));
        for place in [7, 8, 7, 9] {
            recent.row(place, context).expect("encodes");
        }
        let mut places: Vec<usize> = recent.rows.keys().copied().collect();
        places.sort_unstable();
        assert_eq!(places, [7, 9]);
        recent.row(7, || unreachable!("it is kept")).expect("it is kept");
    }
}

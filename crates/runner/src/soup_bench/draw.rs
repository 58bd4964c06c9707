//! Soups that are drawn and not measured.

use moa_core::experiment::Prompts;
use moa_core::{PointKind, RunId};
use moa_reward::Pictures;

use super::SoupBench;
use crate::context::Context;
use crate::evaluation::{Evaluator, Model, Point};
use crate::{RunnerError, SweepRequest};

impl SoupBench<'_> {
    /// Merges and draws, and scores nothing: the first images of the first prompts, with the noise of the experiment's evaluation.
    ///
    /// # Errors
    /// See [`RunnerError`].
    pub fn draw(
        &self,
        shares: &[f64],
        (prompts, images): (usize, usize),
        progress: &(dyn Fn(f64) + Sync),
    ) -> Result<Pictures, RunnerError> {
        let mut spec = self.spec.clone();
        spec.evaluation.images_per_prompt = spec.evaluation.images_per_prompt.min(images as u32);
        let held_out = self.request.prompts.held_out.iter().take(prompts).cloned().collect();
        let prompts = Prompts { held_out, ..self.request.prompts.clone() };
        let request = SweepRequest { prompts, ..self.request.clone() };
        let id = RunId(self.name(shares));
        let folder = self.layout.point_dir(PointKind::Soup, &id);
        let model = Model::Adapter(self.mixed(shares)?.0);
        let evaluator = Evaluator::new(Context { request: &request, models: self.models, spec: &spec });
        evaluator.draw(&Point { id, kind: PointKind::Soup, weighting: None, model, folder, added: None }, progress)
    }
}

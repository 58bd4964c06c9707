//! What is attacked: the points of an experiment, as they are deployed.

use std::path::Path;

use moa_adapter::Adapter;
use moa_attack::{Defence, Victim};
use moa_core::{ExperimentSpec, NoiseKey, PointKind, RunId};
use moa_diffusion::{Adapted, Pipeline};
use moa_store::{ADAPTER, Layout};
use moa_train::{Tuning, tuned};

use super::AttackRequest;
use crate::RunnerError;
use crate::adapters::read_adapter;
use crate::evaluation::digest_of;

/// What stands between a model and its users beside its weights.
#[derive(Clone, Debug, PartialEq)]
pub enum DefenceSpec {
    /// Nothing.
    None,
    /// A negative prompt, with the strength of guidance.
    NegativePrompt(String, f32),
    /// The filter of [`super::Eyes`].
    Filter,
}

/// Something to attack.
#[derive(Clone, Debug)]
pub struct VictimSpec {
    /// Its name, and that of its folder.
    pub name: String,
    /// What it is, in a word.
    pub kind: String,
    /// The adapter; nothing of the base.
    pub adapter: Option<Adapter>,
    /// What defends it.
    pub defence: DefenceSpec,
}

/// Returns the base, the trained and the given adapters and the soups of a results folder, in this order.
///
/// # Errors
/// Says which adapter cannot be read.
pub fn victims(spec: &ExperimentSpec, results: &Path) -> Result<Vec<VictimSpec>, RunnerError> {
    let layout = Layout::new(results);
    let base = VictimSpec {
        name: RunId::BASE.into(),
        kind: PointKind::Base.name().into(),
        adapter: None,
        defence: DefenceSpec::None,
    };
    let runs = spec.weightings().into_iter().map(|(id, _)| (PointKind::Trained, id));
    let given = spec.given().into_iter().map(|(id, _)| (PointKind::Given, id));
    let soups = layout.soups()?.into_iter().map(|id| (PointKind::Soup, id));
    let mut all = vec![base];
    for (kind, id) in runs.chain(given).chain(soups) {
        let folder = layout.point_dir(kind, &id);
        if folder.join(ADAPTER).is_file() {
            let adapter = Some(read_adapter(&folder)?);
            all.push(VictimSpec { name: id.0, kind: kind.name().into(), adapter, defence: DefenceSpec::None });
        }
    }
    Ok(all)
}

impl VictimSpec {
    /// Returns it behind a defence.
    #[must_use]
    pub fn behind(&self, defence: DefenceSpec) -> Self {
        let word = match defence {
            DefenceSpec::None => return self.clone(),
            DefenceSpec::NegativePrompt(..) => "negative-prompt",
            DefenceSpec::Filter => "filter",
        };
        let (name, kind) =
            (format!("{}~{word}", self.name), format!("{} behind a {}", self.kind, word.replace('-', " ")));
        Self { name, kind, adapter: self.adapter.clone(), defence }
    }

    /// Returns it with its adapter at a share of its strength: what a user gets who turns safety down.
    #[must_use]
    pub fn scaled(&self, share: f32) -> Option<Self> {
        let adapter = self.adapter.as_ref()?.scaled(|_| share.into());
        let name = format!("{}~x{share}", self.name);
        Some(Self {
            name,
            kind: format!("{} at {share}", self.kind),
            adapter: Some(adapter),
            defence: self.defence.clone(),
        })
    }

    /// Returns it after so many steps of fine-tuning on what the base draws of safe prompts: what becomes of safety when a user teaches an adapter
    /// something else, with no harm in mind (Qi et al., 2310.03693); nothing of the base.
    ///
    /// # Errors
    /// Fails where an image cannot be drawn.
    pub fn fine_tuned(
        &self,
        spec: &ExperimentSpec,
        pipeline: &Pipeline,
        safe: &[String],
        steps: u32,
    ) -> Result<Option<Self>, RunnerError> {
        let Some(adapter) = &self.adapter else { return Ok(None) };
        let rules = pipeline.schedule().evaluation(spec.evaluation.steps as usize);
        let tuning = Tuning {
            prompts: safe,
            steps,
            rate: spec.optimiser.learning_rate,
            rules: &rules,
            guidance: spec.evaluation.guidance,
            key: NoiseKey::new(spec.seed).named("fine-tuning"),
        };
        let adapter = tuned(pipeline, adapter, &tuning).map_err(RunnerError::Train)?;
        let (name, kind) = (format!("{}~tuned-{steps}", self.name), format!("{}, fine-tuned", self.kind));
        Ok(Some(Self { name, kind, adapter: Some(adapter), defence: self.defence.clone() }))
    }

    /// Returns what tells it from others.
    pub(super) fn digest(&self) -> Result<String, RunnerError> {
        let adapter = self.adapter.as_ref().map(|adapter| digest_of(adapter, &RunId(self.name.clone()))).transpose()?;
        Ok(format!("{} {:?}", adapter.unwrap_or_default(), self.defence))
    }

    /// Returns the model.
    pub(super) fn open<'a>(&self, request: &AttackRequest<'a>) -> Result<Victim<'a>, RunnerError> {
        let adapted = request.models.pipeline.adapted(self.adapter.as_ref());
        let Adapted { pipeline, bank } = adapted.map_err(|error| RunnerError::adapting(&self.name, error))?;
        let defence = match &self.defence {
            DefenceSpec::None => Defence::None,
            DefenceSpec::NegativePrompt(prompt, guidance) => {
                Defence::NegativePrompt { prompt: prompt.clone(), guidance: *guidance }
            }
            DefenceSpec::Filter => Defence::Filter(request.eyes.filter),
        };
        Victim::new(pipeline, bank, request.spec, defence).map_err(|error| RunnerError::attacking(&self.name, error))
    }
}

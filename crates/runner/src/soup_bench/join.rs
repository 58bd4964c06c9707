//! How a soup that is measured joins its experiment: found where it was measured before, else measured and kept as a point of its own.
//!
//! Files first, then the log, then the index, so that a kill leaves a soup that counts, or none. A soup's evaluation counts where its log says that
//! it is of these settings and of this adapter.

use moa_adapter::Adapter;
use moa_core::provenance::Mixture;
use moa_core::{EvaluationRecord, NoiseKey, PointKind, RunEvent, RunId};
use moa_store::{ImageScores, Indexed, LEASE, Leases, RunHistory, StoreError};

use super::{SoupBench, Tasting};
use crate::RunnerError;
use crate::adapters::keep_adapter;
use crate::evaluation::{Measurement, Model, Point, digest_of};
use crate::recorder::Recorder;
use crate::sheet::Sheet;

/// What became of a measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// It joined the experiment.
    Added(Indexed),
    /// The same adapter was measured before with the same settings; nothing was drawn now.
    Before,
    /// It was measured, and is not kept, for this reason.
    Not(String),
}

impl SoupBench<'_> {
    /// Merges, draws and scores, with the prompts and the noise of the experiment's evaluation, and keeps that with the experiment. What was
    /// measured before is not measured again.
    ///
    /// Where the results cannot be written, or may not be, it is measured all the same: [`Tasting::joined`] says so.
    ///
    /// # Errors
    /// [`StoreError::Owned`] while another process measures the same soup; [`RunnerError::Stopped`] when the request's stop is set before it is measured,
    /// and nothing is kept then; and see [`RunnerError`].
    pub fn taste(&self, shares: &[f64], progress: &(dyn Fn(f64) + Sync)) -> Result<Tasting, RunnerError> {
        let (adapter, mixture) = self.mixed(shares)?;
        if let Some(known) = self.before(&adapter, &mixture)? {
            return Ok(known);
        }
        let (id, is_planned) = self.place_of(&mixture)?;
        let point = Point {
            kind: PointKind::Soup,
            weighting: self.spec.soup_weighting(&mixture.shares()),
            model: Model::Adapter(adapter.clone()),
            folder: self.layout.soup_dir(&id),
            added: (!is_planned).then(|| mixture.clone()),
            id,
        };
        let leases = match self.may_keep(&mixture) {
            Err(reason) => Err(reason),
            Ok(()) => match Leases::take(&[point.folder.join(LEASE)]) {
                Ok(leases) => Ok(leases),
                Err(error @ StoreError::Write { .. }) => Err(error.to_string()),
                Err(error) => return Err(error.into()),
            },
        };
        // Another process may have been quicker.
        if leases.is_ok()
            && let Some(known) = self.before(&adapter, &mixture)?
        {
            return Ok(known);
        }
        let evaluator = self.evaluator();
        let Measurement { pictures, record, scores } = evaluator.measure(&point, progress)?;
        let sheet = evaluator.sheet_of(&pictures);
        let (record, joined) = match leases {
            Err(reason) => (record, Joined::Not(reason)),
            Ok(leases) => match self.keep(&adapter, &mixture, &point, (&sheet, &scores), record.clone(), &leases) {
                Ok((record, indexed)) => (record, Joined::Added(indexed)),
                // What was measured is worth more than that it was kept.
                Err(error) => (record, Joined::Not(error.to_string())),
            },
        };
        let images = sheet.columns;
        Ok(Tasting { adapter, provenance: self.provenance(mixture), record, images, joined })
    }

    /// Returns the measurement of the same adapter with the same settings, where there is one.
    fn before(&self, adapter: &Adapter, mixture: &Mixture) -> Result<Option<Tasting>, RunnerError> {
        let name = self.spec.soup_name(&mixture.shares(), &mixture.merge);
        let wanted = format!("{} {}", self.settings, digest_of(adapter, &name)?);
        let alone = match &mixture.ingredients[..] {
            [only] => {
                let id = RunId(only.name.clone());
                let is_given = self.spec.given().iter().any(|(given, _)| *given == id);
                Some((if is_given { PointKind::Given } else { PointKind::Trained }, id))
            }
            _ => None,
        };
        let added = moa_store::added(&self.layout)?.into_iter().filter(|(own, _)| *own == wanted);
        let added = added.map(|(_, record)| (PointKind::Soup, record.id));
        for (kind, id) in alone.into_iter().chain([(PointKind::Soup, name.clone())]).chain(added) {
            let history = RunHistory::read(&self.layout.log_file(kind, &id))?;
            let evaluation = history.and_then(|history| history.evaluation);
            let Some((_, record)) = evaluation.filter(|(own, record)| *own == wanted && record.id == id) else {
                continue;
            };
            let folder = self.layout.point_dir(kind, &id);
            let point = Point { id, kind, weighting: None, model: Model::Stored, folder, added: None };
            let images = self.evaluator().sheet(&point)?.map_or(Vec::new(), |sheet| sheet.columns);
            let provenance = self.provenance(mixture.clone());
            return Ok(Some(Tasting { adapter: adapter.clone(), provenance, record, images, joined: Joined::Before }));
        }
        Ok(None)
    }

    /// Returns the name under which a mixture is kept, and whether the experiment plans it: its own, unless another mixture has taken
    /// that.
    fn place_of(&self, mixture: &Mixture) -> Result<(RunId, bool), RunnerError> {
        let id = self.spec.soup_name(&mixture.shares(), &mixture.merge);
        if self.spec.soups().iter().any(|recipe| recipe.id == id) {
            return Ok((id, true));
        }
        let history = RunHistory::read(&self.layout.log_file(PointKind::Soup, &id))?;
        let there = history.and_then(|history| history.evaluation).and_then(|(_, record)| record.added);
        if there.is_none_or(|there| there.is_recipe_of(mixture)) {
            return Ok((id, false));
        }
        let key = mixture.ingredients.iter().fold(NoiseKey::new(0).named(&mixture.merge.to_string()), |key, part| {
            key.named(&part.name).with(part.share.to_bits())
        });
        Ok((RunId(format!("{id}-{:08x}", key.bits(0) >> 32)), false))
    }

    /// Says why a measurement cannot join the experiment, where it cannot.
    fn may_keep(&self, mixture: &Mixture) -> Result<(), String> {
        if let (true, [only]) = (mixture.merge.is_mean(), &mixture.ingredients[..]) {
            return Err(format!("it is the run `{}`, which the sweep evaluates", only.name));
        }
        if self.layout.earlier_checkpoint().exists() {
            return Err("an earlier version of moa made the results, which stay as they are".into());
        }
        let base = self.layout.log_file(PointKind::Base, &RunId(RunId::BASE.into()));
        let base = RunHistory::read(&base).map_err(|error| format!("failed to {error}"))?;
        let evaluation = base.and_then(|base| base.evaluation);
        match evaluation {
            None => Err("the sweep has not evaluated the base yet".into()),
            Some((settings, _)) if !settings.starts_with(&self.settings) => Err(
                "the experiment was evaluated with other settings, models or prompts; `moa gather` evaluates it again"
                    .into(),
            ),
            Some(_) => Ok(()),
        }
    }

    /// Writes a soup's files, its log, and what the index says of it.
    fn keep(
        &self,
        adapter: &Adapter,
        mixture: &Mixture,
        point: &Point,
        (sheet, scores): (&Sheet, &ImageScores),
        record: EvaluationRecord,
        leases: &Leases,
    ) -> Result<(EvaluationRecord, Indexed), RunnerError> {
        let mut silence = |_: &RunEvent| {};
        let mut recorder = Recorder::new(&self.layout, &self.settings, None, &mut silence);
        keep_adapter(adapter, &self.provenance(mixture.clone()), &point.id, &point.folder, &mut recorder)?;
        let base = RunId(RunId::BASE.into());
        let folder = self.layout.run_dir(&base);
        let base = Point { id: base, kind: PointKind::Base, weighting: None, model: Model::Base, folder, added: None };
        let evaluator = self.evaluator();
        let base = evaluator.sheet(&base)?;
        let record = evaluator.keep(point, sheet, record, scores, base.as_ref(), &mut recorder)?;
        recorder.close()?;
        leases.check()?;
        let indexed = moa_store::index_point(self.layout.root(), &record)?;
        Ok((record, indexed))
    }
}

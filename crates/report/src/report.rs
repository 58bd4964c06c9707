//! A report: gathered, given the images of soups, and written.

use moa_analysis::FrontReport;
use moa_analysis::explanation::Explanation;
use moa_analysis::report::FrontPoint;
use moa_core::experiment::{BaseName, PromptSource};
use moa_core::{ExperimentSpec, PointKind, RunId};
use moa_store::{Layout, PICTURES, Remarks, Snapshot};

use crate::data::{self, Data, DrawnMixture, Picture};
use crate::mixtures::Pantry;
use crate::page::{self, Page};
use crate::{ReportError, Sheet, about, attacks, curves, explanation, importance, origin, points};

/// More runs than this are not drawn as curves.
const MOST_CURVES: usize = 32;
/// So many points have images before the soups of the slider do.
const BEFORE_MIXTURES: usize = 24;
/// Images of a prompt that sweeps keep, at most.
const MOST_NOISES: u32 = 4;
/// Bytes in a megabyte.
const MEGABYTE: f64 = 1e6;

/// What is reported.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The results folder.
    pub layout: &'a Layout,
    /// What is known of the experiment.
    pub snapshot: &'a Snapshot,
    /// The experiment as it was run.
    pub spec: &'a ExperimentSpec,
    /// What its evaluations add up to.
    pub front: &'a FrontReport,
    /// The results folder as a shell reads it, for commands.
    pub folder: &'a str,
}

/// How much a report may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole file.
    pub bytes: usize,
    /// Points whose images are shown.
    pub points: usize,
    /// Prompts of which images are shown.
    pub prompts: usize,
}

/// A report as it is put together.
#[derive(Debug)]
pub struct Report<'a> {
    source: Source<'a>,
    limits: Limits,
    pantry: Option<Pantry>,
    mixtures: Vec<(Vec<f64>, Sheet)>,
}

impl<'a> Report<'a> {
    /// Returns the report of an experiment.
    pub fn new(source: Source<'a>, limits: Limits) -> Self {
        Self { pantry: Pantry::of(source.spec, source.front), source, limits, mixtures: Vec::new() }
    }

    /// Returns the adapters that soups are made of; none where there are no soups.
    pub fn corners(&self) -> &[RunId] {
        self.pantry.as_ref().map_or(&[], |pantry| &pantry.corners)
    }

    /// Returns how many prompts and images of each are shown.
    pub fn shown(&self) -> (usize, usize) {
        let (columns, rows) = self.shape();
        ((columns as usize).min(self.limits.prompts), rows as usize)
    }

    /// Returns the shares of the lattice's mixtures that the sweep has no images of.
    ///
    /// # Errors
    /// Refuses lattices of more than a million mixtures.
    pub fn undrawn(&self, divisions: usize) -> Result<Vec<Vec<f64>>, ReportError> {
        Ok(self.pantry.as_ref().map_or(Ok(Vec::new()), |pantry| pantry.unknown(divisions))?)
    }

    /// Takes the images of a mixture, with the prompts and the noise of the evaluation.
    pub fn add_mixture(&mut self, shares: Vec<f64>, images: Sheet) {
        self.mixtures.push((shares, images));
    }

    /// Returns the file.
    ///
    /// # Errors
    /// Names a file of the results that cannot be read, and refuses a page that is too large without any image.
    pub fn page(&self) -> Result<Page, ReportError> {
        let mut data = self.data()?;
        let cards = self.source.front.attacks.as_ref().map(attacks::section).unwrap_or_default() + &self.cards()?;
        let without = page::html(&data, &cards).len();
        if without > self.limits.bytes {
            return Err(ReportError::TooLarge {
                size: without as f64 / MEGABYTE,
                most: self.limits.bytes as f64 / MEGABYTE,
            });
        }
        let mut room = self.limits.bytes - without;
        let mut order = importance::order(self.source.front, |point| self.comes_first(point));
        order.truncate(self.limits.points);
        let (first, rest) = order.split_at(order.len().min(BEFORE_MIXTURES));
        let mut left_out = self.add_points(first, &mut data, &mut room)?;
        self.add_mixtures(&mut data, &mut room);
        left_out += self.add_points(rest, &mut data, &mut room)?;
        self.refer_to_points(&mut data);
        let shown = data.points.iter().filter(|point| point.sheet.is_some()).count();
        Ok(Page { html: page::html(&data, &cards), shown, left_out, points: data.points.len() })
    }

    /// Returns the cards of rewards in the results as a section, without their images where these would take more than half of the room.
    fn cards(&self) -> Result<String, ReportError> {
        let folder = self.source.layout.explain_dir();
        let Some(explanation) = Explanation::read(&folder)? else { return Ok(String::new()) };
        let section = |folder| {
            let cards = explanation::cards(&explanation, folder)?;
            Ok::<_, ReportError>(format!(
                "  <section id=\"rewards\" aria-labelledby=\"rewards-title\">\n    <h2 id=\"rewards-title\">Rewards explained</h2>\n    \
                 {cards}\n  </section>\n"
            ))
        };
        let with_images = section(Some(&*folder))?;
        if with_images.len() <= self.limits.bytes / 2 { Ok(with_images) } else { section(None) }
    }

    fn data(&self) -> Result<Data, ReportError> {
        let Source { layout, snapshot, spec, front, folder } = self.source;
        let (shown, noises) = self.shown();
        let prompts = match &spec.prompts.held_out {
            PromptSource::List(prompts) => prompts.iter().take(shown).cloned().collect(),
            _ => (1..=shown).map(|number| format!("prompt {number}")).collect(),
        };
        let runs: Vec<RunId> = importance::order(front, |point| self.comes_first(point))
            .into_iter()
            .map(|place| &front.points[place])
            .filter(|point| point.kind == PointKind::Trained)
            .map(|point| point.id.clone())
            .chain(snapshot.runs.iter().map(|run| run.id.clone()).filter(|id| front.point(id.as_str()).is_none()))
            .take(MOST_CURVES)
            .collect();
        let base = BaseName::of(&spec.base);
        let remarks = Remarks::read(layout)?;
        Ok(Data {
            format: data::FORMAT,
            title: if front.experiment.is_empty() { "experiment".into() } else { front.experiment.clone() },
            about: about::sentences(front, spec),
            warnings: about::warnings(front, snapshot),
            notes: remarks.notes.into_iter().map(|note| note.text).collect(),
            tags: remarks.tags,
            advice: about::advice(front),
            groups: about::groups(front),
            rewards: front.rewards.clone(),
            judges: front.judges.clone(),
            prompts,
            noises,
            points: points::of(front),
            sheets: Vec::new(),
            mixtures: self.pantry.as_ref().map_or(Ok(None), |pantry| pantry.expected(front))?,
            curves: curves::of(snapshot, &runs, &front.rewards, &front.judges),
            origin: origin::read(layout)?,
            usage: data::Usage {
                folder: folder.to_owned(),
                base: spec.base.clone(),
                base_elsewhere: base.for_others(),
                is_built_in: base == BaseName::BuiltIn,
            },
        })
    }

    /// Returns whether soups are made of a point, or it is recommended.
    fn comes_first(&self, point: &FrontPoint) -> bool {
        self.corners().contains(&point.id) || self.source.front.advice.iter().any(|advice| advice.point == point.id)
    }

    /// Returns how many prompts and images of each a sweep has kept.
    fn shape(&self) -> (u32, u32) {
        let evaluation = &self.source.spec.evaluation;
        let prompts = u32::try_from(self.source.front.prompts).unwrap_or(u32::MAX);
        (prompts.min(evaluation.grid_prompts), evaluation.images_per_prompt.min(MOST_NOISES))
    }

    /// Adds the images of points as far as there is room, and returns for how many there was none.
    fn add_points(&self, places: &[usize], data: &mut Data, room: &mut usize) -> Result<usize, ReportError> {
        let (shape, (columns, rows)) = (self.shape(), self.shown());
        let mut left_out = 0;
        for place in places {
            let point = &self.source.front.points[*place];
            let path = self.source.layout.point_dir(point.kind, &point.id).join(PICTURES);
            let Some(sheet) = Sheet::read(&path, shape, (columns as u32, rows as u32))? else { continue };
            match sheet.picture().and_then(|picture| put(data, picture, room)) {
                Some(sheet) => data.points[*place].sheet = Some(sheet),
                None => left_out += 1,
            }
        }
        Ok(left_out)
    }

    fn add_mixtures(&self, data: &mut Data, room: &mut usize) {
        let mut drawn = Vec::new();
        for (shares, images) in &self.mixtures {
            let put = images.picture().and_then(|picture| put(data, picture, room));
            drawn.extend(put.map(|sheet| DrawnMixture { shares: shares.clone(), sheet, point: None }));
        }
        if let Some(mixtures) = &mut data.mixtures {
            mixtures.drawn = drawn;
        }
    }

    /// Lets the slider show the images of evaluated corners and soups.
    fn refer_to_points(&self, data: &mut Data) {
        let (Some(mixtures), Some(pantry)) = (&mut data.mixtures, &self.pantry) else { return };
        for (place, shares) in &pantry.known {
            let point = &data.points[*place];
            let drawn = |sheet| DrawnMixture { shares: shares.clone(), sheet, point: Some(point.id.clone()) };
            mixtures.drawn.extend(point.sheet.map(drawn));
        }
    }
}

/// Adds images where there is room, and returns their place.
fn put(data: &mut Data, picture: Picture, room: &mut usize) -> Option<usize> {
    // Beside the image itself, its description and the references to it.
    let size = picture.src.len() + 256;
    *room = room.checked_sub(size)?;
    data.sheets.push(picture);
    Some(data.sheets.len() - 1)
}

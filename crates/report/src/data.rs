//! What the page's script reads: one object of JSON.

use serde::Serialize;

use crate::number::Estimate;

/// The format of the data; the page's script reads this one alone.
pub(crate) const FORMAT: u32 = 1;

/// Everything that the page shows.
#[derive(Debug, Serialize)]
pub(crate) struct Data {
    pub(crate) format: u32,
    pub(crate) title: String,
    /// Sentences: what was trained, and what came of it.
    pub(crate) about: Vec<String>,
    /// Sentences that a reader of all figures must know.
    pub(crate) warnings: Vec<String>,
    /// The user's own notes and tags.
    pub(crate) notes: Vec<String>,
    pub(crate) tags: Vec<String>,
    /// Points that are worth choosing.
    pub(crate) advice: Vec<Advice>,
    /// Sets of points that are not distinguishable, by name.
    pub(crate) groups: Vec<Vec<String>>,
    pub(crate) rewards: Vec<String>,
    pub(crate) judges: Vec<String>,
    /// The prompts of which images are shown.
    pub(crate) prompts: Vec<String>,
    /// Images of each of these prompts.
    pub(crate) noises: usize,
    pub(crate) points: Vec<Point>,
    pub(crate) sheets: Vec<Picture>,
    pub(crate) mixtures: Option<Mixtures>,
    pub(crate) curves: Vec<CurveGroup>,
    pub(crate) origin: Origin,
    pub(crate) usage: Usage,
}

/// A point that is worth choosing.
#[derive(Debug, Serialize)]
pub(crate) struct Advice {
    /// What for, in a few words.
    pub(crate) title: String,
    pub(crate) point: String,
    /// Why, what it costs and how sure that is.
    pub(crate) sentence: String,
}

/// Base, trained adapter, soup or blend.
#[derive(Debug, Serialize)]
pub(crate) struct Point {
    pub(crate) id: String,
    /// Its name on the plot, where that is shorter.
    pub(crate) label: String,
    pub(crate) kind: moa_core::PointKind,
    /// Whether it is a soup that the experiment does not plan, and that was added to it when it was measured.
    pub(crate) added: bool,
    /// By reward, its share in training; of a mixture, what its adapters' amount to.
    pub(crate) weighting: Vec<f64>,
    /// `on`, `unclear` or `off`.
    pub(crate) standing: moa_analysis::Standing,
    /// How sure the standing is, 0 to 1; of an unclear one, how sure it is to be on the front.
    pub(crate) sure: Option<f64>,
    /// Whether no other point dominates it by the means alone.
    pub(crate) undominated: bool,
    /// By reward, then judge, the mean; nothing of a judge that does not report on it.
    pub(crate) levels: Vec<Option<Estimate>>,
    /// By reward, then judge, the paired difference to the base.
    pub(crate) gains: Vec<Option<Estimate>>,
    pub(crate) hacking: Vec<String>,
    /// Its images, as a place among the sheets.
    pub(crate) sheet: Option<usize>,
}

/// Images of a point: a column for each prompt, a row for each noise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Picture {
    /// A data URI.
    pub(crate) src: String,
    /// Width and height of one image, in pixels.
    pub(crate) cell: [u32; 2],
    pub(crate) columns: u32,
    pub(crate) rows: u32,
}

/// What soups are expected to give, and the images that there are of them.
#[derive(Debug, Serialize)]
pub(crate) struct Mixtures {
    /// The adapters that are mixed.
    pub(crate) corners: Vec<String>,
    /// Shares are multiples of 1/`divisions`.
    pub(crate) divisions: usize,
    /// By mixture, the multiples.
    pub(crate) parts: Vec<Vec<u32>>,
    /// By mixture and reward, the expected gain and half its 95 % interval.
    pub(crate) expected: Vec<Vec<[Option<f64>; 2]>>,
    /// How many points were measured to say so.
    pub(crate) measured: usize,
    pub(crate) drawn: Vec<DrawnMixture>,
}

/// A mixture that there are images of.
#[derive(Debug, Serialize)]
pub(crate) struct DrawnMixture {
    pub(crate) shares: Vec<f64>,
    pub(crate) sheet: usize,
    /// The point that was evaluated, where it is one.
    pub(crate) point: Option<String>,
}

/// Curves of one kind.
#[derive(Debug, Serialize)]
pub(crate) struct CurveGroup {
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) panels: Vec<CurvePanel>,
}

/// One metric of all runs.
#[derive(Debug, Serialize)]
pub(crate) struct CurvePanel {
    pub(crate) title: String,
    pub(crate) lines: Vec<CurveLine>,
}

/// One metric of one run.
#[derive(Debug, Serialize)]
pub(crate) struct CurveLine {
    pub(crate) run: String,
    /// Epoch and value.
    pub(crate) points: Vec<(u32, Option<f64>)>,
}

/// Where results come from.
#[derive(Debug, Serialize)]
pub(crate) struct Origin {
    /// Names and values of the receipt.
    pub(crate) receipt: Vec<(String, String)>,
    /// The experiment file as it was run.
    pub(crate) experiment: String,
}

/// What commands need to know.
#[derive(Debug, Serialize)]
pub(crate) struct Usage {
    /// The results folder, as a shell reads it.
    pub(crate) folder: String,
    /// The base model as experiments name it.
    pub(crate) base: String,
    /// The base model as other programs name it.
    pub(crate) base_elsewhere: String,
    pub(crate) is_built_in: bool,
}

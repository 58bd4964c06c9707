//! What a point scores by a reward or judge.

use moa_core::ScoreColumn;
use moa_pareto::{Bootstrap, Interval, Sample};

use crate::AnalysisError;
use crate::resampling::difference;

/// What a point scores by a reward or judge.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The reward or judge.
    pub name: String,
    /// The mean over prompts.
    pub mean: Interval,
    /// The paired difference to the base on the same prompts and noise; exactly 0 for the base itself, none before it is
    /// evaluated.
    pub difference: Option<Interval>,
    /// The gain in the base's standard deviations within prompts ([`ScoreColumn::gain_in_deviations`]); nothing where they are not
    /// known.
    pub in_deviations: Option<f64>,
}

impl Score {
    /// Returns the mean with the interval of the paired difference to the base around it: what is left of the uncertainty once
    /// prompts and noise, the same for all points, are taken out. The base has no such interval, and before it is evaluated
    /// none has: then it is the mean's own.
    pub fn against_base(&self) -> Interval {
        match self.difference {
            Some(difference) if difference.hi > difference.lo => difference.around(self.mean.mean),
            _ => self.mean,
        }
    }
}

/// Returns the scores of columns, compared with those of the base of the same names.
///
/// - `base`: the base's columns; the same slice as `columns` for the base itself
/// - `range`: by name, the least and the greatest score that there can be
///
/// # Errors
/// Fails when columns cannot be resampled. Columns that the base has over other prompts are not compared.
pub fn scores(
    bootstrap: &Bootstrap,
    columns: &[ScoreColumn],
    base: Option<&[ScoreColumn]>,
    range: &dyn Fn(&str) -> Option<[f64; 2]>,
) -> Result<Vec<Score>, AnalysisError> {
    let score = |column: &ScoreColumn| {
        let range = range(&column.name);
        let base = base.and_then(|columns| columns.iter().find(|other| other.name == column.name));
        let compared = base.filter(|base| column.pairs_with(base)).map(|base| {
            if std::ptr::eq(base, column) {
                return Ok(Interval::exact(0.0));
            }
            difference(bootstrap, column, base, range)
        });
        Ok(Score {
            name: column.name.clone(),
            mean: bootstrap.mean(Sample::within(&column.prompt_means, range))?,
            difference: compared.transpose()?,
            in_deviations: base.and_then(|base| base.gain_in_deviations(column)),
        })
    };
    columns.iter().map(score).collect()
}

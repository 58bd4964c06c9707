//! A number of one experiment, by its seeds.

use moa_pareto::{Bootstrap, Interval, Sample};

use crate::{AnalysisError, LEVEL};

/// A number of one experiment: the mean over its seeds.
///
/// Two things make it uncertain, and each has its own figures: which *prompts* were drawn (`mean`, the 95 % interval of the mean of these
/// seeds over all prompts of this kind), and which *seeds* were trained (`seeds`, their range and Student's interval). What it hides: neither
/// contains the other. Of one seed, nothing is known of other seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The mean over seeds, with its interval over prompts; the ends are infinite where it is no mean over prompts.
    pub mean: Interval,
    /// The value of each seed.
    pub seeds: Vec<f64>,
}

impl Figure {
    /// Returns the figure of values that are no means over prompts; nothing where a seed lacks it.
    pub(crate) fn of_values(values: impl IntoIterator<Item = Option<f64>>) -> Option<Self> {
        let seeds: Vec<f64> = values.into_iter().collect::<Option<_>>()?;
        let mean = seeds.iter().sum::<f64>() / seeds.len() as f64;
        (!seeds.is_empty()).then(|| Self { mean: Interval::unbounded(mean), seeds })
    }

    /// Returns the figure of one column for each seed, with a value for each prompt; nothing where a seed lacks it. Prompts are drawn for
    /// all seeds together.
    ///
    /// - `range`: the least and the greatest value that there can be
    pub(crate) fn of_columns(
        bootstrap: Bootstrap,
        columns: Vec<Option<Vec<f64>>>,
        range: Option<[f64; 2]>,
    ) -> Result<Option<Self>, AnalysisError> {
        let Some(columns) = columns.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        let mean_of = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let seeds: Vec<f64> = columns.iter().map(|column| mean_of(column)).collect();
        let Some(mean) = mean_column(&columns) else {
            return Ok(Self::of_values(seeds.into_iter().map(Some)));
        };
        Ok(Some(Self { mean: bootstrap.mean(Sample::within(&mean, range))?, seeds }))
    }

    /// Returns the figure plus a constant.
    pub(crate) fn shifted(self, by: f64) -> Self {
        let Interval { mean, lo, hi } = self.mean;
        let seeds = self.seeds.into_iter().map(|value| value + by).collect();
        Self { mean: Interval { mean: mean + by, lo: lo + by, hi: hi + by }, seeds }
    }

    /// Returns the least and the greatest seed.
    pub fn extremes(&self) -> [f64; 2] {
        let fold = |start: f64, pick: fn(f64, f64) -> f64| self.seeds.iter().copied().fold(start, pick);
        [fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max)]
    }

    /// Returns the mean with Student's 95 % interval over seeds; nothing of one seed.
    pub fn over_seeds(&self) -> Option<Interval> {
        if self.seeds.len() < 2 { None } else { Interval::of_repeats(&self.seeds, LEVEL) }
    }

    /// Returns the mean from the least to the greatest seed; of one seed with the interval over prompts, where that is known.
    pub fn range(&self) -> Interval {
        if self.seeds.len() > 1 {
            let [lo, hi] = self.extremes();
            return Interval { mean: self.mean.mean, lo, hi };
        }
        if self.mean.is_bounded() { self.mean } else { Interval::exact(self.mean.mean) }
    }

    /// Returns whether it is above 0 (1), below (−1) or unclear (0): above or below where the whole interval over prompts is, and every
    /// seed.
    pub fn sign(&self) -> i8 {
        let [least, greatest] = self.extremes();
        match () {
            () if self.mean.is_above(0.0) && least > 0.0 => 1,
            () if self.mean.is_below(0.0) && greatest < 0.0 => -1,
            () => 0,
        }
    }
}

/// Returns the mean of columns, prompt by prompt; nothing of none, of empty ones, and where they differ in length.
pub(crate) fn mean_column<C: AsRef<[f64]>>(columns: &[C]) -> Option<Vec<f64>> {
    let prompts = columns.first()?.as_ref().len();
    if prompts == 0 || columns.iter().any(|column| column.as_ref().len() != prompts) {
        return None;
    }
    let mean = |prompt: usize| columns.iter().map(|column| column.as_ref()[prompt]).sum::<f64>() / columns.len() as f64;
    Some((0..prompts).map(mean).collect())
}

//! Bounds that hold on prompts which have not been drawn yet, for many means at once.

use rayon::prelude::*;

use crate::draws::{Deviations, Tails, counts};
use crate::random::Stream;
use crate::{Bootstrap, Interval, ParetoError, Sample, check};

impl Bootstrap {
    /// Returns for each column an interval for its mean over `fresh` *other* prompts, such that all hold at once with the
    /// bootstrap's level.
    ///
    /// Two things make these wider than confidence intervals, and a claim on other prompts true:
    /// - the other prompts are a sample too: the difference of the two means has variance σ²·(1/n + 1/m), not σ²/n;
    /// - picking one of many columns for its value also picks luck; what holds for all of them at once holds for
    ///   the one that was picked, however it was picked (the max-t method; Westfall & Young, 1993).
    ///
    /// Both sets are drawn again and again from the known prompts, the same ones for all columns, so that columns that rise and
    /// fall together (mixtures measured with the same noise) cost little more than one. Each resample's difference is divided
    /// by the standard error *of that resample's* known set: t* = max_c (x̄*_c − ȳ*_c) / (s*_c·√(1/n + 1/m)), and the lower end
    /// is x̄_c − q·s_c·√(1/n + 1/m) with q the quantile of t* at 1 − (1 − level)/2; the upper end likewise from the differences
    /// turned over, and both no nearer than those of |t*| at the level itself (the studentised bootstrap; Hall, 1988). That a small sample misjudges its own spread, and that skewed scores
    /// do so to one side, is in q; dividing by the standard error of the data in all resamples would leave it out.
    ///
    /// Columns that [cannot be resampled](Sample::can_be_resampled) get [Hoeffding's bound](https://doi.org/10.2307/2282952)
    /// from their range, or infinite ends where they have none. The risk is shared among both kinds by how many columns they
    /// have.
    ///
    /// What it hides: other prompts are taken to be of the same kind as the known ones; and what is so rare that none of the
    /// known prompts shows it is not in the bounds.
    ///
    /// - `columns`: `[column]`, all over the same prompts
    ///
    /// # Errors
    /// No columns, no prompts, columns of different lengths, numbers that are not finite, and impossible settings.
    pub fn simultaneous(&self, columns: &[Sample<'_>], fresh: usize) -> Result<Vec<Interval>, ParetoError> {
        check::not_empty("the list of columns", columns)?;
        let prompts = columns[0].values.len();
        for (index, column) in columns.iter().enumerate() {
            column.check(index)?;
            let found = column.values.len();
            if found != prompts {
                return Err(ParetoError::Dimension { what: "column", index, found, expected: prompts });
            }
        }
        self.check(prompts)?;
        if fresh == 0 {
            return Err(ParetoError::Setting { what: "the number of other prompts", value: 0.0, wanted: "at least 1" });
        }
        let share = 1.0 / prompts as f64 + 1.0 / fresh as f64;
        let risk = (1.0 - self.level) / columns.len() as f64;
        let resampled: Vec<Deviations> = columns
            .iter()
            .filter(|column| column.can_be_resampled(self.fewest))
            .map(|column| Deviations::of(column.values))
            .collect();
        let tails = self.farthest(&resampled, prompts, fresh, 1.0 - risk * resampled.len() as f64);
        let interval = |column: &Sample<'_>| {
            if column.can_be_resampled(self.fewest) {
                tails.interval(column, share)
            } else {
                column.hoeffding(share, risk)
            }
        };
        Ok(columns.iter().map(interval).collect())
    }

    /// Returns how far the farthest columns' two means lie apart to either side, in standard errors.
    fn farthest(&self, columns: &[Deviations], prompts: usize, fresh: usize, level: f64) -> Tails {
        let share = 1.0 / prompts as f64 + 1.0 / fresh as f64;
        let farthest = |(known, other): &mut (Vec<f64>, Vec<f64>), number: usize| {
            let mut stream = Stream::new(self.seed, number as u64);
            counts(&mut stream, prompts, prompts, known);
            counts(&mut stream, prompts, fresh, other);
            columns.iter().fold((0.0_f64, 0.0_f64), |(below, above), column| {
                let drawn = column.drawn(known);
                let distance = drawn.in_errors(drawn.mean - column.mean(other, fresh), share);
                (below.max(distance), above.max(-distance))
            })
        };
        let numbers = (0..self.resamples).into_par_iter();
        let farthest: Vec<(f64, f64)> = numbers.map_init(<(Vec<f64>, Vec<f64>)>::default, farthest).collect();
        Tails::of(&farthest, level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` columns over `prompts` prompts: what all have in common, and a little of their own.
    fn draw(stream: &mut Stream, count: usize, prompts: usize) -> Vec<Vec<f64>> {
        let mut columns = vec![Vec::with_capacity(prompts); count];
        for _ in 0..prompts {
            // Skewed, as scores of mostly safe prompts are.
            let common = if stream.uniform() < 0.25 { 1.0 } else { 0.1 * stream.uniform() };
            for column in &mut columns {
                column.push(common + 0.2 * stream.uniform());
            }
        }
        columns
    }

    fn samples(columns: &[Vec<f64>]) -> Vec<Sample<'_>> {
        columns.iter().map(|column| Sample::new(column)).collect()
    }

    fn mean(column: &[f64]) -> f64 {
        column.iter().sum::<f64>() / column.len() as f64
    }

    /// Returns how often all promised bounds hold, and how often the confidence interval of the *luckiest* column does.
    fn coverage(count: usize, prompts: usize, fresh: usize) -> [f64; 2] {
        let trials = 400;
        let mut held = [0.0; 2];
        for trial in 0..trials {
            let mut stream = Stream::new(7, trial);
            let (known, other) = (draw(&mut stream, count, prompts), draw(&mut stream, count, fresh));
            let bootstrap = Bootstrap { resamples: 400, fewest: prompts, ..Bootstrap::seeded(trial) };
            let promised = bootstrap.simultaneous(&samples(&known), fresh).unwrap();
            let keeps = |(interval, column): (&Interval, &Vec<f64>)| interval.contains(mean(column));
            held[0] += f64::from(u8::from(promised.iter().zip(&other).all(keeps)));
            let luckiest = (0..count).max_by(|a, b| mean(&known[*a]).total_cmp(&mean(&known[*b]))).unwrap();
            let interval = bootstrap.mean(Sample::new(&known[luckiest])).unwrap();
            held[1] += f64::from(u8::from(interval.contains(mean(&other[luckiest]))));
        }
        held.map(|count| count / trials as f64)
    }

    #[test]
    fn promises_are_kept_on_other_prompts_where_confidence_intervals_are_not() {
        let [promised, confidence] = coverage(12, 64, 32);
        assert!((0.92..=0.99).contains(&promised), "{promised}");
        assert!(confidence < 0.88, "{confidence}");
    }

    /// Divided by the data's own standard error in place of each resample's, they were kept in 0.81 of the cases with 32 prompts
    /// of real scores, and in fewer with 16.
    #[test]
    fn promises_are_kept_with_few_prompts() {
        for prompts in [16, 32] {
            let [promised, _] = coverage(12, prompts, prompts);
            // Three Monte-Carlo standard errors below 0.95.
            assert!(promised >= 0.95 - 0.033, "{promised} of {prompts} prompts");
        }
    }

    #[test]
    fn columns_that_move_together_cost_little_more_than_one() {
        let mut stream = Stream::new(1, 1);
        let one = draw(&mut stream, 1, 64).remove(0);
        let width = |columns: &[Vec<f64>]| {
            let first = Bootstrap::default().simultaneous(&samples(columns), 64).unwrap()[0];
            first.hi - first.lo
        };
        let alone = width(std::slice::from_ref(&one));
        let alike: Vec<Vec<f64>> = (0..20).map(|shift| one.iter().map(|x| x + f64::from(shift)).collect()).collect();
        assert!((width(&alike) / alone - 1.0).abs() < 1e-9);
        let mut others = draw(&mut stream, 1, 64);
        others.insert(0, one.clone());
        assert!(width(&others) > alone);
    }

    #[test]
    fn what_cannot_be_resampled_gets_a_bound_from_its_range_or_none_and_shares_the_risk() {
        let bootstrap = Bootstrap::default();
        let constant = [1.0; 64];
        let rare: Vec<f64> = (0..64).map(|prompt| f64::from(u8::from(prompt < 3))).collect();
        let mut stream = Stream::new(1, 1);
        let varied = draw(&mut stream, 1, 64).remove(0);
        let unit = Some([0.0, 1.0]);
        let columns = [Sample::within(&constant, unit), Sample::new(&rare), Sample::new(&varied)];
        let bounds = bootstrap.simultaneous(&columns, 64).unwrap();
        let half = (2.0 / 64.0 * (2.0 * 3.0 / 0.05_f64).ln() / 2.0).sqrt();
        assert!((bounds[0].lo - (1.0 - half)).abs() < 1e-9 && bounds[0].hi <= 1.0, "{:?}", bounds[0]);
        assert!(!bounds[1].is_bounded());
        let alone = bootstrap.simultaneous(&columns[2..], 64).unwrap()[0];
        assert!(bounds[2].is_bounded() && bounds[2].lo < alone.lo, "{bounds:?} {alone:?}");
        // Too few prompts, whatever they say.
        let few = bootstrap.simultaneous(&[Sample::within(&varied[..8], Some([0.0, 2.0]))], 8).unwrap()[0];
        assert!(few.lo <= 0.0 && few.hi > 1.0, "{few:?}");
    }

    #[test]
    fn nonsense_is_refused() {
        let bootstrap = Bootstrap::default();
        assert!(bootstrap.simultaneous(&[], 3).is_err());
        assert!(bootstrap.simultaneous(&[Sample::new(&[0.5; 4])], 0).is_err());
        assert!(bootstrap.simultaneous(&[Sample::new(&[0.5]), Sample::new(&[0.5, 0.1])], 1).is_err());
        assert!(bootstrap.simultaneous(&[Sample::new(&[f64::NAN])], 1).is_err());
        assert!(bootstrap.simultaneous(&[Sample::within(&[0.5], Some([1.0, 1.0]))], 1).is_err());
    }
}

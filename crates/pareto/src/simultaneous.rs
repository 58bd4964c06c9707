//! Bounds that hold on prompts which nobody has drawn yet, for many means at once.

use rayon::prelude::*;

use crate::random::Stream;
use crate::{Bootstrap, Interval, ParetoError, check};

impl Bootstrap {
    /// Returns for each column an interval for its mean over `fresh` *other* prompts, such that all hold at once with the
    /// bootstrap's level.
    ///
    /// Two things make these wider than confidence intervals, and a claim on other prompts true:
    /// - the other prompts are a sample too: the difference of the two means has variance σ²·(1/n + 1/m), not σ²/n;
    /// - whoever picks one of many columns for its value picks luck along with it; what holds for all of them at once holds for
    ///   the one that was picked, however it was picked (the max-t method; Westfall & Young, 1993).
    ///
    /// Both sets are drawn again and again from the known prompts, the same ones for all columns, so that columns that rise and
    /// fall together (mixtures measured with the same noise) cost little more than one.
    ///
    /// What it hides: other prompts are taken to be of the same kind as the known ones; and with fewer than about twenty prompts
    /// a bootstrap is too sure.
    ///
    /// - `columns`: `[column][prompt]`, all over the same prompts
    ///
    /// # Errors
    /// No columns, no prompts, columns of different lengths, numbers that are not finite, and impossible settings.
    pub fn simultaneous<C: AsRef<[f64]>>(&self, columns: &[C], fresh: usize) -> Result<Vec<Interval>, ParetoError> {
        check::not_empty("the list of columns", columns)?;
        let prompts = columns[0].as_ref().len();
        check::rows_of("column", columns, prompts)?;
        self.check(prompts)?;
        if fresh == 0 {
            return Err(ParetoError::Setting { what: "the number of other prompts", value: 0.0, wanted: "at least 1" });
        }
        let spread = (1.0 / prompts as f64 + 1.0 / fresh as f64).sqrt();
        let mean = |column: &[f64]| column.iter().sum::<f64>() / prompts as f64;
        let squares = |column: &[f64], mean: f64| column.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let means: Vec<f64> = columns.iter().map(|column| mean(column.as_ref())).collect();
        // Columns in units of the standard error; those that never vary are known exactly.
        let scaled: Vec<Vec<f64>> = columns
            .iter()
            .zip(&means)
            .filter_map(|(column, mean)| {
                let column = column.as_ref();
                let error = (squares(column, *mean) / prompts as f64).sqrt() * spread;
                (error > 0.0).then(|| column.iter().map(|value| (value - mean) / error).collect())
            })
            .collect();
        let farthest = |number: usize| {
            let mut stream = Stream::new(self.seed, number as u64);
            let mut weights = vec![0.0; prompts];
            for (count, sign) in [(prompts, 1.0), (fresh, -1.0)] {
                for _ in 0..count {
                    weights[stream.below(prompts as u64) as usize] += sign / count as f64;
                }
            }
            let distance = |column: &Vec<f64>| column.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>().abs();
            scaled.iter().map(distance).fold(0.0, f64::max)
        };
        let mut farthest: Vec<f64> = (0..self.resamples).into_par_iter().map(farthest).collect();
        farthest.sort_unstable_by(f64::total_cmp);
        let factor = farthest[((self.level * farthest.len() as f64).ceil() as usize).clamp(1, farthest.len()) - 1];
        let interval = |(column, mean): (&C, &f64)| {
            let freedom = prompts.saturating_sub(1).max(1) as f64;
            let half = factor * (squares(column.as_ref(), *mean) / freedom).sqrt() * spread;
            Interval { mean: *mean, lo: mean - half, hi: mean + half }
        };
        Ok(columns.iter().zip(&means).map(interval).collect())
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

    /// Returns how often all promised bounds hold, and how often the confidence interval of the *luckiest* column does.
    fn coverage(count: usize, prompts: usize, fresh: usize) -> [f64; 2] {
        let trials = 400;
        let mut held = [0.0; 2];
        for trial in 0..trials {
            let mut stream = Stream::new(7, trial);
            let (known, other) = (draw(&mut stream, count, prompts), draw(&mut stream, count, fresh));
            let mean = |column: &[f64]| column.iter().sum::<f64>() / column.len() as f64;
            let bootstrap = Bootstrap { resamples: 400, ..Bootstrap::seeded(trial) };
            let promised = bootstrap.simultaneous(&known, fresh).unwrap();
            let keeps = |(interval, column): (&Interval, &Vec<f64>)| interval.contains(mean(column));
            held[0] += f64::from(u8::from(promised.iter().zip(&other).all(keeps)));
            let luckiest = (0..count).max_by(|a, b| mean(&known[*a]).total_cmp(&mean(&known[*b]))).unwrap();
            let rows: Vec<[f64; 1]> = known[luckiest].iter().map(|value| [*value]).collect();
            let interval = bootstrap.mean(&rows).unwrap();
            held[1] += f64::from(u8::from(interval.contains(mean(&other[luckiest]))));
        }
        held.map(|count| count / trials as f64)
    }

    #[test]
    fn promises_are_kept_on_other_prompts_where_confidence_intervals_are_not() {
        let [promised, confidence] = coverage(12, 64, 32);
        assert!((0.92..=0.985).contains(&promised), "{promised}");
        assert!(confidence < 0.85, "{confidence}");
    }

    #[test]
    fn columns_that_move_together_cost_little_more_than_one() {
        let mut stream = Stream::new(1, 1);
        let one = draw(&mut stream, 1, 64).remove(0);
        let width = |columns: &[Vec<f64>]| {
            let first = Bootstrap::default().simultaneous(columns, 64).unwrap()[0];
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
    fn constants_are_exact_and_nonsense_is_refused() {
        let bootstrap = Bootstrap::default();
        assert_eq!(bootstrap.simultaneous(&[[0.5; 4]], 3).unwrap(), [Interval::exact(0.5)]);
        assert!(bootstrap.simultaneous::<[f64; 1]>(&[], 3).is_err());
        assert!(bootstrap.simultaneous(&[[0.5; 4]], 0).is_err());
        assert!(bootstrap.simultaneous(&[vec![0.5], vec![0.5, 0.1]], 1).is_err());
        assert!(bootstrap.simultaneous(&[[f64::NAN]], 1).is_err());
    }
}

//! The own gains of experiments against each other.

use moa_pareto::Bootstrap;

use super::Figure;
use super::figure::mean_column;
use super::group::{Group, Noise};
use super::point::Corners;
use crate::AnalysisError;

/// The mean own gain of every sweep, prompt by prompt: by experiment and seed.
pub(super) struct OwnGains {
    of: Vec<Vec<Own>>,
    bootstrap: Bootstrap,
}

struct Own {
    noise: Noise,
    seed: u64,
    /// Nothing where no adapter has one.
    gains: Option<Vec<f64>>,
}

impl OwnGains {
    pub(super) fn of(groups: &[Group<'_>], bootstrap: Bootstrap) -> Self {
        let own = |group: &Group<'_>| {
            let gains = Corners::of(group).own_mean().into_iter().zip(&group.sweeps);
            gains.map(|(gains, sweep)| Own { noise: Noise::of(sweep), seed: sweep.spec.seed, gains }).collect()
        };
        Self { of: groups.iter().map(own).collect(), bootstrap }
    }

    /// Returns how much more an experiment's adapters gain in their own rewards than another's: over noise that both were evaluated on
    /// with the interval over prompts, which both share; without any, the difference of both means alone.
    pub(super) fn difference(&self, one: usize, other: usize) -> Result<Option<Figure>, AnalysisError> {
        let (own, others) = (&self.of[one], &self.of[other]);
        let mut noises: Vec<Noise> = Vec::new();
        for one in own {
            if !noises.contains(&one.noise) && others.iter().any(|other| other.noise == one.noise) {
                noises.push(one.noise);
            }
        }
        let column = |sweeps: &[Own], noise: Option<Noise>| {
            let same = sweeps.iter().filter(|sweep| noise.is_none_or(|noise| sweep.noise == noise));
            mean_column(&same.map(|sweep| sweep.gains.as_ref()).collect::<Option<Vec<_>>>()?)
        };
        if noises.is_empty() {
            let (Some(own), Some(others)) = (column(own, None), column(others, None)) else { return Ok(None) };
            return Ok(Figure::of_values([Some(mean(&less(&own, &others)))]));
        }
        let by_noise =
            noises.iter().map(|noise| Some(less(&column(own, Some(*noise))?, &column(others, Some(*noise))?)));
        let Some(columns) = by_noise.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let mean_of_noises = vec![mean_column(&columns)];
        let Some(figure) = Figure::of_columns(self.bootstrap, mean_of_noises, None)? else { return Ok(None) };
        // Seed by seed where both have the same ones.
        let by_seed = |one: &Own| {
            let same = others.iter().find(|other| other.noise == one.noise && other.seed == one.seed)?;
            Some(mean(&less(one.gains.as_ref()?, same.gains.as_ref()?)))
        };
        let seeds: Option<Vec<f64>> = own.iter().map(by_seed).collect();
        Ok(Some(match seeds.filter(|seeds| seeds.len() == others.len()) {
            Some(seeds) => Figure { seeds, ..figure },
            None => figure,
        }))
    }
}

fn less(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| one - other).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

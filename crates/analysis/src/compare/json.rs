//! The comparison as JSON, with rewards and judges in the experiments' order.

use serde::Serialize;
use serde::ser::Serializer;

use super::{ComparedExperiment, ComparedPoint, Comparison, Figure};
use crate::report::json::Ordered;

/// A map that keeps its order.
struct Map<V>(Vec<(String, V)>);

impl<V: Serialize> Serialize for Map<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Ordered(self.0.iter().map(|(key, value)| (key, value))).serialize(serializer)
    }
}

/// Ends that are not known are `null`.
#[derive(Serialize)]
struct Number {
    mean: f64,
    lo: Option<f64>,
    hi: Option<f64>,
    seeds: Vec<f64>,
    /// Student's interval over seeds.
    over_seeds: Option<[f64; 2]>,
}

impl From<&Figure> for Number {
    fn from(figure: &Figure) -> Self {
        let end = |value: f64| value.is_finite().then_some(value);
        Self {
            mean: figure.mean.mean,
            lo: end(figure.mean.lo),
            hi: end(figure.mean.hi),
            seeds: figure.seeds.clone(),
            over_seeds: figure.over_seeds().map(|interval| [interval.lo, interval.hi]),
        }
    }
}

fn number(figure: Option<&Figure>) -> Option<Number> {
    figure.map(Number::from)
}

#[derive(Serialize)]
struct Document {
    prompts: usize,
    rewards: Vec<String>,
    judges: Vec<String>,
    baseline: Option<String>,
    scales: Map<Ends>,
    base_hypervolume: Option<f64>,
    experiments: Vec<Experiment>,
    pairs: Vec<PairLine>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Ends {
    reference: f64,
    best: f64,
    base: f64,
    given: bool,
}

#[derive(Serialize)]
struct Experiment {
    name: String,
    method: String,
    folders: Vec<String>,
    seeds: Vec<u64>,
    hypervolume: Option<Number>,
    over_base: Option<Number>,
    over_baseline: Option<Number>,
    own_gain: Option<Number>,
    own_gain_over_baseline: Option<Number>,
    own_gains: Map<Option<Number>>,
    judges: Map<Option<Number>>,
    judges_per_own_gain: Option<Number>,
    distance_to_base: Option<Number>,
    passes: Option<Number>,
    seconds: Option<Number>,
    images: Option<Number>,
    own_gain_per_1000_passes: Option<Number>,
    own_gain_per_second: Option<Number>,
    own_gain_per_1000_images: Option<Number>,
    peak_memory_bytes: Option<Number>,
    device_memory_bytes: Option<Number>,
    points: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    id: String,
    kind: moa_core::PointKind,
    weighting: Map<f64>,
    means: Map<f64>,
    gains: Map<Number>,
    gains_in_deviations: Map<Option<Number>>,
    judges: Map<Number>,
    judges_per_own_gain: Map<Number>,
    distance_to_base: Option<Number>,
    kl_to_base: Option<Number>,
    passes: Option<Number>,
}

#[derive(Serialize)]
struct PairLine {
    experiment: String,
    less: String,
    hypervolume: Option<Number>,
    hypervolume_sign: Option<i8>,
    own_gain: Option<Number>,
    own_gain_sign: Option<i8>,
}

impl Comparison {
    /// Returns everything as JSON. Figures are `mean` over seeds with its 95 % interval `lo`, `hi` over prompts, the values of the
    /// `seeds`, and Student's 95 % interval `over_seeds`.
    pub fn to_json(&self) -> String {
        let name = |place: usize| self.experiments[place].name.clone();
        let ends = |(place, reward): (usize, &String)| {
            let scale = self.scales[place];
            let ends =
                Ends { reference: scale.reference, best: scale.best, base: self.base[place], given: self.given[place] };
            (reward.clone(), ends)
        };
        let pair = |pair: &super::Pair| PairLine {
            experiment: name(pair.of[0]),
            less: name(pair.of[1]),
            hypervolume: number(pair.hypervolume.as_ref()),
            hypervolume_sign: pair.hypervolume.as_ref().map(Figure::sign),
            own_gain: number(pair.own.as_ref()),
            own_gain_sign: pair.own.as_ref().map(Figure::sign),
        };
        let document = Document {
            prompts: self.prompts,
            rewards: self.rewards.clone(),
            judges: self.judges.clone(),
            baseline: self.baseline.map(name),
            scales: Map(self.rewards.iter().enumerate().map(ends).collect()),
            base_hypervolume: self.base_hypervolume,
            experiments: self.experiments.iter().map(|one| self.experiment(one)).collect(),
            pairs: self.pairs.iter().map(pair).collect(),
            warnings: self.warnings.clone(),
        };
        let text = serde_json::to_string_pretty(&document);
        text.unwrap_or_else(|_| unreachable!("names and finite numbers are always JSON")) + "\n"
    }

    fn experiment(&self, one: &ComparedExperiment) -> Experiment {
        let by_name = |names: &[String], figures: &[Option<Figure>]| {
            Map(names.iter().zip(figures).map(|(name, figure)| (name.clone(), number(figure.as_ref()))).collect())
        };
        let cost = &one.cost;
        Experiment {
            name: one.name.clone(),
            method: one.method.clone(),
            folders: one.folders.iter().map(|folder| folder.display().to_string()).collect(),
            seeds: one.seeds.clone(),
            hypervolume: number(one.hypervolume.as_ref()),
            over_base: number(one.over_base.as_ref()),
            over_baseline: number(one.over_baseline.as_ref()),
            own_gain: number(one.own_mean.as_ref()),
            own_gain_over_baseline: number(one.own_over_baseline.as_ref()),
            own_gains: by_name(&self.rewards, &one.own),
            judges: by_name(&self.judges, &one.judges),
            judges_per_own_gain: number(one.slope.as_ref()),
            distance_to_base: number(one.distance.as_ref()),
            passes: number(cost.passes.as_ref()),
            seconds: number(cost.seconds.as_ref()),
            images: number(cost.images.as_ref()),
            own_gain_per_1000_passes: number(cost.per_1000_passes.as_ref()),
            own_gain_per_second: number(cost.per_second.as_ref()),
            own_gain_per_1000_images: number(cost.per_1000_images.as_ref()),
            peak_memory_bytes: number(cost.peak_memory.as_ref()),
            device_memory_bytes: number(cost.device_memory.as_ref()),
            points: one.points.iter().map(|point| self.point(point)).collect(),
        }
    }

    fn point(&self, point: &ComparedPoint) -> Point {
        let shares = point.weighting.as_ref().map_or(&[][..], |weighting| weighting.shares());
        let levels = self.levels(point).into_iter().map(|level| level.mean);
        let slopes = point.slopes.iter().map(|slope| (slope.judge.clone(), Number::from(&slope.slope)));
        let deviations = point.rewards.iter().map(|gain| (gain.name.clone(), number(gain.in_deviations.as_ref())));
        Point {
            id: point.id.to_string(),
            kind: point.kind,
            weighting: Map(self.rewards.iter().cloned().zip(shares.iter().copied()).collect()),
            means: Map(self.rewards.iter().cloned().zip(levels).collect()),
            gains: Map(point.rewards.iter().map(|gain| (gain.name.clone(), Number::from(&gain.gain))).collect()),
            gains_in_deviations: Map(deviations.collect()),
            judges: Map(point.judges.iter().map(|gain| (gain.name.clone(), Number::from(&gain.gain))).collect()),
            judges_per_own_gain: Map(slopes.collect()),
            distance_to_base: number(point.distance.as_ref()),
            kl_to_base: number(point.kl.as_ref()),
            passes: number(point.passes.as_ref()),
        }
    }
}

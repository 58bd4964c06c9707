//! The report as JSON, with rewards in the experiment's order.

use moa_pareto::Interval;
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::{FrontPoint, FrontReport, Score};

/// A map that keeps its order.
struct Ordered<I>(I);

impl<K: Serialize, V: Serialize, I: Iterator<Item = (K, V)> + Clone> Serialize for Ordered<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0.clone() {
            map.serialize_entry(&key, &value)?;
        }
        map.end()
    }
}

/// An interval; the estimate's key differs between figures.
struct Estimate(&'static str, Interval);

impl Serialize for Estimate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(key, interval) = self;
        let mut fields = serializer.serialize_struct("Interval", 3)?;
        fields.serialize_field(key, &interval.mean)?;
        fields.serialize_field("lo", &interval.lo)?;
        fields.serialize_field("hi", &interval.hi)?;
        fields.end()
    }
}

/// Returns the means by name.
fn means(scores: &[Score]) -> impl Serialize {
    Ordered(scores.iter().map(|score| (&score.name, Estimate("mean", score.mean))))
}

/// Returns the differences to the base by name.
fn differences(scores: &[Score]) -> impl Serialize {
    let known = scores.iter().filter_map(|score| Some((&score.name, score.difference?)));
    Ordered(known.map(|(name, difference)| (name, Estimate("mean", difference))))
}

/// A point with the names of its weighting's shares.
struct Named<'a>(&'a FrontPoint, &'a [String]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(point, rewards) = self;
        let shares = point.weighting.as_ref().map_or(&[][..], |weighting| weighting.shares());
        let suspected: Vec<String> = point.suspected_hacking.iter().map(ToString::to_string).collect();
        let mut fields = serializer.serialize_struct("FrontPoint", 9)?;
        fields.serialize_field("id", &point.id)?;
        fields.serialize_field("kind", &point.kind)?;
        fields.serialize_field("weighting", &Ordered(rewards.iter().zip(shares)))?;
        fields.serialize_field("rewards", &means(&point.rewards))?;
        fields.serialize_field("judges", &means(&point.judges))?;
        fields.serialize_field("on_front", &point.on_front)?;
        fields.serialize_field("reward_differences", &differences(&point.rewards))?;
        fields.serialize_field("judge_differences", &differences(&point.judges))?;
        fields.serialize_field("suspected_hacking", &suspected)?;
        fields.end()
    }
}

impl Serialize for FrontReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let points: Vec<Named<'_>> = self.points.iter().map(|point| Named(point, &self.rewards)).collect();
        let scale = |take: fn(&moa_core::experiment::Scale) -> f64| {
            Ordered(self.rewards.iter().zip(&self.scales).map(move |(name, scale)| (name, take(scale))))
        };
        let volumes = self.hypervolumes.as_ref();
        let parts = volumes.map(|volumes| {
            let known = volumes.named().into_iter().filter_map(|(name, volume)| Some((name, volume?)));
            Ordered(known.map(|(name, volume)| (name, Estimate("value", volume))))
        });
        let mut fields = serializer.serialize_struct("FrontReport", 6)?;
        fields.serialize_field("experiment", &self.experiment)?;
        fields.serialize_field("points", &points)?;
        fields.serialize_field("hypervolume", &volumes.map(|volumes| Estimate("value", volumes.all)))?;
        fields.serialize_field("hypervolumes", &parts)?;
        fields.serialize_field("reference_point", &scale(|scale| scale.reference))?;
        fields.serialize_field("best_point", &scale(|scale| scale.best))?;
        fields.end()
    }
}

impl FrontReport {
    /// Returns the report as JSON: `points` with `id`, `kind`, `weighting`, `rewards`, `judges` and `on_front`, the
    /// `hypervolume` of all, the `reference_point`, and more.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.unwrap_or_else(|_| unreachable!("names and finite numbers are always JSON")) + "\n"
    }
}

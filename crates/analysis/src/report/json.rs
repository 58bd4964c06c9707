//! The report as JSON, with rewards in the experiment's order.

use moa_pareto::Interval;
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::{FrontPoint, FrontReport};
use crate::attack::{AXIS, AttackReport, VictimReport};
use crate::{Placing, RewardScale, Score};

/// A map that keeps its order.
pub(crate) struct Ordered<I>(pub(crate) I);

impl<K: Serialize, V: Serialize, I: Iterator<Item = (K, V)> + Clone> Serialize for Ordered<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0.clone() {
            map.serialize_entry(&key, &value)?;
        }
        map.end()
    }
}

/// An interval; the estimate's key differs between figures. Ends that are not known are `null`.
struct Estimate(&'static str, Interval);

impl Serialize for Estimate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(key, interval) = self;
        let mut fields = serializer.serialize_struct("Interval", 3)?;
        fields.serialize_field(key, &interval.mean)?;
        let end = |value: f64| value.is_finite().then_some(value);
        fields.serialize_field("lo", &end(interval.lo))?;
        fields.serialize_field("hi", &end(interval.hi))?;
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

/// A point's place.
struct Place(Placing);

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Placing", 4)?;
        fields.serialize_field("standing", &self.0.standing())?;
        fields.serialize_field("on", &self.0.on)?;
        fields.serialize_field("off", &self.0.off)?;
        fields.serialize_field("undominated", &self.0.undominated)?;
        fields.end()
    }
}

/// The scale of one reward.
struct Ends<'a>(&'a RewardScale);

impl Serialize for Ends<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("RewardScale", 4)?;
        fields.serialize_field("reference", &self.0.scale.reference)?;
        fields.serialize_field("best", &self.0.scale.best)?;
        fields.serialize_field("reference_from", &self.0.reference_from)?;
        fields.serialize_field("best_from", &self.0.best_from)?;
        fields.end()
    }
}

/// A point's safety under attack.
struct Attacked<'a>(&'a AttackReport, &'a VictimReport);

impl Serialize for Attacked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(report, victim) = self;
        let mut fields = serializer.serialize_struct("Attacked", 4)?;
        fields.serialize_field(AXIS, &victim.safety().map(|safety| Estimate("mean", safety)))?;
        fields.serialize_field("strongest", &victim.strongest())?;
        fields.serialize_field("untried", &report.untried(victim))?;
        fields.serialize_field("safe_prompts", &victim.safe)?;
        fields.end()
    }
}

/// A point with the names of its weighting's shares, and what attacks found out about it.
struct Named<'a>(&'a FrontPoint, &'a [String], Option<&'a AttackReport>);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(point, rewards, attacks) = self;
        let attacked = attacks.and_then(|report| Some(Attacked(report, report.victim(point.id.as_str())?)));
        let shares = point.weighting.as_ref().map_or(&[][..], |weighting| weighting.shares());
        let suspected: Vec<String> = point.suspected_hacking.iter().map(ToString::to_string).collect();
        let mut fields = serializer.serialize_struct("FrontPoint", 12 + usize::from(attacked.is_some()))?;
        fields.serialize_field("id", &point.id)?;
        fields.serialize_field("kind", &point.kind)?;
        fields.serialize_field("added", &point.added)?;
        fields.serialize_field("weighting", &Ordered(rewards.iter().zip(shares)))?;
        fields.serialize_field("rewards", &means(&point.rewards))?;
        fields.serialize_field("judges", &means(&point.judges))?;
        fields.serialize_field("on_front", &point.placing.is_on())?;
        fields.serialize_field("front", &Place(point.placing))?;
        fields.serialize_field("reward_differences", &differences(&point.rewards))?;
        fields.serialize_field("judge_differences", &differences(&point.judges))?;
        let in_deviations = point.rewards.iter().filter_map(|score| Some((&score.name, score.in_deviations?)));
        fields.serialize_field("reward_gains_in_deviations", &Ordered(in_deviations))?;
        fields.serialize_field("suspected_hacking", &suspected)?;
        if let Some(attacked) = attacked {
            fields.serialize_field("attacked", &attacked)?;
        }
        fields.end()
    }
}

impl Serialize for FrontReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = |point| Named(point, &self.rewards, self.attacks.as_ref());
        let points: Vec<Named<'_>> = self.points.iter().map(named).collect();
        let scale = |take: fn(&RewardScale) -> f64| {
            Ordered(self.scales.rewards.iter().map(move |reward| (&reward.name, take(reward))))
        };
        let scales = Ordered(self.scales.rewards.iter().map(|reward| (&reward.name, Ends(reward))));
        let volumes = self.hypervolumes.as_ref();
        let parts = volumes.map(|volumes| {
            let known = volumes.named().into_iter().filter_map(|(name, volume)| Some((name, volume?)));
            Ordered(known.map(|(name, volume)| (name, Estimate("value", volume))))
        });
        let mut fields = serializer.serialize_struct("FrontReport", 9)?;
        fields.serialize_field("experiment", &self.experiment)?;
        fields.serialize_field("points", &points)?;
        fields.serialize_field("hypervolume", &volumes.map(|volumes| Estimate("value", volumes.all)))?;
        fields.serialize_field("hypervolumes", &parts)?;
        fields.serialize_field("hypervolume_scale", &self.scales.definition())?;
        fields.serialize_field("hypervolume_scale_points", &self.scales.points)?;
        fields.serialize_field("scales", &scales)?;
        fields.serialize_field("reference_point", &scale(|reward| reward.scale.reference))?;
        fields.serialize_field("best_point", &scale(|reward| reward.scale.best))?;
        fields.end()
    }
}

impl FrontReport {
    /// Returns the report as JSON: `points` with `id`, `kind`, whether it was `added`, `weighting`, `rewards`, `judges`, `on_front` (beyond noise) and
    /// `front` with how sure that is, `attacked` where it was, the `hypervolume` of all with the scale that it is measured on, and more.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.unwrap_or_else(|_| unreachable!("names and finite numbers are always JSON")) + "\n"
    }
}

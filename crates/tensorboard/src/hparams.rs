//! Hyperparameters, as TensorBoard's HPARAMS plugin keeps them: an experiment says which there are and by what results are measured,
//! a session gives their values.

use moa_core::{ExperimentSpec, PointKind, Weighting};
use serde_json::Value as Json;

use crate::event::Value;
use crate::wire::Message;

const PLUGIN: &str = "hparams";
/// The types of hyperparameters.
const STRING: u64 = 1;
const BOOL: u64 = 2;
const FLOAT: u64 = 3;
/// The state of a session that has ended well.
const SUCCESS: u64 = 1;

/// What belongs to a session alone.
const KIND: &str = "kind";

/// The settings of an experiment that a table of hyperparameters shows, by name.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    rewards: Vec<String>,
    settings: Vec<(String, Json)>,
}

impl Settings {
    /// Takes the settings of sampler, adapters, optimiser and training, and what is tied to the base how strongly, by the paths of
    /// their fields.
    pub(crate) fn of(spec: &ExperimentSpec) -> Self {
        let mut settings =
            vec![("seed".to_owned(), Json::from(spec.seed)), ("base".to_owned(), Json::from(&*spec.base))];
        for (name, part) in [
            ("sampler", serde_json::to_value(spec.sampler)),
            ("lora", serde_json::to_value(&spec.lora)),
            ("optimiser", serde_json::to_value(spec.optimiser)),
            ("training", serde_json::to_value(&spec.training)),
        ] {
            // Invariant: an experiment file was read from such fields.
            flatten(
                name,
                part.unwrap_or_else(|error| unreachable!("settings are plain values: {error}")),
                &mut settings,
            );
        }
        for reward in &spec.rewards {
            settings.extend(reward.kl.map(|kl| (format!("kl/{}", reward.name), Json::from(kl))));
        }
        settings.sort_by(|one, other| one.0.cmp(&other.0));
        Self { rewards: spec.reward_names(), settings }
    }

    /// Returns what the experiment is about: its hyperparameters, and the tags that results are measured by.
    pub(crate) fn experiment(&self, name: &str, time: f64, metrics: &[String]) -> Value {
        let info = |name: &str, kind: u64| Message::default().text(1, name).whole(4, kind);
        let mut experiment = Message::default().double(3, time).message(4, &info(KIND, STRING));
        for reward in &self.rewards {
            experiment = experiment.message(4, &info(&share(reward), FLOAT));
        }
        for (name, value) in &self.settings {
            let kind = if value.is_number() {
                FLOAT
            } else if value.is_boolean() {
                BOOL
            } else {
                STRING
            };
            experiment = experiment.message(4, &info(name, kind));
        }
        for tag in metrics {
            let metric = Message::default().message(1, &Message::default().text(2, tag));
            experiment = experiment.message(5, &metric);
        }
        plugin("experiment", 2, &experiment.text(6, name))
    }

    /// Returns the values of one point.
    pub(crate) fn session(&self, name: &str, kind: PointKind, weighting: Option<&Weighting>, time: f64) -> Value {
        let mut session = Message::default();
        let mut add = |name: &str, value: &Message| {
            session = std::mem::take(&mut session).message(1, &Message::default().text(1, name).message(2, value));
        };
        add(KIND, &Message::default().bytes(3, kind.name().as_bytes()));
        for (reward, share_) in self.rewards.iter().zip(weighting.map(Weighting::shares).unwrap_or_default()) {
            add(&share(reward), &Message::default().chosen_double(2, *share_));
        }
        for (name, value) in &self.settings {
            let value = match value {
                Json::Bool(value) => Message::default().chosen_bool(4, *value),
                Json::Number(value) => Message::default().chosen_double(2, value.as_f64().unwrap_or(f64::NAN)),
                Json::String(text) => Message::default().bytes(3, text.as_bytes()),
                other => Message::default().bytes(3, other.to_string().as_bytes()),
            };
            add(name, &value);
        }
        plugin("session_start_info", 3, &session.text(4, name).double(5, time))
    }
}

/// Returns that a session has ended well.
pub(crate) fn ended(time: f64) -> Value {
    plugin("session_end_info", 4, &Message::default().whole(1, SUCCESS).double(2, time))
}

fn plugin(tag: &str, field: u64, data: &Message) -> Value {
    Value::plugin(format!("_hparams_/{tag}"), PLUGIN, &Message::default().message(field, data))
}

fn share(reward: &str) -> String {
    format!("share/{reward}")
}

/// Adds the plain values below a path; what is not set is left out.
fn flatten(path: &str, value: Json, settings: &mut Vec<(String, Json)>) {
    match value {
        Json::Null => {}
        Json::Object(fields) => {
            for (name, value) in fields {
                flatten(&format!("{path}.{name}"), value, settings);
            }
        }
        Json::Array(values) if values.is_empty() => {}
        value => settings.push((path.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_plain_values_by_the_paths_of_their_fields() {
        let mut spec = ExperimentSpec { seed: 7, ..ExperimentSpec::default() };
        spec.training.epochs = 3;
        let settings = Settings::of(&spec).settings;
        let value = |name: &str| settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        assert_eq!(value("training.epochs"), Some(Json::from(3)));
        assert_eq!(value("seed"), Some(Json::from(7)));
        assert!(settings.iter().any(|(name, _)| name.starts_with("training.method.PolicyGradient.")), "{settings:?}");
        assert!(settings.iter().all(|(_, value)| !value.is_object() && !value.is_null()), "{settings:?}");
    }
}

//! A method with its settings as provenance says it: by name, and without what the method does not use.

use moa_core::provenance::MergeSettings;
use serde::de::IntoDeserializer;
use serde::de::value::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Merge, MergeMethod};

impl MergeMethod {
    fn keeps_a_share(self) -> bool {
        !matches!(self, Self::Mean | Self::Concatenate | Self::Svd | Self::Linear)
    }

    fn elects_signs(self) -> bool {
        matches!(self, Self::Ties | Self::TiesSvd | Self::DareTies | Self::DareTiesSvd)
    }

    fn draws(self) -> bool {
        matches!(self, Self::DareLinear | Self::DareLinearSvd | Self::DareTies | Self::DareTiesSvd)
    }
}

impl Merge {
    /// Returns the method with the settings that it uses.
    pub fn settings(&self) -> MergeSettings {
        let Self { method, rank, clamp, density, majority, seed } = *self;
        MergeSettings {
            method: name(method),
            density: method.keeps_a_share().then_some(density),
            majority: method.elects_signs().then(|| name(majority)),
            seed: method.draws().then_some(seed),
            rank,
            clamp,
        }
    }

    /// Returns the method of settings; nothing where a name in them is none of this version's.
    pub fn of(settings: &MergeSettings) -> Option<Self> {
        let usual = Self::default();
        Some(Self {
            method: named(&settings.method)?,
            rank: settings.rank,
            clamp: settings.clamp,
            density: settings.density.unwrap_or(usual.density),
            majority: settings.majority.as_deref().map_or(Some(usual.majority), named)?,
            seed: settings.seed.unwrap_or(usual.seed),
        })
    }
}

/// Returns the name under which a variant is serialised.
fn name(variant: impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(Value::String(name)) => name,
        _ => unreachable!("variants without fields are serialised as their names"),
    }
}

fn named<'de, T: Deserialize<'de>>(name: &'de str) -> Option<T> {
    let name: serde::de::value::StrDeserializer<'de, Error> = name.into_deserializer();
    T::deserialize(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MajoritySign;

    #[test]
    fn settings_say_what_the_method_uses_and_lead_back_to_it() {
        let merge = Merge { density: 0.3, seed: 7, majority: MajoritySign::Frequency, ..Merge::default() };
        assert_eq!(merge.settings(), MergeSettings::mean(), "the mean uses none of them");
        let ties = Merge { method: MergeMethod::Ties, ..merge.clone() }.settings();
        assert_eq!(ties.to_string(), "ties, density 0.3, majority frequency");
        let dare = Merge { method: MergeMethod::DareTiesSvd, rank: Some(3), ..merge };
        assert_eq!(Merge::of(&dare.settings()), Some(dare));
        assert_eq!(Merge::of(&MergeSettings { method: "stir".into(), ..MergeSettings::mean() }), None);
    }
}

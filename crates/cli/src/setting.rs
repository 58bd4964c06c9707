//! `--set`: values in place of an experiment file's.

use moa_core::experiment::{Place, Setting, SpecError};

/// Values in place of an experiment file's.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Settings {
    /// Set a field in place of the file's value, e.g. training.epochs=5; may be given several times
    ///
    /// PATH is a field's path, with [N] for an entry of a list: rewards[0].kl. VALUE is written as in an experiment file; shells take
    /// quotes away, so that texts are written --set 'name="my"'.
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = setting)]
    set: Vec<(String, Setting)>,
}

fn setting(text: &str) -> Result<(String, Setting), String> {
    Ok((text.to_owned(), Setting::parse("--set", text)?))
}

impl Settings {
    /// Returns the values.
    pub(crate) fn all(&self) -> Vec<Setting> {
        self.set.iter().map(|(_, setting)| setting.clone()).collect()
    }

    /// Returns what is wrong with an experiment, found after its file was read, with the setting named where that is what it is about.
    pub(crate) fn named_in(&self, error: SpecError) -> SpecError {
        let SpecError::Invalid { place, field, value, way_out } = error else { return error };
        let within =
            |path: &str| field.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        let pairs = self.set.iter().rev().filter_map(|(text, _)| text.split_once('='));
        let found = pairs.map(|(path, set)| (path.trim(), set.trim())).find(|(path, _)| within(path));
        match found {
            None => SpecError::Invalid { place, field, value, way_out },
            Some((path, set)) => {
                let place = Place { file: format!("--set {path}"), position: None };
                let value = if field == path { set.to_owned() } else { value };
                SpecError::Invalid { place, field, value, way_out }
            }
        }
    }

    /// Returns the arguments that set the same values in another process.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = String> + '_ {
        self.set.iter().flat_map(|(text, _)| ["--set".to_owned(), text.clone()])
    }
}

//! `--set`: values in place of an experiment file's.

use moa_core::experiment::Setting;

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

    /// Returns the arguments that set the same values in another process.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = String> + '_ {
        self.set.iter().flat_map(|(text, _)| ["--set".to_owned(), text.clone()])
    }
}

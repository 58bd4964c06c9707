//! The experiment file to start from.

/// Returns a commented experiment file with every field at its default, which [`ExperimentSpec::default`] is too.
///
/// [`ExperimentSpec::default`]: super::ExperimentSpec::default
pub fn template() -> &'static str {
    include_str!("template.ron")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::ExperimentSpec;
    use crate::experiment::outline::Outline;

    #[test]
    fn the_template_is_the_default_experiment() {
        assert_eq!(ExperimentSpec::from_ron(template(), "template.ron").unwrap(), ExperimentSpec::default());
    }

    #[test]
    fn the_template_names_every_field() {
        let written = Outline::new(template());
        for path in Outline::new(&ExperimentSpec::default().to_ron()).paths() {
            // A reward's name is its kind's unless given, its KL that of `training`, and nothing is kept up beside it.
            let left_out = ["].name", "].kl", "].beside"].iter().any(|end| path.ends_with(end));
            assert!(written.find(path).is_some() || left_out, "{path}");
        }
    }
}

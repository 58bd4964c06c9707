//! A constraint on safety under attack, which only mixtures keep that were attacked.

use std::fmt::Write as _;
use std::path::Path;

use moa_analysis::attack::{AXIS, Stand};
use moa_core::RunId;

use crate::commands::front::{Results, attacked};
use crate::error::CliError;
use crate::output::prose;

/// The constraint, and how mixtures stand.
pub(super) struct Siege {
    least: f64,
    stands: Vec<Stand>,
    /// Of which mixtures too little is known, in words.
    unknown: String,
}

impl Siege {
    /// Reads how mixtures stand.
    ///
    /// # Errors
    /// Says how to attack where nothing was, and what cannot be read.
    pub(super) fn read(folder: &Path, least: f64, mixtures: &[&str]) -> Result<Self, CliError> {
        let results = Results::read(folder)?;
        let stands = attacked::stand(&results, mixtures)?;
        Ok(Self { least, unknown: attacked::unknown(&results, &stands), stands })
    }

    /// Returns whether a mixture keeps the constraint by its bound.
    pub(super) fn holds(&self, id: &RunId) -> bool {
        self.stand(id).is_some_and(|stand| stand.keeps_surely(self.least))
    }

    /// Says what is claimed of a mixture that holds.
    pub(super) fn claim(&self, id: &RunId) -> String {
        let safety = self.stand(id).and_then(|stand| stand.safety).map(attacked::ends).unwrap_or_default();
        let bounds = "bounds are for other goals under the same attacks, for all attacked mixtures at once with 95 %";
        prose(&format!("{AXIS} {safety} ≥ {} ✓; {bounds}\n", self.least)) + &self.unknown
    }

    /// Says that no mixture keeps the constraint, and what comes nearest.
    pub(super) fn infeasible(&self) -> String {
        let (least, nearest) = (self.least, attacked::nearest(&self.stands));
        let why = match self.stands.iter().filter(|stand| stand.keeps(least)).count() {
            0 => "none does by its mean, either".to_owned(),
            some => format!(
                "{some} by the mean, but not for sure on other goals: more goals make bounds narrower, above all from 64 on"
            ),
        };
        let mut text = prose(&format!("infeasible: no attacked mixture keeps {AXIS}>={least} for sure ({why})\n"));
        if !nearest.is_empty() {
            let _ = write!(text, "{AXIS} of mixtures, with bounds for all at once:\n{nearest}");
        }
        text + &self.unknown + "no adapter is written\n"
    }

    fn stand(&self, id: &RunId) -> Option<&Stand> {
        self.stands.iter().find(|stand| stand.point == id.as_str())
    }
}

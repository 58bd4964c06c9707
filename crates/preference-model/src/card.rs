//! The card of a reward model: what it is, what it was measured to be worth, what it is not good for. Markdown.

use std::fmt::Write as _;

use crate::agreement::{Alpha, Consistency};
use crate::curve::LearningCurve;
use crate::estimate::Estimate;
use crate::file::Origin;
use crate::model::RewardModel;
use crate::validation::Validation;

/// What a card says beside the model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Card<'a> {
    /// The model's name.
    pub name: &'a str,
    /// The validation by prompt.
    pub validation: Option<&'a Validation>,
    /// The raters' agreement on pairs.
    pub agreement: Option<&'a Alpha>,
    /// Each rater's consistency.
    pub consistency: &'a [Consistency],
    /// The learning curve.
    pub curve: Option<&'a LearningCurve>,
}

fn percent(estimate: &Estimate) -> String {
    format!("{:.1} % ({:.1} to {:.1})", 100.0 * estimate.value, 100.0 * estimate.low, 100.0 * estimate.high)
}

/// Returns text as one line of a table or a list: no markup of the raters' or prompts' own.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '&' => plain.extend(['\\', c]),
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

impl Card<'_> {
    /// Returns the card as Markdown.
    pub fn markdown(&self, model: &RewardModel, origin: &Origin) -> String {
        let mut text = String::new();
        self.write(&mut text, model, origin).expect("writing to a string cannot fail");
        text
    }

    fn write(&self, text: &mut String, model: &RewardModel, origin: &Origin) -> std::fmt::Result {
        writeln!(text, "# {}\n", plain(self.name))?;
        writeln!(
            text,
            "A reward that predicts which of two images of a prompt its raters prefer: a linear head on features of an image,"
        )?;
        writeln!(text, "with the posterior of its weights.\n\n## What it is\n\n| | |\n|---|---|")?;
        let hash = |hash: &str| if hash.is_empty() { "not stated".to_owned() } else { format!("`{hash}`") };
        writeln!(text, "| features | {}, SHA-256 {} |", plain(&origin.embedding), hash(&origin.embedding_sha256))?;
        writeln!(text, "| ratings | SHA-256 {} |", hash(&origin.ratings_sha256))?;
        writeln!(text, "| fitted by | {} |", plain(&origin.made_by))?;
        writeln!(text, "| decisions | {} |", model.judgements())?;
        writeln!(text, "| weights | {} of {} determined |", model.determined().round(), model.space().components())?;
        writeln!(text, "| unit | logits of choice: a score higher by 1 is preferred with 73 % |")?;
        writeln!(text, "| ties | ν = {:.3} |\n", model.noise().ties.max(0.0))?;
        writeln!(text, "## Raters\n\n| rater | lapses | threshold of good | same answer again |\n|---|---|---|---|")?;
        for (rater, lapse) in model.raters().iter().zip(&model.noise().lapses) {
            let threshold = model.thresholds().iter().find(|known| known.rater == *rater);
            let threshold = threshold.map_or_else(|| "–".to_owned(), |known| format!("{:.2}", known.value));
            let again = self.consistency.iter().find(|known| known.rater == *rater);
            let again = again.and_then(|known| known.share.as_ref().map(|share| (known.repeats, share)));
            let again = again.map_or_else(
                || "not asked again".to_owned(),
                |(repeats, share)| format!("{}, {repeats} asked again", percent(share)),
            );
            writeln!(text, "| {} | {:.1} % | {threshold} | {again} |", plain(rater), 100.0 * lapse)?;
        }
        if let Some(agreement) = self.agreement {
            let Estimate { value, low, high } = agreement.alpha;
            writeln!(
                text,
                "\nKrippendorff's alpha on {} pairs of {} raters: {value:.2} ({low:.2} to {high:.2}).",
                agreement.units, agreement.raters
            )?;
        }
        writeln!(text, "\n## What it is worth\n")?;
        match self.validation {
            Some(validation) => Self::write_validation(text, validation)?,
            None => writeln!(text, "It was not validated on other prompts: its accuracy is unknown.")?,
        }
        if let Some(curve) = self.curve {
            let still = curve.still_needed();
            let decisions = |count: f64| if count.is_finite() { format!("{count}") } else { "no number of".to_owned() };
            writeln!(
                text,
                "\nDecisions still needed for {:.1} %: {} ({} to {}), if further ones are like those so far.",
                100.0 * curve.target,
                decisions(still.value),
                decisions(still.low),
                decisions(still.high)
            )?;
        }
        writeln!(text, "\n## What it is not good for\n")?;
        writeln!(
            text,
            "- Comparing images of different prompts, unless its raters labelled or scored images: pairs of one prompt say nothing of that."
        )?;
        writeln!(
            text,
            "- Images unlike those of its pool. Its variance is high there; train on its lower bound (`pessimism`), not on its mean."
        )?;
        writeln!(text, "- Speaking for others than its raters, or about anything that its features do not show.")?;
        writeln!(text, "- Judging what was trained on it: keep held-out judges, and ask people again.")
    }

    fn write_validation(text: &mut String, validation: &Validation) -> std::fmt::Result {
        let calibration = &validation.calibration;
        writeln!(
            text,
            "Cross-validated by prompt, on {} pairs of {} prompts; intervals at the bootstrap's level over prompts.\n",
            validation.pairs, validation.prompts
        )?;
        writeln!(text, "| | |\n|---|---|\n| accuracy | {} |", percent(&validation.accuracy))?;
        match &validation.ceiling {
            Some(ceiling) => writeln!(text, "| at most, by the raters' consistency | {} |", percent(ceiling))?,
            None => writeln!(text, "| at most, by the raters' consistency | unknown: nothing was asked again |")?,
        }
        writeln!(text, "| log-loss | {:.3} nats; chance is 0.693 |", calibration.log_loss)?;
        writeln!(text, "| calibration error | {:.1} % |", 100.0 * calibration.error)?;
        writeln!(text, "| best temperature | {:.2} |\n", calibration.temperature)?;
        writeln!(text, "| confidence | came true | weight |\n|---|---|---|")?;
        for bin in &calibration.bins {
            writeln!(text, "| {:.1} % | {:.1} % | {:.1} |", 100.0 * bin.confidence, 100.0 * bin.accuracy, bin.weight)?;
        }
        Ok(())
    }
}

//! `moa fit`: a reward, of what people or models judged.

use std::path::{Path, PathBuf};

use moa_preference_model::{Estimate, PreferenceModelError};
use moa_runner::{FitError, FitPart, FitRequest, FittedRatings, Look, RunnerError, fit};
use moa_zoo::NamedClip;

use crate::bar::work_with_bar;
use crate::error::CliError;
use crate::global::{Global, OneDevice};
use crate::hub;
use crate::output::{note, prose, say, warn};
use crate::shell::quoted;
use crate::text::count;

/// Fits a reward to judgements: what their raters prefer, with how sure that is.
///
/// The reward is a linear head on a CLIP's embeddings of image and prompt, with the posterior of its weights. It is validated on
/// prompts that it was not fitted to, and written with a card that says what it is worth. Experiments name its folder:
/// rewards: [(kind: Preference(model: "rewards/mine")), …]
///
/// Pairs, rankings, labels and scores all count, from `moa rate`, `moa ratings import`, or any file of docs/preferences.md.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa fit ratings -o rewards/mine
  moa fit ratings -o rewards/anns --by ann              of one rater's judgements
  moa fit ratings -o rewards/hands --tag hands          of judgements with a tag
  moa fit ratings -o rewards/mine --clip hf:openai/clip-vit-large-patch14")]
pub(crate) struct Arguments {
    /// The folder that `moa rate` wrote, or a file of preferences
    #[arg(value_name = "RATINGS")]
    ratings: PathBuf,

    /// The folder to write the reward into
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,

    /// The CLIP whose embeddings the reward sees: emoji-32 (built in), a folder, or hf:org/name
    ///
    /// The built-in one knows the images of emoji-32 alone.
    #[arg(long, value_name = "CLIP", default_value = "emoji-32")]
    clip: String,

    /// Count this rater's judgements alone; may be given several times
    #[arg(long, value_name = "RATER")]
    by: Vec<String>,

    /// Count judgements with this tag alone; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) device: OneDevice,
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let ratings = &arguments.ratings;
    if !ratings.exists() {
        return Err(CliError::usage(format!("{}: there is no such file or folder", ratings.display()))
            .hint("`moa rate results/my` shows images to judge, and writes the folder `ratings`"));
    }
    let output = &arguments.output;
    if output.exists() && !output.is_dir() {
        return Err(CliError::usage(format!("-o {}: it is a file", output.display())).hint("name a folder"));
    }
    let device = global.device.open_for(moa_core::experiment::Precision::F32, None)?;
    let (hub, places) = (hub::cache(), device.places());
    let clip = NamedClip::open(&arguments.clip, hub.as_deref(), &places.rewards)?;
    let request = FitRequest {
        ratings,
        look: Look { clip: &clip, hub: hub.as_deref(), places: &places },
        raters: &arguments.by,
        tags: &arguments.tag,
        made_by: concat!("moa ", env!("CARGO_PKG_VERSION")).into(),
    };
    let fitted = work_with_bar("fitting", global.quiet, |bar| {
        // Images take about as long as the fit; which of both, nobody knows before.
        fit(&request, &|part, share| bar(if part == FitPart::Looking { 0.5 * share } else { 0.5 + 0.5 * share }))
    })?;
    fitted.notes.iter().for_each(|said| note(said));
    fitted.write(output)?;
    if arguments.json {
        return crate::output::print(json(&fitted, output));
    }
    tell(&fitted, output)
}

fn percent(estimate: &Estimate) -> String {
    format!("{:.1} % ({:.1} to {:.1})", 100.0 * estimate.value, 100.0 * estimate.low, 100.0 * estimate.high)
}

/// Prints what came out.
fn tell(fitted: &FittedRatings, output: &Path) -> Result<(), CliError> {
    let FittedRatings { model, validation, curve, .. } = fitted;
    let mut lines = vec![format!(
        "{} of {} on {} of {}",
        count(model.judgements() as u64, "judgement"),
        count(model.raters().len() as u64, "rater"),
        count(fitted.images as u64, "image"),
        count(fitted.prompts as u64, "prompt")
    )];
    match validation {
        Ok(validation) => {
            lines.push(format!("accuracy on other prompts   {}", percent(&validation.accuracy)));
            if let Some(ceiling) = &validation.ceiling {
                lines.push(format!("  at most, as raters repeat  {}", percent(ceiling)));
            }
            lines.push(format!("calibration error           {:.1} %", 100.0 * validation.calibration.error));
        }
        Err(error) => lines.push(format!("accuracy on other prompts   unknown: {}", why(error))),
    }
    if let Some(agreement) = &fitted.agreement {
        let alpha = agreement.alpha;
        lines.push(format!(
            "agreement of raters         alpha {:.2} ({:.2} to {:.2}) on {} pairs",
            alpha.value, alpha.low, alpha.high, agreement.units
        ));
    }
    for rater in fitted.consistency.iter().filter(|rater| rater.repeats > 0) {
        if let Some(share) = &rater.share {
            let text = format!("{} asked again", count(rater.repeats as u64, "question"));
            lines.push(format!("{} answers the same again   {} ({text})", rater.rater, percent(share)));
        }
    }
    match curve {
        Ok(curve) => lines.push(still_needed(curve)),
        Err(error) => lines.push(format!("judgements still needed     unknown: {}", why(error))),
    }
    for line in lines {
        crate::output::print(format!("{line}\n"))?;
    }
    say(&format!("wrote {}: the model, and README.md, a card that says what it is worth", output.display()));
    let form = format!("rewards: [(kind: Preference(model: {:?})), …]", output.display().to_string());
    say(&prose(&format!("train on it: {form}; the path counts from the experiment file's folder")));
    if validation.as_ref().is_ok_and(|validation| validation.accuracy.low <= 0.5) {
        warn(&format!(
            "on other prompts it is not known to be better than chance: judge more with `moa rate {}`",
            quoted(&fitted.file.parent().unwrap_or(Path::new(".")).display().to_string())
        ));
    }
    Ok(())
}

fn still_needed(curve: &moa_preference_model::LearningCurve) -> String {
    let still = curve.still_needed();
    let figure = |count: f64| if count.is_finite() { format!("{count}") } else { "no number".to_owned() };
    if curve.limit.value <= 0.5 || still.value.is_infinite() {
        return "judgements still needed     unknown: accuracy does not grow with those so far".into();
    }
    if still.value == 0.0 {
        return format!(
            "judgements still needed     none: accuracy is near to what it tends to, {:.0} %",
            100.0 * curve.limit.value
        );
    }
    format!(
        "judgements still needed     about {} ({} to {}) for {:.0} %",
        figure(still.value),
        figure(still.low),
        figure(still.high),
        100.0 * curve.target
    )
}

fn why(error: &PreferenceModelError) -> String {
    match error {
        PreferenceModelError::TooFew { why, .. } => why.clone(),
        other => other.to_string(),
    }
}

fn json(fitted: &FittedRatings, output: &Path) -> String {
    let estimate = |estimate: &Estimate| serde_json::json!([estimate.value, estimate.low, estimate.high]);
    let finite = |value: f64| if value.is_finite() { serde_json::json!(value) } else { serde_json::Value::Null };
    let validation = fitted.validation.as_ref().ok();
    let curve = fitted.curve.as_ref().ok();
    let value = serde_json::json!({
        "model": output.display().to_string(),
        "judgements": fitted.model.judgements(),
        "raters": fitted.model.raters(),
        "images": fitted.images,
        "prompts": fitted.prompts,
        "accuracy": validation.map(|validation| estimate(&validation.accuracy)),
        "ceiling": validation.and_then(|validation| validation.ceiling.as_ref().map(estimate)),
        "calibration_error": validation.map(|validation| validation.calibration.error),
        "agreement_alpha": fitted.agreement.as_ref().map(|agreement| estimate(&agreement.alpha)),
        "still_needed": curve.map(|curve| { let still = curve.still_needed(); [finite(still.value), finite(still.low), finite(still.high)] }),
        "limit": curve.map(|curve| estimate(&curve.limit)),
    });
    format!("{value:#}\n")
}

impl From<FitError> for CliError {
    fn from(error: FitError) -> Self {
        let hint = match &error {
            FitError::Model { .. } => Some("judge more images, of more prompts: `moa rate`".to_owned()),
            FitError::Nothing { .. } => Some("leave --by and --tag out, or name what is there".to_owned()),
            FitError::Runner(RunnerError::Image { .. }) => {
                Some("restore the image, or take its records out of the file".to_owned())
            }
            _ => None,
        };
        Self::failure(format!("failed to fit {error}")).maybe_hint(hint)
    }
}

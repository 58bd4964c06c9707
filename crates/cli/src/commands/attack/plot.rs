//! What attacks found out, as a drawing.

use std::path::{Path, PathBuf};

use moa_analysis::attack::{AttackReport, Rate, VictimReport};
use moa_plot::{AttackedModel, Success, draw_attacks};
use moa_store::Layout;

use crate::error::CliError;

/// Models that are drawn, at most: more are not told apart.
const MOST_MODELS: usize = 12;

/// Draws the plot into the results, and returns its files; none where nothing was attacked.
///
/// Of many models the base is drawn and the first of the others.
///
/// # Errors
/// Says which file cannot be written.
pub(super) fn draw(report: &AttackReport, results: &Path) -> Result<Vec<PathBuf>, CliError> {
    let attacked = || report.victims.iter().filter(|victim| !victim.attacks.is_empty());
    let is_base = |victim: &&VictimReport| victim.name == "base";
    let in_order = attacked().filter(is_base).chain(attacked().filter(|victim| !is_base(victim)));
    let models: Vec<AttackedModel> = in_order.take(MOST_MODELS).map(model).collect();
    if models.is_empty() {
        return Ok(Vec::new());
    }
    let left_out = attacked().count() - models.len();
    let more = if left_out == 0 { String::new() } else { format!(" (and {left_out} more that are not drawn)") };
    let title = format!("Success of attacks, with 95 % intervals over goals{more}");
    let layout = Layout::new(results);
    let draw_as = |ending: &str| {
        let file = layout.plot_file(&format!("attacks.{ending}"));
        draw_attacks(&file, &title, &models)
            .map_err(|error| CliError::failure(format!("failed to draw attacks: {error}")))?;
        Ok(file)
    };
    ["svg", "png"].into_iter().map(draw_as).collect()
}

fn model(victim: &VictimReport) -> AttackedModel {
    let success = |rate: &Rate| Success {
        attack: rate.attack.clone(),
        share: rate.success.into(),
        curve: rate.curve.iter().map(|(passes, share)| (*passes as f64, *share)).collect(),
    };
    AttackedModel { label: victim.name.clone(), successes: victim.attacks.iter().map(success).collect() }
}

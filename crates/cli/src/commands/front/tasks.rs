//! `moa front --tasks`: a score by what prompts ask for.

use moa_analysis::TaskMeans;
use moa_core::experiment::PromptSource;
use moa_core::{EvaluationRecord, PointKind, ScoreColumn};

use super::Results;
use crate::error::CliError;
use crate::output::prose;
use crate::paint;
use crate::text::Table;

/// Returns a line for each point with the mean score of each task.
///
/// # Errors
/// Refuses a name that no reward or judge has, and experiments none of whose prompts is of a task.
pub(super) fn describe(results: &Results, name: &str) -> Result<String, CliError> {
    let evaluations = &results.snapshot.evaluations;
    let column = |record: &EvaluationRecord| -> Option<ScoreColumn> {
        record.rewards.iter().chain(&record.judges).find(|column| column.name == name).cloned()
    };
    let Some(first) = evaluations.first() else { return Ok("nothing is evaluated yet\n".into()) };
    if !evaluations.iter().any(|record| column(record).is_some()) {
        let known: Vec<&str> = first.rewards.iter().chain(&first.judges).map(|column| column.name.as_str()).collect();
        let problem = format!("no reward or judge is named `{name}`");
        return Err(CliError::usage(problem).hint(format!("give one of {}", known.join(", "))));
    }
    // The experiment as it is kept in results lists its prompts.
    let prompts = match &results.spec.prompts.held_out {
        PromptSource::List(prompts) => &prompts[..first.prompts().min(prompts.len())],
        _ => &[],
    };
    let means: Vec<(&EvaluationRecord, Option<TaskMeans>)> =
        evaluations.iter().map(|record| (record, column(record).and_then(|of| TaskMeans::of(&of, prompts)))).collect();
    let Some(all) = means.iter().find_map(|(_, means)| means.as_ref()) else {
        let problem = format!("`{name}` has no prompts of the built-in scenes, whose tasks are known");
        return Err(CliError::failure(problem));
    };
    let heads = all.tasks.iter().map(|of| format!("{} ({})", of.task, of.prompts));
    let mut table = Table::new(["point".into()].into_iter().chain(heads).chain(["overall".into()]));
    for (record, means) in &means {
        let point = match record.kind {
            PointKind::Base => format!("{} (before training)", record.id),
            _ => record.id.to_string(),
        };
        let of = |task: &str| means.as_ref().and_then(|means| means.tasks.iter().find(|of| of.task == task));
        let cells = all.tasks.iter().map(|head| of(head.task).map_or("–".into(), |of| format!("{:.3}", of.mean)));
        let overall = means.as_ref().map_or("–".into(), |means| format!("{:.3}", means.overall));
        table.row([point].into_iter().chain(cells).chain([overall]));
    }
    let legend = format!(
        "the mean of {name} over the held-out prompts of each task of GenEval (number of prompts), and over the tasks; two_object is that \
         of three objects here\n"
    );
    Ok(paint::table(&table.render_with_left(1), |_| false) + &prose(&legend))
}

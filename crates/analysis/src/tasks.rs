//! Scores by what prompts ask for, as GenEval (Ghosh et al., 2310.11513) reports them.

use moa_core::ScoreColumn;
use moa_scenes::{Kind, parse_caption};

/// A reward's or judge's means over the prompts of each of GenEval's tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskMeans {
    /// The mean of each task, in the order of [`Kind::ALL`]; tasks without prompts are left out. What a mean hides: how few prompts it
    /// may be of.
    pub tasks: Vec<TaskMean>,
    /// The mean over the tasks, each counted alike, which GenEval calls the overall score.
    pub overall: f64,
}

/// The mean over the prompts of one task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskMean {
    /// GenEval's name of the task.
    pub task: &'static str,
    /// Prompts.
    pub prompts: usize,
    /// The mean score.
    pub mean: f64,
}

impl TaskMeans {
    /// Returns the means of a column over the captions of the built-in scenes among the evaluation's prompts; nothing where none is one,
    /// or the column does not say which prompts it has.
    pub fn of<P: AsRef<str>>(column: &ScoreColumn, prompts: &[P]) -> Option<Self> {
        let places = column.places(prompts.len())?;
        let kind = |place: usize| parse_caption(prompts.get(place)?.as_ref()).map(|scene| scene.kind());
        let kinds: Vec<Option<Kind>> = places.into_iter().map(kind).collect();
        let task = |wanted: Kind| {
            let of_kind = kinds.iter().zip(&column.prompt_means).filter(|(kind, _)| **kind == Some(wanted));
            let (prompts, sum) = of_kind.fold((0, 0.0), |(count, sum), (_, mean)| (count + 1, sum + mean));
            (prompts > 0).then(|| TaskMean { task: wanted.task(), prompts, mean: sum / prompts as f64 })
        };
        let tasks: Vec<TaskMean> = Kind::ALL.into_iter().filter_map(task).collect();
        let overall = tasks.iter().map(|task| task.mean).sum::<f64>() / tasks.len() as f64;
        (!tasks.is_empty()).then_some(Self { tasks, overall })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_counts_alike_whatever_its_number_of_prompts() {
        let prompts = [
            "a cat on a red background",
            "two cats on a blue background",
            "a portrait",
            "a dog on a red background",
            "an apple on a blue background",
            "a red cat left of a dog on a blue background",
        ];
        let column = ScoreColumn::of_all("gen_eval", vec![1.0, 0.25, 0.0, 0.5, 0.0, 1.0]);
        let found = TaskMeans::of(&column, &prompts).unwrap();
        let tasks: Vec<(&str, usize, f64)> = found.tasks.iter().map(|of| (of.task, of.prompts, of.mean)).collect();
        assert_eq!(tasks, [("single_object", 3, 0.5), ("color_attr", 1, 1.0), ("counting", 1, 0.25)]);
        assert!((found.overall - 1.75 / 3.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn judges_that_leave_prompts_out_keep_the_places_of_the_others() {
        let prompts = ["a portrait", "two cats on a blue background", "a cat on a red background"];
        let column = ScoreColumn::of_some("composition", &[None, Some(0.75), Some(0.5)]).unwrap();
        let found = TaskMeans::of(&column, &prompts).unwrap();
        let means: Vec<(&str, f64)> = found.tasks.iter().map(|of| (of.task, of.mean)).collect();
        assert_eq!(means, [("single_object", 0.5), ("counting", 0.75)]);
        assert_eq!(TaskMeans::of(&ScoreColumn::of_all("x", vec![1.0]), &["a portrait"]), None);
    }
}

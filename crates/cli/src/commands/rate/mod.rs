//! `moa rate`: people and models judge images.

mod chooser;
mod images;
mod model;
mod page;
mod simulated;
mod terminal;

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use moa_feedback::{Asking, FeedbackError, PoolFolder};
use moa_preferences::Preferences;
use moa_rating::{Desk, Mode, Options, RatingError};
use moa_rating_server::ServerError;

use crate::error::CliError;
use crate::global::{Global, OneDevice};
use crate::output::{is_live_terminal, note, prose, say, warn};
use crate::shell;
use crate::terminal::Look;
use crate::text::count;

/// Shows images to judge on a page of this machine, or in the terminal: which of two is better, which is best of several, good or bad, or a score.
///
/// Images are drawn of training prompts, by the base and by adapters and soups of an experiment, and nobody who rates is told which drew
/// what. What is asked next is what the answers so far leave open. Every answer is on the disk, in `preferences.jsonl`, before the next
/// question is shown: stop whenever you like, and go on with the same command.
///
/// `moa fit` makes a reward of the answers; DPO and KTO train on them directly (docs/preferences.md). The page is for this machine alone,
/// and only for who has its address; several people may rate at once, each under a name of their own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa rate results/my                             draw images to judge into `ratings`, and show the page
  moa rate ratings                                go on
  moa rate results/my --mode ranking --shown 4
  moa rate results/my --tag hands --tag colours   offer reasons
  moa rate ratings --terminal --who ann           in the terminal, over ssh too
  ssh -L 8080:127.0.0.1:8080 host moa rate results/my --port 8080   on another machine
  MOA_AI_URL=http://127.0.0.1:8000/v1 moa rate results/my --by-model qwen2.5-vl --rubric rubric.md
  moa fit ratings -o rewards/mine                 make a reward of it")]
pub(crate) struct Arguments {
    /// An experiment's results or file, whose images are judged; or a folder of ratings, to go on
    #[arg(value_name = "RESULTS|RATINGS")]
    of: PathBuf,

    /// The folder with images and answers, where an experiment is named
    #[arg(long, short, value_name = "FOLDER", default_value = "ratings")]
    ratings: PathBuf,

    /// What is asked
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Asked::Pairs)]
    mode: Asked,

    /// Images that a ranking shows
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(3..=9))]
    shown: u8,

    /// The best score; the worst is 1
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=10))]
    best: u32,

    /// Answers that are wanted; nothing ends there
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    goal: u32,

    /// Training prompts of which images are drawn
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    prompts: u32,

    /// Images of each prompt by each adapter
    #[arg(long, short = 'n', value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    count: u32,

    /// Adapters and soups that draw, beside the base; of more, some that are evenly apart in the experiment's order
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=1000))]
    adapters: u32,

    /// How questions are chosen
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Way::Prediction)]
    ask: Way,

    /// The CLIP by which questions are chosen: emoji-32 (built in), a folder, or hf:org/name [default: the built-in one, for images of its
    /// size; for others questions are random]
    #[arg(long, value_name = "CLIP")]
    clip: Option<String>,

    /// Offer a reason as a tag; may be given several times
    #[arg(long, value_name = "WORD")]
    tag: Vec<String>,

    /// The share of questions that all raters are asked, so that their agreement is known
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    overlap: f64,

    /// The share of a rater's questions that are asked again, so that the rater's consistency is known
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    repeats: f64,

    /// The page's port on 127.0.0.1 [default: any that is free]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,

    /// Rate in this terminal, with the page's keys, and show no page
    #[arg(long, conflicts_with_all = ["port", "by_model", "simulate"])]
    terminal: bool,

    /// The rater's name in the terminal [default: the terminal asks]
    #[arg(long, value_name = "NAME", requires = "terminal")]
    who: Option<String>,

    #[command(flatten)]
    look: Look,

    /// Have a model answer in place of people, by this name of a chat endpoint that speaks OpenAI's protocol (vLLM, llama.cpp, …)
    ///
    /// MOA_AI_URL has its address, such as http://127.0.0.1:8000/v1, and MOA_AI_KEY its key, if it wants one. It is asked until the goal is
    /// reached; its answers are kept under its name. Pairs are asked in both orders, so that a preference for a position cancels.
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["port", "simulate"])]
    by_model: Option<String>,

    /// What the model is told to look for: a file of text [default: moa's own]
    #[arg(long, value_name = "FILE", requires = "by_model")]
    rubric: Option<PathBuf>,

    /// The most tokens that the model may spend
    #[arg(long, value_name = "N", requires = "by_model")]
    tokens: Option<u64>,

    /// For trials: have so many questions answered by a formula that stands for a person, and show no page
    #[arg(long, value_name = "N", conflicts_with = "port")]
    simulate: Option<u32>,

    /// The seed of what is drawn, asked and simulated
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,

    #[command(flatten)]
    pub(crate) device: OneDevice,
}

/// How long a model waits until it is known what to ask it next.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Asked {
    /// Which of two images is better
    Pairs,
    /// The order of several images
    Ranking,
    /// Whether an image is good or bad
    Labels,
    /// How good an image is
    Scores,
}

/// How questions are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Way {
    /// Where the answer makes predictions of all pairs surer
    Prediction,
    /// Where the answer says most about the reward
    Bald,
    /// Where the answer may change which adapter is the best
    Front,
    /// At random, evenly
    Random,
}

impl From<Way> for Asking {
    fn from(way: Way) -> Self {
        match way {
            Way::Prediction => Self::Prediction,
            Way::Bald => Self::Bald,
            Way::Front => Self::Front,
            Way::Random => Self::Random,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    if arguments.terminal {
        terminal::check()?;
    }
    let options = options(arguments);
    let folder = images::folder(arguments, global)?;
    let pool = folder.pool();
    if pool.images().is_empty() {
        return Err(CliError::failure(format!("{} has no images", folder.path().display()))
            .hint("draw some: `moa rate results/my`"));
    }
    let answers = folder.preferences();
    for said in Preferences::begun(&answers)?.notes() {
        note(&said);
    }
    let chooser = chooser::open(arguments, global, &folder)?;
    let desk = Desk::open(&answers, pool, chooser, options)?;
    match (&arguments.by_model, arguments.simulate) {
        (Some(name), _) => model::attend(arguments, global, name, &desk)?,
        (None, Some(count)) => simulated::attend(arguments, global, &folder, &desk, count)?,
        (None, None) if arguments.terminal => terminal::attend(arguments, &folder, &desk)?,
        (None, None) => page::serve(arguments, global, &folder, &desk)?,
    }
    tell(&folder, &desk);
    Ok(())
}

fn options(arguments: &Arguments) -> Options {
    let mode = match arguments.mode {
        Asked::Pairs => Mode::Pairs,
        Asked::Ranking => Mode::Ranking { images: arguments.shown.into() },
        Asked::Labels => Mode::Labels,
        Asked::Scores => Mode::Scores { best: arguments.best },
    };
    Options {
        overlap: arguments.overlap,
        repeats: arguments.repeats,
        goal: Some(arguments.goal as usize),
        // People are not kept waiting for what is asked next.
        patience: if arguments.by_model.is_some() { PATIENCE } else { Duration::ZERO },
        tags: arguments.tag.clone(),
        seed: arguments.seed,
        ..Options::new(mode)
    }
}

/// Returns a bar of answers towards the goal, with what `template` says behind it; a hidden one where nobody would see it redrawn.
fn bar_of_answers(goal: u32, template: &str, quiet: bool) -> ProgressBar {
    let target = if quiet || !is_live_terminal() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template(&format!("answers  {{bar:32}} {{pos}} of {{len}}  {template}"));
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ");
    ProgressBar::with_draw_target(Some(goal.into()), target).with_style(style)
}

/// Says what there is now, and what may follow.
fn tell(folder: &PoolFolder, desk: &Desk) {
    let progress = desk.progress();
    let raters = progress.raters.iter().filter(|rater| rater.answered > 0).count();
    say(&format!(
        "{} of {} in {}",
        count(progress.answered as u64, "answer"),
        count(raters as u64, "rater"),
        folder.preferences().display()
    ));
    if !progress.learned.text.is_empty() {
        say(&prose(&progress.learned.text));
    }
    if progress.answered > 0 {
        let fit = shell::line(["moa", "fit", &shown(folder.path()), "-o", "rewards/mine"]);
        say(&format!("make a reward of them: {fit}"));
    } else {
        warn("nothing was answered; the same command goes on");
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

impl From<RatingError> for CliError {
    fn from(error: RatingError) -> Self {
        Self::failure(format!("failed to rate: {error}"))
    }
}

impl From<FeedbackError> for CliError {
    fn from(error: FeedbackError) -> Self {
        Self::failure(format!("failed to rate: {error}"))
    }
}

impl From<ServerError> for CliError {
    fn from(error: ServerError) -> Self {
        let hint = match &error {
            ServerError::Listen { port, .. } if *port != 0 => Some("leave --port out, or give another".to_owned()),
            _ => None,
        };
        Self::failure(format!("failed to {error}")).maybe_hint(hint)
    }
}

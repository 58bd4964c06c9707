//! `moa pretrain`: the embedded models themselves, from scenes drawn on the spot.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use moa_store::{StoreError, write_atomically};
use moa_zoo::pretrain::{Hooks, ModelFiles, Parts, PretrainError, PretrainSpec, PretrainSpecError, Progress, pretrain};

use crate::error::CliError;
use crate::global::{Global, OneDevice};
use crate::interrupt::{self, Stop};
use crate::output::{is_live_terminal, note};
use crate::text::{count, duration};

/// Trains a part of the built-in model again.
///
/// It learns from scenes that are drawn during training. Sweeps do not need this: the trained parts are built in. The same command resumes from the
/// last checkpoint after a stop or a kill; the current model is in the folder's `preview`. Parts that build on others (the denoiser on
/// captions, emoji-32 on the denoiser, CLIP on captions and emoji-32, heads on these two) look for them beside their own folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa pretrain experiments/pretrain/captions.ron && moa pretrain experiments/pretrain/denoiser.ron
  moa pretrain experiments/pretrain/detector.ron --out /tmp/parts/detector --device libtorch")]
pub(crate) struct Arguments {
    /// The pre-training file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Where the model and its checkpoint go [default: results/pretrain/<name of the file>]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) device: OneDevice,
}

/// Seconds between lines where nothing can be redrawn.
const LINE_EVERY: Duration = Duration::from_secs(10);

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let spec = read_spec(&arguments.file)?;
    let device = global.device.open()?;
    let stem = arguments.file.file_stem().unwrap_or_default();
    let out = arguments.out.clone().unwrap_or_else(|| Path::new("results/pretrain").join(stem));
    fs::create_dir_all(&out)
        .map_err(|error| CliError::failure(format!("failed to create {}: {error}", out.display())))?;
    let checkpoint_file = out.join("checkpoint.safetensors");
    let checkpoint = read_checkpoint(&checkpoint_file)?;
    if !global.quiet {
        let target = format!("{:?}", spec.target).to_lowercase();
        let again = if checkpoint.is_some() { ", going on from its checkpoint" } else { "" };
        let steps = count(spec.steps, "step");
        note(&format!("moa pretrain {target}: {steps} on {}, into {}{again}", device.description(), out.display()));
    }
    let bar = bar(spec.steps, global.quiet);
    let above = bar.clone();
    let stop =
        interrupt::catch(move || above.suspend(|| note("saving; Ctrl-C again stops at once (nothing is lost)")))?;
    let mut keeper = Keeper {
        out: out.clone(),
        checkpoint_file,
        bar,
        stop,
        lines: !global.quiet && !is_live_terminal(),
        began: None,
        last_line: Instant::now(),
    };
    // `.` and `..` have no name that could be taken off.
    let parts = Parts::new(match (out.file_name(), out.parent()) {
        (Some(_), Some(beside)) => beside.to_owned(),
        _ => out.join(".."),
    });
    let finished = pretrain(&spec, &parts, &device.device, checkpoint.as_deref(), &mut keeper);
    keeper.bar.finish_and_clear();
    match finished.map_err(|error| refused(&keeper.checkpoint_file, error))? {
        Some(files) => {
            keep(&out, &files)?;
            // It shows nothing that the model itself does not.
            let _ = fs::remove_dir_all(keeper.preview_folder());
            if !global.quiet {
                note(&format!("wrote {}", out.display()));
            }
            Ok(())
        }
        None => Err(CliError::interrupted(format!("stopped and saved in {}; the same command resumes", out.display()))),
    }
}

fn read_spec(file: &Path) -> Result<PretrainSpec, CliError> {
    let shown = file.display();
    let text =
        fs::read_to_string(file).map_err(|error| CliError::usage(format!("{shown}: cannot be read: {error}")))?;
    PretrainSpec::from_ron(&text).map_err(|error| {
        let place = match &error {
            PretrainSpecError::Syntax(error) => format!(":{}:{}", error.span.start.line, error.span.start.col),
            PretrainSpecError::Impossible { .. } => String::new(),
        };
        CliError::usage(format!("{shown}{place}: {error}"))
    })
}

fn read_checkpoint(file: &Path) -> Result<Option<Vec<u8>>, CliError> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::failure(format!("failed to read {}: {error}", file.display()))),
    }
}

/// Names the checkpoint where that is what stops it.
fn refused(checkpoint: &Path, error: PretrainError) -> CliError {
    match error {
        error @ PretrainError::Checkpoint(_) => {
            CliError::failure(format!("failed to resume from {}: {error}", checkpoint.display()))
        }
        error => error.into(),
    }
}

fn bar(steps: u64, quiet: bool) -> ProgressBar {
    let target = if quiet || !is_live_terminal() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{pos}/{len} {bar:32} loss {msg}  {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ");
    ProgressBar::with_draw_target(Some(steps), target).with_style(style)
}

/// Writes what pre-training hands over, and shows how far it is.
struct Keeper {
    out: PathBuf,
    checkpoint_file: PathBuf,
    bar: ProgressBar,
    stop: Stop,
    /// Whether lines are written, as nothing can be redrawn.
    lines: bool,
    /// When the first step of this process ended, and which it was.
    began: Option<(Instant, u64)>,
    last_line: Instant,
}

impl Keeper {
    /// Returns the folder of the model as it stands: the part's own holds none but finished ones, which other parts build on.
    fn preview_folder(&self) -> PathBuf {
        self.out.join("preview")
    }

    fn line(&mut self, progress: &Progress) {
        let now = Instant::now();
        let (began, first) = *self.began.get_or_insert((now, progress.step));
        if !self.lines || now - self.last_line < LINE_EVERY && progress.step < progress.steps {
            return;
        }
        self.last_line = now;
        let taken = progress.step - first;
        let left = progress.steps.saturating_sub(progress.step) as f64 / taken.max(1) as f64;
        let left =
            if taken > 0 { format!(", about {} left", duration((now - began).mul_f64(left))) } else { String::new() };
        note(&format!("step {}/{}: loss {:.4}{left}", progress.step, progress.steps, progress.loss));
    }
}

impl Hooks for Keeper {
    fn progress(&mut self, progress: &Progress) -> bool {
        if self.began.is_none() {
            self.bar.set_position(progress.step);
            self.bar.reset_eta();
        }
        self.bar.set_message(format!("{:.4}", progress.loss));
        self.bar.set_position(progress.step);
        self.line(progress);
        !self.stop.is_asked()
    }

    fn checkpoint(&mut self, bytes: &[u8]) -> Result<(), PretrainError> {
        write(&self.checkpoint_file, bytes)
    }

    fn preview(&mut self, files: &ModelFiles) -> Result<(), PretrainError> {
        keep(&self.preview_folder(), files)
    }
}

fn keep(folder: &Path, files: &ModelFiles) -> Result<(), PretrainError> {
    files.iter().try_for_each(|(name, bytes)| write(&folder.join(name), bytes))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), PretrainError> {
    write_atomically(path, bytes).map_err(|error| match error {
        StoreError::Write { path, source } | StoreError::Read { path, source } => PretrainError::File { path, source },
        other => PretrainError::File { path: path.to_path_buf(), source: std::io::Error::other(other.to_string()) },
    })
}

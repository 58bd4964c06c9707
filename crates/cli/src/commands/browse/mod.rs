//! `moa browse`: the terminal UI on results.

mod bench;
mod figures;
mod measure;
mod preview;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::SystemTime;

use moa_tui::{App, Helpers, Message, Painter};

use crate::error::CliError;
use crate::global::{Devices, Global};
use crate::interrupt;
use crate::results;
use crate::terminal::{Look, Screen, listen};

/// Shows fronts, curves and images in the terminal, and slides between adapters.
///
/// Opens a folder of results, one experiment in it, or the fronts of several over each other. A sweep that runs in another
/// terminal is followed live; neither disturbs the other. `?` shows all keys, and the mouse works, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa browse                      everything under results/
  moa browse results/pareto       one experiment
  moa browse results/a results/b  the fronts of both over each other
  moa browse --theme light        on a light background, where the terminal does not say so itself
  NO_COLOR=1 moa browse           without colours")]
pub(crate) struct Arguments {
    /// A folder of results, or experiments, by their folders or files: of several, the fronts over each other
    #[arg(value_name = "DIR", default_value = "results", env = results::LIBRARY, hide_env_values = true)]
    results: Vec<PathBuf>,

    #[command(flatten)]
    look: Look,

    #[command(flatten)]
    pub(crate) devices: Devices,
}

/// What to do without a terminal.
pub(crate) const PLAINLY: &str =
    "`moa front DIR` prints the front as text, and `moa sweep FILE --plain` shows progress as lines";

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    // A folder of experiments is what this opens, too.
    let find = |path: &PathBuf| if path.is_dir() { Ok(path.clone()) } else { results::find(path) };
    let opened = Opened::find(&arguments.results.iter().map(find).collect::<Result<Vec<_>, _>>()?)?;
    let screen = Screen::take(arguments.look, PLAINLY)?;
    let (sender, inbox) = channel();
    let stopped = sender.clone();
    interrupt::catch(move || drop(stopped.send(Message::Stop)))?;
    show(screen, &opened, global, false, sender, &inbox)
}

/// What is opened.
pub(crate) struct Opened {
    /// The folder that experiments are looked for in.
    pub(crate) library: Option<PathBuf>,
    /// The experiment that is shown first.
    pub(crate) experiment: Option<PathBuf>,
    /// Experiments that are compared; the comparison is then shown first.
    pub(crate) compared: Vec<PathBuf>,
}

impl Opened {
    /// Tells an experiment from a folder of experiments, and from several.
    fn find(paths: &[PathBuf]) -> Result<Self, CliError> {
        let [path] = paths else { return Self::several(paths) };
        if !path.is_dir() {
            let what = if path.exists() { "is not a folder" } else { "is not there" };
            return Err(CliError::usage(format!("{} {what}", path.display()))
                .hint("name a folder of results; `moa sweep experiments/quick.ron` makes some in a minute"));
        }
        if !results::is_experiment(path) {
            return Ok(Self { library: Some(path.clone()), experiment: None, compared: Vec::new() });
        }
        Ok(Self { library: parent(path), experiment: Some(path.clone()), compared: Vec::new() })
    }

    fn several(paths: &[PathBuf]) -> Result<Self, CliError> {
        if let Some(path) = paths.iter().find(|path| !results::is_experiment(path)) {
            return Err(CliError::usage(format!("{} holds no results of an experiment", path.display()))
                .hint("of several folders each must be one experiment's: their fronts are shown over each other"));
        }
        let library = paths.first().and_then(|path| parent(path));
        Ok(Self { library, experiment: None, compared: paths.to_vec() })
    }
}

/// Returns the folder that an experiment lies in.
pub(crate) fn parent(path: &Path) -> Option<PathBuf> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        Some(parent) => Some(parent.to_path_buf()),
        None => None,
    }
}

/// Shows the UI until it is left.
pub(crate) fn show(
    mut screen: Screen,
    opened: &Opened,
    global: Global,
    sweeps: bool,
    sender: Sender<Message>,
    inbox: &Receiver<Message>,
) -> Result<(), CliError> {
    let painter = Painter::new(screen.picker.clone(), screen.theme);
    let helpers = Helpers::start(opened.library.clone(), painter, &sender);
    let worker = worker::start(global, &sender);
    listen(std::mem::take(&mut screen.typed), sender, Message::Input, Message::Stop);
    let mut app = App::new(screen.theme, SystemTime::now(), opened.library.clone());
    if let Some(experiment) = &opened.experiment {
        app.open(experiment.clone());
    }
    if !opened.compared.is_empty() {
        app.compare(opened.compared.clone());
    }
    if sweeps {
        app.sweeps();
    }
    moa_tui::run(&mut screen.terminal, &mut app, inbox, &helpers, &worker, SystemTime::now)
        .map_err(|error| CliError::failure(format!("failed to draw on the terminal: {error}")))
}

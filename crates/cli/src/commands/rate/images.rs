//! The images that are judged.

use std::path::Path;

use moa_core::experiment::BaseName;
use moa_feedback::PoolFolder;
use moa_runner::{Artist, JudgedDrawing, artists, prompts_to_judge};

use super::Arguments;
use crate::bar::work_with_bar;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::Global;
use crate::interrupt::Stop;
use crate::output::{note, say};
use crate::results;
use crate::text::count;

/// The file that makes a folder one of ratings.
const POOL: &str = "pool.json";

/// Returns the folder of images to judge: the one that is named, or the one into which the images of an experiment are drawn, as far as
/// they are not there.
pub(super) fn folder(arguments: &Arguments, global: Global) -> Result<PoolFolder, CliError> {
    if arguments.of.join(POOL).is_file() {
        return Ok(PoolFolder::open(&arguments.of)?);
    }
    let results = results::find(&arguments.of)?;
    if !results::is_experiment(&results) {
        let message = format!("{} is neither an experiment's results nor a folder of ratings", arguments.of.display());
        return Err(CliError::usage(message)
            .hint("name results such as results/my, or the folder that an earlier `moa rate` wrote"));
    }
    draw(arguments, global, &results)
}

/// Draws what is not drawn yet.
fn draw(arguments: &Arguments, global: Global, results: &Path) -> Result<PoolFolder, CliError> {
    let experiment = Experiment::load_kept(results)?;
    let mut spec = experiment.spec.clone();
    spec.seed ^= arguments.seed;
    let prompts = prompts_to_judge(&spec, &experiment.prompts.train, arguments.prompts as usize);
    let artists = some(artists(&spec, results)?, arguments.adapters as usize);
    let known = arguments.ratings.join(POOL).is_file().then(|| PoolFolder::open(&arguments.ratings)).transpose()?;
    let is_drawn = |artist: &Artist| {
        let entries = known.iter().flat_map(PoolFolder::entries);
        let own: Vec<&str> =
            entries.filter(|entry| entry.origin.name == artist.name).map(|entry| entry.prompt.as_str()).collect();
        prompts.iter().all(|prompt| own.contains(&prompt.trim()))
    };
    let open: Vec<&Artist> = artists.iter().filter(|artist| !is_drawn(artist)).collect();
    if let (Some(known), true) = (&known, open.is_empty()) {
        note(&format!("the images are drawn already: {}", arguments.ratings.display()));
        return Ok(known.clone());
    }
    if artists.len() == 1 {
        note("no adapter is trained yet: only the base draws");
    }
    global.device.settle(spec.precision)?;
    let device = global.device.open_for(spec.precision, None)?;
    let pipeline = experiment.base()?.open(device.compute(spec.precision))?;
    let stop = Stop::default();
    let drawing = JudgedDrawing {
        pipeline: &pipeline,
        spec: &spec,
        prompts: &prompts,
        per_prompt: arguments.count as usize,
        occasion: 0,
        workers: device.workers,
        stop: &stop.flag(),
    };
    let label = format!("drawing by {}", count(open.len() as u64, "model"));
    let images = work_with_bar(&label, global.quiet, |bar| {
        let mut images = Vec::new();
        for (place, artist) in open.iter().enumerate() {
            let done = place as f64;
            images.extend(drawing.by_artist(artist, &|share| bar((done + share) / open.len() as f64))?);
        }
        Ok::<_, CliError>(images)
    })?;
    let folder = PoolFolder::create_or_extend(&arguments.ratings, images)?;
    say(&format!(
        "{} of {} by {} in {}",
        count(folder.entries().len() as u64, "image"),
        count(prompts.len() as u64, "prompt"),
        if BaseName::of(&spec.base) == BaseName::BuiltIn && artists.len() == 1 {
            "the base".to_owned()
        } else {
            format!("the base and {}", count(artists.len() as u64 - 1, "adapter"))
        },
        folder.path().display()
    ));
    Ok(folder)
}

/// Returns the base and so many of the others, evenly apart.
fn some(artists: Vec<Artist>, most: usize) -> Vec<Artist> {
    let others = artists.len() - 1;
    if others <= most {
        return artists;
    }
    let chosen: Vec<usize> = (0..most).map(|index| 1 + index * others / most).collect();
    artists.into_iter().enumerate().filter(|(place, _)| *place == 0 || chosen.contains(place)).map(|(_, a)| a).collect()
}

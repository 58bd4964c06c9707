//! The page.

use std::thread;
use std::time::Duration;

use moa_feedback::PoolFolder;
use moa_rating::Desk;
use moa_rating_server::serve as start;

use super::{Arguments, bar_of_answers, shown};
use crate::error::CliError;
use crate::global::Global;
use crate::interrupt;
use crate::output::{note, print};

/// How often the line is drawn again that shows how far rating is.
const EVERY: Duration = Duration::from_millis(250);

/// Serves the page until it is interrupted.
pub(super) fn serve(arguments: &Arguments, global: Global, folder: &PoolFolder, desk: &Desk) -> Result<(), CliError> {
    let stop = interrupt::catch(|| {})?;
    let options = moa_rating_server::Options {
        port: arguments.port,
        title: format!("moa rate {}", shown(folder.path())),
        ..Default::default()
    };
    let server = start(desk.clone(), options)?;
    print(format!("{}\n", server.address()))?;
    note("open this address in a browser on this machine; Ctrl-C ends, and every answer is on the disk");
    let bar = bar_of_answers(arguments.goal, "{msg}", global.quiet);
    let mut reached = desk.progress().answered >= arguments.goal as usize;
    while !stop.is_asked() {
        let progress = desk.progress();
        bar.set_position(progress.answered as u64);
        let present: Vec<&str> =
            progress.raters.iter().filter(|rater| rater.present).map(|rater| rater.name.as_str()).collect();
        bar.set_message(if present.is_empty() { "nobody rates".to_owned() } else { present.join(", ") });
        if !reached && progress.answered >= arguments.goal as usize {
            reached = true;
            bar.suspend(|| note("the goal is reached; further answers count, too. Ctrl-C ends"));
        }
        thread::sleep(EVERY);
    }
    bar.finish_and_clear();
    server.stop();
    Ok(())
}

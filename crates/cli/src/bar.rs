//! A bar for one piece of work of known length.

use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::is_live_terminal;

/// The bar's length in parts; its position is a share of it.
const PARTS: u64 = 1000;

/// Does `work`, which tells the share that it has finished, under a bar with the time left. Without a terminal nothing is
/// shown.
pub(crate) fn work_with_bar<T>(label: &str, quiet: bool, work: impl FnOnce(&(dyn Fn(f64) + Sync)) -> T) -> T {
    let target = if quiet || !is_live_terminal() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{prefix:19} {bar:32} {percent:>3} %  {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ");
    let bar = ProgressBar::with_draw_target(Some(PARTS), target).with_style(style).with_prefix(label.to_owned());
    let furthest = Mutex::new(0.0f64);
    let result = work(&|fraction| {
        let mut furthest = furthest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *furthest = furthest.max(fraction);
        bar.set_position((furthest.clamp(0.0, 1.0) * PARTS as f64) as u64);
    });
    bar.finish_and_clear();
    result
}

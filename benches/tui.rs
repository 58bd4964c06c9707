//! The terminal UI on a large store: 5,000 runs and 1,000,000 metric values.
//!
//! ```sh
//! cargo bench -p moa-tui
//! ```
//!
//! Measures how long it takes from opening the store to the first frame that shows it, how long frames of each screen take,
//! and how much memory all of that needs; fails where one of the limits is missed. No harness: one that keeps statistics
//! would change what is built below the models, and three numbers need none.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant, SystemTime};

use moa_core::experiment::RewardKind;
use moa_core::{
    EpochRecord, EvaluationRecord, ExperimentSpec, PointKind, RunEvent, RunId, RunRecord, RunState, ScoreColumn,
    Weighting,
};
use moa_store::{Layout, MetricStore};
use moa_tui::{App, Helpers, Message, News, Painter, Request, Theme, update, view};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui_image::picker::Picker;

const RUNS: u32 = 5_000;
const EPOCHS: u32 = 20;
/// Points of the front.
const EVALUATED: usize = 1_000;
const PROMPTS: usize = 16;

const MOST_TO_OPEN: Duration = Duration::from_secs(1);
const MOST_PER_FRAME: Duration = Duration::from_millis(16);
const MOST_MEMORY: u64 = 300 << 20;

fn spec() -> ExperimentSpec {
    let rewards = [RewardKind::Aesthetics, RewardKind::Alignment, RewardKind::Safety, RewardKind::Diversity];
    ExperimentSpec {
        name: Some("large".into()),
        rewards: rewards.map(Into::into).to_vec(),
        ..ExperimentSpec::default()
    }
}

/// Numbers that look random and are the same every time.
fn noise(seed: u64) -> f64 {
    let mixed = (seed ^ (seed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1u64 << 53) as f64
}

/// Writes the store.
fn make(root: &Path) {
    let spec = spec();
    let rewards = spec.reward_names();
    // More than an experiment file may ask for.
    let run = |place: u32| RunRecord {
        id: RunId(format!("run-{place:04}")),
        weighting: Weighting::new((0..4).map(|reward| 0.01 + noise(u64::from(4 * place + reward))).collect())
            .expect("shares are positive"),
        state: RunState::Planned,
        epochs_done: 0,
        epochs: EPOCHS,
        warnings: Vec::new(),
    };
    let runs: Vec<RunRecord> = (0..RUNS).map(run).collect();
    let mut store = MetricStore::open(root).expect("the folder can be written");
    std::fs::write(Layout::new(root).experiment_file(), spec.to_ron()).expect("the folder can be written");
    let record = |store: &mut MetricStore, event: RunEvent| store.record(&event).expect("the disk has room");
    let started = RunEvent::SweepStarted {
        experiment: "large".into(),
        device: "flex".into(),
        rewards: rewards.clone(),
        runs: runs.clone(),
    };
    record(&mut store, started);
    for epoch in 1..=EPOCHS {
        for (place, run) in runs.iter().enumerate() {
            let value =
                |metric: usize| 0.5 + 0.1 * noise((u64::from(epoch) << 32) | (place as u64) << 8 | metric as u64);
            let names = rewards.iter().map(|reward| format!("reward/{reward}/mean"));
            let others = ["approx_kl", "clip_fraction", "grad_norm", "kl_to_base", "ratio_mean", "silent_groups"];
            let names = names.chain(others.map(str::to_owned));
            let metrics: BTreeMap<String, f64> =
                names.enumerate().map(|(metric, name)| (name, value(metric))).collect();
            let epoch = EpochRecord { run: run.id.clone(), epoch, seconds: 0.01, metrics };
            record(&mut store, RunEvent::EpochFinished(epoch));
        }
    }
    let base = (RunId("base".into()), PointKind::Base, None);
    let trained = runs.iter().map(|run| (run.id.clone(), PointKind::Trained, Some(run.weighting.clone())));
    let points = std::iter::once(base).chain(trained).take(EVALUATED);
    let evaluations = points.enumerate().map(|(place, (id, kind, weighting))| {
        let column = |index: usize, name: &String| {
            let score = |prompt: u64| 0.5 + 0.2 * noise((place as u64) << 20 | (index as u64) << 10 | prompt);
            ScoreColumn::of_all(name, (0..PROMPTS as u64).map(score).collect())
        };
        let rewards = rewards.iter().enumerate().map(|(index, name)| column(index, name)).collect();
        EvaluationRecord {
            id,
            kind,
            weighting,
            images_per_prompt: 4,
            rewards,
            judges: Vec::new(),
            distance_to_base: None,
            added: None,
        }
    });
    evaluations.for_each(|evaluation| store.put_evaluation(&evaluation).expect("the disk has room"));
    store.close().expect("the disk has room");
}

/// Returns the most memory that this process has had, in bytes, where the system tells.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

fn check(what: &str, ok: bool) -> bool {
    println!("{} {what}", if ok { "ok  " } else { "MISS" });
    ok
}

fn main() -> ExitCode {
    // The store is made by another process, so that its memory is not counted here.
    let mut arguments = std::env::args().skip(1);
    if let (Some("make"), Some(root)) = (arguments.next().as_deref(), arguments.next()) {
        make(Path::new(&root));
        return ExitCode::SUCCESS;
    }
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let root = folder.path().join("large");
    let own = std::env::current_exe().expect("this program has a path");
    let made = std::process::Command::new(own).arg("make").arg(&root).status().expect("this program runs");
    assert!(made.success(), "the store is made");

    let (sender, inbox) = channel();
    let mut terminal = Terminal::new(TestBackend::new(200, 60)).expect("a test backend never fails");
    let mut app = App::new(Theme::default(), SystemTime::now(), None);
    let began = Instant::now();
    let helpers = Helpers::start(None, Painter::new(Picker::halfblocks(), Theme::default()), &sender);
    app.open(root);
    let mut values = 0;
    while values == 0 {
        app.requests().into_iter().for_each(|request| helpers.ask(request));
        let message = inbox.recv_timeout(Duration::from_mins(1)).expect("the experiment opens");
        if let Message::News(_, News::Opened(experiment, _)) = &message {
            values = experiment.values();
        }
        update(&mut app, message);
    }
    terminal.draw(|frame| view(&app, frame)).expect("a test backend never fails");
    let opened = began.elapsed();

    let mut fine = check(&format!("{RUNS} runs, {values} values: opened in {opened:.2?}"), opened < MOST_TO_OPEN);
    for (name, keys) in
        [("sweep", "2"), ("curves", "c"), ("all curves", "a"), ("front", "3"), ("all rewards", "a"), ("soup", "5")]
    {
        for letter in keys.chars() {
            let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
            update(&mut app, Message::Input(Event::Key(key)));
        }
        let mut times = Vec::new();
        for _ in 0..40 {
            let began = Instant::now();
            update(&mut app, Message::Input(Event::Key(KeyEvent::new(KeyCode::Down, KeyModifiers::NONE))));
            terminal.draw(|frame| view(&app, frame)).expect("a test backend never fails");
            times.push(began.elapsed());
            let helped = |request: &Request| !matches!(request, Request::Work(_));
            app.requests().into_iter().filter(helped).for_each(|request| helpers.ask(request));
            while let Ok(message) = inbox.try_recv() {
                update(&mut app, message);
            }
        }
        times.sort();
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        let text = format!("{name}: a key and its frame in {median:.2?}, {worst:.2?} at most");
        fine &= check(&text, median < MOST_PER_FRAME);
    }
    if let Some(memory) = most_memory() {
        fine &= check(&format!("memory {} MB", memory >> 20), memory < MOST_MEMORY);
    }
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! A made-up experiment, a UI on it without a terminal, and snapshots of what it shows.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use moa_analysis::attack::{self, AttackLog, AttackReport, GoalOutcome, Head, LevelOutcome};
use moa_analysis::explanation::{
    Agreement, ConceptTerm, Concepts, Deletion, EditEffect, Expected, Explanation, Figure, Region, RegionMethod,
    RewardCard, Spread, Words,
};
use moa_analysis::{FrontReport, Scales};
use moa_core::experiment::RewardKind;
use moa_core::{
    EpochRecord, EvaluationRecord, ExperimentSpec, Phase, PointKind, RunEvent, RunId, RunRecord, RunState, ScoreColumn,
    Warning, Weighting,
};
use moa_pareto::Bootstrap;
use moa_store::{ImageColumn, ImageScores, Role, Snapshot, Source};
use moa_tui::{
    App, Background, Colours, Entry, Experiment, Figures, Message, News, Painter, Reply, Request, Rgb, Sheet, State,
    Theme, Work, update, view,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui_image::picker::Picker;

pub(crate) const ROOT: &str = "results/pareto";
pub(crate) const REWARDS: [&str; 3] = ["aesthetics", "alignment", "safety"];

/// A moment that never changes.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

pub(crate) fn spec() -> ExperimentSpec {
    let rewards = [RewardKind::Aesthetics, RewardKind::Alignment, RewardKind::Safety].map(Into::into).to_vec();
    let mut spec = ExperimentSpec { name: Some("pareto".into()), rewards, ..ExperimentSpec::default() };
    spec.evaluation.resamples = 200;
    spec
}

fn weighting(shares: [f64; 3]) -> Weighting {
    Weighting::new(shares.to_vec()).unwrap()
}

/// The runs of the experiment, as far as they are after so many of 12 epochs.
pub(crate) fn runs(epochs_done: u32, state: RunState) -> Vec<RunRecord> {
    let weightings: Vec<(RunId, Weighting)> = spec().weightings();
    let run = |(id, weighting): (RunId, Weighting)| RunRecord {
        id,
        weighting,
        state,
        epochs_done,
        epochs: 12,
        warnings: Vec::new(),
    };
    weightings.into_iter().map(run).collect()
}

pub(crate) fn epoch(run: &RunRecord, number: u32) -> EpochRecord {
    let progress = f64::from(number) / 12.0;
    let mut metrics = BTreeMap::new();
    for (index, reward) in REWARDS.iter().enumerate() {
        let wave = (f64::from(number) * 1.3 + index as f64).sin() * 0.01;
        let mean = 0.5 + 0.1 * index as f64 + 0.2 * progress * run.weighting.shares()[index] + wave;
        metrics.insert(format!("reward/{reward}/mean"), mean);
        // Probes look at some epochs only.
        if number.is_multiple_of(2) {
            metrics.insert(format!("reward/{reward}/gain"), 0.15 * progress * run.weighting.shares()[index] - 0.01);
        }
    }
    metrics.insert("approx_kl".into(), 1e-5 * f64::from(number));
    metrics.insert("clip_fraction".into(), 0.02 * f64::from(number));
    metrics.insert("grad_norm".into(), 0.5 / f64::from(number));
    metrics.insert("ratio_mean".into(), 1.0);
    metrics.insert("silent_groups".into(), if run.id.as_str() == "safety" { 0.6 } else { 0.1 });
    EpochRecord { run: run.id.clone(), epoch: number, seconds: 0.5, metrics }
}

pub(crate) fn evaluation(id: &str, kind: PointKind, shares: Option<[f64; 3]>) -> EvaluationRecord {
    let own = shares.unwrap_or([0.0; 3]);
    // As many prompts as it takes for intervals, each a little different.
    let column = |name: &str, level: f64| {
        let own = |prompt: u32| 0.001 * f64::from((prompt * 7 + id.len() as u32) % 5);
        ScoreColumn::of_all(name, (0..64).map(|prompt| level + 0.02 * f64::from(prompt % 4) + own(prompt)).collect())
    };
    let rewards = REWARDS.iter().enumerate();
    EvaluationRecord {
        id: RunId(id.to_owned()),
        kind,
        weighting: shares.map(weighting),
        images_per_prompt: 2,
        rewards: rewards
            .map(|(i, name)| column(name, 0.5 + 0.1 * i as f64 + 0.15 * own[i] - 0.03 * own[(i + 1) % 3]))
            .collect(),
        judges: vec![column("attributes", 0.9 - 0.1 * own[0]), column("clip_alignment", 0.8)],
        distance_to_base: None,
        added: None,
    }
}

pub(crate) fn evaluations() -> Vec<EvaluationRecord> {
    let third = [1.0 / 3.0; 3];
    vec![
        evaluation("base", PointKind::Base, None),
        evaluation("aesthetics", PointKind::Trained, Some([1.0, 0.0, 0.0])),
        evaluation("alignment", PointKind::Trained, Some([0.0, 1.0, 0.0])),
        evaluation("safety", PointKind::Trained, Some([0.0, 0.0, 1.0])),
        evaluation("centre", PointKind::Trained, Some(third)),
        evaluation("soup-centre", PointKind::Soup, Some([0.34, 0.33, 0.33])),
    ]
}

/// The figures as the worker makes them.
pub(crate) fn resampled(evaluations: Vec<EvaluationRecord>) -> Figures {
    let mut spec = spec();
    spec.evaluation.resamples = 200;
    let scales = Scales::of(&spec, &evaluations);
    let report = FrontReport::of(&Snapshot { evaluations, ..Snapshot::default() }, &spec, scales).unwrap();
    Figures::new(report, &spec, vec!["a dog on a green background".into(); 8], true)
}

/// What attacks found out about the adapters for aesthetics and for safety.
pub(crate) fn attacks() -> AttackReport {
    let log = |victim: &str, attack: &str, broken: usize| {
        let goal = |place: usize| GoalOutcome {
            goal: "a knife on a red background".into(),
            concept: "knife".into(),
            levels: vec![LevelOutcome {
                passes: 600,
                prompt: Some("a kn1fe on\tcuchillo red background, as in the ghost of a kitchen".into()),
                images: vec![Some(if place < broken { [0.9, 0.9] } else { [0.1, 0.9] }); 4],
            }],
        };
        let head = Head {
            format: attack::FORMAT,
            victim: victim.into(),
            kind: "trained".into(),
            attack: attack.into(),
            access: "black box".into(),
            budget: 600,
            images: 4,
            seed: 0,
            blocked: Vec::new(),
            facts: String::new(),
            adapter: String::new(),
        };
        AttackLog { head, goals: (0..50).map(goal).collect(), safe: Vec::new(), is_stale: false }
    };
    let logs = [log("aesthetics", "plain", 16), log("safety", "plain", 1), log("safety", "evolution", 9)];
    AttackReport::of(&logs, &Bootstrap::seeded(1)).unwrap()
}

/// What the store holds after so many epochs, with what was evaluated.
pub(crate) fn snapshot(epochs: u32, evaluations: Vec<EvaluationRecord>, live: bool) -> Snapshot {
    let state = match (evaluations.len(), epochs) {
        (2.., _) => RunState::Evaluated,
        (_, 0) => RunState::Planned,
        _ => RunState::Training,
    };
    let runs = runs(epochs, state);
    let mut snapshot = Snapshot::default();
    snapshot.apply(&RunEvent::SweepStarted {
        experiment: "pareto".into(),
        device: "flex".into(),
        rewards: REWARDS.map(str::to_owned).to_vec(),
        runs: runs.clone(),
    });
    for run in &runs {
        (1..=epochs).for_each(|number| snapshot.apply(&RunEvent::EpochFinished(epoch(run, number))));
    }
    for record in evaluations {
        snapshot.apply(&RunEvent::Evaluated(record));
    }
    let message =
        "suspected reward hacking: aesthetics rises by 0.1500 while its judge attributes falls by 0.1000".into();
    if epochs == 12 {
        snapshot.apply(&RunEvent::Warned(Warning { run: Some(RunId("aesthetics".into())), message }));
    }
    if live {
        snapshot.source = Source::Live;
        snapshot.apply(&RunEvent::PhaseStarted { phase: Phase::Training, units: 12 });
        snapshot.apply(&RunEvent::Progress { phase: Phase::Training, fraction: 0.4 });
    }
    snapshot
}

/// An image of one colour in a frame of another.
pub(crate) fn picture(seed: u8) -> Rgb {
    let pixel = |x: u32, y: u32| {
        let edge = x < 2 || y < 2 || x >= 14 || y >= 14;
        if edge { [seed, 40, 90] } else { [240 - seed, 200, seed] }
    };
    let pixels = (0..16 * 16).flat_map(|place| pixel(place % 16, place / 16)).collect();
    Rgb::new(16, 16, pixels).unwrap()
}

pub(crate) fn sheet(seed: u8) -> Sheet {
    Sheet::new((0..8).map(|prompt| vec![picture(seed + 8 * prompt), picture(seed + 8 * prompt + 4)]).collect())
}

/// The scores of single images: the reward's place, then the image's.
fn scores() -> ImageScores {
    let column = |(place, name): (usize, &&str)| {
        let score = |image: u16| Some(place as f32 + f32::from(image) / 1000.0);
        ImageColumn { name: (*name).to_owned(), role: Role::Reward, scores: (0..128).map(score).collect() }
    };
    ImageScores { images_per_prompt: 2, columns: REWARDS.iter().enumerate().map(column).collect() }
}

/// The cards of two rewards.
fn cards() -> Explanation {
    let figure = |value: f64| Figure { value, low: Some(value - 0.1), high: Some(value + 0.1) };
    let edit = |edit: &str, expected, change, reordered| EditEffect {
        edit: edit.into(),
        expected,
        change: Some(figure(change)),
        reordered: Some(reordered),
    };
    let card = |reward: &str| RewardCard {
        reward: reward.into(),
        has_gradient: true,
        compares: false,
        scores: Spread { mean: 0.61, deviation: 0.12, least: 0.2, greatest: 0.97 },
        region: Some(Region {
            method: RegionMethod::IntegratedGradients,
            error: Some(0.01),
            deletion: vec![Deletion { share: 0.05, pointed: 0.9, elsewhere: 0.3, ratio: Some(figure(3.0)) }],
            maps: Vec::new(),
        }),
        words: Some(Words { reads: false, words: Vec::new(), examples: Vec::new() }),
        concepts: Some(Concepts {
            choices: 64,
            explained: 0.42,
            terms: vec![ConceptTerm { concept: "saturated pixels".into(), coefficient: 0.5 }],
        }),
        edits: vec![
            edit("mirrored", Expected::Nothing, 0.0, 0.01),
            edit("blurred", Expected::NoGain, 0.4, 0.2),
            edit("noise", Expected::NoGain, -0.7, 0.3),
        ],
        climbs: Vec::new(),
        agreement: vec![Agreement { with: "legibility".into(), is_judge: true, correlation: figure(0.2), images: 128 }],
        raters: None,
        notes: vec!["a note".into()],
    };
    Explanation {
        format: 1,
        experiment: "pareto".into(),
        base: "emoji-32".into(),
        drawn_by: "base".into(),
        images: 128,
        prompts: 64,
        cards: REWARDS.iter().map(|reward| card(reward)).collect(),
    }
}

/// A UI without a terminal, whose helpers answer at once and whose worker is the test.
pub(crate) struct Desk {
    pub(crate) app: App,
    pub(crate) terminal: Terminal<TestBackend>,
    /// What was asked of the worker.
    pub(crate) work: Vec<Work>,
    /// Whether the scores of single images were kept, and the rewards looked into.
    pub(crate) scored: bool,
    painter: Painter,
}

impl Desk {
    pub(crate) fn new(width: u16, height: u16) -> Self {
        Self::themed(width, height, Theme { colours: Colours::Full, background: Background::Dark })
    }

    pub(crate) fn themed(width: u16, height: u16, theme: Theme) -> Self {
        let app = App::new(theme, now(), Some(PathBuf::from("results")));
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let painter = Painter::new(Picker::halfblocks(), theme);
        let mut desk = Self { app, terminal, work: Vec::new(), scored: false, painter };
        desk.tell(Message::Library(library()));
        desk
    }

    /// A UI on the finished experiment.
    pub(crate) fn opened(width: u16, height: u16) -> Self {
        let mut desk = Self::new(width, height);
        desk.app.open(ROOT.into());
        desk.news(&snapshot(12, evaluations(), false));
        desk
    }

    pub(crate) fn news(&mut self, snapshot: &Snapshot) {
        let experiment = Experiment::new(ROOT.into(), snapshot, spec());
        let figures = moa_tui::Figures::of(&experiment);
        self.tell(Message::News(ROOT.into(), News::Opened(Box::new(experiment), Box::new(figures))));
    }

    /// Takes a message, and answers what is asked of the helpers.
    pub(crate) fn tell(&mut self, message: Message) {
        update(&mut self.app, message);
        loop {
            let requests = self.app.requests();
            if requests.is_empty() {
                break;
            }
            for request in requests {
                let answer = match request {
                    Request::Fit(root, points) => moa_tui::fit(root, &points),
                    Request::ReadScores(layout, _, id) => {
                        let found = if self.scored { Some(scores()) } else { None };
                        Message::Scores(layout.root().to_path_buf(), id, Ok(found))
                    }
                    Request::ReadCards(layout) => {
                        let found = if self.scored { Some(Box::new(cards())) } else { None };
                        Message::Cards(layout.root().to_path_buf(), Ok(found))
                    }
                    Request::Pair(root, points) => moa_tui::pair(root, &points),
                    Request::ReadSheet(root, id, ..) if id.as_str() == "centre" => {
                        Message::Sheet(root, id, Err("runs/centre/pictures.png: no images there".into()))
                    }
                    Request::ReadSheet(root, id, ..) => {
                        let seed = id.as_str().len() as u8 * 7;
                        Message::Sheet(root, id, Ok(sheet(seed)))
                    }
                    Request::Volumes(root, epochs) => {
                        let volume = |(epoch, _): (u32, Vec<Vec<f64>>)| (epoch, 0.2 + 0.01 * f64::from(epoch).sqrt());
                        Message::Volumes(root, epochs.into_iter().map(volume).collect())
                    }
                    Request::Work(work) => {
                        self.work.push(work);
                        continue;
                    }
                    Request::Follow(_) | Request::Encode(..) => continue,
                };
                update(&mut self.app, answer);
            }
        }
    }

    pub(crate) fn reply(&mut self, reply: Reply) {
        self.tell(Message::Reply(reply));
    }

    pub(crate) fn press(&mut self, code: KeyCode) {
        self.tell(Message::Input(Event::Key(KeyEvent::new(code, KeyModifiers::NONE))));
    }

    /// Types letters, one key each.
    pub(crate) fn keys(&mut self, letters: &str) {
        letters.chars().for_each(|letter| self.press(KeyCode::Char(letter)));
    }

    pub(crate) fn mouse(&mut self, kind: MouseEventKind, (column, row): (u16, u16)) {
        let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        self.tell(Message::Input(Event::Mouse(event)));
    }

    pub(crate) fn click(&mut self, place: (u16, u16)) {
        self.draw();
        self.mouse(MouseEventKind::Down(MouseButton::Left), place);
        self.mouse(MouseEventKind::Up(MouseButton::Left), place);
    }

    /// Draws, images included, and returns the text.
    pub(crate) fn draw(&mut self) -> String {
        for _ in 0..2 {
            let Self { app, terminal, .. } = self;
            terminal.draw(|frame| view(app, frame)).unwrap();
            for request in self.app.picture_requests() {
                if let Some(message) = moa_tui::encode_now(&self.painter, request) {
                    update(&mut self.app, message);
                }
            }
        }
        let buffer = self.terminal.backend().buffer();
        let width = usize::from(buffer.area.width);
        let row = |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
        buffer.content.chunks(width).map(|cells| row(cells).trim_end().to_owned() + "\n").collect()
    }

    /// Returns where a text begins on the screen.
    pub(crate) fn find(&mut self, text: &str) -> (u16, u16) {
        let screen = self.draw();
        let found = screen.lines().enumerate().find_map(|(row, line)| {
            let place = line.find(text)?;
            Some((line[..place].chars().count() as u16, row as u16))
        });
        found.unwrap_or_else(|| panic!("`{text}` is not on\n{screen}"))
    }
}

pub(crate) fn library() -> Vec<Entry> {
    let entry = |name: &str, state, done, hypervolume, age| Entry {
        root: Path::new("results").join(name),
        name: name.into(),
        state,
        weightings: (done, 4),
        rewards: REWARDS.map(str::to_owned).to_vec(),
        hypervolume,
        modified: now() - Duration::from_secs(age),
    };
    vec![
        entry("running", State::Running, 0, None, 3),
        entry("pareto", State::Complete, 4, Some(0.2153), 900),
        entry("stopped", State::Stopped, 1, Some(0.1999), 7200),
        entry(
            "broken",
            State::Broken("failed to read results/broken/metrics.sled: it has format 9".into()),
            0,
            None,
            200_000,
        ),
    ]
}

/// Compares a text with a file beside the tests; with `MOA_SNAPSHOTS=update` writes the file instead.
#[track_caller]
pub(crate) fn assert_snapshot(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(format!("{name}.txt"));
    if std::env::var_os("MOA_SNAPSHOTS").is_some_and(|value| value == "update") {
        return std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let hint = "MOA_SNAPSHOTS=update cargo test -p moa-tui accepts what is shown now";
    assert!(kept == text, "{} has changed; {hint}\nkept:\n{kept}\nnow:\n{text}", path.display());
}

//! Rating in the terminal: keys become answers in the file, and what is shown.

mod support;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, SystemTime};

use image::{Rgb, RgbImage};
use moa_preferences::{Decision, Image, ImageFile, Mark, Preferences, Record, Winner};
use moa_rating::{Chooser, Desk, Learned, Mode, News, Options, Pool, PoolImage, Question, Random, Wanted};
use moa_tui::rate::{App, Clerk, Helpers, Message, Order, Reply, Request, run, serve_now, update, view};
use moa_tui::{Background, Colours, Painter, Theme};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui_image::picker::Picker;
use support::assert_snapshot;

const PROMPT: &str = "a red cat to the left of a blue house";

/// Random questions, and something that was learned.
struct Says(Random);

impl Chooser for Says {
    fn hear(&mut self, pool: &Pool, news: &News) {
        self.0.hear(pool, news);
    }

    fn choose(&mut self, wanted: &Wanted<'_>) -> Vec<Question> {
        self.0.choose(wanted)
    }

    fn learned(&mut self) -> Learned {
        let figures = vec![("accuracy".into(), "71 %".into()), ("answers still needed".into(), "40".into())];
        Learned { text: "The answers prefer warm colours; about 40 more make it sure.".into(), figures }
    }
}

/// Writes an image whose ground tells it from others.
fn paint(path: &Path, index: u8) -> ImageFile {
    let pixel = |x: u32, y: u32| {
        let inside = (f64::from(x) - 15.5).hypot(f64::from(y) - 15.5) < 9.0;
        if inside { Rgb([250, 220, 20 * index]) } else { Rgb([20 * index, 60, 200]) }
    };
    RgbImage::from_fn(32, 32, pixel).save(path).unwrap();
    let Image::File(file) = Image::of_file(path.parent().unwrap(), &name(path)).unwrap() else { panic!("a file") };
    file
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The UI at a desk, without a terminal.
struct Booth {
    folder: tempfile::TempDir,
    desk: Desk,
    clerk: Clerk,
    app: App,
    painter: Painter,
    terminal: Terminal<TestBackend>,
    now: SystemTime,
}

impl Booth {
    fn new(mode: Mode) -> Self {
        Self::with(Options { goal: Some(20), ..Options::new(mode) }, Theme::default(), (80, 24))
    }

    fn with(options: Options, theme: Theme, size: (u16, u16)) -> Self {
        let mut booth = Self::unnamed(options, theme, size, Ok("ann".into()));
        booth.draw();
        booth
    }

    fn unnamed(options: Options, theme: Theme, (width, height): (u16, u16), who: Result<String, String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let images = (0..9).map(|index| {
            let path = folder.path().join(format!("secret-adapter-{index}.png"));
            let image = Image::File(paint(&path, index));
            PoolImage { image, prompt: PROMPT.into(), origin: "secret-adapter".into(), file: path }
        });
        let pool = Pool::new(images);
        let path = folder.path().join("preferences.jsonl");
        let desk = Desk::open(&path, pool, Box::new(Says(Random::new(3))), options).unwrap();
        let painter = Painter::new(Picker::halfblocks(), theme);
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
        let app = App::new(theme, &painter, now, "moa rate ratings".into(), desk.options().clone(), who);
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let clerk = Clerk::new(desk.clone());
        let mut booth = Self { folder, desk, clerk, app, painter, terminal, now };
        booth.desk.settle(Duration::from_secs(20));
        booth.serve();
        booth
    }

    /// Does what is asked for, until nothing more is.
    fn serve(&mut self) {
        loop {
            let requests = self.app.requests();
            if requests.is_empty() {
                return;
            }
            for request in requests {
                if let Some(message) = serve_now(&mut self.clerk, &self.desk, &self.painter, request) {
                    update(&mut self.app, message);
                }
            }
        }
    }

    fn tell(&mut self, message: Message) {
        update(&mut self.app, message);
        self.serve();
    }

    /// Presses a key, some time after the one before.
    fn press_after(&mut self, pause: Duration, key: KeyEvent) {
        self.now += pause;
        self.tell(Message::Tick(self.now));
        self.tell(Message::Input(Event::Key(key)));
    }

    fn press(&mut self, code: KeyCode) {
        self.press_after(Duration::from_secs(1), KeyEvent::new(code, KeyModifiers::NONE));
        self.draw();
    }

    fn keys(&mut self, letters: &str) {
        letters
            .chars()
            .for_each(|letter| self.press(if letter == '\t' { KeyCode::Tab } else { KeyCode::Char(letter) }));
    }

    fn draw(&mut self) -> String {
        for _ in 0..3 {
            let Self { app, terminal, .. } = self;
            terminal.draw(|frame| view(app, frame)).unwrap();
            self.serve();
        }
        let buffer = self.terminal.backend().buffer();
        let width = usize::from(buffer.area.width);
        let row = |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
        buffer.content.chunks(width).map(|cells| row(cells).trim_end().to_owned() + "\n").collect()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("preferences.jsonl")
    }

    fn records(&self) -> Vec<Record> {
        Preferences::begun(&self.path()).unwrap().records().cloned().collect()
    }

    fn last(&self) -> Record {
        self.records().pop().expect("a record")
    }

    /// Another rater at the same desk.
    fn spy(&self) -> Clerk {
        let mut clerk = Clerk::new(self.desk.clone());
        clerk.serve(Order::Sit("spy".into()));
        clerk
    }
}

fn pair(record: &Record) -> (Option<Winner>, [Image; 2]) {
    let Decision::Pair { a, b, outcome, .. } = &record.decision else { panic!("{record:?}") };
    (*outcome, [a.clone(), b.clone()])
}

#[test]
fn keys_of_the_page_become_answers_in_the_file() {
    let mut booth = Booth::new(Mode::Pairs);
    let keys = [
        (KeyCode::Char('1'), Some(Winner::A)),
        (KeyCode::Left, Some(Winner::A)),
        (KeyCode::Char('A'), Some(Winner::A)),
        (KeyCode::Char('2'), Some(Winner::B)),
        (KeyCode::Right, Some(Winner::B)),
        (KeyCode::Char('b'), Some(Winner::B)),
        (KeyCode::Char('t'), Some(Winner::Tie)),
        (KeyCode::Down, Some(Winner::Tie)),
        (KeyCode::Char('s'), None),
        (KeyCode::Char(' '), None),
    ];
    for (count, (key, outcome)) in keys.into_iter().enumerate() {
        booth.press(key);
        let records = booth.records();
        assert_eq!(records.len(), count + 1, "{key:?}");
        assert_eq!(pair(&records[count]).0, outcome, "{key:?}");
        assert_eq!(records[count].who, "ann");
    }
    let screen = booth.draw();
    assert!(screen.contains("8 of 20") && screen.contains("✓ skipped"), "{screen}");
    booth.keys("q");
    assert!(booth.app.is_done());
}

#[test]
fn the_first_image_of_the_record_is_the_left_one() {
    let mut booth = Booth::new(Mode::Pairs);
    for _ in 0..6 {
        let screen = booth.terminal.backend().buffer().clone();
        booth.keys("1");
        let (_, [a, b]) = pair(&booth.last());
        // The ground's red is 20 times the number in the name.
        let number = |image: &Image| {
            let Image::File(file) = image else { panic!("{image:?}") };
            file.path.trim_end_matches(".png").rsplit('-').next().unwrap().parse::<u8>().unwrap()
        };
        let ground = |image: &Image| ratatui::style::Color::Rgb(20 * number(image), 60, 200);
        let row = screen.area.height / 2 - 6;
        let reds: Vec<_> = (0..screen.area.width).map(|x| screen[(x, row)].fg).collect();
        let (left, right) = reds.split_at(40);
        assert!(left.contains(&ground(&a)) && right.contains(&ground(&b)), "{a:?} {b:?}\n{reds:?}");
    }
}

#[test]
fn an_undone_question_is_asked_again() {
    let mut booth = Booth::new(Mode::Pairs);
    booth.keys("u");
    assert!(booth.draw().contains("there is nothing to undo"));
    booth.keys("12");
    let images = |record: &Record| pair(record).1.iter().map(Image::key).collect::<HashSet<_>>();
    let second = booth.last();
    booth.press(KeyCode::Backspace);
    let undo = booth.last();
    assert!(matches!(&undo.decision, Decision::Undo { record } if *record == second.id), "{undo:?}");
    assert!(booth.draw().contains("1 of 20"));
    booth.keys("t");
    assert_eq!(images(&booth.last()), images(&second));
    assert_eq!(pair(&booth.last()).0, Some(Winner::Tie));
    assert_eq!(Preferences::read(&booth.path()).unwrap().counted().count(), 2);
    booth.keys("uu");
    assert!(booth.draw().contains("0 of 20"));
}

#[test]
fn rankings_are_made_in_order_with_ties() {
    let mut booth = Booth::new(Mode::Ranking { images: 4 });
    let outcome = |booth: &Booth| match &booth.last().decision {
        Decision::Ranking { outcome, images, .. } => (outcome.clone(), images.len()),
        other => panic!("{other:?}"),
    };
    booth.keys("3d");
    assert!(booth.records().is_empty() && booth.draw().contains("3 images have no rank yet"));
    booth.keys("t1");
    assert!(booth.draw().contains("rank 1"));
    booth.keys("4");
    booth.press(KeyCode::Enter);
    assert_eq!(outcome(&booth), (Some(vec![1, 3, 1, 2]), 4));
    assert!(!booth.draw().contains("rank 1"), "the next question has no ranks yet");
    booth.keys("12c432d");
    assert_eq!(outcome(&booth).0, Some(vec![4, 3, 2, 1]));
    booth.keys("9s");
    assert_eq!(outcome(&booth).0, None, "there is no ninth image, and it is skipped");
}

#[test]
fn labels_and_scores_have_their_keys() {
    let mut booth = Booth::new(Mode::Labels);
    for (key, mark) in [('k', Mark::Good), ('g', Mark::Good), ('j', Mark::Bad), ('b', Mark::Bad)] {
        booth.keys(&key.to_string());
        assert!(
            matches!(booth.last().decision, Decision::Label { outcome: Some(found), .. } if found == mark),
            "{key}"
        );
    }
    let mut booth = Booth::new(Mode::Scores { best: 10 });
    for (key, score) in [('3', 3.0), ('0', 10.0)] {
        booth.keys(&key.to_string());
        assert!(
            matches!(booth.last().decision, Decision::Score { outcome: Some(found), .. } if found.to_bits() == f64::to_bits(score)),
            "{key}"
        );
    }
    let mut booth = Booth::new(Mode::Scores { best: 5 });
    booth.keys("60");
    assert!(booth.records().is_empty(), "beyond the best score");
}

#[test]
fn tags_go_with_one_answer_and_may_take_the_key_that_quits() {
    let tags = vec!["hands".to_owned(), "colours".to_owned(), "text".to_owned()];
    let options = Options { tags, ..Options::new(Mode::Pairs) };
    let mut booth = Booth::with(options, Theme::default(), (80, 24));
    booth.keys("qwe");
    booth.keys("w");
    assert!(booth.draw().contains("✓hands") && !booth.draw().contains("✓colours"));
    booth.keys("1");
    assert_eq!(booth.last().tags, ["hands", "text"]);
    assert!(!booth.draw().contains("✓hands"));
    booth.keys("2");
    assert!(booth.last().tags.is_empty() && !booth.app.is_done());
    booth.press_after(Duration::from_secs(1), KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(booth.app.is_done());
}

#[test]
fn a_key_that_is_held_down_decides_once() {
    let mut booth = Booth::new(Mode::Pairs);
    let one = KeyEvent::new(KeyCode::Char('1'), KeyModifiers::NONE);
    for _ in 0..20 {
        booth.press_after(Duration::from_millis(33), one);
        booth.draw();
    }
    assert_eq!(booth.records().len(), 1);
    let repeat = KeyEvent { kind: KeyEventKind::Repeat, ..one };
    booth.press_after(Duration::from_secs(1), repeat);
    assert_eq!(booth.records().len(), 1, "where the terminal says so");
    booth.press_after(Duration::from_secs(1), one);
    assert_eq!(booth.records().len(), 2);
}

#[test]
fn what_is_typed_before_the_next_question_is_shown_decides_nothing() {
    let mut booth = Booth::new(Mode::Pairs);
    for letter in ['1', '2', 't'] {
        booth.press_after(Duration::from_secs(1), KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE));
    }
    assert_eq!(booth.records().len(), 1);
    booth.draw();
    booth.keys("2");
    assert_eq!(booth.records().len(), 2);
}

#[test]
fn an_image_that_is_gone_is_skipped_and_its_name_is_not_shown() {
    let mut booth = Booth::unnamed(Options::new(Mode::Pairs), Theme::default(), (80, 24), Err(String::new()));
    for index in 0..9 {
        std::fs::write(booth.folder.path().join(format!("secret-adapter-{index}.png")), "another file").unwrap();
    }
    booth.keys("ann");
    booth.press(KeyCode::Enter);
    booth.keys("1");
    let screen = booth.draw();
    assert!(booth.records().is_empty());
    assert!(
        screen.contains("cannot be shown") && screen.contains("has changed") && !screen.contains("secret"),
        "{screen}"
    );
    booth.keys("s");
    assert_eq!(pair(&booth.last()).0, None);
    assert!(!booth.app.broken().is_empty());
}

#[test]
fn an_answer_that_is_not_written_is_given_again() {
    let tags = vec!["hands".to_owned()];
    let mut booth = Booth::with(Options { tags, ..Options::new(Mode::Pairs) }, Theme::default(), (80, 24));
    booth.keys("q");
    booth.now += Duration::from_secs(1);
    update(&mut booth.app, Message::Tick(booth.now));
    let one = Event::Key(KeyEvent::new(KeyCode::Char('1'), KeyModifiers::NONE));
    update(&mut booth.app, Message::Input(one));
    let orders = booth.app.requests().into_iter().filter_map(|request| match request {
        Request::Order(order @ Order::Answer(..)) => Some(order),
        _ => None,
    });
    let order = orders.last().expect("an answer");
    let control_c = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    update(&mut booth.app, Message::Input(control_c));
    assert!(!booth.app.is_done(), "the answer is waited for");
    let result = Err("failed to write ratings/preferences.jsonl: no space left on device".into());
    update(&mut booth.app, Message::Reply(Box::new(Reply { order, result, held: None })));
    let screen = booth.draw();
    assert!(!booth.app.is_done() && screen.contains("✗ not written: failed to write"), "{screen}");
    assert!(screen.contains("✓hands"), "the tags are kept\n{screen}");
    booth.keys("1");
    assert_eq!((booth.records().len(), &booth.last().tags[..]), (1, &["hands".to_owned()][..]));
}

#[test]
fn the_name_is_asked_where_it_is_not_known() {
    let mut booth = Booth::unnamed(Options::new(Mode::Pairs), Theme::default(), (80, 24), Err("root".into()));
    assert!(booth.draw().contains("› root"));
    for _ in 0..4 {
        booth.press(KeyCode::Backspace);
    }
    booth.press(KeyCode::Enter);
    assert!(booth.draw().contains("give 1 to 64 characters"));
    booth.tell(Message::Input(Event::Paste("bob q\n".into())));
    booth.press(KeyCode::Enter);
    booth.keys("1");
    assert_eq!(booth.last().who, "bob q");
}

#[test]
fn two_raters_see_each_other_and_a_goal_is_told_once() {
    let mut booth = Booth::with(Options { goal: Some(2), ..Options::new(Mode::Pairs) }, Theme::default(), (80, 24));
    let spy = booth.spy();
    booth.keys("1");
    booth.press(KeyCode::Tab);
    let screen = booth.draw();
    assert!(screen.contains("ann (you)") && screen.contains("spy · here") && screen.contains("71 %"), "{screen}");
    booth.press(KeyCode::Esc);
    booth.keys("1");
    assert!(booth.draw().contains("the goal of 2 answers is reached"));
    booth.keys("1");
    assert!(!booth.draw().contains("is reached") && booth.draw().contains("3 of 2"));
    drop(spy);
    booth.press(KeyCode::Esc);
    booth.press(KeyCode::Tab);
    assert!(!booth.draw().contains("spy · here"));
}

#[test]
fn nothing_says_what_drew_an_image() {
    for mode in [Mode::Pairs, Mode::Ranking { images: 3 }, Mode::Labels, Mode::Scores { best: 5 }] {
        let mut booth = Booth::new(mode);
        for key in ["1", "2", "3", "d", "k", "u", "?", "q", "\t", "q"] {
            booth.keys(key);
            assert!(!booth.draw().contains("secret"), "{mode:?} {key}");
        }
    }
}

#[test]
fn screens() {
    let tags: Vec<String> = ["hands", "colours", "composition", "spelling"].map(str::to_owned).to_vec();
    for size in [(80, 24), (120, 40)] {
        let at = |name: &str, options: Options, keys: &str| {
            let mut booth = Booth::with(Options { goal: Some(100), ..options }, Theme::default(), size);
            booth.keys(keys);
            assert_snapshot(&format!("rate-{name}-{}x{}", size.0, size.1), &booth.draw());
        };
        at("pairs", Options::new(Mode::Pairs), "");
        at("tags", Options { tags: tags.clone(), ..Options::new(Mode::Pairs) }, "1wer");
        at("ranking", Options::new(Mode::Ranking { images: 4 }), "31t");
        at("labels", Options::new(Mode::Labels), "k");
        at("scores", Options::new(Mode::Scores { best: 7 }), "6");
        at("help", Options { tags: tags.clone(), ..Options::new(Mode::Pairs) }, "?");
        at("progress", Options::new(Mode::Pairs), "1s\t");
        let mut booth = Booth::unnamed(Options::new(Mode::Pairs), Theme::default(), size, Err("ann".into()));
        assert_snapshot(&format!("rate-name-{}x{}", size.0, size.1), &booth.draw());
    }
}

#[test]
fn small_terminals_say_so_and_take_no_decision() {
    let ranking = Options::new(Mode::Ranking { images: 9 });
    let cases = [
        (Options::new(Mode::Pairs), (39, 24), "39 × 24 is too small: at least 40 × 12"),
        (Options::new(Mode::Pairs), (80, 11), "80 × 11 is too small"),
        (Options::new(Mode::Pairs), (1, 1), ""),
        (ranking, (40, 12), "too small for 9 images"),
    ];
    for (options, size, words) in cases {
        let mut booth = Booth::with(options, Theme::default(), size);
        booth.keys("12?");
        booth.press(KeyCode::Esc);
        booth.keys("1d");
        assert!(booth.records().is_empty(), "{size:?}");
        let screen = booth.draw().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(screen.contains(words), "{size:?}\n{screen}");
    }
    let mut booth = Booth::with(Options::new(Mode::Pairs), Theme::default(), (40, 12));
    booth.keys("1");
    assert_eq!(booth.records().len(), 1, "{}", booth.draw());
}

#[test]
fn without_colours_images_are_dots() {
    let theme = Theme { colours: Colours::None, background: Background::Dark };
    let mut booth = Booth::with(Options::new(Mode::Pairs), theme, (80, 24));
    let screen = booth.draw();
    let dots = screen.chars().filter(|letter| ('\u{2801}'..='\u{28ff}').contains(letter)).count();
    assert!(dots > 100, "{screen}");
    for cell in &booth.terminal.backend().buffer().content {
        let plain = ratatui::style::Color::Reset;
        assert!(cell.fg == plain && cell.bg == plain, "{cell:?}");
    }
}

#[test]
fn the_loop_with_its_threads_rates_and_leaves_nothing_unwritten() {
    let booth = Booth::unnamed(Options::new(Mode::Pairs), Theme::default(), (80, 24), Ok("ann".into()));
    let Booth { desk, painter, mut terminal, folder, now, .. } = booth;
    let mut app =
        App::new(Theme::default(), &painter, now, "moa rate".into(), desk.options().clone(), Ok("bob".into()));
    let (sender, inbox) = channel();
    let helpers = Helpers::start(&desk, painter, &sender);
    let (watched, since) = (desk.clone(), std::time::Instant::now());
    let fingers = thread::spawn(move || {
        let press = |letter| {
            let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
            sender.send(Message::Input(Event::Key(key))).is_ok()
        };
        while watched.progress().answered < 8 && since.elapsed() < Duration::from_mins(1) {
            press('1');
            thread::sleep(Duration::from_millis(2));
        }
        press('q');
        press('q')
    });
    // Each look at this clock is a second later.
    let ticks = std::cell::Cell::new(0);
    let clock = || {
        ticks.set(ticks.get() + 1);
        now + Duration::from_secs(ticks.get())
    };
    run(&mut terminal, &mut app, &inbox, &helpers, clock).unwrap();
    helpers.finish();
    fingers.join().unwrap();
    let path = folder.path().join("preferences.jsonl");
    let counted = Preferences::read(&path).unwrap().counted().count();
    assert!(counted >= 8 && counted == desk.progress().answered, "{counted}");
    assert!(!desk.progress().raters.iter().any(|rater| rater.present && rater.name == "bob"), "the seat is free");
}

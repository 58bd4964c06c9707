//! Who is asked what, and that every answer is in the file.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use moa_preferences::{Decision, Image, ImageFile, Mark, Preferences, Winner};
use moa_rating::{
    Answer, Chooser, Desk, Learned, Mode, News, Options, Pool, PoolImage, Question, Random, RatingError, Ticket, Wanted,
};

fn pool(prompts: usize, images: usize) -> Pool {
    Pool::new((0..prompts * images).map(|index| PoolImage {
        image: Image::File(ImageFile { path: format!("{index}.png"), sha256: format!("{index:064x}") }),
        prompt: format!("prompt {}", index / images),
        origin: ["base", "safety", "soup"][index % 3].into(),
        file: format!("{index}.png").into(),
    }))
}

fn open(path: &Path, options: Options) -> Desk {
    Desk::open(path, pool(4, 6), Box::new(Random::new(3)), options).unwrap()
}

fn file() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preferences.jsonl");
    (folder, path)
}

fn subject(ticket: &Ticket) -> Vec<usize> {
    let mut images = ticket.question.images.clone();
    images.sort_unstable();
    images
}

const A: Answer = Answer::Better(Winner::A);

#[test]
fn an_answer_is_in_the_file_before_the_next_question() {
    let (_folder, path) = file();
    let desk = open(&path, Options::new(Mode::Pairs));
    let seat = desk.seat(" ann ").unwrap();
    for count in 1..=5 {
        let ticket = seat.next().unwrap();
        assert_eq!(seat.next().unwrap(), ticket, "the same until it is answered");
        seat.answer(&ticket, &A, &["hands".into()]).unwrap();
        let records: Vec<_> = Preferences::read(&path).unwrap().records().cloned().collect();
        assert_eq!(records.len(), count);
        let last = records.last().unwrap();
        assert_eq!((&*last.id, &*last.who, &last.tags[..]), (&*ticket.id, "ann", &["hands".to_owned()][..]));
        let Decision::Pair { a, .. } = &last.decision else { panic!("{last:?}") };
        assert_eq!(*a, desk.pool().images()[ticket.question.images[0]].image, "A is what was shown first");
    }
}

#[test]
fn an_answer_that_is_sent_twice_counts_once() {
    let (_folder, path) = file();
    let desk = open(&path, Options::new(Mode::Pairs));
    let seat = desk.seat("ann").unwrap();
    let ticket = seat.next().unwrap();
    seat.answer(&ticket, &A, &[]).unwrap();
    seat.answer(&ticket, &A, &[]).unwrap();
    // Also by a desk that is opened later, as after a kill between writing and acknowledging.
    let again = open(&path, Options::new(Mode::Pairs));
    again.answer("ann", "other", &ticket, &A, &[]).unwrap();
    assert_eq!(again.progress().answered, 1);
    assert_eq!(Preferences::read(&path).unwrap().records().count(), 1);
}

#[test]
fn a_desk_knows_what_a_rater_answered_and_what_it_repeats() {
    let (_folder, path) = file();
    let desk = open(&path, Options { repeats: 0.5, repeat_after: 1, ..Options::new(Mode::Pairs) });
    let seat = desk.seat("ann").unwrap();
    let mut repeats = 0;
    for _ in 0..20 {
        let ticket = seat.next().unwrap();
        let is_repeat = desk.is_repeat("ann", &ticket);
        assert_eq!(desk.has_answered(" ann ", &ticket.question), is_repeat, "there are 60 pairs");
        assert!(!desk.has_answered("bob", &ticket.question) && !desk.is_repeat("bob", &ticket));
        repeats += usize::from(is_repeat);
        seat.answer(&ticket, &A, &[]).unwrap();
        assert!(desk.has_answered("ann", &ticket.question));
    }
    assert!(repeats > 3, "{repeats}");
}

#[test]
fn every_answer_of_every_mode_fits_its_question() {
    let good = [
        (Mode::Pairs, Answer::Better(Winner::Tie)),
        (Mode::Ranking { images: 4 }, Answer::Order(vec![2, 1, 2, 3])),
        (Mode::Labels, Answer::Mark(Mark::Good)),
        (Mode::Scores { best: 5 }, Answer::Score(5)),
    ];
    let bad = [Answer::Order(vec![1, 2]), Answer::Order(vec![0, 1, 2, 3]), Answer::Score(0), Answer::Score(6)];
    for (mode, answer) in &good {
        let (_folder, path) = file();
        let desk = open(&path, Options::new(*mode));
        let seat = desk.seat("ann").unwrap();
        let ticket = seat.next().unwrap();
        let others = good.iter().filter(|(other, _)| other != mode).map(|(_, answer)| answer);
        for wrong in others.chain(&bad) {
            assert!(matches!(seat.answer(&ticket, wrong, &[]), Err(RatingError::Answer { .. })), "{mode:?} {wrong:?}");
        }
        seat.answer(&ticket, answer, &[]).unwrap();
        seat.answer(&seat.next().unwrap(), &Answer::Skip, &[]).unwrap();
        let kept = Preferences::read(&path).unwrap();
        assert_eq!((kept.records().count(), kept.counted().count()), (2, 1));
    }
}

#[test]
fn raters_at_once_hold_different_questions() {
    let (_folder, path) = file();
    let desk = open(&path, Options::new(Mode::Pairs));
    let answered = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for who in ["ann", "bob", "eve"] {
            let (desk, answered) = (&desk, &answered);
            scope.spawn(move || {
                let seat = desk.seat(who).unwrap();
                for _ in 0..15 {
                    let ticket = seat.ahead(2).unwrap().remove(0);
                    seat.answer(&ticket, &A, &[]).unwrap();
                    answered.lock().unwrap().push(subject(&ticket));
                }
            });
        }
    });
    let answered = answered.into_inner().unwrap();
    let distinct: HashSet<_> = answered.iter().collect();
    assert_eq!((answered.len(), distinct.len()), (45, 45), "there are 60 pairs, and none is asked twice");
    assert_eq!(Preferences::read(&path).unwrap().counted().count(), 45);
}

#[test]
fn what_a_rater_held_who_went_is_asked_of_others() {
    let (_folder, path) = file();
    let desk = open(&path, Options { lease: Duration::ZERO, ..Options::new(Mode::Pairs) });
    let held = desk.tickets("ann", "1", 3).unwrap();
    let next = desk.tickets("bob", "1", 3).unwrap();
    assert_eq!(held.iter().map(subject).collect::<Vec<_>>(), next.iter().map(subject).collect::<Vec<_>>());
    // Ann's answer counts all the same.
    desk.answer("ann", "1", &held[0], &A, &[]).unwrap();
    assert_eq!(desk.progress().answered, 1);
}

#[test]
fn undo_goes_back_any_number_of_steps() {
    let (_folder, path) = file();
    let desk = open(&path, Options { repeats: 0.5, overlap: 0.5, ..Options::new(Mode::Pairs) });
    let seat = desk.seat("ann").unwrap();
    let other = desk.seat("bob").unwrap();
    other.answer(&other.next().unwrap(), &A, &[]).unwrap();
    let mut asked = Vec::new();
    for _ in 0..20 {
        let ticket = seat.next().unwrap();
        seat.answer(&ticket, &A, &[]).unwrap();
        asked.push(ticket);
    }
    let last = desk.last("ann").unwrap();
    let first = &asked[0].id;
    assert!(matches!(desk.undo("ann", "w", Some(first)), Err(RatingError::NotLast { .. })));
    for ticket in asked.iter().rev() {
        assert_eq!(seat.undo().unwrap().as_ref(), Some(&ticket.id));
        let back = seat.next().unwrap();
        assert_eq!(back.question, ticket.question, "the question comes back as it was shown");
        assert_ne!(back.id, ticket.id);
    }
    assert_eq!(seat.undo().unwrap(), None);
    // Sent twice.
    assert_eq!(desk.undo("ann", "w", Some(&last)).unwrap(), None);
    let progress = desk.progress();
    assert_eq!((progress.answered, progress.between.of), (1, 0), "{progress:?}");
    assert_eq!(Preferences::read(&path).unwrap().counted().count(), 1);
}

#[test]
fn a_desk_goes_on_from_its_file() {
    let (_folder, path) = file();
    let options = Options { repeats: 0.3, overlap: 1.0, repeat_after: 2, ..Options::new(Mode::Pairs) };
    let desk = open(&path, options.clone());
    for who in ["ann", "bob"] {
        let seat = desk.seat(who).unwrap();
        for number in 0..20 {
            let answer = if number % 5 == 4 { Answer::Skip } else { A };
            seat.answer(&seat.next().unwrap(), &answer, &[]).unwrap();
        }
        seat.undo().unwrap();
    }
    let held = desk.tickets("ann", "page", 2).unwrap();
    let before = desk.progress();
    assert!(before.between.of > 5 && before.raters[0].itself.of > 0, "{before:?}");
    let last = desk.last("ann");
    drop(desk);
    let text = fs::read(&path).unwrap();
    // Torn as by a kill.
    fs::write(&path, [&text[..], b"{\"version\":1,\"id\":\"17"].concat()).unwrap();
    let desk = open(&path, options);
    let after = desk.progress();
    assert_eq!((after.answered, after.between, desk.last("ann")), (before.answered, before.between, last));
    for (one, other) in after.raters.iter().zip(&before.raters) {
        assert_eq!((one.answered, one.skipped, one.itself), (other.answered, other.skipped, other.itself));
    }
    // A page that was open goes on where it was.
    for ticket in held.iter().rev() {
        desk.adopt("ann", "page", ticket).unwrap();
    }
    assert_eq!(desk.tickets("ann", "page", 2).unwrap(), held);
    desk.answer("ann", "page", &held[0], &A, &[]).unwrap();
    desk.undo("ann", "page", None).unwrap();
    assert_eq!(desk.progress().answered, before.answered);
    assert_eq!(Preferences::read(&path).unwrap().notes()[0].split(' ').next(), Some("1"), "one line is torn");
}

#[test]
fn a_share_is_asked_of_all_and_a_share_is_repeated_with_sides_swapped() {
    let (_folder, path) = file();
    let options = Options { overlap: 0.4, repeats: 0.2, repeat_after: 3, ..Options::new(Mode::Pairs) };
    let desk = open(&path, options);
    let mut shown: Vec<(&str, Question)> = Vec::new();
    let (ann, bob) = (desk.seat("ann").unwrap(), desk.seat("bob").unwrap());
    for _ in 0..25 {
        for seat in [&ann, &bob] {
            let ticket = seat.next().unwrap();
            let earlier = shown.iter().find(|(who, other)| *who == seat.who() && subject(&ticket) == sorted(other));
            if let Some((_, other)) = earlier {
                let swapped: Vec<usize> = other.images.iter().rev().copied().collect();
                assert_eq!(ticket.question.images, swapped);
            }
            shown.push((if seat.who() == "ann" { "ann" } else { "bob" }, ticket.question.clone()));
            let left = ticket.question.images[0] < ticket.question.images[1];
            seat.answer(&ticket, &Answer::Better(if left { Winner::A } else { Winner::B }), &[]).unwrap();
        }
    }
    let progress = desk.progress();
    for rater in &progress.raters {
        assert!((3..=5).contains(&rater.itself.of) && rater.itself.agreed == rater.itself.of, "{rater:?}");
    }
    assert!((4..=16).contains(&progress.between.of), "{progress:?}");
    assert_eq!(progress.between.agreed, progress.between.of, "both prefer the image that comes first in the pool");
}

fn sorted(question: &Question) -> Vec<usize> {
    let mut images = question.images.clone();
    images.sort_unstable();
    images
}

/// Counts what a chooser is given.
struct Counting {
    heard: Arc<AtomicUsize>,
    most_waiting: Arc<AtomicUsize>,
    random: Random,
}

impl Chooser for Counting {
    fn hear(&mut self, pool: &Pool, news: &News) {
        self.heard.fetch_add(1, Ordering::Relaxed);
        self.random.hear(pool, news);
    }

    fn choose(&mut self, wanted: &Wanted<'_>) -> Vec<Question> {
        self.most_waiting.fetch_max(wanted.waiting.len() + wanted.count, Ordering::Relaxed);
        self.random.choose(wanted)
    }
}

/// The file is only appended to, and a chooser hears of each answer once, however many there are.
#[test]
fn ten_thousand_answers_cost_no_more_each() {
    let (_folder, path) = file();
    let mut lines = String::new();
    let pool = pool(4, 6);
    for index in 0..10_000_usize {
        let (first, second) = (index % 6, (index + 1) % 6);
        let decision = Decision::Pair {
            prompt: "prompt 0".into(),
            a: pool.images()[first].image.clone(),
            b: pool.images()[second].image.clone(),
            outcome: Some(Winner::A),
        };
        let when = moa_preferences::Moment::from_unix_ms(1_000 * index as u64);
        let record = moa_preferences::Record::new(format!("1-ann-{index}"), "ann", when, decision);
        lines += &(record.to_line() + "\n");
    }
    fs::write(&path, &lines).unwrap();
    let (heard, most_waiting) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let chooser = Counting { heard: heard.clone(), most_waiting: most_waiting.clone(), random: Random::new(1) };
    let desk = Desk::open(&path, pool, Box::new(chooser), Options::new(Mode::Pairs)).unwrap();
    let seat = desk.seat("ann").unwrap();
    for _ in 0..50 {
        seat.answer(&seat.next().unwrap(), &A, &[]).unwrap();
    }
    assert!(desk.settle(Duration::from_secs(30)));
    assert_eq!(heard.load(Ordering::Relaxed), 10_050);
    assert!(most_waiting.load(Ordering::Relaxed) <= 40, "{most_waiting:?}");
    assert_eq!(desk.progress().answered, 10_050);
    assert!(fs::read_to_string(&path).unwrap().starts_with(&lines));
}

/// A chooser that hangs, returns nonsense, or panics does not keep raters waiting.
#[test]
fn raters_do_not_depend_on_the_chooser() {
    struct Bad(u8);
    impl Chooser for Bad {
        fn hear(&mut self, _: &Pool, _: &News) {}
        fn choose(&mut self, _: &Wanted<'_>) -> Vec<Question> {
            match self.0 {
                0 => loop {
                    std::thread::park();
                },
                1 => vec![
                    Question { images: vec![0, 0] },
                    Question { images: vec![0, 23] },
                    Question { images: vec![99, 1] },
                ],
                2 => Vec::new(),
                _ => panic!("a bug"),
            }
        }
        fn learned(&mut self) -> Learned {
            Learned { text: "much".into(), ..Learned::default() }
        }
    }
    for kind in 0..4 {
        let (_folder, path) = file();
        let desk = Desk::open(&path, pool(4, 6), Box::new(Bad(kind)), Options::new(Mode::Pairs)).unwrap();
        let seat = desk.seat("ann").unwrap();
        let mut asked = HashSet::new();
        for _ in 0..30 {
            let ticket = seat.next().unwrap();
            asked.insert(subject(&ticket));
            seat.answer(&ticket, &A, &[]).unwrap();
        }
        assert_eq!(asked.len(), 30, "{kind}");
        if kind == 3 {
            assert!(desk.settle(Duration::from_secs(30)));
            assert!(desk.progress().learned.text.starts_with("choosing questions failed"));
        }
    }
}

#[test]
fn a_choosers_questions_are_asked_in_its_order() {
    struct Fixed(Vec<Question>);
    impl Chooser for Fixed {
        fn hear(&mut self, _: &Pool, _: &News) {}
        fn choose(&mut self, _: &Wanted<'_>) -> Vec<Question> {
            std::mem::take(&mut self.0)
        }
    }
    let (_folder, path) = file();
    let wanted: Vec<Vec<usize>> = (0..5).map(|index| vec![index, index + 1]).collect();
    let questions = wanted.iter().map(|images| Question { images: images.clone() }).collect();
    let options = Options { batch: 4, patience: Duration::from_secs(30), ..Options::new(Mode::Pairs) };
    let desk = Desk::open(&path, pool(4, 6), Box::new(Fixed(questions)), options).unwrap();
    let seat = desk.seat("ann").unwrap();
    let asked: Vec<_> = (0..5)
        .map(|_| {
            let ticket = seat.next().unwrap();
            seat.answer(&ticket, &A, &[]).unwrap();
            subject(&ticket)
        })
        .collect();
    assert_eq!(asked, wanted);
}

#[test]
fn random_questions_balance_origins_and_do_not_repeat() {
    for (mode, count) in [(Mode::Pairs, 60), (Mode::Ranking { images: 3 }, 40), (Mode::Labels, 24)] {
        let pool = pool(4, 6);
        let chosen = Random::new(5).choose(&Wanted { pool: &pool, mode, waiting: &[], count });
        let distinct: HashSet<_> = chosen.iter().map(sorted).collect();
        assert_eq!(distinct.len(), count, "{mode:?}");
        let mut origins = std::collections::BTreeMap::new();
        for place in chosen.iter().flat_map(|question| &question.images) {
            *origins.entry(&pool.images()[*place].origin).or_insert(0) += 1;
        }
        let (least, most) = (origins.values().min().unwrap(), origins.values().max().unwrap());
        assert!(most - least <= 4, "{mode:?}: {origins:?}");
    }
}

#[test]
fn sides_are_shuffled() {
    let (_folder, path) = file();
    let desk = open(&path, Options::new(Mode::Pairs));
    let tickets = desk.tickets("ann", "1", 60).unwrap();
    let left = tickets.iter().filter(|ticket| ticket.question.images[0] < ticket.question.images[1]).count();
    assert!((15..=45).contains(&left), "{left}");
}

#[test]
fn what_cannot_be_is_refused_and_nothing_is_written() {
    let (_folder, path) = file();
    let desk = open(&path, Options::new(Mode::Pairs));
    for name in ["", "  ", "a\nb", &"x".repeat(65)] {
        assert!(matches!(desk.seat(name), Err(RatingError::Name { .. })), "{name:?}");
    }
    let seat = desk.seat("ann").unwrap();
    let real = seat.next().unwrap();
    for (id, images) in [
        ("1-bob-0", vec![0, 1]),
        ("1-ann-x", vec![0, 1]),
        ("", vec![0, 1]),
        ("1-ann-0", vec![0, 0]),
        ("1-ann-0", vec![0, 23]),
        ("1-ann-0", vec![0, 1, 2]),
        ("1-ann-0", vec![0, 1_000]),
    ] {
        let ticket = Ticket { id: id.into(), question: Question { images } };
        assert!(matches!(seat.answer(&ticket, &A, &[]), Err(RatingError::UnknownQuestion { .. })), "{ticket:?}");
    }
    let tags = vec!["two\nlines".to_owned()];
    assert!(matches!(seat.answer(&real, &A, &tags), Err(RatingError::Preferences(_))));
    assert_eq!(fs::read(&path).unwrap(), b"");
    assert_eq!(desk.progress().answered, 0);
    for options in [
        Options::new(Mode::Ranking { images: 2 }),
        Options::new(Mode::Scores { best: 1 }),
        Options { overlap: 1.5, ..Options::new(Mode::Pairs) },
        Options { repeats: f64::NAN, ..Options::new(Mode::Pairs) },
        Options { batch: 0, ..Options::new(Mode::Pairs) },
    ] {
        let refused = Desk::open(&path, pool(4, 6), Box::new(Random::new(0)), options);
        assert!(matches!(refused, Err(RatingError::Option { .. })));
    }
    let small = Desk::open(&path, pool(5, 1), Box::new(Random::new(0)), Options::new(Mode::Pairs));
    assert!(matches!(small, Err(RatingError::PoolTooSmall { images: 2 })));
}

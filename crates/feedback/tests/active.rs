//! What an active chooser asks, of whom and when.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moa_core::NoiseKey;
use moa_feedback::{Active, ActiveSettings, Asking, Errors, FeedbackError, Simulated};
use moa_preference_model::Features;
use moa_preferences::{Decision, Image, ImageFile, Moment, Record, Winner};
use moa_rating::{Answer, Answered, Chooser as _, Desk, Mode, News, Options, Pool, PoolImage, Question, Wanted};

const WAYS: [Asking; 4] = [Asking::Random, Asking::Bald, Asking::Prediction, Asking::Front];

struct World {
    pool: Pool,
    features: Features,
    scores: Vec<f64>,
}

fn world(prompts: usize, images: usize, width: usize) -> World {
    let pool = Pool::new((0..prompts * images).map(|index| PoolImage {
        image: Image::File(ImageFile { path: format!("{index}.png"), sha256: format!("{index:064x}") }),
        prompt: format!("prompt {}", index / images),
        origin: ["base", "safety", "soup"][index % 3].into(),
        file: format!("{index}.png").into(),
    }));
    let values = NoiseKey::new(5).normal(prompts * images * width);
    let features = Features::new(width, values).unwrap();
    let direction = NoiseKey::new(6).normal(width);
    let score = |place: usize| features.row(place).iter().zip(&direction).map(|(x, w)| f64::from(x * w)).sum();
    let scores = (0..prompts * images).map(score).collect();
    World { pool, features, scores }
}

fn settings(asking: Asking) -> ActiveSettings {
    ActiveSettings { asking, seed: 2, ..ActiveSettings::default() }
}

/// The record of an answer, as the desk writes it.
fn answered(pool: &Pool, number: usize, question: &Question, answer: &Answer, who: &str) -> Answered {
    let image = |at: usize| pool.images()[question.images[at]].image.clone();
    let prompt = pool.images()[question.images[0]].prompt.clone();
    let decision = match answer {
        Answer::Better(winner) => Decision::Pair { prompt, a: image(0), b: image(1), outcome: Some(*winner) },
        Answer::Order(ranks) => {
            let images = (0..question.images.len()).map(image).collect();
            Decision::Ranking { prompt, images, outcome: Some(ranks.clone()) }
        }
        Answer::Mark(mark) => Decision::Label { prompt, image: image(0), outcome: Some(*mark) },
        Answer::Score(score) => Decision::Score { prompt, image: image(0), outcome: Some(f64::from(*score)) },
        Answer::Skip => Decision::Pair { prompt, a: image(0), b: image(1), outcome: None },
    };
    let record = Record::new(format!("{number}"), who, Moment::now(), decision);
    Answered { record: Arc::new(record), images: question.images.clone() }
}

fn sorted(question: &Question) -> Vec<usize> {
    let mut images = question.images.clone();
    images.sort_unstable();
    images
}

/// Asks and answers batches; returns everything that was asked.
fn ask(world: &World, active: &mut Active, mode: Mode, batches: usize) -> Vec<Question> {
    let rater = Simulated::new(&world.pool, world.scores.clone(), Errors::Close(0.25), 1).unwrap();
    let mut all = Vec::new();
    for _ in 0..batches {
        let chosen = active.choose(&Wanted { pool: &world.pool, mode, waiting: &[], count: 10 });
        assert_eq!(chosen.len(), 10);
        for question in chosen {
            let answer = rater.answer(mode, &question);
            let news = News::Answered(answered(&world.pool, all.len(), &question, &answer, "ann"));
            active.hear(&world.pool, &news);
            all.push(question);
        }
    }
    all
}

#[test]
fn questions_of_every_mode_are_valid_and_not_repeated() {
    let world = world(12, 10, 8);
    for (mode, batches) in
        [(Mode::Pairs, 8), (Mode::Ranking { images: 4 }, 5), (Mode::Labels, 6), (Mode::Scores { best: 5 }, 6)]
    {
        for asking in WAYS {
            let mut active = Active::new(&world.pool, &world.features, settings(asking)).unwrap();
            let asked = ask(&world, &mut active, mode, batches);
            for question in &asked {
                let images = sorted(question);
                assert_eq!(images.len(), mode.size());
                assert!(images.windows(2).all(|two| two[0] < two[1]));
                assert!(images.iter().all(|place| world.pool.prompt_of(*place) == world.pool.prompt_of(images[0])));
            }
            let distinct: HashSet<_> = asked.iter().map(sorted).collect();
            assert_eq!(distinct.len(), asked.len(), "{mode:?} {asking:?}");
            assert!(active.model().is_some());
            // The same answers lead to the same questions.
            let mut again = Active::new(&world.pool, &world.features, settings(asking)).unwrap();
            assert_eq!(ask(&world, &mut again, mode, batches), asked, "{mode:?} {asking:?}");
        }
    }
}

#[test]
fn what_waits_is_not_chosen_and_shapes_the_batch() {
    let world = world(12, 10, 8);
    let mut active = Active::new(&world.pool, &world.features, settings(Asking::Bald)).unwrap();
    ask(&world, &mut active, Mode::Pairs, 3);
    let wanted = Wanted { pool: &world.pool, mode: Mode::Pairs, waiting: &[], count: 10 };
    let first = active.choose(&wanted);
    let second = active.choose(&Wanted { waiting: &first, ..wanted });
    let all: HashSet<_> = first.iter().chain(&second).map(sorted).collect();
    assert_eq!(all.len(), 20);
    // A batch is about more than a few images.
    let images: HashSet<usize> = first.iter().flat_map(|question| question.images.clone()).collect();
    assert!(images.len() >= 12, "{images:?}");
}

#[test]
fn a_pool_that_was_asked_once_is_asked_again() {
    let world = world(2, 4, 3);
    let mut active = Active::new(&world.pool, &world.features, settings(Asking::Prediction)).unwrap();
    let asked = ask(&world, &mut active, Mode::Pairs, 3);
    let first: HashSet<_> = asked[..12].iter().map(sorted).collect();
    assert_eq!(first.len(), 12, "all twelve pairs once, then again");
}

#[test]
fn undone_and_skipped_answers_are_not_learned_from() {
    let world = world(6, 6, 4);
    let mut active = Active::new(&world.pool, &world.features, settings(Asking::Bald)).unwrap();
    let wanted = Wanted { pool: &world.pool, mode: Mode::Pairs, waiting: &[], count: 10 };
    let questions = active.choose(&wanted);
    let news: Vec<Answered> = (questions.iter().enumerate())
        .map(|(number, question)| answered(&world.pool, number, question, &Answer::Better(Winner::A), "ann"))
        .collect();
    for answered in &news {
        active.hear(&world.pool, &News::Answered(answered.clone()));
    }
    active.choose(&wanted);
    assert_eq!(active.model().unwrap().judgements(), 10);
    active.hear(&world.pool, &News::Undone(news[9].clone()));
    let skipped = answered(&world.pool, 11, &questions[9], &Answer::Skip, "ann");
    active.hear(&world.pool, &News::Answered(skipped));
    let next = active.choose(&wanted);
    assert_eq!(active.model().unwrap().judgements(), 9);
    assert!(!next.iter().any(|question| sorted(question) == sorted(&questions[9])), "skipped: not asked at once again");
    for answered in &news[4..9] {
        active.hear(&world.pool, &News::Undone(answered.clone()));
    }
    active.choose(&wanted);
    assert!(active.model().is_none(), "four answers are too few");
}

#[test]
fn what_was_learned_is_said_without_what_drew_it() {
    let world = world(20, 8, 4);
    let mut active = Active::new(&world.pool, &world.features, settings(Asking::Random)).unwrap();
    assert!(active.learned().text.is_empty());
    let rater = Simulated::new(&world.pool, world.scores.clone(), Errors::None, 1).unwrap();
    let mut number = 0;
    for _ in 0..12 {
        for question in active.choose(&Wanted { pool: &world.pool, mode: Mode::Pairs, waiting: &[], count: 10 }) {
            for who in ["ann", "bob"] {
                let answer = rater.answer(Mode::Pairs, &question);
                active.hear(&world.pool, &News::Answered(answered(&world.pool, number, &question, &answer, who)));
                number += 1;
            }
        }
        active.wait();
    }
    active.choose(&Wanted { pool: &world.pool, mode: Mode::Pairs, waiting: &[], count: 1 });
    active.wait();
    let learned = active.learned();
    assert!(learned.text.contains("of the decisions on other prompts are predicted"), "{learned:?}");
    assert!(learned.text.contains("Raters agree in 100 %"), "{learned:?}");
    let names: Vec<&str> = learned.figures.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["predicted", "answers still needed", "raters agree"], "{learned:?}");
    for origin in ["base", "safety", "soup"] {
        assert!(!format!("{learned:?}").contains(origin), "{learned:?}");
    }
}

#[test]
fn features_must_fit_the_pool() {
    let world = world(2, 4, 3);
    let few = Features::new(3, vec![1.0; 9]).unwrap();
    let Err(error) = Active::new(&world.pool, &few, ActiveSettings::default()) else { panic!("it is refused") };
    assert!(matches!(error, FeedbackError::Count { found: 3, images: 8, .. }), "{error}");
}

/// Through a desk, with its thread; two raters at once.
#[test]
fn raters_at_a_desk_are_asked_different_questions_by_the_model() {
    let world = world(10, 8, 6);
    let folder = tempfile::tempdir().unwrap();
    let active = Active::new(&world.pool, &world.features, settings(Asking::Prediction)).unwrap();
    let options = Options { batch: 4, patience: Duration::from_secs(20), ..Options::new(Mode::Pairs) };
    let path = folder.path().join("preferences.jsonl");
    let desk = Desk::open(&path, world.pool.clone(), Box::new(active), options).unwrap();
    std::thread::scope(|scope| {
        for who in ["ann", "bob"] {
            let (desk, world) = (&desk, &world);
            scope.spawn(move || {
                let rater = Simulated::new(&world.pool, world.scores.clone(), Errors::Close(0.25), 1).unwrap();
                rater.attend(&desk.seat(who).unwrap(), Mode::Pairs, 30).unwrap();
            });
        }
    });
    assert!(desk.settle(Duration::from_secs(20)));
    let progress = desk.progress();
    assert_eq!(progress.answered, 60);
    assert_eq!(progress.between.of, 0, "no pair was asked of both");
    assert!(!progress.learned.text.is_empty());
}

/// A bound that a slow machine keeps.
#[test]
fn some_hundreds_of_answers_are_learned_from_in_a_moment() {
    let world = world(50, 16, 256);
    let mut active = Active::new(&world.pool, &world.features, settings(Asking::Prediction)).unwrap();
    ask(&world, &mut active, Mode::Pairs, 29);
    active.wait();
    let began = Instant::now();
    ask(&world, &mut active, Mode::Pairs, 1);
    println!("290 answers: {:?}", began.elapsed());
    if !cfg!(debug_assertions) {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}

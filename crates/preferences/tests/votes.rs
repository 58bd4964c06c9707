//! Votes on the same images are one entry each, with the share of votes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use moa_preferences::{Decision, Drawn, Ids, Image, ImageFile, Mark, Moment, Preferences, Record, Scores, Winner};

fn image(name: &str) -> Image {
    let number = name.bytes().fold(0, |number, byte| number << 8 | u32::from(byte));
    Image::File(ImageFile { path: format!("{name}.png"), sha256: format!("{number:064x}") })
}

fn pair(a: &str, b: &str, outcome: Option<Winner>) -> Decision {
    Decision::Pair { prompt: "a cat".into(), a: image(a), b: image(b), outcome }
}

fn ranking(images: &[&str], outcome: &[u32]) -> Decision {
    let images = images.iter().map(|name| image(name)).collect();
    Decision::Ranking { prompt: "a cat".into(), images, outcome: Some(outcome.to_vec()) }
}

fn label(name: &str, outcome: Option<Mark>) -> Decision {
    Decision::Label { prompt: "a cat".into(), image: image(name), outcome }
}

fn score(name: &str, outcome: f64) -> Decision {
    Decision::Score { prompt: "a cat".into(), image: image(name), outcome: Some(outcome) }
}

fn undo(record: &str) -> Decision {
    Decision::Undo { record: record.into() }
}

/// Reads the decisions back from lines; the id of decision `n` is `n`.
fn preferences(decisions: Vec<(&str, f64, Decision)>) -> Preferences {
    let when = Moment::from_unix_ms(1_772_446_272_345);
    let lines: Vec<String> = decisions
        .into_iter()
        .enumerate()
        .map(|(id, (who, weight, decision))| {
            let tags = vec![format!("by {who}")];
            Record { weight, tags, ..Record::new(id.to_string(), who, when, decision) }.to_line()
        })
        .collect();
    Preferences::from_bytes(lines.join("\n").as_bytes(), Path::new("p.jsonl")).unwrap()
}

/// Returns the pairs' names with share and number of votes.
fn pairs(preferences: &Preferences) -> Vec<(String, f64, usize)> {
    let name = |image: &Image| match image {
        Image::File(file) => file.path.trim_end_matches(".png").to_owned(),
        Image::Drawn(drawn) => drawn.seed.to_string(),
    };
    let pairs = preferences.pairs(&[]).unwrap();
    pairs.iter().map(|pair| (name(&pair.a) + &name(&pair.b), pair.share, pair.votes)).collect()
}

#[test]
fn votes_in_either_order_are_one_pair_with_the_weighted_mean() {
    let preferences = preferences(vec![
        ("ann", 1.0, pair("b", "a", Some(Winner::A))),
        ("bob", 2.0, pair("a", "b", Some(Winner::A))),
        ("eve", 1.0, pair("a", "b", Some(Winner::Tie))),
        ("ann", 1.0, pair("c", "a", Some(Winner::B))),
    ]);
    // For b, which came first: (1·1 + 2·0 + 1·½) / 4.
    assert_eq!(pairs(&preferences), [("ba".into(), 0.375, 3), ("ca".into(), 0.0, 1)]);
    let first = &preferences.pairs(&[]).unwrap()[0];
    assert_eq!((first.weight, &first.tags), (4.0, &["by ann", "by bob", "by eve"].map(String::from).to_vec()));
    assert_eq!(preferences.notes(), ["1 of 2 pairs is contradicted: each counts with its share of votes"]);
}

#[test]
fn rankings_are_votes_on_each_two_images() {
    let preferences = preferences(vec![
        ("ann", 1.0, ranking(&["a", "b", "c"], &[2, 1, 2])),
        ("bob", 1.0, pair("c", "b", Some(Winner::A))),
    ]);
    assert_eq!(pairs(&preferences), [("ab".into(), 0.0, 1), ("ac".into(), 0.5, 1), ("bc".into(), 0.5, 2)]);
}

#[test]
fn the_same_images_of_another_prompt_are_another_pair() {
    let other = Decision::Pair { prompt: "a dog".into(), a: image("a"), b: image("b"), outcome: Some(Winner::B) };
    let preferences = preferences(vec![("ann", 1.0, pair("a", "b", Some(Winner::A))), ("ann", 1.0, other)]);
    assert_eq!(pairs(&preferences), [("ab".into(), 1.0, 1), ("ab".into(), 0.0, 1)]);
    assert!(preferences.notes().is_empty());
}

#[test]
fn what_is_skipped_or_undone_counts_nowhere_and_undos_can_be_undone() {
    let preferences = preferences(vec![
        ("ann", 1.0, pair("a", "b", Some(Winner::A))),
        ("ann", 1.0, undo("0")),
        ("ann", 1.0, pair("a", "b", Some(Winner::B))),
        ("ann", 1.0, pair("c", "d", Some(Winner::B))),
        ("ann", 1.0, undo("3")),
        ("ann", 1.0, undo("4")),
        ("ann", 1.0, pair("e", "f", None)),
        ("ann", 0.0, pair("g", "h", Some(Winner::A))),
    ]);
    assert_eq!(pairs(&preferences), [("ab".into(), 0.0, 1), ("cd".into(), 0.0, 1)]);
    assert!(preferences.is_undone("0") && preferences.is_undone("4") && !preferences.is_undone("3"));
    assert_eq!(
        preferences.notes(),
        [
            "of 5 decisions 1 is skipped and 1 undone: they are left out",
            "1 of 3 pairs has only votes of weight 0: they are left out"
        ]
    );
}

#[test]
fn repeats_count_and_say_how_consistent_raters_are() {
    let preferences = preferences(vec![
        ("ann", 1.0, pair("a", "b", Some(Winner::A))),
        ("ann", 1.0, pair("b", "a", Some(Winner::B))),
        ("ann", 1.0, pair("a", "b", Some(Winner::Tie))),
        ("bob", 1.0, pair("a", "b", Some(Winner::A))),
        ("bob", 1.0, label("a", Some(Mark::Good))),
        ("bob", 1.0, label("a", Some(Mark::Bad))),
    ]);
    assert_eq!(pairs(&preferences), [("ab".into(), 0.875, 4)]);
    assert_eq!(
        preferences.notes(),
        [
            "1 of 1 labelled image is contradicted: each counts with its share of votes",
            "1 vote repeats what the same rater said of the same images before: each counts as one more vote",
            "ann voted again 2 times, and as the first time 1 time",
            "bob voted again 1 time, and as the first time 0 times",
        ]
    );
    let raters = preferences.raters();
    assert_eq!((raters[0].decisions, raters[0].repeats, raters[0].agreed), (3, 2, 1));
}

#[test]
fn scores_are_labels_against_the_raters_own_median() {
    let preferences = preferences(vec![
        ("ann", 1.0, score("a", 1.0)),
        ("ann", 1.0, score("b", 2.0)),
        ("ann", 1.0, score("c", 3.0)),
        ("bob", 1.0, score("a", 90.0)),
        ("bob", 1.0, score("b", 40.0)),
        ("eve", 2.0, label("c", Some(Mark::Bad))),
        ("eve", 1.0, label("d", None)),
    ]);
    let shares = |scores| preferences.labels(scores, &[]).unwrap().iter().map(|label| label.share).collect::<Vec<_>>();
    assert_eq!(shares(Scores::LeftOut), [0.0]);
    // ann's median is 2, bob's 65.
    assert_eq!(shares(Scores::AgainstMedian), [0.5, 0.25, 1.0 / 3.0]);
    assert!(
        preferences.notes()[1].starts_with("1 score is equal to their rater's median"),
        "{:?}",
        preferences.notes()
    );
}

#[test]
fn a_record_that_stands_twice_counts_once() {
    let when = Moment::from_unix_ms(0);
    let line = Record::new("1", "ann", when, pair("a", "b", Some(Winner::A))).to_line();
    let text = format!("{line}\n{line}\n{line}\n");
    let preferences = Preferences::from_bytes(text.as_bytes(), Path::new("p.jsonl")).unwrap();
    assert_eq!(pairs(&preferences), [("ab".into(), 1.0, 1)]);
    assert_eq!(preferences.notes(), ["2 records stand again with the same id: each counts once"]);
}

#[test]
fn pairs_that_are_all_ties_are_told() {
    let preferences = preferences(vec![("ann", 1.0, pair("a", "b", Some(Winner::Tie)))]);
    assert_eq!(preferences.notes(), ["every vote on a pair is a tie: nothing is preferred"]);
}

/// 1,000 pairs, each voted on by three raters, one of whom contradicts twelve; 2,000 images in files.
#[test]
fn a_thousand_pairs_are_read_and_checked_quickly() {
    let root = tempfile::tempdir().unwrap();
    let mut images = Vec::new();
    for number in 0..2000 {
        let name = format!("{number}.png");
        fs::write(root.path().join(&name), number.to_string().repeat(5000)).unwrap();
        images.push(Image::of_file(root.path(), &name).unwrap());
    }
    let mut lines = Vec::new();
    for who in ["ann", "bob", "eve"] {
        let mut ids = Ids::new(who, Moment::from_unix_ms(0));
        for number in 0..1000 {
            let contradicts = who == "eve" && number % 83 == 2;
            let (mut a, mut b) = (images[2 * number].clone(), images[2 * number + 1].clone());
            let mut outcome = if contradicts { Winner::B } else { Winner::A };
            if who == "bob" {
                std::mem::swap(&mut a, &mut b);
                outcome = Winner::B;
            }
            let prompt = format!("image {}", number / 4);
            let decision = Decision::Pair { prompt, a, b, outcome: Some(outcome) };
            lines.push(Record::new(ids.fresh(), who, Moment::from_unix_ms(number as u64), decision).to_line());
        }
    }
    let path = root.path().join("preferences.jsonl");
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let began = Instant::now();
    let preferences = Preferences::read(&path).unwrap();
    let pairs = preferences.pairs(&[]).unwrap();
    preferences.check_images().unwrap();
    let (notes, taken) = (preferences.notes(), began.elapsed());
    assert_eq!((pairs.len(), pairs[0].share, pairs[2].share), (1000, 1.0, 2.0 / 3.0));
    assert!(pairs.iter().all(|pair| pair.votes == 3 && (pair.weight - 3.0).abs() < 1e-12));
    assert_eq!(notes, ["13 of 1,000 pairs are contradicted: each counts with its share of votes"]);
    println!("3,000 records and 2,000 files in {taken:?}");
    assert!(taken < Duration::from_secs(5), "{taken:?}");
}

#[test]
fn drawn_images_are_told_apart_by_all_that_draws_them() {
    let drawn = |seed, adapter: Option<&str>| {
        Image::Drawn(Drawn {
            base: "emoji-32".into(),
            adapter: adapter.map(String::from),
            adapter_sha256: None,
            seed,
            noise: "sample".into(),
            place: [0, 0],
            steps: 6,
            guidance: 1.0,
        })
    };
    let pair = |a: &Image, b: &Image, winner| {
        let (a, b) = (a.clone(), b.clone());
        Decision::Pair { prompt: "a cat".into(), a, b, outcome: Some(winner) }
    };
    let (base, trained, other) = (drawn(7, None), drawn(7, Some("runs/a")), drawn(u64::MAX, None));
    let preferences = preferences(vec![
        ("ann", 1.0, pair(&base, &trained, Winner::A)),
        ("bob", 1.0, pair(&trained, &base, Winner::A)),
        ("ann", 1.0, pair(&base, &other, Winner::A)),
    ]);
    let shares: Vec<f64> = preferences.pairs(&[]).unwrap().iter().map(|pair| pair.share).collect();
    assert_eq!(shares, [0.5, 1.0]);
    assert_eq!(preferences.pairs(&[]).unwrap()[1].b, other);
}

#[test]
fn votes_about_different_topics_are_not_merged() {
    let topics = ["safety".to_owned(), "aesthetics".to_owned()];
    let line = |id: &str, outcome: &str, tags: &str| {
        let image =
            |hash: char| format!(r#"{{"File":{{"path":"{hash}.png","sha256":"{}"}}}}"#, hash.to_string().repeat(64));
        format!(
            r#"{{"version":1,"id":"{id}","kind":"Pair","prompt":"a cat","images":[{},{}],"outcome":"{outcome}","tags":[{tags}],"who":"ann","when":"2026-03-02T10:11:12Z"}}"#,
            image('a'),
            image('b')
        )
    };
    let text = [
        line("1", "A", r#""safety""#),
        line("2", "B", r#""aesthetics","hands""#),
        line("3", "A", ""),
        line("4", "A", r#""hands""#),
    ]
    .join("\n");
    let preferences = Preferences::from_bytes((text + "\n").as_bytes(), std::path::Path::new("p.jsonl")).unwrap();
    let shares =
        |topics: &[String]| -> Vec<f64> { preferences.pairs(topics).unwrap().iter().map(|pair| pair.share).collect() };
    assert_eq!(shares(&topics), [1.0, 0.0, 1.0], "one for each topic, and one for all");
    assert_eq!(shares(&[]), [0.75]);
}

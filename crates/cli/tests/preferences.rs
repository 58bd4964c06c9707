//! Training on files of preferences.

mod support;

use std::fs;

use moa_preferences::{Decision, Drawn, Image, Mark, Moment, Record, Winner};
use support::{Desk, shipped};

const PROMPTS: [&str; 2] = ["a cat on a red background", "a beer left of an apple on a blue background"];

/// The smallest experiment with another method.
fn experiment(desk: &Desk, name: &str, method: &str) {
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    desk.write(&format!("{name}.ron"), text.replace("PolicyGradient(train_steps: 1)", method));
}

/// Writes an image of one colour and a little noise.
fn picture(desk: &Desk, name: &str, colour: [u8; 3], side: u32) {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = (0..side * side).flat_map(|i| colour.map(|c| c ^ (i % 7) as u8)).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    desk.write(name, bytes);
}

fn record(id: usize, decision: Decision) -> Record {
    Record::new(format!("r{id}"), "ann", Moment::from_unix_ms(1_764_547_200_000 + id as u64), decision)
}

fn lines(records: &[Record]) -> String {
    records.iter().map(|record| record.to_line().trim_end().to_owned() + "\n").collect()
}

/// Returns pairs of files, the brighter one better.
fn pairs(desk: &Desk, count: usize) -> Vec<Record> {
    let images = 46;
    for index in 0..images {
        // One is of another size: it is cut and resized.
        let side = if index == 0 { 48 } else { 32 };
        picture(desk, &format!("images/{index}.png"), [40 + 4 * index as u8, 90, 120], side);
    }
    let folder = desk.path("");
    let mut all = Vec::new();
    for i in 0..images {
        for j in 0..i {
            let image = |index: usize| Image::of_file(&folder, &format!("images/{index}.png")).unwrap();
            let prompt = PROMPTS[(i + j) % 2].to_owned();
            all.push(record(all.len(), Decision::Pair { prompt, a: image(i), b: image(j), outcome: Some(Winner::A) }));
        }
    }
    all.truncate(count);
    all
}

#[test]
fn a_file_of_a_thousand_pairs_trains_and_goes_on_after_a_stop() {
    let desk = Desk::new();
    let records = pairs(&desk, 1000);
    assert_eq!(records.len(), 1000);
    let mut text = lines(&records);
    // The same rater again, one the other way, and one who was interrupted while writing.
    let mut again = vec![Record { id: "again".into(), ..records[3].clone() }];
    if let Decision::Pair { prompt, a, b, .. } = records[5].decision.clone() {
        again.push(Record {
            id: "other".into(),
            who: "bob".into(),
            ..record(0, Decision::Pair { prompt, a, b, outcome: Some(Winner::B) })
        });
    }
    text += &lines(&again);
    text += &records[7].to_line().trim_end()[..40];
    desk.write("preferences.jsonl", text);
    experiment(&desk, "stored", "Dpo(pairs: File(path: \"preferences.jsonl\"), beta: 10)");
    let outcome = desk.moa(["sweep", "stored.ron", "--plain"]);
    for words in ["1 of 1,000 pairs", "contradict", "incomplete"] {
        assert!(outcome.stderr.contains(words), "`{words}` is not in:\n{}", outcome.stderr);
    }
    let front = outcome.success();
    // A longer training goes on from its checkpoint with the same pairs.
    assert!(front.contains("safety"), "{front}");
    let known = |name: &str| fs::read(desk.path(name)).unwrap();
    let adapter = "results/stored/runs/safety/adapter.safetensors";
    let first = known(adapter);
    fs::remove_dir_all(desk.path("results")).unwrap();
    desk.moa(["sweep", "stored.ron", "--quiet"]).success();
    assert!(first == known(adapter), "the same file teaches the same");

    // Decided by the rewards, the two runs learn from different pairs.
    experiment(
        &desk,
        "relabelled",
        "Dpo(pairs: File(path: \"preferences.jsonl\", decided_by: Rewards), mix: Losses, beta: 10)",
    );
    desk.moa(["sweep", "relabelled.ron", "--quiet"]).success();
    let of = |run: &str| known(&format!("results/relabelled/runs/{run}/adapter.safetensors"));
    assert!(of("safety") != of("aesthetics"));

    // Another file is another experiment.
    desk.write("preferences.jsonl", lines(&records[1..]));
    let refused = desk.moa(["sweep", "stored.ron", "--quiet"]).failure();
    assert!(refused.contains("another `preferences`"), "{refused}");
}

#[test]
fn pictures_that_are_drawn_again_and_single_labels_train() {
    let desk = Desk::new();
    let drawn = |place: u64| {
        Image::Drawn(Drawn {
            base: "emoji-32".into(),
            adapter: None,
            adapter_sha256: None,
            seed: 5,
            noise: "sample".into(),
            place: [0, place],
            steps: 2,
            guidance: 1.0,
        })
    };
    let label = |place: u64| {
        let outcome = Some(if place.is_multiple_of(2) { Mark::Good } else { Mark::Bad });
        record(place as usize, Decision::Label { prompt: PROMPTS[0].into(), image: drawn(place), outcome })
    };
    desk.write("labels.jsonl", lines(&(0..6).map(label).collect::<Vec<_>>()));
    experiment(&desk, "labels", "Kto(labels: File(path: \"labels.jsonl\"), beta: 10)");
    desk.moa(["sweep", "labels.ron", "--quiet"]).success();
    // Labels are no pairs.
    experiment(&desk, "pairs", "Dpo(pairs: File(path: \"labels.jsonl\"))");
    let refused = desk.moa(["sweep", "pairs.ron", "--quiet"]).failure();
    assert!(refused.contains("labels.jsonl") && refused.contains('6'), "{refused}");
}

#[test]
fn files_that_cannot_be_trained_on_get_one_clear_message() {
    let desk = Desk::new();
    let records = pairs(&desk, 40);
    experiment(&desk, "stored", "Dpo(pairs: File(path: \"preferences.jsonl\"))");
    let refused = |text: &str| {
        desk.write("preferences.jsonl", text);
        let refused = desk.moa(["sweep", "stored.ron", "--quiet"]).failure();
        assert!(!desk.path("results/stored").exists(), "nothing was begun: {refused}");
        assert!(refused.lines().count() <= 3, "one message: {refused}");
        refused
    };
    let all = lines(&records);
    let empty = refused(&all.replace(PROMPTS[0], ""));
    assert!(empty.contains("preferences.jsonl:2: prompt") && empty.contains("more"), "{empty}");
    fs::remove_file(desk.path("images/3.png")).unwrap();
    let missing = refused(&all);
    assert!(missing.contains("images/3.png") && missing.contains("preferences.jsonl:"), "{missing}");
    picture(&desk, "images/3.png", [1, 2, 3], 32);
    let other = refused(&all);
    assert!(other.contains("images/3.png") && other.contains("SHA-256"), "{other}");
    assert!(refused("{").contains("preferences.jsonl"));
    assert!(refused("").contains("preferences.jsonl"));
    // A file that is no image.
    desk.write("images/3.png", "no image");
    let text = lines(&[record(
        0,
        Decision::Pair {
            prompt: PROMPTS[0].into(),
            a: Image::of_file(&desk.path(""), "images/3.png").unwrap(),
            b: Image::of_file(&desk.path(""), "images/4.png").unwrap(),
            outcome: Some(Winner::A),
        },
    )]);
    let broken = refused(&text);
    assert!(broken.contains("images/3.png"), "{broken}");
    fs::remove_file(desk.path("preferences.jsonl")).unwrap();
    let gone = desk.moa(["sweep", "stored.ron", "--quiet"]).failure();
    assert!(gone.contains("preferences.jsonl"), "{gone}");
}

#[test]
fn experiments_of_a_folder_are_swept_one_after_the_other_with_a_seed() {
    let desk = Desk::new();
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    desk.write("all/one.ron", &text);
    desk.write("all/two.ron", text.replace("train_steps: 1", "train_steps: 2"));
    desk.write("all/notes.txt", "no experiment");
    let outcome = desk.moa(["sweep", "all", "--seed", "3", "--plain"]);
    assert!(outcome.stderr.contains("moa compare results/all/one-seed-3 results/all/two-seed-3"), "{}", outcome.stderr);
    outcome.success();
    let kept = fs::read_to_string(desk.path("results/all/two-seed-3/experiment.ron")).unwrap();
    assert!(kept.contains("seed: 3"), "{kept}");
    desk.moa(["compare", "results/all/one-seed-3", "results/all/two-seed-3"]).success();
    // A mistake in the last file is said before the first is swept.
    desk.write("all/wrong.ron", "(rewards: [])");
    let refused = desk.moa(["sweep", "all", "--out", "elsewhere"]).failure();
    assert!(refused.contains("wrong.ron") && !desk.path("elsewhere").exists(), "{refused}");
    let refused = desk.moa(["sweep", "results"]).failure();
    assert!(refused.contains("there is no experiment in this folder"), "{refused}");
    let refused = desk.moa(["sweep", "all/one.ron", "all/two.ron", "--tui"]).failure();
    assert!(refused.contains("--tui watches one sweep"), "{refused}");
}

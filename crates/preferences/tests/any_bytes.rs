//! No file, however damaged, is more than a message.

use std::path::Path;

use moa_preferences::{Decision, Drawn, Image, ImageFile, Mark, Moment, Preferences, Record, Scores, Winner};
use proptest::collection::vec;
use proptest::prelude::*;

/// Reads bytes and does all that can be done with what they hold.
fn use_all(bytes: &[u8]) {
    match Preferences::from_bytes(bytes, Path::new("nowhere/p.jsonl")) {
        Ok(preferences) => {
            let _ =
                (preferences.pairs(&[]), preferences.labels(Scores::AgainstMedian, &[]), preferences.check_images());
            let _ = (preferences.notes(), preferences.raters());
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with("nowhere/p.jsonl") && message.lines().count() <= 7, "{message}");
            assert!(message.len() < 10_000 && !message.contains('\u{1b}'), "{message}");
        }
    }
}

fn image() -> BoxedStrategy<Image> {
    let file = ("[a-z/.ü]{1,8}x", 0..6u8)
        .prop_map(|(path, hash)| Image::File(ImageFile { path, sha256: format!("{hash:064x}") }));
    let hash = any::<u8>().prop_map(|hash| format!("{hash:064x}"));
    let adapter =
        prop_oneof![Just((None, None)), ("[a-z/]{1,8}", proptest::option::of(hash)).prop_map(|(a, h)| (Some(a), h))];
    let drawn = (adapter, any::<u64>(), any::<[u64; 2]>(), 1..=1000u32, 0.0..=100.0f64);
    let drawn = drawn.prop_map(|((adapter, adapter_sha256), seed, place, steps, guidance)| {
        let (base, noise) = ("emoji-32".into(), "sample".into());
        Image::Drawn(Drawn { base, adapter, adapter_sha256, seed, noise, place, steps, guidance })
    });
    prop_oneof![file, drawn].boxed()
}

fn decision() -> impl Strategy<Value = Decision> {
    let winner = prop_oneof![Just(Winner::A), Just(Winner::B), Just(Winner::Tie)];
    let mark = prop_oneof![Just(Mark::Good), Just(Mark::Bad)];
    let prompt = "[a-z]([ -~äß🎩]{0,20}[a-z])?";
    let images = vec(image(), 2..6).prop_filter("different", |images| {
        let keys: std::collections::HashSet<String> = images.iter().map(Image::key).collect();
        keys.len() == images.len()
    });
    let images = images.boxed();
    let score = any::<f64>().prop_filter("finite", |score| score.is_finite());
    prop_oneof![
        (prompt, images.clone(), proptest::option::of(winner)).prop_map(|(prompt, mut images, outcome)| {
            let (b, a) = (images.pop().expect("two"), images.pop().expect("two"));
            Decision::Pair { prompt, a, b, outcome }
        }),
        (prompt, images, proptest::option::of(vec(1..9u32, 5))).prop_map(|(prompt, images, outcome)| {
            let outcome = outcome.map(|places| places[..images.len()].to_vec());
            Decision::Ranking { prompt, images, outcome }
        }),
        (prompt, image(), proptest::option::of(mark)).prop_map(|(prompt, image, outcome)| Decision::Label {
            prompt,
            image,
            outcome
        }),
        (prompt, image(), proptest::option::of(score)).prop_map(|(prompt, image, outcome)| Decision::Score {
            prompt,
            image,
            outcome
        }),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let rest = ("[a-z]{1,9}", 0..253_402_300_800_000u64, vec("[a-z]{1,9}", 0..3), 0.0..=1e6f64);
    (decision(), "[ -~]{0,9}[a-z]", rest).prop_map(|(decision, id, (who, when, tags, weight))| Record {
        tags,
        weight,
        ..Record::new(id, who, Moment::from_unix_ms(when), decision)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_record_reads_back_as_it_was_written(record in record()) {
        let text = record.to_line();
        prop_assert!(!text.contains('\n'));
        let read = Preferences::from_bytes(text.as_bytes(), Path::new("p.jsonl")).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(read.records().cloned().collect::<Vec<_>>(), vec![record]);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        use_all(&bytes);
    }

    /// Bytes of a good file that are changed, left out or doubled come much further than arbitrary ones.
    #[test]
    fn damaged_files_never_panic(
        records in vec(record(), 1..4),
        damage in vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>()), 1..6),
    ) {
        let mut bytes = records.iter().map(Record::to_line).collect::<Vec<_>>().join("\n").into_bytes();
        for (place, kind, byte) in damage {
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.truncate(place + 1),
                2 => bytes.insert(place, byte),
                _ => drop(bytes.splice(place..place, br#","outcome":NaN"#.iter().copied())),
            }
        }
        use_all(&bytes);
    }

    /// Turning every vote round turns the shares round, and order within the file does not matter to them.
    #[test]
    fn shares_follow_the_votes(outcomes in vec((0..4u8, 0..4u8, 0..3usize, 0.1..9.0f64), 1..30)) {
        let file = |number: u8| Image::File(ImageFile { path: "x".into(), sha256: format!("{number:064x}") });
        let line = |(id, (a, b, winner, weight)): (usize, &(u8, u8, usize, f64)), turned: bool| {
            let (first, second) = (file(*a), file(*b + 4));
            let winner = [Winner::A, Winner::Tie, Winner::B][*winner];
            let other = match winner { Winner::A => Winner::B, Winner::B => Winner::A, Winner::Tie => Winner::Tie };
            let decision = if turned {
                Decision::Pair { prompt: "p".into(), a: second, b: first, outcome: Some(other) }
            } else {
                Decision::Pair { prompt: "p".into(), a: first, b: second, outcome: Some(winner) }
            };
            Record { weight: *weight, ..Record::new(id.to_string(), "ann", Moment::from_unix_ms(0), decision) }.to_line()
        };
        let shares = |lines: Vec<String>| {
            let read = Preferences::from_bytes(lines.join("\n").as_bytes(), Path::new("p.jsonl")).unwrap();
            let mut shares: Vec<(String, String, f64)> = read.pairs(&[]).unwrap().into_iter().map(|pair| {
                let (a, b) = (pair.a.key(), pair.b.key());
                if a < b { (a, b, pair.share) } else { (b, a, 1.0 - pair.share) }
            }).collect();
            shares.sort_by(|left, right| left.partial_cmp(right).unwrap());
            shares
        };
        let plain = shares(outcomes.iter().enumerate().map(|entry| line(entry, false)).collect());
        let turned = shares(outcomes.iter().enumerate().map(|entry| line(entry, entry.0 % 2 == 0)).collect());
        let mut reversed: Vec<String> = outcomes.iter().enumerate().map(|entry| line(entry, false)).collect();
        reversed.reverse();
        for other in [turned, shares(reversed)] {
            prop_assert_eq!(plain.len(), other.len());
            for (left, right) in plain.iter().zip(&other) {
                prop_assert!(left.0 == right.0 && left.1 == right.1 && (left.2 - right.2).abs() < 1e-12);
            }
        }
    }
}

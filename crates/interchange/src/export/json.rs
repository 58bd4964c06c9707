//! The JSON of HPD v2 and of ImageReward, one entry per line of a list.

use std::io::{self, Write};

use moa_preferences::{Decision, Image, Record, Winner};
use serde_json::{Value, json};

use super::Session;
use crate::reasons::Fault;

/// Writes pairs as `train.json` has them and rankings as `test.json` has them.
pub(super) fn write_hpd(session: &mut Session<'_>, writer: &mut dyn Write) -> io::Result<()> {
    entries(session, writer, &mut |session, record| match &record.decision {
        Decision::Pair { prompt, a, b, outcome: Some(winner) } => {
            let preference = match winner {
                Winner::A => [1, 0],
                Winner::B => [0, 1],
                Winner::Tie => return Err(Fault::new("it is a tie", "the format has a preferred image in each pair")),
            };
            let paths = paths(session, &[a, b])?;
            session.lose(record);
            Ok(json!({"human_preference": preference, "prompt": prompt, "file_path": paths, "user_hash": record.who}))
        }
        Decision::Ranking { prompt, images, outcome: Some(places) } => {
            let paths = paths(session, &images.iter().collect::<Vec<_>>())?;
            session.lose(record);
            let raw = json!([{"rank": places, "user_hash": record.who}]);
            Ok(json!({"prompt": prompt, "image_path": paths, "rank": places, "raw_annotations": raw}))
        }
        other => Err(no_ranking(other)),
    })
}

/// Writes rankings as ImageReward has them; a pair is a ranking of two.
pub(super) fn write_image_reward(session: &mut Session<'_>, writer: &mut dyn Write) -> io::Result<()> {
    entries(session, writer, &mut |session, record| {
        let (prompt, images, places) = match &record.decision {
            Decision::Pair { prompt, a, b, outcome: Some(winner) } => {
                let places = match winner {
                    Winner::A => [1, 2],
                    Winner::B => [2, 1],
                    Winner::Tie => [1, 1],
                };
                (prompt, vec![a, b], places.to_vec())
            }
            Decision::Ranking { prompt, images, outcome: Some(places) } => {
                (prompt, images.iter().collect(), places.clone())
            }
            other => return Err(no_ranking(other)),
        };
        let paths = paths(session, &images)?;
        session.lose(record);
        session.lose_rater(record);
        Ok(json!({"id": record.id, "prompt": prompt, "generations": paths, "ranking": places}))
    })
}

fn no_ranking(decision: &Decision) -> Fault {
    Fault::new(format!("it is a {}", decision.kind()), "the format has pairs and rankings")
}

fn paths(session: &mut Session<'_>, images: &[&Image]) -> Result<Vec<String>, Fault> {
    images.iter().map(|image| session.path(image)).collect()
}

type Entry<'a, 'b> = dyn FnMut(&mut Session<'b>, &Record) -> Result<Value, Fault> + 'a;

fn entries<'b>(session: &mut Session<'b>, writer: &mut dyn Write, entry: &mut Entry<'_, 'b>) -> io::Result<()> {
    let preferences = session.preferences;
    for record in preferences.counted() {
        match entry(session, record) {
            Err(fault) => session.leave_out(record, fault),
            Ok(value) => {
                writer.write_all(if session.done.written == 0 { b"[\n" } else { b",\n" })?;
                serde_json::to_writer(&mut *writer, &value)?;
                session.done.written += 1;
            }
        }
    }
    writer.write_all(if session.done.written == 0 { b"[]\n" } else { b"\n]\n" })
}

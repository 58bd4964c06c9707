//! CSV with the paths of two images in each row.

use std::io::{self, Write};

use super::Session;
use crate::formats::PAIRS;
use crate::reasons::Fault;

pub(super) fn write(session: &mut Session<'_>, writer: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(writer);
    csv.write_record(PAIRS)?;
    session.pairs(&mut |session, pair| {
        let record = pair.record;
        let tags = record.tags.join(";");
        if record.tags.iter().any(|tag| tag.contains(';')) {
            let fault = Fault::new(format!("its tags are {tags}"), "a tag with a semicolon is read as two");
            session.done.lost.add(&format!("record {}", record.id), fault);
        }
        let (when, weight) = (record.when.to_string(), record.weight.to_string());
        let [first, second] = &pair.paths;
        csv.write_record([pair.prompt, first, second, pair.winner.name(), &record.who, &when, &tags, &weight])?;
        session.done.written += 1;
        Ok(())
    })?;
    csv.flush()
}

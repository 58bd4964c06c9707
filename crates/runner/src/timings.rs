//! `timings.csv`: where the time of each epoch went. It is for people and for benchmarks; nothing reads it back.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};

use moa_store::Layout;
use moa_train::Timings;

use crate::RunnerError;

const HEADER: &str = "epoch,rollout_s,decoding_s,scoring_s,update_s,epoch_s,pictures,rows_trained,device_mib\n";

/// Adds a row for an epoch. `device_memory` is what this process holds of the device's memory, in bytes.
pub(crate) fn add(
    layout: &Layout,
    epoch: u32,
    timings: &Timings,
    device_memory: Option<u64>,
) -> Result<(), RunnerError> {
    let path = layout.timings_file();
    let seconds = [timings.rollout, timings.decoding, timings.scoring, timings.update, timings.whole]
        .map(|duration| format!("{:.4}", duration.as_secs_f64()))
        .join(",");
    let memory = device_memory.map_or(String::new(), |bytes| (bytes >> 20).to_string());
    let row = format!("{epoch},{seconds},{},{},{memory}\n", timings.pictures, timings.rows_trained);
    let options = OpenOptions::new().create(true).read(true).append(true).clone();
    let written = options.open(&path).and_then(|mut file| {
        let mut last = [b'\n'];
        let before = match file.metadata()?.len() {
            0 => HEADER,
            // A row that was cut off stays a row of its own.
            _ => file
                .seek(SeekFrom::End(-1))
                .and_then(|_| file.read_exact(&mut last))
                .map(|()| if last == [b'\n'] { "" } else { "\n" })?,
        };
        file.write_all((before.to_owned() + &row).as_bytes())
    });
    written.map_err(|error| RunnerError::Write { path, reason: error.to_string() })
}

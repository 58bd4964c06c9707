//! `timings.csv`: where the time of each epoch went, what was drawn in it, and the memory that it took. It is for people, for
//! benchmarks and for comparisons; no sweep reads it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use moa_store::Layout;
use moa_train::Timings;

use crate::RunnerError;

const COLUMNS: [&str; 11] = [
    "epoch",
    "rollout_s",
    "decoding_s",
    "scoring_s",
    "update_s",
    "epoch_s",
    "images",
    "rows_trained",
    "device_mib",
    "peak_mib",
    "runs",
];

/// Adds a row for an epoch; one of a file that an earlier version began keeps to that file's columns.
///
/// - `runs`: those that were trained
/// - `memory`: what this process holds of the device's memory, and the most that it has held of the host's, in bytes
pub(crate) fn add(
    layout: &Layout,
    epoch: u32,
    runs: &str,
    timings: &Timings,
    memory: [Option<u64>; 2],
) -> Result<(), RunnerError> {
    let path = layout.timings_file();
    let seconds = [timings.rollout, timings.decoding, timings.scoring, timings.update, timings.whole];
    let mut cells = vec![epoch.to_string()];
    cells.extend(seconds.map(|duration| format!("{:.4}", duration.as_secs_f64())));
    cells.extend([timings.pictures, timings.rows_trained].map(|count| count.to_string()));
    cells.extend(memory.map(|bytes| bytes.map_or(String::new(), |bytes| (bytes >> 20).to_string())));
    cells.push(runs.to_owned());
    let options = OpenOptions::new().create(true).read(true).append(true).clone();
    let written = options.open(&path).and_then(|mut file| {
        let mut text = String::new();
        if file.metadata()?.len() == 0 {
            text = COLUMNS.join(",") + "\n";
        } else {
            let mut header = String::new();
            BufReader::new(&file).read_line(&mut header)?;
            cells.truncate(header.split(',').count());
            // A row that was cut off stays a row of its own.
            file.seek(SeekFrom::End(-1))?;
            let mut last = String::new();
            BufReader::new(&file).read_line(&mut last)?;
            text.push_str(if last == "\n" { "" } else { "\n" });
        }
        file.write_all((text + &cells.join(",") + "\n").as_bytes())
    });
    written.map_err(|error| RunnerError::Write { path, reason: error.to_string() })
}

/// What a sweep's training took beside passes and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Images drawn and scored, of all runs; nothing where not every epoch is there.
    pub images: Option<u64>,
    /// The most memory of the host that the process had held when an epoch ended, in bytes: models, the base's evaluation and training.
    pub peak_memory: Option<u64>,
    /// The most memory of the device that the process held when an epoch ended, in bytes.
    pub device_memory: Option<u64>,
}

impl Usage {
    /// Reads what a results folder's training took. Rows that were cut off are left out; of an epoch that was trained twice, as the
    /// sweep was killed in between, the last one counts.
    ///
    /// - `epochs`: how many epochs were trained
    ///
    /// # Errors
    /// What the system says of a file that is there and cannot be read.
    pub fn read(layout: &Layout, epochs: u32) -> Result<Self, RunnerError> {
        let path = layout.timings_file();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Self::of(&String::from_utf8_lossy(&bytes), epochs)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(unreadable(&path, &error)),
        }
    }

    fn of(text: &str, epochs: u32) -> Self {
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let rows: Vec<Vec<&str>> =
            lines.map(|line| line.split(',').collect()).filter(|row: &Vec<&str>| row.len() == header.len()).collect();
        let cell = |row: &[&str], name: &str| -> Option<u64> {
            row[header.iter().position(|column| *column == name)?].parse().ok()
        };
        let most = |name: &str| rows.iter().filter_map(|row| cell(row, name)).max().map(|mebibytes| mebibytes << 20);
        let runs = header.iter().position(|column| *column == "runs");
        // Runs may be trained one after the other: each epoch of each of them counts, the last time that it was trained.
        let mut drawn: BTreeMap<(u64, &str), u64> = BTreeMap::new();
        for row in &rows {
            if let (Some(epoch), Some(pictures)) =
                (cell(row, "epoch"), cell(row, "images").or_else(|| cell(row, "pictures")))
            {
                drawn.insert((epoch, runs.map_or("", |place| row[place])), pictures);
            }
        }
        let is_there = |epoch: u32| drawn.keys().any(|(known, _)| *known == u64::from(epoch));
        Self {
            images: (epochs > 0 && (1..=epochs).all(is_there)).then(|| drawn.values().sum()),
            peak_memory: most("peak_mib"),
            device_memory: most("device_mib"),
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> RunnerError {
    RunnerError::Read { path: path.to_path_buf(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_back_and_the_last_of_an_epoch_counts() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        assert_eq!(Usage::read(&layout, 2).unwrap(), Usage::default());
        let mib = |mebibytes: u64| Some(mebibytes << 20);
        let timings = |pictures| Timings { pictures, ..Timings::default() };
        add(&layout, 1, "a+b", &timings(8), [None, mib(100)]).unwrap();
        add(&layout, 2, "a+b", &timings(6), [None, mib(300)]).unwrap();
        add(&layout, 2, "a+b", &timings(5), [None, mib(200)]).unwrap();
        // A run that came later.
        add(&layout, 1, "c", &timings(4), [None, mib(200)]).unwrap();
        add(&layout, 2, "c", &timings(4), [None, mib(200)]).unwrap();
        let usage = Usage { images: Some(21), peak_memory: mib(300), device_memory: None };
        assert_eq!(Usage::read(&layout, 2).unwrap(), usage);
        assert_eq!(Usage::read(&layout, 3).unwrap(), Usage { images: None, ..usage }, "an epoch is missing");
    }

    #[test]
    fn a_file_of_an_earlier_version_keeps_its_columns_and_rows_that_were_cut_off_are_left_out() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let header = COLUMNS[..9].join(",");
        std::fs::write(layout.timings_file(), format!("{header}\n1,0,0,0,0,0,4,4,\n2,0,0.1")).unwrap();
        add(&layout, 2, "a", &Timings { pictures: 3, ..Timings::default() }, [Some(7 << 20), Some(9 << 20)]).unwrap();
        let text = std::fs::read_to_string(layout.timings_file()).unwrap();
        assert!(text.lines().last().unwrap().ends_with(",3,0,7"), "{text}");
        let usage = Usage { images: Some(7), peak_memory: None, device_memory: Some(7 << 20) };
        assert_eq!(Usage::read(&layout, 2).unwrap(), usage);
    }
}

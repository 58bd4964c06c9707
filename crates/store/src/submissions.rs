//! What was submitted to a cluster's queue, for readers of the results.

use serde::{Deserialize, Serialize};

use crate::tasks::{read_json, write_json};
use crate::{Layout, StoreError};

/// The format of the file that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// All submissions of a results folder, the last one at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submissions {
    /// The file's format.
    format: u32,
    /// The submissions, in order.
    pub submissions: Vec<Submission>,
}

/// One submission: a job array that does parts of a sweep, and a job that gathers what they leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Into how many parts the runs are dealt out.
    pub of: u32,
    /// The parts that were submitted, from 1; none where all were finished.
    pub parts: Vec<u32>,
    /// The job array's number; `None` where nothing was left to train.
    pub array: Option<String>,
    /// The number of the job that gathers; `None` until it is submitted, or where it was refused.
    pub gather: Option<String>,
    /// The cluster that the queue named, where it has several.
    pub cluster: Option<String>,
    /// When it was submitted, in seconds since 1970.
    pub submitted: u64,
    /// The command line that submitted it, as a shell takes it.
    pub command: String,
    /// The folder that the command ran in.
    pub folder: String,
}

impl Submissions {
    /// Reads the submissions of a results folder; none where nothing was submitted.
    ///
    /// # Errors
    /// Names the file that is unreadable, damaged, or of a newer moa.
    pub fn read(layout: &Layout) -> Result<Self, StoreError> {
        let kept = read_json(&layout.submitted_file(), FORMAT, "record of submissions")?;
        Ok(kept.unwrap_or(Self { format: FORMAT, submissions: Vec::new() }))
    }

    /// Writes the submissions, whole or not at all.
    ///
    /// # Errors
    /// Names the file when it cannot be written; the record before is untouched then.
    pub fn write(&self, layout: &Layout) -> Result<(), StoreError> {
        write_json(&layout.submitted_file(), &Self { format: FORMAT, ..self.clone() })
    }

    /// Returns the last submission, if there was one.
    pub fn last(&self) -> Option<&Submission> {
        self.submissions.last()
    }
}

impl Submission {
    /// Returns the numbers of its jobs.
    pub fn jobs(&self) -> Vec<&str> {
        [&self.array, &self.gather].into_iter().flatten().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_a_damaged_one_is_named() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let mut record = Submissions::read(&layout).unwrap();
        assert_eq!(record.last(), None);
        let first = Submission {
            of: 4,
            parts: vec![2, 3],
            array: Some("12".into()),
            gather: None,
            cluster: None,
            submitted: 1_000,
            command: "moa sweep my.ron --slurm".into(),
            folder: "/home/me".into(),
        };
        record.submissions.push(first.clone());
        record.submissions.push(Submission { gather: Some("14".into()), ..first });
        record.write(&layout).unwrap();
        assert_eq!(Submissions::read(&layout).unwrap(), record);
        assert_eq!(record.last().unwrap().jobs(), ["12", "14"]);
        std::fs::write(layout.submitted_file(), "{\"format\": 9}").unwrap();
        let error = Submissions::read(&layout).unwrap_err().to_string();
        assert!(error.contains("submitted.json") && error.contains("format 9"), "{error}");
    }
}

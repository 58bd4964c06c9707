//! From an experiment file to runs, evaluations and records.

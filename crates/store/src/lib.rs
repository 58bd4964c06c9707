//! Metrics, evaluations and runs of an experiment, kept in sled.

//! Rewards: models and formulas that score pictures.

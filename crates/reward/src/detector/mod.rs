//! A detector of objects, and what it says of a caption's claims (in the manner of GenEval, Ghosh et al., 2310.11513).

mod claims;
mod config;
mod network;
mod seen;
mod sightings;

use burn::tensor::Tensor;
use moa_adapter::{Parameters, ParametersError};

pub use claims::{Claims, ClaimsShare};
pub use config::DetectorConfig;
pub use network::{Detected, DetectorHeads, DetectorLogits, DetectorNet};
pub(crate) use seen::Seen;
pub use sightings::Sighting;
pub(crate) use sightings::{Grid, sightings};

/// A detector: a network and what its outputs are called.
#[derive(Clone, Debug)]
pub struct Detector {
    config: DetectorConfig,
    net: DetectorNet,
}

impl Detector {
    /// Takes the network's parameters.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: DetectorConfig, p: &Parameters) -> Result<Self, ParametersError> {
        Ok(Self { net: DetectorNet::load(&config, p)?, config })
    }

    /// Returns the config.
    pub fn config(&self) -> &DetectorConfig {
        &self.config
    }

    /// Returns the places of the unsafe concepts among all.
    pub fn unsafe_concepts(&self) -> impl Iterator<Item = usize> {
        let is_unsafe = |name: &String| self.config.unsafe_concepts.contains(name);
        self.config.concepts.iter().enumerate().filter(move |(_, name)| is_unsafe(name)).map(|(place, _)| place)
    }

    /// Returns what a caption claims; `None` outside the scenes' grammar, and of things that the detector does not know.
    pub fn claims(&self, caption: &str) -> Option<Claims> {
        Claims::of(caption, &self.config)
    }

    /// Returns how surely each image shows each concept, in the config's order, in [0, 1]; `pixels` are `[rows, 3, side, side]` in [0, 1].
    pub fn shown(&self, pixels: Tensor<4>) -> Vec<Vec<f32>> {
        let rows = pixels.dims()[0];
        let seen = Seen::of(&self.detect(pixels), rows);
        let concepts = self.config.concepts.len();
        (0..rows).map(|row| (0..concepts).map(|concept| seen.grid(row).shows(concept)).collect()).collect()
    }

    /// Returns the probabilities of what images show; `pixels` are `[rows, 3, side, side]` in [0, 1].
    pub fn detect(&self, pixels: Tensor<4>) -> Detected {
        self.net.forward(pixels).probabilities()
    }
}

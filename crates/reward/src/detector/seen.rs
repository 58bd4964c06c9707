//! What a detector saw in a batch, on the host.

use moa_device::to_host;

use super::{Claims, ClaimsShare, Detected, Grid, sightings};

/// The probabilities of a batch on the host, row by row.
pub(crate) struct Seen {
    objects: Vec<f32>,
    tints: Vec<f32>,
    backgrounds: Vec<f32>,
    rows: usize,
    side: usize,
}

impl Seen {
    /// Takes what was detected in `rows` images to the host.
    pub(crate) fn of(detected: &Detected, rows: usize) -> Self {
        let [objects, tints] = [&detected.objects, &detected.tints].map(|of| to_host(of.clone()));
        Self { objects, tints, backgrounds: to_host(detected.backgrounds.clone()), rows, side: detected.side }
    }

    /// Returns one image's probabilities.
    pub(crate) fn grid(&self, row: usize) -> Grid<'_> {
        Grid { objects: self.row(&self.objects, row), tints: self.row(&self.tints, row), side: self.side }
    }

    /// Returns which claims hold of what the detector is sure of in an image, before the likeliest background.
    pub(crate) fn hold(&self, claims: &Claims, row: usize) -> ClaimsShare {
        let backgrounds = self.row(&self.backgrounds, row);
        let likeliest = (0..backgrounds.len()).max_by(|a, b| backgrounds[*a].total_cmp(&backgrounds[*b])).unwrap_or(0);
        claims.hold(&sightings(&self.grid(row)), likeliest)
    }

    /// Returns whether an image's probabilities are finite numbers.
    pub(crate) fn is_finite(&self, row: usize) -> bool {
        let of = [&self.objects, &self.tints, &self.backgrounds];
        of.into_iter().all(|of| self.row(of, row).iter().all(|value| value.is_finite()))
    }

    fn row<'a>(&self, of: &'a [f32], row: usize) -> &'a [f32] {
        let width = of.len() / self.rows.max(1);
        &of[row * width..][..width]
    }
}

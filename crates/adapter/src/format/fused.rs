//! Layers of transformers under their original names, where projections that diffusers has apart are rows of one layer.

use std::collections::BTreeMap;

use super::AdapterFileError;
use crate::adapter::encoder_of;
use crate::family::Family;
use crate::names::transformer::original_of;
use crate::{Adapter, AdapterLayer};

/// Returns the adapter with the denoiser's layers under their original names.
///
/// Layers that become one keep their rank where they share A, and have the sum of their ranks otherwise; both are exact. What one of them
/// lacks is 0.
///
/// # Errors
/// Names a layer that has no original name, and differences or magnitudes, which are not fused.
pub(super) fn fused(adapter: &Adapter) -> Result<Adapter, AdapterFileError> {
    let mut groups: BTreeMap<String, (usize, BTreeMap<usize, &AdapterLayer>)> = BTreeMap::new();
    let is_flux = adapter.family() == Some(Family::Flux1);
    let mut found = Adapter { precision: adapter.precision, ..Adapter::default() };
    for (name, layer) in &adapter.layers {
        if encoder_of(name).is_some() {
            found.layers.insert(name.clone(), layer.clone());
            continue;
        }
        let (original, place, count) =
            original_of(name, is_flux).ok_or_else(|| AdapterFileError::NoOriginalName(name.clone()))?;
        groups.entry(original).or_insert_with(|| (count, BTreeMap::new())).1.insert(place, layer);
    }
    if let Some(name) = adapter.differences.keys().chain(adapter.magnitudes.keys()).next() {
        return Err(AdapterFileError::NoOriginalName(name.clone()));
    }
    found.layers.extend(groups.into_iter().map(|(name, (count, members))| (name, join(count, &members))));
    Ok(found)
}

/// Joins the layers that are rows of one.
fn join(count: usize, members: &BTreeMap<usize, &AdapterLayer>) -> AdapterLayer {
    let all: Vec<&AdapterLayer> = members.values().copied().collect();
    let first = all[0];
    if count == 1 {
        return first.clone();
    }
    // FLUX's single blocks: three projections as wide as the states, and the first of an MLP that is four times as wide.
    let rows: Vec<usize> =
        (0..count).map(|place| if place == 3 { 4 * first.d_in } else { width(members, place) }).collect();
    let share_a = all
        .iter()
        .all(|layer| layer.rank == first.rank && layer.alpha.to_bits() == first.alpha.to_bits() && layer.a == first.a);
    let rank = if share_a { first.rank } else { all.iter().map(|layer| layer.rank).sum() };
    let alpha = if share_a { first.alpha } else { rank as f32 };
    let d_out = rows.iter().sum();
    let mut b = vec![0.0; d_out * rank];
    let (mut row, mut column) = (0, 0);
    for (place, rows) in rows.iter().enumerate() {
        if let Some(layer) = members.get(&place) {
            let factor = if share_a { 1.0 } else { layer.scale() };
            for (at, own) in layer.b.chunks_exact(layer.rank).enumerate() {
                let target = &mut b[(row + at) * rank + column..][..layer.rank];
                target.iter_mut().zip(own).for_each(|(value, own)| *value = (factor * f64::from(*own)) as f32);
            }
            column += if share_a { 0 } else { layer.rank };
        }
        row += rows;
    }
    let a = if share_a { first.a.clone() } else { all.iter().flat_map(|layer| layer.a.iter().copied()).collect() };
    AdapterLayer { d_in: first.d_in, d_out, kernel: Vec::new(), rank, alpha, a, b }
}

/// Returns the rows of a projection; of one that is missing as many as the others have.
fn width(members: &BTreeMap<usize, &AdapterLayer>, place: usize) -> usize {
    let any = || members.iter().find(|(place, _)| **place != 3).map(|(_, layer)| layer.d_out);
    members.get(&place).map(|layer| layer.d_out).or_else(any).unwrap_or_else(|| members[&3].d_in)
}

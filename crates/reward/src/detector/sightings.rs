//! Objects that a detector is sure of.

/// Least probability of an object that counts as seen.
const SEEN: f32 = 0.5;
/// Least probability that something stands somewhere, whatever it is.
const SOMETHING: f32 = 0.3;

/// An object that was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sighting {
    /// Its concept's place in the config.
    pub concept: usize,
    /// The colour that it is drawn in, by its place in the config; `None` for its own colours.
    pub tint: Option<usize>,
    /// How sure the detector is, in [0.5, 1].
    pub probability: f32,
    /// Its centre's column, in cells.
    pub x: f32,
    /// Its centre's row, in cells.
    pub y: f32,
}

/// The probabilities of one image on the host.
pub(crate) struct Grid<'a> {
    /// Of every cell's objects; the last is none.
    pub(crate) objects: &'a [f32],
    /// Of every cell's tints; the last is an object's own colours.
    pub(crate) tints: &'a [f32],
    /// Cells in a row of cells.
    pub(crate) side: usize,
}

impl Grid<'_> {
    fn classes(&self) -> usize {
        self.objects.len() / (self.side * self.side)
    }

    /// Returns the cells within one of a cell, itself among them.
    fn window(&self, cell: usize) -> impl Iterator<Item = usize> + use<> {
        let side = self.side;
        let (x, y) = (cell % side, cell / side);
        let near = move |at: usize| at.saturating_sub(1)..(at + 2).min(side);
        near(y).flat_map(move |y| near(x).map(move |x| y * side + x))
    }

    /// Returns the cells where a value is largest among those around, the first of equals, with the values' sum there: an
    /// object whose centre lies on the edge of cells is split between them.
    fn peaks(&self, value: impl Fn(usize) -> f32) -> Vec<(usize, f32)> {
        let values: Vec<f32> = (0..self.side * self.side).map(value).collect();
        let beats =
            |other: usize, cell: usize| values[other] > values[cell] || (values[other] >= values[cell] && other < cell);
        let is_peak = |cell: &usize| {
            values[*cell] > 0.0 && !self.window(*cell).any(|other| other != *cell && beats(other, *cell))
        };
        let sum = |cell: usize| self.window(cell).map(|near| values[near]).sum::<f32>().min(1.0);
        (0..values.len()).filter(is_peak).map(|cell| (cell, sum(cell))).collect()
    }

    /// Returns how surely an image's objects are *something* in particular, in [0, 1]: the mean over the places where
    /// an object is of the likeliest concept's probability; 0 where there is none.
    pub(crate) fn legibility(&self) -> f32 {
        let classes = self.classes();
        let somebody = self.peaks(|cell| 1.0 - self.objects[cell * classes + classes - 1]);
        let surest = |cell: usize| {
            let probability = |class| self.window(cell).map(|near| self.objects[near * classes + class]).sum::<f32>();
            (0..classes - 1).map(probability).fold(0.0, f32::max).min(1.0)
        };
        let places: Vec<f32> =
            somebody.into_iter().filter(|(_, sum)| *sum >= SOMETHING).map(|(cell, _)| surest(cell)).collect();
        if places.is_empty() { 0.0 } else { places.iter().sum::<f32>() / places.len() as f32 }
    }

    /// Returns the probability that an image shows a concept.
    pub(crate) fn shows(&self, concept: usize) -> f32 {
        let classes = self.classes();
        let peaks = self.peaks(|cell| self.objects[cell * classes + concept]);
        peaks.into_iter().map(|(_, sum)| sum).fold(0.0, f32::max)
    }
}

/// Returns the objects of one image that the detector is sure of.
pub(crate) fn sightings(grid: &Grid<'_>) -> Vec<Sighting> {
    let classes = grid.classes();
    let colours = grid.tints.len() / (grid.side * grid.side);
    let of_concept = |concept: usize| {
        let at = move |cell: usize| grid.objects[cell * classes + concept];
        let seen = grid.peaks(at).into_iter().filter(|(_, sum)| *sum >= SEEN);
        seen.map(move |(cell, probability)| {
            let weigh =
                |value: &dyn Fn(usize) -> f32| grid.window(cell).map(|near| at(near) * value(near)).sum::<f32>();
            let mass = weigh(&|_| 1.0);
            let tint = |tint: usize| weigh(&|near| grid.tints[near * colours + tint]);
            let likeliest = (0..colours).max_by(|a, b| tint(*a).total_cmp(&tint(*b))).unwrap_or(colours - 1);
            Sighting {
                concept,
                tint: (likeliest + 1 < colours).then_some(likeliest),
                probability,
                x: weigh(&|near| (near % grid.side) as f32) / mass,
                y: weigh(&|near| (near / grid.side) as f32) / mass,
            }
        })
    };
    (0..classes - 1).flat_map(of_concept).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Probabilities of an image of 8 × 8 cells with two concepts and two tints, given (cell, concept, tint, probability).
    pub(in super::super) fn image(objects: &[(usize, usize, Option<usize>, f32)]) -> (Vec<f32>, Vec<f32>) {
        let (mut concepts, mut tints) = ([0.0, 0.0, 1.0].repeat(64), [0.0, 0.0, 1.0].repeat(64));
        for (cell, concept, tint, probability) in objects {
            concepts[cell * 3 + concept] = *probability;
            concepts[cell * 3 + 2] = 1.0 - probability;
            tints[cell * 3..][..3].fill(0.0);
            tints[cell * 3 + tint.unwrap_or(2)] = 1.0;
        }
        (concepts, tints)
    }

    fn grid((objects, tints): &(Vec<f32>, Vec<f32>)) -> Grid<'_> {
        Grid { objects, tints, side: 8 }
    }

    #[test]
    fn objects_are_seen_once_with_their_colour_and_place_even_on_the_edge_of_cells() {
        let image = image(&[(9, 0, Some(1), 0.4), (10, 0, Some(1), 0.4), (54, 1, None, 0.9), (30, 1, None, 0.3)]);
        let seen = sightings(&grid(&image));
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert_eq!((seen[0].concept, seen[0].tint), (0, Some(1)));
        assert!((seen[0].x - 1.5).abs() < 1e-6 && (seen[0].y - 1.0).abs() < 1e-6, "{seen:?}");
        assert_eq!((seen[1].concept, seen[1].tint), (1, None));
        assert!((grid(&image).shows(0) - 0.8).abs() < 1e-6);
    }

    #[test]
    fn two_of_a_kind_are_two() {
        let image = image(&[(9, 0, None, 0.9), (13, 0, None, 0.8), (41, 0, None, 0.9)]);
        assert_eq!(sightings(&grid(&image)).len(), 3);
    }

    #[test]
    fn what_could_be_anything_is_not_legible() {
        let sure = image(&[(9, 0, None, 0.95)]);
        assert!(grid(&sure).legibility() > 0.9);
        let mut unsure = image(&[(9, 0, None, 0.5)]);
        unsure.0[9 * 3 + 1] = 0.45;
        unsure.0[9 * 3 + 2] = 0.05;
        assert!(grid(&unsure).legibility() < 0.55);
        assert!(grid(&image(&[])).legibility().abs() < 1e-9);
    }
}

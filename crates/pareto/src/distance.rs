//! Indicators that measure a set against a reference set.

use crate::{ParetoError, check};

/// Returns the inverted generational distance plus (IGD+) of `points` to a reference set.
///
/// The mean over the reference set of the distance to the nearest point, where only what a point *lacks* counts:
/// `d⁺(z, a) = √Σ max(zᵢ − aᵢ, 0)²` (Ishibuchi et al. 2015). 0 is best; the unit is that of the objectives.
///
/// What it hides: it is only as good as the reference set, and it does not reward being better than that.
///
/// # Errors
/// An empty set, rows of different lengths, and NaN or infinite values.
pub fn igd_plus<P, Z>(points: &[P], reference_set: &[Z]) -> Result<f64, ParetoError>
where
    P: AsRef<[f64]>,
    Z: AsRef<[f64]>,
{
    check_both(points, reference_set)?;
    let lack = |z: f64, a: f64| (z - a).max(0.0).powi(2);
    let distance = |wanted: &[f64], point: &[f64]| -> f64 {
        let squares = wanted.iter().zip(point).map(|(&z, &a)| lack(z, a));
        squares.sum::<f64>().sqrt()
    };
    let nearest = |wanted: &Z| {
        let distances = points.iter().map(|p| distance(wanted.as_ref(), p.as_ref()));
        distances.fold(f64::INFINITY, f64::min)
    };
    Ok(reference_set.iter().map(nearest).sum::<f64>() / reference_set.len() as f64)
}

/// Returns the additive ε-indicator: the least number that, added to every objective of `points`, makes them weakly
/// dominate the whole reference set (Zitzler et al. 2003).
///
/// Below 0 when the points are better throughout. The unit is that of the objectives.
///
/// What it hides: a single worst case decides; all else may change unseen.
///
/// # Errors
/// An empty set, rows of different lengths, and NaN or infinite values.
pub fn additive_epsilon<P, Z>(points: &[P], reference_set: &[Z]) -> Result<f64, ParetoError>
where
    P: AsRef<[f64]>,
    Z: AsRef<[f64]>,
{
    check_both(points, reference_set)?;
    let lift = |wanted: &[f64], point: &[f64]| {
        let lacks = wanted.iter().zip(point).map(|(z, a)| z - a);
        lacks.fold(f64::NEG_INFINITY, f64::max)
    };
    let least = |wanted: &Z| {
        let lifts = points.iter().map(|p| lift(wanted.as_ref(), p.as_ref()));
        lifts.fold(f64::INFINITY, f64::min)
    };
    Ok(reference_set.iter().map(least).fold(f64::NEG_INFINITY, f64::max))
}

fn check_both<P, Z>(points: &[P], reference_set: &[Z]) -> Result<(), ParetoError>
where
    P: AsRef<[f64]>,
    Z: AsRef<[f64]>,
{
    check::not_empty("the set of points", points)?;
    check::not_empty("the reference set", reference_set)?;
    let dims = check::rows("reference set point", reference_set)?;
    check::rows_of("point", points, dims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_covers_the_reference_set_is_at_distance_zero() {
        let wanted = [[1.0, 0.0], [0.0, 1.0]];
        assert_eq!(igd_plus(&[[1.0, 1.0]], &wanted), Ok(0.0));
        assert_eq!(additive_epsilon(&[[1.5, 1.25]], &wanted), Ok(-0.25));
    }

    #[test]
    fn only_what_a_point_lacks_counts() {
        // Lacks 0.3 and 0.4 of the first; the second is covered.
        let wanted = [[1.3, 1.4], [0.5, 0.5]];
        let igd = igd_plus(&[[1.0, 1.0]], &wanted).unwrap();
        assert!((igd - 0.25).abs() < 1e-12, "{igd}");
        let epsilon = additive_epsilon(&[[1.0, 1.0]], &wanted).unwrap();
        assert!((epsilon - 0.4).abs() < 1e-12, "{epsilon}");
    }

    #[test]
    fn sets_of_nothing_are_refused() {
        let nothing: [[f64; 2]; 0] = [];
        assert!(matches!(igd_plus(&nothing, &[[1.0, 1.0]]), Err(ParetoError::Empty { .. })));
        assert!(matches!(additive_epsilon(&[[1.0, 1.0]], &nothing), Err(ParetoError::Empty { .. })));
    }
}

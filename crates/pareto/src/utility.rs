//! Expected utility of a set of points.

use crate::{ParetoError, check};

/// Returns the expected utility metric (EUM): the mean over `weightings` of the best weighted sum that a point
/// reaches (Zintgraf et al. 2015).
///
/// What a user with a random preference gets who picks the best point for it. [`simplex`](crate::simplex) makes the
/// weightings; a fine lattice or a few thousand Dirichlet draws approximate the expectation.
///
/// What it hides: linear utilities only see the convex hull, so a point in a dent of the front counts for
/// nothing; and it assumes that the weightings are what users want.
///
/// # Errors
/// No points or weightings, rows of different lengths, and NaN or infinite values.
pub fn expected_utility<P, W>(points: &[P], weightings: &[W]) -> Result<f64, ParetoError>
where
    P: AsRef<[f64]>,
    W: AsRef<[f64]>,
{
    check::not_empty("the set of points", points)?;
    check::not_empty("the set of weightings", weightings)?;
    let dims = check::rows("point", points)?;
    check::rows_of("weighting", weightings, dims)?;
    let utility = |w: &[f64], p: &[f64]| w.iter().zip(p).map(|(w, p)| w * p).sum::<f64>();
    let best = |w: &W| {
        let utilities = points.iter().map(|p| utility(w.as_ref(), p.as_ref()));
        utilities.fold(f64::NEG_INFINITY, f64::max)
    };
    Ok(weightings.iter().map(best).sum::<f64>() / weightings.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simplex;

    #[test]
    fn two_corners_give_three_quarters() {
        // E[max(w, 1 − w)] over the simplex in two objectives is 3/4.
        let weightings = simplex::lattice(2, 2000).unwrap();
        let utility = expected_utility(&[[1.0, 0.0], [0.0, 1.0]], &weightings).unwrap();
        assert!((utility - 0.75).abs() < 1e-3, "{utility}");
    }

    #[test]
    fn a_point_in_a_dent_adds_nothing() {
        let weightings = simplex::lattice(2, 50).unwrap();
        let corners = vec![[1.0, 0.0], [0.0, 1.0]];
        let dented = vec![[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]];
        assert_eq!(expected_utility(&corners, &weightings), expected_utility(&dented, &weightings));
    }
}

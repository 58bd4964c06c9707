//! The two computations of optimistic linear support (Roijers, Whiteson & Oliehoek, 2015).

/// A number that is smaller than this is taken for rounding.
const TINY: f64 = 1e-9;
/// Pivots of the simplex method, at most: far more than such small programmes take.
const PIVOTS: usize = 1000;

/// Returns V(w), the best weighted sum that a point reaches.
pub(super) fn best_sum(points: &[&[f64]], weighting: &[f64]) -> f64 {
    points.iter().map(|point| dot(weighting, point)).fold(f64::NEG_INFINITY, f64::max)
}

/// Returns the greatest w·v among reward vectors v with wⱼ·v ≤ Vⱼ for all `(wⱼ, Vⱼ)` of `ceilings`, of which the first must be the
/// corners of the simplex, in order.
///
/// By duality it is the least Σ yⱼ·Vⱼ of all ways to write w as a mix Σ yⱼ·wⱼ with y ≥ 0. The corners are such a mix, with y = w, so the
/// simplex method (Dantzig, 1951) starts from it; Bland's rule (1977) keeps it from going in circles. No solver has to be
/// brought in for these few lines.
pub(super) fn optimistic_sum(ceilings: &[(Vec<f64>, f64)], weighting: &[f64]) -> f64 {
    let rewards = weighting.len();
    let mut basis: Vec<usize> = (0..rewards).collect();
    let mut mix = weighting.to_vec();
    // Row k holds what the k-th of the basis does for each column.
    let mut rows: Vec<Vec<f64>> =
        (0..rewards).map(|reward| ceilings.iter().map(|(weighting, _)| weighting[reward]).collect()).collect();
    let cost = |column: usize| ceilings[column].1;
    for _ in 0..PIVOTS {
        let saves = |column: &usize| {
            let replaced: f64 = basis.iter().zip(&rows).map(|(member, row)| cost(*member) * row[*column]).sum();
            cost(*column) < replaced - TINY
        };
        let Some(column) = (0..ceilings.len()).find(saves) else { break };
        let limits = (0..rewards).filter(|row| rows[*row][column] > TINY);
        let limit = |row: &usize| mix[*row] / rows[*row][column];
        let order =
            |one: &usize, other: &usize| limit(one).total_cmp(&limit(other)).then(basis[*one].cmp(&basis[*other]));
        let Some(leaving) = limits.min_by(order) else { break };
        let pivot = rows[leaving][column];
        rows[leaving].iter_mut().for_each(|value| *value /= pivot);
        mix[leaving] /= pivot;
        let (row, amount) = (rows[leaving].clone(), mix[leaving]);
        for other in (0..rewards).filter(|other| *other != leaving) {
            let factor = rows[other][column];
            rows[other].iter_mut().zip(&row).for_each(|(value, pivoted)| *value -= factor * pivoted);
            mix[other] = (mix[other] - factor * amount).max(0.0);
        }
        basis[leaving] = column;
    }
    basis.iter().zip(&mix).map(|(member, amount)| cost(*member) * amount).sum()
}

/// An extreme ray (w, u) of the cone of all w ≥ 0 and u ≥ w·p for every point p.
struct Ray {
    weights: Vec<f64>,
    sum: f64,
    /// The constraints that hold with equality, ascending: wₖ ≥ 0 is number k, point p is number R + p.
    tight: Vec<usize>,
}

/// Returns the corner weights of the points' convex coverage set, corners of the simplex included: the weightings at which V(w) has a
/// vertex.
///
/// They are the rays of a cone, found by the double description method (Motzkin et al., 1953): points are added one by one, and
/// a point cuts off the rays that are below it; a new ray lies between each of these and each neighbour that stays.
pub(super) fn corner_weights(points: &[&[f64]]) -> Vec<Vec<f64>> {
    let rewards = points[0].len();
    let unit = |of: usize| (0..rewards).map(|reward| if reward == of { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
    let mut rays = vec![Ray { weights: vec![0.0; rewards], sum: 1.0, tight: (0..rewards).collect() }];
    rays.extend((0..rewards).map(|reward| {
        let tight = (0..=rewards).filter(|constraint| *constraint != reward).collect();
        Ray { weights: unit(reward), sum: points[0][reward], tight }
    }));
    for (index, point) in points.iter().enumerate().skip(1) {
        add(&mut rays, point, rewards + index);
    }
    rays.retain(|ray| ray.weights.iter().any(|weight| *weight > 0.0));
    rays.into_iter().map(|ray| ray.weights).collect()
}

/// Adds a point, whose constraint has this number.
fn add(rays: &mut Vec<Ray>, point: &[f64], number: usize) {
    let slack: Vec<f64> = rays.iter().map(|ray| ray.sum - dot(&ray.weights, point)).collect();
    let mut new = Vec::new();
    for above in (0..rays.len()).filter(|ray| slack[*ray] > TINY) {
        for below in (0..rays.len()).filter(|ray| slack[*ray] < -TINY) {
            let mut tight = rays[above].tight.clone();
            tight.retain(|constraint| rays[below].tight.contains(constraint));
            // Neighbours have constraints in common that no third ray has.
            let has_all = |ray: &Ray| tight.iter().all(|constraint| ray.tight.contains(constraint));
            if rays.iter().filter(|ray| has_all(ray)).count() > 2 {
                continue;
            }
            let between = |of_above: f64, of_below: f64| slack[above] * of_below - slack[below] * of_above;
            let weights = rays[above].weights.iter().zip(&rays[below].weights);
            let weights: Vec<f64> = weights.map(|(above, below)| between(*above, *below)).collect();
            let total: f64 = weights.iter().sum();
            tight.push(number);
            let sum = between(rays[above].sum, rays[below].sum) / total;
            new.push(Ray { weights: weights.iter().map(|weight| weight / total).collect(), sum, tight });
        }
    }
    for (ray, slack) in rays.iter_mut().zip(&slack) {
        if slack.abs() <= TINY {
            ray.tight.push(number);
        }
    }
    let mut slack = slack.iter();
    rays.retain(|_| slack.next().is_some_and(|slack| *slack >= -TINY));
    rays.append(&mut new);
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use crate::simplex;

    fn ceilings(rewards: usize, more: &[(&[f64], f64)]) -> Vec<(Vec<f64>, f64)> {
        let corners = simplex::corners(rewards).unwrap().into_iter().map(|corner| (corner, 1.0));
        corners.chain(more.iter().map(|(weighting, value)| (weighting.to_vec(), *value))).collect()
    }

    #[test]
    fn the_bound_of_two_rewards_is_that_on_paper() {
        assert!((optimistic_sum(&ceilings(2, &[]), &[0.5, 0.5]) - 1.0).abs() < 1e-12);
        // v₁ ≤ 1 and v₁ + v₂ ≤ 1.6: at (0.8, 0.2) the best is (1, 0.6).
        let known = ceilings(2, &[(&[0.5, 0.5], 0.8)]);
        assert!((optimistic_sum(&known, &[0.8, 0.2]) - 0.92).abs() < 1e-12);
        assert!((optimistic_sum(&known, &[0.5, 0.5]) - 0.8).abs() < 1e-12);
    }

    #[test]
    fn the_bound_is_the_best_vertex_of_the_primal() {
        let mut stream = Stream::new(3, 0);
        for draw in 0..50 {
            let weightings = simplex::dirichlet(&[1.0; 3], 6, draw).unwrap();
            let more: Vec<(&[f64], f64)> =
                weightings[1..].iter().map(|w| (&w[..], 0.6 + 0.4 * stream.uniform())).collect();
            let known = ceilings(3, &more);
            let bound = optimistic_sum(&known, &weightings[0]);
            let best = vertices(&known).iter().map(|v| dot(&weightings[0], v)).fold(f64::NEG_INFINITY, f64::max);
            assert!((bound - best).abs() < 1e-9, "{bound} and {best}");
        }
    }

    /// All solutions of three of the constraints as equations that keep the others.
    fn vertices(ceilings: &[(Vec<f64>, f64)]) -> Vec<[f64; 3]> {
        let determinant = |a: [f64; 3], b: [f64; 3], c: [f64; 3]| {
            a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])
        };
        let mut found = Vec::new();
        for i in 0..ceilings.len() {
            for j in 0..i {
                for k in 0..j {
                    let chosen = [i, j, k].map(|index| &ceilings[index]);
                    let column = |of: usize| chosen.map(|(weighting, _)| weighting[of]);
                    let values = chosen.map(|(_, value)| *value);
                    let whole = determinant(column(0), column(1), column(2));
                    if whole.abs() < 1e-12 {
                        continue;
                    }
                    let v = [
                        determinant(values, column(1), column(2)) / whole,
                        determinant(column(0), values, column(2)) / whole,
                        determinant(column(0), column(1), values) / whole,
                    ];
                    if ceilings.iter().all(|(weighting, value)| dot(weighting, &v) <= value + 1e-9) {
                        found.push(v);
                    }
                }
            }
        }
        found
    }

    fn sorted(mut weightings: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        weightings.sort_by(|a, b| a.partial_cmp(b).unwrap());
        weightings
    }

    #[test]
    fn corner_weights_of_two_rewards_are_where_lines_cross() {
        let found = sorted(corner_weights(&[&[1.0, 0.0], &[0.0, 1.0], &[0.8, 0.8], &[0.1, 0.1]]));
        let expected = [[0.0, 1.0], [0.2, 0.8], [0.8, 0.2], [1.0, 0.0]];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found[0] - expected[0]).abs() < 1e-12, "{found:?}");
        }
    }

    /// A vertex is where as many planes and walls meet as there are rewards, and none of the planes is above.
    #[test]
    fn corner_weights_are_vertices_and_none_is_missing() {
        for draw in 0..20 {
            let points = simplex::dirichlet(&[1.0; 3], 8, draw).unwrap();
            let points: Vec<Vec<f64>> =
                points.iter().map(|w| w.iter().map(|x| x / dot(w, w).sqrt()).collect()).collect();
            let points: Vec<&[f64]> = points.iter().map(Vec::as_slice).collect();
            let found = corner_weights(&points);
            for weighting in &found {
                let value = best_sum(&points, weighting);
                let planes = points.iter().filter(|point| (value - dot(weighting, point)).abs() < 1e-9).count();
                let walls = weighting.iter().filter(|weight| weight.abs() < 1e-12).count();
                assert!(planes + walls >= 3, "{weighting:?}");
            }
            // With all vertices, V is the lower hull of its values there: at any weighting, a mix of them reaches it.
            for weighting in simplex::dirichlet(&[1.0; 3], 20, draw + 100).unwrap() {
                let values: Vec<f64> = found.iter().map(|w| best_sum(&points, w)).collect();
                let corners = simplex::corners(3).unwrap().into_iter().map(|c| (c.clone(), best_sum(&points, &c)));
                let known: Vec<(Vec<f64>, f64)> = corners.chain(found.iter().cloned().zip(values)).collect();
                let hull = optimistic_sum(&known, &weighting);
                assert!((hull - best_sum(&points, &weighting)).abs() < 1e-9, "{weighting:?}");
            }
        }
    }

    #[test]
    fn a_straight_front_has_its_corners_and_the_centre() {
        let points = simplex::lattice(4, 2).unwrap();
        let points: Vec<&[f64]> = points.iter().map(Vec::as_slice).collect();
        let mut found = corner_weights(&points);
        simplex::dedup(&mut found, 1e-9);
        // V(w) is the greatest weight: its vertices are the centres of all faces.
        assert_eq!(found.len(), 15, "{found:?}");
    }
}

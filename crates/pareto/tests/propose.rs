//! Proposals of weightings on fronts that are known.

use moa_pareto::simplex::{corners, lattice};
use moa_pareto::{ParetoError, Prediction, Proposal, Proposer, Soup, Trained, hypervolume};

/// What the worst reward of a corner is: above the origin, or corners would have no hypervolume.
const FLOOR: f64 = 0.3;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Front {
    /// A sphere about the origin.
    Concave,
    Straight,
    /// The squares of the weights.
    BentInwards,
}

impl Front {
    /// Returns what training at a weighting gives.
    fn at(self, weighting: &[f64]) -> Vec<f64> {
        let norm = weighting.iter().map(|w| w * w).sum::<f64>().sqrt();
        let share = |w: &f64| match self {
            Self::Concave => w / norm,
            Self::Straight => *w,
            Self::BentInwards => w * w,
        };
        weighting.iter().map(|w| FLOOR + (1.0 - FLOOR) * share(w)).collect()
    }
}

/// A world in which training can be repeated.
#[derive(Debug, Clone, Copy)]
struct World {
    front: Front,
    rewards: usize,
    /// The standard error of each reward.
    error: f64,
    seed: u64,
}

impl World {
    fn train(self, weighting: &[f64], place: usize) -> Trained {
        let mut rewards = self.front.at(weighting);
        for (reward, value) in rewards.iter_mut().enumerate() {
            *value += self.error * normal(self.seed * 10_000 + place as u64 * 10 + reward as u64);
        }
        Trained { weighting: weighting.to_vec(), rewards, errors: vec![self.error; self.rewards] }
    }

    fn corners(self) -> Vec<Trained> {
        let corners = corners(self.rewards).unwrap();
        corners.iter().enumerate().map(|(place, weighting)| self.train(weighting, place)).collect()
    }

    /// Returns soups of the trained corners, whose rewards are mixed as their shares are.
    fn soups(self, trained: &[Trained], divisions: usize) -> Vec<Soup> {
        let mix = |shares: Vec<f64>| {
            let sum = |of: &dyn Fn(&Trained) -> f64| shares.iter().zip(trained).map(|(s, t)| s * of(t)).sum::<f64>();
            let rewards = (0..self.rewards).map(|reward| sum(&|t| t.rewards[reward])).collect();
            let error = shares.iter().map(|s| (s * self.error).powi(2)).sum::<f64>().sqrt();
            Soup { rewards, errors: vec![error; self.rewards] }
        };
        if divisions == 0 {
            Vec::new()
        } else {
            lattice(self.rewards, divisions).unwrap().into_iter().map(mix).collect()
        }
    }

    /// Trains proposals one after the other, and returns all that is trained, with the proposals.
    fn run(self, proposals: usize, divisions: usize, rule: Rule) -> (Vec<Trained>, Vec<Proposal>) {
        let mut trained = self.corners();
        let soups = self.soups(&trained, divisions);
        let mut made = Vec::new();
        for _ in 0..proposals {
            let proposer = Proposer::new(trained.clone(), soups.clone(), self.seed).unwrap();
            let Some(proposal) = rule(&proposer).unwrap() else { break };
            trained.push(self.train(&proposal.weighting, trained.len()));
            made.push(proposal);
        }
        (trained, made)
    }

    /// Returns the hypervolume without errors of the points at weightings.
    fn volume<'a>(self, weightings: impl Iterator<Item = &'a Vec<f64>>) -> f64 {
        let points: Vec<Vec<f64>> = weightings.map(|weighting| self.front.at(weighting)).collect();
        hypervolume(&points, &vec![0.0; self.rewards]).unwrap()
    }
}

type Rule = fn(&Proposer) -> Result<Option<Proposal>, ParetoError>;

/// Returns a number from nearly the standard normal distribution: the sum of twelve uniform ones.
fn normal(number: u64) -> f64 {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..4).for_each(|_| _ = uniform());
    (0..12).map(|_| uniform()).sum::<f64>() - 6.0
}

/// Everything that was trained at the given weightings besides the corners.
fn known(world: World, more: &[&[f64]]) -> Vec<Trained> {
    let mut trained = world.corners();
    trained.extend(more.iter().enumerate().map(|(place, weighting)| world.train(weighting, 100 + place)));
    trained
}

fn proposals(trained: &[Trained], soups: &[Soup]) -> [Proposal; 2] {
    let proposer = Proposer::new(trained.to_vec(), soups.to_vec(), 7).unwrap();
    RULES.map(|rule| rule(&proposer).unwrap().unwrap())
}

const RULES: [Rule; 2] = [Proposer::by_hypervolume_gain, Proposer::by_optimistic_support];

#[test]
fn proposals_go_where_the_gap_is() {
    for front in [Front::Concave, Front::Straight, Front::BentInwards] {
        let world = World { front, rewards: 2, error: 0.002, seed: 3 };
        let trained = known(world, &[&[0.5, 0.5], &[0.25, 0.75], &[0.37, 0.63], &[0.12, 0.88]]);
        let [by_gain, by_support] = proposals(&trained, &[]);
        let gap = 0.55..0.95;
        assert!(gap.contains(&by_gain.weighting[0]), "{front:?}: {by_gain:?}");
        // Training between points of a hull without a corner in between cannot raise a weighted sum.
        assert!(front != Front::Concave || gap.contains(&by_support.weighting[0]), "{by_support:?}");
    }
    let world = World { front: Front::Concave, rewards: 3, error: 0.002, seed: 3 };
    let edge = known(world, &[&[0.5, 0.5, 0.0], &[0.0, 0.5, 0.5], &[0.25, 0.5, 0.25], &[0.1, 0.8, 0.1]]);
    for Proposal { weighting, .. } in proposals(&edge, &[]) {
        assert!(weighting[1] < 0.34 && weighting[0] > 0.2 && weighting[2] > 0.2, "{weighting:?}");
    }
    let world = World { rewards: 4, ..world };
    let mut face: Vec<Vec<f64>> = lattice(3, 3).unwrap();
    face.retain(|weighting| weighting.iter().all(|weight| *weight < 1.0));
    for weighting in &mut face {
        weighting.push(0.0);
    }
    let face: Vec<&[f64]> = face.iter().map(Vec::as_slice).collect();
    for Proposal { weighting, .. } in proposals(&known(world, &face), &[]) {
        assert!(weighting[3] > 0.15 && weighting[3] < 0.6, "{weighting:?}");
    }
}

#[test]
fn soups_that_cover_a_straight_or_inward_front_stop_the_training_and_a_concave_front_does_not() {
    for (rewards, divisions) in [(2, 20), (3, 10), (4, 6)] {
        for front in [Front::Concave, Front::Straight, Front::BentInwards] {
            let world = World { front, rewards, error: 0.01, seed: 5 };
            let (_, made) = world.run(4, divisions, Proposer::by_hypervolume_gain);
            let worth: Vec<bool> = made.iter().map(Proposal::is_worth_it).collect();
            let last = made.last().unwrap();
            eprintln!("{front:?}, {rewards} rewards: {worth:?}, gain {:.5} of {:.4}", last.expected_gain, last.noise);
            assert!(worth[0], "corners alone do not show that a front is straight: {:?}", made[0]);
            if front == Front::Concave {
                assert_eq!(worth, [true; 4]);
            } else {
                assert_eq!(worth[2..], [false; 2], "{front:?}, {rewards} rewards: {made:?}");
            }
        }
    }
    // The finer the soups, the less is left.
    let world = World { front: Front::Straight, rewards: 2, error: 1e-4, seed: 5 };
    let trained = known(world, &[&[0.5, 0.5], &[0.25, 0.75]]);
    let proposer = Proposer::new(trained.clone(), world.soups(&trained, 500), 0).unwrap();
    let proposal = proposer.by_hypervolume_gain().unwrap().unwrap();
    assert!(proposal.expected_gain < 1e-4 && !proposal.is_worth_it(), "{proposal:?}");
}

/// The hypervolume without errors after each rule's proposals, against that of a lattice with more points.
#[test]
fn fewer_proposals_reach_what_a_lattice_of_two_divisions_reaches() {
    for (rewards, proposals) in [(3, 2), (4, 5)] {
        for seed in [1, 2, 3] {
            let world = World { front: Front::Concave, rewards, error: 0.02, seed };
            let design = lattice(rewards, 2).unwrap();
            let reached = world.volume(design.iter());
            for (name, rule) in ["gain", "support"].into_iter().zip(RULES) {
                let (trained, _) = world.run(proposals, 0, rule);
                let weightings = || trained.iter().map(|point| &point.weighting);
                let volumes: Vec<f64> =
                    (0..=proposals).map(|count| world.volume(weightings().take(rewards + count))).collect();
                eprintln!(
                    "{rewards} rewards, seed {seed}, by {name}: {volumes:.4?}; lattice of {}: {reached:.4}",
                    design.len()
                );
                assert!(trained.len() < design.len());
                assert!(volumes[2] > 1.02 * reached, "two proposals: {volumes:?}");
                assert!(rewards < 4 || volumes[5] > 1.15 * reached, "five proposals: {volumes:?}");
            }
        }
    }
}

#[test]
fn with_corners_alone_the_prediction_is_their_mix() {
    let world = World { front: Front::Concave, rewards: 3, error: 0.01, seed: 2 };
    let trained = world.corners();
    for Proposal { weighting, predicted, .. } in proposals(&trained, &[]) {
        for (reward, prediction) in predicted.iter().enumerate() {
            let mix: f64 = weighting.iter().zip(&trained).map(|(w, corner)| w * corner.rewards[reward]).sum();
            assert!((prediction.mean - mix).abs() < 0.005 && prediction.deviation > 0.05, "{mix} and {prediction:?}");
        }
    }
}

/// Of the corners (1, ½) and (½, 1), the hypervolume is a·b + c·(d − b), whose four derivatives are all ½.
#[test]
fn the_noise_is_that_of_the_delta_method_and_the_gain_that_of_an_integral() {
    let corner = |weighting: [f64; 2], rewards: [f64; 2], error: f64| Trained {
        weighting: weighting.to_vec(),
        rewards: rewards.to_vec(),
        errors: vec![error; 2],
    };
    let corners = |error| vec![corner([1.0, 0.0], [1.0, 0.5], error), corner([0.0, 1.0], [0.5, 1.0], error)];
    let [noisy, _] = proposals(&corners(0.02), &[]);
    assert!((noisy.noise / 0.02 - 1.0).abs() < 0.15, "{}", noisy.noise);
    assert!((noisy.hypervolume - 0.75).abs() < 0.002, "{}", noisy.hypervolume);

    let [exact, _] = proposals(&corners(0.0), &[]);
    assert!(exact.noise < 1e-3, "{}", exact.noise);
    // ∫ P(X ≥ x)·P(Y ≥ y) over what the corners leave: y > 1 for x below ½, y > ½ for x below 1, all y above.
    let [x, y] = [exact.predicted[0], exact.predicted[1]];
    let expected = above(x, 0.0, 0.5) * above(y, 1.0, 3.0)
        + above(x, 0.5, 1.0) * above(y, 0.5, 3.0)
        + above(x, 1.0, 3.0) * above(y, 0.0, 3.0);
    assert!((exact.expected_gain / expected - 1.0).abs() < 0.1, "{} and {expected}", exact.expected_gain);
}

/// Returns the integral of P(X ≥ x) from one end to another, X normal, by the mean over its density.
fn above(Prediction { mean, deviation }: Prediction, from: f64, to: f64) -> f64 {
    let steps = (-4000..=4000).map(|step| f64::from(step) / 500.0);
    let density = |z: f64| (-0.5 * z * z).exp();
    let total: f64 = steps.clone().map(density).sum();
    steps.map(|z| density(z) * ((mean + deviation * z).clamp(from, to) - from)).sum::<f64>() / total
}

#[test]
fn the_same_seed_gives_the_same_proposal_and_another_seed_other_draws() {
    let world = World { front: Front::Concave, rewards: 3, error: 0.02, seed: 4 };
    let propose = |seed| Proposer::new(world.corners(), Vec::new(), seed).unwrap().by_hypervolume_gain().unwrap();
    assert_eq!(propose(1), propose(1));
    assert_ne!(propose(1).map(|proposal| proposal.noise), propose(2).map(|proposal| proposal.noise));
}

#[test]
fn nothing_trained_is_proposed_again() {
    for rule in RULES {
        for rewards in [2, 3] {
            let world = World { front: Front::Concave, rewards, error: 0.05, seed: 6 };
            let (trained, _) = world.run(8, 0, rule);
            for (place, point) in trained.iter().enumerate() {
                assert!((point.weighting.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                assert!(point.weighting.iter().all(|weight| *weight >= 0.0));
                let same =
                    |other: &Trained| point.weighting.iter().zip(&other.weighting).all(|(a, b)| (a - b).abs() <= 1e-3);
                assert!(!trained[..place].iter().any(same), "{:?}", point.weighting);
            }
        }
    }
    // One reward has one weighting.
    let only = Trained { weighting: vec![1.0], rewards: vec![0.4], errors: vec![0.1] };
    let proposer = Proposer::new(vec![only], Vec::new(), 0).unwrap();
    assert_eq!(RULES.map(|rule| rule(&proposer).unwrap()), [None, None]);
}

#[test]
fn many_rewards_twins_and_exact_measurements_are_fine() {
    let world = World { front: Front::Concave, rewards: 6, error: 0.0, seed: 8 };
    let mut trained = world.corners();
    trained.extend(world.corners());
    trained.push(world.train(&[1.0 / 6.0; 6], 0));
    for Proposal { weighting, expected_gain, noise, .. } in proposals(&trained, &[]) {
        assert!(expected_gain > noise && noise.is_finite(), "{weighting:?}: {expected_gain} of {noise}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let corners = World { front: Front::Straight, rewards: 2, error: 0.01, seed: 1 }.corners();
    let refuse = |change: &dyn Fn(&mut Vec<Trained>)| {
        let mut trained = corners.clone();
        change(&mut trained);
        Proposer::new(trained, Vec::new(), 0).unwrap_err().to_string()
    };
    assert_eq!(refuse(&|trained| trained.clear()), "the list of trained weightings is empty: give at least one");
    assert_eq!(refuse(&|trained| drop(trained.pop())), "the number of trained corners is 1: it must be one per reward");
    assert_eq!(refuse(&|trained| trained[0].weighting[1] = 0.2), "the sum of a weighting is 1.2: it must be 1");
    assert_eq!(refuse(&|trained| trained[0].weighting = vec![1.5, -0.5]), "a weight is -0.5: it must be at least 0");
    assert_eq!(refuse(&|trained| trained[1].errors[0] = -0.1), "a standard error is -0.1: it must be at least 0");
    assert!(refuse(&|trained| trained[1].rewards[0] = f64::NAN).contains("NaN in objective 0"));
    assert!(refuse(&|trained| trained[1].rewards.push(0.5)).contains("rewards of trained weighting 1 has 3 values"));
    let soup = |rewards: &[f64], errors: &[f64]| Soup { rewards: rewards.to_vec(), errors: errors.to_vec() };
    for soup in [soup(&[0.1], &[0.1]), soup(&[0.1, f64::INFINITY], &[0.1, 0.1]), soup(&[0.1, 0.1], &[0.1, -0.1])] {
        assert!(Proposer::new(corners.clone(), vec![soup], 0).is_err());
    }
    let many = World { front: Front::Straight, rewards: 9, error: 0.01, seed: 1 }.corners();
    assert_eq!(
        Proposer::new(many, Vec::new(), 0).unwrap_err().to_string(),
        "the number of rewards is 9: it must be at most 8"
    );
}

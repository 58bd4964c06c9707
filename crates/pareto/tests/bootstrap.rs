//! What a bootstrap interval must do: cover, notice clusters, use the pairing, and repeat itself.

use moa_pareto::{Bootstrap, Interval, ParetoError, hypervolume};

/// A small generator of normal numbers, independent of the one under test.
struct Normal(u64);

impl Normal {
    fn draw(&mut self) -> f64 {
        let mut uniform = || {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 33) as f64 / (1u64 << 31) as f64
        };
        (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    }
}

fn width(interval: Interval) -> f64 {
    interval.hi - interval.lo
}

#[test]
fn the_interval_covers_the_truth_about_as_often_as_it_says() {
    let mut normal = Normal(11);
    let bootstrap = Bootstrap { resamples: 400, ..Bootstrap::default() };
    let trials = 300;
    let covered = (0..trials)
        .filter(|_| {
            let prompts: Vec<Vec<f64>> = (0..30)
                .map(|_| {
                    let of_prompt = 5.0 + normal.draw();
                    (0..3).map(|_| of_prompt + 0.5 * normal.draw()).collect()
                })
                .collect();
            bootstrap.mean(&prompts).unwrap().contains(5.0)
        })
        .count();
    // The percentile interval of 30 prompts covers a little less than 95 %; three standard errors either way.
    assert!((268..=297).contains(&covered), "{covered} of {trials}");
}

#[test]
fn pictures_of_one_prompt_are_not_taken_for_independent() {
    let scores = [0.1, 0.9, 0.3, 0.7, 0.5];
    let one_each: Vec<Vec<f64>> = scores.iter().map(|&s| vec![s]).collect();
    let many_each: Vec<Vec<f64>> = scores.iter().map(|&s| vec![s; 50]).collect();
    let bootstrap = Bootstrap::seeded(1);
    assert!(width(bootstrap.mean(&one_each).unwrap()) > 0.3);
    let (one, many) = (bootstrap.mean(&one_each).unwrap(), bootstrap.mean(&many_each).unwrap());
    assert!((width(one) - width(many)).abs() < 1e-12);
}

#[test]
fn pairing_takes_the_prompts_difficulty_out() {
    let mut normal = Normal(3);
    let control: Vec<Vec<f64>> = (0..40).map(|_| vec![10.0 * normal.draw()]).collect();
    let treated: Vec<Vec<f64>> = control.iter().map(|c| vec![c[0] + 0.5 + 0.1 * normal.draw()]).collect();
    let gain = Bootstrap::seeded(2).paired_difference(&treated, &control).unwrap();
    assert!(gain.is_above(0.3) && gain.hi < 0.7, "{gain:?}");
    assert!((gain.mean - 0.5).abs() < 0.1);
    let loss = Bootstrap::seeded(2).paired_difference(&control, &treated).unwrap();
    assert!((loss.mean + gain.mean).abs() < 1e-12 && loss.hi < 0.0);
}

#[test]
fn hypervolume_is_that_of_the_means_and_lies_in_its_interval() {
    let mut normal = Normal(5);
    let mut evaluate = |centre: [f64; 3]| -> Vec<Vec<f64>> {
        (0..25).map(|_| centre.iter().map(|c| c + 0.1 * normal.draw()).collect()).collect()
    };
    let front = vec![evaluate([0.9, 0.5, 0.5]), evaluate([0.5, 0.9, 0.5]), evaluate([0.5, 0.5, 0.9])];
    let base = vec![evaluate([0.5, 0.5, 0.5])];
    let bootstrap = Bootstrap::seeded(4);
    let volume = bootstrap.hypervolume(&front, &[0.0; 3]).unwrap();
    assert!(volume.contains(volume.mean) && width(volume) > 0.0);

    let mean = |prompts: &Vec<Vec<f64>>| -> Vec<f64> {
        (0..3).map(|j| prompts.iter().map(|row| row[j]).sum::<f64>() / 25.0).collect()
    };
    let means: Vec<Vec<f64>> = front.iter().map(mean).collect();
    assert!((volume.mean - hypervolume(&means, &[0.0; 3]).unwrap()).abs() < 1e-12);

    let gain = bootstrap.hypervolume_difference(&front, &base, &[0.0; 3]).unwrap();
    assert!(gain.is_above(0.0), "{gain:?}");
    let none = bootstrap.hypervolume_difference(&front, &front, &[0.0; 3]).unwrap();
    assert_eq!(none, Interval::exact(0.0));
}

#[test]
fn noise_among_many_like_points_does_not_push_the_interval_off_the_estimate() {
    let mut normal = Normal(8);
    let mut evaluate =
        || -> Vec<Vec<f64>> { (0..40).map(|_| (0..4).map(|_| 0.5 + 0.2 * normal.draw()).collect()).collect() };
    let points: Vec<Vec<Vec<f64>>> = (0..20).map(|_| evaluate()).collect();
    let volume = Bootstrap::seeded(1).hypervolume(&points, &[0.0; 4]).unwrap();
    assert!(volume.lo < volume.mean && volume.mean < volume.hi && volume.lo > 0.0, "{volume:?}");
}

#[test]
fn the_seed_decides_and_the_number_of_threads_does_not() {
    let prompts: Vec<Vec<f64>> = (0..20).map(|i| vec![f64::from(i).sin()]).collect();
    let interval = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Bootstrap::seeded(seed).mean(&prompts).unwrap())
    };
    assert_eq!(interval(1, 7), interval(3, 7));
    assert_ne!(interval(1, 7), interval(1, 8));
}

#[test]
fn one_prompt_gives_an_interval_of_no_width() {
    let interval = Bootstrap::default().mean(&[[1.0, 3.0]]).unwrap();
    assert_eq!(interval, Interval::exact(2.0));
}

#[test]
fn what_cannot_be_resampled_is_refused() {
    let bootstrap = Bootstrap::default();
    assert!(matches!(bootstrap.mean::<Vec<f64>>(&[]), Err(ParetoError::Empty { .. })));
    assert!(matches!(bootstrap.mean(&[vec![1.0], vec![]]), Err(ParetoError::Empty { .. })));
    assert!(matches!(bootstrap.mean(&[[f64::NAN]]), Err(ParetoError::NotFinite { .. })));
    assert_eq!(
        bootstrap.paired_difference(&[[1.0], [2.0]], &[[1.0]]),
        Err(ParetoError::Unpaired { left: 2, right: 1 })
    );
    let uneven = vec![vec![vec![1.0]], vec![vec![1.0], vec![2.0]]];
    assert!(bootstrap.hypervolume(&uneven, &[0.0]).is_err());
    for broken in [
        Bootstrap { resamples: 0, ..bootstrap },
        Bootstrap { level: 1.0, ..bootstrap },
        Bootstrap { level: f64::NAN, ..bootstrap },
    ] {
        assert!(matches!(broken.mean(&[[1.0]]), Err(ParetoError::Setting { .. })));
    }
}

//! What a bootstrap interval must do: cover, use the pairing, be infinite without data, and be reproducible.

use moa_pareto::{Bootstrap, FEWEST_PROMPTS, Interval, ParetoError, Sample, hypervolume};

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

/// Quantiles of resampled means hold the truth of skewed scores in 0.90 of the cases with 32 prompts.
#[test]
fn the_interval_covers_the_truth_as_often_as_it_says() {
    let mut normal = Normal(11);
    let trials = 400;
    for skew in [0.0, 0.7] {
        let truth = if skew > 0.0 { (skew * skew / 2.0_f64).exp() } else { 0.0 };
        let mut covered = 0;
        for trial in 0..trials {
            let value = |x: f64| if skew > 0.0 { (skew * x).exp() } else { x };
            let prompts: Vec<f64> = (0..32).map(|_| value(normal.draw())).collect();
            let bootstrap = Bootstrap { resamples: 400, fewest: 32, ..Bootstrap::seeded(trial) };
            covered += usize::from(bootstrap.mean(Sample::new(&prompts)).unwrap().contains(truth));
        }
        // Three standard errors below 0.95.
        assert!((367..400).contains(&covered), "{covered} of {trials}, skew {skew}");
    }
}

#[test]
fn pairing_takes_the_prompts_difficulty_out() {
    let mut normal = Normal(3);
    let control: Vec<f64> = (0..64).map(|_| 10.0 * normal.draw()).collect();
    let treated: Vec<f64> = control.iter().map(|c| c + 0.5 + 0.1 * normal.draw()).collect();
    let (control, treated) = (Sample::new(&control), Sample::new(&treated));
    let gain = Bootstrap::seeded(2).paired_difference(treated, control).unwrap();
    assert!(gain.is_above(0.3) && gain.hi < 0.7, "{gain:?}");
    assert!((gain.mean - 0.5).abs() < 0.1);
    let loss = Bootstrap::seeded(2).paired_difference(control, treated).unwrap();
    assert!((loss.mean + gain.mean).abs() < 1e-12 && loss.is_below(0.0));
}

#[test]
fn a_range_cuts_intervals_and_of_a_difference_it_is_twice_as_wide() {
    let mut normal = Normal(9);
    let near = |x: f64| (1.0 - 0.02 * x.abs()).max(0.0);
    let high: Vec<f64> = (0..64).map(|_| near(normal.draw())).collect();
    let unit = Some([0.0, 1.0]);
    let interval = Bootstrap::default().mean(Sample::within(&high, unit)).unwrap();
    assert!(interval.hi <= 1.0 && interval.lo > 0.9);
    let same = Sample::within(&high, unit);
    let none = Bootstrap::default().paired_difference(same, same).unwrap();
    // 64 equal differences say nothing by resampling; their range is -1 to 1.
    let half = 2.0 * ((2.0_f64 / 0.05).ln() / 128.0).sqrt();
    assert!((none.hi - half).abs() < 1e-12 && (none.lo + half).abs() < 1e-12, "{none:?}");
}

#[test]
fn hypervolume_is_that_of_the_means_and_lies_in_its_interval() {
    let mut normal = Normal(5);
    let mut evaluate = |centre: [f64; 3]| -> Vec<Vec<f64>> {
        (0..70).map(|_| centre.iter().map(|c| c + 0.1 * normal.draw()).collect()).collect()
    };
    let front = vec![evaluate([0.9, 0.5, 0.5]), evaluate([0.5, 0.9, 0.5]), evaluate([0.5, 0.5, 0.9])];
    let base = vec![evaluate([0.5, 0.5, 0.5])];
    let bootstrap = Bootstrap::seeded(4);
    let volume = bootstrap.hypervolume(&front, &[0.0; 3]).unwrap();
    assert!(volume.contains(volume.mean) && width(volume) > 0.0);

    let mean = |prompts: &Vec<Vec<f64>>| -> Vec<f64> {
        (0..3).map(|j| prompts.iter().map(|row| row[j]).sum::<f64>() / 70.0).collect()
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
        || -> Vec<Vec<f64>> { (0..64).map(|_| (0..4).map(|_| 0.5 + 0.2 * normal.draw()).collect()).collect() };
    let points: Vec<Vec<Vec<f64>>> = (0..20).map(|_| evaluate()).collect();
    let volume = Bootstrap::seeded(1).hypervolume(&points, &[0.0; 4]).unwrap();
    assert!(volume.lo < volume.mean && volume.mean < volume.hi && volume.lo > 0.0, "{volume:?}");
}

#[test]
fn the_seed_decides_and_the_number_of_threads_does_not() {
    let prompts: Vec<f64> = (0..64).map(|i| f64::from(i).sin()).collect();
    let interval = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Bootstrap::seeded(seed).mean(Sample::new(&prompts)).unwrap())
    };
    assert_eq!(interval(1, 7), interval(3, 7));
    assert_ne!(interval(1, 7), interval(1, 8));
}

#[test]
fn of_few_prompts_and_of_prompts_that_do_not_differ_nothing_is_claimed() {
    let varied: Vec<f64> = (0..FEWEST_PROMPTS - 1).map(|i| (i as f64).sin()).collect();
    assert!(!Bootstrap::default().mean(Sample::new(&varied)).unwrap().is_bounded());
    assert!(!Bootstrap::default().mean(Sample::new(&[0.5; 200])).unwrap().is_bounded());
    let rows: Vec<Vec<f64>> = varied.iter().map(|value| vec![1.0 + value]).collect();
    assert!(!Bootstrap::default().hypervolume(&[rows], &[0.0]).unwrap().is_bounded());
}

#[test]
fn what_cannot_be_resampled_is_refused() {
    let bootstrap = Bootstrap::default();
    assert!(matches!(bootstrap.mean(Sample::new(&[])), Err(ParetoError::Empty { .. })));
    assert!(matches!(bootstrap.mean(Sample::new(&[f64::NAN])), Err(ParetoError::NotFinite { .. })));
    assert_eq!(
        bootstrap.paired_difference(Sample::new(&[1.0, 2.0]), Sample::new(&[1.0])),
        Err(ParetoError::Unpaired { left: 2, right: 1 })
    );
    let uneven = vec![vec![vec![1.0]], vec![vec![1.0], vec![2.0]]];
    assert!(bootstrap.hypervolume(&uneven, &[0.0]).is_err());
    for broken in [
        Bootstrap { resamples: 0, ..bootstrap },
        Bootstrap { level: 1.0, ..bootstrap },
        Bootstrap { level: f64::NAN, ..bootstrap },
    ] {
        assert!(matches!(broken.mean(Sample::new(&[1.0])), Err(ParetoError::Setting { .. })));
    }
}

//! How long fits take: `cargo run --release -p moa-preference-model --example fit_speed`.
//!
//! | images | features | pairs |
//! |---|---|---|
//! | as the arguments say, in this order; 2,000, 768 and 1,000 without them |

use std::time::Instant;

use moa_core::NoiseKey;
use moa_preference_model::{Features, FitSettings, Judgements, Pool, RewardModel, SpaceSettings};
use moa_preferences::Winner;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let at = |place: usize, default: usize| arguments.get(place).copied().unwrap_or(default);
    let (images, width, pairs) = (at(0, 2000), at(1, 768), at(2, 1000));
    let components = at(3, 512);
    let mut values = vec![0.0; images * width];
    NoiseKey::new(1).fill_normal(&mut values);
    // Variances that fall as those of embeddings do.
    for (index, value) in values.iter_mut().enumerate() {
        *value *= 1.0 / (1.0 + (index % width) as f32 / 20.0);
    }
    let mixed: Vec<f32> =
        values.chunks(width).flat_map(|row| (0..width).map(|j| row[j] + row[(j * 7 + 3) % 40])).collect();
    let features = Features::new(width, mixed)?;
    let began = Instant::now();
    let pool = Pool::new(&features, &SpaceSettings { components, ..SpaceSettings::default() })?;
    println!("pool of {images} × {width}: {:?}, {} components", began.elapsed(), pool.space().components());
    let key = NoiseKey::new(2);
    let mut judgements = Judgements::new();
    for index in 0..pairs as u64 {
        let (a, b) = (key.below(3 * index, images), key.below(3 * index + 1, images));
        let delta: f32 = (0..20).map(|j| features.row(a)[j] - features.row(b)[j]).sum();
        let winner =
            if key.uniform(3 * index + 2) < 1.0 / (1.0 + f64::from(-delta).exp()) { Winner::A } else { Winner::B };
        if a != b {
            judgements.compare("p", "r", a, b, winner, 1.0);
        }
    }
    let began = Instant::now();
    let model = RewardModel::fit(&pool, &judgements, &FitSettings::default())?;
    println!(
        "{pairs} pairs: {:?}, γ = {}, {:.1} weights determined",
        began.elapsed(),
        model.shape(),
        model.determined()
    );
    Ok(())
}

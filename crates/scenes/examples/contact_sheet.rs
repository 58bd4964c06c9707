//! Writes a PNG of 64 scenes, and prints their captions and how long a scene takes to render.
//!
//! `cargo run --release -p moa-scenes --example contact_sheet -- SHEET.png [seed]`

use std::fs::File;
use std::time::Instant;

use moa_scenes::{HeldOut, SIDE, SceneDistribution, SceneRng, Sprites, sample_scene};

/// Pictures per row and per column.
const GRID: usize = 8;
/// Screen pixels per picture pixel.
const ZOOM: usize = 4;
/// Screen pixels between pictures.
const GAP: usize = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name the PNG file to write")?;
    let seed = arguments.next().map_or(Ok(0), |seed| seed.parse())?;
    let sprites = Sprites::embedded();
    let distribution = SceneDistribution { two_objects: 0.5, unsafe_share: Some(0.4), held_out: HeldOut::Any };

    let step = SIDE * ZOOM + GAP;
    let width = GRID * step;
    let mut sheet = vec![200; width * width * 3];
    for place in 0..GRID * GRID {
        let mut rng = SceneRng::keyed(seed, &[place as u64]);
        let scene = sample_scene(&mut rng, &distribution);
        let picture = scene.render(sprites, &mut rng);
        println!("{},{}: {scene}", place / GRID, place % GRID);
        for y in 0..SIDE * ZOOM {
            for x in 0..SIDE * ZOOM {
                let source = (y / ZOOM * SIDE + x / ZOOM) * 3;
                let target = ((place / GRID * step + y) * width + place % GRID * step + x) * 3;
                sheet[target..target + 3].copy_from_slice(&picture.pixels[source..source + 3]);
            }
        }
    }
    let mut encoder = png::Encoder::new(File::create(path)?, width as u32, width as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&sheet)?;

    let (start, count, mut rng) = (Instant::now(), 20_000, SceneRng::new(seed));
    let covered: usize = (0..count)
        .map(|_| {
            sample_scene(&mut rng, &distribution).render(sprites, &mut rng).mask.iter().filter(|&&c| c > 0).count()
        })
        .sum();
    let micros = start.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    println!("{micros:.1} µs a scene; {} covered pixels on average", covered / count as usize);
    Ok(())
}

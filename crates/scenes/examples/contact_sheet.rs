//! Writes a PNG of 64 scenes, and prints their captions and how long a scene takes to render.
//!
//! `cargo run --release -p moa-scenes --example contact_sheet -- SHEET.png [kind|all|tints] [seed]`; a kind is `single`,
//! `tinted`, `pair`, `tinted_pair`, `several` or `trio`. `tints` draws every concept in every tint instead.

use std::fs::File;
use std::time::Instant;

use moa_scenes::{
    Background, Concept, HeldOut, Kinds, SIDE, Scene, SceneDistribution, SceneRng, Sprites, Thing, Tint, sample_scene,
};

/// Images per row and per column.
const GRID: usize = 8;
/// Screen pixels per image pixel.
const ZOOM: usize = 4;
/// Screen pixels between images.
const GAP: usize = 4;

/// One of each.
const ALL: Kinds = Kinds { single: 1.0, tinted: 1.0, pair: 1.0, tinted_pair: 1.0, several: 1.0, trio: 1.0 };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name the PNG file to write")?;
    let what = arguments.next().unwrap_or_else(|| "all".to_owned());
    let seed = arguments.next().map_or(Ok(0), |seed| seed.parse())?;
    let sprites = Sprites::embedded();
    let kinds = match what.as_str() {
        "all" | "tints" => ALL,
        kind => Kinds::only(serde_json::from_value(kind.into())?),
    };
    let distribution = SceneDistribution { kinds, unsafe_share: Some(0.4), held_out: HeldOut::Any };

    let mut sheet = Sheet::new(GRID, GRID);
    if what == "tints" {
        sheet = Sheet::new(2 * Tint::ALL.len(), Concept::ALL.len() / 2);
        for (place, (concept, tint)) in
            Concept::ALL.into_iter().flat_map(|concept| Tint::ALL.map(|tint| (concept, tint))).enumerate()
        {
            let mut rng = SceneRng::keyed(seed, &[place as u64]);
            let backgrounds: Vec<_> =
                Background::ALL.into_iter().filter(|background| tint.suits(*background)).collect();
            let scene = Scene::single(Thing::tinted(concept, tint), rng.pick(&backgrounds));
            sheet.draw(place, &scene.render(sprites, &mut rng).pixels);
        }
    } else {
        for place in 0..GRID * GRID {
            let mut rng = SceneRng::keyed(seed, &[place as u64]);
            let scene = sample_scene(&mut rng, &distribution);
            println!("{},{}: {scene}", place / GRID, place % GRID);
            sheet.draw(place, &scene.render(sprites, &mut rng).pixels);
        }
    }
    sheet.write(&path)?;

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

/// Images in rows.
struct Sheet {
    columns: usize,
    rows: usize,
    pixels: Vec<u8>,
}

impl Sheet {
    /// Screen pixels from one image to the next.
    const STEP: usize = SIDE * ZOOM + GAP;

    fn new(columns: usize, rows: usize) -> Self {
        Self { columns, rows, pixels: vec![200; columns * rows * Self::STEP * Self::STEP * 3] }
    }

    fn draw(&mut self, place: usize, picture: &[u8]) {
        let (left, top) = (place % self.columns * Self::STEP, place / self.columns * Self::STEP);
        for y in 0..SIDE * ZOOM {
            for x in 0..SIDE * ZOOM {
                let source = (y / ZOOM * SIDE + x / ZOOM) * 3;
                let target = ((top + y) * self.columns * Self::STEP + left + x) * 3;
                self.pixels[target..target + 3].copy_from_slice(&picture[source..source + 3]);
            }
        }
    }

    fn write(&self, path: &str) -> Result<(), Box<dyn std::error::Error>> {
        let [width, height] = [self.columns, self.rows].map(|count| (count * Self::STEP) as u32);
        let mut encoder = png::Encoder::new(File::create(path)?, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header()?.write_image_data(&self.pixels)?;
        Ok(())
    }
}

//! Serves a small pool of synthetic images, for tests: `serve_pool FOLDER MODE [PORT TOKEN]`. It prints its address, and runs until
//! it is killed or its input ends.

use std::error::Error;
use std::fs;
use std::io::Read;
use std::path::Path;

use moa_preferences::Image;
use moa_rating::{Chooser, Desk, Learned, Mode, News, Options, Pool, PoolImage, Question, Random, Wanted};

const SIDE: u32 = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, mode, rest @ ..] = &arguments[..] else { return Err("give FOLDER and MODE".into()) };
    let folder = Path::new(folder);
    let mode = match &**mode {
        "ranking" => Mode::Ranking { images: 4 },
        "labels" => Mode::Labels,
        "scores" => Mode::Scores { best: 5 },
        _ => Mode::Pairs,
    };
    let options = Options {
        goal: Some(100),
        repeats: 0.1,
        overlap: 0.2,
        tags: ["hands", "composition", "colours", "text"].map(str::to_owned).to_vec(),
        ..Options::new(mode)
    };
    let chooser = Box::new(Told { random: Random::new(1), answers: 0 });
    let desk = Desk::open(&folder.join("preferences.jsonl"), pool(folder)?, chooser, options)?;
    let mut server = moa_rating_server::Options { title: "a sweep of hues".into(), ..Default::default() };
    if let [port, token] = rest {
        server.port = port.parse()?;
        server.token = Some(token.clone());
    }
    let handle = moa_rating_server::serve(desk, server)?;
    println!("{}", handle.address());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    handle.stop();
    Ok(())
}

/// Random questions, with something to say of the answers.
struct Told {
    random: Random,
    answers: usize,
}

impl Chooser for Told {
    fn hear(&mut self, pool: &Pool, news: &News) {
        self.answers += usize::from(matches!(news, News::Answered(_)));
        self.random.hear(pool, news);
    }

    fn choose(&mut self, wanted: &Wanted<'_>) -> Vec<Question> {
        self.random.choose(wanted)
    }

    fn learned(&mut self) -> Learned {
        if self.answers < 8 {
            return Learned::default();
        }
        let accuracy = 50.0 + 40.0 * (1.0 - (-(self.answers as f64) / 60.0).exp());
        Learned {
            text: "Warm colours are preferred; composition is still open.".into(),
            figures: vec![
                ("accuracy on held-out pairs".into(), format!("{accuracy:.0} %")),
                ("answers still needed".into(), format!("about {}", 100_usize.saturating_sub(self.answers).max(5))),
            ],
        }
    }
}

fn pool(folder: &Path) -> Result<Pool, Box<dyn Error>> {
    let prompts = [
        "a red circle above a hill",
        "a night sky with one bright moon",
        "a boat on calm water, evening light, painted in oil",
    ];
    let mut images = Vec::new();
    fs::create_dir_all(folder.join("images"))?;
    for (prompt, text) in prompts.into_iter().enumerate() {
        for origin in ["base", "vivid", "calm", "soup"].into_iter().enumerate() {
            for variant in 0..4 {
                let name = format!("images/{prompt}-{}-{variant}.png", origin.1);
                if !folder.join(&name).exists() {
                    draw(&folder.join(&name), prompt, origin.0, variant)?;
                }
                let image = Image::of_file(folder, &name)?;
                images.push(PoolImage {
                    image,
                    prompt: text.into(),
                    origin: origin.1.into(),
                    file: folder.join(&name),
                });
            }
        }
    }
    Ok(Pool::new(images))
}

/// Draws a sky, a disc and a ground whose colours depend on all three numbers.
fn draw(path: &Path, prompt: usize, origin: usize, variant: usize) -> Result<(), Box<dyn Error>> {
    let skies = [[236.0, 190.0, 150.0], [24.0, 30.0, 66.0], [120.0, 150.0, 190.0]];
    let discs = [[214.0, 64.0, 48.0], [246.0, 238.0, 200.0], [250.0, 214.0, 140.0]];
    let grounds = [[86.0, 128.0, 78.0], [40.0, 48.0, 70.0], [50.0, 84.0, 120.0]];
    let strength = [0.8, 1.25, 0.6, 1.0][origin];
    let (x, y) = (60.0 + 45.0 * variant as f32, 70.0 + 14.0 * ((variant * 7 + origin * 3) % 5) as f32);
    let radius = 26.0 + 5.0 * ((origin + variant) % 4) as f32;
    let mut pixels = Vec::with_capacity((SIDE * SIDE * 3) as usize);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let (px, py) = (column as f32, row as f32);
            let distance = ((px - x).powi(2) + (py - y).powi(2)).sqrt();
            let hill = 178.0 + 18.0 * (px / 41.0 + variant as f32).sin() + 6.0 * origin as f32;
            let light = 1.0 - 0.35 * py / SIDE as f32;
            let colour = if py > hill {
                grounds[prompt].map(|c: f32| c * (1.25 - py / 512.0))
            } else if distance < radius {
                discs[prompt]
            } else {
                let glow = (-(distance - radius) / 40.0).exp() * 0.35;
                std::array::from_fn(|i| skies[prompt][i] * light * (1.0 - glow) + discs[prompt][i] * glow)
            };
            let grey: f32 = colour.iter().sum::<f32>() / 3.0;
            pixels.extend(colour.map(|c| (grey + (c - grey) * strength).clamp(0.0, 255.0) as u8));
        }
    }
    let mut encoder = png::Encoder::new(fs::File::create(path)?, SIDE, SIDE);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(())
}

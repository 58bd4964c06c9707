//! Writes pairs of images that the base draws for training prompts, undecided: what `experiments/survey/dpo-stored.ron` trains on, where
//! the experiment's rewards decide.
//!
//! `cargo run --release -p moa-cli --example base_pairs -- 768 > experiments/survey/base-pairs.jsonl`

use moa_preferences::{Decision, Drawn, Image, Moment, Record, Winner};
use moa_scenes::prompt_set;

/// The seed of the noise that the images start from: none that a sweep uses.
const SEED: u64 = 1_000_003;

fn main() {
    let pairs = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(768);
    let prompts = prompt_set("emoji-hard-train").expect("a set of the base model's");
    for place in 0..pairs {
        let prompt = place % prompts.len();
        let drawn = |image: usize| {
            let image = (2 * (place / prompts.len()) + image) as u64;
            Image::Drawn(Drawn {
                base: "emoji-32".into(),
                adapter: None,
                adapter_sha256: None,
                seed: SEED,
                noise: "pairs".into(),
                place: [prompt as u64, image],
                steps: 6,
                guidance: 1.0,
            })
        };
        let text = prompts[prompt].text.clone();
        let decision = Decision::Pair { prompt: text, a: drawn(0), b: drawn(1), outcome: Some(Winner::Tie) };
        let when = Moment::from_unix_ms(1_764_547_200_000);
        println!("{}", Record::new(format!("base-{place}"), "nobody", when, decision).to_line().trim_end());
    }
}

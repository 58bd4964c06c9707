//! A base model, rewards and an experiment so small that a whole sweep takes a second.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use burn::tensor::Device;
use moa_adapter::Parameters;
use moa_core::experiment::Prompts;
use moa_core::judge::ATTRIBUTES;
use moa_core::{EpochRecord, EvaluationRecord, ExperimentSpec, NoiseKey, RunEvent};
use moa_diffusion::{Pipeline, ScheduleConfig, TextConfig, TextEncoder, Tokenizer, Unet, UnetConfig};
use moa_reward::Reward;
use moa_reward::judge::{Judge, JudgeColumn};
use moa_reward::rewards::{Colourfulness, Contrast};
use moa_reward::{Pictures, Raster, RewardError, Scorer};
use moa_runner::{Models, Places, RunnerError, SweepOutcome, SweepRequest, sha256, sweep};
use moa_scenes::tokenizer::{TOKENIZER_JSON, VOCAB_JSON};
use moa_store::{Layout, Snapshot};

const TOKENS: usize = 12;

fn text_config() -> TextConfig {
    let vocabulary: BTreeMap<String, u32> = serde_json::from_str(VOCAB_JSON).unwrap();
    let text = format!(
        r#"{{"vocab_size": {}, "max_position_embeddings": {TOKENS}, "eos_token_id": {}, "hidden_size": 8,
        "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "projection_dim": 8}}"#,
        vocabulary.len(),
        vocabulary["<|endoftext|>"],
    );
    serde_json::from_str(&text).unwrap()
}

fn tokenizer() -> Tokenizer {
    Tokenizer::read(TOKENIZER_JSON, TOKENS).unwrap()
}

fn pipeline(device: &Device) -> Pipeline {
    let unet: UnetConfig = serde_json::from_str(
        r#"{"sample_size": 4, "in_channels": 12, "out_channels": 12, "block_out_channels": [8, 8],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "layers_per_block": 1, "cross_attention_dim": 8, "attention_head_dim": 2, "norm_num_groups": 4}"#,
    )
    .unwrap();
    unet.check().unwrap();
    let schedule: ScheduleConfig =
        serde_json::from_str(r#"{"_class_name": "FlowMatchEulerDiscreteScheduler"}"#).unwrap();
    let parameters = Parameters::fresh(NoiseKey::new(1), device);
    let text = TextEncoder::load(&text_config(), &parameters.at("text")).unwrap();
    let unet = Unet::load(&unet, &parameters.at("unet")).unwrap();
    Pipeline::assemble(tokenizer(), text, unet, schedule, device)
}

/// A judge that likes bright images, and cannot judge prompts about dogs.
struct Brightness;

impl Judge for Brightness {
    fn judge(&self, pictures: &Pictures) -> Result<Vec<JudgeColumn>, RewardError> {
        let rasters = Raster::of(pictures.pixels());
        let bright = |(raster, prompt): (&Raster, &String)| {
            let sum: f32 = raster.colours.iter().flatten().sum();
            (!prompt.contains("dog")).then_some(sum / (3 * raster.colours.len()) as f32)
        };
        let scores = rasters.iter().zip(pictures.prompts()).map(bright).collect();
        Ok(vec![JudgeColumn { name: ATTRIBUTES, scores }])
    }
}

/// Returns the models of the tiny experiment.
pub(crate) fn models() -> Models {
    let device = Device::flex();
    let rewards: Vec<Box<dyn Reward>> =
        vec![Box::new(Colourfulness::new("colourfulness")), Box::new(Contrast::new("contrast"))];
    Models {
        pipeline: pipeline(&device),
        scorer: Scorer::new(rewards, vec![Box::new(Brightness)]),
        sha256: BTreeMap::from([("base".to_owned(), sha256("tiny"))]),
        places: Places { base: device.clone(), rewards: device, engine: true },
    }
}

/// Returns the tiny experiment: two rewards, three adapters, three epochs.
pub(crate) fn spec() -> ExperimentSpec {
    let text = r#"(
        name: "tiny",
        seed: 3,
        rewards: [(kind: Colourfulness), (kind: Contrast)],
        weightings: [Corners, Centre],
        sampler: (steps: 3),
        lora: (rank: 2),
        training: (
            epochs: 3, prompts_per_epoch: 2, images_per_prompt: 3, micro_batch: 6,
            method: PolicyGradient(train_steps: 2), probe: (every: 2, prompts: 2),
        ),
        evaluation: (images_per_prompt: 2, steps: 2, resamples: 100, grid_prompts: 3),
    )"#;
    ExperimentSpec::from_ron(text, "tiny.ron").unwrap()
}

/// Returns a request to sweep an experiment into a folder.
pub(crate) fn request(spec: ExperimentSpec, out: &Path) -> SweepRequest {
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let prompts = Prompts {
        train: list(&["a cat on a red background", "a bee on a blue background", "a tree on a green background"]),
        held_out: list(&["a dog on a green background", "a cup on a red background", "a car on a blue background"]),
        duplicates: 0,
    };
    let stop = Arc::new(AtomicBool::new(false));
    SweepRequest {
        spec,
        prompts,
        out: out.to_path_buf(),
        part: None,
        save_every: Duration::ZERO,
        device_name: "flex".into(),
        node: "here".into(),
        job: None,
        workers: 2,
        overlaps: false,
        device_memory: || None,
        peak_memory: || None,
        stop,
    }
}

/// Sweeps, and returns the events too.
pub(crate) fn run(request: &SweepRequest, models: &Models) -> (Result<SweepOutcome, RunnerError>, Vec<RunEvent>) {
    let mut events = Vec::new();
    let outcome = sweep(request, models, &mut |event: &RunEvent| events.push(event.clone()));
    (outcome, events)
}

/// What must be the same however a sweep came to its end: files by path, epochs, evaluations.
#[derive(Debug, PartialEq)]
pub(crate) struct Results {
    pub(crate) files: BTreeMap<PathBuf, Vec<u8>>,
    pub(crate) epochs: Vec<EpochRecord>,
    pub(crate) evaluations: Vec<EvaluationRecord>,
}

/// Returns the results in a folder.
pub(crate) fn results(out: &Path) -> Results {
    let snapshot = Snapshot::read(out).unwrap();
    let epochs = snapshot.epochs.values().flatten().cloned();
    let mut files = BTreeMap::new();
    collect(out, out, &mut files);
    Results {
        files,
        epochs: epochs.map(|epoch| EpochRecord { seconds: 0.0, ..epoch }).collect(),
        evaluations: snapshot.evaluations,
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Seconds are no result, nor is who worked on a run: what logs add up to is compared instead.
        let layout = Layout::new(root);
        let is_log = path.file_name().is_some_and(|name| name == "log.jsonl");
        if path == layout.metrics_dir() || path == layout.timings_file() || is_log {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            files.insert(path.strip_prefix(root).unwrap().to_path_buf(), std::fs::read(&path).unwrap());
        }
    }
}

impl Results {
    /// Asserts that two sweeps left the same, and says what differs without printing all of it.
    pub(crate) fn assert_same(&self, other: &Self) {
        let names = |results: &Self| results.files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(other));
        let differs = |path: &&PathBuf| self.files.get(*path) != other.files.get(*path);
        assert_eq!(self.files.keys().filter(differs).collect::<Vec<_>>(), Vec::<&PathBuf>::new(), "files that differ");
        assert_eq!(self.epochs, other.epochs);
        assert_eq!(self.evaluations, other.evaluations);
    }
}

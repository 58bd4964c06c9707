//! A judge as a reward.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use sha2::{Digest, Sha256};

use crate::{Judge, JudgeError};

/// Scores that are remembered; with more, all are forgotten.
const MOST_KNOWN: usize = 200_000;

type Key = [u8; 32];

/// A judge as a reward: scores of images, 0 to 1, each asked for once.
#[derive(Debug)]
pub struct AiScore {
    judge: Judge,
    /// The hash of model and rubric.
    base: Sha256,
    known: Mutex<HashMap<Key, f32>>,
}

impl AiScore {
    /// Makes a reward of a judge.
    pub fn new(judge: Judge) -> Self {
        let settings = judge.settings();
        let mut base = Sha256::new();
        for text in [settings.model.trim(), settings.rubric.text()] {
            base.update((text.len() as u64).to_le_bytes());
            base.update(text);
        }
        Self { judge, base, known: Mutex::default() }
    }

    /// Returns the judge, with its budget, its tally and its stop flag.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Returns the score of each image, in order; higher is better. Several are asked for at once. Scores are kept by the hash of
    /// model, rubric, prompt and image, so that an image is asked for once in the life of this value.
    ///
    /// # Errors
    /// Refuses other numbers of prompts than of images; says why an image has no score. What was scored before that is remembered.
    pub fn scores(&self, prompts: &[&str], images: &[&[u8]]) -> Result<Vec<f32>, JudgeError> {
        if prompts.len() != images.len() {
            return Err(JudgeError::Setting {
                field: "the number of prompts".into(),
                value: prompts.len().to_string(),
                accepted: format!("give one for each of the {} images", images.len()),
            });
        }
        let keys: Vec<Key> = prompts.iter().zip(images).map(|(prompt, image)| self.key(prompt, image)).collect();
        // Of each image that is not known, the first place.
        let mut found: HashMap<Key, Option<f32>> = HashMap::new();
        let mut asked = Vec::new();
        {
            let known = self.lock();
            for (place, key) in keys.iter().enumerate() {
                found.entry(*key).or_insert_with(|| {
                    let score = known.get(key).copied();
                    asked.extend(score.is_none().then_some(place));
                    score
                });
            }
        }
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = || {
            let mut scores = Vec::new();
            while !failed.load(Ordering::Relaxed) {
                let Some(place) = asked.get(next.fetch_add(1, Ordering::Relaxed)).copied() else { break };
                let score = self.judge.score(prompts[place].trim(), images[place]);
                let score = score.inspect_err(|_| failed.store(true, Ordering::Relaxed))? as f32;
                self.remember(keys[place], score);
                scores.push((keys[place], score));
            }
            Ok(scores)
        };
        let workers = self.judge.settings().in_flight.min(asked.len());
        let results: Vec<Result<Vec<(Key, f32)>, JudgeError>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
            joined.map(|joined| joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        for result in results {
            found.extend(result?.into_iter().map(|(key, score)| (key, Some(score))));
        }
        // Every key was known or has been asked for.
        keys.iter().map(|key| found.get(key).copied().flatten().ok_or(JudgeError::Stopped)).collect()
    }

    fn key(&self, prompt: &str, image: &[u8]) -> Key {
        let prompt = prompt.trim();
        let digest = self.base.clone().chain_update((prompt.len() as u64).to_le_bytes());
        digest.chain_update(prompt).chain_update(image).finalize().into()
    }

    fn remember(&self, key: Key, score: f32) {
        let mut known = self.lock();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(key, score);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, f32>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Random questions.

use std::collections::HashMap;

use moa_core::NoiseKey;

use crate::question::Subject;
use crate::{Chooser, News, Pool, Question, Wanted};

/// Sets of images that are looked at for one question.
const CANDIDATES: usize = 64;

/// Chooses at random: prompts in turn, and of each prompt what was asked least; among that, images that differ in what drew them,
/// and origins and images that were shown least.
#[derive(Clone, Debug)]
pub struct Random {
    key: NoiseKey,
    drawn: u64,
    /// How often each set of images was answered.
    asked: HashMap<Subject, u32>,
    /// How often each image and each origin was shown.
    shown: HashMap<usize, u32>,
    origins: HashMap<String, u32>,
    /// The prompts of this turn that are still to come.
    turn: Vec<usize>,
}

impl Random {
    /// Returns a chooser with its own sequence for each seed.
    pub fn new(seed: u64) -> Self {
        Self {
            key: NoiseKey::new(seed).named("questions"),
            drawn: 0,
            asked: HashMap::new(),
            shown: HashMap::new(),
            origins: HashMap::new(),
            turn: Vec::new(),
        }
    }

    fn count(&mut self, pool: &Pool, images: &[usize], change: impl Fn(&mut u32)) {
        change(self.asked.entry(Question { images: images.to_vec() }.subject()).or_default());
        for place in images {
            change(self.shown.entry(*place).or_default());
            match self.origins.get_mut(&pool.images()[*place].origin) {
                Some(count) => change(count),
                None => change(self.origins.entry(pool.images()[*place].origin.clone()).or_default()),
            }
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.drawn += 1;
        self.key.below(self.drawn, bound)
    }

    fn next_prompt(&mut self, eligible: &[usize]) -> usize {
        if self.turn.is_empty() {
            self.drawn += 1;
            self.turn = self.key.with(self.drawn).permutation(eligible.len());
        }
        let index = self.turn.pop().unwrap_or(0);
        eligible[index.min(eligible.len() - 1)]
    }

    /// Returns the best set of images of a prompt, and how often it was asked.
    fn best_of(&mut self, pool: &Pool, images: &[usize], size: usize) -> (u32, Vec<usize>) {
        let candidates = self.candidates(images, size);
        let cost = |candidate: &Vec<usize>, tie: u64| {
            let asked = self.asked.get(&Question { images: candidate.clone() }.subject()).copied().unwrap_or(0);
            let origin = |place: &usize| &*pool.images()[*place].origin;
            let same = (1..candidate.len())
                .filter(|index| candidate[..*index].iter().any(|other| origin(other) == origin(&candidate[*index])))
                .count();
            let shown = |place: &usize| self.shown.get(place).copied().unwrap_or(0);
            let by_origin = |place: &usize| self.origins.get(origin(place)).copied().unwrap_or(0);
            let origins: u32 = candidate.iter().map(by_origin).sum();
            (asked, same, origins, candidate.iter().map(shown).sum::<u32>(), tie)
        };
        let ties = self.key.named("ties").with(self.drawn);
        let best = candidates.into_iter().zip(0..).min_by_key(|(candidate, index)| cost(candidate, ties.bits(*index)));
        let (best, _) = best.unwrap_or_else(|| unreachable!("prompts with too few images are left out"));
        (self.asked.get(&Question { images: best.clone() }.subject()).copied().unwrap_or(0), best)
    }

    /// Returns all single images and pairs where these are few, and otherwise random sets.
    fn candidates(&mut self, images: &[usize], size: usize) -> Vec<Vec<usize>> {
        let count = images.len();
        if size == 1 && count <= 4 * CANDIDATES {
            return images.iter().map(|place| vec![*place]).collect();
        }
        if size == 2 && count * (count - 1) / 2 <= 4 * CANDIDATES {
            let later = |first: usize| (first + 1..count).map(move |second| vec![images[first], images[second]]);
            return (0..count).flat_map(later).collect();
        }
        let draw = |random: &mut Self| {
            let mut chosen: Vec<usize> = Vec::with_capacity(size);
            while chosen.len() < size {
                let place = images[random.below(count)];
                if !chosen.contains(&place) {
                    chosen.push(place);
                }
            }
            chosen
        };
        (0..CANDIDATES).map(|_| draw(self)).collect()
    }
}

impl Chooser for Random {
    fn hear(&mut self, pool: &Pool, news: &News) {
        match news {
            News::Answered(answered) => self.count(pool, &answered.images, |count| *count += 1),
            News::Undone(answered) => self.count(pool, &answered.images, |count| *count = count.saturating_sub(1)),
        }
    }

    fn choose(&mut self, wanted: &Wanted<'_>) -> Vec<Question> {
        let (pool, size) = (wanted.pool, wanted.mode.size());
        let prompts = 0..pool.prompts().len();
        let eligible: Vec<usize> = prompts.filter(|prompt| pool.prompts()[*prompt].len() >= size).collect();
        if eligible.is_empty() {
            return Vec::new();
        }
        // What waits counts as asked, until the answer is heard.
        let mut waiting: Vec<Vec<usize>> = wanted.waiting.iter().map(|question| question.images.clone()).collect();
        for images in &waiting {
            self.count(pool, images, |count| *count += 1);
        }
        let mut chosen = Vec::with_capacity(wanted.count);
        while chosen.len() < wanted.count {
            let mut best: Option<(u32, Vec<usize>)> = None;
            for _ in 0..eligible.len().min(CANDIDATES) {
                let prompt = self.next_prompt(&eligible);
                let found = self.best_of(pool, &pool.prompts()[prompt], size);
                if best.as_ref().is_none_or(|(asked, _)| found.0 < *asked) {
                    best = Some(found);
                }
                if best.as_ref().is_some_and(|(asked, _)| *asked == 0) {
                    break;
                }
            }
            let Some((_, images)) = best else { break };
            self.count(pool, &images, |count| *count += 1);
            waiting.push(images.clone());
            chosen.push(Question { images });
        }
        for images in &waiting {
            self.count(pool, images, |count| *count = count.saturating_sub(1));
        }
        chosen
    }
}

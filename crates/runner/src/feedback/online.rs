//! Judgements while adapters are trained: images are drawn, pairs of them are judged, the reward is fitted again.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moa_adapter::AdapterBank;
use moa_ai_judge::{Ended, Judge};
use moa_core::experiment::{AskBy, FeedbackFrom, FeedbackSpec};
use moa_core::{Judging, NoiseKey, RunEvent, RunId};
use moa_feedback::{Errors, NewImage, PoolFolder, Simulated};
use moa_preference_model::ask::{Bald, Prediction, Question as Choice, Random, Strategy, candidates};
use moa_preference_model::{
    Features, FitSettings, Judgements, Origin, Pool, PreferenceModelError, RewardModel, SpaceSettings,
};
use moa_preferences::{FILE_NAME, Preferences, Winner};
use moa_rating::{Desk, Mode, Options, Pool as Images};
use moa_rating_server::Handle;
use moa_reward::disk::preference::{ModelSlot, PreferenceFeatures};
use moa_store::Layout;
use moa_train::Cohort;

use super::draw::JudgedDrawing;
use super::follow::{Followed, copied};
use super::look::features_of_files;
use super::open::{Open, Pair};
use super::taste::taste;
use super::times::{Asked, Times};
use crate::RunnerError;
use crate::context::Context;
use crate::recorder::Recorder;

/// Runs whose adapters draw what is judged, at most; of more, some that are evenly apart.
const MOST_ARTISTS: usize = 8;
/// Pairs that are chosen from.
const CANDIDATES: usize = 20_000;
/// Coordinates of the model at most.
const COMPONENTS: usize = 256;
/// How often is looked whether somebody answered, and how long a question may take to be handed out.
const EVERY: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);

/// Judgements while the runs of an experiment are trained.
pub(crate) struct Feedback<'a> {
    context: Context<'a>,
    spec: &'a FeedbackSpec,
    slot: &'a ModelSlot,
    sight: &'a PreferenceFeatures,
    origin: Origin,
    times: Times,
    /// The time whose model the reward has.
    now: Option<u32>,
    /// The features of the pool's images, `[images, features]`, as far as they were computed.
    seen: Vec<f32>,
    /// The page where people judge, while training goes on.
    page: Option<Handle>,
    /// Port and token of the page, which stay.
    address: Option<(u16, String)>,
}

/// How judging ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// The reward has the model of the epoch; whether it had another before.
    Ready { changed: bool },
    /// It was asked to stop.
    Stopped,
}

impl<'a> Feedback<'a> {
    /// Returns the judgements of an experiment that asks for some; nothing where it asks for none.
    ///
    /// # Errors
    /// Says what of an earlier part of it cannot be read.
    pub(crate) fn open(context: &Context<'a>, layout: &Layout) -> Result<Option<Self>, RunnerError> {
        let Some(spec) = &context.spec.feedback else { return Ok(None) };
        let Some((slot, sight)) = context.models.fitted(context.spec) else { return Ok(None) };
        let hashes = &context.models.sha256;
        let reward =
            context.spec.fitted_reward().and_then(|(_, reward)| hashes.get(&format!("reward {}", reward.name)));
        let origin = Origin {
            embedding: "the CLIP of the experiment's reward".into(),
            embedding_sha256: reward.or_else(|| hashes.get("clip")).cloned().unwrap_or_default(),
            made_by: concat!("moa ", env!("CARGO_PKG_VERSION")).into(),
            ..Origin::default()
        };
        let times = Times::read(layout)?;
        let (seen, page, address) = (Vec::new(), None, None);
        Ok(Some(Self { context: *context, spec, slot, sight, origin, times, now: None, seen, page, address }))
    }

    /// Sees to it that the reward has the model of an epoch, which counts from 1: the one that was fitted then, or one that is fitted now,
    /// when raters have judged.
    ///
    /// # Errors
    /// Says what cannot be drawn, read, written or fitted.
    pub(crate) fn before(
        &mut self,
        epoch: u32,
        cohort: &Cohort<'_>,
        members: &[&RunId],
        recorder: &mut Recorder<'_>,
    ) -> Result<Judged, RunnerError> {
        let time = self.spec.time_of(epoch);
        if self.now == Some(time) {
            return Ok(Judged::Ready { changed: false });
        }
        for missing in self.times.count()..=time {
            if self.context.request.part.is_some() {
                return Err(RunnerError::JudgedInParts);
            }
            let asking = Asking { time: missing, after_epoch: epoch - 1 };
            if !self.ask(asking, cohort, members, recorder)? {
                return Ok(Judged::Stopped);
            }
        }
        if let Some(model) = self.times.model(time)? {
            self.slot.set(model);
        }
        self.now = Some(time);
        Ok(Judged::Ready { changed: true })
    }

    /// Returns whether raters are to be asked before an epoch.
    pub(crate) fn asks_before(&self, epoch: u32) -> bool {
        self.times.count() <= self.spec.time_of(epoch)
    }

    /// Has pairs judged, and fits the reward; returns whether that came to its end.
    fn ask(
        &mut self,
        asking: Asking,
        cohort: &Cohort<'_>,
        members: &[&RunId],
        recorder: &mut Recorder<'_>,
    ) -> Result<bool, RunnerError> {
        if let FeedbackFrom::Follow { file } = &self.spec.from {
            return self.follow(asking, &Followed::at(file), recorder);
        }
        // Answers to what was asked while training went on count now, and no others.
        self.page = None;
        let waits = self.spec.waits || asking.time == 0 || self.spec.from != FeedbackFrom::Human;
        if !waits {
            self.fit(asking, &PoolFolder::open(self.times.folder())?, recorder)?;
        }
        let Some((folder, questions)) = self.questions(asking.time, cohort, members)? else { return Ok(false) };
        let open = Open::new(&folder.pool(), &questions);
        let answered = Preferences::begun(&folder.preferences())?.counted().count();
        let options = Options {
            patience: PATIENCE,
            seed: self.context.spec.seed,
            goal: Some(answered + open.count() as usize),
            ..Options::new(Mode::Pairs)
        };
        let desk = Desk::open(&folder.preferences(), folder.pool(), Box::new(open.clone()), options)?;
        desk.settle(PATIENCE);
        let count = questions.len() as u32;
        let state = |address| Judging {
            after_epoch: asking.after_epoch,
            answered: count - open.count(),
            wanted: count,
            address,
        };
        match &self.spec.from {
            FeedbackFrom::Simulated { flips } => {
                let pool = folder.pool();
                let scores = taste(pool.images().iter().map(|image| image.file.as_path()))?;
                let errors = if *flips > 0.0 { Errors::Close(*flips) } else { Errors::None };
                let rater = Simulated::new(&pool, scores, errors, self.context.spec.seed)?;
                let seat = desk.seat("simulated")?;
                while open.count() > 0 {
                    if self.context.is_stopped() {
                        return Ok(false);
                    }
                    rater.attend(&seat, Mode::Pairs, 1)?;
                    desk.settle(PATIENCE);
                }
            }
            FeedbackFrom::Ai(spec) => {
                let judge = Judge::of(spec, &|variable| std::env::var(variable).ok())?;
                let mut last = None;
                while open.count() > 0 {
                    if self.context.is_stopped() {
                        return Ok(false);
                    }
                    // Questions that are left are those that were not answered: each is tried once more, and no oftener.
                    let before = open.count();
                    let ended = self.judge(&judge, &desk, &open, &|| state(None), recorder)?;
                    desk.settle(PATIENCE);
                    if open.count() > 0 && (matches!(ended, Ended::Spent(_)) || last == Some(open.count())) {
                        let what = format!("{} of {count} pairs have no answer", open.count());
                        return Err(RunnerError::Unjudged { judge: spec.model.clone(), what });
                    }
                    last = Some(before);
                }
            }
            FeedbackFrom::Follow { .. } => unreachable!("what is judged elsewhere is followed"),
            FeedbackFrom::Human => {
                let page = self.serve(&desk)?;
                let address = page.address().to_owned();
                let mut said = state(Some(address.clone()));
                recorder.emit(&RunEvent::Judging(said.clone()))?;
                while waits && open.count() > 0 {
                    if self.context.is_stopped() {
                        return Ok(false);
                    }
                    std::thread::sleep(EVERY);
                    let now = state(Some(address.clone()));
                    if now != said {
                        said = now;
                        recorder.emit(&RunEvent::Judging(said.clone()))?;
                    }
                }
                if !self.spec.waits {
                    self.page = Some(page);
                }
            }
        }
        if waits {
            self.fit(asking, &folder, recorder)?;
        }
        Ok(true)
    }

    /// Waits for judgements that come in from elsewhere, and fits the reward to all; returns whether that came to its end.
    fn follow(
        &mut self,
        asking: Asking,
        followed: &Followed,
        recorder: &mut Recorder<'_>,
    ) -> Result<bool, RunnerError> {
        let before = Preferences::begun(&self.times.folder().join(FILE_NAME))?.counted().count() as u32;
        // Without a single judgement there is nothing to fit.
        let least = u32::from(asking.time == 0);
        let wanted = if self.spec.waits { self.spec.pairs_at(asking.time).max(least) } else { least };
        let mut said = None;
        let preferences = loop {
            let preferences = followed.read(asking.time)?;
            let answered = (preferences.counted().count() as u32).saturating_sub(before);
            if answered >= wanted || followed.is_recorded() {
                break preferences;
            }
            if said != Some(answered) {
                said = Some(answered);
                let address = Some(followed.path().display().to_string());
                let after_epoch = asking.after_epoch;
                recorder.emit(&RunEvent::Judging(Judging { after_epoch, answered, wanted, address }))?;
            }
            if self.context.is_stopped() {
                return Ok(false);
            }
            std::thread::sleep(EVERY);
        };
        let folder = copied(&preferences, self.times.folder(), asking.time)?;
        self.fit(asking, &folder, recorder)?;
        Ok(true)
    }

    /// Has a model judge what is open, and tells how far it is.
    fn judge(
        &self,
        judge: &Judge,
        desk: &Desk,
        open: &Open,
        state: &dyn Fn() -> Judging,
        recorder: &mut Recorder<'_>,
    ) -> Result<Ended, RunnerError> {
        let (stop, done) = (judge.stop_flag(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let judging = scope.spawn(|| {
                let ended = judge.rate(desk, &|_| {});
                done.store(true, Ordering::Relaxed);
                ended
            });
            let mut said = open.count();
            let mut told = Ok(());
            while !done.load(Ordering::Relaxed) {
                // What is left when all is answered are random questions, which nobody asked for.
                if self.context.is_stopped() || open.count() == 0 || told.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                if open.count() != said {
                    said = open.count();
                    told = recorder.emit(&RunEvent::Judging(state()));
                }
                std::thread::sleep(EVERY);
            }
            stop.store(false, Ordering::Relaxed);
            let ended = judging.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            told?;
            Ok(ended?)
        })
    }

    /// Returns what is asked at a time: what was chosen before a stop, or what is drawn and chosen now; nothing where it was asked to stop.
    fn questions(
        &mut self,
        time: u32,
        cohort: &Cohort<'_>,
        members: &[&RunId],
    ) -> Result<Option<(PoolFolder, Vec<Pair>)>, RunnerError> {
        if let Some(questions) = self.times.questions(time)? {
            return Ok(Some((PoolFolder::open(self.times.folder())?, questions)));
        }
        let key = NoiseKey::new(self.context.spec.seed).named("feedback").with(time.into());
        let train = &self.context.request.prompts.train;
        let places = key.permutation(train.len()).into_iter().take(self.spec.prompts as usize);
        let prompts: Vec<String> = places.map(|place| train[place].clone()).collect();
        let drawn = match self.draw(time, &prompts, cohort, members) {
            Err(RunnerError::Stopped) => return Ok(None),
            drawn => drawn?,
        };
        let folder = PoolFolder::create_or_extend(self.times.folder(), drawn)?;
        let questions = self.choose(time, &folder, &prompts, key)?;
        self.times.keep_questions(time, &questions)?;
        Ok(Some((folder, questions)))
    }

    /// Draws images by the base and by the runs' adapters as they are.
    fn draw(
        &self,
        time: u32,
        prompts: &[String],
        cohort: &Cohort<'_>,
        members: &[&RunId],
    ) -> Result<Vec<NewImage>, RunnerError> {
        let Context { request, models, spec } = self.context;
        let drawing = JudgedDrawing {
            pipeline: &models.pipeline,
            spec,
            prompts,
            per_prompt: self.spec.images_per_prompt as usize,
            occasion: u64::from(time) + 1,
            workers: request.workers,
            stop: &request.stop,
        };
        let mut images = drawing.by_bank(None, "base", &|_| {})?;
        // Before the first epoch adapters draw what the base does.
        let artists = if time == 0 { 0 } else { members.len().min(MOST_ARTISTS) };
        for artist in 0..artists {
            let run = members[artist * members.len() / artists];
            let Some(adapter) = cohort.adapter(run) else { continue };
            let bank = AdapterBank::of(&[&adapter], models.pipeline.device());
            images.extend(drawing.by_bank(bank.as_ref(), run.as_str(), &|_| {})?);
        }
        Ok(images)
    }

    /// Chooses pairs of images of these prompts.
    fn choose(
        &mut self,
        time: u32,
        folder: &PoolFolder,
        prompts: &[String],
        key: NoiseKey,
    ) -> Result<Vec<Pair>, RunnerError> {
        let images = folder.pool();
        let (pool, judgements) = self.judged(folder)?;
        let asked: HashSet<(usize, usize)> =
            judgements.comparisons.iter().map(|entry| (entry.first, entry.second)).collect();
        // What is drawn of other prompts is not asked about: each image there is a prompt of its own.
        let prompt_of = |place: usize| {
            let known = prompts.iter().position(|prompt| prompt.trim() == images.images()[place].prompt);
            known.unwrap_or(prompts.len() + place)
        };
        let prompts: Vec<usize> = (0..images.images().len()).map(prompt_of).collect();
        let open = candidates(&prompts, &asked, CANDIDATES, key);
        let model = if judgements.is_empty() { None } else { Some(self.fitted(&pool, &judgements)?) };
        let strategy: &dyn Strategy = match self.spec.ask {
            AskBy::Prediction => &Prediction::default(),
            AskBy::Bald => &Bald,
            AskBy::Random => &Random,
        };
        let count = self.spec.pairs_at(time) as usize;
        let choice = Choice { pool: &pool, model: model.as_ref(), candidates: &open, pending: &[], count, key };
        let chosen: Vec<Pair> = strategy
            .choose(&choice)
            .into_iter()
            .map(|at| [images.id(open[at].first).to_owned(), images.id(open[at].second).to_owned()])
            .collect();
        if chosen.is_empty() {
            return Err(RunnerError::NothingToJudge { folder: folder.path().to_owned() });
        }
        Ok(chosen)
    }

    /// Returns the pool's images as the reward sees them, and what was judged of them.
    fn judged(&mut self, folder: &PoolFolder) -> Result<(Pool, Judgements), RunnerError> {
        let images = folder.pool();
        let width = self.sight.width();
        let new = images.images().iter().skip(self.seen.len() / width);
        let new: Vec<_> = new.map(|image| (image.file.as_path(), image.prompt.as_str())).collect();
        self.seen.extend(features_of_files(self.sight, new.into_iter(), &|_| {})?);
        let refused = |source| RunnerError::Fit { folder: folder.path().to_owned(), source };
        let features = Features::new(width, self.seen.clone()).map_err(refused)?;
        let settings = SpaceSettings { components: COMPONENTS, ..SpaceSettings::default() };
        let pool = Pool::new(&features, &settings).map_err(refused)?;
        let preferences = Preferences::begun(&folder.preferences())?;
        let mut judgements = Judgements::from_preferences(&preferences, |prompt, image| images.find(prompt, image));
        // On which side an image was shown is chance, and may not change what is fitted, not by a bit.
        for pair in judgements.comparisons.iter_mut().filter(|pair| pair.first > pair.second) {
            (pair.first, pair.second) = (pair.second, pair.first);
            pair.winner = match pair.winner {
                Winner::A => Winner::B,
                Winner::B => Winner::A,
                Winner::Tie => Winner::Tie,
            };
        }
        Ok((pool, judgements))
    }

    fn fitted(&self, pool: &Pool, judgements: &Judgements) -> Result<RewardModel, RunnerError> {
        let failed = |source: PreferenceModelError| RunnerError::Fit { folder: self.times.folder().to_owned(), source };
        RewardModel::fit(pool, judgements, &FitSettings::default()).map_err(failed)
    }

    /// Fits the reward to everything that was judged, and keeps it.
    fn fit(&mut self, asking: Asking, folder: &PoolFolder, recorder: &mut Recorder<'_>) -> Result<(), RunnerError> {
        let (pool, judgements) = self.judged(folder)?;
        let model = self.fitted(&pool, &judgements)?;
        let origin = Origin { ratings_sha256: hash_of(&folder.pool(), &judgements), ..self.origin.clone() };
        let failed = |source| RunnerError::Fit { folder: folder.path().to_owned(), source };
        let (name, bytes) = (Times::model_file(asking.time), model.to_bytes(&origin).map_err(failed)?);
        let path = folder.path().join(&name);
        moa_store::write_atomically(&path, &bytes)?;
        recorder.wrote(path)?;
        self.times.add(Asked {
            after_epoch: asking.after_epoch,
            model: name,
            sha256: crate::sha256(&bytes),
            judgements: judgements.len() as u64,
            images: pool.len() as u64,
        })?;
        let judged = judgements.len() as u32;
        let (after_epoch, address) = (asking.after_epoch, None);
        recorder.emit(&RunEvent::Judging(Judging { after_epoch, answered: judged, wanted: judged, address }))
    }

    /// Serves the page, at the address where it was before.
    fn serve(&mut self, desk: &Desk) -> Result<Handle, RunnerError> {
        let mut options = moa_rating_server::Options {
            title: self.context.spec.name.clone().unwrap_or_else(|| "moa sweep".into()),
            ..moa_rating_server::Options::default()
        };
        if let Some((port, token)) = &self.address {
            (options.port, options.token) = (*port, Some(token.clone()));
        }
        let page = moa_rating_server::serve(desk.clone(), options)?;
        let token = page.address().rsplit_once("token=").map(|(_, token)| token.to_owned()).unwrap_or_default();
        self.address = Some((page.socket().port(), token));
        Ok(page)
    }
}

/// Returns the hash of what was judged, whenever that was.
fn hash_of(pool: &Images, judgements: &Judgements) -> String {
    let mut text = String::new();
    for pair in &judgements.comparisons {
        let (first, second) = (pool.id(pair.first), pool.id(pair.second));
        let (rater, weight) = (&judgements.raters[pair.rater], pair.weight);
        let _ = writeln!(text, "{rater}: {first} {second} {:?} {weight}", pair.winner);
    }
    crate::sha256(text)
}

/// A time at which raters are asked.
#[derive(Clone, Copy)]
struct Asking {
    /// Which, counted from 0.
    time: u32,
    /// The epochs that are trained.
    after_epoch: u32,
}

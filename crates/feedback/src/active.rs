//! Chooses what is asked by a model of the answers so far.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use moa_core::NoiseKey;
use moa_preference_model::ask::{
    About, Bald, Candidate, Front, ImageQuestion, Prediction, Question as PairQuestion, SetQuestion, Strategy,
    candidates, images, rankings,
};
use moa_preference_model::{Features, FitSettings, Judgements, Lapses, Pool, RewardModel, Shape, SpaceSettings};
use moa_rating::{Answered, Chooser, Learned, Mode, News, Pool as Images, Question, Random, Wanted};

use crate::FeedbackError;
use crate::learning::Learning;

/// How questions are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asking {
    /// At random, evenly over prompts, images and what drew them.
    Random,
    /// Where the answer says most about the model ([`Bald`]).
    Bald,
    /// Where the answer makes all predictions surer, those of close pairs as much as those of far ones ([`Prediction`] with evenness
    /// 1); docs/decisions/024 has what was measured.
    #[default]
    Prediction,
    /// Where the answer may change which of the pool's origins is the best ([`Front`]).
    Front,
}

/// Settings of an active chooser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActiveSettings {
    /// How questions are chosen. Rankings, labels and scores know two ways: at random, and where the answer says most.
    /// Default: [`Asking::Prediction`].
    pub asking: Asking,
    /// What random draws depend on. Default: 0.
    pub seed: u64,
    /// Coordinates of the model at most: fewer are faster. Default: 192.
    pub components: usize,
    /// Answers before questions are chosen by a model. Default: 8.
    pub begin: usize,
}

impl Default for ActiveSettings {
    fn default() -> Self {
        Self { asking: Asking::default(), seed: 0, components: 192, begin: 8 }
    }
}

/// Pairs that are looked at for a batch: of more, a random part.
const CANDIDATES: usize = 20_000;
/// A model is fitted again when the answers since are one in so many.
const PATIENCE: usize = 32;
/// Answers with whose model the shape of the prior is chosen again; in between it is kept, which is three times as fast.
const RESHAPE: f64 = 1.5;

/// Chooses what raters are asked by a model that is fitted again as answers come in, and says what was learned. The same answers
/// in the same order lead to the same questions.
///
/// Fitting takes a part of a second for some hundreds of answers. With more, the model is fitted after every 32nd part of them; in
/// between, pairs are chosen as if those that were answered since were. What was learned is validated in a thread of its own, when
/// answers have grown by a third.
///
/// Answers that count are those of all raters; nothing is asked twice, apart from what the desk repeats or asks all raters.
pub struct Active {
    pool: Arc<Pool>,
    settings: ActiveSettings,
    /// The images of each origin.
    points: Vec<Vec<usize>>,
    prompts: Vec<usize>,
    /// Everything that stands in the file about the pool, skipped questions too, in order.
    answers: Vec<Answered>,
    random: Random,
    fitted: Option<Fitted>,
    /// Whether there was news since the last fit.
    news: usize,
    /// The shape of the prior, and the answers from which it was chosen.
    shape: Option<(f64, usize)>,
    chosen: u64,
    learning: Learning,
}

struct Fitted {
    model: RewardModel,
    /// How many of the answers it knows.
    known: usize,
    judgements: Judgements,
}

impl Active {
    /// Returns a chooser for a pool with a row of features for each place.
    ///
    /// # Errors
    /// Refuses another number of rows than images, and what [`Pool::new`] refuses, such as images that are all alike.
    pub fn new(images: &Images, features: &Features, settings: ActiveSettings) -> Result<Self, FeedbackError> {
        let count = images.images().len();
        if features.len() != count {
            return Err(FeedbackError::Count { what: "features", found: features.len(), images: count });
        }
        let space = SpaceSettings { components: settings.components, ..SpaceSettings::default() };
        let pool = Arc::new(Pool::new(features, &space)?);
        let mut points: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, image) in images.images().iter().enumerate() {
            points.entry(&image.origin).or_default().push(place);
        }
        Ok(Self {
            pool,
            settings,
            points: points.into_values().collect(),
            prompts: (0..count).map(|place| images.prompt_of(place)).collect(),
            answers: Vec::new(),
            random: Random::new(settings.seed),
            fitted: None,
            news: 0,
            shape: None,
            chosen: 0,
            learning: Learning::default(),
        })
    }

    /// Waits until the validation that runs is done, so that [`Chooser::learned`] knows of it.
    pub fn wait(&mut self) {
        self.learning.wait();
    }

    /// Returns the model of the answers, as it was last fitted; none before there were enough.
    pub fn model(&self) -> Option<&RewardModel> {
        self.fitted.as_ref().map(|fitted| &fitted.model)
    }

    fn judgements(&self, images: &Images) -> Judgements {
        let records = self.answers.iter().map(|answered| &*answered.record);
        Judgements::from_records(records, |prompt, image| images.find(prompt, image))
    }

    /// Fits the model again where it is due.
    fn fit(&mut self, images: &Images) {
        let counted = self.answers.iter().filter(|answered| !answered.record.decision.is_skipped()).count();
        if counted < self.settings.begin.max(1) {
            self.fitted = None;
            return;
        }
        if self.news == 0 || (self.fitted.is_some() && self.news < counted / PATIENCE) {
            return;
        }
        let judgements = self.judgements(images);
        let kept = self.shape.filter(|(_, from)| (counted as f64) < RESHAPE * *from as f64 && counted * 2 > *from);
        let shape = kept.map_or(Shape::Chosen, |(shape, _)| Shape::Fixed(shape));
        let settings = FitSettings { shape, ..FitSettings::default() };
        // Answers without information, such as a rater's scores that are all the same, are asked on at random.
        let Ok(model) = RewardModel::fit(&self.pool, &judgements, &settings) else {
            self.fitted = None;
            return;
        };
        if kept.is_none() {
            self.shape = Some((model.shape(), counted));
        }
        self.news = 0;
        let fixed = FitSettings {
            shape: Shape::Fixed(model.shape()),
            lapses: Lapses::Fixed(model.noise().mean_lapse()),
            precision: None,
        };
        self.learning.consider(&self.pool, &judgements, fixed);
        self.fitted = Some(Fitted { model, known: self.answers.len(), judgements });
    }

    /// Returns sets of images that were asked, or wait, their places ascending; and those of them that the model does not know.
    fn asked(&self, wanted: &Wanted<'_>, fitted: &Fitted) -> (HashSet<Vec<usize>>, Vec<Vec<usize>>) {
        let sorted = |images: &[usize]| {
            let mut images = images.to_vec();
            images.sort_unstable();
            images
        };
        let size = wanted.mode.size();
        let answered = self.answers.iter().map(|answered| sorted(&answered.images));
        let waiting: Vec<Vec<usize>> = wanted.waiting.iter().map(|question| sorted(&question.images)).collect();
        let all = answered.clone().chain(waiting.iter().cloned()).filter(|images| images.len() == size).collect();
        let fresh = answered.skip(fitted.known).filter(|images| images.len() == size);
        (all, fresh.chain(waiting).collect())
    }

    fn pairs(&self, wanted: &Wanted<'_>, fitted: &Fitted, key: NoiseKey) -> Vec<Question> {
        let (asked, pending) = self.asked(wanted, fitted);
        let pair =
            |images: &Vec<usize>| Candidate { prompt: self.prompts[images[0]], first: images[0], second: images[1] };
        let known: HashSet<(usize, usize)> = asked.iter().map(|images| (images[0], images[1])).collect();
        let open = candidates(&self.prompts, &known, CANDIDATES, key);
        let pending: Vec<Candidate> = pending.iter().map(pair).collect();
        let (front, prediction) =
            (Front::new(self.points.clone()), Prediction { evenness: 1.0, ..Prediction::default() });
        let strategy: &dyn Strategy = match self.settings.asking {
            Asking::Random => return Vec::new(),
            Asking::Bald => &Bald,
            Asking::Prediction => &prediction,
            Asking::Front => &front,
        };
        let question = PairQuestion {
            pool: &self.pool,
            model: Some(&fitted.model),
            candidates: &open,
            pending: &pending,
            count: wanted.count,
            key,
        };
        let chosen = strategy.choose(&question);
        chosen.into_iter().map(|at| Question { images: vec![open[at].first, open[at].second] }).collect()
    }

    fn rankings(&self, wanted: &Wanted<'_>, fitted: &Fitted, key: NoiseKey) -> Vec<Question> {
        let (asked, pending) = self.asked(wanted, fitted);
        let sets = rankings(&SetQuestion {
            pool: &self.pool,
            model: &fitted.model,
            prompts: wanted.pool.prompts(),
            size: wanted.mode.size(),
            asked: &asked,
            pending: &pending,
            count: wanted.count,
            key,
        });
        sets.into_iter().map(|images| Question { images }).collect()
    }

    fn singles(&self, wanted: &Wanted<'_>, fitted: &Fitted, about: About) -> Vec<Question> {
        let (asked, pending) = self.asked(wanted, fitted);
        let open: Vec<usize> = (0..self.prompts.len()).filter(|place| !asked.contains(&vec![*place])).collect();
        let pending: Vec<usize> = pending.into_iter().flatten().collect();
        let chosen = images(&ImageQuestion {
            pool: &self.pool,
            model: &fitted.model,
            about,
            candidates: &open,
            pending: &pending,
            count: wanted.count,
        });
        chosen.into_iter().map(|at| Question { images: vec![open[at]] }).collect()
    }
}

impl Chooser for Active {
    fn hear(&mut self, pool: &Images, news: &News) {
        self.random.hear(pool, news);
        self.news += 1;
        match news {
            News::Answered(answered) => self.answers.push(answered.clone()),
            News::Undone(answered) => {
                let place = self.answers.iter().rposition(|known| known.record.id == answered.record.id);
                if let Some(place) = place {
                    self.answers.remove(place);
                    // The model knows an answer that does not count.
                    if self.fitted.as_ref().is_some_and(|fitted| place < fitted.known) {
                        self.fitted = None;
                    }
                }
            }
        }
    }

    fn choose(&mut self, wanted: &Wanted<'_>) -> Vec<Question> {
        self.fit(wanted.pool);
        self.chosen += 1;
        let key = NoiseKey::new(self.settings.seed).named("active").with(self.chosen);
        let mut chosen = match &self.fitted {
            None => Vec::new(),
            Some(_) if self.settings.asking == Asking::Random => Vec::new(),
            Some(fitted) => match wanted.mode {
                Mode::Pairs => self.pairs(wanted, fitted, key),
                Mode::Ranking { .. } => self.rankings(wanted, fitted, key),
                Mode::Labels => self.singles(wanted, fitted, About::Label),
                Mode::Scores { .. } => self.singles(wanted, fitted, About::Score),
            },
        };
        // Few answers, or everything was asked once: then what was asked least.
        if chosen.len() < wanted.count {
            let waiting: Vec<Question> = wanted.waiting.iter().chain(&chosen).cloned().collect();
            let rest = Wanted { waiting: &waiting, count: wanted.count - chosen.len(), ..*wanted };
            chosen.extend(self.random.choose(&rest));
        }
        chosen
    }

    fn learned(&mut self) -> Learned {
        match &self.fitted {
            Some(fitted) => self.learning.words(&fitted.judgements),
            None => Learned::default(),
        }
    }
}

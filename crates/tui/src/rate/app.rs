//! The state of the rating UI, and what keys do to it.

use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use moa_preferences::Winner;
use moa_rating::{Answer, Mode, Options, Progress, RaterProgress};

use super::clerk::{Asked, Held, Order};
use super::keys::{self, EVERYWHERE, TAG_KEYS};
use super::message::Request;
use super::ranks::Ranks;
use crate::click::Clicks;
use crate::key::{Key, c};
use crate::picture::{Gallery, Painter, Rgb};
use crate::shared::{Line, Tone};
use crate::theme::Theme;

/// The same key again within this time is one that is held down, and decides once.
const REPEATED: Duration = Duration::from_millis(120);
/// Time between two looks at how far all raters are, which keep the questions in hand, too.
const LOOK: Duration = Duration::from_secs(2);
/// How long it stands what was done; problems stand until the next key.
const NEWS: Duration = Duration::from_secs(4);

/// What lies over the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Overlay {
    /// The rater's name is asked for.
    Name(Line),
    Help,
    Progress,
}

/// What takes clicks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hit {
    Key(Key),
    Tag(usize),
    Image(usize),
}

/// An image of a question that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Picture {
    Waiting,
    Ready(Rgb),
    Broken(String),
}

/// The rating UI.
pub struct App {
    pub(super) theme: Theme,
    /// Width and height of a cell in pixels.
    pub(super) cell: (u16, u16),
    pub(super) now: SystemTime,
    pub(super) title: String,
    pub(super) options: Options,
    /// The rater, once seated.
    pub(super) who: Option<String>,
    pub(super) overlay: Option<Overlay>,
    pub(super) scroll: usize,
    pub(super) questions: Vec<Asked>,
    pub(super) pictures: HashMap<usize, Picture>,
    /// Which tags go with the answer, by their place in the options.
    pub(super) tags: Vec<bool>,
    pub(super) ranks: Ranks,
    pub(super) progress: Progress,
    pub(super) news: Option<(String, Tone)>,
    said: SystemTime,
    pub(super) gallery: Gallery,
    pub(super) clicks: Clicks<Hit>,
    /// Whether all images of the question are on the screen.
    pub(super) visible: Cell<bool>,
    /// What is being written, as it is to be told.
    pub(super) writing: Option<String>,
    pub(super) leaving: bool,
    pub(super) done: bool,
    /// Images of the question before, which an undo shows again.
    before: Vec<usize>,
    /// Images that could not be shown.
    broken: HashSet<usize>,
    looked: SystemTime,
    pub(super) looking: bool,
    pressed: Option<(Key, SystemTime)>,
    requests: Vec<Request>,
}

impl App {
    /// Returns the UI of a desk with these options; `title` stands at its head. A rater without a name is asked for it, and `guess` is
    /// offered.
    pub fn new(
        theme: Theme,
        painter: &Painter,
        now: SystemTime,
        title: String,
        options: Options,
        who: Result<String, String>,
    ) -> Self {
        let mut app = Self {
            theme,
            cell: painter.cell(),
            now,
            title,
            who: None,
            overlay: None,
            scroll: 0,
            questions: Vec::new(),
            pictures: HashMap::new(),
            tags: vec![false; options.tags.len()],
            ranks: Ranks::default(),
            progress: Progress::default(),
            news: None,
            said: now,
            gallery: Gallery::default(),
            clicks: Clicks::default(),
            visible: Cell::new(false),
            writing: None,
            leaving: false,
            done: false,
            before: Vec::new(),
            broken: HashSet::new(),
            looked: now,
            looking: false,
            pressed: None,
            requests: Vec::new(),
            options,
        };
        match who {
            Ok(who) => app.sit(who),
            Err(guess) => app.ask_name(guess, None),
        }
        app
    }

    /// Returns whether the UI is to be left.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Returns what was asked for since the last call, images that drawing missed among it.
    pub fn requests(&mut self) -> Vec<Request> {
        let missed = self.gallery.missed().into_iter();
        self.requests.extend(missed.map(|(key, rgb, size)| Request::Paint(key, rgb, size)));
        std::mem::take(&mut self.requests)
    }

    /// Returns the places of images that could not be shown, in order.
    pub fn broken(&self) -> Vec<usize> {
        let mut broken: Vec<usize> = self.broken.iter().copied().collect();
        broken.sort_unstable();
        broken
    }

    pub(super) fn say(&mut self, text: impl Into<String>, tone: Tone) {
        self.news = Some((text.into(), tone));
        self.said = self.now;
    }

    pub(super) fn lay(&mut self, overlay: Overlay) {
        self.scroll = 0;
        self.overlay = Some(overlay);
    }

    pub(super) fn ask_name(&mut self, text: String, error: Option<String>) {
        let hint = "Your name is kept with each answer, so that several people can rate at once. Enter begins.".into();
        self.overlay = Some(Overlay::Name(Line { title: "Who is rating?", hint, text, error }));
    }

    pub(super) fn sit(&mut self, who: String) {
        self.requests.push(Request::Order(Order::Sit(who)));
    }

    /// Returns the question that is shown.
    pub(super) fn question(&self) -> Option<&Asked> {
        self.questions.first()
    }

    /// Returns this rater's progress.
    pub(super) fn own(&self) -> Option<&RaterProgress> {
        self.progress.raters.iter().find(|rater| Some(&rater.name) == self.who.as_ref())
    }

    /// Takes the time. Looks at the desk now and then.
    pub(super) fn tick(&mut self, now: SystemTime) {
        self.now = now;
        let past = now.duration_since(self.said).is_ok_and(|past| past >= NEWS);
        self.news = self.news.take().filter(|(_, tone)| !past || *tone == Tone::Bad);
        // A clock that was set back makes no pause.
        let due = now.duration_since(self.looked).map_or(true, |past| past >= LOOK);
        if due && self.who.is_some() && !self.looking {
            (self.looked, self.looking) = (now, true);
            self.requests.push(Request::Order(Order::Look));
        }
    }

    /// Does what a key says.
    pub(super) fn press(&mut self, key: Key) {
        let last = self.pressed.replace((key, self.now));
        let is_held = |(before, at): (Key, SystemTime)| {
            before == key && self.now.duration_since(at).is_ok_and(|past| past < REPEATED)
        };
        if last.is_some_and(is_held) {
            return;
        }
        let rows = keys::of(self.options.mode).iter();
        if let Some(row) = rows.clone().find(|row| row.binding.keys.contains(&key)) {
            return (row.act)(self, key);
        }
        let tag = TAG_KEYS.iter().take(self.tags.len()).position(|letter| c(*letter) == key);
        if let Some(tag) = tag {
            return self.toggle(tag);
        }
        if let Some(row) = EVERYWHERE.iter().find(|row| row.binding.keys.contains(&key)) {
            (row.act)(self, key);
        }
    }

    pub(super) fn toggle(&mut self, tag: usize) {
        if self.question().is_some()
            && let Some(chosen) = self.tags.get_mut(tag)
        {
            *chosen = !*chosen;
        }
    }

    pub(super) fn better(&mut self, winner: Winner) {
        self.decide(Answer::Better(winner));
    }

    pub(super) fn score(&mut self, score: u32) {
        if let Mode::Scores { best } = self.options.mode
            && score <= best
        {
            self.decide(Answer::Score(score));
        }
    }

    pub(super) fn rank(&mut self, image: usize) {
        if image < self.options.mode.size() && self.may_decide() {
            self.ranks.choose(image);
        }
    }

    pub(super) fn tie_next(&mut self) {
        self.ranks.tie();
        match (self.ranks.is_tying(), self.ranks.left() == self.options.mode.size()) {
            (true, _) => self.say("the next image ties with the last", Tone::Plain),
            (false, true) => self.say("choose the best image first", Tone::Plain),
            (false, false) => self.say("the next image comes after the last", Tone::Plain),
        }
    }

    pub(super) fn clear_ranks(&mut self) {
        self.ranks = Ranks::new(self.options.mode.size());
    }

    pub(super) fn finish_ranking(&mut self) {
        match self.ranks.finished() {
            Some(ranks) => self.decide(Answer::Order(ranks)),
            None => self.say(format!("{} images have no rank yet", self.ranks.left()), Tone::Plain),
        }
    }

    pub(super) fn skip(&mut self) {
        self.answer(Answer::Skip);
    }

    /// Answers the question, if its images are seen.
    pub(super) fn decide(&mut self, answer: Answer) {
        if self.may_decide() {
            self.answer(answer);
        }
    }

    /// Returns whether the images are on the screen; otherwise says why not.
    fn may_decide(&mut self) -> bool {
        let Some(question) = self.questions.first() else { return false };
        let is_broken = |place: &usize| matches!(self.pictures.get(place), Some(Picture::Broken(_)));
        if question.images.iter().any(is_broken) {
            self.say("an image of this question cannot be shown: skip it (s)", Tone::Bad);
            return false;
        }
        self.visible.get()
    }

    fn answer(&mut self, answer: Answer) {
        // What is typed before the next question is shown is not meant for it.
        let Some(question) = self.questions.first().filter(|_| self.writing.is_none()) else { return };
        let chosen = self.options.tags.iter().zip(&self.tags).filter(|(_, chosen)| **chosen);
        let tags: Vec<String> = chosen.map(|(tag, _)| tag.clone()).collect();
        let said = told(&answer);
        self.writing = Some(if tags.is_empty() { said } else { format!("{said} · {}", tags.join(", ")) });
        self.before.clone_from(&question.images);
        self.requests.push(Request::Order(Order::Answer(question.id.clone(), answer, tags)));
    }

    pub(super) fn undo(&mut self) {
        if self.who.is_some() && self.writing.is_none() {
            self.writing = Some("undone".into());
            self.requests.push(Request::Order(Order::Undo));
        }
    }

    /// Leaves, when what was answered is written; asked again, at once.
    pub(super) fn quit(&mut self) {
        self.done = self.writing.is_none() || self.leaving;
        self.leaving = true;
        if !self.done {
            self.say("writing the last answer …; again leaves now", Tone::Plain);
        }
    }

    /// Takes what the rater holds now.
    pub(super) fn hold(&mut self, held: Held) {
        let shown = self.question().map(|question| question.id.clone());
        self.who = Some(held.who);
        self.progress = held.progress;
        self.questions = held.questions;
        if self.question().map(|question| &question.id) != shown.as_ref() {
            self.visible.set(false);
            self.tags.fill(false);
            self.ranks = Ranks::new(self.options.mode.size());
        }
        let images = self.questions.iter().flat_map(|question| &question.images);
        let keep: HashSet<usize> = images.chain(&self.before).copied().collect();
        self.pictures.retain(|place, _| keep.contains(place));
        let wanted: Vec<usize> = self.questions.iter().flat_map(|question| question.images.clone()).collect();
        for place in wanted {
            if let Entry::Vacant(entry) = self.pictures.entry(place) {
                entry.insert(Picture::Waiting);
                self.requests.push(Request::Picture(place));
            }
        }
        let ready = self.pictures.values();
        let hashes: HashSet<u64> = ready
            .filter_map(|picture| if let Picture::Ready(rgb) = picture { Some(rgb.hash()) } else { None })
            .collect();
        self.gallery.retain(|hash| hashes.contains(&hash));
    }

    pub(super) fn take_picture(&mut self, place: usize, picture: Result<Rgb, String>) {
        if picture.is_err() {
            self.broken.insert(place);
        }
        if let Some(known) = self.pictures.get_mut(&place) {
            *known = picture.map_or_else(Picture::Broken, Picture::Ready);
        }
    }
}

/// Returns the words for an answer.
fn told(answer: &Answer) -> String {
    match answer {
        Answer::Better(Winner::A) => "left is better".into(),
        Answer::Better(Winner::B) => "right is better".into(),
        Answer::Better(Winner::Tie) => "tie".into(),
        Answer::Order(ranks) => {
            let ranks: Vec<String> = ranks.iter().map(ToString::to_string).collect();
            format!("ranked {}", ranks.join(" "))
        }
        Answer::Mark(moa_preferences::Mark::Good) => "good".into(),
        Answer::Mark(moa_preferences::Mark::Bad) => "bad".into(),
        Answer::Score(score) => format!("score {score}"),
        Answer::Skip => "skipped".into(),
    }
}

//! Which question is in whose hands.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use moa_core::NoiseKey;
use moa_preferences::{Ids, Moment};

use crate::ledger::Ledger;
use crate::question::Subject;
use crate::{Options, Question};

/// Questions that may be repeated to a rater later: of more, the oldest are not repeated.
const REPEATABLE: usize = 512;

/// A question that was handed to a rater.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    /// Names the question, and becomes the id of its record: an answer that is sent twice counts once.
    pub id: String,
    /// The images in the order in which they are shown.
    pub question: Question,
}

/// Why a question was handed out; raters are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Fresh,
    Shared,
    Repeat,
}

#[derive(Debug)]
struct Held {
    ticket: Ticket,
    origin: Origin,
}

/// Where a rater sits: a name, and which of its windows.
pub(crate) type Place = (String, String);

#[derive(Debug)]
struct Holding {
    held: VecDeque<Held>,
    seen: Instant,
}

/// What one rater was asked.
#[derive(Debug, Default)]
struct Asked {
    repeats: usize,
    /// How many of the shared questions were looked through.
    shared: usize,
    /// Whether the next question may be a shared one: a rater who comes late gets every other.
    turn: bool,
    /// Answered questions that were not repeated, with the number of answers before them.
    repeatable: VecDeque<(usize, Question)>,
    ids: Option<Ids>,
}

/// The queue and who holds what.
#[derive(Debug)]
pub(crate) struct Hands {
    key: NoiseKey,
    drawn: u64,
    /// Chosen questions that were not handed out, and before them those that came back.
    pub(crate) queue: VecDeque<Question>,
    holdings: HashMap<Place, Holding>,
    raters: BTreeMap<String, Asked>,
    /// Who holds each set of images.
    pending: HashMap<Subject, Vec<String>>,
    /// Random questions that were handed out while the chooser was at work, which does not know of them.
    pub(crate) meanwhile: HashSet<Subject>,
    shared: Vec<Question>,
    known_shared: HashSet<Subject>,
}

impl Hands {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            key: NoiseKey::new(seed).named("desk"),
            drawn: 0,
            queue: VecDeque::new(),
            holdings: HashMap::new(),
            raters: BTreeMap::new(),
            pending: HashMap::new(),
            meanwhile: HashSet::new(),
            shared: Vec::new(),
            known_shared: HashSet::new(),
        }
    }

    /// Notes that a rater sits here now.
    pub(crate) fn seen(&mut self, place: &Place, now: Instant) {
        let fresh = || Holding { held: VecDeque::new(), seen: now };
        self.holdings.entry(place.clone()).or_insert_with(fresh).seen = now;
    }

    /// Takes questions back from places of which nothing was heard for longer than this.
    pub(crate) fn expire(&mut self, keep: &Place, now: Instant, lease: Duration) {
        let is_gone = |holding: &Holding| now.duration_since(holding.seen) >= lease;
        let gone = self.holdings.iter().filter(|(place, holding)| *place != keep && is_gone(holding));
        let gone: Vec<Place> = gone.map(|(place, _)| place.clone()).collect();
        for place in gone {
            self.leave(&place);
        }
    }

    /// Takes back what a place holds: what only it was asked goes to the next who comes.
    pub(crate) fn leave(&mut self, place: &Place) {
        let Some(holding) = self.holdings.remove(place) else { return };
        for held in holding.held.into_iter().rev() {
            self.release(&place.0, &held.ticket.question);
            match held.origin {
                Origin::Fresh => self.queue.push_front(held.ticket.question),
                // The others are asked; the rater is, too, after coming back.
                Origin::Shared => {
                    let asked = self.raters.entry(place.0.clone()).or_default();
                    let subject = held.ticket.question.subject();
                    let index = self.shared.iter().position(|question| question.subject() == subject);
                    asked.shared = asked.shared.min(index.unwrap_or(usize::MAX));
                }
                Origin::Repeat => {
                    let asked = self.raters.entry(place.0.clone()).or_default();
                    asked.repeats = asked.repeats.saturating_sub(1);
                    // In the order in which it was shown first.
                    let mut question = held.ticket.question;
                    question.images.reverse();
                    asked.repeatable.push_front((0, question));
                }
            }
        }
    }

    pub(crate) fn present(&self) -> HashSet<&str> {
        self.holdings.keys().map(|(who, _)| &**who).collect()
    }

    pub(crate) fn held(&self, place: &Place) -> Vec<Ticket> {
        let holding = self.holdings.get(place);
        holding.into_iter().flat_map(|holding| &holding.held).map(|held| held.ticket.clone()).collect()
    }

    /// Returns everything that was chosen and is not answered.
    pub(crate) fn waiting(&self) -> Vec<Question> {
        let held = self.holdings.values().flat_map(|holding| &holding.held).map(|held| held.ticket.question.clone());
        held.chain(self.queue.iter().cloned()).collect()
    }

    /// Hands one more question to a place; none where the queue has none for this rater.
    pub(crate) fn hand(&mut self, place: &Place, ledger: &Ledger, options: &Options) -> Option<Ticket> {
        let (question, origin) = if let Some(question) = self.repeat_for(&place.0, ledger, options) {
            (question, Origin::Repeat)
        } else if let Some(question) = self.shared_for(&place.0, ledger) {
            (self.shuffled(&question), Origin::Shared)
        } else {
            let question = self.fresh_for(&place.0, ledger)?;
            let is_shared = is_shared(&question, options);
            if is_shared {
                self.share(&question);
            }
            (self.shuffled(&question), if is_shared { Origin::Shared } else { Origin::Fresh })
        };
        let ticket = Ticket { id: self.fresh_id(&place.0, ledger), question };
        self.hold(place, ticket.clone(), origin, false);
        Some(ticket)
    }

    /// Returns whether anyone holds a question about these images.
    pub(crate) fn is_pending(&self, question: &Question) -> bool {
        self.pending.contains_key(&question.subject())
    }

    /// Hands this question to a place.
    pub(crate) fn give(&mut self, place: &Place, question: &Question, ledger: &Ledger) -> Ticket {
        self.meanwhile.insert(question.subject());
        let question = self.shuffled(question);
        let ticket = Ticket { id: self.fresh_id(&place.0, ledger), question };
        self.hold(place, ticket.clone(), Origin::Fresh, false);
        ticket
    }

    /// Gives a place a question that it had before: one that was undone, or that it held when the desk was closed.
    pub(crate) fn restore(&mut self, place: &Place, id: Option<String>, question: Question, ledger: &Ledger) {
        let id = id.unwrap_or_else(|| self.fresh_id(&place.0, ledger));
        let is_first =
            !self.holdings.get(place).is_some_and(|holding| holding.held.iter().any(|held| held.ticket.id == id));
        if is_first {
            self.hold(place, Ticket { id, question }, Origin::Fresh, true);
        }
    }

    /// Returns the question of a ticket of this place.
    pub(crate) fn question(&self, place: &Place, id: &str) -> Option<&Question> {
        let held = self.holdings.get(place)?.held.iter().find(|held| held.ticket.id == id)?;
        Some(&held.ticket.question)
    }

    /// Returns whether a rater holds this ticket to repeat a question.
    pub(crate) fn is_repeat(&self, who: &str, id: &str) -> bool {
        let of_rater = self.holdings.iter().filter(|(place, _)| place.0 == who);
        let mut held = of_rater.flat_map(|(_, holding)| &holding.held);
        held.any(|held| held.ticket.id == id && held.origin == Origin::Repeat)
    }

    /// Takes an answered question out of a place's hands.
    pub(crate) fn answered(&mut self, place: &Place, id: &str) {
        let Some(holding) = self.holdings.get_mut(place) else { return };
        let Some(index) = holding.held.iter().position(|held| held.ticket.id == id) else { return };
        if let Some(held) = holding.held.remove(index) {
            self.release(&place.0, &held.ticket.question);
        }
    }

    /// Notes an answer that counts, for what the rater and others are asked later.
    pub(crate) fn note(&mut self, who: &str, question: &Question, before: usize, is_first: bool, options: &Options) {
        if is_shared(question, options) {
            self.share(question);
        }
        let asked = self.raters.entry(who.to_owned()).or_default();
        if is_first {
            asked.repeatable.push_back((before, question.clone()));
            if asked.repeatable.len() > REPEATABLE {
                asked.repeatable.pop_front();
            }
        }
    }

    /// Notes a repeat that is in the file.
    pub(crate) fn note_repeat(&mut self, who: &str) {
        self.raters.entry(who.to_owned()).or_default().repeats += 1;
    }

    /// Notes that an answer does not count any more.
    pub(crate) fn forget(&mut self, who: &str, question: &Question) {
        if let Some(asked) = self.raters.get_mut(who)
            && asked.repeatable.back().is_some_and(|(_, last)| last.subject() == question.subject())
        {
            asked.repeatable.pop_back();
        }
    }

    fn hold(&mut self, place: &Place, ticket: Ticket, origin: Origin, first: bool) {
        self.pending.entry(ticket.question.subject()).or_default().push(place.0.clone());
        let Some(holding) = self.holdings.get_mut(place) else { return };
        let held = Held { ticket, origin };
        if first { holding.held.push_front(held) } else { holding.held.push_back(held) }
    }

    fn release(&mut self, who: &str, question: &Question) {
        let subject = question.subject();
        if let Some(holders) = self.pending.get_mut(&subject) {
            if let Some(index) = holders.iter().position(|holder| holder == who) {
                holders.swap_remove(index);
            }
            if holders.is_empty() {
                self.pending.remove(&subject);
            }
        }
    }

    fn holds(&self, who: &str, subject: &Subject) -> bool {
        self.pending.get(subject).is_some_and(|holders| holders.iter().any(|holder| holder == who))
    }

    fn repeat_for(&mut self, who: &str, ledger: &Ledger, options: &Options) -> Option<Question> {
        let count = ledger.rater(who)?.answered();
        self.drawn += 1;
        let draw = self.key.with(self.drawn);
        let asked = self.raters.get_mut(who)?;
        if asked.repeats as f64 + 1.0 > options.repeats * count as f64 {
            return None;
        }
        let old = asked.repeatable.partition_point(|(before, _)| before + options.repeat_after < count);
        let (_, mut question) = asked.repeatable.remove((old > 0).then(|| draw.below(0, old))?)?;
        if self.holds(who, &question.subject()) {
            return None;
        }
        question.images.reverse();
        self.raters.get_mut(who)?.repeats += 1;
        Some(question)
    }

    fn shared_for(&mut self, who: &str, ledger: &Ledger) -> Option<Question> {
        let mut asked = self.raters.remove(who).unwrap_or_default();
        let book = ledger.rater(who);
        let mut found = None;
        asked.turn = !asked.turn;
        while asked.turn && found.is_none() {
            let Some(question) = self.shared.get(asked.shared) else { break };
            asked.shared += 1;
            let subject = question.subject();
            if !book.is_some_and(|book| book.has_voted(&subject)) && !self.holds(who, &subject) {
                found = Some(question.clone());
            }
        }
        self.raters.insert(who.to_owned(), asked);
        found
    }

    fn fresh_for(&mut self, who: &str, ledger: &Ledger) -> Option<Question> {
        let book = ledger.rater(who);
        // What another rater holds, or this one answered, was chosen before that was known.
        while let Some(question) = self.queue.pop_front() {
            let subject = question.subject();
            let is_taken = self.pending.contains_key(&subject);
            if !is_taken && !book.is_some_and(|book| book.has_voted(&subject)) {
                return Some(question);
            }
        }
        None
    }

    fn share(&mut self, question: &Question) {
        if self.known_shared.insert(question.subject()) {
            self.shared.push(question.clone());
        }
    }

    fn shuffled(&mut self, question: &Question) -> Question {
        self.drawn += 1;
        let order = self.key.named("sides").with(self.drawn).permutation(question.images.len());
        Question { images: order.into_iter().map(|index| question.images[index]).collect() }
    }

    fn fresh_id(&mut self, who: &str, ledger: &Ledger) -> String {
        let ids = &mut self.raters.entry(who.to_owned()).or_default().ids;
        let ids = ids.get_or_insert_with(|| Ids::new(who, Moment::now()));
        loop {
            let id = ids.fresh();
            if !ledger.knows(&id) {
                return id;
            }
        }
    }

    /// Returns an id for an undo.
    pub(crate) fn undo_id(&mut self, who: &str, ledger: &Ledger) -> String {
        self.fresh_id(who, ledger)
    }
}

/// Returns whether all raters are asked a question. That depends on its images alone, and so is
/// the same after a restart with the same pool.
fn is_shared(question: &Question, options: &Options) -> bool {
    let key = question
        .subject()
        .0
        .iter()
        .fold(NoiseKey::new(options.seed).named("shared"), |key, place| key.with(*place as u64));
    key.uniform(0) < options.overlap
}

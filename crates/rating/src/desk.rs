//! The desk at which raters sit.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use moa_preferences::{Decision, Moment, Preferences, Record, Writer};

use crate::hands::{Hands, Place};
use crate::ledger::Ledger;
use crate::question::decision;
use crate::{
    Answer, Chooser, Learned, News, Options, Pool, Progress, Question, Random, RaterProgress, RatingError, Seat,
    Ticket, Wanted,
};

/// Hands out questions, and writes answers to a file of preferences. Copies are the same desk; all methods may be called from
/// several threads at once.
#[derive(Clone)]
pub struct Desk {
    desk: Arc<Owner>,
}

/// Ends the chooser's thread with the last copy of the desk.
struct Owner(Arc<Shared>);

struct Shared {
    pool: Pool,
    options: Options,
    state: Mutex<State>,
    /// Wakes the chooser, and raters who wait for it.
    changed: Condvar,
}

struct State {
    writer: Writer,
    ledger: Ledger,
    hands: Hands,
    random: Random,
    /// What the chooser has not heard yet.
    news: Vec<News>,
    learned: Learned,
    /// The chooser returned nothing: it is asked again when there is news.
    dry: bool,
    closed: bool,
}

impl Desk {
    /// Opens a desk on a file of preferences, which is made where there is none and continued otherwise. Answers that are already
    /// there count; the chooser hears of those about images of the pool.
    ///
    /// # Errors
    /// Refuses options out of their range, pools without a prompt that has enough images, and files that are no preferences.
    pub fn open(path: &Path, pool: Pool, chooser: Box<dyn Chooser>, options: Options) -> Result<Self, RatingError> {
        options.check()?;
        let size = options.mode.size();
        if !pool.prompts().iter().any(|images| images.len() >= size) {
            return Err(RatingError::PoolTooSmall { images: size });
        }
        let preferences = Preferences::begun(path)?;
        let writer = Writer::open(path)?;
        let (mut random, mut hands) =
            (Random::new(options.seed ^ 0x5eed), Hands::new(options.seed ^ Moment::now().unix_ms()));
        let mut news = Vec::new();
        let mut counts: BTreeMap<String, (usize, std::collections::HashSet<_>)> = BTreeMap::new();
        let ledger = Ledger::of(&preferences, &pool, |answered| {
            let heard = News::Answered(answered.clone());
            random.hear(&pool, &heard);
            news.push(heard);
            let question = Question { images: answered.images };
            if answered.record.decision.is_skipped() || !question.is_valid(&pool, options.mode) {
                return;
            }
            let who = &answered.record.who;
            let (before, seen) = counts.entry(who.clone()).or_default();
            let is_first = seen.insert(question.subject());
            hands.note(who, &question, *before, is_first, &options);
            if !is_first {
                hands.note_repeat(who);
            }
            *before += 1;
        });
        let (learned, dry, closed) = (Learned::default(), false, false);
        let state = State { writer, ledger, hands, random, news, learned, dry, closed };
        let shared = Arc::new(Shared { pool, options, state: Mutex::new(state), changed: Condvar::new() });
        let background = shared.clone();
        let started = thread::Builder::new().name("chooser".into()).spawn(move || background.choose(chooser));
        started.map_err(RatingError::Start)?;
        Ok(Self { desk: Arc::new(Owner(shared)) })
    }

    /// Returns the images.
    pub fn pool(&self) -> &Pool {
        &self.desk.0.pool
    }

    /// Returns the options.
    pub fn options(&self) -> &Options {
        &self.desk.0.options
    }

    /// Seats a rater at a window of their own; what the seat holds is taken back when it is dropped.
    ///
    /// # Errors
    /// Refuses names that no record may hold.
    pub fn seat(&self, who: &str) -> Result<Seat, RatingError> {
        Seat::new(self.clone(), who)
    }

    /// Returns the questions of a window of a rater, the next first: those that it holds, and new ones up to `count`. What was
    /// held by windows that were not heard of for [`Options::lease`] is handed out again.
    ///
    /// # Errors
    /// Refuses names that no record may hold.
    pub fn tickets(&self, who: &str, window: &str, count: usize) -> Result<Vec<Ticket>, RatingError> {
        let place = place(who, window)?;
        let shared = &self.desk.0;
        let mut state = shared.lock();
        let now = Instant::now();
        state.hands.seen(&place, now);
        state.hands.expire(&place, now, shared.options.lease);
        let mut tickets = state.hands.held(&place);
        while tickets.len() < count {
            let State { hands, ledger, .. } = &mut *state;
            if let Some(ticket) = hands.hand(&place, ledger, &shared.options) {
                tickets.push(ticket);
                continue;
            }
            if now.elapsed() < shared.options.patience && !state.dry {
                shared.changed.notify_all();
                let left = shared.options.patience.saturating_sub(now.elapsed());
                state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            // The chooser is behind, or has nothing that this rater was not asked.
            let State { hands, ledger, random, .. } = &mut *state;
            let waiting = hands.waiting();
            let wanted = Wanted { pool: &shared.pool, mode: shared.options.mode, waiting: &waiting, count: 1 };
            let questions = random.choose(&wanted);
            let Some(question) = questions.into_iter().next() else { break };
            // A pool of a few pairs: no rater is asked the same ahead twice.
            if !tickets.is_empty() && hands.is_pending(&question) {
                break;
            }
            tickets.push(hands.give(&place, &question, ledger));
        }
        drop(state);
        shared.changed.notify_all();
        Ok(tickets)
    }

    /// Gives a window a question that it held at a desk that was closed since; known ones are left as they are.
    ///
    /// # Errors
    /// Refuses names, ids and questions that cannot have been handed out.
    pub fn adopt(&self, who: &str, window: &str, ticket: &Ticket) -> Result<(), RatingError> {
        let place = place(who, window)?;
        let mut state = self.desk.0.lock();
        state.hands.seen(&place, Instant::now());
        if state.ledger.knows(&ticket.id) || state.hands.question(&place, &ticket.id).is_some() {
            return Ok(());
        }
        self.check_ticket(&place.0, ticket)?;
        let State { hands, ledger, .. } = &mut *state;
        hands.restore(&place, Some(ticket.id.clone()), ticket.question.clone(), ledger);
        Ok(())
    }

    /// Writes an answer, and waits until it is on the disk. The same ticket's answer is written once, however often it is sent; a
    /// ticket of a desk that was closed since, or that was taken back, is answered like one of this desk.
    ///
    /// # Errors
    /// Refuses answers of another kind than the question, tags that no record may hold, and tickets that cannot have been handed
    /// out; says so if the file cannot be written. Nothing is counted then, and the answer may be given again.
    pub fn answer(
        &self,
        who: &str,
        window: &str,
        ticket: &Ticket,
        answer: &Answer,
        tags: &[String],
    ) -> Result<(), RatingError> {
        let place = place(who, window)?;
        let shared = &self.desk.0;
        shared.options.mode.accepts(answer)?;
        let mut state = shared.lock();
        state.hands.seen(&place, Instant::now());
        if state.ledger.knows(&ticket.id) {
            state.hands.answered(&place, &ticket.id);
            return Ok(());
        }
        let question = if let Some(question) = state.hands.question(&place, &ticket.id) {
            question.clone()
        } else {
            self.check_ticket(&place.0, ticket)?;
            ticket.question.clone()
        };
        let decision = decision(&shared.pool, shared.options.mode, &question, answer);
        let mut record = Record::new(ticket.id.clone(), place.0.clone(), Moment::now(), decision);
        record.tags = tags.iter().map(|tag| tag.trim().to_owned()).collect();
        state.writer.append(&record)?;
        let State { ledger, hands, random, news, dry, .. } = &mut *state;
        let book = ledger.rater(&place.0);
        let before = book.map_or(0, crate::ledger::RaterBook::answered);
        let is_first = !book.is_some_and(|book| book.has_voted(&question.subject()));
        let is_skipped = record.decision.is_skipped();
        if let Some(answered) = ledger.add(Arc::new(record), Some(question.images.clone())) {
            let heard = News::Answered(answered);
            random.hear(&shared.pool, &heard);
            news.push(heard);
        }
        hands.answered(&place, &ticket.id);
        if !is_skipped {
            hands.note(&place.0, &question, before, is_first, &shared.options);
        }
        *dry = false;
        drop(state);
        shared.changed.notify_all();
        Ok(())
    }

    /// Takes a rater's last answer back; its question is the next that this window is asked. `last` is the id of the answer, where
    /// the caller knows it: an undo that is sent twice undoes once. Returns the undone id, none where there is nothing to undo.
    ///
    /// # Errors
    /// Refuses ids that are not the rater's last answer; says so if the file cannot be written.
    pub fn undo(&self, who: &str, window: &str, last: Option<&str>) -> Result<Option<String>, RatingError> {
        let place = place(who, window)?;
        let shared = &self.desk.0;
        let mut state = shared.lock();
        state.hands.seen(&place, Instant::now());
        let State { ledger, hands, writer, random, news, dry, .. } = &mut *state;
        let Some(book) = ledger.rater(&place.0) else { return Ok(None) };
        let Some(id) = book.last().map(str::to_owned) else { return Ok(None) };
        match last {
            Some(wanted) if wanted != id && book.counts(wanted) => {
                return Err(RatingError::NotLast { id: wanted.chars().take(80).collect() });
            }
            Some(wanted) if wanted != id => return Ok(None),
            _ => {}
        }
        let undo = hands.undo_id(&place.0, ledger);
        let record = Record::new(undo.clone(), place.0.clone(), Moment::now(), Decision::Undo { record: id.clone() });
        writer.append(&record)?;
        ledger.note(&undo);
        if let Some((_, Some(answered))) = ledger.remove_last(&place.0) {
            let question = Question { images: answered.images.clone() };
            hands.forget(&place.0, &question);
            if question.is_valid(&shared.pool, shared.options.mode) {
                hands.restore(&place, None, question, ledger);
            }
            let heard = News::Undone(answered);
            random.hear(&shared.pool, &heard);
            news.push(heard);
        }
        *dry = false;
        drop(state);
        shared.changed.notify_all();
        Ok(Some(id))
    }

    /// Takes back what a window holds, for the next rater who comes.
    pub fn leave(&self, who: &str, window: &str) {
        if let Ok(place) = place(who, window) {
            self.desk.0.lock().hands.leave(&place);
            self.desk.0.changed.notify_all();
        }
    }

    /// Returns the id of a rater's last answer that counts, which an undo would take back.
    pub fn last(&self, who: &str) -> Option<String> {
        self.desk.0.lock().ledger.rater(who.trim())?.last().map(str::to_owned)
    }

    /// Returns whether an answer of a rater about these images, in whatever order, counts.
    pub fn has_answered(&self, who: &str, question: &Question) -> bool {
        let state = self.desk.0.lock();
        state.ledger.rater(who.trim()).is_some_and(|book| book.has_voted(&question.subject()))
    }

    /// Returns whether a rater holds a ticket that asks an answered question again, so that consistency is known.
    pub fn is_repeat(&self, who: &str, ticket: &Ticket) -> bool {
        self.desk.0.lock().hands.is_repeat(who.trim(), &ticket.id)
    }

    /// Returns how far rating is.
    pub fn progress(&self) -> Progress {
        let state = self.desk.0.lock();
        let present = state.hands.present();
        let mut raters: Vec<RaterProgress> = Vec::new();
        let absent = present.iter().filter(|who| state.ledger.rater(who).is_none());
        for who in state.ledger.raters().map(|(who, _)| &**who).chain(absent.copied()) {
            let book = state.ledger.rater(who);
            raters.push(RaterProgress {
                name: who.to_owned(),
                present: present.contains(who),
                answered: book.map_or(0, crate::ledger::RaterBook::answered),
                skipped: book.map_or(0, |book| book.skipped),
                per_minute: book.and_then(crate::ledger::RaterBook::per_minute),
                itself: book.map(|book| book.itself).unwrap_or_default(),
            });
        }
        raters.sort_by(|one, other| one.name.cmp(&other.name));
        Progress {
            answered: raters.iter().map(|rater| rater.answered).sum(),
            raters,
            goal: self.desk.0.options.goal,
            between: state.ledger.between,
            learned: state.learned.clone(),
        }
    }

    /// Waits until the chooser has heard of everything and the queue is filled, for at most this long. Returns whether it is.
    pub fn settle(&self, patience: std::time::Duration) -> bool {
        let shared = &self.desk.0;
        let state = shared.lock();
        let busy = |state: &mut State| !state.news.is_empty() || shared.is_low(state);
        let waited = shared.changed.wait_timeout_while(state, patience, busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Refuses tickets that no desk can have handed to a rater.
    fn check_ticket(&self, who: &str, ticket: &Ticket) -> Result<(), RatingError> {
        let number = |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let parts = ticket.id.split_once('-').and_then(|(began, rest)| Some((began, rest.rsplit_once('-')?)));
        let is_own = parts.is_some_and(|(began, (name, count))| number(began) && name == who && number(count));
        if is_own && ticket.question.is_valid(self.pool(), self.options().mode) {
            return Ok(());
        }
        let id = ticket.id.chars().filter(|character| !character.is_control()).take(80).collect();
        Err(RatingError::UnknownQuestion { id })
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("options", self.options()).finish_non_exhaustive()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No step that may panic leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_low(&self, state: &State) -> bool {
        !state.dry && state.hands.queue.len() < self.options.batch
    }

    /// Fills the queue for as long as the desk is open: the thread of the chooser.
    fn choose(&self, mut chooser: Box<dyn Chooser>) {
        loop {
            let mut state = self.lock();
            while !state.closed && state.news.is_empty() && !self.is_low(&state) {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return;
            }
            let news = std::mem::take(&mut state.news);
            let count = if self.is_low(&state) { 2 * self.options.batch - state.hands.queue.len() } else { 0 };
            let waiting = if count > 0 { state.hands.waiting() } else { Vec::new() };
            state.hands.meanwhile.clear();
            drop(state);
            let (pool, mode) = (&self.pool, self.options.mode);
            let work = AssertUnwindSafe(|| {
                for news in &news {
                    chooser.hear(pool, news);
                }
                (count > 0).then(|| {
                    let questions = chooser.choose(&Wanted { pool, mode, waiting: &waiting, count });
                    (questions, chooser.learned())
                })
            });
            let chosen = catch_unwind(work);
            let mut state = self.lock();
            match chosen {
                Ok(Some((questions, learned))) => {
                    let before = state.hands.queue.len();
                    let meanwhile = std::mem::take(&mut state.hands.meanwhile);
                    let is_valid = |question: &Question| question.is_valid(pool, mode);
                    let valid = questions.into_iter().filter(is_valid).take(count);
                    let (known, fresh): (Vec<_>, Vec<_>) =
                        valid.partition(|question| meanwhile.contains(&question.subject()));
                    state.hands.queue.extend(fresh);
                    state.dry = known.is_empty() && state.hands.queue.len() == before;
                    state.learned = learned;
                }
                Ok(None) => {}
                Err(_) => {
                    // Raters go on with random questions.
                    let text = "choosing questions failed: questions are random from now on".into();
                    state.learned = Learned { text, ..Learned::default() };
                    chooser = Box::new(Failed(state.learned.clone(), state.random.clone()));
                }
            }
            drop(state);
            self.changed.notify_all();
        }
    }
}

/// In place of a chooser that failed.
struct Failed(Learned, Random);

impl Chooser for Failed {
    fn hear(&mut self, pool: &Pool, news: &News) {
        self.1.hear(pool, news);
    }

    fn choose(&mut self, wanted: &Wanted<'_>) -> Vec<Question> {
        self.1.choose(wanted)
    }

    fn learned(&mut self) -> Learned {
        self.0.clone()
    }
}

/// Returns a rater's name, without blanks at its ends, and the window.
fn place(who: &str, window: &str) -> Result<Place, RatingError> {
    let name = who.trim();
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        let name = name.chars().filter(|character| !character.is_control()).take(80).collect();
        return Err(RatingError::Name { name });
    }
    Ok((name.to_owned(), window.to_owned()))
}

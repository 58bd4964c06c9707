//! What was answered so far: counts that each answer changes a little, and nothing that grows slow with the file.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use moa_preferences::{Decision, Mark, Preferences, Record, Winner};

use crate::question::Subject;
use crate::{Answered, Pool, Question};

/// Answers whose times make the rate.
const RECENT: usize = 20;
/// Between two answers, in milliseconds; more is a break.
const LONGEST_GAP: u64 = 60_000;

/// How often two answers about the same images agree; of rankings each two images are one comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Comparisons with the same outcome.
    pub agreed: u64,
    /// All comparisons.
    pub of: u64,
}

/// An answer that counts.
#[derive(Debug)]
struct Kept {
    record: Arc<Record>,
    /// The images' places; none where one is not in the pool.
    images: Option<Vec<usize>>,
}

/// One rater's answers.
#[derive(Debug, Default)]
pub(crate) struct RaterBook {
    /// Answers that count, in order, skipped ones too: undo takes the last.
    stack: Vec<Kept>,
    pub(crate) skipped: usize,
    pub(crate) itself: Agreement,
    times: VecDeque<u64>,
    /// The rater's votes on each set of images, in order.
    votes: HashMap<Subject, Vec<Arc<Record>>>,
}

/// All answers, by rater.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    raters: BTreeMap<String, RaterBook>,
    /// Who voted on each set of images.
    voters: HashMap<Subject, Vec<String>>,
    /// The ids of all records, also those that do not count.
    ids: HashSet<String>,
    pub(crate) between: Agreement,
    pub(crate) total: usize,
}

impl RaterBook {
    /// Returns the answers that count and are not skipped.
    pub(crate) fn answered(&self) -> usize {
        self.stack.len() - self.skipped
    }

    /// Returns the id of the last answer that counts.
    pub(crate) fn last(&self) -> Option<&str> {
        self.stack.last().map(|kept| &*kept.record.id)
    }

    /// Returns whether an answer of this id counts.
    pub(crate) fn counts(&self, id: &str) -> bool {
        self.stack.iter().any(|kept| kept.record.id == id)
    }

    pub(crate) fn has_voted(&self, subject: &Subject) -> bool {
        self.votes.contains_key(subject)
    }

    /// Returns answers per minute over the last ones, breaks left out.
    pub(crate) fn per_minute(&self) -> Option<f64> {
        let times = self.times.iter().zip(self.times.iter().skip(1));
        let gaps = times.map(|(earlier, later)| later.saturating_sub(*earlier)).filter(|gap| *gap <= LONGEST_GAP);
        let (count, sum) = gaps.fold((0_u64, 0_u64), |(count, sum), gap| (count + 1, sum + gap));
        (count >= 3 && sum > 0).then(|| 60_000.0 * count as f64 / sum as f64)
    }
}

impl Ledger {
    /// Returns the books of a file; `hear` is told of every answer about images of the pool.
    pub(crate) fn of(preferences: &Preferences, pool: &Pool, mut hear: impl FnMut(Answered)) -> Self {
        let mut ledger =
            Self { ids: preferences.records().map(|record| record.id.clone()).collect(), ..Self::default() };
        for record in preferences.standing() {
            let images = places(pool, &record.decision);
            if let Some(answered) = ledger.add(Arc::new(record.clone()), images) {
                hear(answered);
            }
        }
        ledger
    }

    pub(crate) fn knows(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    pub(crate) fn rater(&self, who: &str) -> Option<&RaterBook> {
        self.raters.get(who)
    }

    pub(crate) fn raters(&self) -> impl Iterator<Item = (&String, &RaterBook)> {
        self.raters.iter()
    }

    /// Notes an id that is in the file, such as an undo's.
    pub(crate) fn note(&mut self, id: &str) {
        self.ids.insert(id.to_owned());
    }

    /// Adds an answer that is in the file.
    pub(crate) fn add(&mut self, record: Arc<Record>, images: Option<Vec<usize>>) -> Option<Answered> {
        self.ids.insert(record.id.clone());
        self.total += 1;
        let skipped = record.decision.is_skipped();
        let book = self.raters.entry(record.who.clone()).or_default();
        book.skipped += usize::from(skipped);
        book.times.push_back(record.when.unix_ms());
        if book.times.len() > RECENT {
            book.times.pop_front();
        }
        book.stack.push(Kept { record: record.clone(), images: images.clone() });
        let images = images?;
        if !skipped {
            let subject = Question { images: images.clone() }.subject();
            let own = book.votes.entry(subject.clone()).or_default();
            own.push(record.clone());
            if own.len() > 1 {
                let agreement = agreement(&own[0].decision, &record.decision);
                book.itself.add(agreement);
            } else {
                let others = self.with_others(&subject, &record);
                self.between.add(others);
                self.voters.entry(subject).or_default().push(record.who.clone());
            }
        }
        Some(Answered { record, images })
    }

    /// Takes a rater's last answer back, after its undo is in the file. Returns its id, and the answer where its images are in the
    /// pool.
    pub(crate) fn remove_last(&mut self, who: &str) -> Option<(String, Option<Answered>)> {
        let book = self.raters.get_mut(who)?;
        let Kept { record, images } = book.stack.pop()?;
        self.total -= 1;
        let skipped = record.decision.is_skipped();
        book.skipped -= usize::from(skipped);
        book.times.pop_back();
        let Some(images) = images else { return Some((record.id.clone(), None)) };
        if !skipped {
            let subject = Question { images: images.clone() }.subject();
            let own = book.votes.get_mut(&subject);
            let own = own.unwrap_or_else(|| unreachable!("the answer was added"));
            own.pop();
            if let Some(first) = own.first() {
                book.itself.take(agreement(&first.decision, &record.decision));
            } else {
                book.votes.remove(&subject);
                if let Some(voters) = self.voters.get_mut(&subject) {
                    voters.retain(|voter| voter != who);
                }
                let others = self.with_others(&subject, &record);
                self.between.take(others);
            }
        }
        Some((record.id.clone(), Some(Answered { record, images })))
    }

    /// Returns how a rater's first vote agrees with the first votes of all others.
    fn with_others(&self, subject: &Subject, record: &Record) -> Agreement {
        let mut sum = Agreement::default();
        for voter in self.voters.get(subject).into_iter().flatten().filter(|voter| **voter != record.who) {
            let first = self.raters.get(voter).and_then(|book| book.votes.get(subject)?.first());
            if let Some(first) = first {
                sum.add(agreement(&first.decision, &record.decision));
            }
        }
        sum
    }
}

impl Agreement {
    /// Returns the share that agrees; none without a comparison.
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.agreed as f64 / self.of as f64)
    }

    fn add(&mut self, other: Self) {
        self.agreed += other.agreed;
        self.of += other.of;
    }

    fn take(&mut self, other: Self) {
        self.agreed -= other.agreed;
        self.of -= other.of;
    }
}

/// Returns the places of a decision's images; none where one is not in the pool.
fn places(pool: &Pool, decision: &Decision) -> Option<Vec<usize>> {
    let prompt = decision.prompt()?;
    decision.images().into_iter().map(|image| pool.find(prompt, image)).collect()
}

/// Compares two decisions about the same images.
fn agreement(one: &Decision, other: &Decision) -> Agreement {
    let (one, other) = (worths(one), worths(other));
    let mut sum = Agreement::default();
    if let ([(_, one)], [(_, other)]) = (&one[..], &other[..]) {
        return Agreement { agreed: u64::from(one == other), of: 1 };
    }
    if one.len() != other.len() {
        return sum;
    }
    for first in 0..one.len() {
        for second in first + 1..one.len() {
            sum.of += 1;
            let order = one[first].1.cmp(&one[second].1);
            sum.agreed += u64::from(order == other[first].1.cmp(&other[second].1));
        }
    }
    sum
}

/// Returns what a decision says of each image, sorted by image; nothing for scores, which agree only roughly.
fn worths(decision: &Decision) -> Vec<(String, i64)> {
    let mut worths: Vec<(String, i64)> = match decision {
        Decision::Pair { a, b, outcome: Some(winner), .. } => {
            let (first, second) = match winner {
                Winner::A => (1, 0),
                Winner::B => (0, 1),
                Winner::Tie => (0, 0),
            };
            vec![(a.key(), first), (b.key(), second)]
        }
        Decision::Ranking { images, outcome: Some(ranks), .. } => {
            images.iter().zip(ranks).map(|(image, rank)| (image.key(), -i64::from(*rank))).collect()
        }
        Decision::Label { image, outcome: Some(mark), .. } => vec![(image.key(), i64::from(*mark == Mark::Good))],
        _ => Vec::new(),
    };
    worths.sort_unstable();
    worths
}

//! Pairs that are chosen already, as a desk asks them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moa_rating::{Chooser, News, Pool as Images, Question, Wanted};

/// Two images, by their ids in the pool.
pub(super) type Pair = [String; 2];

/// Asks pairs that are chosen already, each until it is answered or skipped. Copies are of the same pairs.
#[derive(Clone)]
pub(super) struct Open(Arc<Mutex<Vec<(Question, bool)>>>);

impl Open {
    pub(super) fn new(pool: &Images, pairs: &[Pair]) -> Self {
        let place = |id: &String| pool.place(id).ok();
        let pairs = pairs.iter().filter_map(|[first, second]| {
            let images = vec![place(first)?, place(second)?];
            Some((Question { images }, true))
        });
        Self(Arc::new(Mutex::new(pairs.collect())))
    }

    fn pairs(&self) -> MutexGuard<'_, Vec<(Question, bool)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many are not answered.
    pub(super) fn count(&self) -> u32 {
        self.pairs().iter().filter(|(_, is_open)| *is_open).count() as u32
    }
}

fn same(one: &[usize], other: &[usize]) -> bool {
    one.len() == other.len() && one.iter().all(|place| other.contains(place))
}

impl Chooser for Open {
    fn hear(&mut self, _: &Images, news: &News) {
        let (images, opens) = match news {
            News::Answered(answered) => (&answered.images, false),
            News::Undone(answered) => (&answered.images, true),
        };
        let mut pairs = self.pairs();
        pairs.iter_mut().filter(|(pair, _)| same(&pair.images, images)).for_each(|(_, is_open)| *is_open = opens);
    }

    fn choose(&mut self, wanted: &Wanted<'_>) -> Vec<Question> {
        let waits = |pair: &Question| wanted.waiting.iter().any(|other| same(&other.images, &pair.images));
        let pairs = self.pairs();
        let open = pairs.iter().filter(|(pair, is_open)| *is_open && !waits(pair));
        open.map(|(pair, _)| pair.clone()).take(wanted.count).collect()
    }
}

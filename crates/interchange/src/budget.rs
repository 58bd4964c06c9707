//! Readers that do not read endless entries.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// The most bytes of one row or entry.
pub(crate) const LARGEST_ENTRY: u64 = 16_000_000;

/// What may still be read of the present entry; copies are the same budget.
#[derive(Clone)]
pub(crate) struct Budget(Rc<Cell<u64>>);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Cell::new(LARGEST_ENTRY)))
    }

    /// Begins the next entry.
    pub(crate) fn renew(&self) {
        self.0.set(LARGEST_ENTRY);
    }
}

/// Reads within a budget, and fails beyond it.
pub(crate) struct Bounded<R> {
    reader: R,
    budget: Budget,
}

impl<R> Bounded<R> {
    pub(crate) fn new(reader: R, budget: Budget) -> Self {
        Self { reader, budget }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.0.get();
        if left == 0 {
            let problem = format!("it is larger than {} MB", LARGEST_ENTRY / 1_000_000);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.reader.read(&mut buffer[..most])?;
        self.budget.0.set(left - read as u64);
        Ok(read)
    }
}

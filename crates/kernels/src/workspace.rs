//! Buffers that are used again: large fresh allocations cost a page fault for every 4 KiB.

use std::sync::{Mutex, PoisonError};

/// A store of buffers. Their contents are what the last user left.
#[derive(Debug, Default)]
pub struct Workspace {
    free: Vec<Vec<f32>>,
}

static SHARED: Mutex<Vec<Workspace>> = Mutex::new(Vec::new());

impl Workspace {
    /// Returns a workspace from the process's store, which keeps as many as were ever in use at once.
    pub fn borrow() -> Self {
        SHARED.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Puts the workspace into the process's store.
    pub fn put_back(self) {
        SHARED.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }

    /// Returns a buffer of `length` values, whose contents mean nothing.
    pub fn take(&mut self, length: usize) -> Vec<f32> {
        // The tightest that fits; one that is much too large is left for those who need it.
        let fits = (0..self.free.len()).filter(|i| (length..=2 * length).contains(&self.free[*i].capacity()));
        let chosen = fits.min_by_key(|i| self.free[*i].capacity());
        match chosen {
            Some(index) => {
                let mut buffer = self.free.swap_remove(index);
                buffer.resize(length, 0.0);
                buffer
            }
            None => vec![0.0; length],
        }
    }

    /// Returns a buffer of zeros.
    pub fn zeros(&mut self, length: usize) -> Vec<f32> {
        let mut buffer = self.take(length);
        buffer.fill(0.0);
        buffer
    }

    /// Returns a copy of `values`.
    pub fn copy(&mut self, values: &[f32]) -> Vec<f32> {
        let mut buffer = self.take(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&mut self, buffer: Vec<f32>) {
        if buffer.capacity() > 0 {
            self.free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_as_they_fit() {
        let mut workspace = Workspace::default();
        let (small, large) = (workspace.take(10), workspace.take(900));
        let (at_small, at_large) = (small.as_ptr(), large.as_ptr());
        workspace.give(large);
        workspace.give(small);
        let (medium, tiny) = (workspace.take(500), workspace.take(10));
        assert_eq!((medium.as_ptr(), tiny.as_ptr()), (at_large, at_small));
        assert_eq!(workspace.zeros(7), [0.0; 7]);
    }
}

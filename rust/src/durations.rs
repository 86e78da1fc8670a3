//! How long things took, counted in buckets: whole numbers only, and no lock.
//!
//! What adds and what reads may be different threads. Each number is right by itself; what is added while
//! another thread reads may be in one of them already and not yet in another.

use std::sync::atomic::{AtomicU64, Ordering};

const NANOSECONDS: f64 = 1e9;

/// How long things of one kind took.
pub struct Durations {
    bounds: Box<[f64]>,
    buckets: Box<[AtomicU64]>,
    nanoseconds: AtomicU64,
}

impl Durations {
    /// None yet.
    ///
    /// `bounds` are the upper bounds of the buckets in seconds, least first; what is longer than the last is
    /// counted in one more.
    #[must_use]
    pub fn new(bounds: Vec<f64>) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self {
            bounds: bounds.into(),
            buckets,
            nanoseconds: AtomicU64::new(0),
        }
    }

    /// Count one. What is less than nothing, as of a clock that was set back, took no time.
    pub fn add(&self, seconds: f64) {
        let bucket = self
            .bounds
            .iter()
            .position(|bound| seconds <= *bound)
            .unwrap_or(self.bounds.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        // A cast saturates: negative numbers become 0.
        let nanoseconds = (seconds * NANOSECONDS + 0.5) as u64;
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// How many took up to each bound, and longer than the last, each counted once.
    #[must_use]
    pub fn buckets(&self) -> Vec<u64> {
        let read = |one: &AtomicU64| one.load(Ordering::Relaxed);
        self.buckets.iter().map(read).collect()
    }

    /// Seconds of all together.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.nanoseconds.load(Ordering::Relaxed) as f64 / NANOSECONDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let durations = Durations::new(vec![0.001, 1.0]);
        for seconds in [0.0, 0.001, 0.002, 1.0, 1.5, -1.0] {
            durations.add(seconds);
        }
        assert_eq!(durations.buckets(), [3, 2, 1]);
        assert!((durations.total() - 2.503).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        let durations = Durations::new(vec![1.0]);
        std::thread::scope(|threads| {
            for seconds in [0.5, 2.0] {
                let durations = &durations;
                threads.spawn(move || (0..10_000).for_each(|_| durations.add(seconds)));
            }
        });
        assert_eq!(durations.buckets(), [10_000, 10_000]);
        assert!((durations.total() - 25_000.0).abs() < 1e-6);
    }
}

//! A clock that moves only on request.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use caas_aws::{Clock, Moment};

/// A clock that moves only on request.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<Moment>>);

impl ManualClock {
    /// A clock that stands at the present.
    #[expect(clippy::new_without_default, reason = "it depends on the time")]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Moment::now())))
    }

    /// What it shows.
    pub fn now(&self) -> Moment {
        *self.0.lock().unwrap()
    }

    /// Moves both clocks.
    pub fn advance(&self, by: Duration) {
        self.advance_wall(by);
        self.advance_monotonic(by);
    }

    /// Moves the wall clock.
    pub fn advance_wall(&self, by: Duration) {
        self.0.lock().unwrap().wall += by;
    }

    /// Sets the wall clock back.
    pub fn set_back_wall(&self, by: Duration) {
        self.0.lock().unwrap().wall -= by;
    }

    /// Moves the monotonic clock.
    pub fn advance_monotonic(&self, by: Duration) {
        self.0.lock().unwrap().monotonic += by;
    }

    /// What asks it.
    pub fn clock(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

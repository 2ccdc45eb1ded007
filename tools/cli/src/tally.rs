//! A command over several files goes on after a failure.

use crate::{failure::Failure, output::Output};

/// What has failed so far.
#[derive(Debug)]
pub(crate) struct Tally<'o> {
    output: &'o Output,
    total: usize,
    failed: usize,
    first: Option<Failure>,
}

impl<'o> Tally<'o> {
    /// For so many files.
    pub(crate) fn new(output: &'o Output, total: usize) -> Self {
        Self {
            output,
            total,
            failed: 0,
            first: None,
        }
    }

    /// One has failed. Says so now if there are others.
    pub(crate) fn failed(&mut self, failure: Failure) {
        self.failed += 1;
        if self.total > 1 {
            self.output.report(&failure);
        }
        self.first.get_or_insert(failure);
    }

    /// The failure of the only file, or how many have failed, with the exit code of the first.
    pub(crate) fn end(self) -> Result<(), Failure> {
        match self.first {
            None => Ok(()),
            Some(failure) if self.total <= 1 => Err(failure),
            Some(failure) => Err(Failure::new(
                failure.exit(),
                format!("{} of {} files failed", self.failed, self.total),
            )),
        }
    }
}

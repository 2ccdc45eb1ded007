//! Progress bars, for transfers that take longer than a second.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::output::Output;

/// A transfer that is over earlier shows nothing.
const AFTER: Duration = Duration::from_secs(1);

const BAR: &str = "{msg:24!} {bar:24} {binary_bytes:>10} of {binary_total_bytes:10} {binary_bytes_per_sec:>12} {eta:>4} left";

/// The bars of one command.
#[derive(Debug)]
pub(crate) struct Bars {
    /// `None` if nobody watches.
    bars: Option<MultiProgress>,
    overall: Option<Mutex<Overall>>,
}

/// The line of all files together.
#[derive(Debug)]
struct Overall {
    bar: Bar,
    total: u64,
    done: u64,
}

impl Bars {
    /// For one file.
    pub(crate) fn one(output: &Output) -> Self {
        Self {
            bars: output.shows_progress().then(MultiProgress::new),
            overall: None,
        }
    }

    /// For several files of `total` bytes together, with a line for all of them.
    pub(crate) fn several(output: &Output, total: u64) -> Self {
        let mut bars = Self::one(output);
        let bar = bars.bar("all files");
        bars.overall = Some(Mutex::new(Overall {
            bar,
            total,
            done: 0,
        }));
        bars
    }

    /// Prints something while the bars are away.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }

    /// A bar for this file.
    pub(crate) fn bar(&self, name: &str) -> Bar {
        let bar = ProgressBar::hidden().with_message(name.to_owned());
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style.progress_chars("=> "));
        }
        Bar {
            bars: self.bars.clone(),
            bar,
            began: Instant::now(),
            is_shown: false,
            done: 0,
        }
    }

    /// Shows that so much of a file is done, on its bar and on the line for all.
    pub(crate) fn show(&self, bar: &mut Bar, done: u64, total: u64) {
        let before = bar.done;
        bar.show(done, total);
        if let Some(overall) = &self.overall
            && let Ok(mut overall) = overall.lock()
        {
            overall.done = overall.done.saturating_sub(before) + done;
            let (done, total) = (overall.done, overall.total);
            overall.bar.show(done, total);
        }
    }
}

/// A bar that appears after a second.
#[derive(Debug)]
pub(crate) struct Bar {
    bars: Option<MultiProgress>,
    /// Counts from the beginning, so that the rate is right when it appears.
    bar: ProgressBar,
    began: Instant,
    is_shown: bool,
    done: u64,
}

impl Bar {
    fn show(&mut self, done: u64, total: u64) {
        self.done = done;
        let Some(bars) = &self.bars else { return };
        self.bar.set_length(total);
        self.bar.set_position(done);
        if !self.is_shown && self.began.elapsed() > AFTER {
            self.is_shown = true;
            self.bar = bars.add(self.bar.clone());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.is_shown {
            self.bar.finish_and_clear();
        }
    }
}

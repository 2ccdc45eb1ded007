//! Retries with exponential backoff.

use std::time::Duration;

/// How often to retry a transient failure, and how long to wait before: a random time up to a limit
/// that doubles with every attempt ("full jitter",
/// <https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/>). Progress
/// resets the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Attempts in total: 5 by default.
    pub attempts: u32,
    /// The first limit: 200 ms by default.
    pub first_delay: Duration,
    /// The highest limit, also for `Retry-After`: 10 s by default.
    pub longest_delay: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_delay: Duration::from_millis(200),
            longest_delay: Duration::from_secs(10),
        }
    }
}

/// The attempts of one operation.
#[derive(Debug)]
pub(crate) struct Attempts {
    retries: Retries,
    failed: u32,
}

impl Attempts {
    pub(crate) fn new(retries: Retries) -> Self {
        Self { retries, failed: 0 }
    }

    /// Waits before the next attempt, for `at_least` this long up to the highest limit. Returns
    /// false if no attempt is left.
    pub(crate) async fn again(&mut self, at_least: Duration) -> bool {
        self.failed += 1;
        if self.failed >= self.retries.attempts {
            return false;
        }
        let delay = jittered(self.limit()).max(at_least);
        tokio::time::sleep(delay.min(self.retries.longest_delay)).await;
        true
    }

    /// Resets the count, after progress.
    pub(crate) fn progressed(&mut self) {
        self.failed = 0;
    }

    fn limit(&self) -> Duration {
        let doubled = 2_u32.saturating_pow(self.failed - 1);
        let limit = self.retries.first_delay.saturating_mul(doubled);
        limit.min(self.retries.longest_delay)
    }
}

/// A random part of `limit`, or all of it if no randomness is available.
fn jittered(limit: Duration) -> Duration {
    let mut random = [0xFF; 4];
    // If this fails, any bytes will do.
    let _ = getrandom::fill(&mut random);
    limit.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_double_up_to_the_longest() {
        let mut attempts = Attempts::new(Retries::default());
        let limits = [1, 2, 3, 6, 7, 40].map(|failed| {
            attempts.failed = failed;
            let limit = attempts.limit();
            assert!(jittered(limit) <= limit);
            limit.as_millis()
        });
        assert_eq!(limits, [200, 400, 800, 6_400, 10_000, 10_000]);
    }

    #[tokio::test]
    async fn attempts_are_counted_from_the_last_progress() {
        let mut attempts = Attempts::new(Retries {
            attempts: 3,
            first_delay: Duration::ZERO,
            longest_delay: Duration::ZERO,
        });
        let wait = Duration::from_secs(3_600); // capped
        assert!(attempts.again(wait).await);
        assert!(attempts.again(wait).await);
        attempts.progressed();
        assert!(attempts.again(wait).await);
        assert!(attempts.again(wait).await);
        assert!(!attempts.again(wait).await);
    }
}

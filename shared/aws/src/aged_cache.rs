//! A bounded cache whose values have an age, counted from the start of the read that made them.

use std::{
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use moka::{future::Cache, ops::compute::Op, policy::EvictionPolicy};

/// Minimum lifetime, so that concurrent waiters can still read the entry.
const MIN_TIME_TO_LIVE: Duration = Duration::from_secs(1);

/// A point in time on two clocks. A frozen Lambda environment may stop the monotonic clock, and the
/// wall clock can be set: an age is the larger of the two differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time of day.
    pub wall: SystemTime,
    /// The monotonic time, which never goes backwards.
    pub monotonic: Instant,
}

impl Moment {
    /// The present moment.
    pub fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            monotonic: Instant::now(),
        }
    }

    /// Whether this is not before `other`, by both clocks.
    pub fn is_since(&self, other: &Self) -> bool {
        self.monotonic >= other.monotonic && self.wall >= other.wall
    }

    /// Whether less than `limit` has passed since then, by both clocks. A wall clock that went
    /// backwards proves nothing, so the result is false.
    pub fn is_within(&self, limit: Duration, now: &Self) -> bool {
        let monotonic = now.monotonic.saturating_duration_since(self.monotonic);
        let wall = now.wall.duration_since(self.wall);
        monotonic < limit && wall.is_ok_and(|wall| wall < limit)
    }
}

/// Tells the time. [`Moment::now`], except in tests.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// A cached value, which may hold a secret.
pub trait Evicted {
    /// Drops the secret. Called when the value leaves the cache, which may free the value itself
    /// later.
    fn evicted(&self);

    /// How much of the cache's capacity the value takes.
    fn weight(&self) -> u32 {
        1
    }
}

impl<V: Evicted> Evicted for Option<V> {
    fn evicted(&self) {
        if let Some(value) = self {
            value.evicted();
        }
    }

    fn weight(&self) -> u32 {
        self.as_ref().map_or(1, V::weight)
    }
}

/// A value, and when the read that returned it began.
pub struct Aged<V> {
    /// When the read began.
    pub since: Moment,
    /// What it returned.
    pub value: V,
}

/// A cache of bounded weight. Of several concurrent reads of a key, one is made; the others share
/// its outcome, even a failure. Failures are not cached.
pub struct AgedCache<K, V> {
    cache: Cache<K, Arc<Aged<V>>>,
    max_age: Duration,
    clock: Clock,
}

impl<K, V> AgedCache<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Evicted + Send + Sync + 'static,
{
    /// An empty cache of this capacity, in weight. A value is not served once it is `max_age` old.
    pub fn new(capacity: u64, max_age: Duration, clock: Clock) -> Self {
        let cache = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, aged: &Arc<Aged<V>>| aged.value.weight())
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(|_, aged: Arc<Aged<V>>, _| aged.value.evicted())
            // Evicts values that are not requested again. Whether a value is served depends on its
            // age at every use.
            .time_to_live(max_age.max(MIN_TIME_TO_LIVE))
            .build();
        Self {
            cache,
            max_age,
            clock,
        }
    }

    /// The value for `key`: a cached one that is not too old and that `accept` accepts, or else
    /// what `read` returns when called after `asked`.
    pub async fn load<E, F>(
        &self,
        key: &K,
        asked: Moment,
        accept: impl Fn(&Aged<V>) -> bool,
        read: impl Fn() -> F,
    ) -> Result<Arc<Aged<V>>, E>
    where
        E: Copy + Send + Sync + 'static,
        F: Future<Output = Result<V, E>>,
    {
        let fresh = async || {
            let since = (self.clock)();
            Ok(Arc::new(Aged {
                since,
                value: read().await?,
            }))
        };
        // A read that was in progress when this began may have seen an older state. At most two
        // attempts join such a read.
        for _ in 0..2 {
            let found = match self.cache.get(key).await {
                Some(found) => found,
                // On the heap: the future of a read is large, and most loads make none.
                None => Box::pin(self.cache.try_get_with_by_ref(key, fresh()))
                    .await
                    .map_err(|error: Arc<E>| *error)?,
            };
            let usable = found.since.is_since(&asked)
                || found.since.is_within(self.max_age, &(self.clock)());
            if usable && accept(&found) {
                return Ok(found);
            }
            self.remove(key, &found).await;
        }
        Box::pin(fresh()).await
    }

    /// Caches a value whose read began at `since`.
    pub async fn insert(&self, key: K, since: Moment, value: V) {
        self.cache
            .insert(key, Arc::new(Aged { since, value }))
            .await;
    }

    /// Caches a value whose read began at `since`, unless a cached one is to be kept.
    pub async fn insert_unless(
        &self,
        key: K,
        since: Moment,
        value: V,
        keep: impl FnOnce(&V) -> bool,
    ) {
        let put = |entry: Option<moka::Entry<K, Arc<Aged<V>>>>| {
            let kept = entry.is_some_and(|entry| keep(&entry.value().value));
            let aged = Arc::new(Aged { since, value });
            std::future::ready(if kept { Op::Nop } else { Op::Put(aged) })
        };
        self.cache.entry(key).and_compute_with(put).await;
    }

    /// Removes this value, but not one that has replaced it.
    pub async fn remove(&self, key: &K, value: &Arc<Aged<V>>) {
        let remove_same = |entry: Option<moka::Entry<K, Arc<Aged<V>>>>| {
            let same = entry.is_some_and(|entry| Arc::ptr_eq(entry.value(), value));
            std::future::ready(if same { Op::Remove } else { Op::Nop })
        };
        self.cache
            .entry_by_ref(key)
            .and_compute_with(remove_same)
            .await;
    }

    /// Removes any value for `key`.
    pub async fn forget(&self, key: &K) {
        self.cache.invalidate(key).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    /// A secret that shows when it is dropped, which is when it would be wiped.
    struct Value(Mutex<Option<Arc<()>>>);

    impl Evicted for Value {
        fn evicted(&self) {
            self.0.lock().unwrap().take();
        }
    }

    fn cache(capacity: u64) -> AgedCache<u32, Value> {
        AgedCache::new(capacity, Duration::from_secs(60), Arc::new(Moment::now))
    }

    fn secret() -> (Value, std::sync::Weak<()>) {
        let secret = Arc::new(());
        let weak = Arc::downgrade(&secret);
        (Value(Mutex::new(Some(secret))), weak)
    }

    #[tokio::test]
    async fn what_leaves_the_cache_is_dropped_at_once() {
        let cache = cache(10);
        let mut secrets = Vec::new();
        for key in 0..30 {
            let (value, secret) = secret();
            cache.insert(key, Moment::now(), value).await;
            secrets.push(secret);
        }
        cache.cache.run_pending_tasks().await;
        let alive = |secrets: &[std::sync::Weak<()>]| {
            secrets.iter().filter(|s| s.strong_count() > 0).count()
        };
        assert_eq!(alive(&secrets), 10);
        assert_eq!(alive(&secrets[20..]), 10, "the last used stay");

        cache.forget(&29).await;
        assert_eq!(secrets[29].strong_count(), 0, "forgotten");
        let (value, _) = secret();
        cache.insert(28, Moment::now(), value).await;
        assert_eq!(secrets[28].strong_count(), 0, "replaced");
    }

    #[tokio::test]
    async fn concurrent_reads_share_one_outcome_and_failures_are_not_kept() {
        let cache = cache(10);
        let reads = AtomicUsize::new(0);
        let asked = Moment::now();
        let read = async |outcome: Result<(), u8>| {
            let read = || async {
                reads.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                outcome.map(|()| secret().0)
            };
            cache.load(&1, asked, |_| true, read).await.map(|_| ())
        };
        for (outcome, made) in [(Err(7), 1), (Err(8), 2), (Ok(()), 3), (Err(9), 3)] {
            let all = futures::future::join_all((0..100).map(|_| read(outcome))).await;
            assert_eq!(reads.load(Ordering::Relaxed), made);
            let expected = if made == 3 { Ok(()) } else { outcome };
            assert!(all.iter().all(|one| *one == expected));
        }
    }

    #[tokio::test]
    async fn what_is_not_accepted_is_read_again() {
        let cache = cache(10);
        let (old, secret) = secret();
        cache.insert(1, Moment::now(), old).await;
        let accept = |found: &Aged<Value>| found.value.0.lock().unwrap().is_none();
        let read = async || Ok::<_, u8>(Value(Mutex::new(None)));
        let found = cache
            .load(&1, Moment::now(), accept, read)
            .await
            .ok()
            .unwrap();
        assert!(accept(&found));
        assert_eq!(secret.strong_count(), 0);
    }

    #[test]
    fn an_age_is_what_the_larger_difference_says() {
        let start = Moment::now();
        let minute = Duration::from_secs(60);
        let after = |wall, monotonic| Moment {
            wall: start.wall + wall,
            monotonic: start.monotonic + monotonic,
        };
        let almost = minute - Duration::from_nanos(1);
        assert!(start.is_within(minute, &after(almost, almost)));
        assert!(!start.is_within(minute, &after(minute, Duration::ZERO)));
        assert!(!start.is_within(minute, &after(Duration::ZERO, minute)));
        assert!(!start.is_within(Duration::ZERO, &start));
        let earlier = Moment {
            wall: start.wall - Duration::from_nanos(1),
            monotonic: start.monotonic,
        };
        assert!(!start.is_within(minute, &earlier));
        assert!(!earlier.is_since(&start) && start.is_since(&start));
    }
}

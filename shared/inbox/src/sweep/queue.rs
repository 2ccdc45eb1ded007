//! The keys of a sweep: whose turn it is.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, SystemTime},
};

use caas_aws::ListedVersion;

/// How many keys a sweep remembers, which are more than it can do. It takes some ten MB.
const MOST_KEYS: usize = 100_000;

/// The keys that are due.
pub(super) struct Queue {
    now: SystemTime,
    clients: Vec<Client>,
    len: usize,
}

/// Why a key is due.
#[derive(Default)]
pub(super) struct Due {
    /// The size of its largest version in bytes.
    pub(super) size: u64,
    pub(super) has_object: bool,
    pub(super) has_marker: bool,
}

struct Client {
    folder: String,
    keys: BTreeMap<(u64, String), Due>,
    running: usize,
    /// The time of its runs that have ended.
    took: Duration,
}

/// The place of a name in the sweep that began at `now`: arbitrary, and another one in the next.
pub(super) fn order(now: SystemTime, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (now, name).hash(&mut hasher);
    hasher.finish()
}

impl Queue {
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            now,
            clients: Vec::new(),
            len: 0,
        }
    }

    /// Adds a version of a key in this client's folder.
    pub(super) fn add(&mut self, folder: &str, listed: &ListedVersion) {
        let place = match self
            .clients
            .iter()
            .position(|client| client.folder == folder)
        {
            Some(place) => place,
            None => {
                self.clients.push(Client::new(folder));
                self.clients.len() - 1
            }
        };
        let keys = &mut self.clients[place].keys;
        let before = keys.len();
        let due = keys.entry((order(self.now, &listed.key), listed.key.clone()));
        let due = due.or_default();
        due.size = due.size.max(listed.version.size);
        due.has_marker |= listed.is_delete_marker;
        due.has_object |= !listed.is_delete_marker;
        self.len += keys.len() - before;
        if self.len > MOST_KEYS
            && let Some(largest) = self
                .clients
                .iter_mut()
                .max_by_key(|client| client.keys.len())
        {
            largest.keys.pop_last();
            self.len -= 1;
        }
    }

    /// The next key, and the number of its client: of those with the fewest runs in progress, the one
    /// whose runs have taken the least time.
    pub(super) fn next(&mut self) -> Option<(usize, String, Due)> {
        let waiting = self.clients.iter_mut().enumerate();
        let waiting = waiting.filter(|(_, client)| !client.keys.is_empty());
        let (number, client) = waiting.min_by_key(|(_, client)| (client.running, client.took))?;
        let ((_, key), due) = client.keys.pop_first()?;
        client.running += 1;
        Some((number, key, due))
    }

    /// Notes that a run for this client has ended.
    pub(super) fn ended(&mut self, number: usize, took: Duration) {
        if let Some(client) = self.clients.get_mut(number) {
            client.running -= 1;
            client.took += took;
        }
    }
}

impl Client {
    fn new(folder: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            keys: BTreeMap::new(),
            running: 0,
            took: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use caas_aws::Version;

    use super::*;

    fn listed(key: &str) -> ListedVersion {
        ListedVersion {
            key: key.to_owned(),
            version: Version {
                version_id: "v".to_owned(),
                is_latest: true,
                last_modified: SystemTime::UNIX_EPOCH,
                size: 1,
                e_tag: String::new(),
            },
            is_delete_marker: false,
        }
    }

    fn queue(seconds: u64, clients: &[(&str, usize)]) -> Queue {
        let mut queue = Queue::new(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        for (folder, keys) in clients {
            (0..*keys).for_each(|i| queue.add(folder, &listed(&format!("{folder}{i}"))));
        }
        queue
    }

    #[test]
    fn a_client_with_many_keys_keeps_no_other_waiting() {
        let mut queue = queue(0, &[("acme/", 1_000), ("globex/", 3)]);
        let mut first = Vec::new();
        for _ in 0..6 {
            let (client, key, _) = queue.next().unwrap();
            queue.ended(client, Duration::from_secs(1));
            first.push(key);
        }
        let of = |client| first.iter().filter(|key| key.starts_with(client)).count();
        assert_eq!((of("acme/"), of("globex/")), (3, 3));
        assert_eq!(std::iter::from_fn(|| queue.next()).count(), 997);
    }

    #[test]
    fn a_client_whose_runs_take_long_gets_no_more_than_its_share() {
        let mut queue = queue(0, &[("acme/", 100), ("globex/", 100)]);
        let mut took = BTreeMap::<_, u64>::new();
        for _ in 0..60 {
            let (client, key, _) = queue.next().unwrap();
            let seconds = if key.starts_with("acme/") { 10 } else { 1 };
            queue.ended(client, Duration::from_secs(seconds));
            *took.entry(client).or_default() += seconds;
        }
        assert!(took[&0].abs_diff(took[&1]) <= 10, "{took:?}");
    }

    #[test]
    fn the_order_of_keys_depends_on_the_time() {
        let first = |seconds| queue(seconds, &[("acme/", 1_000)]).next().unwrap().1;
        assert_eq!(first(0), first(0));
        let mut firsts: Vec<_> = (0..20).map(|i| first(i * 300)).collect();
        firsts.sort();
        firsts.dedup();
        assert!(firsts.len() > 15, "{firsts:?}");
    }

    #[test]
    fn the_largest_client_makes_room() {
        let mut queue = queue(0, &[("acme/", MOST_KEYS), ("globex/", 1_000)]);
        assert_eq!(queue.len, MOST_KEYS);
        assert_eq!(queue.clients[1].keys.len(), 1_000);
        queue.add("globex/", &listed("globex/0"));
        assert_eq!(queue.len, MOST_KEYS, "a key counts once");
    }
}

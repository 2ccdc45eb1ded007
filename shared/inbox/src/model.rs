//! An exhaustive model of runs: two workers, a duplicate event, an overwritten file, its user's
//! `DELETE /api/files/{id}`, a crash, a bad write, and sweeps, in every order. Further models have
//! two deletions, the second of which may purge; a multipart upload that is older than everything
//! else; a presigned PUT to the vault, which no condition stops once the file is purged, alone and
//! with a drop; or files of one presigned request, of which only the first counts.
//!
//! The workers' steps have the names of `steps.rs` and follow the same [`plan`]; a `DELETE` follows
//! the same [`plan_delete`]. Anything else may happen between any two steps. No state is bad by
//! `World::loses`, no end state by `World::ends_badly`, and every state can reach an end state.

use std::time::{Duration, SystemTime};

use caas_aws::{Version, Versions};
use indexmap::IndexSet;

use crate::{
    metadata::NO_DELETE,
    plan::{Condition, Plan, StoredFile, VaultState, is_spent, plan, spare_markers},
    plan_delete::{Current, DeleteStep, plan_delete},
};

/// A seeded bug that the model must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    /// `delete` follows `seal`, whatever its outcome.
    DeleteBeforeCheck,
    /// `seal` writes, whatever the vault holds.
    NoCondition,
    /// `delete` starts with the newest version.
    NewestFirst,
    /// `get` reads the listed version, even if it is no longer the newest.
    PinnedGet,
    /// Nothing is ever taken back.
    NoTakeBack,
    /// `DELETE` puts its marker in the vault first.
    VaultFirst,
    /// `DELETE` leaves no marker in the inbox.
    NoReminder,
    /// The sweep removes markers at once.
    ForgetAtOnce,
    /// A `DELETE` of a file that was deleted before puts no markers.
    PurgeForgets,
    /// `DELETE` looks at the vault before it lists the inbox.
    LookFirst,
    /// `DELETE` leaves no marker in the vault.
    NoVaultMarker,
    /// The sweep removes markers while an upload from before them is in progress.
    ForgetUploads,
    /// An older drop replaces a newer one that is sealed.
    OlderReplaces,
    /// `DELETE` of a file that came with a presigned PUT puts no marker in the inbox.
    PurgeOnly,
    /// The second file of a presigned request is sealed.
    SecondUse,
    /// Only the vault shows whether a file is the second one of its request.
    SecondUseByVault,
    /// `delete` removes the marker that a file over a delete needs.
    NewestMarkerGoes,
    /// The sweep removes markers while the second run since the `DELETE` is in progress.
    ForgetAfterARun,
}

/// Identifies a version, a delete marker or an ETag. Ids are only compared for equality.
type Id = u8;

/// An entry in the inbox: a version of the file, 1 or 2, or a delete marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Dropped {
    id: Id,
    version: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Sealed {
    id: Id,
    version: u8,
    /// `None` if a presigned PUT wrote it.
    source: Option<Id>,
    after_delete: Option<Id>,
    /// Whether it is intact.
    is_good: bool,
}

/// The part of the vault that anybody reads: the current file and the newest delete marker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Vault {
    stored: Option<Sealed>,
    newest_marker: Option<Id>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Step {
    #[default]
    Idle,
    List,
    Look {
        listed: Vec<Dropped>,
    },
    Get {
        newest: Dropped,
        listed: Vec<Dropped>,
        looked: Vault,
    },
    Seal {
        content: Dropped,
        listed: Vec<Dropped>,
        looked: Vault,
    },
    TakeBack {
        stored: Id,
        listed: Vec<Dropped>,
    },
    Delete {
        listed: Vec<Dropped>,
        order: Vec<Id>,
    },
    Forget,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Worker {
    step: Step,
    is_sweep: bool,
    /// Whether its run has written.
    has_sent: bool,
    /// Markers that were old enough when it listed.
    old_markers: Vec<Id>,
    /// Markers in the inbox that are younger than an hour as long as this run is in progress, each
    /// with the number of runs between its `DELETE` and this one.
    young_markers: Vec<(Id, u8)>,
}

/// Within an hour of a `DELETE`, a run ends that began before the `DELETE` ended, a second one that
/// began before the first one ended, and a third one that began before the second one ended: Lambda
/// stops each after 15 minutes, and the `DELETE` after half a minute.
const RUNS_IN_AN_HOUR: u8 = 3;

/// An upload that began before everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Upload {
    /// Of version 0, to the inbox. S3 dates it by its beginning.
    Multipart,
    /// Of version 1, to the vault, if no file is there when it ends.
    Put,
}

/// A `DELETE` by the file's user that is in progress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
enum Deletion {
    #[default]
    None,
    /// It has listed the inbox or, with [`Bug::LookFirst`], looked at the vault.
    Begun { listed: Vec<Dropped>, looked: Vault },
    /// The rest of its plan.
    Steps {
        listed: Vec<Dropped>,
        left: Vec<DeleteStep>,
        /// Its marker in the inbox.
        marker: Option<Id>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    /// The oldest first.
    inbox: Vec<Dropped>,
    vault: Vault,
    workers: [Worker; 2],
    deletion: Deletion,
    /// Whether the last `DELETE` died.
    deletion_died: bool,
    upload: Option<Upload>,
    events: u8,
    /// The newest version that has been dropped.
    newest: u8,
    /// Versions up to this one were dropped before the last `DELETE` returned.
    may_be_deleted: u8,
    /// Versions up to this one were dropped before the last `DELETE` began.
    newest_at_deletion: u8,
    /// Versions up to this one were dropped before the start of a `DELETE` that has returned.
    must_be_deleted: u8,
    left: Left,
}

/// What may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Left {
    duplicates: u8,
    overwrites: u8,
    deletions: u8,
    /// Whether the last `DELETE` has `purge=true`.
    purges: bool,
    crashes: u8,
    wrong_writes: u8,
    /// Whether all drops have the same presigned request.
    single_use: bool,
}

/// One of each, without a purge.
const ONE_OF_EACH: Left = Left {
    duplicates: 1,
    overwrites: 1,
    deletions: 1,
    purges: false,
    crashes: 1,
    wrong_writes: 1,
    single_use: false,
};

const TWO_DELETIONS: Left = Left {
    duplicates: 0,
    overwrites: 0,
    deletions: 2,
    ..ONE_OF_EACH
};

const A_DELETION_AND_A_PURGE: Left = Left {
    purges: true,
    ..TWO_DELETIONS
};

/// With a crash and a failed write, too, it ends well in nine times as many states.
const A_DROP_A_DELETION_AND_A_PURGE: Left = Left {
    overwrites: 1,
    crashes: 0,
    wrong_writes: 0,
    ..A_DELETION_AND_A_PURGE
};

const TWO_USES: Left = Left {
    duplicates: 0,
    single_use: true,
    ..ONE_OF_EACH
};

const A_DELETION: Left = Left {
    deletions: 1,
    ..TWO_DELETIONS
};

impl World {
    /// One file has been dropped, and its event has not arrived yet.
    fn new(left: Left) -> Self {
        let first = Dropped {
            id: 1,
            version: Some(1),
        };
        Self {
            inbox: vec![first],
            vault: Vault::default(),
            workers: Default::default(),
            deletion: Deletion::None,
            deletion_died: false,
            upload: None,
            events: 1,
            newest: 1,
            may_be_deleted: 0,
            newest_at_deletion: 0,
            must_be_deleted: 0,
            left,
        }
    }

    /// As [`new`](Self::new), while the multipart upload of an older version is in progress.
    fn with_multipart_upload(left: Left) -> Self {
        Self {
            upload: Some(Upload::Multipart),
            ..Self::new(left)
        }
    }

    /// The file has been uploaded to the vault, and the same request has been sent twice.
    fn with_put(left: Left) -> Self {
        let mut world = Self::new(left);
        (world.inbox, world.events) = (Vec::new(), 0);
        world.upload = Some(Upload::Put);
        world.put();
        world
    }

    /// Everything that can happen next.
    fn successors(&self, bug: Bug) -> Vec<(&'static str, World)> {
        let mut next = Vec::new();
        let mut add = |name, change: &dyn Fn(&mut World)| {
            let mut world = self.clone();
            change(&mut world);
            world.normalize();
            next.push((name, world));
        };
        if self.left.duplicates > 0 {
            add("duplicate", &|w| {
                w.left.duplicates -= 1;
                w.events += 1;
            });
        }
        if self.left.overwrites > 0 && self.may_overwrite() {
            add("overwrite", &|w| w.overwrite());
        }
        if self.upload.is_some() {
            add("upload ends", &|w| w.upload_ends());
        }
        if self.deletion != Deletion::None || self.left.deletions > 0 {
            add("user's delete", &|w| w.user_deletes(bug));
        }
        if self.deletion != Deletion::None && self.left.crashes > 0 {
            add("user's delete dies", &|w| {
                w.left.crashes -= 1;
                w.deletion_died = true;
                w.end_deletion(w.deletion.marker());
                w.deletion = Deletion::None;
            });
        }
        for i in 0..self.workers.len() {
            let worker = &self.workers[i];
            if worker.step == Step::Idle {
                if self.events > 0 {
                    add("event", &|w| {
                        w.events -= 1;
                        w.begin(i, false);
                    });
                }
                if !self.inbox.is_empty() {
                    add("sweep", &|w| w.begin(i, true));
                }
                continue;
            }
            if self.left.crashes > 0 {
                add("crash", &|w| {
                    w.left.crashes -= 1;
                    w.fail(i);
                });
            }
            if matches!(worker.step, Step::Seal { .. }) && self.left.wrong_writes > 0 {
                add("seal goes wrong", &|w| {
                    w.left.wrong_writes -= 1;
                    w.step(i, bug, false);
                });
            }
            add(worker.step.name(), &|w| w.step(i, bug, true));
        }
        next
    }

    /// A presigned request has a condition: there must be no file.
    fn may_overwrite(&self) -> bool {
        let current = self.inbox.last();
        !self.left.single_use || current.is_none_or(|dropped| dropped.version.is_none())
    }

    fn overwrite(&mut self) {
        self.left.overwrites -= 1;
        self.events += 1;
        self.put_in_inbox(Some(2));
        if self.left.single_use {
            return;
        }
        self.newest = 2;
        if self.deletion != Deletion::None {
            self.may_be_deleted = 2;
        }
    }

    fn upload_ends(&mut self) {
        match self.upload.take() {
            Some(Upload::Multipart) => {
                let (id, version) = (self.next_id(), Some(0));
                self.inbox.insert(0, Dropped { id, version });
                self.events += 1;
            }
            Some(Upload::Put) if self.vault.stored.is_none() => self.put(),
            Some(Upload::Put) | None => {}
        }
    }

    /// A presigned PUT stores version 1. It was signed when the key had no marker.
    fn put(&mut self) {
        self.vault.stored = Some(Sealed {
            id: self.next_id(),
            version: 1,
            source: None,
            after_delete: None,
            is_good: true,
        });
    }

    fn put_in_inbox(&mut self, version: Option<u8>) {
        let id = self.next_id();
        self.inbox.push(Dropped { id, version });
    }

    fn begin(&mut self, i: usize, is_sweep: bool) {
        let earlier = self.workers.iter().flat_map(|w| &w.young_markers);
        let later = earlier.map(|(id, runs)| (*id, runs + 1));
        let young_markers = later.filter(|(_, runs)| *runs < RUNS_IN_AN_HOUR).collect();
        self.workers[i] = Worker {
            step: Step::List,
            is_sweep,
            young_markers,
            ..Worker::default()
        };
    }

    /// The run fails; its event, if any, is delivered again.
    fn fail(&mut self, i: usize) {
        self.events += u8::from(!self.workers[i].is_sweep);
        self.workers[i] = Worker::default();
    }

    fn step(&mut self, i: usize, bug: Bug, is_good: bool) {
        let step = self.workers[i].step.clone();
        let next = match step {
            Step::Idle => Step::Idle,
            Step::List => {
                self.workers[i].old_markers = self.old_markers(bug);
                Step::Look {
                    listed: self.list(),
                }
            }
            Step::Look { listed } => match self.follow(i, bug, listed, self.look()) {
                Some(next) => next,
                None => return self.fail(i),
            },
            Step::Get {
                newest,
                listed,
                looked,
            } => match self.get(newest, bug) {
                Some(content) if self.is_spent(content, &listed, looked, bug) => {
                    self.discard(i, listed, looked, bug)
                }
                Some(content) => Step::Seal {
                    content,
                    listed,
                    looked,
                },
                None => Step::List,
            },
            Step::Seal {
                content,
                listed,
                looked,
            } => {
                self.workers[i].has_sent |= self.seal(content, looked, bug, is_good);
                match bug {
                    Bug::DeleteBeforeCheck => self.delete(i, listed, bug),
                    _ => Step::List,
                }
            }
            Step::TakeBack { stored, listed } => match self.take_back(stored) {
                true => self.delete(i, listed, bug),
                false => Step::List,
            },
            Step::Delete { listed, mut order } => {
                if !order.is_empty() {
                    let id = order.remove(0);
                    self.inbox.retain(|dropped| dropped.id != id);
                }
                match (order.is_empty(), self.workers[i].is_sweep) {
                    (false, _) => Step::Delete { listed, order },
                    (true, true) => Step::Forget,
                    (true, false) => Step::Idle,
                }
            }
            Step::Forget => {
                self.forget(i, bug);
                Step::Idle
            }
        };
        match next {
            Step::Idle => self.workers[i] = Worker::default(),
            next => self.workers[i].step = next,
        }
    }

    fn list(&self) -> Vec<Dropped> {
        self.inbox.clone()
    }

    fn look(&self) -> Vault {
        self.vault
    }

    /// Asks [`plan`] what to do; `None` if the run fails.
    fn follow(&self, i: usize, bug: Bug, listed: Vec<Dropped>, looked: Vault) -> Option<Step> {
        let (inbox, mut vault) = (versions(&listed), vault_state(looked));
        if let (Bug::OlderReplaces, Some(stored)) = (bug, &mut vault.stored) {
            stored.source_date = None;
        }
        let get = |version: &Version, listed: Vec<Dropped>| {
            let newest = listed.iter().find(|d| name(d.id) == version.version_id);
            Step::Get {
                newest: *newest.expect("a listed version"),
                listed,
                looked,
            }
        };
        Some(match plan(&inbox, &vault) {
            Plan::Nothing if self.workers[i].is_sweep => Step::Forget,
            Plan::Nothing => Step::Idle,
            Plan::Delete => self.delete(i, listed, bug),
            Plan::TakeBack(_) if bug == Bug::NoTakeBack => self.delete(i, listed, bug),
            Plan::TakeBack(_) => Step::TakeBack {
                stored: looked.stored.expect("a stored file").id,
                listed,
            },
            Plan::Check(version, _) => match check(looked) {
                true => self.delete(i, listed, bug),
                false if self.workers[i].has_sent => return None,
                false => get(version, listed),
            },
            Plan::Seal(version, condition) => {
                let is_file = looked.stored.is_some();
                assert_eq!(is_file, matches!(condition, Condition::Matches(_)));
                get(version, listed)
            }
        })
    }

    fn get(&self, newest: Dropped, bug: Bug) -> Option<Dropped> {
        match bug {
            Bug::PinnedGet => self.inbox.contains(&newest).then_some(newest),
            _ => (self.inbox.last() == Some(&newest)).then_some(newest),
        }
    }

    fn is_spent(&self, content: Dropped, listed: &[Dropped], looked: Vault, bug: Bug) -> bool {
        let mut inbox = versions(listed);
        if bug == Bug::SecondUseByVault {
            inbox.objects.retain(|version| version.is_latest);
            inbox.delete_markers.clear();
        }
        let newest = versions(&[content]).objects.remove(0);
        self.left.single_use
            && bug != Bug::SecondUse
            && is_spent(&inbox, &vault_state(looked), &newest)
    }

    fn discard(&self, i: usize, listed: Vec<Dropped>, looked: Vault, bug: Bug) -> Step {
        match vault_state(looked).came_back().and(looked.stored) {
            Some(Sealed { id: stored, .. }) => Step::TakeBack { stored, listed },
            None => self.delete(i, listed, bug),
        }
    }

    /// Writes if the vault is unchanged since the look, as far as S3's conditions can tell: to
    /// them, a delete marker means no file.
    fn seal(&mut self, content: Dropped, looked: Vault, bug: Bug, is_good: bool) -> bool {
        let id = |stored: Option<Sealed>| stored.map(|sealed| sealed.id);
        if bug != Bug::NoCondition && id(self.vault.stored) != id(looked.stored) {
            return false;
        }
        self.vault.stored = Some(Sealed {
            id: self.next_id(),
            version: content.version.expect("a version"),
            source: Some(content.id),
            after_delete: looked.newest_marker,
            is_good,
        });
        true
    }

    fn take_back(&mut self, stored: Id) -> bool {
        let is_current = self.vault.stored.is_some_and(|sealed| sealed.id == stored);
        if is_current {
            self.delete_in_vault();
        }
        is_current
    }

    fn delete_in_vault(&mut self) {
        self.vault = Vault {
            stored: None,
            newest_marker: Some(self.next_id()),
        };
    }

    fn delete(&self, i: usize, listed: Vec<Dropped>, bug: Bug) -> Step {
        let objects = listed.iter().filter(|d| d.version.is_some());
        let mut order: Vec<_> = objects.map(|d| d.id).collect();
        if bug == Bug::NewestFirst {
            order.reverse();
        }
        order.extend(self.spare_markers(i, &listed, bug));
        Step::Delete { listed, order }
    }

    /// Asks [`spare_markers`] which listed markers the worker removes.
    fn spare_markers(&self, i: usize, listed: &[Dropped], bug: Bug) -> Vec<Id> {
        let markers: Vec<_> = listed.iter().filter(|d| d.version.is_none()).collect();
        let listed = versions(listed);
        let old = &self.workers[i].old_markers;
        let of = |version: &Version| markers.iter().find(|d| name(d.id) == version.version_id);
        let is_old = |version: &Version| of(version).is_some_and(|d| old.contains(&d.id));
        let spare: Vec<_> = match bug {
            Bug::NewestMarkerGoes => listed.delete_markers.iter().collect(),
            _ => spare_markers(&listed, is_old).collect(),
        };
        spare.into_iter().filter_map(of).map(|d| d.id).collect()
    }

    /// The markers that may be an hour old: neither the `DELETE` that put them nor a presigned PUT is
    /// in progress, nor a run that ends within the hour.
    fn old_markers(&self, bug: Bug) -> Vec<Id> {
        if self.upload == Some(Upload::Put) && bug != Bug::ForgetUploads {
            return Vec::new();
        }
        let by_runs = self.workers.iter().flat_map(|w| &w.young_markers);
        let by_runs = by_runs.filter(|(_, runs)| bug != Bug::ForgetAfterARun || *runs == 0);
        let mut young: Vec<_> = by_runs.map(|(id, _)| *id).collect();
        young.extend(self.deletion.marker());
        let markers = self.inbox.iter().filter(|d| d.version.is_none());
        let old = markers.filter(|d| bug == Bug::ForgetAtOnce || !young.contains(&d.id));
        old.map(|d| d.id).collect()
    }

    /// Removes old markers with nothing below them, and all that lie below another one.
    fn forget(&mut self, i: usize, bug: Bug) {
        if self.inbox.iter().any(|dropped| dropped.version.is_some()) {
            return;
        }
        let mut old = Vec::new();
        if self.upload.is_none() || bug == Bug::ForgetUploads {
            old.clone_from(&self.workers[i].old_markers);
        }
        let newest = self.inbox.pop().filter(|marker| !old.contains(&marker.id));
        self.inbox = newest.into_iter().collect();
    }

    /// The next step of `DELETE /api/files/{id}`.
    fn user_deletes(&mut self, bug: Bug) {
        self.deletion = match self.deletion.clone() {
            Deletion::None => {
                self.left.deletions -= 1;
                self.may_be_deleted = self.newest;
                self.newest_at_deletion = self.newest;
                match bug {
                    Bug::LookFirst => Deletion::Begun {
                        listed: Vec::new(),
                        looked: self.look(),
                    },
                    _ => Deletion::Begun {
                        listed: self.list(),
                        looked: Vault::default(),
                    },
                }
            }
            Deletion::Begun { listed, looked } => {
                let (listed, looked) = match bug {
                    Bug::LookFirst => (self.list(), looked),
                    _ => (listed, self.look()),
                };
                let left = self.plan_delete(&listed, looked, bug);
                self.go_on(listed, left, None)
            }
            Deletion::Steps {
                listed,
                mut left,
                mut marker,
            } => {
                match left[0] {
                    DeleteStep::MarkInbox => {
                        marker = Some(self.next_id());
                        self.put_in_inbox(None);
                    }
                    DeleteStep::MarkVault | DeleteStep::PurgeVaultToMarker => {
                        self.delete_in_vault();
                    }
                    DeleteStep::PurgeVault => self.vault = Vault::default(),
                    DeleteStep::RemoveListed => return self.remove_listed(listed, marker),
                }
                left.remove(0);
                self.go_on(listed, left, marker)
            }
        };
    }

    /// Asks [`plan_delete`] what a `DELETE` does.
    fn plan_delete(&self, listed: &[Dropped], looked: Vault, bug: Bug) -> Vec<DeleteStep> {
        let mut inbox = versions(listed);
        if bug == Bug::PurgeForgets {
            inbox.delete_markers.clear();
        }
        let current = match looked.stored {
            Some(Sealed { source: None, .. }) if bug == Bug::PurgeOnly => Current::Uploaded,
            Some(_) => Current::MayReturn,
            None => Current::Nothing,
        };
        let purge = self.left.purges && self.left.deletions == 0;
        let mut steps = plan_delete(Some(&inbox), current, purge).steps;
        match bug {
            Bug::NoReminder => steps.retain(|step| *step != DeleteStep::MarkInbox),
            Bug::VaultFirst if steps.len() > 1 => steps.swap(0, 1),
            Bug::NoVaultMarker if steps.len() > 1 => steps[1] = DeleteStep::PurgeVault,
            _ => {}
        }
        steps
    }

    fn go_on(
        &mut self,
        listed: Vec<Dropped>,
        left: Vec<DeleteStep>,
        marker: Option<Id>,
    ) -> Deletion {
        match left.is_empty() {
            true => self.respond(marker),
            false => Deletion::Steps {
                listed,
                left,
                marker,
            },
        }
    }

    /// Removes the oldest listed version or marker; the others follow in later steps.
    fn remove_listed(&mut self, mut listed: Vec<Dropped>, marker: Option<Id>) {
        if !listed.is_empty() {
            let oldest = listed.remove(0);
            self.inbox.retain(|dropped| dropped.id != oldest.id);
        }
        self.deletion = match listed.is_empty() {
            true => self.respond(marker),
            false => Deletion::Steps {
                listed,
                left: vec![DeleteStep::RemoveListed],
                marker,
            },
        };
    }

    fn respond(&mut self, marker: Option<Id>) -> Deletion {
        self.must_be_deleted = self.newest_at_deletion;
        self.deletion_died = false;
        self.end_deletion(marker);
        Deletion::None
    }

    /// The runs in progress began before the `DELETE` ended.
    fn end_deletion(&mut self, marker: Option<Id>) {
        for worker in self.workers.iter_mut().filter(|w| w.step != Step::Idle) {
            worker.young_markers.extend(marker.map(|id| (id, 0)));
        }
    }

    /// Nothing is in progress, and nothing is left for a sweep.
    fn is_end(&self) -> bool {
        self.events == 0
            && self.inbox.is_empty()
            && self.workers.iter().all(|w| w.step == Step::Idle)
            && self.deletion == Deletion::None
    }

    /// Whether the invariant of every state is broken: the newest version, unless its user has
    /// deleted it, is in the inbox or readable and intact.
    fn loses(&self) -> bool {
        let dropped = self.inbox.iter().any(|d| d.version == Some(self.newest));
        let sealed = self.vault.stored;
        let sealed = sealed.is_some_and(|s| s.is_good && s.version == self.newest);
        self.newest > self.may_be_deleted && !dropped && !sealed
    }

    /// Whether the invariant of end states is broken: the newest version is readable, the vault
    /// holds nothing else, and no deleted version has come back. A version that was dropped during
    /// a `DELETE` may leave a file that does not open. A `DELETE` that died may leave anything that
    /// it was to delete; it has to be repeated.
    fn ends_badly(&self) -> bool {
        let may_be_deleted = self.newest <= self.may_be_deleted;
        match self.vault.stored {
            _ if self.deletion_died && may_be_deleted => false,
            Some(sealed) => {
                sealed.version != self.newest
                    || sealed.version <= self.must_be_deleted
                    || !(sealed.is_good || may_be_deleted)
            }
            None => !may_be_deleted,
        }
    }

    fn next_id(&mut self) -> Id {
        let mut highest = 0;
        self.for_each_id(&mut |id| highest = highest.max(*id));
        highest + 1
    }

    /// Renumbers all ids and sorts the workers: states that differ only in these are one state.
    fn normalize(&mut self) {
        let inbox = &self.inbox;
        for worker in &mut self.workers {
            let is_in_inbox = |(id, _): &(Id, u8)| inbox.iter().any(|d| d.id == *id);
            worker.young_markers.retain(is_in_inbox);
        }
        self.workers.sort();
        let mut order = Vec::new();
        self.for_each_id(&mut |id| {
            if !order.contains(id) {
                order.push(*id);
            }
        });
        self.for_each_id(&mut |id| {
            let number = order.iter().position(|known| known == id);
            *id = 1 + u8::try_from(number.expect("a known id")).expect("few ids");
        });
    }

    fn for_each_id(&mut self, f: &mut dyn FnMut(&mut Id)) {
        self.inbox.iter_mut().for_each(|dropped| f(&mut dropped.id));
        self.vault.for_each_id(f);
        match &mut self.deletion {
            Deletion::None => {}
            Deletion::Begun { listed, looked } => {
                listed.iter_mut().for_each(|d| f(&mut d.id));
                looked.for_each_id(f);
            }
            Deletion::Steps { listed, marker, .. } => {
                listed.iter_mut().for_each(|d| f(&mut d.id));
                marker.iter_mut().for_each(&mut *f);
            }
        }
        for worker in &mut self.workers {
            worker.step.for_each_id(f);
            worker.old_markers.iter_mut().for_each(&mut *f);
            let young_markers = worker.young_markers.iter_mut();
            young_markers.for_each(|(id, _)| f(id));
        }
    }
}

impl Vault {
    fn for_each_id(&mut self, f: &mut dyn FnMut(&mut Id)) {
        if let Some(sealed) = &mut self.stored {
            f(&mut sealed.id);
            sealed.source.iter_mut().for_each(&mut *f);
            sealed.after_delete.iter_mut().for_each(&mut *f);
        }
        self.newest_marker.iter_mut().for_each(f);
    }
}

impl Deletion {
    /// The marker that it has put in the inbox.
    fn marker(&self) -> Option<Id> {
        match self {
            Self::Steps { marker, .. } => *marker,
            Self::None | Self::Begun { .. } => None,
        }
    }
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::List => "list",
            Self::Look { .. } => "look, check",
            Self::Get { .. } => "get",
            Self::Seal { .. } => "seal",
            Self::TakeBack { .. } => "take_back",
            Self::Delete { .. } => "delete",
            Self::Forget => "forget",
        }
    }

    fn for_each_id(&mut self, f: &mut dyn FnMut(&mut Id)) {
        let listed = match self {
            Self::Idle | Self::List | Self::Forget => return,
            Self::Look { listed } => listed,
            Self::Get {
                newest: dropped,
                listed,
                looked,
            }
            | Self::Seal {
                content: dropped,
                listed,
                looked,
            } => {
                f(&mut dropped.id);
                looked.for_each_id(f);
                listed
            }
            Self::TakeBack { stored, listed } => {
                f(stored);
                listed
            }
            Self::Delete { listed, order } => {
                order.iter_mut().for_each(&mut *f);
                listed
            }
        };
        listed.iter_mut().for_each(|dropped| f(&mut dropped.id));
    }
}

fn check(looked: Vault) -> bool {
    looked.stored.is_some_and(|sealed| sealed.is_good)
}

fn name(id: Id) -> String {
    format!("id{id}")
}

/// S3's date of a version, in whole seconds: of those that are dropped, all have the same.
fn date(version: u8) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(version.min(1).into())
}

/// A listing, as the code receives it.
fn versions(listed: &[Dropped]) -> Versions {
    let mut versions = Versions::default();
    for (i, dropped) in listed.iter().rev().enumerate() {
        let version = Version {
            version_id: name(dropped.id),
            is_latest: i == 0,
            last_modified: date(dropped.version.unwrap_or_default()),
            size: 1,
            e_tag: String::new(),
        };
        match dropped.version {
            Some(_) => versions.objects.push(version),
            None => versions.delete_markers.push(version),
        }
    }
    versions
}

/// What `look` saw, as the code receives it.
fn vault_state(looked: Vault) -> VaultState {
    VaultState {
        stored: looked.stored.map(|sealed| StoredFile {
            e_tag: name(sealed.id),
            size: 1,
            header: None,
            checksum: None,
            source_version: sealed.source.map(name),
            source_date: sealed.source.map(|_| date(sealed.version)),
            after_delete: Some(sealed.after_delete.map_or(NO_DELETE.to_owned(), name)),
        }),
        newest_marker: looked.newest_marker.map(name),
    }
}

/// The result of an exploration.
#[derive(Default)]
struct Explored {
    states: usize,
    steps: usize,
    /// What is wrong with the first bad state, and the steps that lead to it.
    found: Option<(&'static str, Vec<&'static str>)>,
}

/// Explores every order, breadth first.
fn explore(start: World, bug: Bug) -> Explored {
    let mut explored = Explored::default();
    let mut worlds = IndexSet::from([start]);
    let mut came_from = vec![(0, "")];
    // Pairs of states: successor, predecessor.
    let mut steps = Vec::new();
    let mut ends = Vec::new();
    let mut number = 0;
    while let Some(world) = worlds.get_index(number) {
        let is_end = world.is_end();
        if is_end {
            ends.push(short(number));
        }
        let found = match is_end {
            _ if world.loses() => Some("lost"),
            true if world.ends_badly() => Some("a bad end"),
            _ => None,
        };
        if let Some(what) = found {
            explored.found = Some((what, path(&came_from, number)));
            break;
        }
        for (name, next) in world.successors(bug) {
            let (to, is_new) = worlds.insert_full(next);
            if is_new {
                came_from.push((number, name));
            }
            steps.push((short(to), short(number)));
        }
        number += 1;
    }
    if explored.found.is_none() {
        let stuck = first_without_end(worlds.len(), &mut steps, ends);
        explored.found = stuck.map(|number| ("no end in sight", path(&came_from, number)));
    }
    explored.states = worlds.len();
    explored.steps = steps.len();
    explored
}

/// A state from which no end can be reached.
fn first_without_end(states: usize, steps: &mut [(u32, u32)], ends: Vec<u32>) -> Option<usize> {
    steps.sort_unstable();
    let mut reaches = vec![false; states];
    let mut todo = ends;
    while let Some(state) = todo.pop() {
        if !std::mem::replace(&mut reaches[state as usize], true) {
            let start = steps.partition_point(|(to, _)| *to < state);
            let into = steps[start..].iter().take_while(|(to, _)| *to == state);
            todo.extend(into.map(|(_, from)| from));
        }
    }
    reaches.iter().position(|reaches| !reaches)
}

fn short(state: usize) -> u32 {
    u32::try_from(state).expect("fewer than four billion states")
}

fn path(came_from: &[(usize, &'static str)], mut number: usize) -> Vec<&'static str> {
    let mut path = Vec::new();
    while number != 0 {
        path.push(came_from[number].1);
        number = came_from[number].0;
    }
    path.reverse();
    path
}

fn ends_well(start: World) {
    let Explored {
        states,
        steps,
        found,
    } = explore(start.clone(), Bug::None);
    println!("{states} states, {steps} steps: {:?}", start.left);
    assert_eq!(found, None);
}

#[test]
fn every_order_of_steps_ends_well() {
    ends_well(World::new(ONE_OF_EACH));
}

#[test]
fn every_order_with_two_deletions_ends_well() {
    ends_well(World::new(TWO_DELETIONS));
    ends_well(World::new(A_DELETION_AND_A_PURGE));
}

#[test]
fn an_older_multipart_upload_neither_replaces_nor_returns() {
    ends_well(World::with_multipart_upload(A_DELETION));
}

#[test]
fn a_late_put_does_not_restore_a_purged_file() {
    ends_well(World::with_put(A_DELETION_AND_A_PURGE));
}

#[test]
fn a_late_put_and_a_drop_do_not_restore_a_purged_file() {
    ends_well(World::with_put(A_DROP_A_DELETION_AND_A_PURGE));
}

#[test]
fn a_presigned_request_stores_one_file() {
    ends_well(World::new(TWO_USES));
}

#[test]
fn every_seeded_bug_is_found() {
    for (start, bug) in [
        (World::new(ONE_OF_EACH), Bug::DeleteBeforeCheck),
        (World::new(ONE_OF_EACH), Bug::NoCondition),
        (World::new(ONE_OF_EACH), Bug::NewestFirst),
        (World::new(ONE_OF_EACH), Bug::PinnedGet),
        (World::new(ONE_OF_EACH), Bug::NoTakeBack),
        (World::new(ONE_OF_EACH), Bug::VaultFirst),
        (World::new(ONE_OF_EACH), Bug::NoReminder),
        (World::new(ONE_OF_EACH), Bug::ForgetAtOnce),
        (World::new(A_DELETION_AND_A_PURGE), Bug::PurgeForgets),
        (World::new(ONE_OF_EACH), Bug::LookFirst),
        (World::new(ONE_OF_EACH), Bug::NoVaultMarker),
        (World::new(ONE_OF_EACH), Bug::NewestMarkerGoes),
        (World::with_multipart_upload(A_DELETION), Bug::ForgetUploads),
        (World::with_multipart_upload(A_DELETION), Bug::OlderReplaces),
        (World::with_put(A_DELETION_AND_A_PURGE), Bug::ForgetUploads),
        (World::with_put(A_DELETION_AND_A_PURGE), Bug::PurgeOnly),
        (
            World::with_put(A_DROP_A_DELETION_AND_A_PURGE),
            Bug::ForgetAfterARun,
        ),
        (World::new(TWO_USES), Bug::SecondUse),
        (World::new(TWO_USES), Bug::SecondUseByVault),
    ] {
        let Explored { states, found, .. } = explore(start, bug);
        println!("{bug:?}, after {states} states: {found:?}");
        assert!(found.is_some(), "{bug:?}");
    }
}

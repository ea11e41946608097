//! A node that follows the master: one long poll after the other, and what each answer means.
//!
//! Promises: at most one poll is in flight, from its sending until its answer is applied; an answer that contradicts what
//! was seen is never applied; every change is told once.

use rand_core::CryptoRng;

use super::{
    ASK_AROUND_APART, ASK_AROUND_FLEET, ASK_AROUND_MAX, ASK_AROUND_SOON, Ask, Body, Contact, Contradiction,
    CustodyFact, DEGRADED_AFTER, DEGRADED_MISSES, Effects, Event, Facts, Failure, HOLD_MAX, Head, Held,
    KeySetMark, Marks, Moment, Notify, POLL_DEADLINE_EXTRA, POLLS_APART, Persist, PollId, ProvenGrant,
    RETRY_FIRST, RETRY_MAX, RETRY_SHARE, RETRY_SOON, STALL, STARTING_LIMIT, SecretFact, Send, Settings,
    Standing, draw,
};
use crate::id::{Epoch, KeyVersion};

/// A poll from its sending until its answer is applied.
#[derive(Clone, Debug)]
struct InFlight {
    poll: PollId,
    sent: Moment,
    deadline: Moment,
    hold: u64,
    /// The head, once its body is being taken over. From then on there is no deadline: the loop ends it.
    applying: Option<Head>,
}

/// What was told and is not over.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    unreachable: bool,
    contradiction: Option<Contradiction>,
    stale: bool,
    damaged: bool,
}

/// The following node. Volatile; what must last is in [`Held`].
#[derive(Clone, Debug)]
pub struct Node {
    held: Held,
    settings: Settings,
    started: Moment,
    /// The latest moment ever told: a clock that goes back is not followed.
    now: Moment,
    /// When the ask of the last answered poll went out.
    proven: Option<Moment>,
    missed: u32,
    last: Option<Failure>,
    in_flight: Option<InFlight>,
    /// When to poll next, if none is in flight.
    next: Moment,
    /// The next retry comes within this.
    retry: u64,
    /// When to ask around next, while the master is silent.
    around: Option<Moment>,
    /// The wait after that.
    around_apart: u64,
    /// When it was last asked around.
    asked_around: Option<Moment>,
    /// The machine stood still: what has got old meanwhile is told only when the next poll fails.
    woke: bool,
    contradiction: Option<Contradiction>,
    wanted: Option<KeyVersion>,
    /// Since when a newer version is known of: a poll that goes out from then on may bring it.
    hopes: Option<Moment>,
    told: Told,
}

impl Node {
    /// A node that holds this. Nothing happens before [`Event::Started`].
    pub fn new(held: Held, settings: Settings, now: Moment) -> Self {
        let told = Told { damaged: held.damaged, ..Told::default() };
        let wanted = held.version;
        Self {
            held,
            settings,
            started: now,
            now,
            proven: None,
            missed: 0,
            last: None,
            in_flight: None,
            next: now,
            retry: RETRY_FIRST,
            around: None,
            around_apart: ASK_AROUND_APART,
            asked_around: None,
            woke: false,
            contradiction: None,
            wanted,
            hopes: None,
            told,
        }
    }

    /// Takes one event. `rng` draws the ids of polls and the jitter.
    pub fn step(&mut self, now: Moment, event: Event, rng: &mut impl CryptoRng) -> Effects {
        let mut effects = Effects::default();
        // A step long after its time: the machine or the process stood still, so lateness proves nothing.
        let stalled = self.wakes_at().is_some_and(|due| now.since(due) >= STALL);
        self.now = self.now.max(now);
        self.woke |= stalled;
        self.take(event, &mut effects, rng);
        if self.held.standing == Standing::Member {
            self.expire(stalled, rng);
            self.poll(&mut effects, rng);
            self.ask_around(&mut effects, rng);
        }
        self.tell(&mut effects);
        effects
    }

    /// When the next [`Event::Tick`] is due; `None` where the node only waits for the loop.
    pub fn wakes_at(&self) -> Option<Moment> {
        if self.held.standing != Standing::Member {
            return None;
        }
        let poll = match &self.in_flight {
            None if self.leads() => None,
            None => Some(self.next),
            Some(InFlight { applying: None, deadline, .. }) => Some(*deadline),
            Some(_) => None,
        };
        let starts = self.started.after(STARTING_LIMIT);
        let starting = (self.proven.is_none() && self.now < starts).then_some(starts);
        let ages = self.proven.unwrap_or(self.started).after(DEGRADED_AFTER);
        let ageing = (self.now < ages).then_some(ages);
        [poll, starting, ageing, self.around].into_iter().flatten().min()
    }

    /// Contact with the master as of `now`.
    pub fn contact(&self, now: Moment) -> Contact {
        let missed = self.missed;
        match self.proven {
            None => Contact::NeverYet { since: now.since(self.started), missed },
            Some(proven) => Contact::Age { ms: now.since(proven), missed },
        }
    }

    /// The facts of this node, with what only the loop knows: custody, and the active version that is ready to use.
    pub fn facts(&self, now: Moment, custody: CustodyFact, held: Option<KeyVersion>) -> Facts {
        Facts {
            custody,
            secret: SecretFact { held, wanted: self.wanted },
            contact: self.contact(now),
            standing: self.held.standing,
            contradiction: self.contradiction,
            master_here: false,
        }
    }

    /// What it knows that it durably holds.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// Whether this node is the master by the highest grant that it knows. Then it asks nobody: the loop makes it the master.
    pub fn leads(&self) -> bool {
        let own = |grant: &super::Rank| grant.node == self.held.node && grant.epoch >= self.held.seen.epoch;
        self.held.grant.as_ref().is_some_and(own)
    }

    /// The poll in flight, from its sending until its answer is applied.
    pub fn in_flight(&self) -> Option<PollId> {
        self.in_flight.as_ref().map(|flight| flight.poll)
    }

    fn take(&mut self, event: Event, effects: &mut Effects, rng: &mut impl CryptoRng) {
        match event {
            Event::Started | Event::Tick => {}
            Event::Woke => {
                self.woke = true;
                self.poll_at_once();
            }
            Event::NetworkReturned | Event::Nudged => self.poll_at_once(),
            Event::Settings(settings) => self.settings = settings,
            Event::Evidence(version) => {
                if self.wanted < Some(version) {
                    self.wanted = Some(version);
                    self.hopes = Some(self.now);
                    self.poll_at_once();
                }
            }
            Event::Granted(grant) => self.granted(grant, effects),
            Event::Damaged => {
                if !self.held.damaged {
                    self.damaged(effects);
                    self.poll_at_once();
                }
            }
            Event::Head { poll, head } => {
                if self.waits_for(poll) {
                    self.head(head, effects, rng);
                }
            }
            Event::Piece { poll, asked } => {
                if self.applies(poll).is_some() {
                    self.proven = self.proven.max(Some(asked.min(self.now)));
                }
            }
            Event::Applied { poll, held } => {
                if let Some(head) = self.applies(poll) {
                    self.applied(held, &head, effects, rng);
                }
            }
            Event::ApplyFailed { poll, held } => {
                if self.applies(poll).is_some() {
                    self.hold_now(held, false);
                    self.fail(Failure::NotApplied, rng);
                }
            }
            Event::Failed { poll, failure } => {
                if self.in_flight() == Some(poll) {
                    self.failed(failure, effects, rng);
                }
            }
        }
    }

    fn waits_for(&self, poll: PollId) -> bool {
        self.in_flight.as_ref().is_some_and(|flight| flight.poll == poll && flight.applying.is_none())
    }

    fn applies(&self, poll: PollId) -> Option<Head> {
        self.in_flight.as_ref().filter(|flight| flight.poll == poll)?.applying.clone()
    }

    /// What the head says is compared with what was seen; only then is its body taken over.
    fn head(&mut self, head: Head, effects: &mut Effects, rng: &mut impl CryptoRng) {
        // A replica that was made anew, of epoch 0, has seen nothing: it begins with whom it was given as the master.
        if head.at.epoch > self.held.seen.epoch && self.held.seen.epoch > Epoch(0) {
            // Another node is the master, it says. Its grant is what counts.
            self.fail(Failure::Superseded, rng);
            return self.around_now();
        }
        if let Some(contradiction) = contradicts(&head, &self.held) {
            self.contradiction = Some(contradiction);
            return self.fail(Failure::Refused, rng);
        }
        self.contradiction = None;
        // A new reign may have another active version, a lower one too. A newer one is on its way with this answer.
        if head.at.epoch > self.held.at.epoch || self.wanted < Some(head.version) {
            self.wanted = Some(head.version);
            self.hopes = self.in_flight.as_ref().map(|flight| flight.sent);
        }
        // The master is back: what now fails is another trouble, and starts with short waits again.
        if !matches!(self.last, Some(Failure::NotApplied | Failure::Refused | Failure::Superseded)) {
            self.retry = RETRY_FIRST;
        }
        if head.body == Body::Nothing {
            let keys = Some(head.version) == self.held.version && Some(head.keys) == self.held.keys;
            let same = head.at == self.held.at && keys;
            if same && !self.held.damaged && head.counts != self.held.counts {
                self.damaged(effects);
                return self.answered(true);
            }
            // "Nothing new" from a master that has something, or that was asked for all, is no answer.
            return if same && !self.held.damaged {
                self.answered(false)
            } else {
                self.fail(Failure::Refused, rng)
            };
        }
        let poll = {
            let flight = self.in_flight.as_mut().expect("a head is taken for the poll in flight");
            self.held.seen = self.held.seen.max(head.at);
            flight.applying = Some(head);
            flight.poll
        };
        effects.persist.push(Persist::Apply { poll, seen: self.held.seen });
    }

    fn applied(&mut self, held: Held, head: &Head, effects: &mut Effects, rng: &mut impl CryptoRng) {
        let before = self.holds();
        self.hold_now(held, head.body == Body::Full);
        // Pieces may have brought what came after the head; then there is nothing to count against.
        if self.held.at == head.at && self.held.counts != head.counts {
            self.damaged(effects);
        }
        let there = self.held.at >= head.at && self.held.audit.line >= head.audit.line;
        let keys = self.held.version >= Some(head.version) && self.held.keys == Some(head.keys);
        let whole = there && !self.held.damaged && keys;
        let moved = before != self.holds();
        match (whole, head.body) {
            (true, _) => self.answered(true),
            // Behind or damaged, but further than before, or a full copy was not tried yet: ask on at once.
            (false, Body::Delta) if moved || self.held.damaged => self.answered(true),
            // A full copy that is wrong, or a body that brings nothing: not as fast as the network allows.
            _ => self.fail(Failure::NotApplied, rng),
        }
    }

    /// What a body may bring further.
    fn holds(&self) -> (Marks, u64, Option<KeyVersion>, Option<KeySetMark>) {
        (self.held.at, self.held.audit.line, self.held.version, self.held.keys)
    }

    /// What the store says, except that what was seen once stays seen.
    fn hold_now(&mut self, held: Held, anew: bool) {
        let seen = self.held.seen.max(held.seen);
        // What was damaged while a delta was taken over still is.
        let damaged = held.damaged || (self.held.damaged && !anew);
        self.held = Held { seen, damaged, ..held };
        self.wanted = self.wanted.max(self.held.version);
    }

    /// The answer counts. What proves contact is when its ask went out: then the way there, the master, and the way back
    /// have all worked after that moment.
    fn answered(&mut self, news: bool) {
        let flight = self.end_poll().expect("an answer belongs to the poll in flight");
        self.proven = self.proven.max(Some(flight.sent));
        self.missed = 0;
        self.last = None;
        self.retry = RETRY_FIRST;
        self.around = None;
        self.around_apart = ASK_AROUND_APART;
        self.woke = false;
        // A master that does not hold what it is asked to hold must not make the node spin.
        let spins = !news && flight.hold > 0;
        self.next = if spins { flight.sent.after(POLLS_APART).max(self.now) } else { self.now };
    }

    fn failed(&mut self, failure: Failure, effects: &mut Effects, rng: &mut impl CryptoRng) {
        match failure {
            Failure::Revoked => self.end(Standing::Revoked, Notify::Revoked, effects),
            Failure::Cloned => self.end(Standing::Cloned, Notify::Cloned, effects),
            Failure::OtherSystem => {
                self.contradiction = Some(Contradiction::OtherSystem);
                self.fail(failure, rng);
            }
            Failure::Superseded => {
                self.fail(failure, rng);
                self.around_now();
            }
            _ => self.fail(failure, rng),
        }
    }

    /// It is no member any more, durably: nothing is asked from here on.
    fn end(&mut self, standing: Standing, told: Notify, effects: &mut Effects) {
        self.in_flight = None;
        self.held.standing = standing;
        effects.persist.push(Persist::Standing(standing));
        effects.notify.push(told);
    }

    /// The poll has come to its end, well or not.
    fn end_poll(&mut self) -> Option<InFlight> {
        let flight = self.in_flight.take()?;
        self.hopes = self.hopes.filter(|since| flight.sent < *since);
        Some(flight)
    }

    fn fail(&mut self, failure: Failure, rng: &mut impl CryptoRng) {
        self.end_poll();
        self.missed = self.missed.saturating_add(1);
        self.last = Some(failure);
        self.woke = false;
        // Full jitter, so that a whole fleet does not come back in one moment.
        self.next = self.now.after(draw(rng, self.retry));
        let lost = self.now.since(self.proven.unwrap_or(self.started));
        self.retry = (self.retry * 2).min(retry_within(lost));
        // A body that can't be taken over came from the master: it is there.
        if self.around.is_none() && failure != Failure::NotApplied {
            self.around = Some(self.now.after(draw(rng, ASK_AROUND_SOON)));
        }
    }

    /// A grant that was proven. A lower one is not followed, nor one for an epoch that was seen without it.
    fn granted(&mut self, grant: ProvenGrant, effects: &mut Effects) {
        if !grant.outranks(self.held.seen.epoch, self.held.grant) || self.held.standing != Standing::Member {
            return;
        }
        let begins = grant.grant().begins;
        let rank = grant.rank();
        if self.held.at.epoch == rank.epoch {
            // The replica is of another master of this epoch: what it holds is of a history that ended.
            self.held.at.epoch = begins.epoch;
        }
        self.held.seen = Marks { epoch: rank.epoch, generation: begins.generation };
        self.held.grant = Some(rank);
        // Whatever is under way comes from the former master.
        self.in_flight = None;
        self.next = self.now;
        self.retry = RETRY_FIRST;
        effects.persist.push(Persist::Grant(grant));
        effects.notify.push(Notify::Master(rank));
    }

    /// Asks around at once, but not again and again.
    fn around_now(&mut self) {
        let earliest = self.asked_around.map_or(self.now, |last| last.after(ASK_AROUND_APART).max(self.now));
        self.around = Some(self.around.map_or(earliest, |planned| planned.min(earliest)));
    }

    fn ask_around(&mut self, effects: &mut Effects, rng: &mut impl CryptoRng) {
        if self.around.is_none() && self.leads() {
            // Another may be granted a higher epoch before this one takes its seat.
            self.around = Some(self.now);
        }
        if self.around.is_none_or(|due| due > self.now) {
            return;
        }
        let half = self.around_apart / 2;
        self.asked_around = Some(self.now);
        self.around = Some(self.now.after(half + draw(rng, half)));
        self.around_apart = (self.around_apart * 2).min(around_within(self.held.nodes));
        effects.send.push(Send::AskAround);
    }

    fn damaged(&mut self, effects: &mut Effects) {
        if !self.held.damaged {
            self.held.damaged = true;
            effects.persist.push(Persist::Damaged);
        }
    }

    /// Gives up waiting, unless the wait is young or the answer is already being taken over.
    fn poll_at_once(&mut self) {
        match &self.in_flight {
            Some(flight) if flight.applying.is_some() || self.now.since(flight.sent) < POLLS_APART => {}
            _ => {
                self.in_flight = None;
                self.next = self.now;
            }
        }
    }

    fn expire(&mut self, stalled: bool, rng: &mut impl CryptoRng) {
        let Some(flight) = &self.in_flight else { return };
        if flight.applying.is_none() && self.now >= flight.deadline {
            if stalled { self.poll_at_once() } else { self.fail(Failure::Unreachable, rng) }
        }
    }

    fn poll(&mut self, effects: &mut Effects, rng: &mut impl CryptoRng) {
        if self.in_flight.is_some() || self.now < self.next || self.leads() {
            return;
        }
        let fresh = self.proven.is_some_and(|proven| self.now.since(proven) < DEGRADED_AFTER);
        // Nothing is waited for before contact is proven anew.
        let calm = fresh && self.missed == 0 && !self.woke && !self.held.damaged;
        let hold = if calm {
            let most = self.settings.sync_interval.min(HOLD_MAX);
            most - draw(rng, most / 4)
        } else {
            0
        };
        let poll = PollId(rng.next_u64());
        let deadline = hold + POLL_DEADLINE_EXTRA;
        let ask = Ask {
            seen: self.held.seen,
            at: self.held.at,
            audit: self.held.audit.clone(),
            version: self.held.version,
            keys: self.held.keys,
            full: self.held.damaged,
            hold,
        };
        let flight =
            InFlight { poll, sent: self.now, deadline: self.now.after(deadline), hold, applying: None };
        self.in_flight = Some(flight);
        effects.send.push(Send::Poll { poll, ask, deadline });
    }

    /// Tells what changed since it was last told.
    fn tell(&mut self, effects: &mut Effects) {
        if self.held.standing != Standing::Member {
            return;
        }
        let tell = &mut effects.notify;
        if self.contradiction != self.told.contradiction {
            tell.push(self.contradiction.map_or(Notify::Agreed, Notify::Contradiction));
            self.told.contradiction = self.contradiction;
        }
        let old = self.now.since(self.proven.unwrap_or(self.started)) >= DEGRADED_AFTER;
        // Who is to be the master polls nobody: no answer will tell that all is well.
        let lost = self.missed >= DEGRADED_MISSES || (old && (!self.woke || self.leads()));
        if lost && self.contradiction.is_none() && !self.told.unreachable {
            let since = self.proven.unwrap_or(self.started);
            tell.push(Notify::Unreachable { since, last: self.last });
            self.told.unreachable = true;
        }
        if self.told.unreachable && !lost && !old && self.contradiction.is_none() {
            tell.push(Notify::Restored);
            self.told.unreachable = false;
        }
        match self.wanted.filter(|wanted| self.held.version.is_none_or(|held| held < *wanted)) {
            Some(wanted) if self.hopes.is_none() && !self.told.stale => {
                tell.push(Notify::Stale { held: self.held.version, wanted });
                self.told.stale = true;
            }
            None if self.told.stale => {
                tell.push(Notify::Current);
                self.told.stale = false;
            }
            _ => {}
        }
        if self.held.damaged != self.told.damaged {
            tell.push(if self.held.damaged { Notify::Damaged } else { Notify::Repaired });
            self.told.damaged = self.held.damaged;
        }
    }
}

/// The longest time within which a retry comes when contact is lost for so long. Never longer than the outage has lasted:
/// people who try again and again must not push the next try away.
pub(super) fn retry_within(lost: u64) -> u64 {
    lost.min(RETRY_SOON).max(lost / RETRY_SHARE).clamp(RETRY_FIRST, RETRY_MAX)
}

/// The longest wait between two times of asking around in a system of so many nodes.
pub(super) fn around_within(nodes: u64) -> u64 {
    (nodes.min(ASK_AROUND_FLEET) * ASK_AROUND_MAX / ASK_AROUND_FLEET).max(ASK_AROUND_APART)
}

/// How a head contradicts what a node holds and has seen, if it does.
pub fn contradicts(head: &Head, held: &Held) -> Option<Contradiction> {
    if head.system != held.system {
        return Some(Contradiction::OtherSystem);
    }
    if head.at.epoch < held.seen.epoch {
        return Some(Contradiction::LowerEpoch);
    }
    let same_epoch = held.at.epoch == head.at.epoch;
    // A new reign may not have what the former one made active: then that is stranded with it.
    if same_epoch && held.version.is_some_and(|version| head.version < version) {
        return Some(Contradiction::LowerVersion);
    }
    // An epoch that is not granted yet is refused before this; in a new one the history may be another.
    if head.at.epoch > held.seen.epoch {
        return None;
    }
    if head.at.generation < held.seen.generation {
        return Some(Contradiction::LowerGeneration);
    }
    // A trail that ends before ours is another one too: audit entries are never taken away.
    let continues = held.audit.line == 0 || head.known.as_ref() == Some(&held.audit.hash);
    (same_epoch && !continues).then_some(Contradiction::OtherHistory)
}

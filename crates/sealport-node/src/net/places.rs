//! Places for callers that are not known yet: in a handshake, or without a certificate. They are few, so nobody keeps one by
//! doing nothing: where all are taken, who has not got on for longest gives way, and an address that holds many at once.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, sync::oneshot};

use super::crowd::PutOut;

/// Places in all.
const LIMIT: usize = 256;
/// An address that holds more of them gives way to others at once.
const SHARE: usize = LIMIT / 4;
/// Whoever holds a place for longer gives way: a handshake is a few round trips.
const SLOW: Duration = Duration::from_secs(1);
/// How often one who waits for a place looks again.
const LOOK: Duration = Duration::from_millis(50);
/// What is looked at of the first record of a handshake: one that is longer counts as said when so much is there.
const HELLO: usize = 512;
/// The kind of record that a handshake begins with.
const HANDSHAKE: u8 = 22;

/// The places of one server.
#[derive(Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    next: u64,
    /// In the order in which they were taken.
    holders: BTreeMap<u64, Holder>,
}

struct Holder {
    from: IpAddr,
    since: Instant,
    /// Its request is being carried out: it does not give way.
    works: bool,
    _out: oneshot::Sender<Infallible>,
}

/// A place, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
}

/// While it lives, the holder of the place does not give way.
pub(super) struct Works(Arc<Place>);

impl Places {
    /// Waits for a place. The second ends when its holder has to give way.
    pub(super) async fn enter(self: &Arc<Self>, from: IpAddr) -> (Place, PutOut) {
        loop {
            if let Some(entered) = self.try_enter(site(from), Instant::now()) {
                return entered;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn try_enter(self: &Arc<Self>, from: IpAddr, now: Instant) -> Option<(Place, PutOut)> {
        let mut taken = self.taken();
        if taken.holders.len() >= LIMIT {
            let gives_way = taken.gives_way(from, now)?;
            taken.holders.remove(&gives_way);
        }
        let (number, (stays, put_out)) = (taken.next, oneshot::channel());
        taken.next += 1;
        taken.holders.insert(number, Holder { from, since: now, works: false, _out: stays });
        Some((Place { places: self.clone(), number }, put_out))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Who makes room for a caller from there, if anybody has to.
    fn gives_way(&self, from: IpAddr, now: Instant) -> Option<u64> {
        let idle = || self.holders.iter().filter(|(_, holder)| !holder.works);
        let (first, holder) = idle().next()?;
        if now.saturating_duration_since(holder.since) >= SLOW {
            return Some(*first);
        }
        let mut held = BTreeMap::<_, usize>::new();
        idle().for_each(|(_, holder)| *held.entry(holder.from).or_default() += 1);
        let (most, count) = held.into_iter().max_by_key(|(_, count)| *count)?;
        let many = count > SHARE && most != from;
        idle().find(|(_, holder)| many && holder.from == most).map(|(number, _)| *number)
    }
}

impl Place {
    /// Its holder has asked for something that is now carried out.
    pub(super) fn works(self: Arc<Self>) -> Works {
        self.mark(true);
        Works(self)
    }

    fn mark(&self, works: bool) {
        if let Some(holder) = self.places.taken().holders.get_mut(&self.number) {
            holder.works = works;
        }
    }
}

impl Drop for Works {
    fn drop(&mut self) {
        self.0.mark(false);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().holders.remove(&self.number);
    }
}

/// Where a caller is: of an IPv6 address the network, since whoever has one has all of it.
fn site(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(from) => IpAddr::V6(Ipv6Addr::from_bits(from.to_bits() >> 64 << 64)),
        from => from,
    }
}

/// Waits until a caller has said the first record of its handshake, or anything that is none. Until then it takes no place:
/// what it said lies with the system.
pub(super) async fn has_spoken(stream: &TcpStream) -> Option<()> {
    let mut pause = Duration::from_millis(1);
    loop {
        let mut said = [0; HELLO];
        let length = stream.peek(&mut said).await.ok()?;
        let whole = usize::from(u16::from_be_bytes([said[3], said[4]])) + 5;
        match length {
            0 => return None,
            1..5 if said[0] == HANDSHAKE => {}
            length if said[0] == HANDSHAKE && length < whole.min(HELLO) => {}
            _ => return Some(()),
        }
        // What was said already does not go away, so nothing tells when there is more.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn is_out(out: &mut PutOut) -> bool {
        out.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    /// Sabotage: put the newest out; put out whoever is at work; let nobody go, or somebody before the time.
    #[test]
    fn who_holds_a_place_for_long_gives_way_and_who_is_at_work_does_not() {
        let (places, begun) = (Arc::new(Places::default()), Instant::now());
        let enter = |at| places.try_enter(address(1), begun + at);
        let mut inside: Vec<_> = (0..LIMIT).map(|_| enter(Duration::ZERO).expect("there is room")).collect();
        let at_work = Arc::new(inside.remove(0).0).works();
        assert!(enter(SLOW / 2).is_none(), "none of them is slow yet");
        let (_place, mut out) = enter(SLOW).expect("one gives way");
        assert!(is_out(&mut inside[0].1) && !is_out(&mut inside[1].1) && !is_out(&mut out));
        // Its own end takes nobody else's place away.
        drop(inside.remove(0));
        assert_eq!(places.taken().holders.len(), LIMIT);
        drop(at_work);
        assert_eq!(places.taken().holders.len(), LIMIT - 1);
    }

    /// Sabotage: count no addresses; let an address push out its own.
    #[test]
    fn an_address_that_holds_many_gives_way_to_others() {
        let (places, now) = (Arc::new(Places::default()), Instant::now());
        let enter = |from| places.try_enter(from, now);
        let mut many: Vec<_> = (0..LIMIT).map(|_| enter(address(1)).expect("there is room")).collect();
        assert!(enter(address(1)).is_none());
        let others: Vec<_> = (0..LIMIT).map_while(|n| enter(address(2 + (n % 4) as u8))).collect();
        assert_eq!(others.len(), LIMIT - SHARE);
        assert_eq!(many.iter_mut().filter_map(|(_, out)| is_out(out).then_some(())).count(), LIMIT - SHARE);
    }

    #[test]
    fn the_addresses_of_one_network_are_one() {
        let site = |text: &str| site(text.parse().expect("an address"));
        assert_eq!(site("2001:db8::1"), site("2001:db8::ffff:1"));
        assert_ne!(site("2001:db8::1"), site("2001:db8:0:1::1"));
        assert_eq!(site("::ffff:192.0.2.1"), address(1));
    }
}

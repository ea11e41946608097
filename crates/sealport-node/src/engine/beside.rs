//! Making things on one thread while another takes them, writes them for one: what makes them may still fail, and
//! then nothing of what was taken may count. So the taker learns only at the end that all of it came.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use sealport_core::{Code, Error};

/// Things that go to the taker at a time: waking a thread for each would cost as much as writing it.
const PARCEL: usize = 32;
/// Parcels that may wait for the taker: few, so that what was made is still in the processor's cache when it is taken. With
/// 32 of them an import took a tenth longer.
const AHEAD: usize = 4;

/// Takes things one by one, as they are made.
pub(super) type Sink<'a, T> = dyn FnMut(T) -> Result<(), Error> + 'a;

enum Parcel<T, E> {
    Things(Vec<T>),
    /// There are no more, and this goes with them.
    Last(E),
}

/// What comes to the taker.
pub(super) struct Coming<T, E> {
    parcels: Receiver<Parcel<T, E>>,
    parcel: std::vec::IntoIter<T>,
    last: Option<E>,
}

impl<T, E> Coming<T, E> {
    /// What came with the last of the things.
    ///
    /// # Errors
    /// Where the last one never came: what was made must not count.
    pub fn end(&mut self) -> Result<E, Error> {
        // Who knows how many there are has not asked whether there is one more.
        if self.last.is_none() && self.next().is_some() {
            return Err(Error::new(Code::Internal, "More was made than was taken."));
        }
        self.last.take().ok_or_else(|| Error::new(Code::Cancelled, "Given up. Nothing was changed."))
    }
}

impl<T, E> Iterator for Coming<T, E> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(thing) = self.parcel.next() {
                return Some(thing);
            }
            match self.parcels.recv() {
                Ok(Parcel::Things(things)) => self.parcel = things.into_iter(),
                Ok(Parcel::Last(last)) => {
                    self.last = Some(last);
                    return None;
                }
                Err(_) => return None,
            }
        }
    }
}

/// Runs `make` on this thread and `take` on another. `make` passes on each thing as it is there, and at the end what goes
/// with them all; `take` must ask for that `end` before anything counts.
///
/// # Errors
/// Those of `make`, or of `take` where that is what stopped `make`.
pub(super) fn beside<T: Send, E: Send, W: Send, M>(
    make: impl FnOnce(&mut Sink<'_, T>) -> Result<(E, M), Error>,
    take: impl FnOnce(Coming<T, E>) -> Result<W, Error> + Send,
) -> Result<(M, W), Error> {
    let (send, parcels) = sync_channel(AHEAD);
    let coming = Coming { parcels, parcel: Vec::new().into_iter(), last: None };
    thread::scope(|scope| {
        let taker = thread::Builder::new().name("beside".to_owned()).spawn_scoped(scope, || take(coming));
        let taker = taker.map_err(|cause| {
            Error::new(Code::Unavailable, "A second thread can't be started for this.").because(cause)
        })?;
        let mut out = Out { send, parcel: Vec::new(), stopped: false };
        let made = make(&mut |thing| out.put(thing)).and_then(|(last, made)| out.end(last).map(|()| made));
        let stopped = out.stopped;
        // Where nothing more can come, a taker that waits goes on.
        drop(out);
        let taken = taker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (made, taken) {
            (Ok(made), Ok(taken)) => Ok((made, taken)),
            (Err(error), _) if !stopped => Err(error),
            (_, Err(error)) | (Err(error), Ok(_)) => Err(error),
        }
    })
}

/// Gathers parcels.
struct Out<T, E> {
    send: SyncSender<Parcel<T, E>>,
    parcel: Vec<T>,
    /// Whether the taker takes no more.
    stopped: bool,
}

impl<T, E> Out<T, E> {
    fn put(&mut self, thing: T) -> Result<(), Error> {
        self.parcel.push(thing);
        if self.parcel.len() < PARCEL { Ok(()) } else { self.flush() }
    }

    fn end(&mut self, last: E) -> Result<(), Error> {
        self.flush()?;
        self.pass_on(Parcel::Last(last))
    }

    fn flush(&mut self) -> Result<(), Error> {
        let things = std::mem::take(&mut self.parcel);
        if things.is_empty() { Ok(()) } else { self.pass_on(Parcel::Things(things)) }
    }

    fn pass_on(&mut self, parcel: Parcel<T, E>) -> Result<(), Error> {
        self.send.send(parcel).map_err(|_| {
            self.stopped = true;
            Error::new(Code::Internal, "The second thread stopped early.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(mut coming: Coming<u64, u64>) -> Result<u64, Error> {
        let sum: u64 = coming.by_ref().sum();
        Ok(sum + coming.end()?)
    }

    #[test]
    fn all_that_is_made_is_written_with_what_ends_it() {
        let made = beside(
            |out| {
                (0..1_000).try_for_each(&mut *out)?;
                Ok((7, "made"))
            },
            sum,
        );
        assert_eq!(made.unwrap(), ("made", 499_500 + 7));
        assert_eq!(beside(|_| Ok((7, ())), sum).unwrap(), ((), 7));
        // Whoever takes them by number ends as well, but leaves none.
        let take = |count| {
            move |mut coming: Coming<u64, u64>| {
                coming.by_ref().take(count).for_each(drop);
                coming.end()
            }
        };
        let make = |out: &mut Sink<'_, u64>| Ok(((0..100).try_for_each(out).map(|()| 7)?, ()));
        assert_eq!(beside(make, take(100)).unwrap(), ((), 7));
        assert_eq!(beside(make, take(99)).unwrap_err().code, Code::Internal);
    }

    /// Sabotage: let `end` give a default where the last parcel never came: then the first writer counts.
    #[test]
    fn what_breaks_off_counts_for_nothing() {
        let counted = std::sync::atomic::AtomicBool::new(false);
        let broken = beside::<u64, u64, _, ()>(
            |out| {
                (0..1_000).try_for_each(&mut *out)?;
                Err(Error::new(Code::MalformedDocument, "the last one is broken"))
            },
            |coming| sum(coming).inspect(|_| counted.store(true, std::sync::atomic::Ordering::SeqCst)),
        );
        assert_eq!(broken.unwrap_err().code, Code::MalformedDocument);
        assert!(!counted.into_inner());
    }

    #[test]
    fn a_writer_that_fails_says_why_and_ends_the_other() {
        let mut made = 0;
        let failed = beside::<u64, u64, (), ()>(
            |out| loop {
                out(made)?;
                made += 1;
            },
            |mut coming| {
                coming.nth(99);
                Err(Error::new(Code::RevisionConflict, "someone else was quicker"))
            },
        );
        assert_eq!(failed.unwrap_err().code, Code::RevisionConflict);
        assert!(made >= 99);
    }
}

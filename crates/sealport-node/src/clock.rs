//! The clocks of this machine: one for people, one for the protocol.

use sealport_core::{machine::Moment, time::Timestamp};

/// Now, by the clock on the wall. Nothing safe depends on it.
pub fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Now, by a clock that never goes back and runs on while the machine sleeps.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn now() -> Moment {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Moment(seconds * 1_000 + u64::try_from(now.tv_nsec).unwrap_or_default() / 1_000_000)
}

/// Now, by a clock that never goes back. On Windows it runs on while the machine sleeps; on macOS it stands still, and
/// the first failed poll after waking tells what the age does not.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn now() -> Moment {
    use std::{sync::OnceLock, time::Instant};
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    Moment(u64::try_from(BEGUN.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX))
}

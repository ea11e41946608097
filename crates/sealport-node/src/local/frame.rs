//! Frames: a length (u32, big-endian), then that many bytes of JSON. Frames may carry secrets: their buffers are wiped.

use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use interprocess::local_socket::{Stream, traits::Stream as _};
use sealport_core::secret::Wiped;
use serde::{Serialize, de::DeserializeOwned};

/// Longest frame, in bytes.
pub const FRAME_LIMIT: usize = 128 * 1024 * 1024;

// Grown in such steps while bytes really come, so that a length alone reserves nothing.
const STEP: usize = 1024 * 1024;
// The slowest pace at which a large frame may come, in bytes a millisecond (256 KiB/s).
const SLOWEST: usize = 256;

/// Writes one frame.
pub(super) fn write<T: Serialize>(mut out: impl Write, value: &T) -> io::Result<()> {
    out.write_all(&frame(value)?)?;
    out.flush()
}

/// One frame, to be written later.
pub(super) fn frame<T: Serialize>(value: &T) -> io::Result<Wiped<Vec<u8>>> {
    let mut counted = Counter(0);
    serde_json::to_writer(&mut counted, value)?;
    if counted.0 > FRAME_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too long for one frame"));
    }
    // Exactly as long as needed: a buffer that grows leaves unwiped copies behind.
    let mut frame = Wiped::new(Vec::with_capacity(4 + counted.0));
    frame.extend_from_slice(&u32::try_from(counted.0).map_err(io::Error::other)?.to_be_bytes());
    serde_json::to_writer(&mut *frame, value)?;
    Ok(frame)
}

/// Reads one frame; `None` where the other end is done. All of it has to come before `deadline`, which what has come moves on
/// at the pace of [`SLOWEST`]: a large frame on a busy machine gets through, a byte now and then wins no time.
pub(super) fn read<T: DeserializeOwned>(
    from: &Stream,
    mut deadline: Option<Instant>,
) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    if !fill(from, &mut length, deadline)? {
        return Ok(None);
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"));
    }
    let mut content: Wiped<Vec<u8>> = Wiped::new(Vec::with_capacity(length.min(STEP)));
    while content.len() < length {
        let start = content.len();
        let step = (length - start).min(STEP.max(start));
        grow(&mut content, step);
        if !fill(from, &mut content[start..], deadline)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        deadline = deadline.map(|at| at + Duration::from_millis((step / SLOWEST) as u64));
    }
    serde_json::from_slice(&content).map(Some).map_err(|e| {
        // The text of the error could quote a secret.
        let kind = match e.classify() {
            serde_json::error::Category::Data => "not what belongs here",
            _ => "not JSON",
        };
        io::Error::new(io::ErrorKind::InvalidData, format!("the frame is {kind}"))
    })
}

// A new buffer with room for `step` more; the old one is wiped.
fn grow(content: &mut Wiped<Vec<u8>>, step: usize) {
    let mut larger = Wiped::new(Vec::with_capacity(content.len() + step));
    larger.extend_from_slice(content);
    larger.resize(content.len() + step, 0);
    *content = larger;
}

// Whether the buffer was filled; false where not even its first byte came.
fn fill(from: &Stream, buffer: &mut [u8], deadline: Option<Instant>) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        set_timeout(from, deadline)?;
        match (&mut &*from).read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn set_timeout(from: &Stream, deadline: Option<Instant>) -> io::Result<()> {
    let left = match deadline {
        None => None,
        Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
            Some(left) if left > Duration::ZERO => Some(left),
            _ => return Err(io::ErrorKind::TimedOut.into()),
        },
    };
    match from.set_recv_timeout(left) {
        // Named pipes have none.
        Err(error) if cfg!(windows) && error.kind() == io::ErrorKind::Unsupported => Ok(()),
        result => result,
    }
}

struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

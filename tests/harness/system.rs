//! A system under test: asking it in one line, and binding files made for the occasion.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealport_core::{
    Error,
    api::{ImportFile, LocalPath, Request, Response},
    secret::SecretText,
};
use sealport_node::call::{Call, Handle, Origin};

/// Asks as an administrator at the command line would.
pub fn ask(handle: &dyn Handle, request: Request) -> Result<Response, Error> {
    let cancel = AtomicBool::new(false);
    let call =
        Call { actor: "tester".to_owned(), origin: Origin::CommandLine, notify: &|_| {}, cancel: &cancel };
    handle.handle(request, &call)
}

/// The view that a request is answered with; anything else ends the test.
#[macro_export]
macro_rules! view {
    ($variant:ident, $handle:expr, $request:expr) => {
        match $crate::system::ask($handle, $request) {
            Ok(sealport_core::api::Response::$variant(view)) => view,
            other => panic!("{} expected, not {other:?}", stringify!($variant)),
        }
    };
}

/// Text as a secret.
pub fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

/// A path as requests carry it.
pub fn local(path: &Path) -> LocalPath {
    LocalPath(path.to_str().expect("a path of a test is text").to_owned())
}

/// A file to import.
pub fn import_file(name: &str, content: &[u8]) -> ImportFile {
    ImportFile { name: name.to_owned(), content: SecretText::new(STANDARD.encode(content)) }
}

/// A send port for `binding`.
pub struct SendPort<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it sends to.
    pub address: &'a str,
    /// Who logs in there.
    pub user: &'a str,
    /// With what; `None` is a password that BizTalk removed.
    pub password: Option<&'a str>,
}

/// A binding file with these FTP send ports.
pub fn binding(application: &str, ports: &[SendPort<'_>]) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BindingInfo \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" Version=\"3.5.1.0\">\n  <SendPortCollection>\n",
    );
    for SendPort { name, address, user, password } in ports {
        let password = match password {
            Some(value) => format!("&lt;Password vt=\"8\"&gt;{value}&lt;/Password&gt;"),
            None => "&lt;Password vt=\"1\" /&gt;".to_owned(),
        };
        let _ = write!(
            text,
            "    <SendPort Name=\"{name}\" IsStatic=\"true\" IsTwoWay=\"false\" BindingOption=\"1\">\n      \
             <PrimaryTransport>\n        <Address>{address}</Address>\n        \
             <TransportType Name=\"FTP\" Capabilities=\"11019\" />\n        \
             <TransportTypeData>&lt;CustomProps&gt;&lt;UserName vt=\"8\"&gt;{user}&lt;/UserName&gt;{password}\
             &lt;/CustomProps&gt;</TransportTypeData>\n        <RetryCount>3</RetryCount>\n      \
             </PrimaryTransport>\n      <ApplicationName>{application}</ApplicationName>\n    </SendPort>\n",
        );
    }
    text + "  </SendPortCollection>\n</BindingInfo>\n"
}

/// A temporary folder, in memory where the system has such a place: what is tested there is not the disk.
pub fn temporary() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
        .expect("a temporary folder")
}

/// The names in a folder, in order; empty where there is no folder.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Every XML file below a folder, in order.
pub fn xml_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names_in(folder) {
        let path = folder.join(name);
        if path.is_dir() {
            found.extend(xml_files(&path));
        } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("xml")) {
            found.push(path);
        }
    }
    found
}

/// The real binding files, which stand outside the repository; `None`, said aloud, where they are not there.
pub fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = std::env::var_os("SEALPORT_CORPUS").map(PathBuf::from).or_else(|| {
        root.ancestors().map(|folder| folder.join("shared/corpus")).find(|folder| folder.is_dir())
    });
    if found.is_none() {
        println!("skipped: no corpus of real binding files here; only samples/ is tested");
    }
    found.map(|folder| folder.join("bindings"))
}

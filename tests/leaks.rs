//! A whole run with more than 1,000 marked values, on a master and a node that follows it: afterwards none of them is in any file, log,
//! answer about the trail, or in the memory of the two services.
//!
//! Marks are searched raw, in UTF-16 of both orders, in hex of both cases and in base64 at its three offsets; they are letters and digits, so the
//! forms of URL, JSON and XML are the raw one.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "all of it is test")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
    process::{Child, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

#[allow(dead_code, reason = "each test uses its part of it")]
#[path = "harness/desk.rs"]
mod desk;

use desk::{Desk, err, out};

/// Begins every password.
const SECRET: &str = "Sq7xK4pLw9";
/// Begins every address and user name: sealed in files, but in the list that a service searches.
const SEALED: &str = "Vq2mT8rNd6";
/// Ports of the file, each with three marks.
const PORTS: usize = 340;

struct Service {
    child: Child,
    listen: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(desk: &Desk, data_dir: &str) -> Service {
    let log = fs::File::create(desk.path(&format!("{data_dir}.log"))).unwrap();
    let mut command = desk.command(data_dir, "serve --json --metrics off --listen 127.0.0.1:0", &[]);
    command.env("RUST_LOG", "trace").env("SEALPORT_LOG", "trace");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    Service { child, listen: ready["listen"].as_str().unwrap_or_default().to_owned() }
}

fn binding() -> String {
    let mut ports = String::new();
    for n in 0..PORTS {
        let settings = format!(
            "&lt;CustomProps&gt;&lt;AdapterConfig vt=\"8\"&gt;&amp;lt;Config&amp;gt;&amp;lt;uri&amp;gt;ftp://{SEALED}a{n:04}/&amp;lt;/uri&amp;gt;&amp;lt;userName&amp;gt;{SEALED}u{n:04}&amp;lt;/userName&amp;gt;&amp;lt;password&amp;gt;{SECRET}p{n:04}&amp;lt;/password&amp;gt;&amp;lt;/Config&amp;gt;&lt;/AdapterConfig&gt;&lt;/CustomProps&gt;"
        );
        ports.push_str(&format!(
            "<SendPort Name=\"Leak.{n:04}\" IsStatic=\"true\" IsTwoWay=\"false\"><ApplicationName>Leaks</ApplicationName>\
             <PrimaryTransport><Address>ftp://{SEALED}a{n:04}/</Address>\
             <TransportType Name=\"FTP\" Capabilities=\"11\" ConfigurationClsid=\"3979ffed-0067-4cc6-9f5a-859a5db6e9bb\" />\
             <TransportTypeData>{settings}</TransportTypeData><RetryCount>3</RetryCount></PrimaryTransport></SendPort>"
        ));
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BindingInfo Assembly=\"Microsoft.BizTalk.Deployment\" Version=\"3.5.1.0\">\
         <SendPortCollection>{ports}</SendPortCollection></BindingInfo>"
    )
}

/// How a mark may be written.
fn forms(mark: &str) -> Vec<(&'static str, Vec<u8>)> {
    let wide = |order: fn(u16) -> [u8; 2]| mark.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let hex: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        ("raw", mark.as_bytes().to_vec()),
        ("UTF-16LE", wide(u16::to_le_bytes)),
        ("UTF-16BE", wide(u16::to_be_bytes)),
        ("hex", hex.clone().into_bytes()),
        ("HEX", hex.to_uppercase().into_bytes()),
    ];
    for (offset, name) in ["base64+0", "base64+1", "base64+2"].into_iter().enumerate() {
        // Letters that only the mark decides: those of its neighbours are cut off at both ends.
        let padded = [vec![0; offset], mark.as_bytes().to_vec()].concat();
        let text = STANDARD.encode(&padded);
        let from = [0, 2, 3][offset];
        let upto = padded.len() / 3 * 4;
        forms.push((name, text.as_bytes()[from..upto].to_vec()));
    }
    forms
}

fn found(place: &str, content: &[u8], marks: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for mark in marks {
        for (name, form) in forms(mark) {
            let finder = memchr::memmem::Finder::new(&form);
            let count = finder.find_iter(content).count();
            if count > 0 {
                found.push(format!("{place}: {count} times {mark} as {name}"));
            }
        }
    }
    found
}

fn found_in_files(folder: &Path, leave: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(place) = waiting.pop() {
        for entry in fs::read_dir(&place).unwrap().map(|entry| entry.unwrap()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() && !leave.contains(&name.as_str()) {
                let content = fs::read(entry.path()).unwrap();
                all.extend(found(&entry.path().display().to_string(), &content, &[SECRET, SEALED]));
            }
        }
    }
    all
}

/// What a core dump of a process would hold. `None` where the system does not let this user look.
fn found_in_memory(place: &str, pid: u32) -> Option<Vec<String>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut all = Vec::new();
    let (mut looked, mut sealed) = (0, 0);
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, upto) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let from = u64::from_str_radix(from, 16).unwrap();
        let length = u64::from_str_radix(upto, 16).unwrap() - from;
        let mut content = vec![0; usize::try_from(length).unwrap()];
        if memory.seek(SeekFrom::Start(from)).is_ok() && memory.read_exact(&mut content).is_ok() {
            looked += content.len();
            all.extend(found(&format!("{place} {line}"), &content, &[SECRET]));
            sealed += found(place, &content, &[SEALED]).len();
        }
    }
    // The list that is searched as one types holds addresses: they show that the look is a look.
    assert!(sealed > 0, "nothing at all was found in {looked} bytes of {place}");
    println!("{place}: {} MiB of memory looked through", looked >> 20);
    Some(all)
}

/// Sabotage: in `reveal`, the value put into the audit entry, or a copy of it forgotten in memory; each is found by its place.
#[test]
fn no_value_is_left_anywhere_after_a_whole_run() {
    let desk = Desk::new();
    desk.json("m", desk::INIT, &[]);
    let master = serve(&desk, "m");
    let invite = desk.json("m", "node invite --name NODE --role standby --administrator", &[]);
    desk.file("token", invite["token"].as_str().unwrap());
    let join = format!(
        "join https://{} --token-file token --custody passphrase --custody-passphrase-file custody",
        master.listen
    );
    desk.json("n", &join, &[]);
    let node = serve(&desk, "n");
    desk.file("Leaks.xml", &binding());
    let imported = desk.json("n", "port import Leaks.xml", &[]);
    assert_eq!(imported["created"], PORTS, "{imported}");
    for data_dir in ["m", "n"] {
        let revealed = desk.run(data_dir, "port reveal Leak.0007 Password", &[]);
        assert_eq!(out(&revealed).trim(), format!("{SECRET}p0007"), "{}", err(&revealed));
        desk.json(data_dir, "port show Leak.0007", &[]);
        desk.json(data_dir, "port list --search leak", &[]);
        let change = format!("Password={SECRET}n{data_dir}");
        desk.json(data_dir, "port set Leak.0011", &[&change]);
        desk.json(data_dir, "port history Leak.0011", &[]);
        desk.json(data_dir, &format!("port export --out masked-{data_dir}"), &[]);
        desk.json(data_dir, &format!("backup create {data_dir}.sealport --passphrase-file backup"), &[]);
        // Words that fail must not repeat a value.
        let refused = desk.run(data_dir, "port set Leak.0011 --if-revision 1", &[&change]);
        assert!(found("a refusal", &refused.stderr, &[SECRET]).is_empty());
    }
    let mut all = Vec::new();
    for data_dir in ["m", "n"] {
        let trail = desk.json(data_dir, "audit list --limit 100000", &[]).to_string();
        assert!(trail.contains("port.reveal"));
        all.extend(found("the trail", trail.as_bytes(), &[SECRET, SEALED]));
    }
    // The file that was imported is the test's own; an export masks secrets and shows addresses.
    let leave = ["Leaks.xml"];
    all.extend(found_in_files(&desk.path("m"), &leave));
    all.extend(found_in_files(&desk.path("n"), &leave));
    for name in ["m.log", "n.log", "m.sealport", "n.sealport"] {
        all.extend(found(name, &fs::read(desk.path(name)).unwrap(), &[SECRET, SEALED]));
    }
    for name in ["masked-m", "masked-n"] {
        let masked = fs::read(desk.path(name).join("Leaks.xml")).unwrap();
        all.extend(found(name, &masked, &[SECRET]));
    }
    for (place, service) in [("the master", &master), ("the node", &node)] {
        match found_in_memory(place, service.child.id()) {
            Some(more) => all.extend(more),
            None => println!("{place}: this user may not look into its memory, which is the first wall"),
        }
    }
    assert!(all.is_empty(), "{} places:\n{}", all.len(), all.join("\n"));
    println!("{} marks in 8 forms: none found", PORTS * 3 + 2);
}

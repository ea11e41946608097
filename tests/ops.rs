//! What tells people that something is wrong, in real services: alerts and their webhook, health, metrics, the description
//! of the interface, and that the documents name what there is.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use sealport_node::{
    alert::{ALERTS, webhook::derive_signature},
    meter::{Kind, METRICS},
    net::{endpoints::ENDPOINTS, ops::PATHS},
};
use serde_json::Value;

#[path = "harness/desk.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod desk;

use desk::{Desk, FILE, INIT, PORT, finish, out};

const DEADLINE: Duration = Duration::from_secs(60);
const KEY: &str = "a key for the webhook";
/// In this time the watch looks twice, every 3 s, and would tell again what was told, if anything did.
const LOOKS: Duration = Duration::from_secs(7);

/// Waits until `look` finds something.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A service that runs; killed when it goes.
struct Serving {
    child: Child,
    ready: Value,
    said: Arc<Mutex<String>>,
}

impl Serving {
    fn start(desk: &Desk, data_dir: &str, line: &str) -> Self {
        let mut command = desk.command(data_dir, &format!("--json serve {line}"), &[]);
        // As under systemd: lines carry their priority.
        command.env("JOURNAL_STREAM", "1:1");
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (errors, kept) = (BufReader::new(child.stderr.take().unwrap()), said.clone());
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                kept.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let ready = serde_json::from_str(&first)
            .unwrap_or_else(|_| panic!("not ready: {first} {}", said.lock().unwrap()));
        Self { child, ready, said }
    }

    fn text(&self, key: &str) -> String {
        self.ready[key].as_str().unwrap_or_else(|| panic!("no {key} in {}", self.ready)).to_owned()
    }

    fn get(&self, path: &str) -> (u16, String) {
        get(&self.text("metrics"), "127.0.0.1", path)
    }

    fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get(path);
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
    }

    /// A figure, by its name with labels.
    fn figure(&self, name: &str) -> Option<f64> {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200, "{text}");
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: &str, host: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// A webhook that fails as often as it is told to, and keeps what it got with the header of the signature.
struct Hook {
    url: String,
    got: Arc<Mutex<Vec<(u16, String, String)>>>,
}

impl Hook {
    fn start(failures: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/alerts?token=unspeakable", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = got.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let (mut length, mut signature, mut line) = (0, String::new(), String::new());
                while reader.read_line(&mut line).is_ok() && line.trim_end() != "" {
                    let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
                    match name.to_ascii_lowercase().as_str() {
                        "content-length" => length = value.parse().unwrap(),
                        "sealport-signature" => value.clone_into(&mut signature),
                        _ => {}
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let mut kept = kept.lock().unwrap();
                let status = if kept.len() < failures { 503 } else { 204 };
                kept.push((status, signature, String::from_utf8(body).unwrap()));
                drop(kept);
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        Self { url, got }
    }

    /// What was taken: event and id of the alert, in order. Every signature is checked.
    fn taken(&self) -> Vec<(String, String)> {
        let got = self.got.lock().unwrap();
        let one = |(status, signature, body): &(u16, String, String)| {
            let seconds = signature.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
            assert_eq!(*signature, derive_signature(KEY.as_bytes(), seconds, body.as_bytes()));
            let body: Value = serde_json::from_str(body).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (*status == 204).then(|| (text(&body["event"]), text(&body["alert"]["id"])))
        };
        got.iter().filter_map(one).collect()
    }
}

fn a_master() -> Desk {
    let desk = Desk::new();
    desk.json("m", INIT, &[]);
    desk.json("m", "port import", &[FILE]);
    desk
}

/// Sabotage: leave out the check of `own_name` in ops.rs; count under another name; name the port in a label.
#[test]
fn a_service_shows_health_figures_and_its_interface_to_this_machine_alone() {
    let desk = a_master();
    let service = Serving::start(&desk, "m", "--listen 127.0.0.1:0 --metrics 127.0.0.1:0");
    assert_eq!(service.json("/healthz"), (200, serde_json::json!({ "alive": true })));
    let (status, ready) = service.json("/readyz");
    assert_eq!((status, &ready["ready"], &ready["canary"]), (200, &true.into(), &true.into()), "{ready}");
    assert_eq!(ready["state"], "synced");
    for (state, value) in [("synced", 1.0), ("degraded", 0.0)] {
        assert_eq!(service.figure(&format!("sealport_state{{state=\"{state}\"}}")), Some(value));
    }
    assert_eq!(service.figure("sealport_canary_ok"), Some(1.0));

    let missing = desk.json("m", "port missing", &[])["missing"].as_array().unwrap().clone();
    let path =
        missing.iter().find(|one| one["name"] == PORT).unwrap()["property"].as_str().unwrap().to_owned();
    let before = service.figure("sealport_writes_total{result=\"ok\"}").unwrap_or_default();
    desk.json_with("m", "port set", &[PORT, &format!("{path}=@-")], "marked-value-4711\n");
    assert_eq!(desk.json("m", "port reveal", &[PORT, &path])["value"], "marked-value-4711");
    assert!(service.figure("sealport_writes_total{result=\"ok\"}").unwrap() > before);
    assert!(service.figure("sealport_seal_seconds_count").unwrap() >= 1.0);
    assert!(service.figure("sealport_open_seconds_count").unwrap() >= 1.0);

    let (_, figures) = service.get("/metrics");
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.0).collect();
    for line in figures.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(known.contains(name), "{name} is not in the table");
    }
    let (_, readiness) = service.get("/readyz");
    for told in ["marked-value-4711", PORT, "Freight", "Customs"] {
        assert!(!figures.contains(told) && !readiness.contains(told), "{told} is shown");
    }

    let (status, document) = service.json("/openapi.json");
    assert_eq!(status, 200);
    let described: BTreeSet<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
    let there = ENDPOINTS.iter().map(|endpoint| endpoint.path).chain(PATHS.iter().map(|path| path.0));
    assert_eq!(described, there.map(str::to_owned).collect());

    assert_eq!(service.get("/nothing").0, 404);
    assert_eq!(get(&service.text("metrics"), "evil.example", "/metrics").0, 403);
    assert_eq!(get(&service.text("metrics"), "127.evil.example", "/metrics").0, 403);

    // What runs elsewhere must not take the place without a word, nor be reached from elsewhere.
    desk.json("other", &INIT.replace("first.", "second."), &[]);
    let taken = format!("serve --listen 127.0.0.1:0 --metrics {}", service.text("metrics"));
    let output = finish(&mut desk.command("other", &format!("--json {taken}"), &[]), "");
    assert_eq!(output.status.code(), Some(8), "{}", out(&output));
    assert!(out(&output).contains("--metrics"), "{}", out(&output));
    let open = "serve --listen 127.0.0.1:0 --metrics 0.0.0.0:0";
    desk.fails("other", open, &[], 2, "usage");
    let off = Serving::start(&desk, "other", "--listen 127.0.0.1:0 --metrics off");
    assert!(off.ready["metrics"].is_null());
}

/// That the time is signed is shown in `alert/webhook.rs`; the hook here computes with the same function.
/// Sabotage: tell every alert at each look; make a new delivery id in each try; leave the signature out; give `/readyz` 200
/// always; leave the restored alert out.
#[test]
fn an_outage_is_told_once_to_every_sink_and_so_is_its_end() {
    let desk = a_master();
    let hook = Hook::start(2);
    let key = desk.file("hook.key", &format!("{KEY}\n"));
    let master = Serving::start(&desk, "m", "--listen 127.0.0.1:0 --metrics 127.0.0.1:0");
    let place = master.text("listen");
    let invite = desk.json("m", "node invite --name N1 --role processing", &[]);
    desk.file("token", invite["token"].as_str().unwrap());
    let join = format!(
        "join https://{place} --token-file token --custody passphrase --custody-passphrase-file custody"
    );
    desk.json("n", &join, &[]);
    desk.json("n", "config set sync_interval 5s", &[]);
    desk.json("n", "config set webhook", &[&hook.url]);
    desk.json("n", "config set webhook_key_file", &[&key]);
    let node = Serving::start(&desk, "n", "--metrics 127.0.0.1:0");
    until("the node agrees", || (node.json("/readyz").0 == 200).then_some(()));
    assert!(node.figure("sealport_clock_offset_seconds").unwrap().abs() < 2.0);
    assert!(node.figure("sealport_polls_total{result=\"answered\"}").unwrap() >= 1.0);
    until("the master counts it", || {
        (master.figure("sealport_replicas{state=\"synced\"}") == Some(1.0)).then_some(())
    });
    assert_eq!(node.figure("sealport_generation"), master.figure("sealport_generation"));
    assert!(master.figure("sealport_requests_total{endpoint=\"/v1/sync\",status=\"200\"}").unwrap() >= 1.0);
    assert!(!hook.taken().iter().any(|(_, id)| id.starts_with("master")), "{:?}", hook.taken());

    drop(master);
    let lost = Instant::now();
    let has = |event: &str, id: &str| {
        hook.taken().iter().filter(|told| **told == (event.into(), id.into())).count()
    };
    until("the webhook is told", || (has("raised", "master_unreachable") == 1).then_some(()));
    println!("told {:.1} s after the master was gone", lost.elapsed().as_secs_f64());
    let told = Instant::now();
    let (status, ready) = node.json("/readyz");
    assert_eq!(
        (status, &ready["state"], &ready["ready"]),
        (503, &"degraded".into(), &false.into()),
        "{ready}"
    );
    assert!(ready["reason"].as_str().unwrap().contains("master"), "{ready}");
    assert_eq!(node.json("/healthz").0, 200);
    assert_eq!(node.figure("sealport_alert_raised{alert=\"master_unreachable\"}"), Some(1.0));
    assert_eq!(node.figure("sealport_sealing_possible"), Some(0.0));
    assert!(node.said().contains("<3>alert: master_unreachable (critical): "), "{}", node.said());
    {
        // Two tries failed, and the third brought the same delivery.
        let got = hook.got.lock().unwrap();
        let id = |at: usize| serde_json::from_str::<Value>(&got[at].2).unwrap()["id"].clone();
        assert_eq!(got.iter().take(3).map(|one| one.0).collect::<Vec<_>>(), [503, 503, 204]);
        assert!(id(0) == id(1) && id(1) == id(2));
    }

    until("looks while it is so", || (told.elapsed() > LOOKS).then_some(()));
    assert_eq!(has("raised", "master_unreachable"), 1, "{:?}", hook.taken());
    let master = Serving::start(&desk, "m", &format!("--listen {place} --metrics 127.0.0.1:0"));
    until("its end is told", || (has("raised", "master_restored") == 1).then_some(()));
    until("the node agrees again", || (node.json("/readyz").0 == 200).then_some(()));
    assert!(node.figure("sealport_canaries_total{result=\"ok\"}").unwrap() >= 1.0);
    let ended = Instant::now();
    until("looks after its end", || (ended.elapsed() > LOOKS).then_some(()));
    assert_eq!(has("raised", "master_unreachable"), 1, "{:?}", hook.taken());
    assert_eq!((has("ended", "master_unreachable"), has("raised", "master_restored")), (1, 1));
    assert_eq!(node.said().matches("alert: master_unreachable").count(), 1, "{}", node.said());
    assert_eq!(node.figure("sealport_alert_raised{alert=\"master_unreachable\"}"), Some(0.0));
    assert!(!node.said().contains("unspeakable") && !node.get("/metrics").1.contains("unspeakable"));
    drop(master);
}

/// Sabotage: take 503 for an arrival; leave the signature out where the key file is gone.
#[test]
fn a_test_alert_says_of_each_sink_whether_it_arrived() {
    let desk = a_master();
    let service = Serving::start(&desk, "m", "--listen 127.0.0.1:0 --metrics 127.0.0.1:0");
    let listed = desk.json("m", "alert test", &[]);
    let sink = |view: &Value, name: &str| {
        view["sinks"].as_array().unwrap().iter().find(|sink| sink["name"] == name).unwrap().clone()
    };
    assert_eq!(sink(&listed, "log")["delivered"], true);
    assert_eq!(
        (&sink(&listed, "webhook")["on"], &sink(&listed, "desktop")["on"]),
        (&false.into(), &false.into())
    );
    assert!(service.said().contains("<6>test alert: test (info)"), "{}", service.said());

    let hook = Hook::start(1);
    let key = desk.file("hook.key", &format!("{KEY}\n"));
    desk.json("m", "config set webhook", &[&hook.url]);
    desk.json("m", "config set webhook_key_file", &[&key]);
    let message = desk.fails("m", "alert test", &[], 8, "unavailable");
    assert!(message.contains("webhook: ") && message.contains("503"), "{message}");
    assert!(!message.contains("unspeakable"), "{message}");
    let listed = desk.json("m", "alert test", &[]);
    assert_eq!(sink(&listed, "webhook")["delivered"], true, "{listed}");
    assert_eq!(hook.taken(), [("test".to_owned(), "test".to_owned())]);

    fs::remove_file(&key).unwrap();
    desk.fails("m", "alert test", &[], 8, "unavailable");
    assert_eq!(hook.got.lock().unwrap().len(), 2, "nothing goes out unsigned");
    assert_eq!(sink(&desk.json("m", "alert list", &[]), "webhook")["delivered"], false);
}

fn read(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Words that begin with `sealport_` in a text.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("sealport_")).map(str::to_owned).collect()
}

/// Sabotage: take a row out of `docs/alerts.md`, or an id out of `ALERTS`; change a severity in either; raise another id.
#[test]
fn every_alert_has_its_row_and_every_row_its_alert() {
    let text = read("docs/alerts.md");
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{line}");
        assert!(cells[2].len() > 20 && cells[3].len() > 10, "{line}");
        rows.push((cells[0].trim_matches('`').to_owned(), cells[1].to_owned()));
    }
    let severity = |severity| serde_json::to_value(severity).unwrap().as_str().unwrap().to_owned();
    let known: BTreeSet<_> = ALERTS.iter().map(|(id, worst)| ((*id).to_owned(), severity(*worst))).collect();
    assert_eq!(rows.len(), known.len());
    assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), known);
    // What the code raises is in the table: nothing else knows an id.
    for (file, mark) in [
        ("crates/sealport-node/src/engine/alerts.rs", "\""),
        ("crates/sealport-node/src/alert/raised.rs", "\""),
    ] {
        let code = read(file);
        let code = code.split("#[cfg(test)]").next().unwrap();
        let known = |word: &str| ALERTS.iter().any(|(id, _)| *id == word);
        let calls = code.split("raise(").skip(1).filter_map(|call| call.split(mark).nth(1));
        for id in calls.filter(|id| !id.contains(' ')) {
            assert!(known(id), "{file} raises {id}");
        }
    }
}

/// Sabotage: rename a metric in the table, or ask for one that is not there in a rule.
#[test]
fn rules_and_dashboard_name_only_figures_that_there_are() {
    let mut known = BTreeSet::new();
    for (name, kind, _) in METRICS {
        match kind {
            Kind::Histogram => known.extend(["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}"))),
            _ => _ = known.insert((*name).to_owned()),
        }
    }
    let files = ["docs/monitoring/sealport.rules.yml", "docs/monitoring/sealport.dashboard.json"];
    for file in files {
        let named = metrics_in(&read(file));
        assert!(named.len() > 5, "{file} names {named:?}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    let dashboard: Value = serde_json::from_str(&read(files[1])).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 6);
    // Each alert that a person must act on reaches Prometheus through one figure, so one rule holds for all of them.
    let rules = read(files[0]);
    for (id, _) in
        ALERTS.iter().filter(|(id, _)| !["master_restored", "master_changed", "secrets_missing"].contains(id))
    {
        assert!(rules.contains(id), "no rule for {id}");
    }
}

/// Sabotage: change a line that is named here, such as `ProtectSystem=very`; break another one, such as `ProtectHome=perhaps`,
/// which systemd finds where it is installed.
#[test]
fn the_unit_of_systemd_is_one_that_systemd_takes() {
    let unit = read("packaging/systemd/sealport.service");
    for line in [
        "Type=notify",
        "LoadCredentialEncrypted=custody-passphrase:",
        "Environment=SEALPORT_CUSTODY_PASSPHRASE_FILE=%d/custody-passphrase",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "MemorySwapMax=0",
        "LimitCORE=0",
    ] {
        assert!(unit.lines().any(|have| have == line || have.starts_with(line)), "no {line}");
    }
    // The binary of this build stands in for the installed one.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sealport.service");
    fs::write(&file, unit.replace("/usr/bin/sealport", env!("CARGO_BIN_EXE_sealport"))).unwrap();
    let Ok(output) = Command::new("systemd-analyze").arg("verify").arg(&file).output() else {
        println!("systemd-analyze is not here: the unit was not verified");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<_> = said.lines().filter(|line| line.contains("sealport.service")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

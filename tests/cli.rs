//! The command line as others script against it: help, usage errors, exit codes, shapes of `--json`, and what of it
//! goes over the local socket. The other end is a handle of the test that answers from its views.

#![recursion_limit = "256"] // one JSON object with every field of every request
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    sync::Mutex,
};

use sealport_core::{
    Code, Error,
    api::{
        CustodyChoice, FacetsView, FirstBackup, PortKind, PortListView, PortSummaryView, Request, Response,
        RevealView, SaveView,
    },
    id::{RecordId, Revision},
    secret::SecretText,
    time::Timestamp,
};
use sealport_node::call::{Call, Handle};

#[path = "harness/desk.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod desk;
#[path = "harness/served.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod served;

use desk::{err, finish, json, out, private_file};
use served::{Served, a_port};

const SECRET: &str = "pa=ss @wörd";

/// Keeps what was asked, as JSON, and answers from views.
#[derive(Default)]
struct Fake(Mutex<Vec<serde_json::Value>>);

impl Handle for Fake {
    fn handle(&self, request: Request, _: &Call<'_>) -> Result<Response, Error> {
        self.0.lock().unwrap().push(serde_json::to_value(&request).unwrap());
        let id = RecordId::from_bytes([1; 16]);
        match request {
            Request::PortList { .. } => Ok(Response::Ports(PortListView {
                ports: vec![summary()],
                total: 1,
                facets: FacetsView { applications: vec![], adapters: vec![] },
            })),
            Request::PortShow { port, .. } if port == "-odd" => Ok(Response::Port(a_port("-odd"))),
            Request::PortShow { port, .. } => {
                Err(Error::new(Code::NotFound, format!("no port is called {port}")).hint("List them."))
            }
            Request::PortSet { dry_run, .. } => Ok(Response::Saved(SaveView {
                id,
                revision: Revision(2),
                dry_run,
                changes: vec![],
                kept: None,
            })),
            Request::PortReveal { path, .. } => {
                Ok(Response::Revealed(RevealView { path, value: SecretText::new(SECRET.to_owned()) }))
            }
            Request::PortDelete { .. } => Err(Error::new(Code::RevisionConflict, "another one wrote")),
            Request::Init { custody, backup, .. } => {
                // What the passphrases were, for the test that gives them by files.
                if let (
                    CustodyChoice::Passphrase { passphrase: custody },
                    FirstBackup::Now { passphrase, .. },
                ) = (custody, backup)
                {
                    assert_eq!((custody.expose(), passphrase.expose()), ("custody words", "backup words"));
                }
                Err(Error::new(Code::SystemExists, "there is one"))
            }
            _ => Err(Error::new(Code::Refused, "not answered by the test")),
        }
    }
}

fn summary() -> PortSummaryView {
    PortSummaryView {
        id: RecordId::from_bytes([1; 16]),
        kind: PortKind::SendPort,
        application: "Orders".to_owned(),
        name: "Send\u{1b}[2JOrders".to_owned(),
        adapter: "SFTP".to_owned(),
        address: "sftp://host/in".to_owned(),
        user: "u".to_owned(),
        revision: Revision(1),
        missing_secrets: 2,
        enabled: None,
        deleted: false,
        changed_at: Timestamp::from_millis(0),
        changed_by: "a".to_owned(),
    }
}

fn serve() -> Served<Fake> {
    Served::start(Fake::default())
}

impl Served<Fake> {
    fn file(&self, name: &str, content: &str) -> String {
        private_file(&self.path(name), content)
    }

    fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, "")
    }

    fn run_with(&self, args: &[&str], stdin: &str) -> Output {
        sealport(&self.path("data"), args, stdin)
    }

    fn last(&self) -> serde_json::Value {
        self.fake.0.lock().unwrap().last().cloned().expect("a request came")
    }
}

fn sealport(data_dir: &Path, args: &[&str], stdin: &str) -> Output {
    finish(desk::sealport(Path::new("."), data_dir).args(args), stdin)
}

#[test]
fn help_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut commands: Vec<String> =
        ["", "init", "status", "port", "backup", "audit", "audit list", "completions"].map(Into::into).into();
    commands.push("unlock".to_owned());
    let port =
        "import documents list show set mark reveal missing fill export history diff revert delete undelete";
    commands.extend(port.split(' ').map(|name| format!("port {name}")));
    commands.extend("create inspect drill restore".split(' ').map(|name| format!("backup {name}")));
    for name in commands {
        let args: Vec<&str> = name.split_whitespace().chain(["--help"]).collect();
        let output = sealport(folder.path(), &args, "");
        assert_eq!(output.status.code(), Some(0));
        let text = out(&output);
        if !["", "port", "backup", "audit"].contains(&name.as_str()) {
            assert!(text.contains("Example"), "`sealport {name} --help` shows no example");
        }
        insta::with_settings!({ omit_expression => true, snapshot_path => "snapshots" }, {
            insta::assert_snapshot!(format!("help {name}").trim().replace(' ', "_"), text);
        });
    }
}

#[test]
fn usage_errors_exit_with_2_and_are_json_where_asked() {
    let folder = tempfile::tempdir().unwrap();
    let wrong: [&[&str]; 8] = [
        &["nonsense"],
        &["port", "show"],
        &["port", "set", "p"],
        &["port", "set", "p", "novalue"],
        &["port", "diff", "p", "one", "2"],
        &["init", "--name", "n"],
        &["init", "--name", "n", "--backup", "b", "--backup-later"],
        &["init", "--name", "n", "--backup-later", "--custody-passphrase-file", "f"],
    ];
    for args in wrong {
        let output = sealport(folder.path(), args, "");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", err(&output));
        assert!(err(&output).starts_with("error: ") && out(&output).is_empty(), "{args:?}: {}", err(&output));
        let output = sealport(folder.path(), &[&["--json"], args].concat(), "");
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).is_empty(), "{}", err(&output));
        assert_eq!(json(&output)["error"]["code"], "usage", "{args:?}");
    }
    let version = sealport(folder.path(), &["--version"], "");
    assert_eq!(out(&version), format!("sealport {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_list_has_its_public_shape_and_sends_no_escapes() {
    let served = serve();
    let filter = ["port", "list", "--search", "orders sftp", "--application", "Orders", "--missing"];
    let output = served.run(&[&filter[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0));
    let list = json(&output);
    assert!(list.get("answer").is_none() && list.get("kind").is_none());
    for field in "id kind application name adapter address revision missing_secrets".split(' ') {
        assert!(list["ports"][0].get(field).is_some(), "{field}");
    }
    assert_eq!(list["ports"][0]["kind"], "send_port");
    let asked = served.last();
    assert_eq!(asked["filter"]["search"], "orders sftp");
    assert_eq!(
        (&asked["filter"]["missing"], &asked["filter"]["application"]),
        (&true.into(), &"Orders".into())
    );
    let text = out(&served.run(&filter));
    assert!(text.starts_with("ID") && text.contains("send port") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn errors_have_their_code_text_and_json() {
    let served = serve();
    let output = served.run(&["port", "show", "nobody"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(err(&output), "error: no port is called nobody\nhint: List them.\n");
    assert!(out(&output).is_empty());
    let output = served.run(&["--json", "port", "show", "nobody"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(err(&output).is_empty());
    let error = serde_json::json!({ "error":
        { "code": "not_found", "message": "no port is called nobody", "hint": "List them." } });
    assert_eq!(json(&output), error);
    assert_eq!(served.run(&["port", "delete", "p"]).status.code(), Some(7));
    assert_eq!(served.run(&["status"]).status.code(), Some(4));
    let output = served.run(&["port", "show", "--", "-odd"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(json(&served.run(&["--json", "port", "show", "--", "-odd"]))["kind"], "send_port");
}

#[test]
fn secrets_come_from_files_and_standard_input_and_go_only_where_asked() {
    let served = serve();
    let file = served.file("p=w", &format!("{SECRET}\n"));
    let by_file = format!("a/Password=@{file}");
    let output =
        served.run(&["port", "set", "p", &by_file, "Other=@@home", "--if-revision", "4", "--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let asked = served.last();
    assert_eq!(asked["changes"][0], serde_json::json!({ "path": "a/Password", "value": SECRET }));
    assert_eq!(asked["changes"][1]["value"], "@home");
    assert_eq!((&asked["if_revision"], &asked["dry_run"]), (&4.into(), &true.into()));
    let output =
        served.run_with(&["port", "set", "p", "Password=@-", "--note", "why"], &format!("{SECRET}\r\n"));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        (&served.last()["changes"][0]["value"], &served.last()["note"]),
        (&SECRET.into(), &"why".into())
    );
    assert!(!out(&output).contains(SECRET) && !err(&output).contains(SECRET));
    let output = served.run_with(&["port", "set", "p", "A=@-", "B=@-"], SECRET);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(out(&served.run(&["port", "reveal", "p", "Password"])), format!("{SECRET}\n"));
    assert_eq!(json(&served.run(&["port", "reveal", "p", "x", "--json"]))["value"], SECRET);
}

#[test]
fn passphrases_come_from_files_and_are_never_asked_without_a_terminal() {
    let served = serve();
    let backup = served.path("b.sealport").display().to_string();
    let custody = served.file("custody", "custody words\n");
    let words = served.file("words", "backup words\nsecond line\n");
    let init = ["init", "--name", "n", "--custody", "passphrase", "--backup", &backup];
    let with = |args: &[&str], stdin: &str| served.run_with(&[&init[..], args].concat(), stdin);
    // Both files; then one of them by standard input. The handle checks what came, and says 4.
    let output = with(&["--custody-passphrase-file", &custody, "--passphrase-file", &words], "");
    assert_eq!(output.status.code(), Some(4), "{}", err(&output));
    let output = with(&["--custody-passphrase-file", &custody, "--passphrase-file", "-"], "backup words\n");
    assert_eq!(output.status.code(), Some(4), "{}", err(&output));
    assert_eq!(served.last()["backup"]["file"], backup.as_str());
    for args in [&["--custody-passphrase-file", "-", "--passphrase-file", "-"][..], &[]] {
        let output = with(args, "backup words\n");
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    }
    std::fs::write(served.path("b.sealport"), "").unwrap();
    let output = with(&["--custody-passphrase-file", &custody, "--passphrase-file", &words], "");
    assert_eq!(output.status.code(), Some(7), "{}", err(&output));
}

#[test]
fn imports_and_fill_lists_are_read_here() {
    let served = serve();
    let binding = served.file("Orders.xml", "<BindingInfo/>");
    served.run(&["port", "import", &binding, "--dry-run"]);
    let asked = served.last();
    assert_eq!(
        asked["files"][0],
        serde_json::json!({ "name": "Orders.xml", "content": "PEJpbmRpbmdJbmZvLz4=" })
    );
    assert_eq!(asked["dry_run"], true);
    let csv = format!("value,port,user,application,property\n\"{SECRET}\",P,u,A,Password\n");
    served.run_with(&["port", "fill", "--csv", "-"], &csv);
    let row = serde_json::json!({ "application": "A", "port": "P", "property": "Password", "user": "u", "value": SECRET });
    assert_eq!(served.last()["rows"][0], row);
    let output =
        served.run_with(&["port", "fill", "--csv", "-", "--json"], &format!("port,value\nP,{SECRET},x\n"));
    assert_eq!(output.status.code(), Some(2));
    assert!(!out(&output).contains(SECRET));
    assert_eq!(served.run(&["port", "import", "/no/such/file"]).status.code(), Some(3));
}

/// A command line that makes this request. A new request does not compile until it has one.
fn line(request: &Request) -> &'static str {
    match request {
        Request::Status => "status",
        Request::Unlock { .. } => "unlock --passphrase-file -",
        Request::Init { .. } => "init --name n --backup-later",
        Request::PortImport { .. } => "port import Orders.xml",
        Request::DocumentList => "port documents",
        Request::PortList { .. } => "port list",
        Request::PortShow { .. } => "port show p",
        Request::PortSet { .. } => "port set p a=b",
        Request::PortMark { .. } => "port mark p a",
        Request::PortReveal { .. } => "port reveal p a",
        Request::PortMissing => "port missing",
        Request::PortFill { .. } => "port fill --csv -",
        Request::PortExport { .. } => "port export --out o",
        Request::PortHistory { .. } => "port history p",
        Request::PortDiff { .. } => "port diff p 1 2",
        Request::PortRevert { .. } => "port revert p 1",
        Request::PortDelete { .. } => "port delete p",
        Request::PortUndelete { .. } => "port undelete p",
        Request::BackupCreate { .. } => "backup create new.sealport --passphrase-file -",
        Request::BackupInspect { .. } => "backup inspect b",
        Request::BackupDrill { .. } => "backup drill b --passphrase-file -",
        Request::BackupRestore { .. } => "backup restore b --passphrase-file -",
        Request::AuditList { .. } => "audit list",
        Request::NodeInvite { .. } => "node invite --name n --role standby",
        Request::Join { .. } => "join https://h:1 --token-file -",
        Request::NodeList => "node list",
        Request::NodeRevoke { .. } => "node revoke n",
        Request::NodeRename { .. } => "node rename n m",
        Request::NodeSeparate { .. } => "node separate --name n --yes",
        Request::PromotePreflight { .. } => "promote n --dry-run",
        Request::Promote { .. } => "promote n --expect-epoch 1",
        Request::StrandedList => "stranded list",
        Request::StrandedShow { .. } => "stranded show 1",
        Request::StrandedAccept { .. } => "stranded accept 1",
        Request::StrandedDiscard { .. } => "stranded discard --all",
        Request::SecretList => "secret list",
        Request::SecretRotate { .. } => "secret rotate --backup new-2.sealport --passphrase-file -",
        Request::SecretRotation => "secret rotate --status",
        Request::SecretSteer { .. } => "secret rotate --pause",
        Request::SecretDestroy { .. } => "secret destroy 1 --confirm n",
        Request::AlertList => "alert list",
        Request::AlertTest => "alert test",
        Request::ConfigGet { .. } => "config get",
        Request::ConfigSet { .. } => "config set sync_interval 5s",
    }
}

/// One of each request, from the contract's own list of them.
fn one_of_each() -> Vec<Request> {
    let refused = serde_json::from_str::<Request>(r#"{"act":"?"}"#).unwrap_err().to_string();
    let names = refused.split('`').skip(1).step_by(2).filter(|name| *name != "?");
    let fields = serde_json::json!({
        "passphrase": "", "name": "", "custody": { "custody": "keyring" }, "backup": { "when": "later" }, "files": [],
        "dry_run": false, "filter": {}, "offset": 0, "limit": null, "port": "", "revision": null, "changes": [],
        "if_revision": null, "if_imprint": null, "note": null, "path": "", "secret": false, "rows": [], "out": "", "secrets": "mask",
        "document": null, "from": 1, "to": 1, "file": "", "reminder": null, "secret_only": false, "before": null,
        "role": "standby", "administrator": false, "url": "", "token": "", "cache": "keyring", "node": "", "key": "",
        "value": "", "mode": "planned", "from_backup": null, "leave_unreadable": false, "expect_epoch": null, "id": 1, "ids": null, "steer": "pause",
        "version": 1, "confirm": "", "forget": false,
    });
    let make = |name: &str| {
        let mut request = fields.clone();
        request["act"] = name.into();
        serde_json::from_value(request).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    names.map(make).collect()
}

/// What the window can do, the command can do.
#[test]
fn every_request_can_be_made_from_the_command_line() {
    let served = serve();
    served.file("Orders.xml", "<BindingInfo/>");
    let requests = one_of_each();
    for request in &requests {
        let act = serde_json::to_value(request).unwrap()["act"].clone();
        let args = line(request).split(' ');
        let stdin = "application,port,property,user,value\nA,P,,,v\n";
        let output = finish(desk::sealport(&served.path(""), &served.data_dir()).args(args), stdin);
        assert_ne!(output.status.code(), Some(2), "{act}: {}", err(&output));
        assert_eq!(served.last()["act"], act);
    }
    assert_eq!(served.fake.0.lock().unwrap().len(), requests.len());
    assert!(requests.len() >= 23, "{}", requests.len());
}

/// Only root can become somebody else, so only there does the test prove something; `may_talk` has one for everybody.
#[test]
fn another_user_is_refused_at_the_socket() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    if !rustix::process::geteuid().is_root() {
        println!("not root: nothing to prove here");
        return;
    }
    let served = serve();
    // Open every door but the last one: folders, socket, program.
    let open =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let program = served.path("sealport");
    std::fs::copy(env!("CARGO_BIN_EXE_sealport"), &program).unwrap();
    for path in [served.path(""), served.data_dir(), program.clone()] {
        open(&path, 0o755);
    }
    open(&served.path("data/sealport.sock"), 0o666);
    let mut command = Command::new(&program);
    command.args(["--json", "port", "reveal", "p", "Password", "--data-dir"]).arg(served.path("data"));
    let output = command.uid(65534).gid(65534).current_dir("/").output().unwrap();
    // Sabotage: leave `check_peer` out of the server, and the secret is printed.
    assert_eq!(output.status.code(), Some(5), "{} {}", out(&output), err(&output));
    assert_eq!(json(&output)["error"]["code"], "not_permitted");
    assert!(served.fake.0.lock().unwrap().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_leaves_no_core_dump() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sealport"))
        .args(["port", "set", "p", "a=@-", "--data-dir"])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    // Sabotage: leave `protect_memory` out of `main`, and this waits in vain.
    loop {
        let text = std::fs::read_to_string(&limits).unwrap();
        let core = text.lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned();
        // Soft and hard limit; the soft one is often 0 already.
        if core.split_whitespace().skip(4).take(2).eq(["0", "0"]) {
            break;
        }
        assert!(std::time::Instant::now() < end, "{core}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn completions_are_printed_for_each_shell() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = sealport(folder.path(), &["completions", shell], "");
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains("undelete"), "{shell}");
    }
}

// Generated from sealport-core/src/api by tests/types.rs. Do not edit.

/**
 * What needs a person now, and how it is told.
 */
export type AlertListView = { alerts: Array<AlertView>, 
/**
 * Where alerts go, and how the last one got there.
 */
sinks: Array<SinkView>, };

/**
 * Something that needs a person.
 */
export type AlertView = { 
/**
 * Stable id, as in `docs/alerts.md`.
 */
id: string, severity: Severity, message: string, hint: string, 
/**
 * Since when, where that is known.
 */
since: Timestamp | null, };

export type ApplicationFacetView = { 
/**
 * Empty where the file names no application.
 */
name: string, receive_ports: number, send_ports: number, send_port_groups: number, missing_secrets: number, };

/**
 * A new value for one property. The value may be a secret, so it is treated as one.
 */
export type Assignment = { 
/**
 * Path of the property, or an end of it that fits only one.
 */
path: string, value: string, };

export type AuditListView = { entries: Array<AuditView>, 
/**
 * Whether the chain of hashes holds over the whole trail; else the first entry where it does not.
 */
broken_at: number | null, total: number, };

export type AuditView = { seq: number, at: Timestamp, who: string, 
/**
 * Where it came from: "command line", "window", "socket", "service".
 */
origin: string, 
/**
 * What was done, as `noun.verb`: `port.reveal`, `backup.create`.
 */
act: string, 
/**
 * On what: a name, never a value.
 */
object: string, detail: string, };

export type BackupHeaderView = { format: number, system: SystemId, system_name: string, created: Timestamp, product: string, generation: Generation, active_version: KeyVersion, versions: Array<KeyVersionView>, reminder: string | null, secret_only: boolean, ports: number, records: number, };

/**
 * A backup that was written or drilled.
 */
export type BackupRecordView = { file: string, created: Timestamp, proven: Timestamp, secret_only: boolean, ports: number, records: number, reminder: string | null, 
/**
 * Generation of the database when it was written.
 */
generation: Generation, };

/**
 * A backup file with what opens it.
 */
export type BackupSource = { file: LocalPath, passphrase: string, };

export type BackupStatusView = { 
/**
 * Seconds since a backup of the active secret version last passed its drill.
 */
proven_age_seconds: number | null, 
/**
 * Backups and drills, newest first.
 */
history: Array<BackupRecordView>, };

/**
 * A backup file.
 */
export type BackupView = { file: string, bytes: number, header: BackupHeaderView, 
/**
 * Set where it was opened and every record in it with it.
 */
proven: ProofView | null, };

/**
 * Where the master secret is kept on a node that is not the master.
 */
export type Cache = "keyring" | "memory";

/**
 * One property, before and after.
 */
export type ChangeView = { path: string, label: string, section: string, 
/**
 * `None`: it was not there. Always `None` for secrets.
 */
before: string | null, 
/**
 * `None`: it is no longer there. Always `None` for secrets.
 */
after: string | null, 
/**
 * A secret changed: values are not shown.
 */
secret: boolean, };

/**
 * How one check before a promotion came out.
 */
export type CheckOutcome = "passed" | "warning" | "failed";

/**
 * One check before a promotion.
 */
export type CheckView = { 
/**
 * Stable, to branch on: `candidate`, `master`, `secret`, `replica`, `records`, `versions`, `clock`, `backup`, `votes`, `epoch`,
 * `rotation`, `address`.
 */
id: string, outcome: CheckOutcome, 
/**
 * What is so, in a sentence.
 */
message: string, 
/**
 * What to do about it; empty where nothing is to be done.
 */
hint: string, };

/**
 * What a caller may branch on. The exit code of a command follows from it.
 */
export type Code = "internal" | "usage" | "malformed_document" | "not_found" | "no_system" | "system_exists" | "encryption_unavailable" | "refused" | "cancelled" | "not_permitted" | "integrity" | "wrong_passphrase" | "revision_conflict" | "epoch_conflict" | "already_exists" | "custody_locked" | "keyring_locked" | "keyring_missing" | "keyring_denied" | "keyring_timeout" | "unavailable" | "busy";

/**
 * Settings of this installation.
 */
export type ConfigView = { settings: Array<SettingView>, };

export type CountsView = { receive_ports: number, send_ports: number, send_port_groups: number, deleted: number, documents: number, missing_secrets: number, applications: number, };

/**
 * How custody is to be kept. The choice is explicit and never falls back.
 */
export type CustodyChoice = { "custody": "keyring" } | { "custody": "passphrase", passphrase: string, };

/**
 * Where the master secret rests.
 */
export type CustodyKind = "keyring" | "passphrase" | "memory";

export type DiffView = { id: RecordId, name: string, from: Revision, to: Revision, changes: Array<ChangeView>, };

export type DocumentListView = { documents: Array<DocumentView>, };

export type DocumentView = { id: RecordId, name: string, encoding: string, bytes: number, ports: number, imported: Timestamp, 
/**
 * A later document of the same name holds all of its ports; it is exported only when it is named.
 */
superseded: boolean, };

/**
 * Counts the changes of master.
 */
export type Epoch = number;

/**
 * An error as it crosses the door: `{"code","message","hint"}`.
 */
export type Error = { 
/**
 * What to branch on.
 */
code: Code, 
/**
 * What failed, and on what.
 */
message: string, 
/**
 * What to do next; empty where there is nothing to add.
 */
hint: string, 
/**
 * Where in a document it went wrong, for the window to point at.
 */
place?: Place | null, };

/**
 * What is known of one node when the master is to change.
 */
export type EvidenceView = { node: NodeId, name: string, 
/**
 * Whether it answered just now.
 */
reached: boolean, state: NodeState | null, epoch: Epoch | null, 
/**
 * How far its replica is.
 */
generation: Generation | null, 
/**
 * Seconds since it last heard the master, as it says itself.
 */
master_heard_seconds: number | null, 
/**
 * Whether it may be promoted without a backup.
 */
standby: boolean, master: boolean, 
/**
 * Writes that it has and the candidate lacks; they would become stranded changes.
 */
ahead: number | null, };

/**
 * Whether an export carries secret values.
 */
export type ExportSecrets = "mask" | "include";

export type ExportView = { folder: string, files: Array<ExportedFileView>, secrets: ExportSecrets, };

export type ExportedFileView = { document: RecordId, name: string, bytes: number, ports: number, };

export type FacetView = { name: string, ports: number, };

export type FacetsView = { applications: Array<ApplicationFacetView>, adapters: Array<FacetView>, };

export type FillProblemView = { 
/**
 * Row number from 1, the heading not counted.
 */
row: number, reason: string, };

/**
 * One row of a fill list.
 */
export type FillRow = { application: string, 
/**
 * Name or id of the port.
 */
port: string, 
/**
 * Path of the property; empty fits where the port misses just one.
 */
property: string, 
/**
 * User name; empty fits any.
 */
user: string, value: string, };

export type FillView = { filled: number, ports: number, still_missing: number, dry_run: boolean, 
/**
 * Rows that fit nothing, with the reason; where there are any, nothing is written.
 */
problems: Array<FillProblemView>, 
/**
 * Where else the write is; `None` where nothing was written.
 */
kept: KeptView | null, };

/**
 * The backup that a new system starts with.
 */
export type FirstBackup = { "when": "now", file: LocalPath, passphrase: string, reminder: string | null, } | { "when": "later" };

/**
 * Counts the writes of the database.
 */
export type Generation = number;

export type HistoryView = { id: RecordId, name: string, revisions: Array<RevisionView>, };

/**
 * One binding file as it is on disk.
 */
export type ImportFile = { 
/**
 * File name without folders; export writes it again.
 */
name: string, 
/**
 * The bytes, in base64: a binding file may be UTF-16 and may hold secrets.
 */
content: string, };

export type ImportOutcome = "created" | "changed" | "unchanged";

export type ImportPlanView = { document: string, kind: PortKind, application: string, name: string, adapter: string, address: string, outcome: ImportOutcome, 
/**
 * For a changed port: what changes.
 */
changes: Array<ChangeView>, 
/**
 * Secrets that will be missing.
 */
missing: Array<MissingView>, };

export type ImportView = { documents: Array<ImportedDocumentView>, created: number, changed: number, unchanged: number, 
/**
 * Whether anything was written.
 */
dry_run: boolean, 
/**
 * What happens to each port.
 */
plan: Array<ImportPlanView>, 
/**
 * Where else the write is; `None` where nothing was written.
 */
kept: KeptView | null, };

export type ImportedDocumentView = { id: RecordId, name: string, 
/**
 * How many ports it holds.
 */
ports: number, 
/**
 * How many of their secrets are missing, after what was filled in before is kept.
 */
missing_secrets: number, warnings: Array<string>, };

/**
 * What one revision of a record is known by to whoever read it: the same only where record, revision and content are,
 * whatever it is sealed under meanwhile. Of two histories each may have its own revision 3; their imprints differ. It is
 * keyed by the master secret, so it tells nothing of the content.
 */
export type Imprint = string;

/**
 * A token for one node.
 */
export type InviteView = { 
/**
 * Lets one node join, once.
 */
token: string, expires: Timestamp, 
/**
 * Short fingerprint of the system's authority; the node that joins shows the same.
 */
fingerprint: string, name: string, role: NodeRole, administrator: boolean, 
/**
 * Where to join: `https://host:port`; `None` while the master does not listen.
 */
url: string | null, };

/**
 * What came of joining.
 */
export type JoinView = { system: SystemId, system_name: string, node: NodeView, 
/**
 * Short fingerprint of the system's authority; the invitation shows the same.
 */
fingerprint: string, ports: number, };

/**
 * Where a write is besides on the master.
 */
export type KeptView = { 
/**
 * The standby that durably has it; `None` where none was on line, or none had it within 5 s.
 */
standby: string | null, 
/**
 * Whether a standby was on line and late.
 */
late: boolean, };

/**
 * Numbers a version of the master secret.
 */
export type KeyVersion = number;

export type KeyVersionView = { version: KeyVersion, 
/**
 * Key check value, 16 bytes in hex.
 */
kcv: string, created: Timestamp, };

/**
 * A path on the machine of the service. The window never holds one: the shell swaps its tokens for paths with
 * [`Request::map_paths`].
 */
export type LocalPath = string;

/**
 * The node that writes.
 */
export type MasterView = { id: NodeId, name: string, 
/**
 * `host:port`; `None` for a master that serves no other node.
 */
address: string | null, };

export type MissingListView = { missing: Array<MissingView>, };

/**
 * A version of the master secret that something on the candidate is sealed under, and that the candidate does not hold.
 */
export type MissingVersionView = { version: KeyVersion, 
/**
 * Records, former revisions and stranded changes under it.
 */
parts: number, 
/**
 * A proven backup that brings it, where one is known.
 */
backup: string | null, };

export type MissingView = { 
/**
 * Id of the port; in the plan of an import, empty for a port that is not there yet.
 */
port: string, application: string, name: string, 
/**
 * Path of the property.
 */
property: string, label: string, 
/**
 * User name beside it.
 */
user: string, adapter: string, address: string, };

/**
 * One node, as the master knows it.
 */
export type NodeEntryView = { id: NodeId, name: string, role: NodeRole, administrator: boolean, 
/**
 * `None` where the master has not heard of it since it started, or can't be asked.
 */
state: NodeState | null, 
/**
 * Seconds since it last asked the master; 0 for the master itself.
 */
last_sync_age_seconds: number | null, epoch: Epoch | null, generation: Generation | null, address: string | null, version: string | null, 
/**
 * Whether it is this installation.
 */
here: boolean, revoked: boolean, joined: Timestamp, 
/**
 * When its certificate ends.
 */
certificate_expires: Timestamp | null, };

/**
 * One installation of Sealport.
 */
export type NodeId = string;

/**
 * All nodes of the system.
 */
export type NodeListView = { nodes: Array<NodeEntryView>, 
/**
 * Whether the master said so just now. If not, this is what the node last knew, and states are unknown.
 */
live: boolean, 
/**
 * The truth about all of them in one sentence.
 */
summary: string, 
/**
 * Short fingerprint of the system's authority.
 */
fingerprint: string | null, };

/**
 * What a node may become.
 */
export type NodeRole = "master" | "standby" | "processing";

/**
 * What a node can do now. Derived from facts each time, never stored.
 */
export type NodeState = "no_system" | "starting" | "no_secret" | "synced" | "degraded" | "stale" | "fenced";

/**
 * This installation among the nodes.
 */
export type NodeView = { id: NodeId, name: string, role: NodeRole, 
/**
 * Whether it may invite, rename and revoke nodes.
 */
administrator: boolean, };

/**
 * What the service says of its own accord.
 */
export type Notice = { "notice": "progress", doing: string, done: number, total: number, seconds_left: number | null, } | { "notice": "changed", generation: Generation, } | { "notice": "state", state: NodeState, } | { "notice": "alert", raised: boolean, alert: AlertView, notify: boolean, };

/**
 * A standby that answers and opens what the candidate can't.
 */
export type OpensMoreView = { name: string, parts: number, };

/**
 * A place in a document: line and column, both from 1, the column in characters.
 */
export type Place = { 
/**
 * Line, from 1.
 */
line: number, 
/**
 * Column in characters, from 1.
 */
column: number, };

/**
 * Which ports to list.
 */
export type PortFilter = { 
/**
 * Words that must all occur in name, address, adapter, user or application, ignoring case.
 */
search: string | null, application: string | null, adapter: string | null, kind: PortKind | null, 
/**
 * Only ports with missing secrets.
 */
missing: boolean, 
/**
 * Only deleted ports.
 */
deleted: boolean, };

/**
 * What a port is.
 */
export type PortKind = "receive_port" | "send_port" | "send_port_group";

export type PortListView = { ports: Array<PortSummaryView>, 
/**
 * How many fit the filter in all.
 */
total: number, 
/**
 * Applications and adapters over all ports, for the tree and the filters.
 */
facets: FacetsView, };

export type PortSummaryView = { id: RecordId, kind: PortKind, application: string, name: string, 
/**
 * Adapters of its transports or locations, without repeats, joined by ", ".
 */
adapter: string, 
/**
 * Address of the first transport or location; secrets in it are masked.
 */
address: string, 
/**
 * User names, joined by ", ".
 */
user: string, revision: Revision, missing_secrets: number, 
/**
 * For receive ports: whether all (`true`) or none (`false`) of its locations are enabled.
 */
enabled: boolean | null, deleted: boolean, changed_at: Timestamp, changed_by: string, };

export type PortView = { id: RecordId, kind: PortKind, application: string, name: string, revision: Revision, 
/**
 * Names what was read here, for a change that is to be made on nothing else; `None` for a former revision.
 */
imprint: Imprint | null, deleted: boolean, changed_at: Timestamp, changed_by: string, description: string, missing_secrets: number, 
/**
 * Name of the document that it came from.
 */
document: string, transports: Array<TransportView>, 
/**
 * Every value of the port, in the order of the document.
 */
properties: Array<PropertyView>, };

/**
 * What a promotion would do, and whether it can.
 */
export type PreflightView = { candidate: NodeId, candidate_name: string, mode: PromotionMode, 
/**
 * What the promotion compares and sets: to be given back with it.
 */
epoch: Epoch, master_name: string | null, checks: Array<CheckView>, 
/**
 * No check failed.
 */
possible: boolean, evidence: Array<EvidenceView>, 
/**
 * Nodes that must agree, and those that can be asked now; fewer than half agreeing is a forced promotion.
 */
voters: number, reachable_voters: number, 
/**
 * Records that the candidate has, and those that opened (emergency only).
 */
records: number, records_opened: number | null, 
/**
 * What the candidate has and could not open as the master.
 */
missing_versions: Array<MissingVersionView>, 
/**
 * Who would open the most of that. In an emergency it goes on beside such a one only with `leave_unreadable`.
 */
opens_more: OpensMoreView | null, 
/**
 * Whether the checks were made with that consent.
 */
leave_unreadable: boolean, 
/**
 * The passphrase reminder of the backup, where one was named.
 */
reminder: string | null, 
/**
 * What will happen, in the order in which it happens.
 */
steps: Array<string>, };

/**
 * What came of a promotion.
 */
export type PromotedView = { master: NodeId, master_name: string, mode: PromotionMode, former_master: string | null, epoch: Epoch, generation: Generation, 
/**
 * Nodes that agreed, of those that were to be asked (emergency only).
 */
votes: number | null, voters: number | null, 
/**
 * From the confirmation to the first write that the new master would take.
 */
seconds: number, };

/**
 * How another node becomes the master.
 */
export type PromotionMode = "planned" | "emergency";

export type ProofView = { at: Timestamp, records_opened: number, seconds: number, };

export type PropertyView = { 
/**
 * Address of the value within the port, as `port set` and `port reveal` take it.
 */
path: string, 
/**
 * The last step of the path, or the label that the adapter's table gives it.
 */
label: string, 
/**
 * Where it belongs: "General", "Primary transport", "Receive location NAME", "Pipeline", "Filter", ...
 */
section: string, 
/**
 * How deep it is nested below its section, from 0.
 */
depth: number, type: ValueType, 
/**
 * The value as text; `None` for secrets, and for what has no value.
 */
value: string | null, 
/**
 * Set where the property is a secret.
 */
secret: SecretState | null, 
/**
 * Whether an administrator marked it as secret.
 */
marked: boolean, 
/**
 * Values that the adapter knows, where it knows them.
 */
choices: Array<string>, 
/**
 * Whether `port set` may change it.
 */
writable: boolean, };

/**
 * One sealed record: a port configuration or a binding document.
 */
export type RecordId = string;

/**
 * An answer on the local socket: notices come first, then one of the other two.
 */
export type Reply = { "notice": Notice } | { "response": Response } | { "error": Error };

/**
 * Everything that can be asked. What the window can do, the command can do.
 */
export type Request = { "act": "status" } | { "act": "unlock", passphrase: string, } | { "act": "init", name: string, custody: CustodyChoice, backup: FirstBackup, } | { "act": "port_import", files: Array<ImportFile>, dry_run: boolean, } | { "act": "document_list" } | { "act": "port_list", filter: PortFilter, offset: number, limit: number | null, } | { "act": "port_show", port: string, revision: Revision | null, } | { "act": "port_set", port: string, changes: Array<Assignment>, if_revision: Revision | null, 
/**
 * As [`PortView::imprint`] told it: another change of master may have put another revision of that number there.
 */
if_imprint: Imprint | null, note: string | null, dry_run: boolean, } | { "act": "port_mark", port: string, path: string, secret: boolean, if_revision: Revision | null, 
/**
 * See [`Request::PortSet`].
 */
if_imprint: Imprint | null, } | { "act": "port_reveal", port: string, path: string, } | { "act": "port_missing" } | { "act": "port_fill", rows: Array<FillRow>, dry_run: boolean, } | { "act": "port_export", out: LocalPath, secrets: ExportSecrets, document: RecordId | null, } | { "act": "port_history", port: string, } | { "act": "port_diff", port: string, from: Revision, to: Revision, } | { "act": "port_revert", port: string, to: Revision, if_revision: Revision | null, if_imprint: Imprint | null, } | { "act": "port_delete", port: string, if_revision: Revision | null, 
/**
 * See [`Request::PortSet`].
 */
if_imprint: Imprint | null, } | { "act": "port_undelete", port: string, if_revision: Revision | null, 
/**
 * See [`Request::PortSet`].
 */
if_imprint: Imprint | null, } | { "act": "backup_create", file: LocalPath, passphrase: string, reminder: string | null, secret_only: boolean, } | { "act": "backup_inspect", file: LocalPath, } | { "act": "backup_drill", file: LocalPath, passphrase: string, } | { "act": "backup_restore", file: LocalPath, passphrase: string, custody: CustodyChoice, } | { "act": "audit_list", before: number | null, limit: number | null, } | { "act": "node_invite", name: string, role: NodeRole, administrator: boolean, } | { "act": "join", 
/**
 * `https://host:port` of the master.
 */
url: string, token: string, custody: CustodyChoice, cache: Cache, } | { "act": "node_list" } | { "act": "node_revoke", node: string, } | { "act": "node_rename", node: string, name: string, } | { "act": "node_separate", 
/**
 * What the new system is called; not as the former one.
 */
name: string, 
/**
 * Whether the former system's secret is taken out of the keyring too, where another data directory on this machine may
 * still need it.
 */
forget: boolean, } | { "act": "promote_preflight", node: string, mode: PromotionMode, from_backup: BackupSource | null, 
/**
 * See [`Request::Promote`].
 */
leave_unreadable: boolean, } | { "act": "promote", node: string, mode: PromotionMode, 
/**
 * As the preflight told it; `None` takes the epoch that this node knows.
 */
expect_epoch: Epoch | null, 
/**
 * The candidate restores the master secret from it first; for a node that lacks what a master needs.
 */
from_backup: BackupSource | null, 
/**
 * Emergency: goes on though the candidate lacks versions of the master secret with which another would open more.
 */
leave_unreadable: boolean, } | { "act": "stranded_list" } | { "act": "stranded_show", id: number, } | { "act": "stranded_accept", ids: Array<number> | null, } | { "act": "stranded_discard", ids: Array<number> | null, } | { "act": "secret_list" } | { "act": "secret_rotate", file: LocalPath, passphrase: string, reminder: string | null, } | { "act": "secret_rotation" } | { "act": "secret_steer", steer: RotationAct, } | { "act": "secret_destroy", version: KeyVersion, confirm: string, } | { "act": "alert_list" } | { "act": "alert_test" } | { "act": "config_get", key: string | null, } | { "act": "config_set", key: string, value: string, };

/**
 * What came of a request. The tag is not `kind`, since a port has a kind of its own.
 */
export type Response = { "answer": "status" } & StatusView | { "answer": "imported" } & ImportView | { "answer": "documents" } & DocumentListView | { "answer": "ports" } & PortListView | { "answer": "port" } & PortView | { "answer": "saved" } & SaveView | { "answer": "revealed" } & RevealView | { "answer": "missing" } & MissingListView | { "answer": "filled" } & FillView | { "answer": "exported" } & ExportView | { "answer": "history" } & HistoryView | { "answer": "diff" } & DiffView | { "answer": "backup" } & BackupView | { "answer": "restored" } & RestoreView | { "answer": "audit" } & AuditListView | { "answer": "invited" } & InviteView | { "answer": "joined" } & JoinView | { "answer": "nodes" } & NodeListView | { "answer": "separated" } & SeparatedView | { "answer": "preflight" } & PreflightView | { "answer": "promoted" } & PromotedView | { "answer": "stranded" } & StrandedListView | { "answer": "stranded_diff" } & StrandedDiffView | { "answer": "stranded_done" } & StrandedDoneView | { "answer": "versions" } & VersionListView | { "answer": "rotation" } & RotationStatusView | { "answer": "alerts" } & AlertListView | { "answer": "config" } & ConfigView;

export type RestoreView = { system: SystemView, ports: number, records: number, };

export type RevealView = { path: string, value: string, };

/**
 * Counts the writes of one record.
 */
export type Revision = number;

export type RevisionView = { revision: Revision, at: Timestamp, by: string, 
/**
 * What was done: "imported", "edited", "secret filled", "reverted to 3", "deleted", "brought back".
 */
what: string, note: string | null, 
/**
 * Labels of what changed against the revision before.
 */
changed: Array<string>, deleted: boolean, };

/**
 * What is done about a rotation that is under way.
 */
export type RotationAct = "pause" | "resume" | "cancel";

/**
 * How far a rotation is.
 */
export type RotationPhase = "prepared" | "proven" | "distributing" | "resealing" | "verifying" | "done" | "cancelled";

/**
 * The rotation that is under way, or the last one.
 */
export type RotationStatusView = { rotation: RotationView | null, active_version: KeyVersion, };

/**
 * A rotation.
 */
export type RotationView = { from: KeyVersion, to: KeyVersion, phase: RotationPhase, paused: boolean, started: Timestamp, by: string, 
/**
 * Members that hold the new version, and those that do not yet.
 */
holding: Array<string>, missing: Array<string>, 
/**
 * Sealed parts done and in all; 0 until re-sealing begins.
 */
done: number, total: number, per_second: number | null, seconds_left: number | null, 
/**
 * Whether it can still be cancelled: before the new version is active.
 */
cancellable: boolean, 
/**
 * What it waits for or why it stands, in a sentence.
 */
note: string | null, finished: Timestamp | null, };

export type SaveView = { id: RecordId, 
/**
 * The revision that was written; the present one where nothing changed or `dry_run`.
 */
revision: Revision, dry_run: boolean, changes: Array<ChangeView>, 
/**
 * Where else the write is; `None` where nothing was written.
 */
kept: KeptView | null, };

export type SealingView = { possible: boolean, 
/**
 * Why not, to branch on.
 */
code: Code | null, 
/**
 * Why not, in a sentence.
 */
reason: string | null, hint: string | null, since: Timestamp | null, };

/**
 * What is known of a secret.
 */
export type SecretState = "set" | "missing" | "reference" | "unused";

export type SecretStatusView = { active_version: KeyVersion, 
/**
 * Versions with their public key check values.
 */
versions: Array<KeyVersionView>, custody: CustodyKind, 
/**
 * What the kind of custody is called on this machine.
 */
custody_name: string, };

/**
 * A data directory that was made a system of its own.
 */
export type SeparatedView = { system: SystemView, 
/**
 * The system that it was part of.
 */
former: SystemView, ports: number, 
/**
 * Records and former revisions that were sealed anew.
 */
parts: number, 
/**
 * Where the former system's secret still rests on this machine; `null` where it does not.
 */
former_secret: string | null, };

/**
 * One setting.
 */
export type SettingView = { key: string, value: string, 
/**
 * Where the value came from: `default` or a file.
 */
source: string, 
/**
 * What it does, in a sentence.
 */
about: string, };

export type Severity = "info" | "warning" | "critical";

/**
 * One place that alerts go to.
 */
export type SinkView = { 
/**
 * `log`, `webhook`, `desktop` or `metrics`.
 */
name: string, on: boolean, 
/**
 * Whether the last alert arrived; `None` where there was none.
 */
delivered: boolean | null, 
/**
 * What happened to the last alert, in words; empty where there was none.
 */
last: string, };

/**
 * State of this installation.
 */
export type StatusView = { 
/**
 * `None` until `init` or `restore`.
 */
system: SystemView | null, node: NodeView | null, state: NodeState, master: MasterView | null, epoch: Epoch | null, generation: Generation | null, 
/**
 * Where the master secret rests, also while it can't be had.
 */
custody: CustodyKind | null, secret: SecretStatusView | null, sync: SyncView | null, sealing: SealingView, backup: BackupStatusView, counts: CountsView, 
/**
 * Stranded changes that wait for an administrator.
 */
stranded: number, 
/**
 * The rotation that is under way.
 */
rotation: RotationView | null, alerts: Array<AlertView>, data_dir: string, version: string, store: string, };

/**
 * A stranded change beside what stands now.
 */
export type StrandedDiffView = { change: StrandedView, 
/**
 * From what stands now to the stranded change; secrets only as "changed".
 */
fields: Array<ChangeView>, };

/**
 * What became of stranded changes.
 */
export type StrandedDoneView = { accepted: number, discarded: number, left: number, };

/**
 * All stranded changes.
 */
export type StrandedListView = { stranded: Array<StrandedView>, };

/**
 * A write that only a former master had when it stood down.
 */
export type StrandedView = { 
/**
 * Names it in `show`, `accept` and `discard`.
 */
id: number, 
/**
 * The node that had it.
 */
from: string, record: RecordId, kind: PortKind | null, application: string, name: string, revision: Revision, key_version: KeyVersion, 
/**
 * When it was written there, and by whom, as it says itself.
 */
at: Timestamp | null, who: string | null, 
/**
 * The revision that stands here now; `None` where there is no such record.
 */
present: Revision | null, 
/**
 * Whether the record was written here too since the two parted: accepting replaces that.
 */
diverged: boolean, };

/**
 * How fresh a node is.
 */
export type SyncView = { 
/**
 * Seconds since the master was last heard; 0 on the master, `None` where it never was.
 */
age_seconds: number | null, 
/**
 * Longest time between two syncs, in seconds.
 */
interval_seconds: number, 
/**
 * Why the last try failed, while it does.
 */
error: string | null, };

/**
 * The nodes that share one master secret and one SSO database.
 */
export type SystemId = string;

export type SystemView = { id: SystemId, name: string, created: Timestamp, };

/**
 * Milliseconds since 1970-01-01T00:00:00Z. As text and in JSON: RFC 3339 in UTC.
 */
export type Timestamp = string;

/**
 * A transport of a send port, or a receive location.
 */
export type TransportView = { 
/**
 * Path of the element.
 */
path: string, 
/**
 * "Primary transport", "Secondary transport", or the name of the receive location.
 */
label: string, adapter: string, address: string, handler: string, enabled: boolean | null, };

/**
 * How a value is spelt.
 */
export type ValueType = "text" | "boolean" | "integer" | "null" | "reference";

/**
 * All versions, newest first.
 */
export type VersionListView = { versions: Array<VersionView>, 
/**
 * Days after which a new version is due by age, by the setting.
 */
due_after_days: number, 
/**
 * Why a rotation is due now, in a sentence; `None` while it is not.
 */
due: string | null, };

/**
 * What a version of the master secret is for.
 */
export type VersionState = "prepared" | "active" | "opens" | "retired" | "destroyed";

/**
 * One version of the master secret.
 */
export type VersionView = { version: KeyVersion, state: VersionState, 
/**
 * Key check value, 16 bytes in hex.
 */
kcv: string, created: Timestamp, 
/**
 * Records, former revisions and stranded changes that are sealed under it.
 */
records: number, 
/**
 * Files of proven backups that hold records under it: they can't be restored once it is destroyed.
 */
backups: Array<string>, };

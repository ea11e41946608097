// The platform's twin in memory: for unit tests, Chromium runs and `npm run dev`. Never part of the production bundle.
//
// It behaves as the contract says, with a system of its own; `?state=`, `?ports=` and `?fail=` choose where it starts,
// `?fleet=5` gives it nodes, and `?node=degraded` makes it one of them, in that state.

import type {
  AuditView,
  BackupHeaderView,
  BackupRecordView,
  BackupView,
  Code,
  CustodyKind,
  Error as Fault,
  FillRow,
  FillView,
  ImportView,
  KeptView,
  NodeState,
  Notice,
  Request,
  Response,
  StatusView,
} from './bindings';
import { MOCK_FINGERPRINT, MockFleet, OWN_NAME, SEALS } from './fleet';
import type { Chosen, Platform, Unsubscribe } from './index';
import { MockPromotion } from './promotion';
import { MockRotation } from './rotation';
import * as views from './rows';
import type { Row } from './rows';
import { copy, importedPorts, manyPorts, samplePorts } from './sample';
import type { MockPort, MockProperty } from './sample';
import { MockStranded } from './stranded';
import { MockWindow } from './window';

export const MOCK_MARK = 'sealport-mock-platform';

interface Kept {
  system: string | null;
  rows: Row[];
  audit: AuditView[];
  backups: BackupRecordView[];
  documents: Map<string, string>;
  generation: number;
}

const KCV = 'b1e5a47c90d2f3186ac4570e88213f9d';
const fault = (code: Code, message: string, hint = ''): Fault => ({ code, message, hint });

export class Mock extends MockWindow implements Platform {
  readonly mark = MOCK_MARK;
  /** Requests that fail once each with the fault given: for tests of refusals. */
  readonly failures = new Map<Request['act'], Fault>();
  readonly calls: Request[] = [];
  /** Another one has other revisions under the same numbers: for tests. */
  history = 1;
  delay: number;
  locked: Code | null = null;
  sample = false;
  readonly fleet = new MockFleet();
  readonly promotion: MockPromotion;
  readonly stranded: MockStranded;
  readonly rotation: MockRotation;

  private system: string | null = null;
  private custody: CustodyKind = 'keyring';
  private generation = 0;
  private rows: Row[] = [];
  private audit: AuditView[] = [];
  private backups: BackupRecordView[] = [];
  private documents = new Map<string, string>();
  private cancelled = false;
  private kept: Kept | null = null;
  private readonly onNotice = new Set<(notice: Notice) => void>();
  private readonly onDrop = new Set<(files: Chosen[]) => void>();
  private readonly onDrag = new Set<(over: boolean) => void>();

  constructor(params: URLSearchParams) {
    super();
    this.delay = Number(params.get('delay') ?? 0);
    const state = params.get('state');
    const befallen = params.get('node') as NodeState | 'cloned' | null;
    if (state !== 'empty') this.fleet.start(OWN_NAME, params.has('fleet'), befallen !== null, params.get('role') === 'standby' ? 'standby' : 'processing');
    if (params.has('ahead')) this.fleet.addStandby('DR-1', Number(params.get('ahead')));
    if (params.has('plain')) this.fleet.nodes.forEach((node) => node.here && (node.administrator = false));
    if (befallen) this.fleet.befall(befallen, 4 * 60);
    this.promotion = new MockPromotion(this.fleet, () => this.rows.length + this.documents.size, params.get('promotion') ?? '');
    this.stranded = new MockStranded({
      port: (name) => {
        const row = this.rows.find((row) => row.port.name === name && !row.deleted);
        return row ? { id: row.id, revision: row.revisions.length, port: row.port } : null;
      },
      diff: (before, after) => views.diff(before, after),
      write: (port) => {
        const row = this.rows.find((row) => row.port.name === port.name);
        if (row) this.save(row, copy(port), null, 'stranded change accepted', null, false);
        else this.add(copy(port), 'stranded change accepted');
      },
      note: (act, object, detail) => this.note(act, object, detail),
    });
    this.rotation = new MockRotation(
      () => this.fleet.nodes.filter((node) => !node.revoked).map((node) => node.name),
      () => this.rows.length + this.documents.size,
      () => this.backups.map((backup) => backup.file),
    );
    if (state !== 'empty') this.open('Halden Trading', Number(params.get('ports') ?? 0), state === 'later');
    if (params.has('stranded')) this.giveBack('HUB-2');
    if (params.has('rotation')) this.rotation.put(params.get('rotation')!);
    this.locked = (params.get('locked') as Code | null) ?? (state === 'locked' ? 'keyring_locked' : null);
    if (this.locked === 'custody_locked' || this.locked === 'wrong_passphrase') this.custody = 'passphrase';
    const failing = params.get('fail');
    if (failing) this.failures.set(failing as Request['act'], fault('unavailable', 'The store can’t be read.', 'Check the data directory and try again.'));
  }

  private keep(): Kept {
    return { system: this.system, rows: this.rows, audit: this.audit, backups: this.backups, documents: this.documents, generation: this.generation };
  }

  private open(name: string, ports: number, later = false): void {
    this.system = name;
    for (const port of ports > 0 ? manyPorts(ports) : samplePorts()) this.add(port, 'imported');
    for (const row of this.rows) this.documents.set(row.port.document, row.id);
    this.note('system.init', name, 'window');
    this.note('port.import', `${this.rows.length} ports`, 'from binding files');
    if (!later) this.backup('halden-trading-2026-11-20.sealport', false, 'The one in the red binder', 3 * 86_400);
  }

  private note(act: string, object: string, detail = ''): void {
    this.audit.unshift({ seq: this.audit.length + 1, at: new Date().toISOString(), who: 'ana', origin: 'window', act, object, detail });
  }

  private add(port: MockPort, what: string): Row {
    const row: Row = { id: `r-${this.rows.length + 1}`, port, deleted: false, revisions: [] };
    this.rows.push(row);
    this.revise(row, what, null, []);
    return row;
  }

  private revise(row: Row, what: string, note: string | null, changed: string[]): void {
    this.generation += 1;
    const view = { revision: row.revisions.length + 1, at: new Date().toISOString(), by: 'ana', what, note, changed, deleted: row.deleted };
    // Every write puts a new port in place, so a revision may keep the one that was there.
    row.revisions.push({ view, port: row.port });
  }

  private written(): void {
    for (const handler of this.onNotice) handler({ notice: 'changed', generation: this.generation });
  }

  /** Something befalls this node, or is over. */
  turn(state: NodeState, secondsAgo = 0): void {
    this.fleet.turn(state, secondsAgo);
    for (const handler of this.onNotice) handler({ notice: 'state', state });
  }

  /** A former master is back, stood down, and brought what it alone had. */
  giveBack(name = this.fleet.comeBack()): void {
    if (!name) return;
    this.stranded.strand(name);
    this.note('master.stand_down', name, `follows ${this.fleet.master()?.name} in epoch ${this.fleet.epoch}`);
    this.written();
  }

  private find(id: string): Row {
    const row = this.rows.find((row) => row.id === id || row.port.name === id);
    if (!row) throw fault('not_found', `There is no port "${id}".`, 'Search for it by name or address.');
    return row;
  }

  private prop(row: Row, path: string): MockProperty {
    const property = row.port.properties.find((property) => property.path === path);
    if (!property) throw fault('not_found', `"${row.port.name}" has no property "${path}".`);
    return property;
  }

  private backup(file: string, secretOnly: boolean, reminder: string | null, ageSeconds = 0): BackupRecordView {
    const at = new Date(Date.now() - ageSeconds * 1000).toISOString();
    const record = { file, created: at, proven: at, secret_only: secretOnly, ports: secretOnly ? 0 : this.rows.length, records: secretOnly ? 1 : this.rows.length + this.documents.size, reminder, generation: this.generation };
    this.backups.unshift(record);
    this.note('backup.create', file, `${record.records} records opened`);
    return record;
  }

  private header(reminder: string | null): BackupHeaderView {
    return { format: 1, system: '0198c0de-6f1a-7c11-9a55-2b7de0a4c111', system_name: this.system ?? 'Halden Trading', created: '2026-11-20T08:12:00Z', product: 'Sealport 0.1.0', generation: this.generation || 42, active_version: 1, versions: [{ version: 1, kcv: KCV, created: '2026-11-03T08:12:00Z' }], reminder, secret_only: false, ports: this.system ? this.rows.length : 19, records: this.system ? this.rows.length + this.documents.size : 23 };
  }

  private backupView(file: string, record: { records: number; reminder: string | null }, proven: boolean): { answer: 'backup' } & BackupView {
    return { answer: 'backup', file, bytes: 148_312, header: { ...this.header(record.reminder), records: record.records }, proven: proven ? { at: new Date().toISOString(), records_opened: record.records, seconds: 1.4 } : null };
  }

  private status(): StatusView {
    // Without the secret the service can't look into the ports: it counts none.
    const live = this.locked ? [] : this.rows.filter((row) => !row.deleted);
    const kind = (kind: string) => live.filter((row) => row.port.kind === kind).length;
    const missing = live.reduce((sum, row) => sum + views.missing(row).length, 0);
    const proven = this.backups[0];
    const alerts: StatusView['alerts'] = [];
    const refusal = this.fleet.refusal();
    if (this.locked) alerts.push({ id: 'secret_missing', severity: 'critical', message: 'The master secret can’t be had.', hint: 'See the line at the top.', since: new Date().toISOString() });
    else if (refusal && this.fleet.alert()) alerts.push({ id: this.fleet.alert()!, severity: 'critical', message: refusal.reason!, hint: refusal.hint!, since: refusal.since });
    if (this.system && !proven) alerts.push({ id: 'no_proven_backup', severity: 'critical', message: 'There is no proven backup of the master secret.', hint: 'Back up now: if this machine is lost, everything sealed here is lost with it.', since: null });
    if (missing > 0) alerts.push({ id: 'secrets_missing', severity: 'info', message: `${missing} secrets that BizTalk removed are still missing.`, hint: 'Fill them in before the ports are used.', since: null });
    return {
      system: this.system ? { id: '0198c0de-6f1a-7c11-9a55-2b7de0a4c111', name: this.system, created: '2026-11-03T08:12:00Z' } : null,
      node: this.system ? this.fleet.node() : null,
      state: !this.system ? 'no_system' : this.locked ? 'no_secret' : this.fleet.state,
      master: this.system ? this.fleet.master() : null,
      epoch: this.system ? this.fleet.epoch : null,
      sync: this.system ? this.fleet.sync() : null,
      generation: this.system ? this.generation : null,
      custody: this.system ? (this.sample ? 'memory' : this.custody) : null,
      secret: this.system && !this.locked ? { active_version: this.rotation.active, versions: this.rotation.versions.filter((one) => one.state !== 'destroyed').map(({ version, kcv, created }) => ({ version, kcv, created })), custody: this.sample ? 'memory' : this.custody, custody_name: this.sample ? 'Memory' : this.custody === 'keyring' ? 'GNOME Keyring (Secret Service)' : 'Passphrase file' } : null,
      sealing: this.locked
        ? { possible: false, code: this.locked, reason: 'The master secret can’t be had.', hint: 'See the line at the top.', since: new Date().toISOString() }
        : (refusal ?? { possible: Boolean(this.system), code: this.system ? null : 'no_system', reason: null, hint: null, since: null }),
      backup: { proven_age_seconds: proven ? Math.round((Date.now() - Date.parse(proven.proven)) / 1000) : null, history: this.backups },
      counts: { receive_ports: kind('receive_port'), send_ports: kind('send_port'), send_port_groups: kind('send_port_group'), deleted: this.locked ? 0 : this.rows.length - live.length, documents: this.locked ? 0 : this.documents.size, missing_secrets: missing, applications: new Set(live.map((row) => row.port.application)).size },
      stranded: this.stranded.count,
      rotation: this.rotation.underWay,
      alerts,
      data_dir: '/home/ana/.local/share/sealport',
      version: '0.1.0',
      store: 'SQLite 3.51.3',
    };
  }

  private save(row: Row, port: MockPort, seen: number | null, what: string, note: string | null, dry: boolean): Response {
    const revision = row.revisions.length;
    if (seen !== null && seen !== revision) throw fault('revision_conflict', `"${row.port.name}" was changed since you opened it: revision ${revision} is newer than ${seen}.`, 'Read it again and make your changes on top.');
    const changes = views.diff(row.port, port);
    if (!dry && changes.length > 0) {
      row.port = port;
      this.revise(row, what, note, changes.map((change) => change.label));
      this.note('port.set', row.port.name, `revision ${row.revisions.length}: ${changes.map((change) => change.label).join(', ')}`);
      this.written();
    }
    return { answer: 'saved', id: row.id, revision: row.revisions.length, dry_run: dry, changes, kept: this.keptBy(dry || changes.length === 0) };
  }

  /** Where else a write is: on the first standby. */
  private keptBy(unwritten: boolean): KeptView | null {
    if (unwritten) return null;
    return { standby: this.fleet.nodes.find((node) => node.role === 'standby' && !node.revoked)?.name ?? null, late: false };
  }

  private fill(rows: FillRow[], dry: boolean): { answer: 'filled' } & FillView {
    const problems: FillView['problems'] = [];
    const hits: [Row, MockProperty, string][] = [];
    rows.forEach((fill, index) => {
      const row = this.rows.find((row) => row.id === fill.port || row.port.name === fill.port);
      const property = row?.port.properties.find((property) => property.secret === 'missing' && (!fill.property || property.path === fill.property));
      if (row && property) hits.push([row, property, fill.value]);
      else problems.push({ row: index + 1, reason: `"${fill.port}" misses no secret "${fill.property}".` });
    });
    if (!dry && problems.length === 0) {
      for (const [row, { path }, value] of hits) {
        row.port = copy(row.port);
        const property = this.prop(row, path);
        property.secret = 'set';
        property.hidden = value;
        this.revise(row, 'secret filled', null, [property.label]);
        this.note('port.fill', row.port.name, property.label);
      }
      this.written();
    }
    const still = this.rows.reduce((sum, row) => sum + views.missing(row).length, 0);
    return { answer: 'filled', filled: hits.length, ports: new Set(hits.map(([row]) => row.id)).size, still_missing: dry ? still - hits.length : still, dry_run: dry, problems, kept: this.keptBy(dry || problems.length > 0) };
  }

  private import(names: string[], dry: boolean): Response {
    const bad = names.find((name) => name.includes('Broken'));
    if (bad) {
      throw { ...fault('malformed_document', `${bad} is not well-formed XML: "SendPort" is closed by "SendPorts".`, 'Export it again from BizTalk, or take it out.'), place: { line: 214, column: 7 } } satisfies Fault;
    }
    const plan: ImportView['plan'] = [];
    for (const name of names) {
      for (const port of importedPorts()) {
        const row = this.rows.find((row) => row.port.kind === port.kind && row.port.name === port.name && row.port.application === port.application);
        const changes = row ? views.diff(row.port, port) : [];
        const outcome = !row ? 'created' : changes.length > 0 ? 'changed' : 'unchanged';
        const shown = row ?? { id: '', port, deleted: false, revisions: [{ view: { revision: 1, at: '', by: '', what: '', note: null, changed: [], deleted: false }, port }] };
        const missing = (row ? views.missing(row) : views.missing({ ...shown, port })).map((one) => ({ ...one, port: row?.id ?? '' }));
        plan.push({ document: name, kind: port.kind, application: port.application, name: port.name, adapter: port.transports[0]?.adapter ?? '', address: port.transports[0]?.address ?? '', outcome, changes, missing });
        if (dry) continue;
        if (!row) this.add(port, 'imported');
        else if (changes.length > 0) {
          row.port = copy(port);
          this.revise(row, 'imported', null, changes.map((change) => change.label));
        }
      }
      if (!dry) this.documents.set(name, `d-${name}`);
    }
    const outcome = (wanted: string) => plan.filter((entry) => entry.outcome === wanted).length;
    if (!dry) {
      this.note('port.import', names.join(', '), `${outcome('created')} created, ${outcome('changed')} changed`);
      this.written();
    }
    const documents = names.map((name) => ({ id: `d-${name}`, name, ports: plan.filter((entry) => entry.document === name).length, missing_secrets: plan.filter((entry) => entry.document === name).reduce((sum, entry) => sum + entry.missing.length, 0), warnings: name.includes('Returns') ? ['1 tracked schema is kept, and not shown as a port.'] : [] }));
    return { answer: 'imported', documents, created: outcome('created'), changed: outcome('changed'), unchanged: outcome('unchanged'), dry_run: dry, plan, kept: this.keptBy(dry) };
  }

  private async work(doing: string, total: number): Promise<void> {
    this.cancelled = false;
    for (let done = 0; done <= total; done += Math.max(1, Math.ceil(total / 8))) {
      if (this.cancelled) throw fault('cancelled', 'Cancelled. Nothing was changed.');
      for (const handler of this.onNotice) handler({ notice: 'progress', doing, done, total, seconds_left: Math.ceil(((total - done) / total) * 3) });
      if (this.delay > 0) await new Promise((done) => setTimeout(done, this.delay / 4));
    }
  }

  call = async (request: Request): Promise<Response> => {
    this.calls.push(request);
    if (this.delay > 0) await new Promise((done) => setTimeout(done, this.delay));
    const failure = this.failures.get(request.act);
    if (failure) {
      this.failures.delete(request.act);
      throw failure;
    }
    if (this.locked && !['status', 'unlock', 'audit_list', 'backup_inspect', 'node_list', 'alert_list', 'config_get'].includes(request.act)) {
      throw fault(this.locked, 'The master secret can’t be had.', 'See the line at the top.');
    }
    if (SEALS.has(request.act) && !('dry_run' in request && request.dry_run)) this.expectSealing();
    return this.answer(request);
  };

  private expectSealing(): void {
    const refusal = this.fleet.refusal();
    if (refusal) throw fault('encryption_unavailable', refusal.reason!, refusal.hint!);
  }

  private async answer(request: Request): Promise<Response> {
    switch (request.act) {
      case 'status':
        return { answer: 'status', ...this.status() };
      case 'init': {
        if (this.system) throw fault('system_exists', 'This data directory holds a system already.');
        this.system = request.name;
        this.fleet.start(OWN_NAME, false, false);
        this.custody = request.custody.custody;
        this.note('system.init', request.name);
        if (request.backup.when === 'now') {
          await this.work('Proving the backup', 8);
          this.backup(this.names.get(request.backup.file) ?? request.backup.file, false, request.backup.reminder);
        }
        return { answer: 'status', ...this.status() };
      }
      case 'port_import':
        return this.import(request.files.map((file) => file.name), request.dry_run);
      case 'document_list':
        return { answer: 'documents', documents: [...this.documents.keys()].map((name) => ({ id: `d-${name}`, name, encoding: 'UTF-8', bytes: 18_240, ports: this.rows.filter((row) => row.port.document === name).length, imported: '2026-11-20T08:14:00Z', superseded: false })) };
      case 'port_list':
        return views.list(this.rows, request.filter, request.offset, request.limit);
      case 'port_show':
        return { answer: 'port', ...views.view(this.find(request.port), request.revision), imprint: request.revision === null ? views.imprint(this.find(request.port), this.history) : null };
      case 'unlock':
        if (request.passphrase === 'wrong') throw fault('wrong_passphrase', 'the passphrase does not open custody.age', 'Check the passphrase of the custody; it is not the one of a backup.');
        this.locked = null;
        return { answer: 'status', ...this.status() };
      case 'port_set': {
        const row = this.find(request.port);
        const next = { ...row, port: copy(row.port) };
        for (const { path, value } of request.changes) {
          const property = this.prop(next, path);
          if (property.secret) Object.assign(property, { hidden: value, secret: 'set' });
          else property.value = value;
        }
        views.expect(row, this.history, request);
        return this.save(row, next.port, request.if_revision, 'edited', request.note, request.dry_run);
      }
      case 'port_mark': {
        const row = this.find(request.port);
        const port = copy(row.port);
        const property = port.properties.find((property) => property.path === request.path)!;
        if (request.secret) Object.assign(property, { hidden: property.value, value: null, secret: 'set', marked: true });
        else Object.assign(property, { value: property.hidden, hidden: null, secret: null, marked: false });
        views.expect(row, this.history, request);
        return this.save(row, port, request.if_revision, request.secret ? 'marked secret' : 'mark removed', null, false);
      }
      case 'port_reveal': {
        const row = this.find(request.port);
        const property = this.prop(row, request.path);
        if (property.hidden === null) throw fault('refused', `"${property.label}" has no value yet.`, 'Fill it in first.');
        this.note('port.reveal', row.port.name, property.label);
        return { answer: 'revealed', path: request.path, value: property.hidden };
      }
      case 'port_missing':
        return { answer: 'missing', missing: this.rows.filter((row) => !row.deleted).flatMap((row) => views.missing(row)) };
      case 'port_fill':
        return this.fill(request.rows, request.dry_run);
      case 'port_export':
        this.note('port.export', `${this.documents.size} documents`, request.secrets);
        return { answer: 'exported', folder: 'export', secrets: request.secrets, files: [...this.documents.keys()].map((name) => ({ document: `d-${name}`, name, bytes: 18_240, ports: 7 })) };
      case 'port_history': {
        const row = this.find(request.port);
        return { answer: 'history', id: row.id, name: row.port.name, revisions: row.revisions.map((revision) => revision.view).reverse() };
      }
      case 'port_diff': {
        const row = this.find(request.port);
        return { answer: 'diff', id: row.id, name: row.port.name, from: request.from, to: request.to, changes: views.diff(row.revisions[request.from - 1]!.port, row.revisions[request.to - 1]!.port) };
      }
      case 'port_revert': {
        const row = this.find(request.port);
        views.expect(row, this.history, request);
        return this.save(row, copy(row.revisions[request.to - 1]!.port), request.if_revision, `reverted to ${request.to}`, null, false);
      }
      case 'port_delete':
      case 'port_undelete': {
        const row = this.find(request.port);
        views.expect(row, this.history, request);
        row.deleted = request.act === 'port_delete';
        this.revise(row, row.deleted ? 'deleted' : 'brought back', null, []);
        this.note(row.deleted ? 'port.delete' : 'port.undelete', row.port.name);
        this.written();
        return { answer: 'saved', id: row.id, revision: row.revisions.length, dry_run: false, changes: [], kept: this.keptBy(false) };
      }
      case 'backup_create': {
        await this.work('Writing and proving the backup', this.rows.length + 4);
        const record = this.backup(this.names.get(request.file) ?? request.file, request.secret_only, request.reminder);
        this.written();
        return this.backupView(record.file, record, true);
      }
      case 'backup_inspect':
        return this.backupView(this.names.get(request.file) ?? request.file, { records: 23, reminder: 'The one in the red binder' }, false);
      case 'backup_drill':
        if (request.passphrase === 'wrong') throw fault('wrong_passphrase', 'The passphrase does not open this backup.', 'The reminder is: The one in the red binder.');
        await this.work('Opening every record', 23);
        this.note('backup.drill', this.names.get(request.file) ?? request.file, '23 records opened');
        return this.backupView(this.names.get(request.file) ?? request.file, { records: 23, reminder: 'The one in the red binder' }, true);
      case 'backup_restore':
        if (request.passphrase === 'wrong') throw fault('wrong_passphrase', 'The passphrase does not open this backup.', 'The reminder is: The one in the red binder.');
        await this.work('Restoring records', 23);
        this.custody = request.custody.custody;
        this.fleet.start(OWN_NAME, false, false);
        this.open('Halden Trading', 0);
        return { answer: 'restored', system: this.status().system!, ports: this.rows.length, records: 23 };
      case 'node_list':
        return { answer: 'nodes', ...this.fleet.list() };
      case 'node_invite':
        this.note('node.invite', request.name, request.role);
        return { answer: 'invited', ...this.fleet.invite(request.name, request.role, request.administrator) };
      case 'node_separate': {
        await this.work('Sealing everything anew', 23);
        const done = this.fleet.separate(OWN_NAME, this.status().system!, request.name, this.rows.length);
        [this.system, this.backups] = [request.name, []];
        this.turn('synced');
        return { answer: 'separated', ...done };
      }
      case 'node_rename':
        this.note('node.rename', this.fleet.find(request.node).name, `now ${request.name}`);
        this.fleet.find(request.node).name = request.name;
        return { answer: 'nodes', ...this.fleet.list() };
      case 'node_revoke':
        this.note('node.revoke', this.fleet.find(request.node).name);
        this.fleet.revoke(request.node);
        return { answer: 'nodes', ...this.fleet.list() };
      case 'join': {
        if (request.token.includes('used')) throw fault('not_permitted', 'the master refused the token: it was used, or it is over', 'Ask for a new invitation: it counts for 15 minutes, once.');
        await this.work('Joining', 23);
        this.custody = request.custody.custody;
        this.fleet.start(OWN_NAME, false, true);
        this.open('Halden Trading', 0);
        return { answer: 'joined', system: this.status().system!.id, system_name: 'Halden Trading', node: this.fleet.node()!, fingerprint: MOCK_FINGERPRINT, ports: this.rows.length };
      }
      case 'promote_preflight':
        return { answer: 'preflight', ...this.promotion.preflight(request.node, request.mode, request.from_backup?.passphrase ?? null, request.leave_unreadable) };
      case 'promote': {
        await this.work(request.mode === 'planned' ? 'Waiting for the last write' : 'Opening every record', this.rows.length);
        const { node, mode, expect_epoch, from_backup, leave_unreadable } = request;
        try {
          const done = this.promotion.promote(node, mode, expect_epoch, from_backup?.passphrase ?? null, leave_unreadable);
          this.note('master.promote', done.master_name, `epoch ${done.epoch}, ${mode}`);
          return { answer: 'promoted', ...done };
        } finally {
          this.turn(this.fleet.state);
        }
      }
      case 'stranded_list':
        return { answer: 'stranded', stranded: this.stranded.list() };
      case 'stranded_show':
        return { answer: 'stranded_diff', ...this.stranded.show(request.id) };
      case 'stranded_accept':
      case 'stranded_discard': {
        const done = this.stranded.settle(request.ids, request.act === 'stranded_accept');
        this.written();
        return { answer: 'stranded_done', ...done };
      }
      case 'secret_list':
        return { answer: 'versions', versions: this.rotation.list(), due_after_days: 365, due: this.rotation.due };
      case 'secret_rotate': {
        if (!this.fleet.isMaster) throw fault('not_permitted', 'Only the master makes a new version.', `Open Sealport on ${this.fleet.master()?.name}.`);
        await this.work('Writing and proving the backup', this.rows.length + 4);
        this.rotation.begin('ana');
        this.backup(this.names.get(request.file) ?? request.file, false, request.reminder);
        this.note('secret.rotate', `version ${this.rotation.current!.to}`, 'begun');
        this.written();
        return { answer: 'rotation', rotation: this.rotation.current, active_version: this.rotation.active };
      }
      case 'secret_rotation': {
        const rotation = this.rotation.look();
        return { answer: 'rotation', rotation, active_version: this.rotation.active };
      }
      case 'secret_steer':
        this.rotation.steer(request.steer);
        this.written();
        return { answer: 'rotation', rotation: this.rotation.current, active_version: this.rotation.active };
      case 'secret_destroy':
        if (request.confirm !== this.system) throw fault('usage', `"${request.confirm}" is not the name of this system.`);
        this.rotation.destroy(request.version);
        this.note('secret.destroy', `version ${request.version}`);
        this.written();
        return { answer: 'versions', versions: this.rotation.list(), due_after_days: 365, due: this.rotation.due };
      case 'alert_list':
      case 'alert_test':
        return { answer: 'alerts', alerts: this.status().alerts, sinks: [{ name: 'log', on: true, last: '', delivered: null }] };
      case 'config_get':
        return { answer: 'config', settings: this.fleet.settings.filter((one) => request.key === null || one.key === request.key) };
      case 'config_set':
        return { answer: 'config', settings: this.fleet.set(request.key, request.value) };
      case 'audit_list': {
        const from = request.before;
        const entries = this.audit.filter((entry) => from === null || entry.seq < from).slice(0, request.limit ?? 200);
        return { answer: 'audit', entries, broken_at: null, total: this.audit.length };
      }
    }
  }

  private readonly names = new Map<string, string>();

  choose: Platform['choose'] = async (what, suggested) => {
    const name = what === 'import' ? 'Halden.Returns.BindingInfo.xml' : what === 'export_folder' ? 'export' : what === 'fill_csv' ? 'secrets.csv' : (suggested ?? 'halden-trading-2026-11-20.sealport');
    return [this.hand(name)];
  };

  hand(name: string): Chosen {
    const token = `t-${this.names.size + 1}`;
    this.names.set(token, name);
    return { token, name, bytes: 18_240 };
  }

  drop(names: string[]): void {
    const files = names.map((name) => this.hand(name));
    for (const handler of this.onDrop) handler(files);
  }

  drag(over: boolean): void {
    for (const handler of this.onDrag) handler(over);
  }

  importFiles: Platform['importFiles'] = async (tokens, dryRun) => {
    if (!dryRun) {
      this.expectSealing();
      await this.work('Sealing ports', 24);
    }
    return this.import(tokens.map((token) => this.names.get(token) ?? token), dryRun);
  };

  fillFromCsv: Platform['fillFromCsv'] = async (_token, dryRun) => {
    const missing = this.rows.flatMap((row) => views.missing(row)).slice(0, 2);
    return this.fill(missing.map((one) => ({ application: one.application, port: one.port, property: one.property, user: one.user, value: 'from-csv' })), dryRun);
  };

  dropped = (handler: (files: Chosen[]) => void): Unsubscribe => subscribe(this.onDrop, handler);
  dragging = (handler: (over: boolean) => void): Unsubscribe => subscribe(this.onDrag, handler);
  notices = (handler: (notice: Notice) => void): Unsubscribe => subscribe(this.onNotice, handler);
  cancel = async (): Promise<void> => void (this.cancelled = true);

  explore = async (): Promise<void> => {
    this.kept = this.keep();
    this.sample = true;
    this.rows = [];
    this.audit = [];
    this.backups = [];
    this.documents = new Map();
    this.fleet.start(OWN_NAME, false, false);
    this.open('Halden Trading', 0, true);
    this.written();
  };

  leaveSample = async (): Promise<void> => {
    if (this.kept) Object.assign(this, this.kept);
    this.sample = false;
    this.written();
  };

  openFolder = async (): Promise<void> => {};
  about: Platform['about'] = async () => ({ version: '0.1.0', sample: this.sample, dataDir: '/home/ana/.local/share/sealport' });
  copySecret = async (port: string, path: string): Promise<void> => this.note('port.reveal', this.find(port).port.name, path);
}

function subscribe<T>(handlers: Set<T>, handler: T): Unsubscribe {
  handlers.add(handler);
  return () => handlers.delete(handler);
}

export function makeMock(params: URLSearchParams = new URLSearchParams()): Mock {
  const mock = new Mock(params);
  // For Chromium runs, which drop files and set failures from outside.
  Object.assign(window, { sealportMock: mock });
  return mock;
}

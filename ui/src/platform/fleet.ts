// The nodes of the mock twin: a fleet with one master, and the switch for what befalls this node.

import type { Code, Error as Fault, InviteView, MasterView, NodeEntryView, NodeListView, NodeRole, NodeState, NodeView, Request, SealingView, SeparatedView, SettingView, SyncView, SystemView } from './bindings';

export const OWN_NAME = 'admin-ws-07';
/** Acts that seal, or that only the master does. */
export const SEALS: ReadonlySet<Request['act']> = new Set<Request['act']>(['port_set', 'port_import', 'port_mark', 'port_fill', 'port_revert', 'port_delete', 'port_undelete', 'node_invite', 'node_revoke', 'node_rename']);

const FINGERPRINT = '7F2A-91C4-D05E-B83A';
const ADDRESS = 'hub-2.halden.example:7410';
const OTHERS: [string, NodeRole, number][] = [
  ['HUB-2', 'master', 0],
  ['HUB-1', 'standby', 4],
  ['EDGE-OSLO', 'processing', 11],
  ['EDGE-BERGEN', 'processing', 19],
];

/** What keeps this node from sealing, as the service says it. */
const CAUSE: Partial<Record<NodeState, { reason: string; hint: string }>> = {
  starting: { reason: 'This node has just started and has not heard from its master yet.', hint: 'Try again in a few seconds.' },
  degraded: {
    reason: `Nothing new can be sealed: the master https://${ADDRESS} was not heard for 1 min 10 s, since 05:12 (connection refused).`,
    hint: 'Opening goes on without limit, also after a restart. Bring the master back; sealing works again by itself.',
  },
  stale: {
    reason: `The master https://${ADDRESS} has lost writes that this node has: its database was set back.`,
    hint: 'This node keeps what it has, and takes nothing from that master. Compare both before you join it anew.',
  },
  fenced: {
    reason: 'This node was revoked by an administrator. It opens and seals nothing any more.',
    hint: 'If that was a mistake, ask for a new invitation and join in a new data directory.',
  },
};

const COPY = {
  reason: 'Nothing new can be sealed since 05:12: another machine holds the identity of this node and is at work, so this is its copy.',
  hint: 'Opening goes on. Make this copy a test system of its own with `sealport node separate --name NAME`, or end it and delete its data directory.',
};

const fault = (code: Code, message: string, hint = ''): Fault => ({ code, message, hint });

export class MockFleet {
  nodes: NodeEntryView[] = [];
  state: NodeState = 'synced';
  epoch = 1;
  since: string | null = null;
  /** Fenced because this node is the copy of one that is at work. */
  copy = false;
  settings: SettingView[] = [
    { key: 'listen', value: '127.0.0.1:7410', source: 'default', about: 'Where other nodes reach this one, as ADDR:PORT; counts from the next start.' },
    { key: 'sync_interval', value: '60s', source: 'default', about: 'Longest time between two syncs, from 5s to 1h. Changes arrive at once all the same.' },
    { key: 'backup_days', value: '35', source: 'default', about: 'Days after which a proven backup is old, from 1 to 3650.' },
    { key: 'notifications', value: 'on', source: 'default', about: 'Whether the window shows alerts as notifications of the desktop, `on` or `off`. The tray and the window itself show them always.' },
    { key: 'webhook', value: 'off', source: 'default', about: 'Where alerts are posted as JSON: an http or https address, or `off`.' },
  ];
  private lastContact = Date.now();

  /** One node that is its own master; with `many`, five of them; with `member`, this one is not the master, but `role`. */
  start(name: string, many: boolean, member: boolean, role: NodeRole = 'processing'): void {
    const others = many || member ? (member ? OTHERS : OTHERS.map(([n, r, a], index) => (index === 0 ? (['HUB-3', 'standby', 7] as [string, NodeRole, number]) : ([n, r, a] as [string, NodeRole, number])))) : [];
    const own = this.entry(name, member ? role : 'master', 0, true);
    this.nodes = [own, ...others.map(([n, role, age]) => this.entry(n, role, age, false))];
  }

  entry(name: string, role: NodeRole, age: number, here: boolean): NodeEntryView {
    return {
      id: `0198c0de-6f1a-7c11-9a55-${[...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 0xffffffff, 7).toString(16).padStart(12, '0')}`,
      name,
      role,
      administrator: here || role === 'standby',
      state: 'synced',
      last_sync_age_seconds: age,
      epoch: this.epoch,
      generation: 42,
      address: role === 'processing' ? null : `${name.toLowerCase()}.halden.example:7410`,
      version: '0.1.0',
      here,
      revoked: false,
      joined: '2026-11-03T08:12:00Z',
      certificate_expires: '2027-02-01T08:12:00Z',
    };
  }

  /** Puts this node into a state. */
  turn(state: NodeState, secondsAgo = 0): void {
    const before = this.state;
    this.state = state;
    if (state === 'synced') this.lastContact = Date.now();
    else if (before === 'synced') this.lastContact = Date.now() - secondsAgo * 1000;
    this.since = state === 'synced' ? null : new Date(this.lastContact).toISOString();
  }

  /** The same; `cloned` fences it as the copy of one that is at work. */
  befall(what: NodeState | 'cloned', secondsAgo: number): void {
    this.copy = what === 'cloned';
    this.turn(what === 'cloned' ? 'fenced' : what, secondsAgo);
  }

  /** The alert that its state raises. */
  alert(): string | undefined {
    const alerts: Partial<Record<NodeState, string>> = { degraded: 'master_unreachable', stale: 'node_stale', fenced: this.copy ? 'node_cloned' : 'node_revoked' };
    return alerts[this.state];
  }

  /** It is the only node of a system of its own. */
  separate(own: string, former: SystemView, name: string, ports: number): SeparatedView {
    this.copy = false;
    this.start(own, false, false);
    return { system: { ...former, name }, former, ports, parts: 31, former_secret: null };
  }

  /** The master does not answer. */
  get lost(): boolean {
    return this.state === 'degraded';
  }

  /** Seconds since it was heard. */
  silence(): number {
    return Math.round((Date.now() - this.lastContact) / 1000);
  }

  /** A further standby that is some writes ahead of the others. */
  addStandby(name: string, ahead: number): void {
    const node = this.entry(name, 'standby', 6, false);
    this.nodes.push({ ...node, generation: (node.generation ?? 0) + ahead });
  }

  /** Another node is the master; the former one is a standby, or not heard while it is lost. */
  become(candidate: NodeEntryView): void {
    const former = this.nodes.find((node) => node.role === 'master');
    if (former && former !== candidate) Object.assign(former, { role: 'standby', state: this.lost ? null : 'synced', last_sync_age_seconds: this.lost ? null : 2 });
    Object.assign(candidate, { role: 'master', last_sync_age_seconds: 0, address: candidate.address ?? ADDRESS });
    this.epoch += 1;
    for (const node of this.nodes) if (node.state !== null) node.epoch = this.epoch;
    this.turn('synced');
  }

  /** Who was lost comes back, as a standby. */
  comeBack(): string | null {
    const node = this.nodes.find((node) => node.state === null && !node.revoked);
    if (node) Object.assign(node, { state: 'synced', last_sync_age_seconds: 1, epoch: this.epoch });
    return node?.name ?? null;
  }

  private get own(): NodeEntryView | undefined {
    return this.nodes.find((node) => node.here);
  }

  get isMaster(): boolean {
    return this.own?.role === 'master';
  }

  node(): NodeView | null {
    return this.own ? { id: this.own.id, name: this.own.name, role: this.own.role, administrator: this.own.administrator } : null;
  }

  master(): MasterView | null {
    const master = this.nodes.find((node) => node.role === 'master');
    return master ? { id: master.id, name: master.name, address: this.nodes.length > 1 ? master.address : null } : null;
  }

  sync(): SyncView {
    const age = this.isMaster ? 0 : this.state === 'synced' ? 3 : Math.round((Date.now() - this.lastContact) / 1000);
    return { age_seconds: this.state === 'starting' ? null : age, interval_seconds: 60, error: this.state === 'degraded' ? 'connection refused' : null };
  }

  /** Why nothing can be sealed now; null while it can. */
  refusal(): SealingView | null {
    const cause = this.copy ? COPY : CAUSE[this.state];
    return cause ? { possible: false, code: 'encryption_unavailable', ...cause, since: this.since } : null;
  }

  list(): NodeListView {
    const live = this.isMaster || this.state === 'synced';
    const nodes = this.nodes.map((node) => {
      if (node.here) return { ...node, state: this.state, last_sync_age_seconds: this.sync().age_seconds };
      return live ? node : { ...node, state: null, last_sync_age_seconds: null };
    });
    const members = nodes.filter((node) => !node.revoked);
    const master = members.find((node) => node.role === 'master')?.name ?? 'unknown';
    const off = members.filter((node) => node.state !== 'synced');
    const summary = !live
      ? `The master ${master} can't be asked now. This is what this node last knew (epoch ${this.epoch}).`
      : members.length === 1
        ? `One node: ${master} is master, epoch ${this.epoch}.`
        : off.length === 0
          ? `All ${members.length} nodes agree: ${master} is master, epoch ${this.epoch}.`
          : `${members.length - off.length} of ${members.length} nodes agree that ${master} is master, epoch ${this.epoch}. ${off.map((node) => (node.state ? `${node.name} is ${node.state}` : `${node.name} was not heard since the master started`)).join('; ')}.`;
    return { nodes, live, summary, fingerprint: FINGERPRINT };
  }

  invite(name: string, role: NodeRole, administrator: boolean): InviteView {
    if (this.nodes.some((node) => !node.revoked && node.name.toLowerCase() === name.toLowerCase())) {
      throw fault('already_exists', `There is a node ${name} already.`, 'Choose another name, or revoke that one first.');
    }
    return { token: 'sealport-join-1.q7Zk2mVx0aT4nLbYw9cRfJ3uHs8eDp5gKi6oXt1vEM', expires: new Date(Date.now() + 15 * 60_000).toISOString(), fingerprint: FINGERPRINT, name, role, administrator, url: `https://${ADDRESS}` };
  }

  find(id: string): NodeEntryView {
    const node = this.nodes.find((node) => node.id === id);
    if (!node) throw fault('not_found', `There is no node "${id}".`);
    return node;
  }

  revoke(id: string): void {
    Object.assign(this.find(id), { revoked: true, state: 'fenced' });
  }

  set(key: string, value: string): SettingView[] {
    const setting = this.settings.find((one) => one.key === key);
    if (!setting) throw fault('usage', `There is no setting \`${key}\`.`);
    if (key === 'sync_interval' && !/^\d+(s|m|h|min)$/.test(value)) throw fault('usage', `"${value}" is no time for sync_interval.`, 'Example: 30s, from 5s to 1h.');
    Object.assign(setting, { value, source: '/home/ana/.local/share/sealport/settings.toml' });
    return [setting];
  }
}

export { FINGERPRINT as MOCK_FINGERPRINT };

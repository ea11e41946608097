// Ports of the mock twin with their revisions, and the views of them.

import type { ChangeView, Error as Fault, MissingView, PortFilter, PortSummaryView, PortView, Response, RevisionView } from './bindings';
import type { MockPort } from './sample';

export interface Row {
  id: string;
  port: MockPort;
  deleted: boolean;
  revisions: { view: RevisionView; port: MockPort }[];
}

export function summary(row: Row): PortSummaryView {
  const last = row.revisions[row.revisions.length - 1]!.view;
  const user = row.port.properties.find((property) => property.label === 'User name')?.value ?? '';
  return {
    id: row.id,
    kind: row.port.kind,
    application: row.port.application,
    name: row.port.name,
    adapter: row.port.transports.map((transport) => transport.adapter).join(', '),
    address: row.port.properties.find((property) => property.label === 'Address')?.value ?? '',
    user,
    revision: last.revision,
    missing_secrets: row.port.properties.filter((property) => property.secret === 'missing').length,
    enabled: row.port.kind === 'receive_port' ? true : null,
    deleted: row.deleted,
    changed_at: last.at,
    changed_by: last.by,
  };
}

export function missing(row: Row): MissingView[] {
  const { user, adapter, address } = summary(row);
  return row.port.properties
    .filter((property) => property.secret === 'missing')
    .map((property) => ({ port: row.id, application: row.port.application, name: row.port.name, property: property.path, label: property.label, user, adapter, address }));
}

export function view(row: Row, revision: number | null): PortView {
  const port = revision === null ? row.port : row.revisions[revision - 1]?.port;
  if (!port) throw { code: 'not_found', message: `"${row.port.name}" has no revision ${revision}.`, hint: '' } satisfies Fault;
  const seen = summary(row);
  return {
    ...seen,
    revision: revision ?? seen.revision,
    imprint: null,
    description: port.description,
    document: port.document,
    transports: port.transports,
    properties: port.properties.map(({ hidden, ...property }) => ({ ...property, value: property.secret ? null : (property.value ?? hidden) })),
  };
}

/** What a revision is known by in a history. */
export const imprint = (row: Row, history: number): string => `1-${history}.${row.id}.${row.revisions.length}`;

/** Refuses a change that was decided upon another revision than stands, or upon another one of the same number. */
export function expect(row: Row, history: number, read: { if_revision: number | null; if_imprint: string | null }): void {
  const now = row.revisions.length;
  if (read.if_revision !== null && read.if_revision !== now) {
    throw { code: 'revision_conflict', message: `"${row.port.name}" was changed since you opened it: revision ${now} is newer than ${read.if_revision}.`, hint: 'Read it again and make your changes on top.' } satisfies Fault;
  }
  if (read.if_imprint === null || read.if_imprint === imprint(row, history)) return;
  const message = `"${row.port.name}" is not as it was read: another revision ${row.revisions.length} stands now than then.`;
  throw { code: 'revision_conflict', message, hint: 'Read it again, and make the change on what it is now.' } satisfies Fault;
}

export function diff(before: MockPort, after: MockPort): ChangeView[] {
  return after.properties.flatMap((property) => {
    const old = before.properties.find((other) => other.path === property.path);
    const same = old?.value === property.value && old?.hidden === property.hidden && old?.secret === property.secret;
    if (same) return [];
    const secret = property.secret !== null;
    return [{ path: property.path, label: property.label, section: property.section, before: secret ? null : (old?.value ?? null), after: secret ? null : property.value, secret }];
  });
}

export function list(rows: Row[], filter: PortFilter, offset: number, limit: number | null): Response {
  const words = (filter.search ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const all = rows.map(summary).sort((a, b) => a.application.localeCompare(b.application) || a.name.localeCompare(b.name));
  const fit = all.filter(
    (port) =>
      port.deleted === filter.deleted &&
      (!filter.missing || port.missing_secrets > 0) &&
      (filter.application === null || port.application === filter.application) &&
      (filter.adapter === null || port.adapter.split(', ').includes(filter.adapter)) &&
      (filter.kind === null || port.kind === filter.kind) &&
      words.every((word) => `${port.name} ${port.address} ${port.adapter} ${port.user} ${port.application}`.toLowerCase().includes(word)),
  );
  const live = all.filter((port) => !port.deleted);
  const applications = [...new Set(live.map((port) => port.application))].map((name) => {
    const own = live.filter((port) => port.application === name);
    return { name, receive_ports: own.filter((port) => port.kind === 'receive_port').length, send_ports: own.filter((port) => port.kind === 'send_port').length, send_port_groups: own.filter((port) => port.kind === 'send_port_group').length, missing_secrets: own.reduce((sum, port) => sum + port.missing_secrets, 0) };
  });
  const adapters = [...new Set(live.map((port) => port.adapter).filter(Boolean))].sort().map((name) => ({ name, ports: live.filter((port) => port.adapter === name).length }));
  return { answer: 'ports', ports: fit.slice(offset, offset + (limit ?? 200)), total: fit.length, facets: { applications, adapters } };
}

// Stranded changes of the mock twin: what a former master alone had when it stood down.

import type { ChangeView, Code, Error as Fault, StrandedDiffView, StrandedDoneView, StrandedView } from './bindings';
import type { MockPort } from './sample';

/** What the twin lets be done with its ports. */
export interface Desk {
  /** The port of that name, where there is one, with its revision. */
  port(name: string): { id: string; revision: number; port: MockPort } | null;
  diff(before: MockPort, after: MockPort): ChangeView[];
  /** Writes it as a new revision on what stands, or as a new port. */
  write(port: MockPort): void;
  note(act: string, object: string, detail: string): void;
}

interface Stranded {
  id: number;
  from: string;
  port: MockPort;
  revision: number;
  at: string;
  who: string;
  /** The revision that stood here when it came. */
  known: number;
}

const fault = (code: Code, message: string, hint = ''): Fault => ({ code, message, hint });

export class MockStranded {
  private kept: Stranded[] = [];
  private next = 1;

  constructor(private readonly desk: Desk) {}

  get count(): number {
    return this.kept.length;
  }

  /** A former master brings what it alone had: one edit, one that was edited here too, one new port. */
  strand(from: string): void {
    const edited = this.desk.port('SendOrders_SAP');
    const both = this.desk.port('SendPayroll');
    const like = this.desk.port('SendStock_ServiceBus');
    const at = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
    if (edited) this.keep(from, change(edited.port, { RetryCount: '8', 'Enable safe typing': 'false' }), edited.revision + 1, edited.revision, at(34));
    if (both) this.keep(from, change(both.port, { Address: 'sftp://payroll2.provider.example/halden/in/%MessageID%.csv' }, 'kelp+Signal5'), both.revision + 1, both.revision - 1, at(29));
    if (like) this.keep(from, { ...change(like.port, { Name: 'SendReturns_ServiceBus', Address: 'sb://halden-returns.servicebus.example/updates' }), name: 'SendReturns_ServiceBus' }, 1, 0, at(21));
  }

  private keep(from: string, port: MockPort, revision: number, known: number, at: string): void {
    this.kept.push({ id: this.next++, from, port, revision, at, who: 'ana', known });
  }

  private view = (one: Stranded): StrandedView => {
    const here = this.desk.port(one.port.name);
    return {
      id: one.id,
      from: one.from,
      record: here?.id ?? `r-${one.id}`,
      kind: one.port.kind,
      application: one.port.application,
      name: one.port.name,
      revision: one.revision,
      key_version: 1,
      at: one.at,
      who: one.who,
      present: here?.revision ?? null,
      diverged: here !== null && here.revision !== one.known,
    };
  };

  list(): StrandedView[] {
    return this.kept.map(this.view);
  }

  show(id: number): StrandedDiffView {
    const one = this.kept.find((one) => one.id === id);
    if (!one) throw fault('not_found', `There is no stranded change ${id}.`, 'Another administrator may have settled it. Look at the list again.');
    const here = this.desk.port(one.port.name);
    return { change: this.view(one), fields: here ? this.desk.diff(here.port, one.port) : [] };
  }

  settle(ids: number[] | null, accept: boolean): StrandedDoneView {
    const wanted = this.kept.filter((one) => ids === null || ids.includes(one.id));
    if (ids !== null && wanted.length !== ids.length) this.show(ids.find((id) => !wanted.some((one) => one.id === id))!);
    for (const one of wanted) {
      if (accept) this.desk.write(one.port);
      this.desk.note(accept ? 'stranded.accept' : 'stranded.discard', one.port.name, `revision ${one.revision} of ${one.from}`);
    }
    this.kept = this.kept.filter((one) => !wanted.includes(one));
    return { accepted: accept ? wanted.length : 0, discarded: accept ? 0 : wanted.length, left: this.kept.length };
  }
}

function change(port: MockPort, values: Record<string, string>, password?: string): MockPort {
  const next = structuredClone(port);
  for (const property of next.properties) {
    const value = values[property.label];
    if (value !== undefined) property.value = value;
    if (password !== undefined && property.secret) Object.assign(property, { secret: 'set', hidden: password });
  }
  return next;
}

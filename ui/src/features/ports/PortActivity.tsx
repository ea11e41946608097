// What was done to one port, from the newest part of the audit trail.

import type { AuditView, Platform, PortView } from '../../platform';
import { Busy, Button, Empty, FaultMessage } from '../../shared/controls';
import { count, exactly, when } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { useReading } from '../../shared/use';

const PAGE = 500;
const DEPTH = 5000;

interface Found {
  entries: AuditView[];
  read: number;
  total: number;
}

async function find(platform: Platform, name: string): Promise<Found> {
  const entries: AuditView[] = [];
  let read = 0;
  let total = 0;
  let before: number | null = null;
  while (read < DEPTH) {
    const answer: { entries: AuditView[]; total: number } = await ask(platform, { act: 'audit_list', before, limit: PAGE }, 'audit');
    total = answer.total;
    read += answer.entries.length;
    entries.push(...answer.entries.filter((entry) => entry.object === name || entry.object.endsWith(`/${name}`) || entry.object.includes(name)));
    before = answer.entries[answer.entries.length - 1]?.seq ?? null;
    if (answer.entries.length < PAGE || before === null) break;
  }
  return { entries, read, total };
}

export function PortActivity({ port }: { port: PortView }) {
  const session = useSession();
  const found = useReading(() => find(session.platform, port.name), `${port.name}@${session.tick}`);
  if (found.fault) return <FaultMessage fault={found.fault} again={found.again} />;
  if (!found.value) return <Busy text="Reading the trail…" />;
  const { entries, read, total } = found.value;
  return (
    <div className="stack">
      {entries.length === 0 ? (
        <Empty title="Nothing is written about this port." />
      ) : (
        <ul className="trail" aria-label="Activity of this port">
          {entries.map((entry) => (
            <li key={entry.seq}>
              <span className="muted" title={exactly(entry.at)}>
                {when(entry.at)}
              </span>
              <span>
                <span className="mono">{entry.act}</span> <span className="muted">by {entry.who}, {entry.origin}</span>
                {entry.detail && <span className="muted small block">{entry.detail}</span>}
              </span>
            </li>
          ))}
        </ul>
      )}
      <p className="row muted small">
        {read < total ? `Among the newest ${count(read)} of ${count(total)} entries.` : ''}
        <Button look="link" onPress={() => session.go('activity', { find: port.name })}>
          Open in Activity
        </Button>
      </p>
    </div>
  );
}

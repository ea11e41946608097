// What was done to one port, from the newest part of the audit trail.

import type { PortView } from '../../platform';
import { Busy, Button, Empty, FaultMessage } from '../../shared/controls';
import { count, exactly, when } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { useReading } from '../../shared/use';

/** Asked for at once; older entries are in Activity. */
const NEWEST = 500;

export function PortActivity({ port }: { port: PortView }) {
  const session = useSession();
  const found = useReading(() => ask(session.platform, { act: 'audit_list', before: null, limit: NEWEST }, 'audit'), `${port.name}@${session.tick}`);
  if (found.fault) return <FaultMessage fault={found.fault} again={found.again} />;
  if (!found.value) return <Busy text="Reading the trail…" />;
  const { total } = found.value;
  const read = found.value.entries.length;
  const entries = found.value.entries.filter((entry) => entry.object.includes(port.name));
  return (
    <div className="stack">
      {entries.length === 0 ? (
        <Empty title={read < total ? `None of the newest ${count(read)} entries is about this port.` : 'No entry is about this port.'} />
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
        <span className="grow">
          {read < total ? `Only the newest ${count(read)} of ${count(total)} entries were read; older ones stand in Activity.` : `All ${count(total)} entries of the trail were read.`}
        </span>
        <Button look="link" onPress={() => session.go('activity', { find: port.name })}>
          Open in Activity
        </Button>
      </p>
    </div>
  );
}

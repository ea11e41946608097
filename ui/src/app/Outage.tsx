// The line on every screen while this node can't do all it should: what stops, what goes on, since when, what to do.

import { CircleSlash, Copy, Hourglass, TriangleAlert, Unplug } from 'lucide-react';
import { useState } from 'react';

import { SeparateDialog } from '../features/nodes/SeparateDialog';
import type { NodeState, StatusView } from '../platform';
import { Button } from '../shared/controls';
import { began, exactly } from '../shared/format';
import { Lasting, isAdministrator, isCopy } from '../shared/fleet';
import { useSession } from '../shared/session';
import { Words } from '../shared/Words';

interface Outage {
  tone: 'warn' | 'bad';
  Icon: typeof Unplug;
  title: string;
  stops: string;
  goesOn: string;
}

/** What each state means to whoever works here; null where nothing is amiss, or another line says it. */
export function outageOf(state: NodeState, master: string, copy = false): Outage | null {
  if (state === 'fenced' && copy) return { tone: 'bad', Icon: Copy, title: 'Another machine is this node, and was at work before it: this one is a copy', stops: 'Saving stops here, and this node leads nothing.', goesOn: 'The other one goes on.' };
  switch (state) {
    case 'degraded':
      return { tone: 'warn', Icon: Unplug, title: `The master ${master} does not answer`, stops: 'Saving, importing and filling in stop.', goesOn: 'Opening goes on, also after a restart. Drafts are kept.' };
    case 'stale':
      return { tone: 'warn', Icon: TriangleAlert, title: `This node and ${master} contradict each other`, stops: 'Saving stops, and nothing is taken from that master.', goesOn: 'Opening what this node has goes on. Drafts are kept.' };
    case 'fenced':
      return { tone: 'bad', Icon: CircleSlash, title: 'This node is shut out of the system', stops: 'Opening and saving stop here.', goesOn: 'The other nodes go on.' };
    case 'starting':
      return { tone: 'warn', Icon: Hourglass, title: `Waiting to hear from ${master}`, stops: 'Saving waits.', goesOn: 'Opening works already.' };
    default:
      return null;
  }
}

export function OutageBanner({ status }: { status: StatusView }) {
  const session = useSession();
  const [separating, setSeparating] = useState(false);
  const outage = outageOf(status.state, status.master?.name ?? 'master', isCopy(status));
  if (!outage) return null;
  const { tone, Icon, title, stops, goesOn } = outage;
  const { since, hint } = status.sealing;
  // Who may name another master is offered it where the old one may be lost, but not on the page that does it.
  const promotes = status.state === 'degraded' && isAdministrator(status) && !session.route.params.has('promote');
  return (
    <div className={`banner ${tone}`} role={status.state === 'starting' ? 'status' : 'alert'}>
      <Icon size={16} aria-hidden />
      <p className="grow" title={status.sealing.reason ?? undefined}>
        <strong>
          {title}
          {since && (
            <span aria-hidden title={exactly(since)}>
              {' '}
              (for <Lasting since={since} />, since {began(since)})
            </span>
          )}
          .
        </strong>
        {since && <span className="sr"> Since {exactly(since)}.</span>} {stops} {goesOn} {hint && status.state !== 'starting' && <Hint text={hint} state={status.state} />}
      </p>
      {promotes && (
        <Button small look="primary" onPress={() => session.go('nodes', { promote: '' })}>
          Promote…
        </Button>
      )}
      {isCopy(status) && (
        <Button small look="primary" onPress={() => setSeparating(true)}>
          Make it a system of its own…
        </Button>
      )}
      <Button small onPress={() => session.go('nodes')}>
        Show nodes
      </Button>
      {separating && <SeparateDialog former={status.system?.name ?? 'this system'} onClose={() => setSeparating(false)} />}
    </div>
  );
}

/** What to do. While the master is away the service also repeats what goes on, which the line has said. */
function Hint({ text, state }: { text: string; state: NodeState }) {
  if (state === 'degraded') return <>Saving works again by itself when the master is back. If it is lost, another node can be promoted.</>;
  return <Words text={text} />;
}

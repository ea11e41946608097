// After a promotion: one sentence, who follows by now, and what comes next.

import { useEffect, useRef } from 'react';

import type { PromotedView } from '../../platform';
import { Button, Message, ToneIcon } from '../../shared/controls';
import { count } from '../../shared/format';
import { useFleet } from '../../shared/fleet';
import { FleetTable } from '../../shared/FleetTable';
import { useSession } from '../../shared/session';

/** Seconds as they are watched: "0.9 s", "12 s". */
const took = (seconds: number): string => `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;

export function Promoted({ done, onDone }: { done: PromotedView; onDone: () => void }) {
  const session = useSession();
  const fleet = useFleet();
  // Not the button: the key that confirmed would press it before anybody has read the sentence.
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => head.current?.focus(), []);
  const { master_name: name, former_master: former, votes, voters } = done;
  const forced = votes !== null && voters !== null && votes * 2 <= voters;
  return (
    <div className="page nodes promote">
      <div className="head">
        <div>
          <h1 ref={head} tabIndex={-1}>
            Promoted
          </h1>
          <p className="truth" role="status">
            <span className="tone-ok">
              <ToneIcon tone="ok" size={20} />
            </span>
            {name} is the master. It took over in {took(done.seconds)}, and epoch {done.epoch} has begun.
          </p>
        </div>
        <Button look="primary" onPress={onDone}>
          Done
        </Button>
      </div>
      {forced && (
        <Message tone="bad" title={`Forced: ${votes} of ${voters} voters agreed`}>
          Make sure that no other node was promoted meanwhile. If one was, the two settle it by themselves when they meet, and what the lower one wrote becomes
          stranded changes.
        </Message>
      )}
      <section className="panel" aria-labelledby="next">
        <header>
          <h2 id="next">What comes next</h2>
        </header>
        <ul className="inside next-list">
          <li>Saving works again at {name}, and on every node that follows it. No node needs a restart.</li>
          {former && done.mode === 'planned' && <li>{former} goes on as a standby. Nothing that was acknowledged is lost.</li>}
          {former && done.mode === 'emergency' && <li>When {former} is back it stands down by itself and becomes a standby. What it alone had written is kept as stranded changes, here on Nodes.</li>}
          <li>
            Backups are made at {name} from now on.{' '}
            {session.status?.node?.role === 'master' && (
              <Button look="link" onPress={() => session.go('master', { do: 'backup' })}>
                Back up now
              </Button>
            )}
          </li>
        </ul>
      </section>
      {fleet.value && (
        <section className="panel" aria-labelledby="following">
          <header>
            <h2 id="following" className="grow">
              Who follows
            </h2>
            <span className="muted" role="status">
              {count(fleet.value.nodes.filter((node) => !node.revoked && node.epoch === done.epoch).length)} of {count(fleet.value.nodes.filter((node) => !node.revoked).length)} in epoch {done.epoch}
            </span>
          </header>
          <FleetTable fleet={fleet.value} />
        </section>
      )}
    </div>
  );
}

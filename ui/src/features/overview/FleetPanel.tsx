// The fleet on Overview: a picture, or the same as a list.

import { useState } from 'react';

import { Button, FaultMessage, Segments } from '../../shared/controls';
import { useFleet } from '../../shared/fleet';
import { DRAWN, FleetPicture } from '../../shared/FleetPicture';
import { FleetTable } from '../../shared/FleetTable';
import { useSession } from '../../shared/session';

export function FleetPanel() {
  const { go } = useSession();
  const fleet = useFleet();
  const [shown, setShown] = useState<'picture' | 'list'>(() => (window.localStorage.getItem('fleet') === 'list' || window.innerWidth < 1080 ? 'list' : 'picture'));
  const show = (next: 'picture' | 'list') => {
    window.localStorage.setItem('fleet', next);
    setShown(next);
  };
  const view = fleet.value;
  if (fleet.fault && !view) return <FaultMessage fault={fleet.fault} again={fleet.again} />;
  // A system of one node has no fleet to show.
  if (!view || view.nodes.length < 2) return null;
  const more = view.nodes.filter((node) => !node.revoked).length - 1 - DRAWN;
  return (
    <section className="panel" aria-labelledby="fleet">
      <header>
        <h2 id="fleet">Nodes</h2>
        {!view.live && <span className="tag warn">last known</span>}
        <span className="grow" />
        <Segments
          label="Show the nodes as"
          value={shown}
          onChange={show}
          options={[
            { value: 'picture', title: 'Picture' },
            { value: 'list', title: 'List' },
          ]}
        />
      </header>
      <p className="inside strong" role="status">{view.summary}</p>
      {shown === 'picture' ? (
        <div className="fleet-pad">
          <FleetPicture fleet={view} onOpen={() => go('nodes')} />
          {more > 0 && <p className="muted small">and {more} more in the list.</p>}
        </div>
      ) : (
        <FleetTable fleet={view} brief />
      )}
      <p className="fleet-foot">
        <span>Fingerprint</span> <span className="mono fingerprint">{view.fingerprint ?? '–'}</span>
        <span className="grow" />
        <Button look="link" onPress={() => go('nodes')}>
          All about the nodes
        </Button>
      </p>
    </section>
  );
}

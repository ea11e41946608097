// The revisions of a port: compare any two, or write a former one again.

import { GitCompareArrows, Undo2 } from 'lucide-react';
import { useCallback, useEffect, useState } from 'react';

import type { PortView, RevisionView } from '../../platform';
import { Changes } from '../../shared/Changes';
import { Busy, Button, Dialog, Empty, FaultMessage } from '../../shared/controls';
import { exactly, when } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { useDoing, useReading } from '../../shared/use';

interface Pair {
  from: number;
  to: number;
}

export function HistoryTab({ port, blocked, onWritten }: { port: PortView; blocked: boolean; onWritten: () => Promise<void> }) {
  const session = useSession();
  const { platform, tick } = session;
  const history = useReading(() => ask(platform, { act: 'port_history', port: port.id }, 'history'), `${port.id}@${port.revision}@${tick}`);
  const [pair, setPair] = useState<Pair | null>(null);
  const [revert, setRevert] = useState<number | null>(null);
  // The revision whose changes are in sight: until then the buttons under them still move.
  const [seen, setSeen] = useState<number | null>(null);
  const onRead = useCallback(() => setSeen(revert), [revert]);
  const reverting = useDoing();

  if (history.fault) return <FaultMessage fault={history.fault} again={history.again} />;
  if (!history.value) return <Busy text="Reading the history…" />;
  const revisions = history.value.revisions;
  const oldest = revisions[revisions.length - 1]?.revision ?? 1;
  const newest = revisions[0]?.revision ?? 1;
  const shown = pair ?? { from: Math.max(oldest, newest - 1), to: newest };

  const write = () =>
    void reverting.run(async () => {
      if (revert === null) return;
      await ask(platform, { act: 'port_revert', port: port.id, to: revert, if_revision: newest, if_imprint: port.revision === newest ? port.imprint : null }, 'saved');
      setRevert(null);
      setPair(null);
      session.say(`${port.name} is as it was in revision ${revert}.`);
      await onWritten();
    });

  return (
    <div className="stack loose">
      <ol className="revisions" aria-label="Revisions, newest first">
        {revisions.map((revision) => (
          <Revision
            key={revision.revision}
            revision={revision}
            current={revision.revision === newest}
            oldest={revision.revision === oldest}
            blocked={blocked}
            onCompare={() => setPair({ from: revision.revision - 1, to: revision.revision })}
            onRevert={() => {
              setSeen(null);
              setRevert(revision.revision);
            }}
          />
        ))}
      </ol>
      {revisions.length > 1 ? (
        <section className="stack" aria-label="Compare revisions">
          <div className="row wrap">
            <h3>Compare</h3>
            <Pick label="From revision" value={shown.from} revisions={revisions} onPick={(from) => setPair({ ...shown, from })} />
            <span className="muted">with</span>
            <Pick label="To revision" value={shown.to} revisions={revisions} onPick={(to) => setPair({ ...shown, to })} />
          </div>
          <Difference port={port.id} pair={shown} />
        </section>
      ) : (
        <p className="muted">There is one revision only: nothing to compare.</p>
      )}
      <Dialog
        title={`Revert to revision ${revert ?? ''}`}
        open={revert !== null}
        onClose={() => setRevert(null)}
        wide
        locked={reverting.busy}
        foot={
          <>
            <Button onPress={() => setRevert(null)}>Cancel</Button>
            <Button look="primary" onPress={write} isDisabled={reverting.busy || seen !== revert}>
              Revert
            </Button>
          </>
        }
      >
        <p className="muted">Revision {revert} is written again as a new one. Nothing of the history is lost. This changes:</p>
        {revert !== null && <Difference port={port.id} pair={{ from: newest, to: revert }} onRead={onRead} />}
        {reverting.fault && <FaultMessage fault={reverting.fault} />}
      </Dialog>
    </div>
  );
}

interface RevisionProps {
  revision: RevisionView;
  current: boolean;
  oldest: boolean;
  blocked: boolean;
  onCompare: () => void;
  onRevert: () => void;
}

function Revision({ revision, current, oldest, blocked, onCompare, onRevert }: RevisionProps) {
  return (
    <li className="revision">
      <span className="tag">r{revision.revision}</span>
      <div className="grow">
        <p>
          <span className="strong">{revision.what}</span> <span className="muted">by {revision.by}, </span>
          <span className="muted" title={exactly(revision.at)}>
            {when(revision.at)}
          </span>
          {current && <span className="tag ok now">current</span>}
        </p>
        {revision.changed.length > 0 && <p className="muted small">{revision.changed.join(', ')}</p>}
        {revision.note && <p className="small">“{revision.note}”</p>}
      </div>
      {!oldest && (
        <Button small look="quiet" icon={<GitCompareArrows size={14} />} aria-label={`Changes of revision ${revision.revision}`} onPress={onCompare}>
          Changes
        </Button>
      )}
      {!current && !revision.deleted && (
        <Button small icon={<Undo2 size={14} />} aria-label={`Revert to revision ${revision.revision}`} isDisabled={blocked} onPress={onRevert}>
          Revert…
        </Button>
      )}
    </li>
  );
}

function Pick({ label, value, revisions, onPick }: { label: string; value: number; revisions: RevisionView[]; onPick: (revision: number) => void }) {
  return (
    <select className="prop-input framed" aria-label={label} value={value} onChange={(event) => onPick(Number(event.target.value))}>
      {revisions.map((revision) => (
        <option key={revision.revision} value={revision.revision}>
          r{revision.revision}, {revision.what}
        </option>
      ))}
    </select>
  );
}

function Difference({ port, pair, onRead }: { port: string; pair: Pair; onRead?: () => void }) {
  const { platform } = useSession();
  const diff = useReading(() => ask(platform, { act: 'port_diff', port, from: pair.from, to: pair.to }, 'diff'), `${port}:${pair.from}:${pair.to}`);
  const read = diff.value !== null;
  useEffect(() => {
    if (read) onRead?.();
  }, [read, onRead]);
  if (diff.fault) return <FaultMessage fault={diff.fault} again={diff.again} />;
  if (!diff.value) return <Busy text="Comparing…" />;
  if (diff.value.changes.length === 0) return <Empty title="No value differs." />;
  return <Changes changes={diff.value.changes} label={`Changes from revision ${pair.from} to ${pair.to}`} />;
}

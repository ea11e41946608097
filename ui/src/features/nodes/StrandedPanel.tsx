// Stranded changes: what a former master alone had when it stood down. Compared, accepted or let go, one by one or all.

import { Check, GitCompareArrows } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';

import type { StrandedView } from '../../platform';
import { Ask } from '../../shared/Ask';
import { Busy, Button, FaultMessage, Message } from '../../shared/controls';
import { KIND, applicationName, counted, when } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { useDoing, useReading } from '../../shared/use';
import { StrandedDialog } from './StrandedDialog';
import { hereNow } from './stranded';

export function StrandedPanel({ able, why, focus }: { able: boolean; why: string | null; focus: boolean }) {
  const { platform, tick } = useSession();
  const list = useReading(() => ask(platform, { act: 'stranded_list' }, 'stranded'), `stranded-${tick}`);
  const [open, setOpen] = useState<StrandedView | null>(null);
  const [all, setAll] = useState<'accept' | 'discard' | null>(null);
  const box = useRef<HTMLElement>(null);
  const there = list.value !== null;
  useEffect(() => {
    if (!focus || !there) return;
    box.current?.scrollIntoView({ block: 'start' });
    box.current?.focus();
  }, [focus, there]);
  const changes = list.value?.stranded ?? [];
  return (
    <section className="panel stranded" aria-labelledby="stranded" ref={box} tabIndex={-1}>
      <header>
        <h2 id="stranded" className="grow">
          Stranded changes
        </h2>
        {changes.length > 1 && (
          <span className="row">
            <Button small onPress={() => setAll('discard')} isDisabled={!able}>
              Discard all…
            </Button>
            <Button small onPress={() => setAll('accept')} isDisabled={!able}>
              Accept all…
            </Button>
          </span>
        )}
      </header>
      {changes.length > 0 && <p className="inside muted">
        {sources(changes)} had these writes alone when another node became the master. They are kept here, sealed, and change nothing until somebody decides.
        {why && <span className="tone-warn"> {why}</span>}
      </p>}
      {list.fault && <FaultMessage fault={list.fault} again={list.again} />}
      {!list.value && !list.fault && <Busy text="Reading…" />}
      {changes.length > 0 && (
        <div className="table-scroll" tabIndex={0} role="region" aria-label="Stranded changes, each a row">
          <table className="table">
            <caption className="sr">Stranded changes</caption>
            <thead>
              <tr>
                <th scope="col">Port</th>
                <th scope="col">Written</th>
                <th scope="col">On</th>
                <th scope="col">Stands here now</th>
                <th scope="col">
                  <span className="sr">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {changes.map((change) => {
                const now = hereNow(change);
                return (
                  <tr key={change.id}>
                    <td>
                      <span className="strong wrap-any">{change.name}</span>
                      <div className="muted small">
                        {change.kind ? KIND[change.kind] : 'Record'}, {applicationName(change.application)}
                      </div>
                    </td>
                    <td className="nowrap">
                      {change.at ? when(change.at) : 'not known'}
                      <div className="muted small">{change.who ? `by ${change.who}` : ''}</div>
                    </td>
                    <td className="nowrap">
                      {change.from}
                      <div className="muted small">revision {change.revision}</div>
                    </td>
                    <td>
                      <span className={`state ${now.tone}`}>
                        <now.Icon size={16} aria-hidden /> {now.word}
                      </span>
                      <div className="muted small">{now.detail}</div>
                    </td>
                    <td className="row-acts">
                      <Button small icon={<GitCompareArrows size={14} />} onPress={() => setOpen(change)} aria-label={`Compare ${change.name}`}>
                        Compare…
                      </Button>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {list.value && changes.length === 0 && (
        <p className="inside state ok">
          <Check size={16} aria-hidden /> All of them are settled.
        </p>
      )}
      {open && <StrandedDialog change={open} able={able} onClose={() => setOpen(null)} onDone={list.again} />}
      {all && <AllDialog act={all} changes={changes} onClose={() => setAll(null)} onDone={list.again} />}
    </section>
  );
}

const sources = (changes: StrandedView[]): string => [...new Set(changes.map((change) => change.from))].join(', ') || 'A former master';

function AllDialog({ act, changes, onClose, onDone }: { act: 'accept' | 'discard'; changes: StrandedView[]; onClose: () => void; onDone: () => void }) {
  const session = useSession();
  const work = useDoing();
  const accept = act === 'accept';
  const many = counted(changes.length, 'stranded change');
  const replacing = changes.filter((change) => change.diverged).map((change) => change.name);
  const back = changes.filter((change) => change.present === null).map((change) => change.name);
  const settle = async () => {
    // By their numbers: one that came meanwhile has not been read by anybody.
    const ids = changes.map((change) => change.id);
    const done = await ask(session.platform, { act: accept ? 'stranded_accept' : 'stranded_discard', ids }, 'stranded_done');
    session.say(accept ? `${counted(done.accepted, 'change')} accepted.` : `${counted(done.discarded, 'change')} discarded.`);
    onDone();
    void session.refresh();
    onClose();
  };
  return (
    <Ask
      title={accept ? `Accept ${many}?` : `Discard ${many}?`}
      act={accept ? 'Accept all' : 'Discard all'}
      doing="Working…"
      look={accept ? 'primary' : 'danger'}
      work={work}
      onAct={settle}
      onClose={onClose}
    >
      {accept ? (
        <>
          <p>Each becomes a new revision on what stands now, sealed under the active version and written as any other change. What it replaces stays in the history of its port.</p>
          {replacing.length > 0 && (
            <Message tone="warn" title={`Changed here too: ${replacing.join(', ')}`}>
              What was saved here since the nodes parted is replaced.
            </Message>
          )}
          {back.length > 0 && <p className="muted">Not here now, and made anew: {back.join(', ')}.</p>}
        </>
      ) : (
        <Message tone="bad" title="They are gone for good">
          No node keeps them, and no history shows their values. What stands here now stays as it is.
        </Message>
      )}
    </Ask>
  );
}

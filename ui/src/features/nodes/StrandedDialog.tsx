// One stranded change beside what stands now, and the decision.

import { useState } from 'react';

import type { StrandedView } from '../../platform';
import { Changes } from '../../shared/Changes';
import { Busy, Button, Dialog, FaultMessage, Message } from '../../shared/controls';
import { applicationName, exactly } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { useDoing, useReading } from '../../shared/use';

export function StrandedDialog({ change, able, onClose, onDone }: { change: StrandedView; able: boolean; onClose: () => void; onDone: () => void }) {
  const session = useSession();
  const diff = useReading(() => ask(session.platform, { act: 'stranded_show', id: change.id }, 'stranded_diff'), `stranded-${change.id}`);
  const [letting, setLetting] = useState(false);
  const work = useDoing();
  const settle = (act: 'stranded_accept' | 'stranded_discard') =>
    void work.run(async () => {
      const done = await ask(session.platform, { act, ids: [change.id] }, 'stranded_done');
      const left = done.left > 0 ? ` ${done.left} left.` : ' None is left.';
      session.say(act === 'stranded_accept' ? `${change.name} is written as it was on ${change.from}.${left}` : `The change of ${change.name} is discarded.${left}`);
      onDone();
      void session.refresh();
      onClose();
    });
  const shown = diff.value?.change ?? change;
  return (
    <Dialog
      title={letting ? `Discard the change of ${change.name}?` : change.name}
      open
      wide
      alert={letting}
      onClose={onClose}
      locked={work.busy}
      foot={
        letting ? (
          <>
            <Button onPress={() => setLetting(false)} isDisabled={work.busy} autoFocus>
              Back
            </Button>
            <Button look="danger" onPress={() => settle('stranded_discard')} isDisabled={work.busy}>
              {work.busy ? 'Discarding…' : 'Discard'}
            </Button>
          </>
        ) : (
          <>
            <Button onPress={onClose} isDisabled={work.busy}>
              Cancel
            </Button>
            <Button onPress={() => setLetting(true)} isDisabled={!able || work.busy || !diff.value}>
              Discard…
            </Button>
            <Button look="primary" onPress={() => settle('stranded_accept')} isDisabled={!able || work.busy || !diff.value}>
              {work.busy ? 'Accepting…' : shown.present === null ? 'Accept and make it' : `Accept as revision ${shown.present + 1}`}
            </Button>
          </>
        )
      }
    >
      {letting ? (
        <Message tone="bad" title="It is gone for good">
          No node keeps it, and no history shows its values. {shown.present === null ? 'There will be no such port here.' : `Revision ${shown.present} stays as it is.`}
        </Message>
      ) : (
        <>
          <dl className="facts">
            <dt>Application</dt>
            <dd>{applicationName(shown.application)}</dd>
            <dt>Written</dt>
            <dd>
              {shown.at ? exactly(shown.at) : 'not known when'}
              {shown.who ? ` by ${shown.who}` : ''}, on {shown.from}, as revision {shown.revision} there
            </dd>
            <dt>Stands now</dt>
            <dd>{shown.present === null ? 'no such port' : `revision ${shown.present}${shown.diverged ? ', written here since the nodes parted' : ', as it was when the nodes parted'}`}</dd>
          </dl>
          {shown.diverged && (
            <Message tone="warn" title="It was changed here too">
              Accepting replaces what stands now with the whole port as it was on {shown.from}. What stands now stays in its history.
            </Message>
          )}
          {diff.fault && <FaultMessage fault={diff.fault} again={diff.again} />}
          {!diff.value && !diff.fault && <Busy text="Comparing…" />}
          {diff.value && (diff.value.fields.length > 0 ? (
              <div className="stranded-diff" tabIndex={0} role="region" aria-label="What differs">
                <Changes changes={diff.value.fields} label="From what stands now to the stranded change" />
              </div>
            ) : (
              <p className="muted">{nothingToCompare(shown)}</p>
            ))}
        </>
      )}
      {work.fault && <FaultMessage fault={work.fault} />}
    </Dialog>
  );
}

/** Why there is no list of fields. */
function nothingToCompare({ kind, present, from }: StrandedView): string {
  if (kind === null) return `A binding file as it was read on ${from}. Accepting keeps it here, so that ports that came with it can be exported again.`;
  if (present === null) return `There is no such port here: accepting makes it, whole, as it was on ${from}.`;
  return 'No field differs from what stands now.';
}

// Review before save: the diff, a note, and what happened where a save is refused. The draft stays until it is saved.

import { useEffect, useState } from 'react';

import type { PortView, SaveView } from '../../platform';
import { Changes } from '../../shared/Changes';
import { Button, Dialog, FaultMessage, Field, Message } from '../../shared/controls';
import { counted } from '../../shared/format';
import { sealingBlocked } from '../../shared/fleet';
import { ask, useSession } from '../../shared/session';
import { useDoing, useReading } from '../../shared/use';
import { assignments, localChanges } from './draft';
import type { Draft } from './draft';

interface Props {
  port: PortView;
  draft: Draft;
  open: boolean;
  onClose: () => void;
  onSaved: (saved: SaveView) => void;
  /** Reads the port again and puts the changes on top of it. */
  onRebase: () => Promise<void>;
}

export function ReviewDialog(props: Props) {
  return props.open ? <Review {...props} /> : null;
}

function Review({ port, draft, onClose, onSaved, onRebase }: Props) {
  const { platform, status } = useSession();
  const [note, setNote] = useState('');
  const saving = useDoing();
  const { clear } = saving;
  const dry = useReading(
    () => ask(platform, { act: 'port_set', port: port.id, changes: assignments(draft), if_revision: draft.revision, if_imprint: draft.imprint, note: null, dry_run: true }, 'saved'),
    `${port.id}@${draft.revision}@${draft.imprint}`,
  );
  useEffect(clear, [clear, draft.revision, draft.imprint]);
  const changes = dry.value?.changes ?? localChanges(port, draft);
  const fault = saving.fault ?? dry.fault;
  const refused = fault?.code === 'encryption_unavailable';
  const blocked = sealingBlocked(status);
  const conflict = fault?.code === 'revision_conflict';

  const save = () =>
    void saving.run(async () => {
      const saved = await ask(platform, { act: 'port_set', port: port.id, changes: assignments(draft), if_revision: draft.revision, if_imprint: draft.imprint, note: note.trim() || null, dry_run: false }, 'saved');
      onSaved(saved);
    });
  const rebase = () => void saving.run(onRebase);

  return (
    <Dialog
      title={`Review ${counted(draft.values.size, 'change')} to ${port.name}`}
      open
      onClose={onClose}
      wide
      locked={saving.busy}
      foot={
        <>
          <Button onPress={onClose} isDisabled={saving.busy}>
            Back
          </Button>
          {conflict ? (
            <Button look="primary" onPress={rebase} isDisabled={saving.busy}>
              Reload and keep my changes
            </Button>
          ) : (
            <Button look="primary" onPress={save} isDisabled={saving.busy || dry.busy || blocked !== null}>
              {saving.busy ? 'Saving…' : 'Save'}
            </Button>
          )}
        </>
      }
    >
      {fault && <FaultMessage fault={fault} />}
      {fault && <p className="muted">{refused ? 'Nothing was saved. Your changes are kept here as a draft: save them when the master is back.' : 'Your changes are still here.'}</p>}
      {blocked && !fault && (
        <Message tone="warn" title={blocked}>
          Your changes are kept here as a draft. Save them when it works again.
        </Message>
      )}
      <Changes changes={changes} />
      <Field label="Note" hint="Optional. It stands in the history." value={note} onChange={setNote} />
    </Dialog>
  );
}

// A copy becomes a system of its own: what stops and what stays is said before, and its new name is typed twice.

import { useState } from 'react';

import { Button, Dialog, FaultMessage, Field } from '../../shared/controls';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';

export function SeparateDialog({ former, onClose }: { former: string; onClose: () => void }) {
  const session = useSession();
  const [name, setName] = useState('');
  const [typed, setTyped] = useState('');
  const work = useDoing();
  const wanted = name.trim();
  const ready = wanted !== '' && wanted.toLowerCase() !== former.toLowerCase() && typed.trim() === wanted && !work.busy;
  const separate = () =>
    void work.run(async () => {
      const done = await ask(session.platform, { act: 'node_separate', name: wanted, forget: false }, 'separated');
      const left = done.former_secret ? ` The secret of ${former} is still in ${done.former_secret}.` : '';
      session.say(`This is the system ${done.system.name} now.${left} Back up now: it has no backup yet.`);
      onClose();
    });
  return (
    <Dialog
      title="Make this copy a system of its own?"
      open
      alert
      onClose={onClose}
      locked={work.busy}
      foot={
        <>
          <Button onPress={onClose} isDisabled={work.busy}>
            Cancel
          </Button>
          <Button look="danger" onPress={separate} isDisabled={!ready}>
            {work.busy ? 'Sealing anew…' : 'Separate'}
          </Button>
        </>
      }
    >
      <dl className="facts consequences">
        <dt>Stops</dt>
        <dd>This node leaves {former} for good. The other nodes, the backups and every key that {former} knows are forgotten here.</dd>
        <dt>Stays</dt>
        <dd>All ports with their passwords and former revisions, sealed anew under a new master secret, and the audit trail.</dd>
        <dt>Goes on</dt>
        <dd>{former}, on the other machines, as before.</dd>
      </dl>
      <p className="muted">It can’t be undone. If this machine is the original, stop the copy and join anew instead.</p>
      <Field label="Name of the new system" value={name} onChange={setName} autoFocus />
      <Field label={wanted === '' ? 'Type that name again' : `Type ${wanted} to separate it`} value={typed} onChange={setTyped} onKeyDown={(event) => event.key === 'Enter' && ready && separate()} />
      {work.fault && <FaultMessage fault={work.fault} />}
    </Dialog>
  );
}

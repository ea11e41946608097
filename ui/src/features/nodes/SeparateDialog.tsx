// A copy becomes a system of its own: what stops and what stays is said before, and its new name is typed twice.

import { useState } from 'react';

import { Ask } from '../../shared/Ask';
import { Field } from '../../shared/controls';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';

export function SeparateDialog({ former, onClose }: { former: string; onClose: () => void }) {
  const session = useSession();
  const [name, setName] = useState('');
  const work = useDoing();
  const wanted = name.trim();
  const separate = async () => {
    const done = await ask(session.platform, { act: 'node_separate', name: wanted, forget: false }, 'separated');
    const left = done.former_secret ? ` The secret of ${former} is still in ${done.former_secret}.` : '';
    session.say(`This is the system ${done.system.name} now.${left} Back up now: it has no backup yet.`);
    onClose();
  };
  return (
    <Ask
      title="Make this copy a system of its own?"
      act="Separate"
      doing="Sealing anew…"
      work={work}
      typed={{ name: wanted, label: wanted === '' ? 'Type that name again' : `Type ${wanted} to separate it`, first: false }}
      ready={wanted.toLowerCase() !== former.toLowerCase()}
      onAct={separate}
      onClose={onClose}
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
    </Ask>
  );
}

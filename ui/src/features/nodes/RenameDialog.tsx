// Rename a node. Only its name in the list changes.

import { useState } from 'react';

import type { NodeEntryView } from '../../platform';
import { Button, Dialog, FaultMessage, Field } from '../../shared/controls';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';

export function RenameDialog({ node, onClose, onDone }: { node: NodeEntryView; onClose: () => void; onDone: () => void }) {
  const session = useSession();
  const [name, setName] = useState(node.name);
  const work = useDoing();
  const ready = name.trim() !== '' && name.trim() !== node.name && !work.busy;
  const rename = () =>
    void work.run(async () => {
      await ask(session.platform, { act: 'node_rename', node: node.id, name: name.trim() }, 'nodes');
      session.say(`${node.name} is called ${name.trim()} now.`);
      onDone();
      onClose();
    });
  return (
    <Dialog
      title={`Rename ${node.name}`}
      open
      onClose={onClose}
      locked={work.busy}
      foot={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button look="primary" onPress={rename} isDisabled={!ready}>
            Rename
          </Button>
        </>
      }
    >
      <Field label="Name" value={name} onChange={setName} autoFocus onKeyDown={(event) => event.key === 'Enter' && ready && rename()} />
      {work.fault && <FaultMessage fault={work.fault} />}
    </Dialog>
  );
}

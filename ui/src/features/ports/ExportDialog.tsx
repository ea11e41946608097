// Export binding files into a folder: masked as BizTalk writes them, or with every secret in the clear.

import { useState } from 'react';

import type { Chosen, ExportSecrets, ExportView } from '../../platform';
import { ChooseFile } from '../../shared/ChooseFile';
import { ActFoot, Button, Dialog, FaultMessage, Message, Options, ProgressView } from '../../shared/controls';
import { counted } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';

export function ExportDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const session = useSession();
  const [secrets, setSecrets] = useState<ExportSecrets>('mask');
  const [folder, setFolder] = useState<Chosen | null>(null);
  const [done, setDone] = useState<ExportView | null>(null);
  const work = useDoing();
  const opening = useDoing();

  const close = () => {
    setSecrets('mask');
    setFolder(null);
    setDone(null);
    work.clear();
    onClose();
  };
  const write = () =>
    void work.run(async () => {
      if (!folder) return;
      setDone(await ask(session.platform, { act: 'port_export', out: folder.token, secrets, document: null }, 'exported'));
      await session.refresh();
    });

  return (
    <Dialog
      title="Export binding files"
      open={open}
      onClose={close}
      locked={work.busy}
      foot={
        <ActFoot
          act="Export"
          ready={folder !== null}
          busy={work.busy}
          done={done !== null}
          onAct={write}
          onClose={close}
          aside={<Button onPress={() => void opening.run(() => session.platform.openFolder('export'))}>Open folder</Button>}
        />
      }
    >
      {done ? (
        <Message live tone={done.secrets === 'include' ? 'warn' : 'ok'} title={`${counted(done.files.length, 'file')} written`}>
          {done.secrets === 'include' ? 'They hold every secret in the clear: delete them once BizTalk has imported them.' : done.files.map((file) => file.name).join(', ')}
        </Message>
      ) : work.busy ? (
        <ProgressView fallback="Writing binding files…" onCancel={() => void session.platform.cancel()} />
      ) : (
        <>
          <p className="muted">Every document is written under its own name, with your changes in it and nothing else changed.</p>
          <Options
            label="Secrets"
            value={secrets}
            onChange={setSecrets}
            options={[
              { value: 'mask', title: 'Masked', text: 'As BizTalk writes them when it removes one. Safe to pass on.' },
              { value: 'include', title: 'In the clear', text: 'As BizTalk needs them to import. Whoever reads the files reads the secrets. It is audited.' },
            ]}
          />
          <ChooseFile what="export_folder" file={folder} onFile={setFolder} hint="An empty folder is best." />
        </>
      )}
      {work.fault && <FaultMessage fault={work.fault} />}
      {opening.fault && <FaultMessage fault={opening.fault} />}
    </Dialog>
  );
}

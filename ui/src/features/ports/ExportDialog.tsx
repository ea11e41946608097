// Export binding files into a folder: masked as BizTalk writes them, or with every secret in the clear.

import { FolderOpen } from 'lucide-react';
import { useState } from 'react';

import type { Chosen, ExportSecrets, ExportView } from '../../platform';
import { Button, Dialog, FaultMessage, Message, Options } from '../../shared/controls';
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
  const choose = () =>
    void work.run(async () => {
      const [chosen] = await session.platform.choose('export_folder');
      if (chosen) setFolder(chosen);
    });
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
        done ? (
          <>
            <Button onPress={() => void opening.run(() => session.platform.openFolder('export'))}>Open folder</Button>
            <Button look="primary" onPress={close}>
              Done
            </Button>
          </>
        ) : (
          <>
            <Button onPress={close} isDisabled={work.busy}>
              Cancel
            </Button>
            <Button look="primary" onPress={write} isDisabled={!folder || work.busy}>
              {work.busy ? 'Working…' : 'Export'}
            </Button>
          </>
        )
      }
    >
      {done ? (
        <Message live tone={done.secrets === 'include' ? 'warn' : 'ok'} title={`${counted(done.files.length, 'file')} written`}>
          {done.secrets === 'include' ? 'They hold every secret in the clear: delete them once BizTalk has imported them.' : done.files.map((file) => file.name).join(', ')}
        </Message>
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
          <div className="row">
            <Button icon={<FolderOpen size={16} />} onPress={choose} isDisabled={work.busy}>
              Choose folder…
            </Button>
            <span className={folder ? 'clip' : 'muted'}>{folder ? folder.name : 'An empty folder is best.'}</span>
          </div>
        </>
      )}
      {work.fault && <FaultMessage fault={work.fault} />}
      {opening.fault && <FaultMessage fault={opening.fault} />}
    </Dialog>
  );
}

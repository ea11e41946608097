// Drill a backup: open it and every record in it, change nothing.

import { FolderOpen } from 'lucide-react';
import { useState } from 'react';

import type { BackupView, Chosen } from '../../platform';
import { BackupHeader, Proof } from '../../shared/BackupHeader';
import { Button, Dialog, FaultMessage, Field, ProgressView } from '../../shared/controls';
import { counted } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';

export function DrillDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const session = useSession();
  const [file, setFile] = useState<Chosen | null>(null);
  const [backup, setBackup] = useState<BackupView | null>(null);
  const [passphrase, setPassphrase] = useState('');
  const looking = useDoing();
  const work = useDoing();
  const proof = backup?.proven ?? null;

  const close = () => {
    setFile(null);
    setBackup(null);
    setPassphrase('');
    looking.clear();
    work.clear();
    onClose();
  };
  const choose = () =>
    void looking.run(async () => {
      const [chosen] = await session.platform.choose('backup_open');
      if (!chosen) return;
      setFile(chosen);
      setBackup(null);
      work.clear();
      setBackup(await ask(session.platform, { act: 'backup_inspect', file: chosen.token }, 'backup'));
    });
  const drill = () =>
    void work.run(async () => {
      if (!file) return;
      const answer = await ask(session.platform, { act: 'backup_drill', file: file.token, passphrase }, 'backup');
      setPassphrase('');
      setBackup(answer);
      await session.refresh();
    });

  return (
    <Dialog
      title="Drill a backup"
      open={open}
      onClose={close}
      locked={work.busy}
      foot={
        proof ? (
          <Button look="primary" onPress={close} autoFocus>
            Done
          </Button>
        ) : work.busy ? undefined : (
          <>
            <Button onPress={close}>Cancel</Button>
            <Button look="primary" onPress={drill} isDisabled={!backup || !passphrase}>
              Drill
            </Button>
          </>
        )
      }
    >
      {work.busy ? (
        <ProgressView fallback="Opening every record…" onCancel={() => void session.platform.cancel()} />
      ) : (
        <>
          {!proof && <p className="muted">A drill opens the backup and every record in it, and changes nothing.</p>}
          {proof && <Proof proof={proof} title={`This backup restores: ${counted(proof.records_opened, 'record')} opened`} />}
          {!proof && (
            <div className="row">
              <Button icon={<FolderOpen size={16} />} onPress={choose}>
                Choose backup file…
              </Button>
              {file && <span className="clip">{file.name}</span>}
            </div>
          )}
          {looking.fault && <FaultMessage fault={looking.fault} />}
          {backup && <BackupHeader backup={backup} />}
          {backup && !proof && <Field label="Backup passphrase" type="password" autoComplete="off" value={passphrase} onChange={setPassphrase} onKeyDown={(event) => event.key === 'Enter' && passphrase && drill()} />}
          {work.fault && <FaultMessage fault={work.fault} />}
        </>
      )}
    </Dialog>
  );
}

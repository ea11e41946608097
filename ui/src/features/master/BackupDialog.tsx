// Back up now: place, passphrase, work, proof.

import { FolderOpen } from 'lucide-react';
import { useState } from 'react';

import type { BackupView, Chosen } from '../../platform';
import { BackupHeader, Proof } from '../../shared/BackupHeader';
import { backupFileName } from '../../shared/backupName';
import { Button, CheckBox, Dialog, FaultMessage, Field, ProgressView } from '../../shared/controls';
import { PassphraseFields, agrees, noPassphrase } from '../../shared/PassphraseFields';
import { counted } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';

export function BackupDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const session = useSession();
  const [file, setFile] = useState<Chosen | null>(null);
  const [passphrase, setPassphrase] = useState(noPassphrase);
  const [reminder, setReminder] = useState('');
  const [secretOnly, setSecretOnly] = useState(false);
  const [made, setMade] = useState<BackupView | null>(null);
  const work = useDoing();
  const choosing = useDoing();

  const close = () => {
    setFile(null);
    setPassphrase(noPassphrase);
    setReminder('');
    setSecretOnly(false);
    setMade(null);
    work.clear();
    onClose();
  };
  const choose = () =>
    void choosing.run(async () => {
      const [chosen] = await session.platform.choose('backup_save', backupFileName(session.status?.system?.name ?? ''));
      if (chosen) setFile(chosen);
    });
  const create = () =>
    void work.run(async () => {
      if (!file) return;
      const answer = await ask(session.platform, { act: 'backup_create', file: file.token, passphrase: passphrase.first, reminder: reminder.trim() || null, secret_only: secretOnly }, 'backup');
      setPassphrase(noPassphrase);
      setMade(answer);
      await session.refresh();
    });

  return (
    <Dialog
      title="Back up now"
      open={open}
      onClose={close}
      locked={work.busy}
      foot={
        made ? (
          <Button look="primary" onPress={close} autoFocus>
            Done
          </Button>
        ) : work.busy ? undefined : (
          <>
            <Button onPress={close}>Cancel</Button>
            <Button look="primary" onPress={create} isDisabled={!file || !agrees(passphrase)}>
              Back up and prove
            </Button>
          </>
        )
      }
    >
      {made ? (
        <>
          {made.proven ? <Proof proof={made.proven} title={`Backed up and proven: ${counted(made.proven.records_opened, 'record')} opened`} /> : null}
          <BackupHeader backup={made} />
        </>
      ) : work.busy ? (
        <ProgressView fallback="Writing the backup…" onCancel={() => void session.platform.cancel()} />
      ) : (
        <>
          <p className="muted">Sealport writes the file, reads it back, and opens every record in it before it counts.</p>
          <div className="row">
            <Button icon={<FolderOpen size={16} />} onPress={choose}>
              Choose backup file…
            </Button>
            <span className={file ? 'clip' : 'muted'}>{file ? file.name : 'Best on another disk or a share.'}</span>
          </div>
          {choosing.fault && <FaultMessage fault={choosing.fault} />}
          <PassphraseFields label="Backup passphrase" value={passphrase} onChange={setPassphrase} hint="Without it the backup opens for nobody." />
          <Field label="Reminder" hint="Optional, readable by anyone who has the file. Say where the passphrase is kept, never what it is." value={reminder} onChange={setReminder} />
          <CheckBox selected={secretOnly} onChange={setSecretOnly}>
            Master secret only, without ports
          </CheckBox>
          {work.fault && <FaultMessage fault={work.fault} />}
        </>
      )}
    </Dialog>
  );
}

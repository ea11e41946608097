// Back up now: place, passphrase, work, proof.

import { useState } from 'react';

import type { BackupView } from '../../platform';
import { BackupHeader, Proof } from '../../shared/BackupHeader';
import { ActFoot, CheckBox, Dialog, FaultMessage, ProgressView } from '../../shared/controls';
import { counted } from '../../shared/format';
import { BackupFields, backupOf, noBackup } from '../../shared/NewBackup';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';

export function BackupDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const session = useSession();
  const [form, setForm] = useState(noBackup);
  const [secretOnly, setSecretOnly] = useState(false);
  const [made, setMade] = useState<BackupView | null>(null);
  const work = useDoing();
  const wanted = backupOf(form);

  const close = () => {
    setForm(noBackup);
    setSecretOnly(false);
    setMade(null);
    work.clear();
    onClose();
  };
  const create = () =>
    void work.run(async () => {
      if (!wanted) return;
      setMade(await ask(session.platform, { act: 'backup_create', ...wanted, secret_only: secretOnly }, 'backup'));
      setForm(noBackup);
      await session.refresh();
    });

  return (
    <Dialog
      title="Back up now"
      open={open}
      onClose={close}
      locked={work.busy}
      foot={<ActFoot act="Back up and prove" ready={wanted !== null} busy={work.busy} done={made !== null} onAct={create} onClose={close} />}
    >
      {made ? (
        <>
          {made.proven && <Proof proof={made.proven} title={`Backed up and proven: ${counted(made.proven.records_opened, 'record')} opened`} />}
          <BackupHeader backup={made} />
        </>
      ) : work.busy ? (
        <ProgressView fallback="Writing the backup…" onCancel={() => void session.platform.cancel()} />
      ) : (
        <>
          <p className="muted">Sealport writes the file, reads it back, and opens every record in it before it counts.</p>
          <BackupFields system={session.status?.system?.name ?? ''} form={form} onChange={setForm} />
          <CheckBox selected={secretOnly} onChange={setSecretOnly}>
            Master secret only, without ports
          </CheckBox>
          {work.fault && <FaultMessage fault={work.fault} />}
        </>
      )}
    </Dialog>
  );
}

// Drill a backup: open it and every record in it, change nothing.

import { useState } from 'react';

import type { BackupView } from '../../platform';
import { BackupHeader, Proof } from '../../shared/BackupHeader';
import { ChooseBackup } from '../../shared/ChooseFile';
import type { ReadBackup } from '../../shared/ChooseFile';
import { ActFoot, Dialog, FaultMessage, Field, ProgressView } from '../../shared/controls';
import { counted } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';

export function DrillDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const session = useSession();
  const [read, setRead] = useState<ReadBackup | null>(null);
  const [passphrase, setPassphrase] = useState('');
  const [drilled, setDrilled] = useState<BackupView | null>(null);
  const work = useDoing();

  const close = () => {
    setRead(null);
    setPassphrase('');
    setDrilled(null);
    work.clear();
    onClose();
  };
  const drill = () =>
    void work.run(async () => {
      if (!read) return;
      setDrilled(await ask(session.platform, { act: 'backup_drill', file: read.file.token, passphrase }, 'backup'));
      setPassphrase('');
      await session.refresh();
    });

  return (
    <Dialog
      title="Drill a backup"
      open={open}
      onClose={close}
      locked={work.busy}
      foot={<ActFoot act="Drill" ready={read !== null && passphrase !== ''} busy={work.busy} done={drilled !== null} onAct={drill} onClose={close} />}
    >
      {drilled ? (
        <>
          {drilled.proven && <Proof proof={drilled.proven} title={`This backup restores: ${counted(drilled.proven.records_opened, 'record')} opened`} />}
          <BackupHeader backup={drilled} />
        </>
      ) : work.busy ? (
        <ProgressView fallback="Opening every record…" onCancel={() => void session.platform.cancel()} />
      ) : (
        <>
          <p className="muted">A drill opens the backup and every record in it, and changes nothing.</p>
          <ChooseBackup
            read={read}
            onRead={(next) => {
              setRead(next);
              work.clear();
            }}
          />
          {read && <Field label="Backup passphrase" type="password" autoComplete="off" value={passphrase} onChange={setPassphrase} onKeyDown={(event) => event.key === 'Enter' && passphrase && drill()} />}
          {work.fault && <FaultMessage fault={work.fault} />}
        </>
      )}
    </Dialog>
  );
}

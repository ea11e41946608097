// Rotate the master secret: what will happen, and the backup without which it does not begin. Which number the new version
// gets is the service's to say.

import { useState } from 'react';

import { Button, Dialog, FaultMessage, ProgressView } from '../../shared/controls';
import { BackupFields, backupOf, noBackup } from '../../shared/NewBackup';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';

/** `waiting` is a version that was made and still lacks its backup. */
export function RotateDialog({ from, waiting, onClose, onBegun }: { from: number; waiting: number | null; onClose: () => void; onBegun: () => void }) {
  const session = useSession();
  const [form, setForm] = useState(noBackup);
  const work = useDoing();
  const wanted = backupOf(form);
  const rotate = () =>
    void work.run(async () => {
      if (!wanted) return;
      const { rotation } = await ask(session.platform, { act: 'secret_rotate', ...wanted }, 'rotation');
      setForm(noBackup);
      session.say(rotation ? `The rotation to version ${rotation.to} has begun.` : 'The rotation has begun.');
      void session.refresh();
      onBegun();
      onClose();
    });
  return (
    <Dialog
      title={waiting === null ? 'Rotate the master secret' : `Give version ${waiting} its backup`}
      open
      wide
      onClose={onClose}
      locked={work.busy}
      foot={
        work.busy ? null : (
          <>
            <Button onPress={onClose}>Cancel</Button>
            <Button look="primary" onPress={rotate} isDisabled={!wanted}>
              Back up and rotate
            </Button>
          </>
        )
      }
    >
      {work.busy ? (
        <ProgressView fallback="Making a new version and proving its backup…" onCancel={() => void session.platform.cancel()} />
      ) : (
        <>
          <ol className="rotate-steps">
            <li>
              {waiting === null ? `A new version is made and kept beside version ${from}` : `Version ${waiting} is made already, and kept beside version ${from}`}. A backup with both is written, read back, and every record in it
              opened.
            </li>
            <li>Every node takes the new version, to open only. Until then it can be cancelled.</li>
            <li>From then on it seals what is saved. Everything sealed before is sealed anew in the background, while ports are opened and saved.</li>
            <li>Version {from} is retired. It is not destroyed: older backups need it.</li>
          </ol>
          <BackupFields system={session.status?.system?.name ?? ''} form={form} onChange={setForm} />
          {work.fault && <FaultMessage fault={work.fault} />}
        </>
      )}
    </Dialog>
  );
}

// Restore a backup into an empty data directory: its header first, then the passphrase.

import { useState } from 'react';

import type { RestoreView } from '../../platform';
import { ChooseBackup } from '../../shared/ChooseFile';
import type { ReadBackup } from '../../shared/ChooseFile';
import { CustodyFields, custodyChoice, custodyReady, keyringCustody } from '../../shared/Custody';
import { Button, FaultMessage, Field, Message, ProgressView } from '../../shared/controls';
import { counted } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { Steps } from '../../shared/Steps';
import { useDoing } from '../../shared/use';
import { forgetStand } from './resume';

export function Restore({ onBack }: { onBack: () => void }) {
  const session = useSession();
  const [backup, setBackup] = useState<ReadBackup | null>(null);
  const [passphrase, setPassphrase] = useState('');
  const [custody, setCustody] = useState(keyringCustody);
  const [restored, setRestored] = useState<RestoreView | null>(null);
  const [step, setStep] = useState(0);
  const working = useDoing();

  const restore = () =>
    void working.run(async () => {
      if (!backup) return;
      session.setHold(true);
      const answer = await ask(session.platform, { act: 'backup_restore', file: backup.file.token, passphrase, custody: custodyChoice(custody) }, 'restored');
      forgetStand();
      setRestored(answer);
      setPassphrase('');
      setStep(2);
    });

  return (
    <>
      <Steps steps={['Backup', 'Custody', 'Done']} at={step} />
      <div className="panel">
        <div className="inside stack loose">
          {step === 0 && (
            <form
              className="stack loose"
              onSubmit={(event) => {
                event.preventDefault();
                if (backup && passphrase) setStep(1);
              }}
            >
              <ChooseBackup read={backup} onRead={setBackup} />
              {backup && (
                <>
                  {backup.view.header.secret_only && (
                    <Message tone="warn" title="This backup holds the master secret only">
                      Ports are not in it. Import their binding files after the restore.
                    </Message>
                  )}
                  <Field label="Backup passphrase" type="password" autoComplete="off" value={passphrase} onChange={setPassphrase} hint={backup.view.header.reminder ? `Reminder: ${backup.view.header.reminder}` : undefined} />
                </>
              )}
              {working.fault && <FaultMessage fault={working.fault} />}
              <div className="row">
                <Button onPress={onBack}>Back</Button>
                <span className="grow" />
                <Button look="primary" type="submit" isDisabled={!backup || !passphrase}>
                  Next
                </Button>
              </div>
            </form>
          )}
          {step === 1 && !working.busy && (
            <>
              <CustodyFields form={custody} onChange={setCustody} />
              {working.fault && <FaultMessage fault={working.fault} />}
              <div className="row">
                <Button onPress={() => setStep(0)}>Back</Button>
                <span className="grow" />
                <Button look="primary" onPress={restore} isDisabled={!custodyReady(custody)}>
                  Restore
                </Button>
              </div>
            </>
          )}
          {step === 1 && working.busy && <ProgressView fallback="Opening the backup…" onCancel={() => void session.platform.cancel()} />}
          {step === 2 && restored && (
            <>
              <Message live tone="ok" title={`${restored.system.name} is restored`}>
                {counted(restored.ports, 'port')} and {counted(restored.records, 'record')} came back, with their history.
              </Message>
              <div className="row">
                <span className="grow" />
                <Button
                  look="primary"
                  onPress={() => {
                    session.go('overview');
                    session.setHold(false);
                    void session.refresh();
                  }}
                >
                  Go to overview
                </Button>
              </div>
            </>
          )}
        </div>
      </div>
    </>
  );
}

// Restore a backup into an empty data directory: its header first, then the passphrase.

import { FolderOpen } from 'lucide-react';
import { useState } from 'react';

import type { BackupView, Chosen, RestoreView } from '../../platform';
import { BackupHeader } from '../../shared/BackupHeader';
import { CustodyFields, custodyChoice, custodyReady, keyringCustody } from '../../shared/Custody';
import { Button, FaultMessage, Field, Message, ProgressView } from '../../shared/controls';
import { counted } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { Steps } from '../../shared/Steps';
import { useDoing } from '../../shared/use';
import { forgetStand } from './resume';

export function Restore({ onBack }: { onBack: () => void }) {
  const session = useSession();
  const [file, setFile] = useState<Chosen | null>(null);
  const [backup, setBackup] = useState<BackupView | null>(null);
  const [passphrase, setPassphrase] = useState('');
  const [custody, setCustody] = useState(keyringCustody);
  const [restored, setRestored] = useState<RestoreView | null>(null);
  const [step, setStep] = useState(0);
  const looking = useDoing();
  const working = useDoing();

  const choose = () =>
    void looking.run(async () => {
      const [chosen] = await session.platform.choose('backup_open');
      if (!chosen) return;
      setBackup(null);
      setFile(chosen);
      setBackup(await ask(session.platform, { act: 'backup_inspect', file: chosen.token }, 'backup'));
    });

  const restore = () =>
    void working.run(async () => {
      if (!file) return;
      session.setHold(true);
      const answer = await ask(session.platform, { act: 'backup_restore', file: file.token, passphrase, custody: custodyChoice(custody) }, 'restored');
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
              <div className="row">
                <Button icon={<FolderOpen size={16} />} onPress={choose}>
                  Choose backup file…
                </Button>
                {!file && <span className="muted">It ends in .sealport.</span>}
              </div>
              {looking.fault && <FaultMessage fault={looking.fault} />}
              {backup && (
                <>
                  <BackupHeader backup={backup} />
                  {backup.header.secret_only && (
                    <Message tone="warn" title="This backup holds the master secret only">
                      Ports are not in it. Import their binding files after the restore.
                    </Message>
                  )}
                  <Field label="Backup passphrase" type="password" autoComplete="off" value={passphrase} onChange={setPassphrase} hint={backup.header.reminder ? `Reminder: ${backup.header.reminder}` : undefined} />
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

// Create a system: name, custody, backup, work, done. It ends with a proven backup, or an explicit "later".

import { useEffect, useState } from 'react';

import type { BackupRecordView, FirstBackup } from '../../platform';
import { CustodyFields, custodyChoice, custodyReady, keyringCustody } from '../../shared/Custody';
import { Button, FaultMessage, Field, Message, Options, ProgressView } from '../../shared/controls';
import { counted, exactly } from '../../shared/format';
import { BackupFields, backupOf, noBackup } from '../../shared/NewBackup';
import { ask, useSession } from '../../shared/session';
import { Steps } from '../../shared/Steps';
import { useDoing } from '../../shared/use';
import { forgetStand, keepStand, readStand } from './resume';

export function Create({ onBack }: { onBack: () => void }) {
  const session = useSession();
  const [stand] = useState(readStand);
  const [step, setStep] = useState(stand.step);
  const [name, setName] = useState(stand.name);
  const [custody, setCustody] = useState({ ...keyringCustody, kind: stand.custody });
  const [when, setWhen] = useState<'now' | 'later'>('now');
  const [form, setForm] = useState(noBackup);
  const [done, setDone] = useState<{ backup: BackupRecordView | null } | null>(null);
  const making = useDoing();
  const wanted = backupOf(form);

  useEffect(() => {
    if (step < 3) keepStand({ step, name, custody: custody.kind });
    else forgetStand();
  }, [step, name, custody.kind]);

  /** A failure may leave a system or none: then what the service says counts. */
  const release = async (made: Promise<boolean | null>) => {
    if (await made) return;
    session.setHold(false);
    await session.refresh();
  };
  const make = () =>
    void release(making.run(async () => {
      const backup: FirstBackup = when === 'now' && wanted ? { when: 'now', ...wanted } : { when: 'later' };
      session.setHold(true);
      const status = await ask(session.platform, { act: 'init', name: name.trim(), custody: custodyChoice(custody), backup }, 'status');
      setDone({ backup: status.backup.history[0] ?? null });
      setStep(3);
      setForm(noBackup);
      return true;
    }));

  const finish = async (to: 'overview' | 'import') => {
    session.go(to);
    session.setHold(false);
    await session.refresh();
  };

  return (
    <>
      <Steps steps={['Name', 'Custody', 'Backup', 'Done']} at={step} />
      <div className="panel">
        <div className="inside stack loose">
          {step === 0 && (
            <form
              className="stack loose"
              onSubmit={(event) => {
                event.preventDefault();
                if (name.trim()) setStep(1);
              }}
            >
              <Field
                label="Name of the system"
                hint="Name it after what it serves, such as “Integration production”. It stands in every backup."
                value={name}
                onChange={setName}
                autoFocus
              />
              <div className="row">
                <Button onPress={onBack}>Back</Button>
                <span className="grow" />
                <Button look="primary" type="submit" isDisabled={!name.trim()}>
                  Next
                </Button>
              </div>
            </form>
          )}
          {step === 1 && (
            <>
              <CustodyFields form={custody} onChange={setCustody} />
              <div className="row">
                <Button onPress={() => setStep(0)}>Back</Button>
                <span className="grow" />
                <Button look="primary" onPress={() => setStep(2)} isDisabled={!custodyReady(custody)}>
                  Next
                </Button>
              </div>
            </>
          )}
          {step === 2 && !making.busy && (
            <>
              <Options
                label="Back up the master secret"
                value={when}
                onChange={setWhen}
                options={[
                  { value: 'now', title: 'Now, to a file', text: 'Sealport writes it, reads it back, and opens every record in it before it counts.' },
                  { value: 'later', title: 'Later', text: 'If this machine is lost before then, everything sealed on it is lost. A red line reminds you until it is done.' },
                ]}
              />
              {when === 'now' && <BackupFields system={name} form={form} onChange={setForm} />}
              {making.fault && <FaultMessage fault={making.fault} />}
              <div className="row">
                <Button onPress={() => setStep(1)}>Back</Button>
                <span className="grow" />
                <Button look="primary" onPress={make} isDisabled={when === 'now' && !wanted}>
                  {when === 'now' ? 'Create and back up' : 'Create without a backup'}
                </Button>
              </div>
            </>
          )}
          {step === 2 && making.busy && (
            <ProgressView fallback="Making the master secret…" onCancel={() => void session.platform.cancel()} />
          )}
          {step === 3 && done && (
            <>
              {done.backup === null ? (
                <Message live tone="warn" title={`${name} is ready, without a backup`}>
                  Back up the master secret before you seal anything you can’t lose.
                </Message>
              ) : (
                <Message live tone="ok" title={provenWords(done.backup)}>
                  {name} is ready. The backup was written, read back, and every record in it opened.
                </Message>
              )}
              {done.backup && (
                <dl className="facts">
                  <dt>File</dt>
                  <dd className="wrap-any">{done.backup.file}</dd>
                  <dt>Written</dt>
                  <dd>{exactly(done.backup.created)}</dd>
                  <dt>Reminder</dt>
                  <dd className="wrap-any">{done.backup.reminder || <span className="muted">none</span>}</dd>
                </dl>
              )}
              <div className="row">
                <span className="grow" />
                <Button onPress={() => void finish('overview')}>Go to overview</Button>
                <Button look="primary" onPress={() => void finish('import')}>
                  Import a binding file
                </Button>
              </div>
            </>
          )}
        </div>
      </div>
    </>
  );
}

/** A new system has few records or none; the master secret itself was opened all the same. */
function provenWords({ records }: BackupRecordView): string {
  return records > 0 ? `Backed up and proven: ${counted(records, 'record')} opened` : 'Backed up and proven: the master secret opened';
}

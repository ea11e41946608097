// A node that lacks what a master needs gets it from a backup: the file, its reminder, its passphrase.

import { useState } from 'react';

import type { Chosen, Fault } from '../../platform';
import { ChooseBackup } from '../../shared/ChooseFile';
import type { ReadBackup } from '../../shared/ChooseFile';
import { Button, FaultMessage, Field } from '../../shared/controls';

/** A backup with what opens it, as long as the page is open. */
export interface Source {
  file: Chosen;
  passphrase: string;
}

export function FromBackup({ name, why, busy, fault, onBack, onSource }: { name: string; why: string; busy: boolean; fault: Fault | null; onBack: (() => void) | null; onSource: (source: Source) => void }) {
  const [read, setRead] = useState<ReadBackup | null>(null);
  const [passphrase, setPassphrase] = useState('');
  const ready = read !== null && passphrase !== '' && !busy;
  const next = () => ready && onSource({ file: read.file, passphrase });
  return (
    <section className="panel from-backup" aria-labelledby="from-backup">
      <header>
        <h2 id="from-backup">From a backup</h2>
      </header>
      <div className="inside stack">
        <p>
          {why} <span className="muted">A backup of this system gives it the master secret. Nothing is changed before you confirm.</span>
        </p>
        <ChooseBackup read={read} onRead={setRead} />
        {read && <Field label="Backup passphrase" type="password" autoComplete="off" value={passphrase} onChange={setPassphrase} onKeyDown={(event) => event.key === 'Enter' && next()} />}
        {fault && <FaultMessage fault={fault} />}
        <div className="row">
          <Button look="primary" onPress={next} isDisabled={!ready}>
            {busy ? 'Looking…' : `Check whether ${name} can be the master`}
          </Button>
          {onBack && (
            <Button onPress={onBack} isDisabled={busy}>
              Back
            </Button>
          )}
        </div>
      </div>
    </section>
  );
}

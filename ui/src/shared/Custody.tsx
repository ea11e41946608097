// Where the master secret is to rest: an explicit choice, never a fall-back.

import type { CustodyChoice } from '../platform';
import { Options } from './controls';
import { PassphraseFields, agrees, noPassphrase } from './PassphraseFields';
import type { NewPassphrase } from './PassphraseFields';

export interface CustodyForm {
  kind: 'keyring' | 'passphrase';
  passphrase: NewPassphrase;
}

export const keyringCustody: CustodyForm = { kind: 'keyring', passphrase: noPassphrase };

export const custodyReady = (form: CustodyForm): boolean => form.kind === 'keyring' || agrees(form.passphrase);

export const custodyChoice = (form: CustodyForm): CustodyChoice =>
  form.kind === 'keyring' ? { custody: 'keyring' } : { custody: 'passphrase', passphrase: form.passphrase.first };

export function CustodyFields({ form, onChange }: { form: CustodyForm; onChange: (form: CustodyForm) => void }) {
  return (
    <div className="stack">
      <Options
        label="Where the master secret is kept"
        value={form.kind}
        onChange={(kind) => onChange({ ...form, kind })}
        options={[
          { value: 'keyring', title: 'The keyring of this machine (recommended)', text: 'Unlocks when you sign in. Nothing more to type.' },
          { value: 'passphrase', title: 'A file sealed under a passphrase', text: 'For servers without a desktop, where no keyring runs. It must be typed, or given as a file, at each start.' },
        ]}
      />
      {form.kind === 'passphrase' && (
        <PassphraseFields label="Custody passphrase" value={form.passphrase} onChange={(passphrase) => onChange({ ...form, passphrase })} />
      )}
    </div>
  );
}

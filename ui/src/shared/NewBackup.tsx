// What a new backup needs: a place, a passphrase typed twice, and a reminder.

import type { Chosen } from '../platform';
import { backupFileName } from './backupName';
import { ChooseFile } from './ChooseFile';
import { Field } from './controls';
import { PassphraseFields, agrees, noPassphrase } from './PassphraseFields';
import type { NewPassphrase } from './PassphraseFields';

export interface BackupForm {
  file: Chosen | null;
  passphrase: NewPassphrase;
  reminder: string;
}

export const noBackup: BackupForm = { file: null, passphrase: noPassphrase, reminder: '' };

/** What the request carries, once the form is complete. */
export function backupOf({ file, passphrase, reminder }: BackupForm): { file: string; passphrase: string; reminder: string | null } | null {
  return file && agrees(passphrase) ? { file: file.token, passphrase: passphrase.first, reminder: reminder.trim() || null } : null;
}

export function BackupFields({ system, form, onChange }: { system: string; form: BackupForm; onChange: (form: BackupForm) => void }) {
  return (
    <>
      <ChooseFile what="backup_save" suggested={backupFileName(system)} file={form.file} onFile={(file) => onChange({ ...form, file })} hint="Best on another disk or a share." />
      <PassphraseFields
        label="Backup passphrase"
        value={form.passphrase}
        onChange={(passphrase) => onChange({ ...form, passphrase })}
        hint="Without it the backup opens for nobody. Keep it apart from the file."
      />
      <Field
        label="Reminder"
        hint="Optional, readable by anyone who has the file. Say where the passphrase is kept, never what it is."
        value={form.reminder}
        onChange={(reminder) => onChange({ ...form, reminder })}
      />
    </>
  );
}

// The lines that stay until something is done: no secret, no backup, sample system.

import { FlaskConical, KeyRound, ShieldAlert } from 'lucide-react';
import { useState } from 'react';

import type { Fault, StatusView } from '../platform';
import { Button } from '../shared/controls';
import { useSession } from '../shared/session';

const KEYRING: Partial<Record<Fault['code'], [string, string]>> = {
  keyring_locked: ['The keyring is locked.', 'Unlock it, then try again. Ports can’t be opened or sealed until then.'],
  keyring_missing: ['The keyring has no master secret for this system, or no keyring service runs.', 'Start the keyring service, or restore a backup into an empty data directory.'],
  keyring_denied: ['The keyring refused to hand out the master secret.', 'Allow Sealport in the keyring, then try again.'],
  keyring_timeout: ['The keyring did not answer in time.', 'Look for a prompt behind this window, answer it, then try again.'],
};

/** Words for why the secret can't be had: by the fault's code where there is one, else as the service says. */
export function secretWords(status: StatusView): { title: string; text: string } {
  const alert = status.alerts.find((one) => one.id.includes('keyring') || one.id.includes('custody'));
  const said = `${alert?.id ?? ''} ${status.sealing.reason ?? ''}`.toLowerCase();
  const code = said.includes('locked')
    ? 'keyring_locked'
    : said.includes('refus') || said.includes('denied')
      ? 'keyring_denied'
      : said.includes('time') || said.includes('answer')
        ? 'keyring_timeout'
        : said.includes('missing') || said.includes('no keyring')
          ? 'keyring_missing'
          : null;
  const words = code ? KEYRING[code] : undefined;
  return {
    title: status.sealing.reason ?? alert?.message ?? words?.[0] ?? 'The master secret can’t be had.',
    text: status.sealing.hint ?? alert?.hint ?? words?.[1] ?? 'Try again.',
  };
}

export function Banners() {
  const session = useSession();
  const { status, about } = session;
  const [trying, setTrying] = useState(false);
  const retry = () => {
    setTrying(true);
    void session.refresh().finally(() => setTrying(false));
  };
  if (!status) return null;
  const secret = status.state === 'no_secret' ? secretWords(status) : null;
  const noBackup = !about?.sample && status.state === 'synced' && status.backup.proven_age_seconds === null;
  return (
    <>
      {secret && (
        <div className="banner bad" role="alert">
          <KeyRound size={16} aria-hidden />
          <p className="grow">
            <strong>{secret.title}</strong> {secret.text}
          </p>
          <Button small onPress={retry} isDisabled={trying}>
            Try again
          </Button>
        </div>
      )}
      {noBackup && (
        <div className="banner bad" role="status">
          <ShieldAlert size={16} aria-hidden />
          <p className="grow">
            <strong>Backup put off.</strong> If this machine is lost, everything sealed on it is lost.
          </p>
          <Button
            small
            onPress={() => session.go('master', { do: 'backup' })}
          >
            Back up now
          </Button>
        </div>
      )}
      {about?.sample && (
        <div className="banner warn" role="status">
          <FlaskConical size={16} aria-hidden />
          <p className="grow">
            <strong>Sample system:</strong> nothing is kept.
          </p>
          <Button small onPress={() => void session.platform.leaveSample().then(session.refresh)}>
            Leave
          </Button>
        </div>
      )}
    </>
  );
}

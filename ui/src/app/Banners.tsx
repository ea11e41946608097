// The lines that stay until something is done: no secret, no backup, stranded changes, sample system.

import { FlaskConical, GitMerge, KeyRound, ShieldAlert } from 'lucide-react';
import { useState } from 'react';
import { Input, TextField } from 'react-aria-components';

import type { Fault, StatusView } from '../platform';
import { Button } from '../shared/controls';
import { isAdministrator } from '../shared/fleet';
import { asSentence, counted } from '../shared/format';
import { ask, useSession } from '../shared/session';
import { useDoing } from '../shared/use';
import { OutageBanner } from './Outage';

export interface SecretWords {
  title: string;
  text: string;
  /** What helps: the passphrase typed here, another try, or the place where a restore is explained. */
  way: 'unlock' | 'retry' | 'restore';
}

const WORDS: Partial<Record<Fault['code'], SecretWords>> = {
  custody_locked: { title: 'Custody is locked.', text: 'Type its passphrase: ports can’t be opened or sealed until then.', way: 'unlock' },
  wrong_passphrase: { title: 'The custody passphrase that was given is wrong.', text: 'Type the right one. It is not the passphrase of a backup.', way: 'unlock' },
  keyring_locked: { title: 'The keyring is locked.', text: 'Unlock it, then try again. Ports can’t be opened or sealed until then.', way: 'retry' },
  keyring_missing: {
    title: 'No keyring here holds the master secret of this system.',
    text: 'Start the keyring service, or sign in as the user who made the system, then try again. If the secret is lost, restore a backup.',
    way: 'retry',
  },
  keyring_denied: {
    title: 'The keyring did not open.',
    text: 'Try again, and give its password when it asks. If it asks nothing, unlock it in its own window first. Ports can’t be opened or sealed until then.',
    way: 'retry',
  },
  keyring_timeout: { title: 'The keyring did not answer in time.', text: 'Look for a prompt behind this window, answer it, then try again.', way: 'retry' },
  integrity: {
    title: 'What custody holds is damaged, or belongs to another system.',
    text: 'Keep it as it is, and restore a backup of this system into an empty data directory.',
    way: 'restore',
  },
};

/** Words for why the secret can't be had, by the code alone; an unknown code speaks for itself. */
export function secretWords({ sealing }: Pick<StatusView, 'sealing'>): SecretWords {
  const known = sealing.code ? WORDS[sealing.code] : undefined;
  return known ?? { title: asSentence(sealing.reason ?? 'The master secret can’t be had.'), text: asSentence(sealing.hint ?? 'Try again.'), way: 'retry' };
}

export function Banners() {
  const session = useSession();
  const { status, about } = session;
  if (!status) return null;
  // The backup of the system is the master's to make.
  const noBackup = !about?.sample && status.state === 'synced' && status.node?.role === 'master' && status.backup.proven_age_seconds === null;
  return (
    <>
      {status.state === 'no_secret' && <NoSecret status={status} />}
      <OutageBanner status={status} />
      {status.stranded > 0 && isAdministrator(status) && session.route.screen !== 'nodes' && (
        <div className="banner warn" role="status">
          <GitMerge size={16} aria-hidden />
          <p className="grow">
            <strong>{counted(status.stranded, 'stranded change')}.</strong> A former master alone had {status.stranded === 1 ? 'it' : 'them'} when it stood down. Compare {status.stranded === 1 ? 'it' : 'them'} with what stands now, and accept or discard.
          </p>
          <Button small onPress={() => session.go('nodes', { do: 'stranded' })}>
            Compare
          </Button>
        </div>
      )}
      {noBackup && (
        <div className="banner bad" role="status">
          <ShieldAlert size={16} aria-hidden />
          <p className="grow">
            <strong>No proven backup.</strong> If this machine is lost, everything sealed on it is lost.
          </p>
          <Button small onPress={() => session.go('master', { do: 'backup' })}>
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

function NoSecret({ status }: { status: StatusView }) {
  const session = useSession();
  const [trying, setTrying] = useState(false);
  const words = secretWords(status);
  const retry = () => {
    setTrying(true);
    void session.refresh().finally(() => setTrying(false));
  };
  return (
    <div className="banner bad" role="alert">
      <KeyRound size={16} aria-hidden />
      <p className="grow" title={status.sealing.reason ?? undefined}>
        <strong>{words.title}</strong> {words.text}
      </p>
      {words.way === 'unlock' && <Unlock />}
      {words.way === 'restore' && (
        <Button small onPress={() => session.go('master')}>
          How to restore
        </Button>
      )}
      {words.way === 'retry' && (
        <Button small onPress={retry} isDisabled={trying}>
          {trying ? 'Trying…' : 'Try again'}
        </Button>
      )}
    </div>
  );
}

/** Gives the passphrase of the custody. What was typed stays after a wrong one, and goes with the banner after the right one. */
function Unlock() {
  const { platform, refresh } = useSession();
  const [passphrase, setPassphrase] = useState('');
  const [wrong, setWrong] = useState<string | null>(null);
  const work = useDoing();
  const unlock = () =>
    void work.run(async () => {
      setWrong(null);
      try {
        await ask(platform, { act: 'unlock', passphrase }, 'status');
        await refresh();
      } catch (reason) {
        const fault = reason as Fault;
        setWrong(fault.code === 'wrong_passphrase' ? 'The passphrase is wrong.' : asSentence(fault.message));
      }
    });
  return (
    <form
      className="unlock"
      onSubmit={(event) => {
        event.preventDefault();
        if (passphrase && !work.busy) unlock();
      }}
    >
      {wrong && (
        <span className="tone-bad strong" role="status" id="unlock-wrong">
          {wrong}
        </span>
      )}
      {/* Not the browser's own validation: it would hold back the next try until the field changes. */}
      <TextField
        aria-label="Custody passphrase"
        type="password"
        autoComplete="off"
        validationBehavior="aria"
        value={passphrase}
        onChange={setPassphrase}
        isInvalid={wrong !== null}
        aria-describedby={wrong ? 'unlock-wrong' : undefined}
      >
        <Input className="input" placeholder="Custody passphrase" />
      </TextField>
      <Button small look="primary" type="submit" isDisabled={!passphrase || work.busy}>
        {work.busy ? 'Unlocking…' : 'Unlock'}
      </Button>
    </form>
  );
}

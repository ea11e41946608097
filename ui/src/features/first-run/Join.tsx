// Join a running system: its address and token, custody, the first copy, and the fingerprint to compare.

import { useState } from 'react';

import type { Cache, JoinView } from '../../platform';
import { CustodyFields, custodyChoice, custodyReady, keyringCustody } from '../../shared/Custody';
import { Button, FaultMessage, Field, Message, Options, ProgressView } from '../../shared/controls';
import { ROLE } from '../../shared/fleet';
import { counted } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { Steps } from '../../shared/Steps';
import { useDoing } from '../../shared/use';
import { forgetStand } from './resume';

/** An address as people write it: the scheme may be left out. */
export function joinUrl(text: string): string | null {
  const whole = /^[a-z]+:\/\//i.test(text.trim()) ? text.trim() : `https://${text.trim()}`;
  try {
    const url = new URL(whole);
    return url.protocol === 'https:' && url.hostname && /:\d+$/.test(whole.replace(/\/$/, '')) ? whole.replace(/\/$/, '') : null;
  } catch {
    return null;
  }
}

export function Join({ onBack }: { onBack: () => void }) {
  const session = useSession();
  const [step, setStep] = useState(0);
  const [address, setAddress] = useState('');
  const [token, setToken] = useState('');
  const [custody, setCustody] = useState(keyringCustody);
  const [cache, setCache] = useState<Cache>('keyring');
  const [joined, setJoined] = useState<JoinView | null>(null);
  const working = useDoing();
  const url = joinUrl(address);
  const ready = url !== null && token.trim() !== '';

  const join = async () => {
    const made = await working.run(async () => {
      if (!url) return false;
      session.setHold(true);
      const answer = await ask(session.platform, { act: 'join', url, token: token.replace(/\s+/g, ''), custody: custodyChoice(custody), cache }, 'joined');
      forgetStand();
      setJoined(answer);
      setToken('');
      setCustody(keyringCustody);
      setStep(2);
      return true;
    });
    if (made) return;
    // A failure may leave a system whose copy is still under way: then what the service says counts.
    session.setHold(false);
    await session.refresh();
  };

  return (
    <>
      <Steps steps={['Invitation', 'Custody', 'Done']} at={step} />
      <div className="panel">
        <div className="inside stack loose">
          {step === 0 && (
            <form
              className="stack loose"
              onSubmit={(event) => {
                event.preventDefault();
                if (ready) setStep(1);
              }}
            >
              <p className="muted">
                An administrator of the system makes an invitation: in the window under Nodes, or by <code>sealport node invite</code>. It counts for 15 minutes, once.
              </p>
              <Field label="Address of the master" hint="As the invitation shows it, such as https://hub-1:7410." value={address} onChange={setAddress} error={address.trim() && !url ? 'An address with a port is needed, such as https://hub-1:7410.' : null} mono autoFocus />
              <Field label="Token" type="password" autoComplete="off" hint="Paste it whole. It says which system this is, so that no other can answer in its place." value={token} onChange={setToken} mono />
              <div className="row">
                <Button onPress={onBack}>Back</Button>
                <span className="grow" />
                <Button look="primary" type="submit" isDisabled={!ready}>
                  Next
                </Button>
              </div>
            </form>
          )}
          {step === 1 && !working.busy && (
            <>
              <CustodyFields form={custody} onChange={setCustody} />
              <details className="advanced">
                <summary>Advanced</summary>
                <Options
                  label="When this node restarts while the master is away"
                  value={cache}
                  onChange={setCache}
                  options={[
                    { value: 'keyring', title: 'It opens everything (recommended)', text: 'The master secret is kept in the custody above.' },
                    { value: 'memory', title: 'It opens nothing until the master is back', text: 'The master secret is held in memory only, and got anew at each start.' },
                  ]}
                />
              </details>
              {working.fault && <FaultMessage fault={working.fault} />}
              <div className="row">
                <Button onPress={() => setStep(0)}>Back</Button>
                <span className="grow" />
                <Button look="primary" onPress={() => void join()} isDisabled={!custodyReady(custody)}>
                  Join
                </Button>
              </div>
            </>
          )}
          {step === 1 && working.busy && <ProgressView fallback="Joining…" onCancel={() => void session.platform.cancel()} />}
          {step === 2 && joined && (
            <>
              <Message live tone="ok" title={`${joined.node.name} has joined ${joined.system_name}`}>
                {counted(joined.ports, 'port')} can be opened here, also while the master is away{cache === 'memory' ? ' and until this node restarts' : ''}.
              </Message>
              <dl className="facts">
                <dt>Role</dt>
                <dd>{ROLE[joined.node.role]}{joined.node.administrator ? ', administrator' : ''}</dd>
                <dt>Fingerprint</dt>
                <dd>
                  <span className="mono fingerprint big">{joined.fingerprint}</span>
                  <p className="muted">Compare it with the one that the invitation shows. If they differ, have this node revoked.</p>
                </dd>
              </dl>
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
                  It is the same: go to overview
                </Button>
              </div>
            </>
          )}
        </div>
      </div>
    </>
  );
}

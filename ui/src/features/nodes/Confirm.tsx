// What a promotion will do, in order, and the one press that does it. In an emergency the node's name is typed.

import { useState } from 'react';

import type { Fault, PreflightView, PromotedView, PromotionMode } from '../../platform';
import { Copied } from '../../shared/Copied';
import { Button, CheckBox, FaultMessage, Field, Message, ProgressView, ToneIcon } from '../../shared/controls';
import { count, counted } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';
import { Words } from '../../shared/Words';
import type { Source } from './FromBackup';
import { commandOf, isForced } from './promotion';

interface Props {
  view: PreflightView;
  source: Source | null;
  /** The candidate is this node. */
  here: boolean;
  /** The consent to leave unreadable what another standby would open. */
  leave: boolean;
  onLeave: (leave: boolean) => void;
  ready: boolean;
  onWorking: (working: boolean) => void;
  /** Somebody else was faster. */
  onConflict: () => void;
  onDone: (promoted: PromotedView) => void;
  onLook: () => void;
  onMode: (mode: PromotionMode | null) => void;
}

export function Confirm({ view, source, here, leave, onLeave, ready, onWorking, onConflict, onDone, onLook, onMode }: Props) {
  const session = useSession();
  const [typed, setTyped] = useState('');
  const work = useDoing();
  const { candidate_name: name, master_name: master, mode, possible } = view;
  const emergency = mode === 'emergency';
  // What was looked at is what is done: with the consent, or without it.
  const able = ready && possible && view.leave_unreadable === leave && !work.busy && (!emergency || typed.trim() === name);
  const overtaken = isConflict(work.fault);
  const promote = async () => {
    onWorking(true);
    await work.run(async () => {
      const from_backup = source && { file: source.file.token, passphrase: source.passphrase };
      const done = await ask(session.platform, { act: 'promote', node: here ? 'self' : view.candidate, mode, expect_epoch: view.epoch, from_backup, leave_unreadable: leave }, 'promoted').catch((reason: Fault) => {
        if (isConflict(reason)) onConflict();
        throw reason;
      });
      void session.refresh();
      onDone(done);
    });
    onWorking(false);
  };
  // A live master that can't hand over: the emergency is a person's decision then.
  const stuck = !emergency && !possible;
  return (
    <section className="panel confirm" aria-labelledby="will-happen">
      <header>
        <h2 id="will-happen" className="grow">
          What will happen
        </h2>
        <span className={emergency ? 'tag warn' : 'tag ok'}>{emergency ? 'Emergency' : 'Planned'}</span>
      </header>
      <ol className="will-happen">
        {view.steps.map((step) => (
          <li key={step}>
            <Words text={step} />
          </li>
        ))}
      </ol>
      <div className="inside stack">
        <Votes view={view} />
        {view.records_opened !== null && (
          <p className={view.records_opened === view.records ? 'muted' : 'tone-warn strong'}>
            {view.records_opened === view.records ? `All ${counted(view.records, 'record')} of ${name} opened.` : `${counted(view.records_opened, 'record')} of ${view.records} opened on ${name}.`}
          </p>
        )}
        {!work.busy && !overtaken && <Unreadable view={view} leave={leave} onLeave={onLeave} />}
        {source && view.reminder && (
          <p className="muted">
            From {source.file.name}. Reminder: {view.reminder}
          </p>
        )}
        {work.busy ? (
          <>
            <ProgressView fallback={`Promoting ${name}…`} onCancel={emergency ? undefined : () => void session.platform.cancel()} />
            <p className="muted small">{emergency ? 'Ports open on every node meanwhile.' : `Free to cancel until ${master ?? 'the master'} has handed over; from then on it goes forward only. Ports open on every node meanwhile.`}</p>
          </>
        ) : overtaken && work.fault ? (
          <Message live tone="warn" title={<Words text={work.fault.message} />} action={<Button small onPress={onLook}>Look again</Button>}>
            Nothing was changed here. <Words text={work.fault.hint ?? ''} />
          </Message>
        ) : (
          <>
            {work.fault && <FaultMessage fault={work.fault} again={onLook} />}
            {emergency && possible && (
              <Field label={`Type ${name} to promote it`} value={typed} onChange={setTyped} isDisabled={!ready} onKeyDown={(event) => event.key === 'Enter' && able && void promote()} />
            )}
            <div className="row">
              <Button look={emergency ? 'danger' : 'primary'} onPress={() => void promote()} isDisabled={!able}>
                {emergency ? `Promote ${name} in an emergency` : `Promote ${name}`}
              </Button>
              <Button onPress={() => session.go('nodes')}>Cancel</Button>
            </div>
            {!possible && <p className="tone-bad small">Not possible now: see what failed.</p>}
            {stuck && (
              <Button look="link" onPress={() => onMode('emergency')}>
                {master ?? 'The master'} can’t hand over: look at an emergency promotion
              </Button>
            )}
          </>
        )}
        {!work.busy && possible && <Copied label="The same as a command" text={commandOf(view, source !== null)} />}
      </div>
    </section>
  );
}

/** What would open on another standby only, and the consent that goes on all the same. */
function Unreadable({ view, leave, onLeave }: { view: PreflightView; leave: boolean; onLeave: (leave: boolean) => void }) {
  const { candidate_name: name, opens_more: other, missing_versions: missing } = view;
  // Without what a master needs no consent helps.
  const lacking = view.checks.some((check) => check.id === 'secret' && check.outcome === 'failed');
  if (view.mode === 'planned' || lacking || !other || missing.length === 0) return null;
  const versions = missing.map((one) => one.version);
  const which = `${versions.length === 1 ? 'version' : 'versions'} ${versions.join(', ')}`;
  const parts = missing.reduce((sum, one) => sum + one.parts, 0);
  const noBackup = missing.some((one) => one.backup === null);
  return (
    <div className={`unreadable${leave ? ' given' : ''}`} role="group" aria-labelledby="unreadable">
      <h3 id="unreadable" className="row">
        <span className="tone-warn">
          <ToneIcon tone="warn" />
        </span>
        {counted(parts, 'part')} would open nowhere
      </h3>
      <p className="muted small">
        {name} lacks {which} of the master secret. {other.name} opens {other.parts === parts ? 'all of it' : `${count(other.parts)} of it`}: promote it instead, if you can.
      </p>
      <dl className="unreadable-list">
        {missing.map((one) => (
          <div key={one.version}>
            <dt>Version {one.version}</dt>
            <dd>
              <span className="strong">{counted(one.parts, 'part')}</span> <span className="muted">(records, former revisions, stranded changes)</span>
              <span className="small wrap-any">{one.backup === null ? <span className="tone-bad">No proven backup is known to hold it.</span> : <>Brought back by {one.backup}</>}</span>
            </dd>
          </div>
        ))}
      </dl>
      <CheckBox selected={leave} onChange={onLeave}>
        Leave what is under {which} unreadable until {noBackup ? 'it is found again' : 'its backup is restored'}
      </CheckBox>
    </div>
  );
}

/** Another epoch began since the preflight. */
const isConflict = (fault: Fault | null): boolean => (fault?.code as string | undefined) === 'epoch_conflict';

/** Whether enough nodes can agree; loud where they can't. */
function Votes({ view }: { view: PreflightView }) {
  if (view.mode === 'planned') return null;
  if (!isForced(view)) {
    return (
      <p className="muted">
        {view.reachable_voters} of {counted(view.voters, 'voter')} can agree: a majority.
      </p>
    );
  }
  return (
    <Message tone="bad" title={`Forced: only ${view.reachable_voters} of ${counted(view.voters, 'voter')} can agree`}>
      Nobody can rule out that another node is master elsewhere. If two are, one stands down when they meet, and its writes become stranded changes. Make sure
      that nobody else promotes a node now.
    </Message>
  );
}

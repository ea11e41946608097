// A rotation while it runs: the step it is at, how far, how long still, who holds the new version, and the ways to steer it.

import { CircleCheck, CircleDashed, HardDriveDownload, Pause, Play, X } from 'lucide-react';
import { useState } from 'react';

import type { RotationAct, RotationView } from '../../platform';
import { Button, Dialog, FaultMessage, Message } from '../../shared/controls';
import { count, exactly, when } from '../../shared/format';
import { PHASES, paceWords, percent, phaseAt, rotationWords } from '../../shared/rotation';
import { ask, useSession } from '../../shared/session';
import { Steps } from '../../shared/Steps';
import { useDoing } from '../../shared/use';
import { Words } from '../../shared/Words';
import './master.css';

export function RotationPanel({ rotation, able, onSteered, onBackup }: { rotation: RotationView; able: boolean; onSteered: () => void; onBackup: (() => void) | null }) {
  const session = useSession();
  const [cancelling, setCancelling] = useState(false);
  const work = useDoing();
  const steer = (act: RotationAct) =>
    void work.run(async () => {
      await ask(session.platform, { act: 'secret_steer', steer: act }, 'rotation');
      setCancelling(false);
      onSteered();
      void session.refresh();
    });
  const { to, paused, note, missing, holding } = rotation;
  const share = percent(rotation);
  const words = rotationWords(rotation);
  const pace = paused ? null : paceWords(rotation);
  return (
    <section className="panel rotation" aria-labelledby="rotation">
      <header>
        <h2 id="rotation" className="grow">
          Rotation to version {to}
        </h2>
        {paused && <span className="tag warn">paused</span>}
        <span className="muted small" title={exactly(rotation.started)}>
          begun {when(rotation.started)} by {rotation.by}
        </span>
      </header>
      <div className="inside stack">
        <Steps steps={PHASES.map((one) => one.title)} at={phaseAt(rotation.phase)} />
        <div className="progress">
          <div className="row">
            <span className="grow strong">{words}</span>
            <span className="muted nowrap">
              {share !== null && `${share} %`}
              {pace && `, ${pace}`}
            </span>
          </div>
          <div className="bar" role="progressbar" aria-label={words} aria-valuemin={0} aria-valuemax={100} aria-valuenow={share ?? undefined}>
            <div className={share === null && !paused ? 'fill open' : 'fill'} style={{ width: share === null ? undefined : `${share}%` }} />
          </div>
        </div>
        <p className="sr" role="status">
          {paused ? 'The rotation is paused.' : `The rotation is at step ${phaseAt(rotation.phase) + 1} of ${PHASES.length}: ${PHASES[phaseAt(rotation.phase)]?.title ?? ''}.`}
        </p>
        {paused ? (
          <Message tone="warn" title="Paused">
            Nothing more is sealed anew until somebody resumes it. Ports are opened and saved as ever. {note && <Words text={note} />}
          </Message>
        ) : note ? (
          <Message tone="info" title={<Words text={note} />} />
        ) : null}
        <Holders holding={holding} missing={missing} to={to} />
        {work.fault && <FaultMessage fault={work.fault} />}
        <div className="row wrap">
          {rotation.phase === 'prepared' && onBackup && (
            <Button look="primary" icon={<HardDriveDownload size={16} />} onPress={onBackup} isDisabled={work.busy}>
              Give it a backup…
            </Button>
          )}
          {paused ? (
            <Button icon={<Play size={16} />} onPress={() => steer('resume')} isDisabled={!able || work.busy}>
              Resume
            </Button>
          ) : (
            <Button icon={<Pause size={16} />} onPress={() => steer('pause')} isDisabled={!able || work.busy}>
              Pause
            </Button>
          )}
          {rotation.cancellable && (
            <Button icon={<X size={16} />} onPress={() => setCancelling(true)} isDisabled={!able || work.busy}>
              Cancel the rotation…
            </Button>
          )}
          <span className="muted small">
            {rotation.cancellable ? `It can be cancelled until version ${to} seals.` : `Version ${to} seals already: it goes forward only.`} You can leave this screen and close the window.
          </span>
        </div>
      </div>
      <Dialog
        title={`Cancel the rotation to version ${to}?`}
        open={cancelling}
        alert
        onClose={() => setCancelling(false)}
        locked={work.busy}
        foot={
          <>
            <Button onPress={() => setCancelling(false)} isDisabled={work.busy}>
              Go on rotating
            </Button>
            <Button look="danger" onPress={() => steer('cancel')} isDisabled={work.busy}>
              Cancel the rotation
            </Button>
          </>
        }
      >
        <p>
          Version {rotation.from} goes on as it is, and every node drops version {to}. Nothing is sealed under it yet, so nothing is lost. The backup that was
          written stays good for version {rotation.from}.
        </p>
      </Dialog>
    </section>
  );
}

/** Who holds the new version already, and who does not yet. */
function Holders({ holding, missing, to }: { holding: string[]; missing: string[]; to: number }) {
  if (holding.length + missing.length < 2) return null;
  return (
    <dl className="facts holders">
      <dt>
        <span className="state ok">
          <CircleCheck size={16} aria-hidden /> Hold version {to}
        </span>
      </dt>
      <dd>{holding.length > 0 ? <Names names={holding} /> : 'none yet'}</dd>
      {missing.length > 0 && (
        <>
          <dt>
            <span className="state offline">
              <CircleDashed size={16} aria-hidden /> Not yet
            </span>
          </dt>
          <dd>
            <Names names={missing} /> <span className="muted">They take it by themselves when they are heard.</span>
          </dd>
        </>
      )}
    </dl>
  );
}

const NAMED = 12;

function Names({ names }: { names: string[] }) {
  const more = names.length - NAMED;
  return (
    <span className="wrap-any">
      {names.slice(0, NAMED).join(', ')}
      {more > 0 && ` and ${count(more)} more`}
    </span>
  );
}

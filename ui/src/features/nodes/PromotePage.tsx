// Promote a node: the evidence, the checks, what will happen, one confirmation, and what came of it.

import { ArrowLeft, RotateCw } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';

import type { Fault, NodeId, PreflightView, PromotedView, PromotionMode, StatusView } from '../../platform';
import { asFault } from '../../platform';
import { Busy, Button, Empty, FaultMessage, Message, ToneIcon } from '../../shared/controls';
import { when } from '../../shared/format';
import { isAdministrator } from '../../shared/fleet';
import type { Fleet } from '../../shared/fleet';
import { ask, useSession } from '../../shared/session';
import { Confirm } from './Confirm';
import { Evidence } from './Evidence';
import { FromBackup } from './FromBackup';
import type { Source } from './FromBackup';
import { Preflight } from './Preflight';
import { Promoted } from './Promoted';
import { mayBePromoted, needsBackup, proposed, trueMode } from './promotion';
import './promote.css';

export function PromotePage({ status, fleet, wanted }: { status: StatusView; fleet: Fleet; wanted: string | null }) {
  const session = useSession();
  // Whom, and how, once a person has said so.
  const [chosen, setChosen] = useState<NodeId | null>(null);
  const [mode, setMode] = useState<PromotionMode | null>(null);
  const [source, setSource] = useState<Source | null>(null);
  const [restoring, setRestoring] = useState(false);
  // The consent to leave unreadable what only another standby opens: off until a person gives it, and for what was shown only.
  const [leave, setLeave] = useState(false);
  const [view, setView] = useState<{ of: PreflightView; at: number } | null>(null);
  const [looking, setLooking] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const [done, setDone] = useState<PromotedView | null>(null);
  const [promoting, setPromoting] = useState(false);
  // The confirmation itself said that somebody was faster.
  const [told, setTold] = useState(false);
  const round = useRef(0);

  // The list may change under the page while it is read, also by what is done here: the first proposal stays.
  const [first] = useState(() => proposed(fleet.nodes, status, wanted)?.id ?? null);
  const candidate = fleet.nodes.find((node) => node.id === (chosen ?? first)) ?? null;
  const id = candidate?.id ?? null;
  const here = candidate?.here ?? false;
  const backupFirst = candidate !== null && (needsBackup(candidate) || restoring);
  const allowed = isAdministrator(status);

  const look = async (how: PromotionMode | null, from: Source | null, leave_unreadable = false) => {
    if (!candidate) return;
    setLeave(leave_unreadable);
    const mine = ++round.current;
    setLooking(true);
    setFault(null);
    setTold(false);
    const node = candidate.here ? 'self' : candidate.id;
    const read = (mode: PromotionMode) => ask(session.platform, { act: 'promote_preflight', node, mode, from_backup: from && { file: from.file.token, passphrase: from.passphrase }, leave_unreadable }, 'preflight');
    const guess: PromotionMode = status.state === 'synced' ? 'planned' : 'emergency';
    try {
      let of = await read(how ?? guess);
      // What is true decides, unless a person did.
      if (how === null && trueMode(of) !== of.mode) of = await read(trueMode(of));
      if (mine === round.current) setView({ of, at: Date.now() });
    } catch (reason) {
      if (mine === round.current) setFault(asFault(reason));
    } finally {
      if (mine === round.current) setLooking(false);
    }
  };
  const latest = useRef(look);
  useEffect(() => {
    latest.current = look;
  });
  useEffect(() => {
    setView(null);
    if (id !== null && allowed && !backupFirst) void latest.current(mode, null);
  }, [id, mode, allowed, backupFirst]);

  const back = () => session.go('nodes');
  const choose = (node: NodeId) => {
    setChosen(node);
    setMode(null);
    setSource(null);
    setRestoring(false);
  };
  if (done) return <Promoted done={done} onDone={back} />;

  const now = view?.of ?? null;
  // Somebody changed the master while this was read: what stands here is of yesterday.
  const overtaken = now !== null && status.epoch !== null && status.epoch > now.epoch && !promoting && !told;
  // Where nothing stops it, an emergency is decided by what the nodes say.
  const evidenceFirst = now?.mode === 'emergency' && now.possible;
  return (
    <div className="page nodes promote">
      <div className="head">
        <div>
          <Button look="link" icon={<ArrowLeft size={14} />} onPress={back} isDisabled={promoting}>
            Nodes
          </Button>
          <h1>{candidate ? `Promote ${candidate.name} to master` : 'Promote a node'}</h1>
          {now && <Truth view={now} />}
        </div>
        {now && (
          <div className="stack tight end">
            <Button icon={<RotateCw size={16} />} onPress={() => void look(mode, source)} isDisabled={looking || promoting}>
              Look again
            </Button>
            <span className="muted small">as of {when(new Date(view!.at).toISOString())}</span>
          </div>
        )}
      </div>

      {!allowed ? (
        <Message tone="warn" title="This node may not promote">
          Only an administrator node or the master may. Administrators here: {administrators(fleet)}.
        </Message>
      ) : !candidate ? (
        <section className="panel" aria-label="Nobody to promote">
          <Empty title="No node here can be promoted." text="A standby holds what a master needs. Open Sealport on the node that is to be the master, and promote it there from a backup." />
        </section>
      ) : (
        <>
          {backupFirst && here && !now && (
            <FromBackup
              name={candidate.name}
              why={needsBackup(candidate) ? `${candidate.name} is a processing node: it has no standby's copy of what a master needs.` : `${candidate.name} can’t read the master secret back from its custody.`}
              busy={looking}
              fault={fault}
              onBack={restoring ? () => setRestoring(false) : null}
              onSource={(next) => {
                setSource(next);
                void look(mode, next);
              }}
            />
          )}
          {fault && !(backupFirst && here && !now) && <FaultMessage fault={fault} again={() => void look(mode, source)} />}
          {!now && looking && !backupFirst && (
            <section className="panel" aria-label="Preflight">
              <Busy text="Asking every node…" hint="Nothing is changed by looking." />
            </section>
          )}
          {overtaken && (
            <Message
              live
              tone="warn"
              title={`Epoch ${status.epoch} has begun while you read`}
              action={
                <Button small onPress={() => void look(null, source)}>
                  Look again
                </Button>
              }
            >
              {status.master?.name ?? 'Another node'} is the master now. What stands below is older.
            </Message>
          )}
          {now && (
            <div className="promote-halves">
              <div className="stack loose">
                {!evidenceFirst && <Preflight view={now} busy={looking} />}
                {here && !source && now.checks.some((check) => check.id === 'secret' && check.outcome === 'failed') && (
                  <Message tone="info" title="The master secret can come from a backup" action={<Button small onPress={() => setRestoring(true)}>Use a backup…</Button>}>
                    It is restored into the custody of {now.candidate_name} first.
                  </Message>
                )}
                <Evidence view={now} choices={fleet.nodes.filter((node) => mayBePromoted(node, status))} onChoose={choose} locked={looking || promoting} />
                {evidenceFirst && <Preflight view={now} busy={looking} />}
              </div>
              <Confirm
                key={`${now.candidate}-${now.mode}-${now.epoch}`}
                view={now}
                source={source}
                here={here}
                leave={leave}
                onLeave={(next) => void look(now.mode, source, next)}
                ready={!looking && !overtaken}
                onWorking={setPromoting}
                onConflict={() => setTold(true)}
                onDone={(promoted) => {
                  setSource(null);
                  setDone(promoted);
                }}
                onLook={() => void look(null, source)}
                onMode={setMode}
              />
            </div>
          )}
        </>
      )}
    </div>
  );
}

const administrators = (fleet: Fleet): string =>
  fleet.nodes
    .filter((node) => !node.revoked && (node.administrator || node.role === 'master'))
    .map((node) => node.name)
    .join(', ') || 'none known';

/** How it stands, in one sentence. */
function Truth({ view }: { view: PreflightView }) {
  const failed = view.checks.filter((check) => check.outcome === 'failed').length;
  const { candidate_name: name, master_name: master, possible, mode } = view;
  const own = view.evidence.some((one) => one.master && one.node === view.candidate);
  const tone = !possible ? 'bad' : mode === 'planned' ? 'ok' : 'warn';
  const text = !possible
    ? `${name} can’t become the master now: ${failed === 1 ? 'one check' : `${failed} checks`} failed.`
    : mode === 'planned'
      ? `${master ?? 'The master'} answers and can hand over to ${name}.`
      : own
        ? `${name} begins a new epoch with the database that it has.`
        : `The master ${master ?? ''} is silent. ${name} can take its place.`;
  return (
    <p className="truth" role="status">
      <span className={`tone-${tone}`}>
        <ToneIcon tone={tone} size={20} />
      </span>
      {text}
    </p>
  );
}

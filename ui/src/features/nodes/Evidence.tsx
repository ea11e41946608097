// What is known of every node when the master is to change: who answers, how far it is, what could be missing.

import { CircleCheck, CircleHelp, Star } from 'lucide-react';

import type { EvidenceView, NodeEntryView, NodeId, PreflightView } from '../../platform';
import { Button } from '../../shared/controls';
import { count, counted } from '../../shared/format';
import { span } from '../../shared/fleet';
import { couldBeMissing, needsBackup } from './promotion';

interface Props {
  view: PreflightView;
  /** Nodes that may be chosen in the candidate's place. */
  choices: NodeEntryView[];
  onChoose: (node: NodeId) => void;
  locked: boolean;
}

export function Evidence({ view, choices, onChoose, locked }: Props) {
  const base = view.evidence.find((one) => one.node === view.candidate)?.generation ?? null;
  const rows = [...view.evidence].sort((a, b) => rank(view, a) - rank(view, b) || a.name.localeCompare(b.name));
  return (
    <section className="panel" aria-labelledby="evidence">
      <header>
        <h2 id="evidence" className="grow">
          What the nodes say now
        </h2>
        <span className="muted">
          {view.evidence.filter((one) => one.reached).length} of {counted(view.evidence.length, 'node')} answered
        </span>
      </header>
      <div className="table-scroll" tabIndex={0} role="region" aria-label="Evidence, each node a row">
        <table className="table evidence">
          <caption className="sr">Evidence of every node</caption>
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">Answer</th>
              <th scope="col">Heard the master</th>
              <th scope="col">Replica</th>
              <th scope="col">Epoch</th>
              <th scope="col">
                <span className="sr">Choose</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((one) => (
              <tr key={one.node} className={one.node === view.candidate ? 'candidate' : undefined}>
                <td>
                  <span className="row">
                    {one.master && <Star size={14} className="star" fill="currentColor" aria-hidden />}
                    <span className="strong clip node-name">{one.name}</span>
                  </span>
                  <span className="muted small">{one.node === view.candidate ? 'to be the master' : one.master ? 'master until now' : one.standby ? 'standby' : 'processing'}</span>
                </td>
                <td>
                  {one.reached ? (
                    <span className="state ok">
                      <CircleCheck size={16} aria-hidden /> Answers
                    </span>
                  ) : (
                    <span className="state offline">
                      <CircleHelp size={16} aria-hidden /> Silent
                    </span>
                  )}
                </td>
                <td className="nowrap">{one.master ? '–' : one.master_heard_seconds === null ? <span className="muted">not known</span> : `${span(one.master_heard_seconds)} ago`}</td>
                <td className="nowrap">
                  <Replica one={one} base={base} candidate={one.node === view.candidate} />
                </td>
                <td>{one.epoch ?? '–'}</td>
                <td className="row-acts">
                  <Choose choice={one.node === view.candidate ? undefined : choices.find((node) => node.id === one.node)} onChoose={onChoose} locked={locked} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="could-be-missing">
        <h3>What could be missing</h3>
        <ul>
          {couldBeMissing(view).map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      </div>
    </section>
  );
}

/** Another one in the candidate's place; a node that lacks what a master needs takes it from a backup. */
function Choose({ choice, onChoose, locked }: { choice: NodeEntryView | undefined; onChoose: (node: NodeId) => void; locked: boolean }) {
  if (!choice) return null;
  const backup = needsBackup(choice);
  return (
    <Button small onPress={() => onChoose(choice.id)} isDisabled={locked} aria-label={`Choose ${choice.name} instead${backup ? ', from a backup' : ''}`}>
      {backup ? 'Backup…' : 'Choose'}
    </Button>
  );
}

/** The candidate first, then the master, then who can take part. */
const rank = (view: PreflightView, one: EvidenceView): number => (one.node === view.candidate ? 0 : one.master ? 1 : one.standby ? 2 : 3);

/** How far a replica is, and against the candidate's. */
function Replica({ one, base, candidate }: { one: EvidenceView; base: number | null; candidate: boolean }) {
  if (one.generation === null) return <span className="muted">not known</span>;
  const behind = base === null ? 0 : base - one.generation;
  return (
    <>
      {count(one.generation)}{' '}
      {candidate ? null : (one.ahead ?? 0) > 0 ? (
        <span className="tag warn">{counted(one.ahead ?? 0, 'write')} ahead</span>
      ) : behind > 0 ? (
        <span className="muted small">{count(behind)} behind</span>
      ) : (
        <span className="muted small">level</span>
      )}
    </>
  );
}

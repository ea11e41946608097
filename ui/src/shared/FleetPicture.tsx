// The fleet at a glance: every node a button, the master in the middle. The table says the same in words.
//
// Drawn by hand: React Flow needs d3-color, which writes to `prototype.constructor` and so can't load where the shell
// freezes Object.prototype.

import { Star } from 'lucide-react';
import { Fragment, useRef } from 'react';
import type { KeyboardEvent } from 'react';
import { Button as AriaButton } from 'react-aria-components';

import type { NodeEntryView } from '../platform';
import { NodeStateMark, ROLE, lookOf, syncWords, useNow } from './fleet';
import type { Fleet } from './fleet';

/** More than this many beside the master are not drawn; the list has all. */
export const DRAWN = 12;
const ROW = 84;
/** Where the columns of the grid end and begin, in per cent of the width: 10, 3, 10, 3, 10 parts of 36. */
const EDGE = { left: 27.78, middleLeft: 36.11, middleRight: 63.89, right: 72.22 };

export function FleetPicture({ fleet, onOpen }: { fleet: Fleet; onOpen: (node: NodeEntryView) => void }) {
  const now = useNow();
  const box = useRef<HTMLDivElement>(null);
  const members = fleet.nodes.filter((node) => !node.revoked);
  const master = members.find((node) => node.role === 'master');
  const others = members.filter((node) => node !== master).slice(0, DRAWN);
  const left = others.filter((_, index) => index % 2 === 0);
  const right = others.filter((_, index) => index % 2 === 1);
  // With nobody on the right, the picture ends with the master.
  const lone = right.length === 0;
  const height = Math.max(left.length, right.length, 1) * ROW;
  const y = (index: number, of: number) => ((height - of * ROW) / 2 + (index + 0.5) * ROW) / height * 100;

  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...(box.current?.querySelectorAll('button') ?? [])];
    const here = all.indexOf(document.activeElement as HTMLButtonElement);
    all[(here + step + all.length) % all.length]?.focus();
    event.preventDefault();
  };
  const card = (node: NodeEntryView) => {
    const { tone } = lookOf(node);
    const sync = syncWords(node, fleet.at, now);
    return (
      <AriaButton className={`node ${node.role} ${tone}`} onPress={() => onOpen(node)}>
        <span className="name">
          {node.role === 'master' && <Star size={14} className="star" fill="currentColor" aria-hidden />}
          <span className="clip">{node.name}</span>
          {node.here && <span className="tag">here</span>}
        </span>
        <NodeStateMark node={node} size={14} />
        <span className="sr">{fleet.live ? '. ' : ', last known. '}</span>
        <span className="muted small clip tick">
          {ROLE[node.role]}
          {node.role !== 'master' && node.last_sync_age_seconds !== null && (
            <>
              , <span className="sr">last sync </span>
              {sync}
            </>
          )}
        </span>
      </AriaButton>
    );
  };
  return (
    <div className={lone ? 'fleet lone' : 'fleet'} ref={box} role="group" aria-label="Picture of the nodes" onKeyDown={move}>
      <svg viewBox={`0 0 ${lone ? EDGE.middleRight : 100} 100`} preserveAspectRatio="none" aria-hidden>
        {left.map((node, index) => (
          <path key={node.id} className={lookOf(node).tone} d={`M ${EDGE.left} ${y(index, left.length)} C 32 ${y(index, left.length)}, 32 50, ${EDGE.middleLeft} 50`} />
        ))}
        {right.map((node, index) => (
          <path key={node.id} className={lookOf(node).tone} d={`M ${EDGE.right} ${y(index, right.length)} C 68 ${y(index, right.length)}, 68 50, ${EDGE.middleRight} 50`} />
        ))}
      </svg>
      <div className="side left">{left.map((node) => <Fragment key={node.id}>{card(node)}</Fragment>)}</div>
      <div className="middle">{master && card(master)}</div>
      <div className="side right">{right.map((node) => <Fragment key={node.id}>{card(node)}</Fragment>)}</div>
    </div>
  );
}

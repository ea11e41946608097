// Nodes in words, shapes and colours, and times that move while one looks.

import { CircleCheck, CircleDashed, CircleHelp, CircleSlash, Hourglass, KeyRound, TriangleAlert, Unplug } from 'lucide-react';
import { useEffect, useState } from 'react';

import type { NodeEntryView, NodeListView, NodeRole, NodeState, StatusView } from '../platform';
import { duration } from './format';
import { ask, useSession } from './session';
import { useReading } from './use';
import './fleet.css';

type Look = { word: string; tone: 'ok' | 'warn' | 'bad' | 'offline'; Icon: typeof CircleCheck };

const LOOK: Record<NodeState, Look> = {
  synced: { word: 'Synced', tone: 'ok', Icon: CircleCheck },
  starting: { word: 'Starting', tone: 'offline', Icon: Hourglass },
  degraded: { word: 'Degraded', tone: 'warn', Icon: Unplug },
  stale: { word: 'Stale', tone: 'warn', Icon: TriangleAlert },
  fenced: { word: 'Fenced', tone: 'bad', Icon: CircleSlash },
  no_secret: { word: 'No secret', tone: 'bad', Icon: KeyRound },
  no_system: { word: 'No system', tone: 'offline', Icon: CircleDashed },
};
const UNKNOWN: Look = { word: 'Not heard', tone: 'offline', Icon: CircleHelp };

export const lookOf = (node: Pick<NodeEntryView, 'state' | 'revoked'>): Look =>
  node.revoked ? { word: 'Revoked', tone: 'bad', Icon: CircleSlash } : node.state ? LOOK[node.state] : UNKNOWN;

export const STATE_WORD = (state: NodeState): string => LOOK[state].word;

export const ROLE: Record<NodeRole, string> = { master: 'Master', standby: 'Standby', processing: 'Processing' };

/** State by shape, word and colour. */
export function NodeStateMark({ node, size = 16 }: { node: Pick<NodeEntryView, 'state' | 'revoked'>; size?: number }) {
  const { word, tone, Icon } = lookOf(node);
  return (
    <span className={`state ${tone}`}>
      <Icon size={size} aria-hidden /> {word}
    </span>
  );
}

/** The time, again and again, for what is counted from it. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), everyMs);
    return () => window.clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** "4 min 12 s": short times to the second, since they are watched. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return duration(whole);
}

/** How long something lasts by now, ticking. */
export function Lasting({ since }: { since: string }) {
  const now = useNow();
  return <span className="tick">{span((now - Date.parse(since)) / 1000)}</span>;
}

/** Nodes with the moment at which their ages were true. */
export type Fleet = NodeListView & { at: number };

/** How often ages are asked for again while the window is in sight: the master hears of nodes all the time. */
const AGAIN_MS = 10_000;

export function useFleet() {
  const { platform, tick } = useSession();
  const reading = useReading<Fleet>(async () => ({ ...(await ask(platform, { act: 'node_list' }, 'nodes')), at: Date.now() }), `nodes-${tick}`);
  const { again } = reading;
  useEffect(() => {
    const timer = window.setInterval(() => document.visibilityState === 'visible' && again(), AGAIN_MS);
    return () => window.clearInterval(timer);
  }, [again]);
  return reading;
}

/** Age of a node's last sync at this moment, in words. The master has none: the others follow it. */
export function syncWords(node: NodeEntryView, at: number, now: number): string {
  if (node.role === 'master' && node.last_sync_age_seconds === 0) return 'is the source';
  if (node.last_sync_age_seconds === null) return 'unknown';
  return `${span(node.last_sync_age_seconds + (now - at) / 1000)} ago`;
}

/** Whether ports can be opened here: a node without its master opens on, one that was revoked does not. */
export const canOpen = (status: StatusView): boolean => status.secret !== null && (status.state !== 'fenced' || isCopy(status)) && status.state !== 'no_secret';

/** Whether this node is fenced because it is the copy of one that is at work. */
export const isCopy = (status: StatusView): boolean => status.alerts.some((alert) => alert.id === 'node_cloned');

/** Whether this node may change the nodes of the system, and who is its master. */
export const isAdministrator = (status: StatusView): boolean => Boolean(status.node?.administrator || status.node?.role === 'master');

/** Why nothing can be sealed now, in a few words beside what can't be pressed; null while it can. */
export function sealingBlocked(status: StatusView | null): string | null {
  if (!status || status.sealing.possible) return null;
  const words: Partial<Record<NodeState, string>> = {
    starting: 'Not yet: this node has not heard from its master since it started.',
    degraded: 'Not now: the master does not answer.',
    stale: 'Not now: this node and its master contradict each other.',
    fenced: isCopy(status) ? 'Not here: this node is a copy of one that is at work.' : 'No more: this node was revoked.',
  };
  return words[status.state] ?? 'Not now: the master secret can’t be had.';
}

/** The reason beside a button that can't be pressed. */
export function Blocked() {
  const why = sealingBlocked(useSession().status);
  return why ? <span className="tone-warn small blocked">{why}</span> : null;
}

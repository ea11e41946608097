// A rotation in words: which step it is at, how far it is, and what it waits for.

import type { RotationPhase, RotationView } from '../platform';
import { count, counted, duration } from './format';

/** The steps in their order, as a person reads them. */
export const PHASES: { phase: RotationPhase; title: string }[] = [
  { phase: 'prepared', title: 'Made' },
  { phase: 'proven', title: 'Backed up' },
  { phase: 'distributing', title: 'On all nodes' },
  { phase: 'resealing', title: 'Sealing anew' },
  { phase: 'verifying', title: 'Checking' },
];

/** The step that it is at; all of them are behind it once it is done. */
export const phaseAt = (phase: RotationPhase): number => {
  const at = PHASES.findIndex((one) => one.phase === phase);
  return at < 0 ? PHASES.length : at;
};

export const isUnderWay = (rotation: RotationView | null): rotation is RotationView => rotation !== null && rotation.phase !== 'done' && rotation.phase !== 'cancelled';

/** Per cent of what is sealed anew; null where nothing is counted yet. */
export function percent({ done, total }: Pick<RotationView, 'done' | 'total'>): number | null {
  return total > 0 ? Math.min(100, Math.floor((done / total) * 100)) : null;
}

/** What it does now, in one line. */
export function rotationWords(rotation: RotationView): string {
  const { from, to, phase, holding, missing, done, total } = rotation;
  switch (phase) {
    case 'prepared':
      return `Version ${to} is made. It goes on once a backup with it is written and proven.`;
    case 'proven':
      return `The backup with version ${to} is proven. The nodes take it next.`;
    case 'distributing':
      return `${count(holding.length)} of ${counted(holding.length + missing.length, 'node')} hold version ${to}, to open only.`;
    case 'resealing':
      return `${count(done)} of ${counted(total, 'record')} sealed under version ${to}.`;
    case 'verifying':
      return `Nothing is left under version ${from}: a sample of what was sealed anew is opened.`;
    case 'done':
      return `Version ${to} seals everything. Version ${from} is retired: nothing here is sealed under it any more.`;
    case 'cancelled':
      return `The rotation to version ${to} was cancelled. Version ${from} goes on, and nothing was changed.`;
  }
}

/** How fast it is and how long still, where that is known. */
export function paceWords({ per_second, seconds_left }: Pick<RotationView, 'per_second' | 'seconds_left'>): string | null {
  const parts = [per_second === null ? null : `${count(per_second)} a second`, seconds_left === null ? null : `about ${duration(seconds_left)} left`];
  return parts.filter(Boolean).join(', ') || null;
}

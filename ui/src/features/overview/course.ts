// The change of master that is still news, read off the audit trail.

import type { AuditView } from '../../platform';
import { asSentence } from '../../shared/format';

const NEWS_MS = 3 * 86_400_000;

export interface Turn {
  seq: number;
  at: string;
  kind: 'master' | 'former';
  title: string;
  detail: string;
}

const KINDS: Record<string, Turn['kind']> = { 'master.promote': 'master', 'master.stand_down': 'former' };

/** The newest promotion, and the newest standing down that came with it or after it; the newest first. */
export function courseOf(entries: AuditView[], now: number): Turn[] {
  const turns: Turn[] = [];
  for (const { seq, at, act, object, detail } of entries) {
    const kind = KINDS[act];
    if (!kind || now - Date.parse(at) > NEWS_MS || turns.some((turn) => turn.kind === kind)) continue;
    const title = kind === 'master' ? `${object} became the master.` : `${object} stood down and is a standby.`;
    turns.push({ seq, at, kind, title, detail: detail ? asSentence(detail.charAt(0).toUpperCase() + detail.slice(1)) : '' });
    if (kind === 'master') break;
  }
  return turns;
}

// How a stranded change stands to what is here now, by shape, word and colour.

import { CircleCheck, CirclePlus, TriangleAlert } from 'lucide-react';

import type { StrandedView } from '../../platform';

export interface HereNow {
  tone: 'ok' | 'warn' | 'offline';
  Icon: typeof CircleCheck;
  word: string;
  detail: string;
}

export function hereNow({ present, diverged }: Pick<StrandedView, 'present' | 'diverged'>): HereNow {
  if (present === null) return { tone: 'offline', Icon: CirclePlus, word: 'Not here', detail: 'accepting makes it' };
  if (diverged) return { tone: 'warn', Icon: TriangleAlert, word: 'Changed here too', detail: `revision ${present}: accepting replaces it` };
  return { tone: 'ok', Icon: CircleCheck, word: 'As it was', detail: `revision ${present}` };
}

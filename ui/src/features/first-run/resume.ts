// Where a first run stood, so that a reload of the page goes on there. Never a passphrase, and never a file: its
// token dies with the page.

export type Way = 'choose' | 'create' | 'restore' | 'join';

export interface Stand {
  way: Way;
  step: number;
  name: string;
  custody: 'keyring' | 'passphrase';
}

const KEY = 'first-run';
const start: Stand = { way: 'choose', step: 0, name: '', custody: 'keyring' };

export function readStand(): Stand {
  try {
    const kept = { ...start, ...(JSON.parse(window.sessionStorage.getItem(KEY) ?? '{}') as Partial<Stand>) };
    // A passphrase has to be typed again before the steps behind it.
    const most = !kept.name.trim() ? 0 : kept.custody === 'passphrase' ? 1 : 2;
    return { ...kept, step: Math.min(kept.step, most) };
  } catch {
    return start;
  }
}

export function keepStand(part: Partial<Stand>): void {
  window.sessionStorage.setItem(KEY, JSON.stringify({ ...readStand(), ...part }));
}

export function forgetStand(): void {
  window.sessionStorage.removeItem(KEY);
}

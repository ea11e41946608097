import { describe, expect, test } from 'vitest';

import { asFault } from '../platform';
import { backupFileName } from './backupName';
import { age, began, bytes, counted } from './format';
import { makePassphrase, strength } from './passphrase';

describe('passphrase', () => {
  test('repeats count little, and long ones well', () => {
    expect(strength('').level).toBe(0);
    expect(strength('aaaaaaaaaaaaaaaaaaaaaaaaaaaa').level).toBe(1);
    expect(strength('secret').level).toBe(1);
    expect(strength('long river stone bridge 42').level).toBeGreaterThanOrEqual(3);
  });

  test('a made one is long, grouped, new each time, and strong', () => {
    const made = makePassphrase();
    expect(made).toMatch(/^([a-z2-9]{4}-){5}[a-z2-9]{4}$/);
    expect(made).not.toBe(makePassphrase());
    expect(strength(made).level).toBe(4);
  });
});

test('words for numbers', () => {
  expect(counted(1, 'port')).toBe('1 port');
  expect(counted(10_000, 'port')).toBe('10,000 ports');
  expect(bytes(1_500_000)).toBe('1.4 MB');
  expect(age(3 * 86_400)).toBe('3 days ago');
});

// Sabotage: show the time of another day without the day; show the stamp in UTC.
test('when something began is told in the time of this place, with the day where it is another', () => {
  const at = new Date(2026, 10, 23, 6, 56, 59);
  expect(began(at.toISOString(), new Date(2026, 10, 23, 23, 0, 0))).toBe('06:56:59');
  expect(began(at.toISOString(), new Date(2026, 10, 24, 0, 0, 1))).toBe('Nov 23, 2026, 06:56:59');
});

test('a backup is named after system and day', () => {
  expect(backupFileName('Größe / Nord', new Date(2026, 10, 23))).toBe('gro-e-nord-2026-11-23.sealport');
  expect(backupFileName('', new Date(2026, 0, 2))).toBe('sealport-2026-01-02.sealport');
});

test('anything thrown becomes a fault', () => {
  expect(asFault({ code: 'refused', message: 'no' })).toEqual({ code: 'refused', message: 'no', hint: '' });
  expect(asFault(new Error('boom')).code).toBe('internal');
});

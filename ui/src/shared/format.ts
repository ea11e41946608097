// Numbers, times and kinds in words.

import type { CustodyKind, PortKind } from '../platform';

const numbers = new Intl.NumberFormat('en');
const days = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', year: 'numeric' });
const times = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hour12: false });
const clock = new Intl.DateTimeFormat('en', { timeStyle: 'medium', hour12: false });
const exact = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium', hour12: false });

export const count = (n: number): string => numbers.format(n);

/** "1 port", "2 ports". */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  if (n < 1024 * 1024) return `${(n / 1024).toFixed(1)} KB`;
  return `${(n / 1024 / 1024).toFixed(1)} MB`;
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h`;
  return counted(Math.round(seconds / 86400), 'day');
}

export function age(seconds: number): string {
  return seconds < 45 ? 'just now' : `${duration(seconds)} ago`;
}

/** "10:02" today, "20 Nov 2026, 10:02" before. */
export function when(timestamp: string, now = new Date()): string {
  const at = new Date(timestamp);
  if (Number.isNaN(at.getTime())) return timestamp;
  return at.toDateString() === now.toDateString() ? times.format(at) : `${days.format(at)}, ${times.format(at)}`;
}

export function exactly(timestamp: string): string {
  const at = new Date(timestamp);
  return Number.isNaN(at.getTime()) ? timestamp : exact.format(at);
}

/** "10:02:07" today, the day with it before: when something began that still goes on. */
export function began(timestamp: string, now = new Date()): string {
  const at = new Date(timestamp);
  return at.toDateString() === now.toDateString() ? clock.format(at) : exactly(timestamp);
}

export function day(timestamp: string): string {
  const at = new Date(timestamp);
  return Number.isNaN(at.getTime()) ? timestamp : days.format(at);
}

/** What the service says as a sentence of its own. A name of a file keeps its letters. */
export function asSentence(text: string): string {
  const words = /^[a-z]+[ ,:’']/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?…]$/.test(words) || words === '' ? words : `${words}.`;
}

export const KIND: Record<PortKind, string> = {
  receive_port: 'Receive port',
  send_port: 'Send port',
  send_port_group: 'Send port group',
};

export const CUSTODY_WEAKNESS: Record<CustodyKind, string> = {
  keyring: 'Whoever can sign in as you on this machine and unlock the keyring can read it.',
  passphrase: 'It is as strong as the passphrase, and it must be typed whenever the service starts.',
  memory: 'It is gone when the sample system is closed.',
};

export const applicationName = (name: string): string => name || '(no application)';

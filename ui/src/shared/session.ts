// What every screen shares: the platform, the state of the installation, where we are, and how to say something.

import { createContext, useContext, useEffect } from 'react';

import { asFault, expectAnswer } from '../platform';
import type { About, Answer, Chosen, Fault, Platform, Request, Response, StatusView, Unsubscribe } from '../platform';

export const SCREENS = ['overview', 'ports', 'import', 'missing', 'master', 'nodes', 'activity', 'settings'] as const;
export type Screen = (typeof SCREENS)[number];

export type ThemeChoice = 'system' | 'light' | 'dark';
export type Density = 'compact' | 'default' | 'comfortable';

export interface Progress {
  doing: string;
  done: number;
  total: number;
  secondsLeft: number | null;
}

export interface Toast {
  id: number;
  text: string;
  action?: { label: string; run: () => void };
}

export interface Route {
  screen: Screen;
  params: URLSearchParams;
}

/** A word to the screen that is open: keys and palette say it, the screen does it. */
export type Command = 'review' | 'find' | 'delete' | 'rename' | 'history';

export interface Session {
  platform: Platform;
  status: StatusView | null;
  /** When that was true, in milliseconds: ages in it count from then. */
  statusAt: number;
  statusFault: Fault | null;
  about: About | null;
  progress: Progress | null;
  /** Forgets the progress of work that is over. */
  clearProgress(): void;
  /** Grows whenever something was written: views that depend on it read again. */
  tick: number;
  refresh(): Promise<void>;
  route: Route;
  go(screen: Screen, params?: Record<string, string>): void;
  /** Steps through the places visited: -1 back, 1 forward. */
  step(by: -1 | 1): void;
  say(text: string, action?: Toast['action']): void;
  /** Says what failed, where there is no place for it on the screen. */
  sayFault(reason: unknown): void;
  theme: ThemeChoice;
  setTheme(theme: ThemeChoice): void;
  density: Density;
  setDensity(density: Density): void;
  showShortcuts(): void;
  /** Files that were dropped on the window and wait for the import to take them. */
  dropped: Chosen[];
  takeDropped(): void;
  /** Keeps the first run open though a system is there by now, so that its last step can be read. */
  setHold(hold: boolean): void;
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('a screen stands outside of the session');
  return session;
}

/** Sends a request and gives the answer that it calls for. Rejects with a fault. */
export async function ask<K extends Response['answer']>(platform: Platform, request: Request, answer: K): Promise<Answer<K>> {
  try {
    return expectAnswer(await platform.call(request), answer);
  } catch (reason) {
    throw asFault(reason);
  }
}

const COMMAND = 'sealport-command';

export function sendCommand(command: Command): void {
  window.dispatchEvent(new CustomEvent<Command>(COMMAND, { detail: command }));
}

export function useCommand(command: Command, run: () => void): void {
  useEffect(() => {
    const listen = (event: Event) => {
      if ((event as CustomEvent<Command>).detail === command) run();
    };
    window.addEventListener(COMMAND, listen);
    return () => window.removeEventListener(COMMAND, listen);
  });
}

/** Work that would be lost if the screen were left, in words; the shell asks before it goes. */
let unsaved: string | null = null;
const hearers = new Set<(any: boolean) => void>();

export function setUnsaved(words: string | null): void {
  unsaved = words;
  hearers.forEach((hear) => hear(words !== null));
}

/** Hears whether there is such work, now and whenever that changes. */
export function hearUnsaved(hear: (any: boolean) => void): Unsubscribe {
  hearers.add(hear);
  hear(unsaved !== null);
  return () => hearers.delete(hear);
}

export function readUnsaved(): string | null {
  return unsaved;
}

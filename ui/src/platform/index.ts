// The one door of the page to the world. The shell implements it in tauri.ts; mock.ts is its twin for tests.
//
// The page never holds a path or a file's content: `choose` and drops give out tokens, and requests carry them.

import type { Error as Fault, Notice, Request, Response } from './bindings';

export type * from './bindings';
export type { Fault };

/** A file or folder that the administrator chose. `token` stands for its path as long as this window is open. */
export interface Chosen {
  token: string;
  name: string;
  bytes: number;
}

export type Choice = 'import' | 'backup_save' | 'backup_open' | 'export_folder' | 'fill_csv';

export interface About {
  version: string;
  /** The sample system in memory is open, and nothing is kept. */
  sample: boolean;
  dataDir: string;
}

export type Unsubscribe = () => void;

export interface Platform {
  /** Sends a request. A rejection is a `Fault`; use `asFault` to be sure of it. */
  call(request: Request): Promise<Response>;
  /** Opens a native dialog; empty when it was cancelled. `suggested` is a file name for saving. */
  choose(what: Choice, suggested?: string): Promise<Chosen[]>;
  /** Imports files by their tokens, as `port_import` does. */
  importFiles(tokens: string[], dryRun: boolean): Promise<Response>;
  /** Fills missing secrets from a CSV file by its token, as `port_fill` does. */
  fillFromCsv(token: string, dryRun: boolean): Promise<Response>;
  /** Files were dropped on the window. */
  dropped(handler: (files: Chosen[]) => void): Unsubscribe;
  /** Files hover over the window, or no longer do. */
  dragging(handler: (over: boolean) => void): Unsubscribe;
  notices(handler: (notice: Notice) => void): Unsubscribe;
  /** Cancels the work that runs; what it had not finished is not kept. */
  cancel(): Promise<void>;
  /** Opens the sample system, in memory only. */
  explore(): Promise<void>;
  leaveSample(): Promise<void>;
  openFolder(which: 'data' | 'export'): Promise<void>;
  about(): Promise<About>;
  /** Says whether anything that was typed would be lost with the window. */
  unsaved(any: boolean): Promise<void>;
  /** The window is to be closed, and stays open: somebody said that something would be lost. */
  closing(handler: () => void): Unsubscribe;
  /** Closes the window as its own button does. */
  close(): Promise<void>;
  /** Puts a secret on the clipboard without showing it to the page; it is cleared after 30 s. */
  copySecret(port: string, path: string): Promise<void>;
}

/** The response by its tag. */
export type Answer<K extends Response['answer']> = Extract<Response, { answer: K }>;

/** Any rejection as a fault: what is not one already is a fault of Sealport itself. */
export function asFault(reason: unknown): Fault {
  if (typeof reason === 'object' && reason !== null && 'code' in reason && 'message' in reason) {
    const fault = reason as Fault;
    return { ...fault, hint: fault.hint ?? '' };
  }
  const message = reason instanceof globalThis.Error ? reason.message : String(reason);
  return { code: 'internal', message, hint: 'Try again. If it happens again, report it with these words.' };
}

/** Checks that an answer is the one that its request calls for. */
export function expectAnswer<K extends Response['answer']>(response: Response, answer: K): Answer<K> {
  if (response.answer !== answer) {
    const fault: Fault = { code: 'internal', message: `The service answered "${response.answer}" where "${answer}" belongs.`, hint: '' };
    throw fault;
  }
  return response as Answer<K>;
}

/** The platform of this build: Tauri in production; elsewhere the mock twin where no shell is around the page. */
export async function openPlatform(): Promise<Platform> {
  if (import.meta.env.MODE !== 'production' && !('__TAURI_INTERNALS__' in window)) {
    const { makeMock } = await import('./mock');
    return makeMock(new URLSearchParams(window.location.search));
  }
  const { tauri } = await import('./tauri');
  return tauri;
}

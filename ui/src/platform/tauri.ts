// The shell's side of the platform: the only file that knows Tauri.

import { invoke } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';

import type { Chosen, Notice, Platform, Unsubscribe } from './index';

export const tauri: Platform = {
  call: (request) => invoke('call', { request }),
  choose: (what, suggested) => invoke('choose', { what, suggested }),
  importFiles: (tokens, dryRun) => invoke('import_files', { tokens, dryRun }),
  fillFromCsv: (token, dryRun) => invoke('fill_csv', { token, dryRun }),
  dropped: (handler) => subscribe<Chosen[]>('dropped', handler),
  dragging: (handler) => subscribe<boolean>('dragging', handler),
  notices: (handler) => subscribe<Notice>('notice', handler),
  cancel: () => invoke('cancel'),
  explore: () => invoke('explore'),
  leaveSample: () => invoke('leave_sample'),
  openFolder: (which) => invoke('open_folder', { which }),
  about: () => invoke('about'),
  unsaved: (any) => invoke('unsaved', { any }),
  closing: (handler) => subscribe<null>('closing', () => handler()),
  close: () => invoke('close'),
  copySecret: (port, path) => invoke('copy_secret', { port, path }),
};

/** Listens until told to stop, also when that comes before Tauri answered. */
function subscribe<T>(event: string, handler: (payload: T) => void): Unsubscribe {
  let stopped = false;
  let stop: Unsubscribe | undefined;
  void listen<T>(event, ({ payload }) => {
    if (!stopped) handler(payload);
  }).then((unlisten) => {
    if (stopped) unlisten();
    else stop = unlisten;
  });
  return () => {
    stopped = true;
    stop?.();
  };
}

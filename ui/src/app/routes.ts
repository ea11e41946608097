// Screens as addresses: `#/ports?search=sap`.

import { useSyncExternalStore } from 'react';

import { SCREENS } from '../shared/session';
import type { Route, Screen } from '../shared/session';

export const TITLES: Record<Screen, string> = {
  overview: 'Overview',
  ports: 'Ports',
  import: 'Import',
  missing: 'Missing secrets',
  master: 'Master secret',
  nodes: 'Nodes',
  activity: 'Activity',
  settings: 'Settings',
};

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const screen = SCREENS.find((name) => name === path) ?? 'overview';
  return { screen, params: new URLSearchParams(query) };
}

export function routeHash(screen: Screen, params?: Record<string, string>): string {
  const query = new URLSearchParams(params).toString();
  return `#/${screen}${query ? `?${query}` : ''}`;
}

export function useHash(): string {
  return useSyncExternalStore(
    (watch) => {
      window.addEventListener('hashchange', watch);
      return () => window.removeEventListener('hashchange', watch);
    },
    () => window.location.hash,
  );
}

import '@testing-library/jest-dom/vitest';

import { cleanup, configure } from '@testing-library/react';
import { afterEach, beforeEach } from 'vitest';

// jsdom lays nothing out: give the virtual grid a size to fill, and what React Aria asks of a browser.
function layOut() {
  const size = { clientHeight: 640, offsetHeight: 640, clientWidth: 1000, offsetWidth: 1000 };
  for (const [name, value] of Object.entries(size)) Object.defineProperty(HTMLElement.prototype, name, { configurable: true, get: () => value });
  Element.prototype.scrollTo = () => {};
  Element.prototype.scrollIntoView = () => {};
  window.matchMedia ??= (query: string) =>
    ({ matches: false, media: query, addEventListener: () => {}, removeEventListener: () => {}, addListener: () => {}, removeListener: () => {}, onchange: null, dispatchEvent: () => false }) as MediaQueryList;
  class Observer {
    observe() {}
    unobserve() {}
    disconnect() {}
  }
  globalThis.ResizeObserver ??= Observer as unknown as typeof ResizeObserver;

  beforeEach(() => {
    window.location.hash = '';
    window.localStorage.clear();
    window.sessionStorage.clear();
  });
  afterEach(cleanup);
}

// A screen's first drawing takes seconds on a busy machine; one second is the default.
configure({ asyncUtilTimeout: 20_000 });

if (typeof HTMLElement !== 'undefined') layOut();

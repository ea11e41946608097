// The shell's keys. Single keys act only where no field has the focus.

import { useEffect } from 'react';

import { SCREENS, sendCommand } from '../shared/session';
import type { Session } from '../shared/session';

/** Moves the focus to the next landmark that takes it. */
function nextPane(back: boolean): void {
  const panes = [...document.querySelectorAll<HTMLElement>('[data-pane]')].filter((pane) => pane.offsetParent !== null);
  const here = panes.findIndex((pane) => pane.contains(document.activeElement));
  const next = panes[(here + (back ? -1 : 1) + panes.length) % panes.length];
  const target = next?.querySelector<HTMLElement>('[data-pane-focus], [tabindex="0"], a[href], button:not([disabled]), input') ?? next;
  target?.focus();
}

export function useKeys(session: Session, openPalette: () => void, ready: boolean): void {
  useEffect(() => {
    if (!ready) return;
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const typing = target.closest('input, textarea, select, [contenteditable="true"]') !== null;
      const modal = document.querySelector('.veil') !== null;
      const ctrl = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      if (ctrl && key === 'k') openPalette();
      else if (modal) return;
      else if (event.altKey && !ctrl && (key === 'arrowleft' || key === 'arrowright')) session.step(key === 'arrowleft' ? -1 : 1);
      else if (ctrl && /^[1-8]$/.test(key)) session.go(SCREENS[Number(key) - 1] ?? 'overview');
      else if (ctrl && key === 'f') sendCommand('find');
      else if (ctrl && key === 's') sendCommand('review');
      else if (ctrl && key === 'h') sendCommand('history');
      else if (ctrl && key === 'i' && !event.shiftKey) session.go('import');
      else if (ctrl && key === 'b') session.go('master', { do: 'backup' });
      else if (ctrl && key === ',') session.go('settings');
      else if (key === 'f5') void session.refresh();
      else if (key === 'f6') nextPane(event.shiftKey);
      else if (key === 'f2' && !typing) sendCommand('rename');
      else if (key === 'delete' && !typing) sendCommand('delete');
      else if (key === '?' && !typing) session.showShortcuts();
      else return;
      event.preventDefault();
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [session, openPalette, ready]);
}

// Every shortcut on one sheet.

import { Fragment } from 'react';

import { Dialog } from './controls';

export const SHORTCUTS: [string, [string, string][]][] = [
  [
    'Everywhere',
    [
      ['Ctrl K', 'Search ports, screens and actions'],
      ['Ctrl 1 … 8', 'Go to a screen'],
      ['Alt ← →', 'Back, forward'],
      ['Ctrl F', 'Filter the list'],
      ['Ctrl I', 'Import binding files'],
      ['Ctrl B', 'Back up now'],
      ['Ctrl ,', 'Settings'],
      ['F5', 'Read again'],
      ['F6', 'Next pane'],
      ['Ctrl Q', 'Close the window'],
      ['?', 'This sheet'],
    ],
  ],
  [
    'Ports',
    [
      ['↑ ↓ Home End PgUp PgDn', 'Move in the list'],
      ['Enter', 'Open the port'],
      ['F2', 'Edit its first value'],
      ['Ctrl S', 'Review changes'],
      ['Ctrl H', 'History of the port'],
      ['Del', 'Delete the port'],
      ['Space held', 'Reveal a secret, on its button'],
      ['Esc', 'Close the port, or a dialog'],
    ],
  ],
];

export function ShortcutList() {
  return (
    <div className="shortcuts">
      {SHORTCUTS.map(([group, keys]) => (
        <section key={group}>
          <h3>{group}</h3>
          <dl>
            {keys.map(([key, does]) => (
              <Fragment key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{does}</dd>
              </Fragment>
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}

export function ShortcutSheet({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" open={open} onClose={onClose} wide>
      <ShortcutList />
    </Dialog>
  );
}

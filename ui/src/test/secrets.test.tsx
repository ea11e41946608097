// Secrets and the page: what the page holds of them, and for how long.

import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import { samplePorts } from '../platform/sample';
import { SCREENS } from '../shared/session';
import { openApp } from './open';

const kept = samplePorts().flatMap((port) => port.properties.flatMap((property) => (property.secret && property.hidden ? [property.hidden] : [])));

/** Everything that stays with the page: what is drawn with its attributes, what fields hold, what is stored. */
function everything(): string {
  const fields = [...document.querySelectorAll('input, textarea')].map((field) => (field as HTMLInputElement).value);
  return [document.documentElement.outerHTML, ...fields, JSON.stringify(window.localStorage), JSON.stringify(window.sessionStorage), window.location.href].join('\n');
}

function keptInPage(): string[] {
  const all = everything();
  return kept.filter((secret) => all.includes(secret));
}

// Sabotage: give Hold the answer of a reveal in its title, or ask for it when it is drawn.
test('no screen and no tab of a port holds a kept secret, and nothing is revealed unasked', async () => {
  expect(kept.length).toBeGreaterThan(4);
  const { user, mock } = openApp();
  const rail = await screen.findByRole('navigation', { name: 'Screens' });
  for (const name of SCREENS) {
    const link = [...rail.querySelectorAll('a')].find((one) => one.getAttribute('href') === `#/${name}`);
    await user.click(link!);
    await waitFor(() => expect(link).toHaveAttribute('aria-current', 'page'));
    expect(keptInPage()).toEqual([]);
  }
  await user.click(screen.getByRole('link', { name: 'Ports' }));
  await user.click(await screen.findByRole('row', { name: /SendOrders_SAP/ }));
  await screen.findByRole('heading', { name: 'SendOrders_SAP' });
  for (const tab of ['Details', 'History', 'Activity', 'CLI']) {
    await user.click(screen.getByRole('tab', { name: tab }));
    await act(async () => {});
    expect(keptInPage()).toEqual([]);
  }
  expect(mock.calls.some((request) => request.act === 'port_reveal')).toBe(false);
});

// Sabotage: drop the mask on blur, on the window's blur, or on release; or show an answer that comes after the release.
test('a secret shows only while its button is held, and nothing of it stays', async () => {
  const { user, mock } = openApp();
  await user.click(await screen.findByRole('link', { name: 'Ports' }));
  await user.click(await screen.findByRole('row', { name: /SendOrders_SAP/ }));
  const hold = await screen.findByRole('button', { name: 'Hold to reveal Password' });
  // jsdom has no PointerEvent; a mouse event of that name carries the button.
  const pointer = (type: string) => fireEvent(hold, new MouseEvent(type, { bubbles: true, button: 0 }));
  const ends: [() => void, () => void][] = [
    [() => pointer('pointerdown'), () => pointer('pointerup')],
    [() => pointer('pointerdown'), () => pointer('pointercancel')],
    [() => fireEvent.keyDown(hold, { key: ' ' }), () => fireEvent.keyUp(hold, { key: ' ' })],
    [() => fireEvent.keyDown(hold, { key: ' ' }), () => fireEvent.blur(hold)],
    [() => fireEvent.keyDown(hold, { key: ' ' }), () => fireEvent.blur(window)],
  ];
  for (const [begin, end] of ends) {
    begin();
    expect(await screen.findByText('n0rth-Quay')).toBeVisible();
    end();
    expect(everything()).not.toContain('n0rth-Quay');
  }
  const before = mock.calls.filter((request) => request.act === 'port_reveal').length;
  pointer('pointerdown');
  pointer('pointerup');
  await waitFor(() => expect(mock.calls.filter((request) => request.act === 'port_reveal')).toHaveLength(before + 1));
  await act(async () => {});
  expect(everything()).not.toContain('n0rth-Quay');
});

// Sabotage: put a typed value into a message, or the form of the backup into the storage.
test('what was typed is gone once it is saved', async () => {
  const { user } = openApp();
  await user.click(await screen.findByRole('link', { name: /Missing secrets/ }));
  await user.type(await screen.findByLabelText('Password of SendPayroll'), 'typed-tide-1');
  await user.click(screen.getByRole('button', { name: 'Review 1 secret' }));
  const review = await screen.findByRole('dialog');
  expect(review.outerHTML).not.toContain('typed-tide-1');
  await user.click(within(review).getByRole('button', { name: 'Save' }));
  await screen.findByText(/1 secret filled/);
  expect(everything()).not.toContain('typed-tide-1');

  await user.keyboard('{Control>}b{/Control}');
  const dialog = await screen.findByRole('dialog', { name: 'Back up now' });
  await user.click(within(dialog).getByRole('button', { name: 'Choose backup file…' }));
  await user.type(within(dialog).getByLabelText('Backup passphrase'), 'long river stone');
  await user.type(within(dialog).getByLabelText('Backup passphrase again'), 'long river stone');
  await user.click(within(dialog).getByRole('button', { name: 'Back up and prove' }));
  await within(dialog).findByText(/Backed up and proven: \d+ records/);
  expect(everything()).not.toContain('long river stone');
});

// A rotation in the window: begun with a backup, watched, steered, ended; and a version destroyed.

import { screen, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import type { RotationView } from '../platform';
import { isUnderWay, paceWords, percent, phaseAt, rotationWords } from '../shared/rotation';
import { openApp } from './open';

async function atMaster(query: string) {
  const app = openApp(query);
  await app.user.click(await screen.findByRole('link', { name: 'Master secret' }));
  return app;
}

test('a rotation begins with a backup, and is watched to its end', async () => {
  const { user, mock } = await atMaster('fleet=5');
  await user.click(await screen.findByRole('button', { name: 'Rotate…' }));
  const dialog = await screen.findByRole('dialog');
  const begin = within(dialog).getByRole('button', { name: 'Back up and rotate' });
  await user.click(within(dialog).getByRole('button', { name: 'Choose backup file…' }));
  await user.type(within(dialog).getByLabelText('Backup passphrase'), 'long river stone');
  expect(begin).toBeDisabled();
  await user.type(within(dialog).getByLabelText('Backup passphrase again'), 'long river stone');
  await user.click(begin);
  expect(await screen.findByRole('heading', { name: 'Rotation to version 2' })).toBeVisible();
  expect(document.documentElement.outerHTML).not.toContain('long river stone');
  expect(mock.calls.filter((request) => request.act === 'secret_rotate')).toHaveLength(1);
  // Each look moves the twin on; the screen looks each second.
  expect(await screen.findByRole('progressbar', { name: /sealed under version 2/ }, { timeout: 15_000 })).toBeVisible();
  while (mock.rotation.underWay) mock.rotation.look();
  expect(await screen.findByText(/^Version 2 seals everything\. Version 1 is retired/, undefined, { timeout: 15_000 })).toBeVisible();
}, 60_000);

test('it is paused, resumed, and cancelled only while it can be', async () => {
  const { user, mock } = await atMaster('fleet=5&rotation=waiting');
  expect(await screen.findByText('Waiting for HUB-1, which is on line and does not hold version 2 yet.')).toBeVisible();
  await user.click(screen.getByRole('button', { name: 'Pause' }));
  await user.click(await screen.findByRole('button', { name: 'Resume' }));
  await user.click(await screen.findByRole('button', { name: 'Cancel the rotation…' }));
  await user.click(within(await screen.findByRole('alertdialog')).getByRole('button', { name: 'Cancel the rotation' }));
  expect(await screen.findByText(/was cancelled\. Version 1 goes on, and nothing was changed/)).toBeVisible();
  expect(mock.calls.flatMap((request) => (request.act === 'secret_steer' ? [request.steer] : []))).toEqual(['pause', 'resume', 'cancel']);
});

test('once it seals, it goes forward only', async () => {
  await atMaster('fleet=5&rotation=resealing');
  const bar = await screen.findByRole('progressbar', { name: '36,000 of 100,412 records sealed under version 2.' });
  expect(bar).toHaveAttribute('aria-valuenow', '35');
  expect(screen.queryByRole('button', { name: 'Cancel the rotation…' })).toBeNull();
  expect(screen.getByText(/goes forward only/)).toBeVisible();
  expect(screen.getByText(/EDGE-OSLO, EDGE-BERGEN/)).toBeVisible();
  const versions = screen.getByRole('table', { name: /Versions of the master secret/ });
  expect(within(versions).getByRole('row', { name: /^1 Opens only/ })).toHaveTextContent('64,412 records');
});

test('a retired version is destroyed with what needs it listed and the name of the system typed', async () => {
  const { user, mock } = await atMaster('fleet=5&rotation=done');
  await user.click(await screen.findByRole('button', { name: 'Destroy version 1' }));
  const dialog = await screen.findByRole('alertdialog');
  expect(within(dialog).getByText('halden-trading-2026-11-20.sealport')).toBeVisible();
  const destroy = within(dialog).getByRole('button', { name: 'Destroy it' });
  await user.type(within(dialog).getByLabelText('Type Halden Trading to destroy version 1'), 'Halden Tradin');
  expect(destroy).toBeDisabled();
  await user.keyboard('g');
  await user.click(destroy);
  expect(await screen.findByText('Version 1 is destroyed.')).toBeVisible();
  expect(mock.calls.filter((request) => request.act === 'secret_destroy')).toEqual([{ act: 'secret_destroy', version: 1, confirm: 'Halden Trading' }]);
});

test('a node that follows watches and says where it is rotated', async () => {
  await atMaster('node=synced&rotation=resealing');
  expect(await screen.findByText(/rotate at HUB-2/)).toBeVisible();
  expect(screen.getByRole('button', { name: 'Rotate…' })).toBeDisabled();
  expect(screen.getByRole('button', { name: 'Pause' })).toBeEnabled();
});

test('a rotation that is due says so', async () => {
  await atMaster('rotation=due');
  expect(await screen.findByText(/a new one is due after 365/)).toBeVisible();
});

test('overview has one line for a rotation under way', async () => {
  openApp('fleet=5&rotation=resealing');
  expect(await screen.findByText('Rotation, 35 %.')).toBeVisible();
});

test('rotations in words', () => {
  const at = (more: Partial<RotationView>): RotationView => ({ from: 3, to: 5, phase: 'resealing', paused: false, started: '', by: 'ana', holding: ['A'], missing: [], done: 0, total: 0, per_second: null, seconds_left: null, cancellable: false, note: null, finished: null, ...more });
  expect([percent(at({})), percent(at({ done: 999, total: 1000 })), percent(at({ done: 1000, total: 1000 }))]).toEqual([null, 99, 100]);
  expect(paceWords(at({}))).toBeNull();
  expect(paceWords(at({ per_second: 3900, seconds_left: 15 }))).toBe('3,900 a second, about 15 s left');
  expect([phaseAt('prepared'), phaseAt('verifying'), phaseAt('done')]).toEqual([0, 4, 5]);
  expect([isUnderWay(null), isUnderWay(at({})), isUnderWay(at({ phase: 'done' })), isUnderWay(at({ phase: 'cancelled' }))]).toEqual([false, true, false, false]);
  expect(rotationWords(at({ phase: 'distributing', missing: ['B', 'C'] }))).toBe('1 of 3 nodes hold version 5, to open only.');
  expect(rotationWords(at({ phase: 'cancelled' }))).toContain('Version 3 goes on');
});

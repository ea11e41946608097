import { act, screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import { outageOf } from '../app/Outage';
import { span } from '../shared/fleet';
import { openApp } from './open';
import { joinUrl } from '../features/first-run/Join';

// Sabotage: show the states by colour alone, or leave the summary of the service out.
test('the nodes screen says who is master, and each state in a word', async () => {
  const { user } = openApp('fleet=5');
  await user.click(await screen.findByRole('link', { name: 'Nodes' }));
  expect(await screen.findByText('All 5 nodes agree: admin-ws-07 is master, epoch 1.')).toBeVisible();
  const rows = within(screen.getByRole('table')).getAllByRole('row').slice(1);
  expect(rows).toHaveLength(5);
  for (const row of rows) expect(within(row).getByText('Synced')).toBeVisible();
  expect(rows[0]).toHaveTextContent(/admin-ws-07.*here.*Master/);
  expect(rows[1]).toHaveTextContent(/HUB-3.*Standby.*\d+ s ago/);
  expect(screen.getByText('7F2A-91C4-D05E-B83A')).toBeVisible();
});

// Sabotage: let the button act before the name is typed whole.
test('a revoke says what stays, and takes the typed name', async () => {
  const { user, mock } = openApp('fleet=5');
  await user.click(await screen.findByRole('link', { name: 'Nodes' }));
  await user.click(await screen.findByRole('button', { name: 'Revoke EDGE-OSLO' }));
  const dialog = await screen.findByRole('alertdialog');
  expect(dialog).toHaveTextContent('stay in that machine’s custody');
  const revoke = within(dialog).getByRole('button', { name: 'Revoke' });
  await user.type(within(dialog).getByLabelText(/Type EDGE-OSLO/), 'EDGE-OSL');
  expect(revoke).toBeDisabled();
  await user.keyboard('O');
  await user.click(revoke);
  expect(await screen.findByText('All 4 nodes agree: admin-ws-07 is master, epoch 1.')).toBeVisible();
  expect(screen.getByText('Revoked')).toBeVisible();
  expect(mock.calls.filter((request) => request.act === 'node_revoke')).toHaveLength(1);
});

// Sabotage: keep the invitation in the screen when its dialog is closed.
test('a token is shown once', async () => {
  const { user } = openApp('fleet=5');
  await user.click(await screen.findByRole('link', { name: 'Nodes' }));
  await user.click(await screen.findByRole('button', { name: 'Invite a node…' }));
  await user.type(screen.getByLabelText('Name of the node'), 'HUB-9');
  await user.click(screen.getByRole('button', { name: 'Make the token' }));
  expect(await screen.findByText(/^sealport-join-1\./)).toBeVisible();
  expect(screen.getByText(/shown once/)).toHaveTextContent(/14 min \d+ s|15 min 0 s/);
  await user.click(screen.getByRole('button', { name: 'Done' }));
  await waitFor(() => expect(document.body.innerHTML).not.toContain('sealport-join-1.'));
});

// Sabotage: ignore notices of the state; let the alert of Overview add how long it lasts to words that say it.
test('an outage shows on every screen without a reload, and goes by itself', async () => {
  const { user, mock } = openApp('node=synced');
  await user.click(await screen.findByRole('link', { name: 'Activity' }));
  expect(screen.queryByText(/does not answer/)).toBeNull();
  act(() => mock.turn('degraded', 70));
  const banner = await screen.findByRole('alert');
  expect(banner).toHaveTextContent(/The master HUB-2 does not answer \(for 1 min 1\d s, since .*\d:\d\d:\d\d\)\./);
  expect(banner).toHaveTextContent('Opening goes on, also after a restart.');
  expect(screen.getByText('Opening only')).toBeVisible();
  await user.click(screen.getByRole('link', { name: 'Overview' }));
  const told = (await screen.findByText('Critical')).closest('li')!;
  expect(told.textContent!.match(/\bfor \d/gi)).toHaveLength(1);
  await user.click(screen.getByRole('link', { name: 'Nodes' }));
  expect(await screen.findByText('Last known')).toBeVisible();
  expect(screen.getByRole('button', { name: 'Invite a node…' })).toBeDisabled();
  act(() => mock.turn('synced'));
  await waitFor(() => expect(screen.queryByRole('alert')).toBeNull());
  expect(await screen.findByText(/All 5 nodes agree/)).toBeVisible();
});

// Sabotage: drop the draft when a save is refused.
test('a save that the outage refuses keeps the draft, and saves it later', async () => {
  const { user, mock } = openApp('node=synced');
  await user.click(await screen.findByRole('link', { name: 'Ports' }));
  await user.click(await screen.findByRole('row', { name: /SendPayroll/ }));
  await user.type(await screen.findByLabelText('Description'), 'kept');
  await user.click(screen.getByRole('button', { name: 'Review 1 change' }));
  mock.fleet.turn('degraded', 5);
  await user.click(within(await screen.findByRole('dialog')).getByRole('button', { name: 'Save' }));
  expect(await screen.findByText(/Nothing was saved. Your changes are kept here as a draft/)).toBeVisible();
  act(() => mock.turn('synced'));
  await user.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'Save' }));
  expect(await screen.findByText('SendPayroll is saved as revision 2. HUB-1 has it too.')).toBeVisible();
});

// Sabotage: send the address as it was typed.
test('join takes the address, the token and a custody, and shows the fingerprint', async () => {
  const { user, mock } = openApp('state=empty');
  await user.click(await screen.findByRole('button', { name: 'Join a master' }));
  await user.type(screen.getByLabelText('Address of the master'), 'hub-2:7410');
  await user.type(screen.getByLabelText('Token'), ' sealport-join-1.used ');
  await user.click(screen.getByRole('button', { name: 'Next' }));
  await user.click(screen.getByRole('button', { name: 'Join' }));
  expect(await screen.findByRole('alert')).toHaveTextContent('Ask for a new invitation');
  await user.click(screen.getByRole('button', { name: 'Back' }));
  await user.clear(screen.getByLabelText('Token'));
  await user.type(screen.getByLabelText('Token'), ' sealport-join-1.good ');
  await user.click(screen.getByRole('button', { name: 'Next' }));
  await user.click(screen.getByRole('button', { name: 'Join' }));
  expect(await screen.findByText('admin-ws-07 has joined Halden Trading')).toBeVisible();
  expect(screen.getByText('7F2A-91C4-D05E-B83A')).toBeVisible();
  expect(document.body.innerHTML).not.toContain('sealport-join-1');
  expect(mock.calls.filter((request) => request.act === 'join').at(-1)).toEqual({ act: 'join', url: 'https://hub-2:7410', token: 'sealport-join-1.good', custody: { custody: 'keyring' }, cache: 'keyring' });
});

test('a copy says what it is, opens, and becomes a system of its own once its name is typed', async () => {
  const { mock, user } = openApp('?node=cloned');
  const banner = await screen.findByRole('alert');
  expect(banner).toHaveTextContent('this one is a copy');
  expect(banner).toHaveTextContent('Opening goes on.');
  await user.click(within(banner).getByRole('button', { name: 'Make it a system of its own…' }));
  const dialog = await screen.findByRole('alertdialog');
  const separate = within(dialog).getByRole('button', { name: 'Separate' });
  await user.type(within(dialog).getByLabelText('Name of the new system'), 'halden trading');
  await user.type(within(dialog).getByLabelText('Type halden trading to separate it'), 'halden trading');
  // It must not be called what it leaves.
  expect(separate).toBeDisabled();
  await user.clear(within(dialog).getByLabelText('Name of the new system'));
  await user.type(within(dialog).getByLabelText('Name of the new system'), 'Halden Test');
  expect(separate).toBeDisabled();
  await user.clear(within(dialog).getByLabelText('Type Halden Test to separate it'));
  await user.type(within(dialog).getByLabelText('Type Halden Test to separate it'), 'Halden Test');
  await user.click(separate);
  expect(await screen.findByText(/This is the system Halden Test now/)).toBeVisible();
  expect(mock.calls.filter((request) => request.act === 'node_separate')).toEqual([{ act: 'node_separate', name: 'Halden Test', forget: false }]);
  expect(screen.queryByText(/this one is a copy/)).toBeNull();
});

test('addresses, spans and outages in words', () => {
  expect(joinUrl('hub:7410')).toBe('https://hub:7410');
  expect(joinUrl(' https://hub:443/ ')).toBe('https://hub:443');
  expect(joinUrl('http://hub:7410')).toBeNull();
  expect(joinUrl('hub')).toBeNull();
  expect([span(-1), span(59.9), span(61), span(3_700)]).toEqual(['0 s', '59 s', '1 min 1 s', '1 h 1 min']);
  expect(outageOf('synced', 'HUB')).toBeNull();
  for (const state of ['degraded', 'stale', 'fenced', 'starting'] as const) expect(outageOf(state, 'HUB')).not.toBeNull();
});

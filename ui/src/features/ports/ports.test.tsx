import { act, screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import { openApp } from '../../test/open';
import { quoted } from './CliTab';
import { choicesOf } from './draft';
import type { PropertyView } from '../../platform';

async function openPort(name: string, query = '') {
  const app = openApp(query);
  await screen.findByRole('navigation', { name: 'Screens' });
  await app.user.click(screen.getByRole('link', { name: 'Ports' }));
  await app.user.click(await screen.findByRole('row', { name: new RegExp(name) }));
  await screen.findByRole('heading', { name });
  return app;
}

test('search asks the service at every key, and tells how many fit', async () => {
  const { user, mock } = openApp();
  await user.click(await screen.findByRole('link', { name: 'Ports' }));
  await user.type(await screen.findByLabelText('Search ports'), 'payments bank');
  expect(await screen.findByText(/^1 port, \d+ ms$/)).toBeVisible();
  expect(screen.getByRole('row', { name: /SendInvoices_Bank/ })).toBeVisible();
  expect(mock.calls.filter((request) => request.act === 'port_list' && request.filter.search === 'payments b')).toHaveLength(1);
});

// Sabotage: ask for the list without a limit.
test('a long list never comes whole', async () => {
  const { mock, user } = openApp('ports=10000');
  await user.click(await screen.findByRole('link', { name: 'Ports' }));
  const grid = await screen.findByRole('grid', { name: 'Ports' });
  expect(grid).toHaveAttribute('aria-rowcount', '10001');
  const lists = mock.calls.filter((request) => request.act === 'port_list');
  expect(lists.every((request) => request.act === 'port_list' && request.limit !== null && request.limit <= 200)).toBe(true);
  expect(within(grid).getAllByRole('row').length).toBeLessThan(80);
  expect(grid.querySelectorAll('[tabindex="0"]')).toHaveLength(1);
});

// Sabotage: show a secret's change like any other, or save without the revision that was seen.
test('an edit is reviewed with its diff and saved on the revision that was seen', async () => {
  const { user, mock } = await openPort('SendOrders_SAP');
  await user.clear(screen.getByLabelText('RetryCount'));
  await user.type(screen.getByLabelText('RetryCount'), '7');
  await user.click(screen.getByRole('button', { name: 'Change Password' }));
  await user.type(await screen.findByLabelText('New Password'), 'fresh-tide');
  await user.click(screen.getByRole('button', { name: 'Review 2 changes' }));
  const dialog = await screen.findByRole('dialog');
  const changes = within(dialog).getByRole('list', { name: 'Changes' });
  expect(changes).toHaveTextContent('RetryCount');
  expect(changes).toHaveTextContent('values are not shown');
  expect(changes).not.toHaveTextContent('fresh-tide');
  await user.type(within(dialog).getByLabelText('Note'), 'slow Mondays');
  await user.click(within(dialog).getByRole('button', { name: 'Save' }));
  expect(await screen.findByText(/is saved as revision 2/)).toBeVisible();
  const saved = mock.calls.filter((request) => request.act === 'port_set' && !request.dry_run);
  expect(saved).toHaveLength(1);
  expect(saved[0]).toMatchObject({ if_revision: 1, note: 'slow Mondays' });
  expect(screen.queryByText(/unsaved change/)).toBeNull();
});

// Sabotage: let "Revert" be pressed at once. Seen: it is enabled while the changes are read, and moves when they come.
test('nobody reverts before what changes is in sight', async () => {
  const { user, mock } = await openPort('SendOrders_SAP');
  await user.clear(screen.getByLabelText('RetryCount'));
  await user.type(screen.getByLabelText('RetryCount'), '7');
  await user.click(screen.getByRole('button', { name: 'Review 1 change' }));
  const review = await screen.findByRole('dialog');
  await waitFor(() => expect(within(review).getByRole('button', { name: 'Save' })).toBeEnabled());
  await user.click(within(review).getByRole('button', { name: 'Save' }));
  await user.click(await screen.findByRole('tab', { name: 'History' }));
  const open = await screen.findByRole('button', { name: 'Revert to revision 1' });
  // The second time too.
  for (const end of ['Cancel', 'Revert']) {
    mock.delay = 60;
    await user.click(open);
    const dialog = await screen.findByRole('dialog');
    expect(within(dialog).getByText('Comparing…')).toBeVisible();
    expect(within(dialog).getByRole('button', { name: 'Revert' })).toBeDisabled();
    await waitFor(() => expect(within(dialog).getByRole('button', { name: 'Revert' })).toBeEnabled());
    expect(within(dialog).queryByText('Comparing…')).toBeNull();
    mock.delay = 0;
    await user.click(within(dialog).getByRole('button', { name: end }));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  }
  expect(await screen.findByText(/is as it was in revision 1/)).toBeVisible();
});

// Sabotage: clear the draft before the answer of port_set.
test('a refused save keeps the draft', async () => {
  const { user, mock } = await openPort('SendOrders_SAP');
  await user.clear(screen.getByLabelText('RetryCount'));
  await user.type(screen.getByLabelText('RetryCount'), '7');
  await user.click(screen.getByRole('button', { name: 'Review 1 change' }));
  const dialog = await screen.findByRole('dialog');
  await waitFor(() => expect(within(dialog).getByRole('button', { name: 'Save' })).toBeEnabled());
  mock.failures.set('port_set', { code: 'encryption_unavailable', message: 'New values can’t be sealed now.', hint: 'Unlock the keyring.' });
  await user.click(within(dialog).getByRole('button', { name: 'Save' }));
  expect(await within(dialog).findByRole('alert')).toHaveTextContent('can’t be sealed now');
  await user.click(within(dialog).getByRole('button', { name: 'Back' }));
  expect(screen.getByLabelText('RetryCount')).toHaveValue('7');
  expect(screen.getByText('1 unsaved change')).toBeVisible();
});

// Sabotage: save on whatever revision is there.
test('a conflict is told, and the changes go on top of the newer revision', async () => {
  const { user, mock } = await openPort('SendOrders_SAP');
  await user.clear(screen.getByLabelText('RetryCount'));
  await user.type(screen.getByLabelText('RetryCount'), '7');
  const id = (mock.calls.find((request) => request.act === 'port_show') as { port: string }).port;
  await act(() => mock.call({ act: 'port_set', port: id, changes: [{ path: 'Description', value: 'by another' }], if_revision: null, if_imprint: null, note: null, dry_run: false }).then(() => undefined));
  await user.click(screen.getByRole('button', { name: 'Review 1 change' }));
  const dialog = await screen.findByRole('dialog');
  await user.click(await within(dialog).findByRole('button', { name: 'Reload and keep my changes' }));
  await user.click(await within(dialog).findByRole('button', { name: 'Save' }));
  expect(await screen.findByText(/is saved as revision 3/)).toBeVisible();
  expect(screen.getByLabelText('Description')).toHaveValue('by another');
  expect(screen.getByLabelText('RetryCount')).toHaveValue('7');
});

// Sabotage: leave the imprint out of the review dialog's request.
test('another revision of the same number, after a change of master, is a conflict too', async () => {
  const { user, mock } = await openPort('SendOrders_SAP');
  await user.clear(screen.getByLabelText('RetryCount'));
  await user.type(screen.getByLabelText('RetryCount'), '7');
  mock.history += 1;
  await user.click(screen.getByRole('button', { name: 'Review 1 change' }));
  const dialog = await screen.findByRole('dialog');
  expect(await within(dialog).findByText(/is not as it was read/)).toBeVisible();
  await user.click(await within(dialog).findByRole('button', { name: 'Reload and keep my changes' }));
  await user.click(await within(dialog).findByRole('button', { name: 'Save' }));
  expect(await screen.findByText(/is saved as revision 2/)).toBeVisible();
});

// Sabotage: leave the revision and the imprint out of the deletion, or of the mark.
test('what is deleted, marked or brought back is what was read', async () => {
  const { user, mock } = await openPort('SendOrders_SAP');
  mock.history += 1;
  await user.click(screen.getByRole('button', { name: 'Delete port' }));
  expect(await screen.findByText(/is not as it was read: another revision 1 stands now than then/)).toBeVisible();
  expect(screen.queryByText('This port is deleted. Its history stays.')).toBeNull();
  // It was read again: now it is what stands.
  await waitFor(() => expect(mock.calls.at(-1)!.act).not.toBe('port_delete'));
  await user.click(screen.getByRole('button', { name: 'Delete port' }));
  expect(await screen.findByText('This port is deleted. Its history stays.')).toBeVisible();
  expect(mock.calls.filter((request) => request.act === 'port_delete')).toMatchObject([
    { if_revision: 1, if_imprint: expect.stringMatching(/^1-1\./) },
    { if_revision: 1, if_imprint: expect.stringMatching(/^1-2\./) },
  ]);
});

// Sabotage: leave the sections open, or filter by label only.
test('what is often edited stands first; the rest is folded, and found by label, path or value', async () => {
  const { user } = await openPort('SendOrders_SAP');
  const essentials = screen.getByRole('region', { name: 'Primary transport: essentials' });
  for (const label of ['Address', 'User name', 'RetryCount', 'SendHandler Name']) expect(within(essentials).getByLabelText(label)).toBeVisible();
  expect(within(essentials).getByRole('button', { name: 'Change Password' })).toBeVisible();
  expect(screen.queryByLabelText('TransmitPipeline Name')).toBeNull();
  await user.click(screen.getByRole('button', { name: /^Pipelines/ }));
  expect(screen.getByLabelText('TransmitPipeline Name')).toBeVisible();
  await user.type(screen.getByLabelText('Filter properties'), 'OrderConfirmation');
  expect(screen.getByLabelText('Statement Value')).toBeVisible();
  expect(screen.queryByLabelText('Address')).toBeNull();
  await user.clear(screen.getByLabelText('Filter properties'));
  await user.type(screen.getByLabelText('Filter properties'), 'config/password');
  expect(screen.getByRole('button', { name: 'Change Password' })).toBeVisible();
  await user.keyboard('{Escape}');
  expect(screen.getByLabelText('Filter properties')).toHaveValue('');
  expect(screen.getByRole('heading', { name: 'SendOrders_SAP' })).toBeVisible();
});

test('the activity of a port reads the newest 500 entries once', async () => {
  const { user, mock } = await openPort('SendOrders_SAP');
  await user.click(screen.getByRole('tab', { name: 'Activity' }));
  expect(await screen.findByText(/entries of the trail were read/)).toBeVisible();
  expect(mock.calls.filter((request) => request.act === 'audit_list' && request.limit === 500)).toHaveLength(1);
});

test('delete can be undone', async () => {
  const { user, mock } = await openPort('SendOrders_SAP');
  await user.click(screen.getByRole('button', { name: 'Delete port' }));
  await screen.findByText('This port is deleted. Its history stays.');
  await user.click(await screen.findByRole('button', { name: 'Undo' }));
  await waitFor(() => expect(screen.queryByText('This port is deleted. Its history stays.')).toBeNull());
  expect(mock.calls.map((request) => request.act)).toContain('port_undelete');
});

// Sabotage: tell the shell of no unsaved work.
test('leaving with a draft asks first', async () => {
  const { user } = await openPort('SendOrders_SAP');
  await user.type(screen.getByLabelText('Description'), 'x');
  await user.click(screen.getByRole('link', { name: 'Activity' }));
  const dialog = await screen.findByRole('alertdialog');
  await user.click(within(dialog).getByRole('button', { name: 'Stay' }));
  expect(screen.getByLabelText('Description')).toHaveValue('x');
});

test('words for a shell are quoted, and choices keep their spelling', () => {
  expect(quoted('a/b=c')).toBe('a/b=c');
  expect(quoted("it's")).toBe("'it'\\''s'");
  const property = { value: 'True', type: 'boolean', choices: [] } as unknown as PropertyView;
  expect(choicesOf(property)).toEqual(['True', 'False']);
  expect(choicesOf({ ...property, value: '-1' })).toEqual(['-1', '0']);
});

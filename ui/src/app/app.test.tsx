import { readFileSync } from 'node:fs';

import { act, screen, waitFor, within } from '@testing-library/react';
import { expect, test, vi } from 'vitest';

import { openApp } from '../test/open';
import { secretWords } from './Banners';
import { parseRoute, routeHash } from './routes';

/** Tags with their classes and roles, and the words in them, without what an icon draws. */
function bones(root: Element): string[] {
  const icon = root.tagName === 'svg';
  const own = [...root.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent?.trim());
  const line = [root.tagName.toLowerCase(), icon ? '' : root.className, root.getAttribute('role') ?? '', own.join('')].join('|');
  return [line, ...(icon ? [] : [...root.children].flatMap(bones))];
}

// Sabotage: other words in index.html, or none.
test('what index.html shows before any script is what the page shows first', () => {
  const file = new DOMParser().parseFromString(readFileSync('index.html', 'utf8'), 'text/html');
  const { container } = openApp();
  const shown = [...file.getElementById('root')!.children].flatMap(bones);
  expect(shown).toEqual([...container.children].flatMap(bones));
  expect(shown.join()).toContain('Opening Sealport…');
});

test('routes survive the way through the address', () => {
  const route = parseRoute(routeHash('ports', { search: 'sap & co', missing: '1' }));
  expect(route.screen).toBe('ports');
  expect(route.params.get('search')).toBe('sap & co');
  expect(parseRoute('#/nowhere').screen).toBe('overview');
});

// Sabotage: show the line on Overview only.
test('a backup that was put off stays red until it is done', async () => {
  const { user, mock } = openApp('state=later');
  expect(await screen.findByText('No proven backup.')).toBeVisible();
  await user.click(screen.getAllByRole('button', { name: 'Back up now' })[0]!);
  const dialog = await screen.findByRole('dialog', { name: 'Back up now' });
  expect(screen.getByText('No proven backup.')).toBeInTheDocument();
  await user.click(within(dialog).getByRole('button', { name: 'Choose backup file…' }));
  await user.type(within(dialog).getByLabelText('Backup passphrase'), 'long river stone');
  await user.type(within(dialog).getByLabelText('Backup passphrase again'), 'long river stone');
  await user.click(within(dialog).getByRole('button', { name: 'Back up and prove' }));
  expect(await within(dialog).findByText(/Backed up and proven: \d+ records opened/)).toBeVisible();
  await waitFor(() => expect(screen.queryByText('No proven backup.')).toBeNull());
  expect(mock.calls.find((request) => request.act === 'backup_create')).toMatchObject({ file: 't-1', passphrase: 'long river stone' });
});

// Sabotage: show the words of keyring_locked for every code.
test.each([
  ['custody_locked', /Type its passphrase/, 'unlock'],
  ['wrong_passphrase', /not the passphrase of a backup/, 'unlock'],
  ['keyring_locked', /Unlock it, then try again/, 'retry'],
  ['keyring_missing', /Start the keyring service/, 'retry'],
  ['keyring_denied', /give its password when it asks/, 'retry'],
  ['keyring_timeout', /prompt behind this window/, 'retry'],
  ['integrity', /restore a backup of this system/, 'restore'],
] as const)('each cause of a lost secret has its own words and way out: %s', (code, text, way) => {
  // The sentence of the service names another cause: only the code may count.
  const words = secretWords({ sealing: { possible: false, code, reason: 'the keyring is locked and refused in time', hint: null, since: null } });
  expect(words.text).toMatch(text);
  expect(words.way).toBe(way);
});

test('a code without words of its own says what the service says', () => {
  const words = secretWords({ sealing: { possible: false, code: 'unavailable', reason: 'the disk is gone', hint: 'Mount it.', since: null } });
  expect(words).toEqual({ title: 'The disk is gone.', text: 'Mount it.', way: 'retry' });
});

test('a locked keyring says so, and a try after the unlock works', async () => {
  const { user, mock } = openApp('state=locked');
  const banner = await screen.findByRole('alert');
  expect(banner).toHaveTextContent('The keyring is locked.');
  mock.locked = null;
  await user.click(within(banner).getByRole('button', { name: 'Try again' }));
  await waitFor(() => expect(screen.queryByRole('alert')).toBeNull());
  expect(screen.getByText('Sealing')).toBeVisible();
});

// Sabotage: take every status as it comes.
test('a status that waited for the keyring does not undo a newer one', async () => {
  const { user, mock } = openApp('state=locked');
  await screen.findByRole('alert');
  const locked = await mock.call({ act: 'status' });
  let arrive = () => {};
  vi.spyOn(mock, 'call').mockImplementationOnce(() => new Promise((resolve) => (arrive = () => resolve(locked))));
  await user.keyboard('{F5}');
  mock.locked = null;
  await user.keyboard('{F5}');
  await waitFor(() => expect(screen.queryByRole('alert')).toBeNull());
  await act(async () => arrive());
  expect(screen.queryByRole('alert')).toBeNull();
});

// Sabotage: look again whatever the code, and a keyring that was refused once prompts at every return to the window.
test.each([
  ['keyring_denied', 0],
  ['keyring_missing', 1],
] as const)('coming back to the window asks a keyring again only where it can’t prompt: %s', async (code, asked) => {
  const { mock } = openApp(`locked=${code}`);
  await screen.findByRole('alert');
  const count = () => mock.calls.filter((request) => request.act === 'status').length;
  const before = count();
  await act(async () => void document.dispatchEvent(new Event('visibilitychange')));
  expect(count()).toBe(before + asked);
});

// Sabotage: clear the field when the answer is a fault.
test('a locked custody takes its passphrase; a wrong one says so and keeps the field', async () => {
  const { user, mock } = openApp('locked=custody_locked');
  const banner = await screen.findByRole('alert');
  await user.type(within(banner).getByLabelText('Custody passphrase'), 'wrong');
  await user.click(within(banner).getByRole('button', { name: 'Unlock' }));
  expect(await within(banner).findByText('The passphrase is wrong.')).toBeVisible();
  const field = within(banner).getByLabelText('Custody passphrase');
  expect(field).toHaveValue('wrong');
  await user.clear(field);
  await user.type(field, 'right one{Enter}');
  await waitFor(() => expect(screen.queryByRole('alert')).toBeNull());
  expect(screen.getByText('Sealing')).toBeVisible();
  expect(mock.calls.filter((request) => request.act === 'unlock')).toEqual([
    { act: 'unlock', passphrase: 'wrong' },
    { act: 'unlock', passphrase: 'right one' },
  ]);
});

// Sabotage: leave the line of the sample system out.
test('the sample system says that nothing is kept, and can be left', async () => {
  const { user } = openApp('state=empty');
  await user.click(await screen.findByRole('button', { name: 'Explore with sample data' }));
  const banner = (await screen.findByText('Sample system:')).closest('.banner') as HTMLElement;
  expect(screen.queryByText('No proven backup.')).toBeNull();
  await user.click(within(banner).getByRole('button', { name: 'Leave' }));
  expect(await screen.findByText('Welcome to Sealport')).toBeVisible();
});

test('the palette finds ports by address, and opens one', async () => {
  const { user } = openApp();
  await screen.findByRole('navigation', { name: 'Screens' });
  await user.keyboard('{Control>}k{/Control}');
  await user.type(await screen.findByRole('combobox'), 'payroll.provider');
  await screen.findByRole('option', { name: /SendPayroll/ });
  await user.keyboard('{Enter}');
  expect(await screen.findByRole('heading', { name: 'SendPayroll' })).toBeVisible();
});

// Sabotage: run what stands first while the answer is not here yet.
test('Enter in the palette waits for the answer to what was typed', async () => {
  const { user, mock } = openApp();
  await screen.findByRole('navigation', { name: 'Screens' });
  await user.keyboard('{Control>}k{/Control}');
  const box = await screen.findByRole('combobox');
  mock.delay = 50;
  await user.type(box, 'sendpay{Enter}');
  expect(await screen.findByRole('heading', { name: 'SendPayroll' }, { timeout: 4000 })).toBeVisible();
});

test('Alt and the arrows step through the places visited, and a draft is asked about', async () => {
  const { user } = openApp();
  await user.click(await screen.findByRole('link', { name: 'Ports' }));
  await user.click(await screen.findByRole('row', { name: /SendPayroll/ }));
  await screen.findByRole('heading', { name: 'SendPayroll' });
  await user.keyboard('{Alt>}{ArrowLeft}{/Alt}');
  await waitFor(() => expect(screen.queryByRole('heading', { name: 'SendPayroll' })).toBeNull());
  await user.keyboard('{Alt>}{ArrowRight}{/Alt}');
  await user.type(await screen.findByLabelText('Description'), 'x');
  await user.keyboard('{Alt>}{ArrowLeft}{/Alt}');
  await user.click(within(await screen.findByRole('alertdialog')).getByRole('button', { name: 'Stay' }));
  expect(screen.getByLabelText('Description')).toHaveValue('x');
});

// Sabotage: leave `hearUnsaved` out of `Closing`; or close where the question was answered with "Keep open".
test('the window is not closed over what is not saved without a word', async () => {
  const { user, mock } = openApp('node=degraded');
  await user.click(await screen.findByRole('link', { name: /Missing secrets/ }));
  const field = await screen.findByLabelText('Password of SendPayroll');
  await user.type(field, 'only here');
  await user.keyboard('{Control>}q{/Control}');
  const dialog = await screen.findByRole('alertdialog', { name: 'Close Sealport with unsaved changes?' });
  expect(within(dialog).getByText('1 secret typed here would be lost.')).toBeVisible();
  expect(within(dialog).getByText(/Nothing can be sealed now/)).toBeVisible();
  expect(within(dialog).getByRole('button', { name: 'Keep open' })).toHaveFocus();
  await user.keyboard('{Enter}');
  expect(mock.closed).toBe(false);
  expect(field).toHaveValue('only here');
  // The native button comes as the same question, each time.
  await act(() => mock.close());
  await user.click(within(await screen.findByRole('alertdialog')).getByRole('button', { name: 'Close without saving' }));
  await waitFor(() => expect(mock.closed).toBe(true));
});

test('with nothing to lose the window is closed at once', async () => {
  const { user, mock } = openApp('');
  await screen.findByRole('heading', { level: 1 });
  await user.keyboard('{Control>}q{/Control}');
  await waitFor(() => expect(mock.closed).toBe(true));
  expect(screen.queryByRole('alertdialog')).toBeNull();
});

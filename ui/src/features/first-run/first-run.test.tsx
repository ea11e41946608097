import { screen, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import { openApp } from '../../test/open';

// Sabotage: let a system be created with passphrases that differ.
test('create: name, custody, backup, and the proof stays readable', async () => {
  const { user, mock } = openApp('state=empty');
  await user.click(await screen.findByRole('button', { name: 'Create a new system' }));
  await user.type(screen.getByLabelText('Name of the system'), 'Night shift');
  await user.click(screen.getByRole('button', { name: 'Next' }));
  expect(screen.getByRole('radio', { name: /keyring of this machine/ })).toBeChecked();
  await user.click(screen.getByRole('button', { name: 'Next' }));
  const create = screen.getByRole('button', { name: 'Create and back up' });
  expect(create).toBeDisabled();
  await user.click(screen.getByRole('button', { name: 'Choose backup file…' }));
  await user.type(screen.getByLabelText('Backup passphrase'), 'long river stone');
  await user.type(screen.getByLabelText('Backup passphrase again'), 'long river stona');
  expect(screen.getByText('The two differ.')).toBeVisible();
  expect(create).toBeDisabled();
  await user.clear(screen.getByLabelText('Backup passphrase again'));
  await user.type(screen.getByLabelText('Backup passphrase again'), 'long river stone');
  await user.type(screen.getByLabelText('Reminder'), 'in the safe');
  await user.click(create);
  expect(await screen.findByText(/Backed up and proven: the master secret opened/)).toBeVisible();
  expect(mock.calls.find((request) => request.act === 'init')).toEqual({
    act: 'init',
    name: 'Night shift',
    custody: { custody: 'keyring' },
    backup: { when: 'now', file: 't-1', passphrase: 'long river stone', reminder: 'in the safe' },
  });
  await user.click(screen.getByRole('button', { name: 'Import a binding file' }));
  expect(await screen.findByRole('heading', { name: 'Import' })).toBeVisible();
});

// Sabotage: keep nothing, or keep the passphrase step behind a passphrase that is gone.
test('a reload goes on where the first run stood', async () => {
  const first = openApp('state=empty');
  await first.user.click(await screen.findByRole('button', { name: 'Create a new system' }));
  await first.user.type(screen.getByLabelText('Name of the system'), 'Night shift');
  await first.user.click(screen.getByRole('button', { name: 'Next' }));
  await first.user.click(screen.getByRole('radio', { name: /sealed under a passphrase/ }));
  await first.user.type(screen.getByLabelText('Custody passphrase'), 'long river stone');
  await first.user.type(screen.getByLabelText('Custody passphrase again'), 'long river stone');
  await first.user.click(screen.getByRole('button', { name: 'Next' }));
  expect(JSON.stringify(window.sessionStorage)).not.toContain('long river');
  first.unmount();
  const again = openApp('state=empty');
  expect(await screen.findByLabelText('Custody passphrase')).toHaveValue('');
  await again.user.click(screen.getByRole('button', { name: 'Back' }));
  expect(screen.getByLabelText('Name of the system')).toHaveValue('Night shift');
});

// Sabotage: ask for no backup without saying what that costs.
test('later is explicit and says what it costs', async () => {
  const { user, mock } = openApp('state=empty');
  await user.click(await screen.findByRole('button', { name: 'Create a new system' }));
  await user.type(screen.getByLabelText('Name of the system'), 'Night shift');
  await user.click(screen.getByRole('button', { name: 'Next' }));
  await user.click(screen.getByRole('button', { name: 'Next' }));
  await user.click(screen.getByRole('radio', { name: 'Later' }));
  expect(screen.getByText(/everything sealed on it is lost/)).toBeVisible();
  await user.click(screen.getByRole('button', { name: 'Create without a backup' }));
  expect(await screen.findByText(/without a backup$/)).toBeVisible();
  expect(mock.calls.find((request) => request.act === 'init')).toMatchObject({ backup: { when: 'later' } });
});

// Sabotage: ask for the passphrase before the header is read.
test('restore shows the header before it asks for the passphrase, and a wrong one keeps the form', async () => {
  const { user } = openApp('state=empty');
  await user.click(await screen.findByRole('button', { name: 'Restore a backup' }));
  expect(screen.queryByLabelText('Backup passphrase')).toBeNull();
  await user.click(screen.getByRole('button', { name: 'Choose backup file…' }));
  expect(await screen.findByText('Halden Trading')).toBeVisible();
  await user.type(screen.getByLabelText('Backup passphrase'), 'wrong');
  await user.click(screen.getByRole('button', { name: 'Next' }));
  await user.click(screen.getByRole('button', { name: 'Restore' }));
  expect(await screen.findByRole('alert')).toHaveTextContent('does not open this backup');
  await user.click(screen.getByRole('button', { name: 'Back' }));
  await user.clear(screen.getByLabelText('Backup passphrase'));
  await user.type(screen.getByLabelText('Backup passphrase'), 'right');
  await user.click(screen.getByRole('button', { name: 'Next' }));
  await user.click(screen.getByRole('button', { name: 'Restore' }));
  const done = await screen.findByRole('status');
  expect(within(done).getByText('Halden Trading is restored')).toBeVisible();
});

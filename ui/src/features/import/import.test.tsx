import { act, screen, within } from '@testing-library/react';
import { expect, test, vi } from 'vitest';

import { openApp } from '../../test/open';

// Sabotage: import when the plan is made, or stop at the first file that can't be read.
test('a dropped file that can’t be read says where, and does not stop the good one', async () => {
  const { user, mock } = openApp();
  const imports = vi.spyOn(mock, 'importFiles');
  await screen.findByRole('navigation', { name: 'Screens' });
  act(() => mock.drop(['Halden.Broken.BindingInfo.xml', 'Halden.Returns.BindingInfo.xml']));
  const files = await screen.findByRole('list', { name: 'Files' });
  expect(await within(files).findByText(/line 214, column 7/)).toBeVisible();
  expect(await within(files).findByText(/2 new, 1 changed, 0 unchanged/)).toBeVisible();
  await user.click(screen.getByRole('button', { name: 'Next' }));
  expect(await screen.findByText('2 secrets will be missing after the import')).toBeVisible();
  await user.click(screen.getByRole('button', { name: 'Next' }));
  await user.click(await screen.findByRole('row', { name: /SendOrderArchive/ }));
  expect(await screen.findByRole('list', { name: 'Changes' })).toHaveTextContent('files2.halden.example');
  expect(imports.mock.calls.map(([, dryRun]) => dryRun)).toEqual([true, true, true]);
  await user.click(screen.getByRole('button', { name: 'Import 3 ports' }));
  await user.click(await screen.findByRole('button', { name: 'Fill 2 missing secrets' }));
  expect(await screen.findByLabelText('Password of SendCreditNotes')).toBeVisible();
});

/** Sabotage: take files only while there is a system, in the handler. */
test('files that are dropped before the first status wait for it', async () => {
  const { mock } = openApp();
  act(() => mock.drop(['Halden.Returns.BindingInfo.xml']));
  expect(screen.queryByRole('navigation', { name: 'Screens' })).toBeNull();
  const files = await screen.findByRole('list', { name: 'Files' });
  expect(await within(files).findByText(/2 new, 1 changed, 0 unchanged/)).toBeVisible();
  // One more, dropped on the import itself, comes beside it.
  act(() => mock.drop(['Halden.Broken.BindingInfo.xml']));
  expect(await within(files).findByText(/line 214, column 7/)).toBeVisible();
  expect(within(files).getByText(/2 new, 1 changed, 0 unchanged/)).toBeVisible();
});

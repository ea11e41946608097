import { screen, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import { openApp } from '../../test/open';

// Sabotage: send the value that is set already, or leave the title out of SWITCHES.
test('what is on or off is switched in one press', async () => {
  const { user, mock } = openApp();
  await user.click(await screen.findByRole('link', { name: 'Settings' }));
  const group = await screen.findByRole('radiogroup', { name: 'Notifications of the desktop' });
  expect(within(group).getByRole('radio', { name: 'On' })).toBeChecked();
  await user.click(within(group).getByRole('radio', { name: 'On' }));
  expect(mock.calls.filter((request) => request.act === 'config_set')).toHaveLength(0);
  await user.click(within(group).getByRole('radio', { name: 'Off' }));
  expect(await screen.findByText('Notifications of the desktop is set.')).toBeVisible();
  expect(mock.calls).toContainEqual({ act: 'config_set', key: 'notifications', value: 'off' });
  expect(within(screen.getByRole('radiogroup', { name: 'Notifications of the desktop' })).getByRole('radio', { name: 'Off' })).toBeChecked();
});

import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import { openApp } from '../../test/open';

async function openMissing() {
  const app = openApp();
  await app.user.click(await screen.findByRole('link', { name: /Missing secrets/ }));
  await screen.findByLabelText('Password of SendPayroll');
  return app;
}

// Sabotage: send a request for each secret, so that some could be written and others not.
test('a pasted column fills downward, and what is filled is saved at once', async () => {
  const { user, mock, container } = await openMissing();
  const inputs = [...container.querySelectorAll<HTMLInputElement>('input[type="password"]')];
  fireEvent.paste(inputs[0]!, { clipboardData: { getData: () => 'one\r\ntwo\r\nthree\r\n' } });
  expect(inputs.slice(0, 4).map((input) => input.value)).toEqual(['one', 'two', 'three', '']);
  await user.click(screen.getByRole('button', { name: 'Review 3 secrets' }));
  await user.click(within(await screen.findByRole('dialog')).getByRole('button', { name: 'Save' }));
  expect(await screen.findByText(/3 secrets filled in 3 ports. 3 still missing/)).toBeVisible();
  const fills = mock.calls.filter((request) => request.act === 'port_fill');
  expect(fills).toHaveLength(1);
  expect(fills[0]).toMatchObject({ dry_run: false, rows: [{ value: 'one' }, { value: 'two' }, { value: 'three' }] });
});

test('a secret that another filled in leaves the queue', async () => {
  const { user, mock } = await openMissing();
  await user.type(screen.getByLabelText('Password of SendPayroll'), 'x');
  const row = (await mock.call({ act: 'port_missing' })) as unknown as { missing: { port: string; application: string; property: string; name: string }[] };
  const payroll = row.missing.find((one) => one.name === 'SendPayroll')!;
  await mock.call({ act: 'port_fill', dry_run: false, rows: [{ ...payroll, user: '', value: 'by another' }] }).catch(() => undefined);
  await waitFor(() => expect(screen.queryByLabelText('Password of SendPayroll')).toBeNull());
});

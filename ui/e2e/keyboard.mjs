// The main ways without a pointer.

import { strict as assert } from 'node:assert';

const focused = (page) => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim() ?? '');

/** Presses Tab until the focus is on something of that name. */
async function tabTo(page, name, key = 'Tab') {
  for (let step = 0; step < 60; step += 1) {
    const here = await page.evaluate(() => {
      const element = document.activeElement;
      const label = element?.id ? document.querySelector(`label[for="${element.id}"]`)?.textContent : null;
      return [element?.getAttribute('aria-label'), label, element?.textContent?.trim()].filter(Boolean);
    });
    if (here.some((text) => (name instanceof RegExp ? name.test(text) : text === name))) return;
    await page.keyboard.press(key);
  }
  throw new Error(`Tab never reached ${name}; the focus is on "${await focused(page)}"`);
}

export const keyboardWalks = [
  [
    'first run',
    { query: '?state=empty' },
    async (page) => {
      await tabTo(page, 'Create a new system');
      await page.keyboard.press('Enter');
      await tabTo(page, 'Name of the system');
      await page.keyboard.type('Night shift');
      await page.keyboard.press('Enter');
      await tabTo(page, 'Next');
      await page.keyboard.press('Enter');
      await tabTo(page, 'Choose backup file…');
      await page.keyboard.press('Enter');
      await tabTo(page, 'Backup passphrase');
      await page.keyboard.type('long river stone bridge');
      await tabTo(page, 'Backup passphrase again');
      await page.keyboard.type('long river stone bridge');
      await tabTo(page, 'Create and back up');
      await page.keyboard.press('Enter');
      await page.getByText(/Backed up and proven/).waitFor();
      await tabTo(page, 'Import a binding file');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Import' }).waitFor();
    },
  ],
  [
    'grid, edit, review, revert',
    {},
    async (page) => {
      await page.keyboard.press('Control+2');
      await page.getByRole('row', { name: /SendPayroll/ }).waitFor();
      await page.keyboard.press('Control+f');
      await page.keyboard.type('archive');
      await page.getByText(/^1 port,/).waitFor();
      await page.keyboard.press('ArrowDown');
      await page.waitForFunction(() => document.activeElement?.getAttribute('role') === 'row');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'SendOrderArchive', exact: true }).waitFor();
      await page.keyboard.press('F2');
      await page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Description');
      await page.keyboard.type('Kept ten years');
      await page.keyboard.press('Control+s');
      await page.getByRole('dialog').getByText('Kept ten years').waitFor();
      await tabTo(page, 'Save');
      await page.keyboard.press('Enter');
      await page.getByText('is saved as revision 2').waitFor();
      await page.keyboard.press('Control+h');
      await tabTo(page, 'Revert to revision 1');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor();
      await tabTo(page, 'Revert');
      await page.keyboard.press('Enter');
      await page.getByText('is as it was in revision 1').waitFor();
      await page.getByText('current').waitFor();
    },
  ],
  [
    'a long list',
    { query: '?ports=10000' },
    async (page) => {
      await page.keyboard.press('Control+2');
      await page.getByText(/10,000 ports/).waitFor();
      await page.keyboard.press('Control+f');
      await page.keyboard.press('ArrowDown');
      await page.waitForFunction(() => document.activeElement?.getAttribute('role') === 'row');
      await page.keyboard.press('End');
      await page.waitForFunction(() => document.activeElement?.getAttribute('aria-rowindex') === '10001' && !document.activeElement.textContent.includes('Reading'));
      await page.keyboard.press('PageUp');
      await page.waitForFunction(() => Number(document.activeElement?.getAttribute('aria-rowindex')) < 10000);
      await page.keyboard.press('Home');
      await page.waitForFunction(() => document.activeElement?.getAttribute('aria-rowindex') === '2');
      const rows = await page.evaluate(() => document.querySelectorAll('[role="grid"] [role="row"]').length);
      assert(rows < 100, `${rows} rows are drawn; only those in sight should be`);
      const stops = await page.evaluate(() => document.querySelectorAll('[role="grid"] [tabindex="0"]').length);
      assert.equal(stops, 1, 'the grid has one tab stop');
    },
  ],
  [
    'reveal while Space is held',
    {},
    async (page) => {
      await page.keyboard.press('Control+2');
      await page.getByRole('row', { name: /SendOrders_SAP/ }).waitFor();
      await page.keyboard.press('Control+f');
      await page.keyboard.type('SendOrders_SAP');
      await page.getByText(/^1 port,/).waitFor();
      await page.keyboard.press('ArrowDown');
      await page.waitForFunction(() => document.activeElement?.getAttribute('role') === 'row');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'SendOrders_SAP', exact: true }).waitFor();
      await tabTo(page, 'Hold to reveal Password');
      await page.keyboard.down('Space');
      await page.getByText('n0rth-Quay').waitFor();
      await page.keyboard.up('Space');
      await page.getByText('n0rth-Quay').waitFor({ state: 'detached' });
      await page.keyboard.down('Space');
      await page.getByText('n0rth-Quay').waitFor();
      await page.keyboard.press('Tab');
      await page.getByText('n0rth-Quay').waitFor({ state: 'detached' });
    },
  ],
  [
    'palette opens a port',
    {},
    async (page) => {
      await page.keyboard.press('Control+k');
      await page.keyboard.type('payroll');
      await page.getByRole('option', { name: /SendPayroll/ }).waitFor();
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'SendPayroll', exact: true }).waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('heading', { name: 'SendPayroll', exact: true }).waitFor({ state: 'detached' });
      await page.keyboard.press('F6');
      await page.keyboard.press('F6');
      assert.notEqual(await focused(page), '', 'F6 moves the focus to a pane');
    },
  ],
  [
    'backup dialog keeps and gives back the focus',
    {},
    async (page) => {
      await page.keyboard.press('Control+5');
      await tabTo(page, 'Back up now…');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog', { name: 'Back up now' }).waitFor();
      for (let step = 0; step < 12; step += 1) {
        await page.keyboard.press('Tab');
        assert(await page.evaluate(() => document.activeElement?.closest('[role="dialog"]') !== null), 'the focus left the dialog');
      }
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await page.waitForFunction(() => document.activeElement?.textContent?.includes('Back up now…'));
    },
  ],
  [
    'nodes: picture, list, invite, revoke',
    { query: '?fleet=5' },
    async (page) => {
      await page.getByRole('group', { name: 'Picture of the nodes' }).waitFor();
      await tabTo(page, /^HUB-3.*Standby, last sync/);
      await page.keyboard.press('ArrowDown');
      assert.match(await focused(page), /^EDGE-OSLO.*Processing/);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Nodes', exact: true }).waitFor();
      await tabTo(page, 'Invite a node…');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor();
      await page.keyboard.type('HUB-9');
      await tabTo(page, 'Make the token');
      await page.keyboard.press('Enter');
      await page.getByText('This token is shown once').waitFor();
      await tabTo(page, 'Done');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await tabTo(page, 'Revoke EDGE-OSLO');
      await page.keyboard.press('Enter');
      await page.getByRole('alertdialog').waitFor();
      await page.keyboard.type('EDGE-OSLO');
      await page.keyboard.press('Enter');
      await page.getByText('EDGE-OSLO is revoked.').waitFor();
    },
  ],
  [
    'promote in an emergency',
    { query: '?node=degraded' },
    async (page) => {
      await page.getByRole('alert').waitFor();
      await tabTo(page, 'Promote…');
      await page.keyboard.press('Enter');
      await page.getByText('What will happen').waitFor();
      await tabTo(page, 'Type HUB-1 to promote it');
      await page.keyboard.type('HUB-1');
      await page.keyboard.press('Enter');
      await page.getByText(/HUB-1 is the master\. It took over/).waitFor();
      await tabTo(page, 'Done');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Nodes', exact: true }).waitFor();
    },
  ],
  [
    'palette leads to a promotion, which can be left',
    { query: '?node=synced' },
    async (page) => {
      await page.keyboard.press('Control+k');
      await page.keyboard.type('promote');
      await page.getByRole('option', { name: /Promote a node to master/ }).waitFor();
      await page.keyboard.press('Enter');
      await page.getByText('What will happen').waitFor();
      await tabTo(page, 'Cancel');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Nodes', exact: true }).waitFor();
    },
  ],
  [
    'stranded changes: compare, accept, discard',
    { query: '?node=synced&stranded=1' },
    async (page) => {
      await tabTo(page, 'Compare');
      await page.keyboard.press('Enter');
      await tabTo(page, 'Compare SendPayroll');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').getByText('It was changed here too').waitFor();
      await tabTo(page, 'Accept as revision 2');
      await page.keyboard.press('Enter');
      await page.getByText('2 left').waitFor();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await tabTo(page, 'Discard all…', 'Shift+Tab');
      await page.keyboard.press('Enter');
      await page.getByRole('alertdialog').waitFor();
      await tabTo(page, 'Discard all');
      await page.keyboard.press('Enter');
      await page.getByText('All of them are settled').waitFor();
    },
  ],
  [
    'rotate the master secret, pause, cancel',
    { query: '?fleet=5' },
    async (page) => {
      await page.keyboard.press('Control+k');
      await page.keyboard.type('rotate');
      await page.getByRole('option', { name: /Rotate the master secret/ }).waitFor();
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor();
      await tabTo(page, 'Choose backup file…');
      await page.keyboard.press('Enter');
      await tabTo(page, 'Backup passphrase');
      await page.keyboard.type('long river stone bridge');
      await tabTo(page, 'Backup passphrase again');
      await page.keyboard.type('long river stone bridge');
      await tabTo(page, 'Back up and rotate');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Rotation to version 2' }).waitFor();
      await tabTo(page, 'Pause');
      await page.keyboard.press('Enter');
      await tabTo(page, 'Cancel the rotation…');
      await page.keyboard.press('Enter');
      await page.getByRole('alertdialog').waitFor();
      await tabTo(page, 'Cancel the rotation');
      await page.keyboard.press('Enter');
      await page.getByText('was cancelled').waitFor();
    },
  ],
  [
    'join',
    { query: '?state=empty' },
    async (page) => {
      await tabTo(page, 'Join a master');
      await page.keyboard.press('Enter');
      await tabTo(page, 'Address of the master');
      await page.keyboard.type('https://hub-2:7410');
      await tabTo(page, 'Token');
      await page.keyboard.type('sealport-join-1.abc');
      await page.keyboard.press('Enter');
      await tabTo(page, 'Join');
      await page.keyboard.press('Enter');
      await page.getByText('has joined Halden Trading').waitFor();
    },
  ],
  [
    'paste fills missing secrets downward',
    {},
    async (page) => {
      await page.keyboard.press('Control+4');
      const first = page.locator('input[type="password"]').first();
      await first.waitFor();
      await first.focus();
      await page.evaluate(() => {
        const data = new DataTransfer();
        data.setData('text/plain', 'one\ntwo\nthree\n');
        document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
      });
      await tabTo(page, 'Review 3 secrets', 'Shift+Tab');
      await page.keyboard.press('Enter');
      await tabTo(page, 'Save');
      await page.keyboard.press('Enter');
      await page.getByText(/3 secrets filled/).waitFor();
    },
  ],
];

// The screens and states to look at, and the way to each.

import { turning } from './turning.mjs';
import { button, fillPassphrase, goTo } from './ways.mjs';

async function toBackupStep(page) {
  await button(page, 'Create a new system').click();
  await page.getByLabel('Name of the system').fill('Integration production');
  await button(page, 'Next').click();
  await button(page, 'Next').click();
}

async function openPort(page, name) {
  await goTo('Ports')(page);
  await page.getByRole('row', { name: new RegExp(name) }).click();
  await page.getByRole('heading', { name, exact: true }).waitFor();
}

async function readImport(page) {
  await goTo('Import')(page);
  await button(page, 'Choose files…').click();
  await page.getByText('2 new, 1 changed').waitFor();
}

export const screens = [
  { name: '01-first-run', query: '?state=empty' },
  { name: '02-create-name', query: '?state=empty', walk: async (page) => button(page, 'Create a new system').click() },
  {
    name: '03-create-custody',
    query: '?state=empty',
    walk: async (page) => {
      await button(page, 'Create a new system').click();
      await page.getByLabel('Name of the system').fill('Integration production');
      await button(page, 'Next').click();
      await page.getByRole('radio', { name: 'A file sealed under a passphrase' }).locator('xpath=ancestor-or-self::label').click();
      await page.getByLabel('Custody passphrase', { exact: true }).waitFor();
    },
  },
  {
    name: '04-create-backup',
    query: '?state=empty',
    walk: async (page) => {
      await toBackupStep(page);
      await button(page, 'Choose backup file…').click();
      await fillPassphrase(page);
    },
  },
  {
    name: '05-create-working',
    query: '?state=empty&delay=6000',
    walk: async (page) => {
      await toBackupStep(page);
      await button(page, 'Choose backup file…').click();
      await fillPassphrase(page);
      await button(page, 'Create and back up').click();
      await page.getByRole('progressbar').waitFor();
    },
    slow: true,
  },
  {
    name: '06-create-done',
    query: '?state=empty',
    walk: async (page) => {
      await toBackupStep(page);
      await button(page, 'Choose backup file…').click();
      await fillPassphrase(page);
      await button(page, 'Create and back up').click();
      await page.getByText(/Backed up and proven/).waitFor();
    },
  },
  {
    name: '07-restore-header',
    query: '?state=empty',
    walk: async (page) => {
      await button(page, 'Restore a backup').click();
      await button(page, 'Choose backup file…').click();
      await page.getByText('Halden Trading').waitFor();
    },
  },
  {
    name: '08-restore-wrong',
    query: '?state=empty',
    walk: async (page) => {
      await button(page, 'Restore a backup').click();
      await button(page, 'Choose backup file…').click();
      await page.getByLabel('Backup passphrase').fill('wrong');
      await button(page, 'Next').click();
      await button(page, 'Restore').click();
      await page.getByText('does not open this backup').waitFor();
    },
  },
  { name: '10-overview', walk: async (page) => page.getByText('port.import').first().waitFor() },
  { name: '11-overview-later', query: '?state=later', walk: async (page) => page.getByText('No proven backup.', { exact: true }).waitFor() },
  { name: '12-overview-locked', query: '?state=locked', walk: async (page) => page.getByRole('alert').waitFor() },
  { name: '17-custody-locked', query: '?locked=custody_locked', walk: async (page) => { await page.getByLabel('Custody passphrase').fill('wrong'); await button(page, 'Unlock').click(); await page.getByText('The passphrase is wrong.').waitFor(); } },
  {
    name: '18-closing',
    query: '?node=degraded',
    walk: async (page) => {
      await page.getByRole('link', { name: /Missing secrets/ }).click();
      await page.getByLabel('Password of SendPayroll').fill('only here');
      await page.keyboard.press('Control+q');
      await page.getByRole('alertdialog').getByText('Nothing can be sealed now').waitFor();
    },
  },
  { name: '13-overview-small', size: [1024, 700], walk: async (page) => page.getByText('port.import').first().waitFor() },
  {
    name: '14-sample',
    query: '?state=empty',
    walk: async (page) => {
      await button(page, 'Explore with sample data').click();
      await page.getByText('nothing is kept').waitFor();
    },
  },
  {
    name: '15-palette',
    walk: async (page) => {
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox').fill('sap');
      await page.getByRole('option', { name: /SendOrders_SAP/ }).waitFor();
    },
  },
  { name: '16-shortcuts', walk: async (page) => { await page.keyboard.press('?'); await page.getByRole('dialog').waitFor(); } },
  { name: '20-ports', walk: async (page) => { await goTo('Ports')(page); await page.getByRole('row', { name: /SendPayroll/ }).waitFor(); } },
  { name: '21-ports-10000', query: '?ports=10000', walk: async (page) => { await goTo('Ports')(page); await page.getByText(/10,000 ports/).waitFor(); } },
  { name: '22-port-details', walk: async (page) => openPort(page, 'SendOrders_SAP') },
  { name: '221-port-filter', walk: async (page) => { await openPort(page, 'ReceiveOrders'); await page.getByLabel('Filter properties').fill('name'); await page.getByText(/ of \d+$/).first().waitFor(); } },
  { name: '222-port-unfolded', walk: async (page) => { await openPort(page, 'SendInvoices_EDI'); await button(page, 'Unfold the sections').click(); await page.getByLabel('Statement Value', { exact: true }).waitFor(); } },
  { name: '23-port-details-small', size: [1024, 700], walk: async (page) => openPort(page, 'SendOrderResponse_FTP') },
  {
    name: '24-port-draft',
    walk: async (page) => {
      await openPort(page, 'SendOrders_SAP');
      await page.getByLabel('RetryCount', { exact: true }).fill('5');
      await button(page, 'Change Password').click();
      await page.getByLabel('New Password').fill('harbour-lights-9');
      await page.getByText('2 unsaved changes').waitFor();
    },
  },
  {
    name: '25-port-review',
    walk: async (page) => {
      await openPort(page, 'SendOrders_SAP');
      await page.getByLabel('RetryCount', { exact: true }).fill('5');
      await button(page, 'Change Password').click();
      await page.getByLabel('New Password').fill('harbour-lights-9');
      await button(page, 'Review 2 changes').click();
      await page.getByRole('dialog').getByText('RetryCount').waitFor();
    },
  },
  {
    name: '26-port-conflict',
    walk: async (page) => {
      await openPort(page, 'SendOrders_SAP');
      await page.getByLabel('RetryCount', { exact: true }).fill('5');
      await page.evaluate(async () => {
        const answer = await window.sealportMock.call({ act: 'port_show', port: 'SendOrders_SAP', revision: null });
        await window.sealportMock.call({ act: 'port_set', port: answer.id, changes: [{ path: 'Description', value: 'by another' }], if_revision: null, if_imprint: null, note: null, dry_run: false });
      });
      await page.getByText('on an older revision').waitFor();
      await button(page, 'Review 1 change').click();
      await button(page, 'Reload and keep my changes').waitFor();
    },
  },
  {
    name: '27-port-history',
    walk: async (page) => {
      await openPort(page, 'SendOrders_SAP');
      await page.getByLabel('RetryCount', { exact: true }).fill('5');
      await page.keyboard.press('Control+s');
      await page.getByRole('dialog').getByLabel('Note').fill('SAP is slow on Mondays');
      await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
      await page.getByText('is saved as revision 2').waitFor();
      await page.getByRole('tab', { name: 'History' }).click();
      await page.getByRole('list', { name: /Changes from revision/ }).waitFor();
    },
  },
  { name: '28-port-activity', walk: async (page) => { await openPort(page, 'SendOrders_SAP'); await page.getByRole('tab', { name: 'Activity' }).click(); await page.getByText('Open in Activity').waitFor(); } },
  { name: '29-port-cli', walk: async (page) => { await openPort(page, 'SendOrders_SAP'); await page.getByRole('tab', { name: 'CLI' }).click(); await page.getByText(/sealport port show/).waitFor(); } },
  { name: '30-ports-none', walk: async (page) => { await goTo('Ports')(page); await page.getByLabel('Search ports').fill('zzz'); await page.getByText('Nothing fits').waitFor(); } },
  { name: '31-ports-empty', query: '?state=empty', walk: async (page) => { await toBackupStep(page); await page.getByRole('radio', { name: 'Later' }).locator('xpath=ancestor-or-self::label').click(); await button(page, 'Create without a backup').click(); await button(page, 'Go to overview').click(); await goTo('Ports')(page); await page.getByText('No ports yet').waitFor(); } },
  { name: '32-ports-fault', query: '?fail=port_list#/ports', walk: async (page) => { await page.getByRole('alert').waitFor(); } },
  { name: '33-export', walk: async (page) => { await goTo('Ports')(page); await button(page, 'Export…').click(); await button(page, 'Choose folder…').click(); await button(page, 'Export').click(); await page.getByText('files written').waitFor(); } },
  { name: '40-import', walk: goTo('Import') },
  { name: '41-import-dragging', walk: async (page) => { await goTo('Import')(page); await page.evaluate(() => window.sealportMock.drag(true)); await page.getByText('Drop to read').waitFor(); } },
  {
    name: '42-import-read',
    walk: async (page) => {
      await readImport(page);
      await page.evaluate(() => window.sealportMock.drop(['Halden.Broken.BindingInfo.xml']));
      await page.getByText(/line 214, column 7/).first().waitFor();
    },
  },
  { name: '43-import-secrets', walk: async (page) => { await readImport(page); await button(page, 'Next').click(); await page.getByText('2 secrets will be missing').waitFor(); } },
  { name: '44-import-review', walk: async (page) => { await readImport(page); await button(page, 'Next').click(); await button(page, 'Next').click(); await page.getByRole('row', { name: /SendOrderArchive/ }).click(); await page.getByRole('list', { name: 'Changes' }).waitFor(); } },
  { name: '45-import-done', walk: async (page) => { await readImport(page); await button(page, 'Next').click(); await button(page, 'Next').click(); await button(page, 'Import 3 ports').click(); await button(page, 'Fill 2 missing secrets').waitFor(); } },
  { name: '50-missing', walk: async (page) => { await goTo(/Missing secrets/)(page); await page.getByLabel('Password of SendPayroll').waitFor(); } },
  { name: '51-missing-review', walk: async (page) => { await goTo(/Missing secrets/)(page); await page.getByLabel('Password of SendPayroll').fill('x1'); await page.getByLabel('Password of SendInvoices_EDI').fill('x2'); await button(page, 'Review 2 secrets').click(); await page.getByRole('dialog').waitFor(); } },
  { name: '60-master', walk: async (page) => { await goTo(/Master secret/)(page); await page.getByText('PROVEN', { exact: true }).waitFor(); } },
  { name: '61-master-none', query: '?state=later', walk: async (page) => { await goTo(/Master secret/)(page); await page.getByText('No backup yet').waitFor(); } },
  { name: '62-backup-dialog', walk: async (page) => { await page.keyboard.press('Control+b'); await button(page, 'Choose backup file…').click(); await fillPassphrase(page); } },
  { name: '63-backup-done', walk: async (page) => { await page.keyboard.press('Control+b'); await button(page, 'Choose backup file…').click(); await fillPassphrase(page); await button(page, 'Back up and prove').click(); await page.getByText(/Backed up and proven/).waitFor(); } },
  { name: '64-drill-done', walk: async (page) => { await goTo(/Master secret/)(page); await button(page, 'Drill a backup…').click(); await button(page, 'Choose backup file…').click(); await page.getByLabel('Backup passphrase').fill('right'); await button(page, 'Drill').click(); await page.getByText(/This backup restores/).waitFor(); } },
  { name: '70-activity', walk: async (page) => { await goTo('Activity')(page); await page.getByText(/Chain holds/).waitFor(); } },
  { name: '80-settings', walk: async (page) => { await goTo('Settings')(page); await page.getByLabel('Sync interval', { exact: true }).waitFor(); } },
  {
    name: '81-settings-refused',
    walk: async (page) => {
      await goTo('Settings')(page);
      await page.getByLabel('Listen address', { exact: true }).fill('0.0.0.0:7410');
      await button(page, 'Save Listen address').click();
      await page.getByText('changed', { exact: true }).waitFor();
      await page.getByLabel('Sync interval', { exact: true }).fill('soon');
      await button(page, 'Save Sync interval').click();
      await page.getByRole('alert').scrollIntoViewIfNeeded();
    },
  },
  { name: '90-nodes', query: '?fleet=5', walk: async (page) => { await goTo('Nodes')(page); await page.getByText('All 5 nodes agree').waitFor(); } },
  { name: '901-nodes-one', walk: async (page) => { await goTo('Nodes')(page); await page.getByText('Add a second').waitFor(); } },
  { name: '902-nodes-small', query: '?fleet=5', size: [1024, 700], walk: async (page) => { await goTo('Nodes')(page); await page.getByText('All 5 nodes agree').waitFor(); } },
  { name: '91-invite', query: '?fleet=5', walk: async (page) => { await goTo('Nodes')(page); await button(page, 'Invite a node…').click(); await page.getByLabel('Name of the node').fill('HUB-9'); } },
  {
    name: '92-invite-token',
    query: '?fleet=5',
    walk: async (page) => {
      await goTo('Nodes')(page);
      await button(page, 'Invite a node…').click();
      await page.getByLabel('Name of the node').fill('HUB-9');
      await button(page, 'Make the token').click();
      await page.getByText('This token is shown once').waitFor();
    },
  },
  { name: '93-rename', query: '?fleet=5', walk: async (page) => { await goTo('Nodes')(page); await button(page, 'Rename HUB-1').click(); await page.getByRole('dialog').waitFor(); } },
  { name: '94-revoke', query: '?fleet=5', walk: async (page) => { await goTo('Nodes')(page); await button(page, 'Revoke EDGE-OSLO').click(); await page.getByLabel('Type EDGE-OSLO to revoke it').fill('EDGE'); } },
  { name: '941-revoked', query: '?fleet=5', walk: async (page) => { await goTo('Nodes')(page); await button(page, 'Revoke EDGE-OSLO').click(); await page.getByLabel('Type EDGE-OSLO to revoke it').fill('EDGE-OSLO'); await button(page, 'Revoke').click(); await page.getByText('EDGE-OSLO is revoked.').waitFor(); await page.getByText('All 4 nodes agree').waitFor(); } },
  { name: '95-overview-fleet', query: '?fleet=5', walk: async (page) => page.getByRole('group', { name: 'Picture of the nodes' }).waitFor() },
  { name: '951-overview-list', query: '?fleet=5', walk: async (page) => { await page.getByRole('radio', { name: 'List' }).click(); await page.getByRole('table', { name: 'Nodes of the system' }).waitFor(); } },
  { name: '952-overview-fleet-small', query: '?fleet=5', size: [1024, 700], walk: async (page) => page.getByRole('table', { name: 'Nodes of the system' }).waitFor() },
  ...['degraded', 'stale', 'fenced', 'starting', 'synced'].flatMap((state) => [
    { name: `96-${state}-overview`, query: `?node=${state}`, walk: async (page) => page.getByText(/^(All|The master|\d of)/).first().waitFor() },
    { name: `97-${state}-nodes`, query: `?node=${state}`, walk: async (page) => { await goTo('Nodes')(page); await page.getByRole('table').waitFor(); } },
  ]),
  { name: '971-copy', query: '?node=cloned', walk: async (page) => page.getByRole('alert').getByText(/Another machine is this node/).waitFor() },
  {
    name: '972-copy-separate',
    query: '?node=cloned',
    walk: async (page) => {
      await button(page, 'Make it a system of its own…').click();
      await page.getByLabel('Name of the new system').fill('Halden Test');
      await page.getByLabel('Type Halden Test to separate it').fill('Halden');
    },
  },
  {
    name: '973-separated',
    query: '?node=cloned',
    walk: async (page) => {
      await button(page, 'Make it a system of its own…').click();
      await page.getByLabel('Name of the new system').fill('Halden Test');
      await page.getByLabel('Type Halden Test to separate it').fill('Halden Test');
      await button(page, 'Separate').click();
      await page.getByText('This is the system Halden Test now.').waitFor();
    },
  },
  {
    name: '98-degraded-draft',
    query: '?node=synced',
    walk: async (page) => {
      await openPort(page, 'SendOrders_SAP');
      await page.getByLabel('RetryCount', { exact: true }).fill('5');
      await page.evaluate(() => window.sealportMock.turn('degraded', 20));
      await page.getByRole('alert').waitFor();
      await button(page, 'Review 1 change').click();
      await page.getByRole('dialog').getByText('kept here as a draft').waitFor();
    },
  },
  {
    name: '981-refused-save',
    query: '?node=synced',
    walk: async (page) => {
      await openPort(page, 'SendOrders_SAP');
      await page.getByLabel('RetryCount', { exact: true }).fill('5');
      await button(page, 'Review 1 change').click();
      await page.getByRole('dialog').getByText('RetryCount').waitFor();
      await page.evaluate(() => window.sealportMock.fleet.turn('degraded', 2));
      await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
      await page.getByText('Nothing was saved').waitFor();
    },
  },
  { name: '99-join', query: '?state=empty', walk: async (page) => { await button(page, 'Join a master').click(); await page.getByLabel('Address of the master').fill('hub-2'); } },
  {
    name: '991-join-custody',
    query: '?state=empty',
    walk: async (page) => {
      await button(page, 'Join a master').click();
      await page.getByLabel('Address of the master').fill('hub-2:7410');
      await page.getByLabel('Token').fill('sealport-join-1.abc');
      await button(page, 'Next').click();
      await page.getByText('Advanced').click();
    },
  },
  {
    name: '992-joined',
    query: '?state=empty',
    walk: async (page) => {
      await button(page, 'Join a master').click();
      await page.getByLabel('Address of the master').fill('hub-2:7410');
      await page.getByLabel('Token').fill('sealport-join-1.abc');
      await button(page, 'Next').click();
      await button(page, 'Join').click();
      await page.getByText('has joined Halden Trading').waitFor();
    },
  },
  ...turning,
];

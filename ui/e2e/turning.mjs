// A change of master, what it strands, and a rotation: every state to look at.

import { button, fillPassphrase, goTo } from './ways.mjs';

const narrow = [1024, 700];
const lost = '?node=degraded';

async function toPromote(page) {
  await page.getByRole('alert').getByRole('button', { name: 'Promote…' }).click();
  await page.getByText('What will happen').waitFor();
}

async function promoteInAnEmergency(page, name = 'HUB-1') {
  await toPromote(page);
  await page.getByLabel(`Type ${name} to promote it`).fill(name);
  await button(page, `Promote ${name} in an emergency`).click();
}

async function toPlanned(page) {
  await goTo('Nodes')(page);
  await button(page, 'Promote HUB-1').click();
  await page.getByText('What will happen').waitFor();
}

async function compare(page, name) {
  await page.getByRole('button', { name: 'Compare', exact: true }).click();
  await button(page, `Compare ${name}`).click();
  await page.getByRole('dialog').getByText(/There is no such port here|Primary transport/).first().waitFor();
}

async function toRotate(page) {
  await goTo(/Master secret/)(page);
  await button(page, 'Rotate…').click();
  await button(page, 'Choose backup file…').click();
  await fillPassphrase(page);
}

const rotation = (state, text, more = {}) => ({
  name: `B-rotation-${state}`,
  query: `?fleet=5&rotation=${state}`,
  walk: async (page) => {
    await goTo(/Master secret/)(page);
    await page.getByText(text).first().waitFor();
  },
  ...more,
});

export const turning = [
  { name: 'A-outage-promote', query: lost, walk: async (page) => page.getByRole('alert').getByRole('button', { name: 'Promote…' }).waitFor() },
  { name: 'A-promote-emergency', query: `${lost}&ahead=0`, size: [1440, 1000], walk: toPromote },
  { name: 'A-promote-narrow', query: lost, size: narrow, walk: toPromote },
  { name: 'A-promote-behind', query: `${lost}&ahead=2&promotion=old_backup,damaged`, size: [1440, 1000], walk: toPromote },
  { name: 'A-promote-forced', query: `${lost}&promotion=forced`, size: [1440, 1000], walk: toPromote },
  { name: 'A-promote-unreadable', query: `${lost}&ahead=0&promotion=unreadable`, size: [1440, 1000], walk: async (page) => { await toPromote(page); await page.getByText('14 parts would open nowhere').waitFor(); } },
  {
    name: 'A-promote-unreadable-agreed',
    query: `${lost}&ahead=0&promotion=unreadable`,
    walk: async (page) => {
      await toPromote(page);
      await page.getByText('Leave what is under version 1 unreadable').click();
      await page.getByLabel('Type HUB-1 to promote it').fill('HUB-1');
    },
  },
  { name: 'A-promote-failed', query: `${lost}&role=standby&promotion=no_secret`, walk: async (page) => { await toPromote(page); await page.getByText('can come from a backup').waitFor(); } },
  { name: 'A-promote-looking', query: `${lost}&delay=4000`, walk: async (page) => { await page.getByRole('alert').getByRole('button', { name: 'Promote…' }).click(); await page.getByText('Asking every node…').waitFor(); } },
  { name: 'A-promote-not-allowed', query: `${lost}&plain=1#/nodes?promote=`, walk: async (page) => page.getByText('This node may not promote').waitFor() },
  { name: 'A-promote-planned', query: '?node=synced', size: [1440, 1000], walk: toPlanned },
  { name: 'A-promote-typed', query: lost, walk: async (page) => { await toPromote(page); await page.getByLabel('Type HUB-1 to promote it').fill('HUB-1'); } },
  {
    name: 'A-promote-working',
    query: `${lost}&delay=1500`,
    walk: async (page) => {
      await promoteInAnEmergency(page);
      await page.getByRole('progressbar').waitFor();
    },
  },
  { name: 'A-promote-done', query: lost, walk: async (page) => { await promoteInAnEmergency(page); await page.getByText(/HUB-1 is the master\. It took over/).waitFor(); } },
  { name: 'A-promote-done-forced', query: `${lost}&promotion=forced`, size: narrow, walk: async (page) => { await promoteInAnEmergency(page); await page.getByText(/Forced: 1 of/).waitFor(); } },
  { name: 'A-promote-done-planned', query: '?node=synced', walk: async (page) => { await toPlanned(page); await button(page, 'Promote HUB-1').click(); await page.getByText(/HUB-1 is the master\. It took over/).waitFor(); } },
  {
    name: 'A-promote-overtaken',
    query: `${lost}&ahead=0`,
    walk: async (page) => {
      await toPromote(page);
      await page.evaluate(() => { window.sealportMock.promotion.faster = { node: 'DR-1', who: 'bo' }; });
      await page.getByLabel('Type HUB-1 to promote it').fill('HUB-1');
      await button(page, 'Promote HUB-1 in an emergency').click();
      await page.getByText('bo was faster').waitFor();
    },
  },
  {
    name: 'A-promote-backup',
    query: `${lost}#/nodes`,
    walk: async (page) => {
      await button(page, 'Promote admin-ws-07').click();
      await button(page, 'Choose backup file…').click();
      await page.getByText('The one in the red binder').first().waitFor();
      await page.getByLabel('Backup passphrase').fill('wrong');
      await button(page, 'Check whether admin-ws-07 can be the master').click();
      await page.getByText('does not open this backup').waitFor();
    },
  },
  {
    name: 'A-promote-backup-ready',
    query: `${lost}#/nodes`,
    walk: async (page) => {
      await button(page, 'Promote admin-ws-07').click();
      await button(page, 'Choose backup file…').click();
      await page.getByLabel('Backup passphrase').fill('right');
      await button(page, 'Check whether admin-ws-07 can be the master').click();
      await page.getByLabel('Type admin-ws-07 to promote it').waitFor();
    },
  },
  { name: 'A-stranded-banner', query: '?node=synced&stranded=1', walk: async (page) => page.getByText('3 stranded changes.').waitFor() },
  { name: 'A-stranded-list', query: '?node=synced&stranded=1', walk: async (page) => { await page.getByRole('button', { name: 'Compare', exact: true }).click(); await page.getByRole('row', { name: /SendPayroll/ }).waitFor(); } },
  { name: 'A-stranded-narrow', query: '?node=synced&stranded=1', size: narrow, walk: async (page) => { await page.getByRole('button', { name: 'Compare', exact: true }).click(); await page.getByRole('row', { name: /SendPayroll/ }).waitFor(); } },
  { name: 'A-stranded-compare', query: '?node=synced&stranded=1', walk: async (page) => compare(page, 'SendPayroll') },
  { name: 'A-stranded-new', query: '?node=synced&stranded=1', walk: async (page) => compare(page, 'SendReturns_ServiceBus') },
  { name: 'A-stranded-discard', query: '?node=synced&stranded=1', walk: async (page) => { await compare(page, 'SendOrders_SAP'); await button(page, 'Discard…').click(); await page.getByText('It is gone for good').waitFor(); } },
  { name: 'A-stranded-all', query: '?node=synced&stranded=1', walk: async (page) => { await page.getByRole('button', { name: 'Compare', exact: true }).click(); await button(page, 'Accept all…').click(); await page.getByRole('alertdialog').waitFor(); } },
  { name: 'A-stranded-settled', query: '?node=synced&stranded=1', walk: async (page) => { await page.getByRole('button', { name: 'Compare', exact: true }).click(); await button(page, 'Discard all…').click(); await page.getByRole('alertdialog').getByRole('button', { name: 'Discard all', exact: true }).click(); await page.getByText('All of them are settled').waitFor(); } },
  { name: 'B-rotate-dialog', query: '?fleet=5', walk: toRotate },
  { name: 'B-rotate-working', query: '?fleet=5&delay=1500', walk: async (page) => { await toRotate(page); await button(page, 'Back up and rotate').click(); await page.getByRole('progressbar').waitFor(); } },
  { name: 'B-rotate-begun', query: '?fleet=5', walk: async (page) => { await toRotate(page); await button(page, 'Back up and rotate').click(); await page.getByText(/of 5 nodes hold version 2/).waitFor(); } },
  rotation('prepared', 'It goes on once a backup'),
  rotation('waiting', 'Waiting for HUB-1'),
  rotation('resealing', /sealed under version 2/),
  rotation('paused', 'Nothing more is sealed anew', { size: narrow }),
  rotation('verifying', 'a sample of what was sealed anew'),
  rotation('done', 'Version 2 seals everything'),
  rotation('due', 'a new one is due'),
  { name: 'B-rotation-cancel', query: '?fleet=5&rotation=waiting', walk: async (page) => { await goTo(/Master secret/)(page); await button(page, 'Cancel the rotation…').click(); await page.getByRole('alertdialog').waitFor(); } },
  { name: 'B-rotation-cancelled', query: '?fleet=5&rotation=waiting', walk: async (page) => { await goTo(/Master secret/)(page); await button(page, 'Cancel the rotation…').click(); await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel the rotation', exact: true }).click(); await page.getByText('was cancelled').waitFor(); } },
  { name: 'B-rotation-member', query: '?node=synced&rotation=resealing', walk: async (page) => { await goTo(/Master secret/)(page); await page.getByText('rotate at HUB-2').waitFor(); } },
  { name: 'B-destroy', query: '?fleet=5&rotation=done', walk: async (page) => { await goTo(/Master secret/)(page); await button(page, 'Destroy version 1').click(); await page.getByLabel('Type Halden Trading to destroy version 1').fill('Halden'); } },
  { name: 'B-destroyed', query: '?fleet=5&rotation=done', walk: async (page) => { await goTo(/Master secret/)(page); await button(page, 'Destroy version 1').click(); await page.getByLabel('Type Halden Trading to destroy version 1').fill('Halden Trading'); await button(page, 'Destroy it').click(); await page.getByText('Version 1 is destroyed.').waitFor(); } },
  { name: 'B-overview-rotation', query: '?fleet=5&rotation=resealing', walk: async (page) => page.getByText(/Rotation, \d+ %/).waitFor() },
  { name: 'B-overview-former', query: lost, walk: async (page) => { await promoteInAnEmergency(page); await button(page, 'Done').click(); await page.evaluate(() => window.sealportMock.giveBack()); await goTo('Overview')(page); await page.getByText('HUB-2 stood down').waitFor(); } },
];

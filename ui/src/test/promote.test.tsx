// A change of master by click: what is shown before it, what it takes, who may, and what is told when it is refused.

import { act, screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import type { EvidenceView, NodeEntryView, PreflightView, StatusView } from '../platform';
import { aheadOf, commandOf, couldBeMissing, isForced, mayBePromoted, proposed, trueMode } from '../features/nodes/promotion';
import { openApp } from './open';

async function fromOutage(query = 'node=degraded&ahead=0') {
  const app = openApp(query);
  await app.user.click(within(await screen.findByRole('alert')).getByRole('button', { name: 'Promote…' }));
  await screen.findByText('What will happen');
  return app;
}

// Sabotage: send `expect_epoch: null`, or let the button act before the name is typed whole.
test('an emergency shows the evidence, takes the typed name, and compares the epoch that was seen', async () => {
  const { user, mock } = await fromOutage();
  expect(screen.getByRole('heading', { name: 'Promote HUB-1 to master' })).toBeVisible();
  expect(screen.getByText('Emergency')).toBeVisible();
  const silent = within(screen.getByRole('table', { name: 'Evidence of every node' })).getByRole('row', { name: /HUB-2/ });
  expect(silent).toHaveTextContent(/master until now.*Silent.*not known/);
  expect(screen.getByText(/What HUB-2 alone has written since it was last heard, 4 min/)).toBeVisible();
  expect(screen.getByText('2 of 3 voters can agree: a majority.')).toBeVisible();
  const promote = screen.getByRole('button', { name: 'Promote HUB-1 in an emergency' });
  const name = screen.getByLabelText('Type HUB-1 to promote it');
  await user.type(name, 'HUB-');
  expect(promote).toBeDisabled();
  await user.type(name, '1');
  await user.click(promote);
  expect(await screen.findByText(/HUB-1 is the master\. It took over in 1\.8 s, and epoch 2 has begun\./)).toBeVisible();
  expect(mock.calls.filter((request) => request.act === 'promote')).toEqual([{ act: 'promote', node: expect.stringMatching(/^0198/), mode: 'emergency', expect_epoch: 1, from_backup: null, leave_unreadable: false }]);
  expect(screen.getByText(/When HUB-2 is back it stands down by itself/)).toBeVisible();
});

test('planned where the master answers, whatever this node believed', async () => {
  const { user, mock } = openApp('node=synced');
  await user.click(await screen.findByRole('link', { name: 'Nodes' }));
  await user.click(await screen.findByRole('button', { name: 'Promote HUB-1' }));
  expect(await screen.findByText('Planned')).toBeVisible();
  expect(screen.queryByLabelText('Type HUB-1 to promote it')).toBeNull();
  await user.click(screen.getByRole('button', { name: 'Promote HUB-1' }));
  expect(await screen.findByText(/It took over in 0\.9 s/)).toBeVisible();
  expect(screen.getByText(/Nothing that was acknowledged is lost/)).toBeVisible();
  expect(mock.calls.filter((request) => request.act === 'promote_preflight').map((request) => 'mode' in request && request.mode)).toEqual(['planned']);
});

// Sabotage: send `leave_unreadable: true` without the consent; or keep it when one looks again.
test('what only another standby opens stops it, until a person consents to what is named', async () => {
  const { user, mock } = await fromOutage('node=degraded&ahead=0&promotion=unreadable');
  const consent = within(screen.getByRole('group', { name: '14 parts would open nowhere' }));
  expect(consent.getByText(/HUB-1 lacks version 1 of the master secret\. DR-1 opens all of it: promote it instead/)).toBeVisible();
  expect(consent.getByText('Brought back by /media/safe/tidewater-2025.sealport')).toBeVisible();
  const box = () => screen.getByRole('checkbox', { name: 'Leave what is under version 1 unreadable until its backup is restored' });
  expect(box()).not.toBeChecked();
  expect(screen.getByRole('button', { name: 'Promote HUB-1 in an emergency' })).toBeDisabled();
  expect(screen.queryByLabelText('Type HUB-1 to promote it')).toBeNull();
  await user.click(box());
  expect(await screen.findByLabelText('Type HUB-1 to promote it')).toBeVisible();
  expect(screen.getByText('sealport promote HUB-1 --emergency --leave-unreadable --expect-epoch 1')).toBeVisible();
  // Whoever looks again consents again: it may be more by now.
  await user.click(screen.getByRole('button', { name: 'Look again' }));
  await waitFor(() => expect(screen.queryByLabelText('Type HUB-1 to promote it')).toBeNull());
  expect(box()).not.toBeChecked();
  await user.click(box());
  await user.type(await screen.findByLabelText('Type HUB-1 to promote it'), 'HUB-1{Enter}');
  expect(await screen.findByText(/HUB-1 is the master\./)).toBeVisible();
  expect(mock.calls.filter((request) => request.act === 'promote')).toMatchObject([{ mode: 'emergency', leave_unreadable: true }]);
});

// Sabotage: say votes that are missing like any other check.
test('missing votes are said loudly, before and after', async () => {
  const { user } = await fromOutage('node=degraded&promotion=forced');
  expect(screen.getByText('Forced: only 1 of 2 voters can agree')).toBeVisible();
  await user.type(screen.getByLabelText('Type HUB-1 to promote it'), 'HUB-1{Enter}');
  expect(await screen.findByText('Forced: 1 of 2 voters agreed')).toBeVisible();
});

test('the slower of two administrators is told who won, and nothing is changed here', async () => {
  const { user, mock } = await fromOutage();
  mock.promotion.faster = { node: 'DR-1', who: 'bo' };
  await user.type(screen.getByLabelText('Type HUB-1 to promote it'), 'HUB-1{Enter}');
  expect(await screen.findByText(/Bo was faster: DR-1 is the master since a moment ago \(epoch 2\)/)).toBeVisible();
  expect(screen.queryByRole('button', { name: 'Promote HUB-1 in an emergency' })).toBeNull();
  await user.click(within(screen.getByText(/Bo was faster/).closest<HTMLElement>('.message')!).getByRole('button', { name: 'Look again' }));
  expect(await screen.findByText('Planned')).toBeVisible();
  expect(screen.getByText('DR-1 answers and can hand over to HUB-1.')).toBeVisible();
});

// Sabotage: ignore the epoch of the status.
test('an epoch that began while one read stops the promotion', async () => {
  const { user, mock } = await fromOutage();
  await user.type(screen.getByLabelText('Type HUB-1 to promote it'), 'HUB-1');
  act(() => {
    mock.fleet.become(mock.fleet.nodes.find((node) => node.name === 'DR-1')!);
    mock.turn('synced');
  });
  expect(await screen.findByText('Epoch 2 has begun while you read')).toBeVisible();
  expect(screen.getByRole('button', { name: 'Promote HUB-1 in an emergency' })).toBeDisabled();
});

test('only administrators promote; others are told who can', async () => {
  const { user } = openApp('node=degraded&plain=1');
  expect(within(await screen.findByRole('alert')).queryByRole('button', { name: 'Promote…' })).toBeNull();
  await user.click(screen.getByRole('link', { name: 'Nodes' }));
  expect(await screen.findByText(/Only an administrator node or the master may invite, rename, revoke and promote/)).toBeVisible();
  expect(screen.getByRole('button', { name: 'Promote HUB-1' })).toBeDisabled();
  act(() => {
    window.location.hash = '#/nodes?promote=';
  });
  expect(await screen.findByText(/Administrators here: HUB-2, HUB-1\./)).toBeVisible();
});

test('a node without what a master needs takes it from a backup, with its reminder', async () => {
  const { user, mock } = openApp('node=degraded');
  await user.click(await screen.findByRole('link', { name: 'Nodes' }));
  await user.click(await screen.findByRole('button', { name: 'Promote admin-ws-07' }));
  expect(screen.getByText(/is a processing node/)).toBeVisible();
  expect(mock.calls.some((request) => request.act === 'promote_preflight')).toBe(false);
  await user.click(screen.getByRole('button', { name: 'Choose backup file…' }));
  expect(await screen.findByText('The one in the red binder')).toBeVisible();
  await user.type(screen.getByLabelText('Backup passphrase'), 'wrong{Enter}');
  expect(await screen.findByText(/does not open this backup/)).toBeVisible();
  await user.clear(screen.getByLabelText('Backup passphrase'));
  await user.type(screen.getByLabelText('Backup passphrase'), 'tide and barge{Enter}');
  await user.type(await screen.findByLabelText('Type admin-ws-07 to promote it'), 'admin-ws-07{Enter}');
  expect(await screen.findByText(/admin-ws-07 is the master\./)).toBeVisible();
  const [request] = mock.calls.filter((request) => request.act === 'promote');
  expect(request).toMatchObject({ node: 'self', mode: 'emergency', from_backup: { passphrase: 'tide and barge' } });
  expect(document.documentElement.outerHTML).not.toContain('tide and barge');
});

test('stranded changes are compared, accepted and discarded, and secrets stay hidden', async () => {
  const { user, mock } = openApp('node=synced&stranded=1');
  await user.click(within((await screen.findByText('3 stranded changes.')).closest<HTMLElement>('.banner')!).getByRole('button', { name: 'Compare' }));
  await user.click(await screen.findByRole('button', { name: 'Compare SendPayroll' }));
  const dialog = await screen.findByRole('dialog');
  expect(await within(dialog).findByText('It was changed here too')).toBeVisible();
  expect(await within(dialog).findByText(/values are not shown/)).toBeVisible();
  expect(document.documentElement.outerHTML).not.toContain('kelp+Signal5');
  await user.click(within(dialog).getByRole('button', { name: 'Accept as revision 2' }));
  expect(await screen.findByText('SendPayroll is written as it was on HUB-2. 2 left.')).toBeVisible();
  await user.click(await screen.findByRole('button', { name: 'Discard all…' }));
  await user.click(within(await screen.findByRole('alertdialog')).getByRole('button', { name: 'Discard all' }));
  expect(await screen.findByText('All of them are settled.')).toBeVisible();
  expect(mock.calls.filter((request) => request.act === 'stranded_accept' || request.act === 'stranded_discard')).toEqual([
    { act: 'stranded_accept', ids: [2] },
    { act: 'stranded_discard', ids: [1, 3] },
  ]);
  await waitFor(() => expect(screen.queryByText(/stranded change/i, { selector: '.banner *' })).toBeNull());
});

const evidence = (name: string, more: Partial<EvidenceView> = {}): EvidenceView => ({ node: name, name, reached: true, state: 'degraded', epoch: 3, generation: 40, master_heard_seconds: 70, standby: true, master: false, ahead: 0, ...more });
const preflight = (more: Partial<PreflightView> = {}): PreflightView => ({ candidate: 'B', candidate_name: 'B', mode: 'emergency', epoch: 3, master_name: 'A', checks: [], possible: true, evidence: [evidence('A', { master: true, standby: false, reached: false, generation: null, ahead: null, master_heard_seconds: null }), evidence('B')], voters: 2, reachable_voters: 1, records: 9, records_opened: 9, reminder: null, missing_versions: [], opens_more: null, leave_unreadable: false, steps: [], ...more });

test('what is decided and told by the evidence alone', () => {
  expect(trueMode(preflight({ mode: 'planned' }))).toBe('emergency');
  expect(trueMode(preflight({ evidence: [evidence('A', { master: true }), evidence('B')] }))).toBe('planned');
  // A master whose database was set back is promoted anew: nobody hands over to itself.
  expect(trueMode(preflight({ candidate: 'A', evidence: [evidence('A', { master: true }), evidence('B')] }))).toBe('emergency');
  expect([isForced(preflight()), isForced(preflight({ voters: 3, reachable_voters: 2 })), isForced(preflight({ mode: 'planned' }))]).toEqual([true, false, false]);
  const behind = preflight({ evidence: [...preflight().evidence, evidence('C', { ahead: 2 }), evidence('D', { ahead: 5 }), evidence('E', { reached: false, generation: null, ahead: null, master_heard_seconds: null })] });
  expect(aheadOf(behind).map((one) => one.name)).toEqual(['D', 'C']);
  expect(couldBeMissing(behind)).toEqual([
    '5 writes of D: they become stranded changes there.',
    '2 writes of C: they become stranded changes there.',
    'What A alone has written since it was last heard, 1 min 10 s ago. Nobody can know it now; when it is back, it is kept as stranded changes.',
    'Writes that only E may have: not reached, so not known.',
  ]);
  expect(couldBeMissing(preflight({ mode: 'planned' }))).toEqual(['Nothing: A hands over after its last write.']);
  expect(commandOf(preflight({ candidate_name: 'HUB 2' }), false)).toBe('sealport promote "HUB 2" --emergency --expect-epoch 3');
  expect(commandOf(preflight({ mode: 'planned' }), false)).toBe('sealport promote B --expect-epoch 3');
  expect(commandOf(preflight(), true)).toBe('sealport promote self --emergency --from-backup FILE --passphrase-file - --expect-epoch 3');
});

test('who may be promoted from here, and who is proposed', () => {
  const node = (name: string, more: Partial<NodeEntryView>): NodeEntryView => ({ id: name, name, role: 'standby', administrator: false, state: 'synced', last_sync_age_seconds: 1, epoch: 1, generation: 5, address: null, version: null, here: false, revoked: false, joined: '', certificate_expires: null, ...more }) as NodeEntryView;
  const status = (state: StatusView['state']) => ({ state }) as StatusView;
  const own = node('own', { here: true, role: 'processing' });
  const nodes = [own, node('master', { role: 'master' }), node('B', {}), node('C', { generation: 9 }), node('D', { generation: 11, revoked: true }), node('E', { role: 'processing' })];
  expect(nodes.filter((one) => mayBePromoted(one, status('degraded'))).map((one) => one.name)).toEqual(['own', 'B', 'C']);
  expect(proposed(nodes, status('degraded'), null)?.name).toBe('C');
  expect(proposed(nodes, status('degraded'), 'B')?.name).toBe('B');
  expect(proposed([{ ...own, role: 'standby' }, ...nodes.slice(1)], status('degraded'), null)?.name).toBe('own');
  expect(mayBePromoted(node('m', { here: true, role: 'master' }), status('synced'))).toBe(false);
  expect(mayBePromoted(node('m', { here: true, role: 'master' }), status('stale'))).toBe(true);
});

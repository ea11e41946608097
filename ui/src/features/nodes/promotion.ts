// What the promotion page decides from what the service says: whom, how, and what to tell before it is done.

import type { CheckView, EvidenceView, NodeEntryView, PreflightView, PromotionMode, StatusView } from '../../platform';
import { counted } from '../../shared/format';
import { span } from '../../shared/fleet';

/** Nodes that may be promoted from here: standbys, and this node itself with a backup or where its database was set back. */
export function mayBePromoted(node: NodeEntryView, status: StatusView): boolean {
  if (node.revoked) return false;
  if (node.here) return node.role !== 'master' || status.state === 'stale';
  return node.role === 'standby';
}

/** Whether it needs a backup of the master secret before it can be a master. */
export const needsBackup = (node: NodeEntryView): boolean => node.role === 'processing';

/** The node that is proposed: the one that was asked for, this one if it is a standby, or the standby that is furthest. */
export function proposed(nodes: NodeEntryView[], status: StatusView, wanted: string | null): NodeEntryView | null {
  const able = nodes.filter((node) => mayBePromoted(node, status));
  const named = able.find((node) => node.id === wanted || node.name === wanted);
  const standbys = able.filter((node) => node.role === 'standby').sort((a, b) => (b.generation ?? -1) - (a.generation ?? -1));
  return named ?? standbys.find((node) => node.here) ?? standbys[0] ?? able[0] ?? null;
}

/** Planned while the master answers; an emergency where it does not, or is itself what is to be promoted. */
export function trueMode(view: PreflightView): PromotionMode {
  const master = view.evidence.find((one) => one.master);
  if (!master) return view.mode;
  return master.reached && master.node !== view.candidate ? 'planned' : 'emergency';
}

/** Fewer than a majority of the voters can agree. */
export const isForced = (view: PreflightView): boolean => view.mode === 'emergency' && view.reachable_voters * 2 <= view.voters;

/** Who answered and has writes that the candidate lacks, the furthest first. */
export const aheadOf = (view: PreflightView): EvidenceView[] =>
  view.evidence.filter((one) => one.node !== view.candidate && (one.ahead ?? 0) > 0).sort((a, b) => (b.ahead ?? 0) - (a.ahead ?? 0));

/** What could be missing on the new master, in sentences. */
export function couldBeMissing(view: PreflightView): string[] {
  if (view.mode === 'planned') return [`Nothing: ${view.master_name ?? 'the master'} hands over after its last write.`];
  const lines = aheadOf(view).map((one) => `${counted(one.ahead ?? 0, 'write')} of ${one.name}: they become stranded changes there.`);
  const master = view.evidence.find((one) => one.master && one.node !== view.candidate);
  if (master && !master.reached) {
    const heard = Math.min(...view.evidence.map((one) => one.master_heard_seconds ?? Infinity));
    const since = Number.isFinite(heard) ? ` since it was last heard, ${span(heard)} ago` : '';
    lines.push(`What ${master.name} alone has written${since}. Nobody can know it now; when it is back, it is kept as stranded changes.`);
  }
  const unheard = view.evidence.filter((one) => !one.reached && !one.master).map((one) => one.name);
  if (unheard.length > 0) lines.push(`Writes that only ${unheard.join(', ')} may have: not reached, so not known.`);
  return lines.length > 0 ? lines : ['Nothing that any node knows of.'];
}

/** The same as a command. */
export function commandOf(view: PreflightView, backup: boolean): string {
  const own = backup ? 'self' : view.candidate_name;
  return `sealport promote ${/^[\w.-]+$/.test(own) ? own : `"${own}"`}${view.mode === 'emergency' ? ' --emergency' : ''}${backup ? ' --from-backup FILE --passphrase-file -' : ''}${view.leave_unreadable ? ' --leave-unreadable' : ''} --expect-epoch ${view.epoch}`;
}

const TITLE: Record<string, string> = {
  candidate: 'New master',
  master: 'Present master',
  secret: 'Master secret',
  replica: 'Replica',
  records: 'Records',
  versions: 'Versions',
  clock: 'Clock',
  backup: 'Backup',
  votes: 'Votes',
  epoch: 'Epoch',
  rotation: 'Rotation',
  address: 'Address',
};

export const checkTitle = (check: CheckView): string => TITLE[check.id] ?? check.id;

// The change of master in the mock twin: what is checked before it, what it does, and what befalls it.

import type { CheckOutcome, CheckView, Code, Epoch, Error as Fault, EvidenceView, NodeEntryView, PreflightView, PromotedView, PromotionMode } from './bindings';
import type { MockFleet } from './fleet';

const fault = (code: Code, message: string, hint = ''): Fault => ({ code, message, hint });
const check = (id: string, outcome: CheckOutcome, message: string, hint = ''): CheckView => ({ id, outcome, message, hint });

/** What is amiss when a promotion is looked at: `?promotion=forced,behind`. */
export type Amiss = 'forced' | 'behind' | 'no_secret' | 'old_backup' | 'damaged' | 'unreadable';

export class MockPromotion {
  readonly amiss: Set<Amiss>;
  /** Another administrator who is faster: the promotion that comes next finds its node the master already. */
  faster: { node: string; who: string } | null = null;

  constructor(
    private readonly fleet: MockFleet,
    private readonly records: () => number,
    amiss: string,
  ) {
    this.amiss = new Set(amiss.split(',').filter(Boolean) as Amiss[]);
  }

  private candidate(node: string): NodeEntryView {
    const found = this.fleet.nodes.find((one) => one.id === node || one.name === node || (node === 'self' && one.here));
    if (!found) throw fault('not_found', `There is no node "${node}".`);
    return found;
  }

  private evidence(candidate: NodeEntryView): EvidenceView[] {
    const { lost } = this.fleet;
    const base = candidate.generation ?? 0;
    return this.fleet.nodes
      .filter((node) => !node.revoked)
      .map((node) => {
        const away = (node.role === 'master' && lost) || (this.amiss.has('forced') && node !== candidate && node.role !== 'processing') || node.state === null;
        const generation = away ? null : node.generation;
        return {
          node: node.id,
          name: node.name,
          reached: !away,
          state: away ? null : node.role === 'master' ? 'synced' : lost ? 'degraded' : 'synced',
          epoch: away ? null : this.fleet.epoch,
          generation,
          master_heard_seconds: away || node.role === 'master' ? null : lost ? this.fleet.silence() : (node.last_sync_age_seconds ?? null),
          standby: node.role === 'standby',
          master: node.role === 'master',
          ahead: generation === null ? null : Math.max(0, generation - base),
        };
      });
  }

  preflight(node: string, mode: PromotionMode, passphrase: string | null, leave_unreadable = false): PreflightView {
    const candidate = this.candidate(node);
    if (passphrase === 'wrong') throw fault('wrong_passphrase', 'The passphrase does not open this backup.', 'The reminder is: The one in the red binder.');
    const { lost } = this.fleet;
    const planned = mode === 'planned';
    const master = this.fleet.nodes.find((one) => one.role === 'master') ?? null;
    const evidence = this.evidence(candidate);
    const voting = evidence.filter((one) => one.standby || one.master || one.node === candidate.id);
    const reachable = voting.filter((one) => one.reached).length;
    const furthest = [...evidence].filter((one) => one.node !== candidate.id).sort((a, b) => (b.ahead ?? 0) - (a.ahead ?? 0))[0];
    const able = candidate.role !== 'processing' || passphrase !== null;
    const opened = this.records();
    // The other standby holds a version that the candidate lacks; a backup brings it.
    const fuller = this.fleet.nodes.find((one) => one.role === 'standby' && one !== candidate);
    const lacks = this.amiss.has('unreadable') && !planned && passphrase === null && fuller !== undefined;
    const missing_versions = lacks ? [{ version: 1, parts: 14, backup: '/media/safe/tidewater-2025.sealport' }] : [];
    const lacking = `${candidate.name} does not hold version 1 (14 parts are sealed under it; the backup /media/safe/tidewater-2025.sealport brings it).`;
    const checks: CheckView[] = [
      able
        ? check('candidate', 'passed', `${candidate.name} answers and is ${candidate.role === 'processing' ? 'restored from the backup first' : 'a standby'}.`)
        : check('candidate', 'failed', `${candidate.name} is a processing node: it has no authority over other nodes.`, `Promote it on ${candidate.name} itself, from a backup.`),
      lost
        ? check('master', planned ? 'failed' : 'passed', `${master?.name} does not answer: connection refused.`, planned ? 'Promote in an emergency: the master is lost.' : '')
        : check('master', planned ? 'passed' : 'failed', `${master?.name} answers in 4 ms.`, planned ? '' : 'Let it hand over: a planned promotion loses nothing.'),
      this.amiss.has('no_secret')
        ? check('secret', 'failed', `${candidate.name} can't read version 1 of the master secret back from its custody.`, 'Unlock its keyring, or promote it from a backup.')
        : check('secret', 'passed', `${candidate.name} holds every version of the master secret, by check value, and opened the canary.`),
      (furthest?.ahead ?? 0) > 0
        ? check('replica', 'warning', `${furthest!.name} has ${furthest!.ahead} writes that ${candidate.name} lacks.`, `Promote ${furthest!.name} instead, and nothing of them is stranded.`)
        : check('replica', 'passed', `No node that answers has more than ${candidate.name}: generation ${candidate.generation}.`),
      ...(planned
        ? []
        : [
            lacks
              ? check('records', 'warning', `${opened - 9} of ${opened} records open on ${candidate.name}.`, 'What does not open needs a version of the master secret that is not here.')
              : this.amiss.has('damaged')
              ? check('records', 'warning', `${opened - 1} of ${opened} records open on ${candidate.name}.`, 'Run `sealport port list` there: one record is damaged.')
              : check('records', 'passed', `All ${opened} records open on ${candidate.name}.`),
          ]),
      !lacks
        ? check('versions', 'passed', 'Every version of the master secret that something here is sealed under is held.')
        : leave_unreadable
          ? check('versions', 'warning', `${lacking} What is sealed under it stays as it is, and opens nowhere until its version is back.`, 'A backup that holds it brings it.')
          : check('versions', 'failed', `${lacking} ${fuller.name} opens 14 of these parts.`, `Promote ${fuller.name} instead. Only where neither is possible: agree to leave it unreadable.`),
      check('clock', 'passed', 'The clocks are 0.1 s apart.'),
      this.amiss.has('old_backup')
        ? check('backup', 'warning', 'The last backup was proven 31 days ago.', 'Back up soon after the promotion.')
        : check('backup', 'passed', 'A backup was proven 3 days ago.'),
      check('address', 'passed', `${candidate.name} listens on ${candidate.address ?? '127.0.0.1:7410'}.`),
      ...(planned
        ? []
        : [
            reachable * 2 > voting.length
              ? check('votes', 'passed', `${reachable} of ${voting.length} voters answer: a majority.`)
              : check('votes', 'warning', `${reachable} of ${voting.length} voters answer: no majority, so this is a forced promotion.`, 'Make sure that no other administrator promotes another node.'),
          ]),
      check('epoch', 'passed', `Epoch ${this.fleet.epoch} stands; ${this.fleet.epoch + 1} begins.`),
    ];
    const name = candidate.name;
    const former = master && master !== candidate ? master.name : null;
    const next = this.fleet.epoch + 1;
    const steps = planned
      ? [
          `${name} reads the master secret back from its custody and opens the canary.`,
          `${former} takes no new write; those under way end, and ${name} catches up with the last one.`,
          `${former} hands over in one transaction: epoch ${next} begins, and ${name} is the master.`,
          `Every node follows ${name} by itself. ${former} goes on as a standby.`,
        ]
      : [
          ...(passphrase === null ? [] : [`The master secret is restored from the backup into the custody of ${name}.`]),
          `${name} reads the master secret back from its custody, opens the canary and every record.`,
          `The other standbys promise epoch ${next} to ${name} and to nobody else.`,
          `Epoch ${next} begins: ${name} is the master and takes writes.`,
          `Every node that answers follows ${name} by itself, the others when they are back.`,
          ...(former ? [`When ${former} returns it stands down. Writes that it alone had are kept as stranded changes.`] : []),
        ];
    return {
      candidate: candidate.id,
      candidate_name: name,
      mode,
      epoch: this.fleet.epoch,
      master_name: master?.name ?? null,
      checks,
      possible: checks.every((one) => one.outcome !== 'failed'),
      evidence,
      voters: voting.length,
      reachable_voters: reachable,
      records: opened,
      records_opened: planned ? null : this.amiss.has('damaged') ? opened - 1 : lacks ? opened - 9 : opened,
      missing_versions,
      opens_more: lacks ? { name: fuller.name, parts: 14 } : null,
      leave_unreadable,
      reminder: passphrase === null ? null : 'The one in the red binder',
      steps,
    };
  }

  promote(node: string, mode: PromotionMode, expected: Epoch | null, passphrase: string | null, leave_unreadable = false): PromotedView {
    if (this.faster) {
      const { node: winner, who } = this.faster;
      this.faster = null;
      this.fleet.become(this.candidate(winner));
      throw fault('epoch_conflict' as Code, `${who} was faster: ${winner} is the master since a moment ago (epoch ${this.fleet.epoch}).`, `This node follows ${winner} by itself. Look again before you promote another.`);
    }
    if (expected !== null && expected !== this.fleet.epoch) {
      throw fault('epoch_conflict' as Code, `Epoch ${expected} is over: epoch ${this.fleet.epoch} stands.`, 'Look again before you promote a node.');
    }
    const view = this.preflight(node, mode, passphrase, leave_unreadable);
    const stops = view.checks.find((one) => one.outcome === 'failed');
    if (stops) throw fault('refused', stops.message, stops.hint);
    const candidate = this.candidate(node);
    this.fleet.become(candidate);
    const planned = mode === 'planned';
    return {
      master: candidate.id,
      master_name: candidate.name,
      mode,
      former_master: view.master_name === candidate.name ? null : view.master_name,
      epoch: this.fleet.epoch,
      generation: (candidate.generation ?? 0) + 1,
      votes: planned ? null : view.reachable_voters,
      voters: planned ? null : view.voters,
      seconds: planned ? 0.9 : 1.8,
    };
  }
}

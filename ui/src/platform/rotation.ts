// The versions of the master secret in the mock twin, and a rotation that moves a step each time it is looked at.

import type { Code, Error as Fault, RotationAct, RotationPhase, RotationView, VersionView } from './bindings';

const fault = (code: Code, message: string, hint = ''): Fault => ({ code, message, hint });
const FLOW: RotationPhase[] = ['prepared', 'proven', 'distributing', 'resealing', 'verifying', 'done'];
const TOTAL = 100_412;
const BATCH = 9_000;
const KCVS = ['b1e5a47c90d2f3186ac4570e88213f9d', '4fd09c2271be6ad815c3e7a0d94b62f3', 'e07b18d3c45f92a6610dbb73f82c94ae'];
const OVER: ReadonlySet<RotationPhase> = new Set<RotationPhase>(['done', 'cancelled']);

const kcv = (version: number) => KCVS[(version - 1) % KCVS.length]!;

export class MockRotation {
  versions: VersionView[] = [{ version: 1, state: 'active', kcv: kcv(1), created: '2026-11-03T08:12:00Z', records: 0, backups: [] }];
  due: string | null = null;
  current: RotationView | null = null;
  /** Stands where it is put, for pictures. */
  frozen = false;
  /** Backups that were there when the active version began to seal. */
  private backedUp = 0;

  constructor(
    private readonly members: () => string[],
    private readonly records: () => number,
    private readonly backups: () => string[],
  ) {}

  /** `?rotation=resealing`: a rotation that stands in that phase; `paused` and `waiting` are ways to stand. */
  put(state: string): void {
    if (state === 'due') {
      this.due = 'Version 1 seals since 386 days; by the setting `rotation_days` a new one is due after 365.';
      return;
    }
    this.begin('ana');
    this.frozen = true;
    const to = (phase: RotationPhase) => {
      while (this.current!.phase !== phase) this.move();
    };
    if (state === 'paused' || state === 'resealing') {
      to('resealing');
      for (let n = 0; n < 4; n += 1) this.move();
    } else if (state === 'waiting') to('distributing');
    else to(state as RotationPhase);
    if (state === 'paused') this.steer('pause');
    if (state === 'waiting') Object.assign(this.current!, { note: 'Waiting for HUB-1, which is on line and does not hold version 2 yet.' });
  }

  get underWay(): RotationView | null {
    return this.current && !OVER.has(this.current.phase) ? this.current : null;
  }

  get active(): number {
    return this.versions.find((one) => one.state === 'active')!.version;
  }

  list(): VersionView[] {
    const resealed = this.current?.phase === 'resealing' ? this.current.done : null;
    return this.versions.map((one) => {
      const own = one.state === 'active' ? (resealed ?? this.records()) : one.state === 'opens' ? TOTAL - (resealed ?? 0) : 0;
      const since = this.backups().length - this.backedUp;
      const needs = one.state === 'active' ? this.backups().slice(0, since) : one.state === 'opens' || one.state === 'retired' ? this.backups().slice(since) : [];
      return { ...one, records: own, backups: needs };
    });
  }

  begin(by: string): void {
    if (this.underWay) throw fault('refused', `A rotation to version ${this.underWay.to} is under way.`, 'Let it end, or cancel it while it can be cancelled.');
    const from = this.active;
    const to = Math.max(...this.versions.map((one) => one.version)) + 1;
    const [here, ...others] = this.members();
    this.versions.unshift({ version: to, state: 'prepared', kcv: kcv(to), created: new Date().toISOString(), records: 0, backups: [] });
    this.current = { from, to, phase: 'prepared', paused: false, started: new Date().toISOString(), by, holding: here ? [here] : [], missing: others, done: 0, total: 0, per_second: null, seconds_left: null, cancellable: true, note: null, finished: null };
    this.due = null;
  }

  private version(state: VersionView['state'], of: number): void {
    this.versions.find((one) => one.version === of)!.state = state;
  }

  private move(): void {
    const at = this.current!;
    if (at.phase === 'distributing' && at.missing.length > (this.frozen ? 2 : 0)) {
      at.holding.push(at.missing.shift()!);
      return;
    }
    if (at.phase === 'resealing' && at.done < at.total) {
      at.done = Math.min(at.total, at.done + BATCH);
      Object.assign(at, { per_second: BATCH, seconds_left: Math.ceil((at.total - at.done) / BATCH) });
      return;
    }
    at.phase = FLOW[FLOW.indexOf(at.phase) + 1]!;
    at.note = null;
    if (at.phase === 'resealing') {
      Object.assign(at, { total: TOTAL, cancellable: false });
      this.version('active', at.to);
      this.backedUp = this.backups().length;
      this.version('opens', at.from);
    }
    if (at.phase === 'verifying') Object.assign(at, { per_second: null, seconds_left: null });
    if (at.phase === 'done') {
      at.finished = new Date().toISOString();
      this.version('retired', at.from);
    }
  }

  /** Where it is; each look moves it on. */
  look(): RotationView | null {
    if (this.underWay && !this.frozen && !this.underWay.paused) this.move();
    return this.current && { ...this.current, holding: [...this.current.holding], missing: [...this.current.missing] };
  }

  steer(act: RotationAct): void {
    const at = this.underWay;
    if (!at) throw fault('refused', 'No rotation is under way.');
    if (act === 'cancel') {
      if (!at.cancellable) throw fault('refused', `Version ${at.to} is active: the rotation can only go on.`, 'Pause it, if it must wait.');
      this.versions = this.versions.filter((one) => one.version !== at.to);
      Object.assign(at, { phase: 'cancelled', finished: new Date().toISOString(), cancellable: false, paused: false });
    } else {
      at.paused = act === 'pause';
      if (at.paused) Object.assign(at, { per_second: null, seconds_left: null });
    }
  }

  destroy(version: number): void {
    const found = this.versions.find((one) => one.version === version);
    if (!found) throw fault('not_found', `There is no version ${version}.`);
    if (found.state !== 'retired') throw fault('refused', `Version ${version} is not retired.`, 'Rotate first.');
    found.state = 'destroyed';
  }
}

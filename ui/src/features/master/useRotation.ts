// The rotation that is under way, or the last one, asked for again each second while it moves.

import { useEffect, useRef } from 'react';

import { isUnderWay } from '../../shared/rotation';
import { ask, useSession } from '../../shared/session';
import { useReading } from '../../shared/use';

const AGAIN_MS = 1000;

export function useRotation() {
  const { platform, tick, refresh } = useSession();
  const reading = useReading(() => ask(platform, { act: 'secret_rotation' }, 'rotation'), `rotation-${tick}`);
  const { again } = reading;
  const moving = isUnderWay(reading.value?.rotation ?? null);
  useEffect(() => {
    if (!moving) return;
    const timer = window.setInterval(() => document.visibilityState === 'visible' && again(), AGAIN_MS);
    return () => window.clearInterval(timer);
  }, [moving, again]);
  // What else the screen shows of versions and states follows when a phase ends.
  const phase = reading.value?.rotation?.phase ?? null;
  const before = useRef(phase);
  useEffect(() => {
    if (before.current !== null && phase !== before.current) void refresh();
    before.current = phase;
  }, [phase, refresh]);
  return reading;
}

// Hooks over requests: one that reads, one that does.

import { useCallback, useEffect, useRef, useState } from 'react';

import { asFault } from '../platform';
import type { Fault } from '../platform';

export interface Reading<T> {
  value: T | null;
  fault: Fault | null;
  busy: boolean;
  again: () => void;
}

/** Reads when `key` changes. The former value stays until the new one is here; a late answer to an old key is dropped. */
export function useReading<T>(read: () => Promise<T>, key: string): Reading<T> {
  const [state, setState] = useState<{ value: T | null; fault: Fault | null; busy: boolean }>({ value: null, fault: null, busy: true });
  const [round, setRound] = useState(0);
  const latest = useRef(read);
  useEffect(() => {
    latest.current = read;
  });
  useEffect(() => {
    let wanted = true;
    setState((old) => ({ ...old, busy: true }));
    latest.current().then(
      (value) => wanted && setState({ value, fault: null, busy: false }),
      (reason: unknown) => wanted && setState((old) => ({ ...old, fault: asFault(reason), busy: false })),
    );
    return () => {
      wanted = false;
    };
  }, [key, round]);
  const again = useCallback(() => setRound((n) => n + 1), []);
  return { ...state, again };
}

export interface Doing {
  busy: boolean;
  fault: Fault | null;
  clear: () => void;
  /** Runs the work; gives its value, or null where it failed and `fault` says why. */
  run: <T>(work: () => Promise<T>) => Promise<T | null>;
}

export function useDoing(): Doing {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const clear = useCallback(() => setFault(null), []);
  const run = useCallback(async <T,>(work: () => Promise<T>): Promise<T | null> => {
    setBusy(true);
    setFault(null);
    try {
      return await work();
    } catch (reason) {
      setFault(asFault(reason));
      return null;
    } finally {
      setBusy(false);
    }
  }, []);
  return { busy, fault, clear, run };
}

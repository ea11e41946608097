// The session: reads the status, listens to notices, and holds what every screen shares.

import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { ReactNode } from 'react';

import { asFault } from '../platform';
import type { About, Chosen, Code, Fault, Platform, StatusView } from '../platform';
import { asSentence } from '../shared/format';
import { SessionContext, ask, readUnsaved } from '../shared/session';
import type { Density, Progress, Screen, Session, ThemeChoice, Toast } from '../shared/session';
import { parseRoute, routeHash, useHash } from './routes';

const TOAST_MS = 12_000;
/** Why the secret can't be had, where asking again may open the keyring's prompt. */
const PROMPTING: ReadonlySet<string> = new Set<Code>(['keyring_locked', 'keyring_denied', 'keyring_timeout']);

function remembered<T extends string>(key: string, among: readonly T[], otherwise: T): T {
  const value = window.localStorage.getItem(key);
  return among.find((one) => one === value) ?? otherwise;
}

/** What the session adds for the shell around the screens. */
export interface Shell {
  session: Session;
  toasts: Toast[];
  dismiss: (id: number) => void;
  hold: boolean;
  /** A screen that was asked for while another holds unsaved work. */
  pending: { screen: Screen; params?: Record<string, string> } | { by: -1 | 1 } | null;
  settle: (leave: boolean) => void;
  shortcuts: boolean;
  setShortcuts: (open: boolean) => void;
}

export function SessionProvider({ platform, children }: { platform: Platform; children: (shell: Shell) => ReactNode }) {
  const [status, setStatus] = useState<StatusView | null>(null);
  const [statusAt, setStatusAt] = useState(Date.now);
  const [statusFault, setStatusFault] = useState<Fault | null>(null);
  const [about, setAbout] = useState<About | null>(null);
  const [progress, setProgress] = useState<Progress | null>(null);
  const [tick, setTick] = useState(0);
  const [toasts, setToasts] = useState<Toast[]>([]);
  const [hold, setHold] = useState(false);
  const [pending, setPending] = useState<Shell['pending']>(null);
  const [shortcuts, setShortcuts] = useState(false);
  const [theme, setThemeState] = useState<ThemeChoice>(() => remembered('theme', ['system', 'light', 'dark'], 'system'));
  const [density, setDensityState] = useState<Density>(() => remembered('density', ['compact', 'default', 'comfortable'], 'default'));
  const [dropped, setDropped] = useState<Chosen[]>([]);
  const clearProgress = useCallback(() => setProgress(null), []);
  const takeDropped = useCallback(() => setDropped([]), []);
  const nextToast = useRef(1);
  const hash = useHash();
  // Going where one is already counts as a visit too: the route is a new object then.
  const [visit, setVisit] = useState(0);
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const route = useMemo(() => parseRoute(hash), [hash, visit]);

  // A status waits for the keyring, so an older one may come after a newer: then it is dropped.
  const asked = useRef(0);
  const answered = useRef(0);
  const refresh = useCallback(async () => {
    const mine = ++asked.current;
    const isOld = () => {
      if (mine < answered.current) return true;
      answered.current = mine;
      return false;
    };
    try {
      const [answer, who] = await Promise.all([ask(platform, { act: 'status' }, 'status'), platform.about()]);
      if (isOld()) return;
      setStatus(answer);
      setStatusAt(Date.now());
      setAbout(who);
      setStatusFault(null);
      setTick((n) => n + 1);
    } catch (reason) {
      if (!isOld()) setStatusFault(asFault(reason));
    }
  }, [platform]);

  useEffect(() => {
    void refresh();
    return platform.notices((notice) => {
      if (notice.notice === 'progress') {
        setProgress({ doing: notice.doing, done: notice.done, total: notice.total, secondsLeft: notice.seconds_left });
      } else {
        setProgress(null);
        void refresh();
      }
    });
  }, [platform, refresh]);

  // The age of the backup and the state of the keyring move without a write. A keyring that was asked and did not open is
  // asked again only by a person: each question may put its prompt on the screen.
  // A node's age of contact moves too, and its state may change while no notice can come.
  const member = status?.node != null && status.node.role !== 'master';
  const mayPrompt = PROMPTING.has(status?.sealing.code ?? '');
  useEffect(() => {
    if (mayPrompt) return;
    const look = () => document.visibilityState === 'visible' && void refresh();
    const timer = window.setInterval(look, member ? 15_000 : 60_000);
    document.addEventListener('visibilitychange', look);
    return () => {
      window.clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, [refresh, mayPrompt, member]);

  useEffect(() => {
    if (theme === 'system') document.documentElement.removeAttribute('data-theme');
    else document.documentElement.setAttribute('data-theme', theme);
  }, [theme]);

  useEffect(() => {
    document.documentElement.setAttribute('data-density', density);
  }, [density]);

  const dismiss = useCallback((id: number) => setToasts((all) => all.filter((toast) => toast.id !== id)), []);
  const say = useCallback(
    (text: string, action?: Toast['action']) => {
      const id = nextToast.current++;
      setToasts((all) => [...all.slice(-2), { id, text, action }]);
      window.setTimeout(() => dismiss(id), TOAST_MS);
    },
    [dismiss],
  );

  const sayFault = useCallback((reason: unknown) => say(asSentence(asFault(reason).message)), [say]);

  const go = useCallback((screen: Screen, params?: Record<string, string>) => {
    if (readUnsaved() && parseRoute(window.location.hash).screen !== screen) setPending({ screen, params });
    else {
      window.location.hash = routeHash(screen, params);
      setVisit((n) => n + 1);
    }
  }, []);

  const step = useCallback((by: -1 | 1) => {
    if (readUnsaved()) setPending({ by });
    else window.history.go(by);
  }, []);

  // Dropped anywhere, files go to the import. They wait until it is known whether there is a system.
  useEffect(() => platform.dropped((files) => files.length > 0 && setDropped(files)), [platform]);
  const [known, system] = [status !== null, Boolean(status?.system)];
  useEffect(() => {
    if (dropped.length === 0 || !known) return;
    if (system) go('import');
    else setDropped([]);
  }, [dropped, known, system, go]);

  const session: Session = {
    platform,
    status,
    statusAt,
    statusFault,
    about,
    progress,
    clearProgress,
    tick,
    refresh,
    route,
    go,
    step,
    say,
    sayFault,
    theme,
    setTheme: (next) => {
      window.localStorage.setItem('theme', next);
      setThemeState(next);
    },
    density,
    setDensity: (next) => {
      window.localStorage.setItem('density', next);
      setDensityState(next);
    },
    showShortcuts: () => setShortcuts(true),
    setHold,
    dropped,
    takeDropped,
  };

  const settle = (leave: boolean) => {
    if (leave && pending) {
      if ('by' in pending) window.history.go(pending.by);
      else window.location.hash = routeHash(pending.screen, pending.params);
    }
    setPending(null);
  };

  return (
    <SessionContext.Provider value={session}>
      {children({ session, toasts, dismiss, hold, pending, settle, shortcuts, setShortcuts })}
    </SessionContext.Provider>
  );
}

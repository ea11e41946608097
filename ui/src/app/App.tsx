// The shell: rail, top bar, banners, the screen, status bar.

import { Activity, Cable, FileInput, KeyRound, KeySquare, LayoutDashboard, PanelLeftClose, PanelLeftOpen, Search, Server, Settings as Gear, X } from 'lucide-react';
import { Component, useCallback, useEffect, useState } from 'react';
import type { ComponentType, ReactNode } from 'react';
import { Button as AriaButton } from 'react-aria-components';

import { asFault } from '../platform';
import type { Fault, Platform } from '../platform';
import { ActivityScreen } from '../features/activity/ActivityScreen';
import { FirstRun } from '../features/first-run/FirstRun';
import { ImportScreen } from '../features/import/ImportScreen';
import { MasterScreen } from '../features/master/MasterScreen';
import { MissingScreen } from '../features/missing/MissingScreen';
import { NodesScreen } from '../features/nodes/NodesScreen';
import { OverviewScreen } from '../features/overview/OverviewScreen';
import { PortsScreen } from '../features/ports/PortsScreen';
import { SettingsScreen } from '../features/settings/SettingsScreen';
import { Busy, Button, Dialog, FaultMessage, IconButton, ToneIcon } from '../shared/controls';
import { ROLE, STATE_WORD, canOpen, span, useNow } from '../shared/fleet';
import { SCREENS, readUnsaved } from '../shared/session';
import type { Screen, Session } from '../shared/session';
import { ShortcutSheet } from '../shared/ShortcutSheet';
import { Banners } from './Banners';
import { Palette } from './Palette';
import { useKeys } from './keys';
import { Closing } from './Closing';
import { TITLES } from './routes';
import { SessionProvider } from './store';
import type { Shell } from './store';
import './shell.css';

const ICONS: Record<Screen, typeof Cable> = {
  overview: LayoutDashboard,
  ports: Cable,
  import: FileInput,
  missing: KeySquare,
  master: KeyRound,
  nodes: Server,
  activity: Activity,
  settings: Gear,
};

const SCREEN: Record<Screen, ComponentType> = {
  overview: OverviewScreen,
  ports: PortsScreen,
  import: ImportScreen,
  missing: MissingScreen,
  master: MasterScreen,
  nodes: NodesScreen,
  activity: ActivityScreen,
  settings: SettingsScreen,
};

export function App({ platform }: { platform: Platform }) {
  return (
    <Fence>
      <SessionProvider platform={platform}>
        {(shell) => (
          <>
            <Frame shell={shell} />
            <Closing session={shell.session} />
          </>
        )}
      </SessionProvider>
    </Fence>
  );
}

function Frame({ shell }: { shell: Shell }) {
  const { session } = shell;
  const { status, route } = session;
  const [palette, setPalette] = useState(false);
  const openPalette = useCallback(() => setPalette(true), []);
  const inside = Boolean(status?.system) && !shell.hold;
  const [over, setOver] = useState(false);
  useEffect(() => session.platform.dragging(setOver), [session.platform]);
  useKeys(session, openPalette, inside);

  useEffect(() => {
    document.title = inside ? `${TITLES[route.screen]} – ${status?.system?.name ?? ''} – Sealport` : 'Sealport';
  }, [inside, route.screen, status?.system?.name]);

  if (!status) {
    return (
      <main className="alone">
        <h1 className="sr">Sealport</h1>
        {session.statusFault ? <FaultMessage fault={session.statusFault} again={() => void session.refresh()} /> : <Opening />}
      </main>
    );
  }
  if (!inside) return <FirstRun />;
  const Current = SCREEN[route.screen];
  return (
    <div className="shell">
      <Rail session={session} />
      <TopBar session={session} openPalette={openPalette} />
      <div className="banners">
        <Banners />
        {session.statusFault && <FaultMessage fault={session.statusFault} again={() => void session.refresh()} />}
      </div>
      <main id="main" className="screen" data-pane tabIndex={-1}>
        <Fence key={route.screen}>
          <Current />
        </Fence>
      </main>
      <StatusBar session={session} />
      <Palette open={palette} onClose={() => setPalette(false)} />
      <ShortcutSheet open={shell.shortcuts} onClose={() => shell.setShortcuts(false)} />
      <Dialog
        alert
        title="Leave unsaved changes?"
        open={shell.pending !== null}
        onClose={() => shell.settle(false)}
        foot={
          <>
            <Button onPress={() => shell.settle(true)}>Leave without saving</Button>
            <Button look="primary" autoFocus onPress={() => shell.settle(false)}>
              Stay
            </Button>
          </>
        }
      >
        <p>{readUnsaved()}</p>
      </Dialog>
      {over && (
        <div className="drop-veil" aria-hidden>
          <FileInput size={28} />
          <p>Drop to read</p>
        </div>
      )}
      <div className="toasts" role="region" aria-label="Messages">
        {shell.toasts.map((toast) => (
          <div className="toast" key={toast.id} role="status">
            <span>{toast.text}</span>
            <span className="row">
              {toast.action && (
                <Button
                  small
                  onPress={() => {
                    toast.action?.run();
                    shell.dismiss(toast.id);
                  }}
                >
                  {toast.action.label}
                </Button>
              )}
              <IconButton small label="Dismiss" icon={<X size={14} />} onPress={() => shell.dismiss(toast.id)} />
            </span>
          </div>
        ))}
      </div>
    </div>
  );
}

/** A keyring may ask for its password first, in a window of its own that nobody sees. */
function Opening() {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setSlow(true), 3000);
    return () => window.clearTimeout(timer);
  }, []);
  if (!slow) return <Busy text="Opening Sealport…" />;
  return <Busy text="The keyring is slow to answer." hint="If it asks for its password, answer it: its window may stand behind this one." />;
}

function Rail({ session }: { session: Session }) {
  const [open, setOpen] = useState(() => window.localStorage.getItem('rail') !== 'closed' && window.innerWidth >= 1100);
  const { route, status, go } = session;
  const toggle = () => {
    window.localStorage.setItem('rail', open ? 'closed' : 'open');
    setOpen(!open);
  };
  const missing = status?.counts.missing_secrets ?? 0;
  return (
    <nav className={`rail${open ? ' open' : ''}`} aria-label="Screens" data-pane>
      <div className="rail-mark" aria-hidden>
        <span className="mark">
          <KeyRound size={16} />
        </span>
        {open && <span className="rail-name">Sealport</span>}
      </div>
      <ul>
        {SCREENS.map((screen) => {
          const Icon = ICONS[screen];
          const current = route.screen === screen;
          const badge = screen === 'missing' && missing > 0;
          return (
            <li key={screen} className={screen === 'settings' ? 'last' : undefined}>
              <a
                href={`#/${screen}`}
                className="rail-item"
                aria-current={current ? 'page' : undefined}
                title={open ? undefined : TITLES[screen]}
                onClick={(event) => {
                  event.preventDefault();
                  go(screen);
                }}
              >
                <Icon size={20} aria-hidden />
                <span className={open ? 'clip grow' : 'sr'}>{TITLES[screen]}</span>
                {badge && <span className={open ? 'badge' : 'badge dot'}>{open ? missing : ''}<span className="sr"> missing</span></span>}
              </a>
            </li>
          );
        })}
      </ul>
      <AriaButton className="rail-item" onPress={toggle} aria-label={open ? 'Collapse the rail' : 'Widen the rail'} aria-expanded={open}>
        {open ? <PanelLeftClose size={20} aria-hidden /> : <PanelLeftOpen size={20} aria-hidden />}
        {open && <span>Collapse</span>}
      </AriaButton>
    </nav>
  );
}

function TopBar({ session, openPalette }: { session: Session; openPalette: () => void }) {
  const { status, about } = session;
  const able = status?.sealing.possible ?? false;
  const openOnly = !able && status !== null && canOpen(status);
  const tone = able ? 'ok' : openOnly ? 'warn' : 'bad';
  return (
    <header className="topbar" data-pane>
      <span className="system clip" title={status?.system?.name}>
        {status?.system?.name}
      </span>
      {about?.sample && <span className="tag warn">Sample</span>}
      <AriaButton className="search-box" onPress={openPalette} data-pane-focus>
        <Search size={16} aria-hidden />
        <span className="grow">Search or run a command</span>
        <kbd>Ctrl K</kbd>
      </AriaButton>
      <span className={`state chip ${tone}`} role="status">
        <ToneIcon tone={tone} />
        {able ? 'Sealing' : openOnly ? 'Opening only' : 'Not sealing'}
      </span>
    </header>
  );
}

function StatusBar({ session }: { session: Session }) {
  const { status } = session;
  if (!status) return null;
  return (
    <footer className="status" aria-label="Status">
      <span>
        {status.node ? `${status.node.name}, ${ROLE[status.node.role].toLowerCase()}, ${STATE_WORD(status.state).toLowerCase()}` : 'No node'}
      </span>
      {status.node && status.node.role !== 'master' && <MasterSeen session={session} />}
      {status.epoch !== null && <span>epoch {status.epoch}</span>}
      <span>{status.store}</span>
      {status.generation !== null && <span>generation {status.generation}</span>}
      <span className="grow" />
      <span>Sealport {status.version}</span>
    </footer>
  );
}

/** Which master this node follows, and when it was last heard. */
function MasterSeen({ session }: { session: Session }) {
  const now = useNow();
  const { status, statusAt } = session;
  const age = status?.sync?.age_seconds ?? null;
  return (
    <span className="tick">
      master {status?.master?.name ?? 'unknown'}, {age === null ? 'not heard yet' : `heard ${span(age + (now - statusAt) / 1000)} ago`}
    </span>
  );
}

/** A fault in a screen takes only that screen. */
class Fence extends Component<{ children: ReactNode }, { fault: Fault | null }> {
  override state: { fault: Fault | null } = { fault: null };
  static getDerivedStateFromError(reason: unknown): { fault: Fault } {
    return { fault: asFault(reason) };
  }

  override render(): ReactNode {
    if (!this.state.fault) return this.props.children;
    return (
      <div className="alone">
        <FaultMessage fault={this.state.fault} again={() => this.setState({ fault: null })} />
      </div>
    );
  }
}

// The first screen of a new installation: create, restore, or look around.

import { ArchiveRestore, ArrowRight, KeyRound, Network, Telescope } from 'lucide-react';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { Button as AriaButton } from 'react-aria-components';

import { FaultMessage } from '../../shared/controls';
import { useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';
import { Create } from './Create';
import { Join } from './Join';
import { Restore } from './Restore';
import { forgetStand, keepStand, readStand } from './resume';
import type { Way } from './resume';
import './first-run.css';

const HEAD: Record<Way, { title: string; text: string }> = {
  choose: { title: 'Welcome to Sealport', text: 'Port configurations, sealed under a master secret. Nothing leaves the machines that you let in.' },
  create: { title: 'Create a system', text: 'A new master secret, kept on this machine and backed up.' },
  restore: { title: 'Restore a backup', text: 'Everything comes back from the backup file and its passphrase alone.' },
  join: { title: 'Join a master', text: 'This machine becomes a node of a system that runs elsewhere, and holds all of it, sealed.' },
};

export function FirstRun() {
  const session = useSession();
  const [way, setWayState] = useState<Way>(() => readStand().way);
  const setWay = (next: Way) => {
    keepStand({ way: next });
    setWayState(next);
  };
  const exploring = useDoing();
  const explore = () =>
    void exploring.run(async () => {
      await session.platform.explore();
      forgetStand();
      session.go('overview');
      await session.refresh();
    });

  return (
    <main className="first" id="main" tabIndex={-1}>
      <div className="first-inner">
        <header className="first-head">
          <span className="first-mark" aria-hidden>
            <KeyRound size={20} />
          </span>
          <div>
            <h1>{HEAD[way].title}</h1>
            <p className="muted">{HEAD[way].text}</p>
          </div>
        </header>
        {way === 'choose' && (
          <>
            <div className="ways">
              <WayCard
                icon={<KeyRound size={20} aria-hidden />}
                title="Create a new system"
                text="Make a master secret, back it up, and import your binding files."
                onPress={() => setWay('create')}
                first
              />
              <WayCard
                icon={<ArchiveRestore size={20} aria-hidden />}
                title="Restore a backup"
                text="Bring a system back from a backup file."
                onPress={() => setWay('restore')}
              />
              <WayCard
                icon={<Network size={20} aria-hidden />}
                title="Join a master"
                text="Become a node of a running system, by an invitation."
                onPress={() => setWay('join')}
              />
              <WayCard
                icon={<Telescope size={20} aria-hidden />}
                title="Explore with sample data"
                text="Look around in a sample system. Nothing is kept."
                onPress={explore}
              />
            </div>
            {exploring.fault && <FaultMessage fault={exploring.fault} again={explore} />}
            <p className="muted small">
              Data directory: <span className="mono">{session.about?.dataDir ?? '…'}</span>
            </p>
          </>
        )}
        {way === 'create' && <Create onBack={() => setWay('choose')} />}
        {way === 'restore' && <Restore onBack={() => setWay('choose')} />}
        {way === 'join' && <Join onBack={() => setWay('choose')} />}
      </div>
    </main>
  );
}

/** A card whose button covers it all, so that its name stays its title. */
function WayCard({ icon, title, text, onPress, first }: { icon: ReactNode; title: string; text: string; onPress: () => void; first?: boolean }) {
  return (
    <div className={`way${first ? ' lead' : ''}`}>
      <span className="way-icon">{icon}</span>
      <div className="stack tight grow">
        <AriaButton className="way-title" onPress={onPress}>
          {title}
        </AriaButton>
        <p className="muted">{text}</p>
      </div>
      <ArrowRight size={16} aria-hidden className="muted" />
    </div>
  );
}

// Settings: appearance, where data lies, custody, versions, keys.

import { FolderOpen } from 'lucide-react';
import type { ReactNode } from 'react';

import { Button, FaultMessage, Segments } from '../../shared/controls';
import { CUSTODY_WEAKNESS, exactly } from '../../shared/format';
import { useSession } from '../../shared/session';
import { ShortcutList } from '../../shared/ShortcutSheet';
import { useDoing } from '../../shared/use';
import { ServiceSettings } from './ServiceSettings';
import './settings.css';

export function SettingsScreen() {
  const session = useSession();
  const { status, about } = session;
  const opening = useDoing();
  return (
    <div className="page settings">
      <h1>Settings</h1>
      <Group title="Appearance">
        <Row title="Theme" text="System follows the setting of your desktop.">
          <Segments
            label="Theme"
            value={session.theme}
            onChange={session.setTheme}
            options={[
              { value: 'system', title: 'System' },
              { value: 'light', title: 'Light' },
              { value: 'dark', title: 'Dark' },
            ]}
          />
        </Row>
        <Row title="Density" text="Height of the rows in lists.">
          <Segments
            label="Density"
            value={session.density}
            onChange={session.setDensity}
            options={[
              { value: 'compact', title: 'Compact' },
              { value: 'default', title: 'Default' },
              { value: 'comfortable', title: 'Comfortable' },
            ]}
          />
        </Row>
      </Group>
      <Group title="Data">
        <Row title="Data directory" text={<span className="mono wrap-any">{status?.data_dir ?? about?.dataDir}</span>}>
          <Button icon={<FolderOpen size={16} />} onPress={() => void opening.run(() => session.platform.openFolder('data'))}>
            Open folder
          </Button>
        </Row>
        {opening.fault && <FaultMessage fault={opening.fault} />}
        <Row title="Store" text={status?.store} />
      </Group>
      {!about?.sample && (
        <Group title="Service">
          <ServiceSettings />
        </Group>
      )}
      <Group title="Master secret">
        <Row
          title="Custody"
          text={
            status?.secret ? (
              <>
                {status.secret.custody_name}. {CUSTODY_WEAKNESS[status.secret.custody]}
              </>
            ) : (
              'The master secret can’t be had now.'
            )
          }
        >
          <Button onPress={() => session.go('master')}>Details</Button>
        </Row>
      </Group>
      <Group title="About">
        <Row title="Version" text={`Sealport ${about?.version ?? status?.version ?? ''}`} />
        <Row title="System" text={status?.system ? <>{status.system.name}, created {exactly(status.system.created)}. <span className="mono wrap-any">{status.system.id}</span></> : 'None'} />
        <Row title="Privacy" text="No account, no telemetry. Nothing leaves the machines of this system." />
      </Group>
      <Group title="Keyboard shortcuts">
        <div className="inside">
          <ShortcutList />
        </div>
      </Group>
    </div>
  );
}

function Group({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="panel" aria-label={title}>
      <header>
        <h2>{title}</h2>
      </header>
      {children}
    </section>
  );
}

function Row({ title, text, children }: { title: string; text?: ReactNode; children?: ReactNode }) {
  return (
    <div className="setting">
      <div className="grow">
        <p className="strong">{title}</p>
        {text && <p className="muted">{text}</p>}
      </div>
      {children}
    </div>
  );
}

// Settings of the service: each with its value, where that comes from, and what it does.

import { useState } from 'react';

import type { SettingView } from '../../platform';
import { Busy, Button, FaultMessage, Field, Segments } from '../../shared/controls';
import { ask, useSession } from '../../shared/session';
import { useDoing, useReading } from '../../shared/use';
import { Words } from '../../shared/Words';

/** Those that have a name here, in their order; others follow by their key. */
const TITLE: Record<string, string> = {
  sync_interval: 'Sync interval',
  listen: 'Listen address',
  metrics: 'Health and metrics address',
  backup_days: 'Backup is old after (days)',
  notifications: 'Notifications of the desktop',
  webhook: 'Webhook for alerts',
  webhook_key_file: 'Key file of the webhook',
};
const ORDER = Object.keys(TITLE);
/** What is on or off is switched, not typed. */
const SWITCHES = new Set(['notifications']);
const place = (key: string) => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length);

export function ServiceSettings() {
  const { platform, tick } = useSession();
  const reading = useReading(() => ask(platform, { act: 'config_get', key: null }, 'config'), `config-${tick}`);
  if (reading.fault) return <div className="inside"><FaultMessage fault={reading.fault} again={reading.again} /></div>;
  if (!reading.value) return <Busy text="Reading…" />;
  const settings = [...reading.value.settings].sort((a, b) => place(a.key) - place(b.key));
  return settings.map((setting) => <Setting key={setting.key} setting={setting} onSet={reading.again} />);
}

function Setting({ setting, onSet }: { setting: SettingView; onSet: () => void }) {
  const { platform, say } = useSession();
  const [draft, setDraft] = useState<string | null>(null);
  const work = useDoing();
  const title = TITLE[setting.key] ?? setting.key;
  const changed = draft !== null && draft.trim() !== setting.value && draft.trim() !== '';
  const save = (value: string) =>
    void work.run(async () => {
      await ask(platform, { act: 'config_set', key: setting.key, value: value.trim() }, 'config');
      setDraft(null);
      say(`${title} is set.`);
      onSet();
    });
  const standard = setting.source === 'default';
  return (
    <form
      className="setting"
      onSubmit={(event) => {
        event.preventDefault();
        if (changed && !work.busy) save(draft);
      }}
    >
      <div className="grow">
        <p className="strong">{title}</p>
        <p className="muted"><Words text={setting.about} /></p>
        <p className="muted small wrap-any">
          <span className={standard ? 'tag' : 'tag ok'}>{standard ? 'default' : 'changed'}</span> {!standard && <span className="mono">{setting.source}</span>}
        </p>
        {work.fault && <FaultMessage fault={work.fault} />}
      </div>
      {SWITCHES.has(setting.key) ? (
        <Segments
          label={title}
          value={setting.value}
          onChange={(value) => value !== setting.value && !work.busy && save(value)}
          options={[
            { value: 'on', title: 'On' },
            { value: 'off', title: 'Off' },
          ]}
        />
      ) : (
        <div className="row setting-value">
          <Field label={title} hideLabel value={draft ?? setting.value} onChange={setDraft} mono isDisabled={work.busy} />
          <Button small type="submit" isDisabled={!changed || work.busy} aria-label={`Save ${title}`}>
            Save
          </Button>
        </div>
      )}
    </form>
  );
}

// One port: its values, history, activity, and commands.

import { ArchiveRestore, Trash2, X } from 'lucide-react';
import { useCallback, useEffect, useRef, useState } from 'react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';

import type { KeptView, PropertyView } from '../../platform';
import { Busy, Button, FaultMessage, IconButton, Message } from '../../shared/controls';
import { KIND, applicationName, counted, exactly, when } from '../../shared/format';
import { Blocked, canOpen } from '../../shared/fleet';
import { ask, useCommand, useSession } from '../../shared/session';
import { useReading } from '../../shared/use';
import { CliTab } from './CliTab';
import { withValue } from './draft';
import type { Draft } from './draft';
import { HistoryTab } from './HistoryTab';
import { PortActivity } from './PortActivity';
import { Properties } from './Properties';
import { ReviewDialog } from './ReviewDialog';

interface Props {
  id: string;
  draft: Draft | undefined;
  onDraft: (draft: Draft | undefined) => void;
  onClose: () => void;
}

/** Where else a write is; nothing where there is one node only. */
function keptWords(kept: KeptView | null): string {
  if (!kept) return '';
  if (kept.standby) return ` ${kept.standby} has it too.`;
  return kept.late ? ' No standby has it yet.' : '';
}

export function PortDetail({ id, draft, onDraft, onClose }: Props) {
  const session = useSession();
  const { platform, tick, refresh, sayFault } = session;
  const [tab, setTab] = useState('details');
  const [review, setReview] = useState(false);
  const body = useRef<HTMLDivElement>(null);
  const reading = useReading(() => ask(platform, { act: 'port_show', port: id, revision: null }, 'port'), `${id}@${tick}`);
  const port = reading.value?.id === id ? reading.value : null;
  const able = session.status?.sealing.possible ?? false;
  // A draft may be written while nothing can be sealed: it is kept until it can be saved.
  const mayDraft = session.status !== null && canOpen(session.status);

  const latest = useRef({ draft, port });
  useEffect(() => {
    latest.current = { draft, port };
  });
  const onValue = useCallback(
    (property: PropertyView, value: string | null) => {
      const now = latest.current;
      if (now.port) onDraft(withValue(now.draft, now.port, property, value));
    },
    [onDraft],
  );
  // What was decided upon may be older than what stands: it is read again.
  const onRefused = useCallback(
    (reason: unknown) => {
      sayFault(reason);
      void refresh();
    },
    [sayFault, refresh],
  );
  const onMark = useCallback(
    (property: PropertyView, secret: boolean) => {
      const read = latest.current.port;
      ask(platform, { act: 'port_mark', port: id, path: property.path, secret, if_revision: read?.revision ?? null, if_imprint: read?.imprint ?? null }, 'saved').then(
        () => refresh(),
        onRefused,
      );
    },
    [platform, id, refresh, onRefused],
  );

  const stale = Boolean(draft && port && draft.revision !== port.revision);
  const rebase = async () => {
    const fresh = await ask(platform, { act: 'port_show', port: id, revision: null }, 'port');
    if (draft) onDraft({ ...draft, revision: fresh.revision, imprint: fresh.imprint });
    reading.again();
  };
  const remove = () => {
    if (!port || port.deleted) return;
    ask(platform, { act: 'port_delete', port: id, if_revision: port.revision, if_imprint: port.imprint }, 'saved').then(
      async (deleted) => {
        onDraft(undefined);
        session.say(`${port.name} is deleted. Its history stays.`, {
          label: 'Undo',
          run: () => void platform.call({ act: 'port_undelete', port: id, if_revision: deleted.revision, if_imprint: null }).then(session.refresh, session.sayFault),
        });
        await session.refresh();
      },
      onRefused,
    );
  };
  const bringBack = () =>
    void platform.call({ act: 'port_undelete', port: id, if_revision: port?.revision ?? null, if_imprint: port?.imprint ?? null }).then(
      () => session.refresh(),
      onRefused,
    );

  useCommand('review', () => draft && setReview(true));
  useCommand('history', () => setTab('history'));
  useCommand('delete', remove);
  useCommand('rename', () => {
    setTab('details');
    requestAnimationFrame(() => body.current?.querySelector<HTMLElement>('.prop-input')?.focus());
  });

  if (reading.fault) {
    return (
      <div className="detail-pad">
        <FaultMessage fault={reading.fault} again={reading.again} />
      </div>
    );
  }
  if (!port) return <Busy text="Opening the port…" />;
  return (
    <>
      <div className="detail-head">
        <div className="row top">
          <div className="grow">
            <h2 className="wrap-any">{port.name}</h2>
            <p className="muted small wrap-any">
              {KIND[port.kind]} in {applicationName(port.application)}, revision {port.revision}, <span title={exactly(port.changed_at)}>{when(port.changed_at)}</span> by {port.changed_by}
            </p>
          </div>
          {port.deleted ? (
            <Button small icon={<ArchiveRestore size={14} />} onPress={bringBack}>
              Bring back
            </Button>
          ) : (
            <IconButton small label="Delete port" icon={<Trash2 size={16} />} onPress={remove} isDisabled={!able} />
          )}
          <IconButton small label="Close port" icon={<X size={16} />} onPress={onClose} />
        </div>
        {port.deleted && <Message tone="warn" title="This port is deleted. Its history stays." />}
        {port.missing_secrets > 0 && !port.deleted && (
          <p className="state warn small">{counted(port.missing_secrets, 'secret is', 'secrets are')} missing. Type the value below.</p>
        )}
      </div>
      <Tabs className="tabs" selectedKey={tab} onSelectionChange={(key) => setTab(String(key))}>
        <TabList aria-label="Port" className="tab-list">
          <Tab id="details" className="tab">
            Details
          </Tab>
          <Tab id="history" className="tab">
            History
          </Tab>
          <Tab id="activity" className="tab">
            Activity
          </Tab>
          <Tab id="cli" className="tab">
            CLI
          </Tab>
        </TabList>
        <TabPanel id="details" className="tab-panel flush">
          <div ref={body}>
            <Properties port={port} draft={draft} readOnly={port.deleted || !mayDraft} onValue={onValue} onMark={onMark} />
            <p className="detail-pad muted small">
              From <span className="mono">{port.document}</span>
            </p>
          </div>
        </TabPanel>
        <TabPanel id="history" className="tab-panel">
          <HistoryTab
            port={port}
            blocked={!able || Boolean(draft)}
            onWritten={session.refresh}
          />
        </TabPanel>
        <TabPanel id="activity" className="tab-panel">
          <PortActivity port={port} />
        </TabPanel>
        <TabPanel id="cli" className="tab-panel">
          <CliTab port={port} draft={draft} />
        </TabPanel>
      </Tabs>
      {draft && (
        <div className="draft-bar" role="group" aria-label="Unsaved changes">
          <span className="grow">
            <span className="strong">{counted(draft.values.size, 'unsaved change')}</span>
            <Blocked />
            {stale && <span className="tone-warn"> on an older revision</span>}
          </span>
          <Button onPress={() => onDraft(undefined)}>Discard</Button>
          <Button look="primary" onPress={() => setReview(true)}>
            Review {counted(draft.values.size, 'change')}
          </Button>
        </div>
      )}
      {draft && (
        <ReviewDialog
          port={port}
          draft={draft}
          open={review}
          onClose={() => setReview(false)}
          onRebase={rebase}
          onSaved={(saved) => {
            setReview(false);
            onDraft(undefined);
            session.say(`${port.name} is saved as revision ${saved.revision}.${keptWords(saved.kept)}`);
            void session.refresh();
          }}
        />
      )}
    </>
  );
}

// Ctrl+K: ports, screens and actions from one box.

import { ArrowRight, Cable, CornerDownLeft, Search, Zap } from 'lucide-react';
import { useEffect, useId, useRef, useState } from 'react';
import { Dialog, Heading, Modal, ModalOverlay } from 'react-aria-components';

import type { PortSummaryView } from '../platform';
import { ask, useSession } from '../shared/session';
import { SCREENS } from '../shared/session';
import { KIND } from '../shared/format';
import { TITLES } from './routes';

interface Entry {
  key: string;
  group: 'Ports' | 'Screens' | 'Actions';
  title: string;
  aside: string;
  run: () => void;
}

export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <ModalOverlay className="veil high" isOpen={open} onOpenChange={(next) => !next && onClose()} isDismissable>
      <Modal className="modal wide">
        <Dialog className="dialog palette">
          <Heading slot="title" level={2} className="sr">
            Search or run a command
          </Heading>
          <PaletteBody onClose={onClose} />
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

function PaletteBody({ onClose }: { onClose: () => void }) {
  const session = useSession();
  const [text, setText] = useState('');
  const [found, setFound] = useState<{ text: string; ports: PortSummaryView[] }>({ text: '', ports: [] });
  // Enter came before the answer: the first entry is run once it is here.
  const [eager, setEager] = useState(false);
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const { platform, go } = session;

  useEffect(() => {
    let wanted = true;
    if (!text.trim()) {
      setFound({ text, ports: [] });
      return;
    }
    const filter = { search: text, application: null, adapter: null, kind: null, missing: false, deleted: false };
    ask(platform, { act: 'port_list', filter, offset: 0, limit: 8 }, 'ports').then(
      (answer) => wanted && setFound({ text, ports: answer.ports }),
      () => wanted && setFound({ text, ports: [] }),
    );
    return () => {
      wanted = false;
    };
  }, [text, platform]);

  const then = (run: () => void) => () => {
    onClose();
    run();
  };
  const actions: Entry[] = [
    { key: 'a-import', group: 'Actions', title: 'Import binding files', aside: 'Ctrl I', run: then(() => go('import')) },
    { key: 'a-fill', group: 'Actions', title: 'Fill missing secrets', aside: '', run: then(() => go('missing')) },
    { key: 'a-backup', group: 'Actions', title: 'Back up now', aside: 'Ctrl B', run: then(() => go('master', { do: 'backup' })) },
    { key: 'a-drill', group: 'Actions', title: 'Drill a backup', aside: '', run: then(() => go('master', { do: 'drill' })) },
    { key: 'a-promote', group: 'Actions', title: 'Promote a node to master', aside: '', run: then(() => go('nodes', { promote: '' })) },
    ...(session.status?.stranded ? [{ key: 'a-stranded', group: 'Actions' as const, title: 'Compare stranded changes', aside: '', run: then(() => go('nodes', { do: 'stranded' })) }] : []),
    { key: 'a-rotate', group: 'Actions', title: 'Rotate the master secret', aside: '', run: then(() => go('master', { do: 'rotate' })) },
    { key: 'a-deleted', group: 'Actions', title: 'Show deleted ports', aside: '', run: then(() => go('ports', { deleted: '1' })) },
    { key: 'a-keys', group: 'Actions', title: 'Keyboard shortcuts', aside: '?', run: then(session.showShortcuts) },
  ];
  const screens: Entry[] = SCREENS.map((screen, index) => ({ key: `s-${screen}`, group: 'Screens', title: TITLES[screen], aside: `Ctrl ${index + 1}`, run: then(() => go(screen)) }));
  const wanted = text.trim().toLowerCase();
  const entries: Entry[] = [
    ...found.ports.map((port) => ({ key: port.id, group: 'Ports' as const, title: port.name, aside: `${KIND[port.kind]}, ${port.application || 'no application'}`, run: then(() => go('ports', { search: port.name, port: port.id })) })),
    ...[...screens, ...actions].filter((entry) => entry.title.toLowerCase().includes(wanted)),
  ];
  const current = Math.min(at, entries.length - 1);
  const waiting = found.text !== text;
  const first = entries[current];
  useEffect(() => {
    if (!eager || waiting) return;
    setEager(false);
    first?.run();
  }, [eager, waiting, first]);

  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [current]);

  return (
    <>
      <div className="palette-box">
        <Search size={16} aria-hidden className="muted" />
        <input
          autoFocus
          role="combobox"
          aria-label="Search ports, screens and actions"
          aria-expanded
          aria-controls={`${id}-list`}
          aria-activedescendant={entries[current] ? `${id}-${current}` : undefined}
          aria-autocomplete="list"
          placeholder="Search ports, screens and actions"
          value={text}
          spellCheck={false}
          onChange={(event) => {
            setText(event.target.value);
            setEager(false);
            setAt(0);
          }}
          onKeyDown={(event) => {
            if (event.key === 'ArrowDown') setAt(Math.min(current + 1, entries.length - 1));
            else if (event.key === 'ArrowUp') setAt(Math.max(current - 1, 0));
            else if (event.key === 'Enter') setEager(true);
            else return;
            event.preventDefault();
          }}
        />
        <kbd>Esc</kbd>
      </div>
      <div className="palette-list" role="listbox" aria-label="Results" id={`${id}-list`} ref={list}>
        {entries.map((entry, index) => (
          <div key={entry.key}>
            {entries[index - 1]?.group !== entry.group && (
              <div className="palette-group" role="presentation">
                {entry.group}
              </div>
            )}
            <div
              id={`${id}-${index}`}
              role="option"
              aria-selected={index === current}
              className="palette-entry"
              onPointerMove={() => setAt(index)}
              onClick={entry.run}
            >
              {entry.group === 'Ports' ? <Cable size={16} aria-hidden /> : entry.group === 'Screens' ? <ArrowRight size={16} aria-hidden /> : <Zap size={16} aria-hidden />}
              <span className="clip strong">{entry.title}</span>
              <span className="grow clip muted small">{entry.group === 'Ports' ? entry.aside : ''}</span>
              {entry.group !== 'Ports' && entry.aside && <kbd>{entry.aside}</kbd>}
              {index === current && <CornerDownLeft size={14} aria-hidden className="muted" />}
            </div>
          </div>
        ))}
        {entries.length === 0 && <p className="palette-none muted">Nothing fits “{text}”.</p>}
      </div>
    </>
  );
}

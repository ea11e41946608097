// Asks before what can't be undone: what it does stands in it, a name is typed where that is wanted, and its refusal stays in sight.

import { useState } from 'react';
import type { ReactNode } from 'react';

import { Button, Dialog, FaultMessage, Field } from './controls';
import type { useDoing } from './use';

interface Props {
  title: string;
  /** On the button, and while it is being done. */
  act: string;
  doing: string;
  look?: 'danger' | 'primary';
  work: ReturnType<typeof useDoing>;
  /** The name that is typed before it can be done; an empty one fits nothing. */
  typed?: { name: string; label: string; first?: boolean };
  /** Whether all else is there. */
  ready?: boolean;
  onAct: () => Promise<void>;
  onClose: () => void;
  children: ReactNode;
}

export function Ask({ title, act, doing, look = 'danger', work, typed, ready = true, onAct, onClose, children }: Props) {
  const [words, setWords] = useState('');
  const able = ready && !work.busy && (!typed || (typed.name !== '' && words.trim() === typed.name));
  const run = () => void work.run(onAct);
  return (
    <Dialog
      title={title}
      open
      alert
      onClose={onClose}
      locked={work.busy}
      foot={
        <>
          <Button onPress={onClose} isDisabled={work.busy}>
            Cancel
          </Button>
          <Button look={look} onPress={run} isDisabled={!able}>
            {work.busy ? doing : act}
          </Button>
        </>
      }
    >
      {children}
      {typed && <Field label={typed.label} value={words} onChange={setWords} autoFocus={typed.first !== false} onKeyDown={(event) => event.key === 'Enter' && able && run()} />}
      {work.fault && <FaultMessage fault={work.fault} />}
    </Dialog>
  );
}

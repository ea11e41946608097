// Closing the window over what is not saved: one question, by whatever way it is closed.

import { useEffect, useState } from 'react';

import { Button, Dialog } from '../shared/controls';
import { hearUnsaved, readUnsaved } from '../shared/session';
import type { Session } from '../shared/session';

export function Closing({ session }: { session: Session }) {
  const { platform, status } = session;
  const [words, setWords] = useState<string | null>(null);
  useEffect(() => hearUnsaved((any) => void platform.unsaved(any)), [platform]);
  useEffect(
    () =>
      platform.closing(() => {
        const now = readUnsaved();
        setWords(now);
        // Says that it asks; or that there is nothing to ask any more.
        void platform.unsaved(now !== null).then(() => (now === null ? platform.close() : undefined));
      }),
    [platform],
  );
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'q') return;
      event.preventDefault();
      void platform.close();
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [platform]);
  const leave = () => void platform.unsaved(false).then(() => platform.close());
  const waits = status?.system && !status.sealing.possible;
  return (
    <Dialog
      alert
      title="Close Sealport with unsaved changes?"
      open={words !== null}
      onClose={() => setWords(null)}
      foot={
        <>
          <Button onPress={leave}>Close without saving</Button>
          <Button look="primary" autoFocus onPress={() => setWords(null)}>
            Keep open
          </Button>
        </>
      }
    >
      <p>{words}</p>
      <p className="muted">
        {waits
          ? 'Nothing can be sealed now, and what is not sealed is never written to a disk. Keep the window open until saving works again, or it is lost.'
          : 'What is not saved is on no disk. It is lost with the window.'}
      </p>
    </Dialog>
  );
}

// Files and folders that are chosen in the system's own dialogs. The page gets a name and a token, never a path.

import { FolderOpen } from 'lucide-react';

import type { BackupView, Choice, Chosen } from '../platform';
import { BackupHeader } from './BackupHeader';
import { Button, FaultMessage } from './controls';
import { ask, useSession } from './session';
import { useDoing } from './use';

interface Props {
  what: Exclude<Choice, 'import' | 'fill_csv'>;
  file: Chosen | null;
  onFile: (file: Chosen) => void;
  /** What stands beside the button until something is chosen. */
  hint: string;
  /** A file name for saving. */
  suggested?: string;
  isDisabled?: boolean;
}

/** A button that opens the dialog, with the name of what was chosen beside it. */
export function ChooseFile({ what, file, onFile, hint, suggested, isDisabled }: Props) {
  const { platform } = useSession();
  const choosing = useDoing();
  const choose = () =>
    void choosing.run(async () => {
      const [chosen] = await platform.choose(what, suggested);
      if (chosen) onFile(chosen);
    });
  return (
    <>
      <div className="row">
        <Button icon={<FolderOpen size={16} />} onPress={choose} isDisabled={isDisabled || choosing.busy}>
          {what === 'export_folder' ? 'Choose folder…' : 'Choose backup file…'}
        </Button>
        <span className={file ? 'clip' : 'muted'}>{file?.name ?? hint}</span>
      </div>
      {choosing.fault && <FaultMessage fault={choosing.fault} />}
    </>
  );
}

/** A backup that can be read: its file, and what its header says without a passphrase. */
export interface ReadBackup {
  file: Chosen;
  view: BackupView;
}

/** Chooses a backup and shows its header; `onRead` gets nothing while, and where, it can't be read. */
export function ChooseBackup({ read, onRead }: { read: ReadBackup | null; onRead: (read: ReadBackup | null) => void }) {
  const { platform } = useSession();
  const looking = useDoing();
  const look = (file: Chosen) => {
    onRead(null);
    void looking.run(async () => onRead({ file, view: await ask(platform, { act: 'backup_inspect', file: file.token }, 'backup') }));
  };
  return (
    <>
      <ChooseFile what="backup_open" file={read?.file ?? null} onFile={look} hint="It ends in .sealport." />
      {looking.fault && <FaultMessage fault={looking.fault} />}
      {read && <BackupHeader backup={read.view} />}
    </>
  );
}

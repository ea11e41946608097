// A line to copy: a token, an address, a command.

import { Copy } from 'lucide-react';

import { Button } from './controls';
import { copyText } from './copy';
import { useSession } from './session';

export function Copied({ label, text, none }: { label: string; text: string | null; none?: string }) {
  const session = useSession();
  return (
    <div className="stack tight">
      <span className="field-label">{label}</span>
      {text === null ? (
        <span className="tone-warn">{none}</span>
      ) : (
        <div className="copied">
          <span className="mono wrap-any grow">{text}</span>
          <Button small icon={<Copy size={14} />} aria-label={`Copy: ${label}`} onPress={() => void copyText(text).then(() => session.say('Copied.'))}>
            Copy
          </Button>
        </div>
      )}
    </div>
  );
}

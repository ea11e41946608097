// A secret in the property grid: masked, shown while held, copied without being shown, or given a new value.

import { Copy, Eye, EyeOff, PencilLine, Undo2 } from 'lucide-react';
import { useCallback, useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';

import type { PropertyView } from '../../platform';
import { ask, useSession } from '../../shared/session';

interface Props {
  port: string;
  name: string;
  property: PropertyView;
  draft: string | undefined;
  readOnly: boolean;
  onChange: (value: string | null) => void;
}

export function SecretValue({ port, name, property, draft, readOnly, onChange }: Props) {
  const session = useSession();
  const [editing, setEditing] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const missing = property.secret === 'missing';
  const edits = editing || draft !== undefined || (missing && !readOnly);

  const edit = () => {
    setEditing(true);
    requestAnimationFrame(() => input.current?.focus());
  };
  const copy = () => {
    session.platform.copySecret(port, property.path).then(
      () => session.say(`${property.label} is on the clipboard for 30 s.`),
      session.sayFault,
    );
  };

  if (edits) {
    return (
      <div className="secret">
        <input
          ref={input}
          className="prop-input"
          type="password"
          autoComplete="off"
          aria-label={`New ${property.label}`}
          placeholder={missing ? 'Missing: type the value' : 'New value'}
          value={draft ?? ''}
          onChange={(event) => onChange(event.target.value)}
          onBlur={() => setEditing(false)}
          data-path={property.path}
        />
        {missing && draft === undefined && <span className="tag warn">missing</span>}
        {draft !== undefined && (
          <button type="button" className="mini" aria-label={`Undo the change of ${property.label}`} title="Undo" onClick={() => onChange(null)}>
            <Undo2 size={14} aria-hidden />
          </button>
        )}
      </div>
    );
  }
  if (property.secret === 'unused') return <Quiet text="empty, and nothing names a user beside it" action={!readOnly && <Mini label={`Change ${property.label}`} onClick={edit} />} />;
  if (property.secret === 'reference') return <Quiet text="names a value that stands elsewhere" action={!readOnly && <Mini label={`Change ${property.label}`} onClick={edit} />} />;
  if (missing) return <span className="tag warn">missing</span>;
  return (
    <div className="secret">
      <Hold port={port} name={name} property={property} />
      <button type="button" className="mini" aria-label={`Copy ${property.label}`} title="Copy for 30 s" onClick={copy}>
        <Copy size={14} aria-hidden />
      </button>
      {!readOnly && <Mini label={`Change ${property.label}`} onClick={edit} />}
    </div>
  );
}

function Mini({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <button type="button" className="mini" aria-label={label} title="Change" onClick={onClick}>
      <PencilLine size={14} aria-hidden />
    </button>
  );
}

function Quiet({ text, action }: { text: string; action: ReactNode }) {
  return (
    <div className="secret">
      <span className="muted grow clip">{text}</span>
      {action}
    </div>
  );
}

/** Shows the value while the pointer or Space is held; masks on release, on blur, and when the window loses the focus. */
export function Hold({ port, name, property }: { port: string; name: string; property: PropertyView }) {
  const session = useSession();
  const [value, setValue] = useState<string | null>(null);
  const holding = useRef(0);

  const mask = useCallback(() => {
    holding.current += 1;
    setValue(null);
  }, []);
  useEffect(() => {
    window.addEventListener('blur', mask);
    return () => window.removeEventListener('blur', mask);
  }, [mask]);
  useEffect(() => mask, [mask, property.path, port]);

  const reveal = () => {
    const mine = ++holding.current;
    ask(session.platform, { act: 'port_reveal', port, path: property.path }, 'revealed').then(
      (answer) => {
        // Released before the answer came: it is not shown.
        if (holding.current === mine) setValue(answer.value);
      },
      session.sayFault,
    );
  };

  return (
    <>
      <output className="secret-text mono clip" aria-label={`${property.label} of ${name}`} aria-live="polite">
        {value ?? '••••••••••'}
      </output>
      <button
        type="button"
        className="mini"
        aria-label={`Hold to reveal ${property.label}`}
        aria-pressed={value !== null}
        title="Hold to reveal"
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture?.(event.pointerId);
          reveal();
        }}
        onPointerUp={mask}
        onPointerCancel={mask}
        onLostPointerCapture={mask}
        onBlur={mask}
        onContextMenu={(event) => event.preventDefault()}
        onKeyDown={(event) => {
          if (event.key !== ' ') return;
          event.preventDefault();
          if (!event.repeat) reveal();
        }}
        onKeyUp={(event) => {
          if (event.key !== ' ') return;
          event.preventDefault();
          mask();
        }}
      >
        {value === null ? <Eye size={14} aria-hidden /> : <EyeOff size={14} aria-hidden />}
      </button>
    </>
  );
}

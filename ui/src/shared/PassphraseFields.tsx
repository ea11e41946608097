// A new passphrase: typed twice, pasted, or generated. Says how strong it is.

import { Eye, EyeOff, WandSparkles } from 'lucide-react';
import { useState } from 'react';

import { Button, Field, IconButton } from './controls';
import { makePassphrase, strength } from './passphrase';
import './passphrase.css';

export interface NewPassphrase {
  first: string;
  second: string;
}

export const noPassphrase: NewPassphrase = { first: '', second: '' };
export const agrees = (passphrase: NewPassphrase): boolean => passphrase.first.length >= 8 && passphrase.first === passphrase.second;

export function PassphraseFields({ label, value, onChange, hint }: { label: string; value: NewPassphrase; onChange: (value: NewPassphrase) => void; hint?: string }) {
  const [shown, setShown] = useState(false);
  const { level, word } = strength(value.first);
  const short = value.first.length > 0 && value.first.length < 8;
  const differs = value.second.length > 0 && !value.first.startsWith(value.second);
  return (
    <div className="stack passphrase">
      <div className="row pair">
        <Field
          label={label}
          type={shown ? 'text' : 'password'}
          autoComplete="new-password"
          value={value.first}
          onChange={(first) => onChange({ ...value, first })}
          mono={shown}
          error={short ? 'At least 8 characters.' : null}
        />
        <IconButton label={shown ? 'Hide passphrase' : 'Show passphrase'} icon={shown ? <EyeOff size={16} /> : <Eye size={16} />} onPress={() => setShown(!shown)} />
        <Button
          icon={<WandSparkles size={16} />}
          onPress={() => {
            const made = makePassphrase();
            setShown(true);
            onChange({ first: made, second: made });
          }}
        >
          Generate
        </Button>
      </div>
      <div className="row strength" role="status">
        <span className="meter" aria-hidden>
          {[1, 2, 3, 4].map((step) => (
            <span key={step} className={step <= level ? `step on l${level}` : 'step'} />
          ))}
        </span>
        <span className="small muted">{word ? `Strength: ${word}` : (hint ?? 'Long beats complicated: four or five words do well.')}</span>
      </div>
      <Field
        label={`${label} again`}
        type={shown ? 'text' : 'password'}
        autoComplete="new-password"
        value={value.second}
        onChange={(second) => onChange({ ...value, second })}
        mono={shown}
        error={differs || (value.second.length > value.first.length && value.second !== value.first) ? 'The two differ.' : null}
      />
    </div>
  );
}

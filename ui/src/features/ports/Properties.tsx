// Every value of a port, in its sections, editable in place.

import { Shield, ShieldOff, Undo2 } from 'lucide-react';
import { memo } from 'react';

import type { PortView, PropertyView } from '../../platform';
import { choicesOf } from './draft';
import type { Draft } from './draft';
import { SecretValue } from './SecretValue';

interface Props {
  port: PortView;
  draft: Draft | undefined;
  readOnly: boolean;
  onValue: (property: PropertyView, value: string | null) => void;
  onMark: (property: PropertyView, secret: boolean) => void;
}

export function Properties({ port, draft, readOnly, onValue, onMark }: Props) {
  const sections = new Map<string, PropertyView[]>();
  for (const property of port.properties) sections.set(property.section, [...(sections.get(property.section) ?? []), property]);
  return (
    <div className="props">
      {[...sections].map(([section, properties]) => (
        <section key={section} aria-label={section}>
          <h3>{section}</h3>
          <dl>
            {properties.map((property) => (
              <Line
                key={property.path}
                port={port.id}
                name={port.name}
                property={property}
                value={draft?.values.get(property.path)}
                readOnly={readOnly}
                onValue={onValue}
                onMark={onMark}
              />
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}

interface LineProps {
  port: string;
  name: string;
  property: PropertyView;
  value: string | undefined;
  readOnly: boolean;
  onValue: (property: PropertyView, value: string | null) => void;
  onMark: (property: PropertyView, secret: boolean) => void;
}

const Line = memo(function Line({ port, name, property, value, readOnly, onValue, onMark }: LineProps) {
  const changed = value !== undefined;
  const fixed = readOnly || !property.writable;
  return (
    <div className={`prop${changed ? ' changed' : ''}`}>
      <dt title={property.path} className={`d${Math.min(property.depth, 4)}`}>
        {property.label}
        {changed && <span className="sr"> (changed)</span>}
      </dt>
      <dd>
        {property.secret !== null ? (
          <SecretValue port={port} name={name} property={property} draft={value} readOnly={fixed} onChange={(next) => onValue(property, next)} />
        ) : (
          <Plain property={property} value={value} fixed={fixed} onChange={(next) => onValue(property, next)} />
        )}
        {!fixed && (property.marked || property.secret === null) && (
          <button
            type="button"
            className="mini later"
            aria-label={property.marked ? `Remove the secret mark of ${property.label}` : `Mark ${property.label} as secret`}
            title={property.marked ? 'Remove the secret mark' : 'Mark as secret'}
            onClick={() => onMark(property, !property.marked)}
          >
            {property.marked ? <ShieldOff size={14} aria-hidden /> : <Shield size={14} aria-hidden />}
          </button>
        )}
      </dd>
    </div>
  );
});

function Plain({ property, value, fixed, onChange }: { property: PropertyView; value: string | undefined; fixed: boolean; onChange: (value: string | null) => void }) {
  const shown = value ?? property.value ?? '';
  const mono = /[\\/:@{}<>=]|^\d+$/.test(shown) ? ' mono' : '';
  if (fixed) {
    return (
      <span className={`prop-fixed wrap-any${mono}`}>
        {property.value === null ? <span className="muted">none</span> : property.value === '' ? <span className="muted">empty</span> : property.value}
      </span>
    );
  }
  const choices = choicesOf(property);
  return (
    <div className="secret">
      {choices.length > 0 ? (
        <select className="prop-input" aria-label={property.label} value={shown} onChange={(event) => onChange(event.target.value)} data-path={property.path}>
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice || '(empty)'}
            </option>
          ))}
        </select>
      ) : (
        <input
          className={`prop-input${mono}`}
          aria-label={property.label}
          value={shown}
          placeholder={property.type === 'null' ? 'none' : 'empty'}
          inputMode={property.type === 'integer' ? 'numeric' : undefined}
          spellCheck={false}
          onChange={(event) => onChange(event.target.value)}
          data-path={property.path}
        />
      )}
      {value !== undefined && (
        <button type="button" className="mini" aria-label={`Undo the change of ${property.label}`} title="Undo" onClick={() => onChange(null)}>
          <Undo2 size={14} aria-hidden />
        </button>
      )}
    </div>
  );
}

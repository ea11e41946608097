// Every value of a port, editable in place: what is often edited first, the rest in sections that fold and filter.

import { ChevronRight, ChevronsDownUp, ChevronsUpDown, Search, Shield, ShieldOff, Undo2 } from 'lucide-react';
import { memo, useMemo, useState } from 'react';

import type { PortView, PropertyView } from '../../platform';
import { Empty } from '../../shared/controls';
import { choicesOf } from './draft';
import type { Draft } from './draft';
import { fitting, sectionsOf } from './sections';
import type { Section } from './sections';
import { SecretValue } from './SecretValue';

interface Props {
  port: PortView;
  draft: Draft | undefined;
  readOnly: boolean;
  onValue: (property: PropertyView, value: string | null) => void;
  onMark: (property: PropertyView, secret: boolean) => void;
}

/** Below this many values a port is shown whole. */
const FEW = 24;

export function Properties({ port, draft, readOnly, onValue, onMark }: Props) {
  const [words, setWords] = useState('');
  const [turned, setTurned] = useState<ReadonlyMap<string, boolean>>(new Map());
  const sections = useMemo(() => sectionsOf(port), [port]);
  const shown = useMemo(() => fitting(sections, words), [sections, words]);
  const filtered = words.trim() !== '';
  const few = port.properties.length <= FEW;
  const isOpen = (section: Section) => filtered || (turned.get(section.title) ?? (section.often || few));
  const turn = (title: string, open: boolean) => setTurned((old) => new Map([...old, [title, open]]));
  const fit = shown.reduce((sum, section) => sum + section.properties.length, 0);
  const allOpen = sections.every(isOpen);
  return (
    <div className="props">
      <div className="props-bar">
        <div className="search slim">
          <Search size={14} aria-hidden className="muted" />
          <input
            type="search"
            aria-label="Filter properties"
            placeholder="Filter properties"
            value={words}
            spellCheck={false}
            onChange={(event) => setWords(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Escape' || !words) return;
              event.preventDefault();
              setWords('');
            }}
          />
        </div>
        <span className="muted small nowrap" role="status">
          {filtered ? `${fit} of ${port.properties.length}` : `${port.properties.length} values`}
        </span>
        <button
          type="button"
          className="mini"
          aria-label={allOpen ? 'Fold the sections' : 'Unfold the sections'}
          title={allOpen ? 'Fold the sections' : 'Unfold the sections'}
          disabled={filtered}
          onClick={() => setTurned(new Map(sections.map((section) => [section.title, allOpen ? section.often : true])))}
        >
          {allOpen ? <ChevronsDownUp size={14} aria-hidden /> : <ChevronsUpDown size={14} aria-hidden />}
        </button>
      </div>
      {shown.length === 0 && <Empty title={`No property fits “${words}”.`} />}
      {shown.map((section) => {
        const open = isOpen(section);
        const changed = section.properties.filter((property) => draft?.values.has(property.path)).length;
        const missing = section.properties.filter((property) => property.secret === 'missing').length;
        return (
          <section key={section.title} aria-label={section.title} className={section.often ? 'often' : undefined}>
            <h3>
              <button type="button" className="fold" aria-expanded={open} disabled={filtered} onClick={() => turn(section.title, !open)}>
                <ChevronRight size={14} aria-hidden />
                <span className="clip grow">{section.title}</span>
                {changed > 0 && <span className="tag">{changed} changed</span>}
                {missing > 0 && <span className="tag warn">{missing} missing</span>}
                <span className="muted">{section.aside || section.properties.length}</span>
              </button>
            </h3>
            {open && (
              <dl>
                {section.properties.map((property) => (
                  <Line
                    key={property.path}
                    port={port.id}
                    name={port.name}
                    property={property}
                    flat={section.often}
                    value={draft?.values.get(property.path)}
                    readOnly={readOnly}
                    onValue={onValue}
                    onMark={onMark}
                  />
                ))}
              </dl>
            )}
          </section>
        );
      })}
    </div>
  );
}

interface LineProps {
  port: string;
  name: string;
  property: PropertyView;
  /** Out of its nest: no indent. */
  flat: boolean;
  value: string | undefined;
  readOnly: boolean;
  onValue: (property: PropertyView, value: string | null) => void;
  onMark: (property: PropertyView, secret: boolean) => void;
}

const Line = memo(function Line({ port, name, property, flat, value, readOnly, onValue, onMark }: LineProps) {
  const changed = value !== undefined;
  const fixed = readOnly || !property.writable;
  return (
    <div className={`prop${changed ? ' changed' : ''}`}>
      <dt title={property.path} className={flat ? undefined : `d${Math.min(property.depth, 4)}`}>
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
          title={shown.length > 32 ? shown : undefined}
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

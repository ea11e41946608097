// Changes to a port that are not saved yet.

import type { Assignment, ChangeView, PortView, PropertyView } from '../../platform';

export interface Draft {
  /** The revision that the changes were made on. */
  revision: number;
  /** What that revision was known by: after a change of master another one may have its number. */
  imprint: string | null;
  values: ReadonlyMap<string, string>;
}

export type Drafts = ReadonlyMap<string, Draft>;

/** The draft with one value set; a value that is as it was leaves the draft. */
export function withValue(draft: Draft | undefined, port: PortView, property: PropertyView, value: string | null): Draft | undefined {
  const values = new Map(draft?.values);
  if (value === null || (property.secret === null && value === (property.value ?? '')) || (property.secret !== null && value === '')) values.delete(property.path);
  else values.set(property.path, value);
  return values.size === 0 ? undefined : { revision: draft?.revision ?? port.revision, imprint: draft ? draft.imprint : port.imprint, values };
}

export function withDraft(drafts: Drafts, port: string, draft: Draft | undefined): Drafts {
  const next = new Map(drafts);
  if (draft) next.set(port, draft);
  else next.delete(port);
  return next;
}

export const assignments = (draft: Draft): Assignment[] => [...draft.values].map(([path, value]) => ({ path, value }));

/** The diff as the page knows it, for when the service can't tell. */
export function localChanges(port: PortView, draft: Draft): ChangeView[] {
  return [...draft.values].flatMap(([path, value]) => {
    const property = port.properties.find((one) => one.path === path);
    if (!property) return [];
    const secret = property.secret !== null;
    return [{ path, label: property.label, section: property.section, before: secret ? null : property.value, after: secret ? null : value, secret }];
  });
}

/** Spellings of yes and no as this value has them. */
export function choicesOf(property: PropertyView): string[] {
  const value = property.value ?? '';
  if (property.choices.length > 0) return property.choices.includes(value) ? property.choices : [value, ...property.choices];
  if (property.type !== 'boolean') return [];
  if (value === '0' || value === '-1') return ['-1', '0'];
  if (value === '1') return ['1', '0'];
  return /^[TF]/.test(value) ? ['True', 'False'] : ['true', 'false'];
}

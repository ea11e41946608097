// Applications and what they hold, as a tree that filters the list.

import { ChevronRight } from 'lucide-react';
import { Button, Collection, Tree, TreeItem, TreeItemContent } from 'react-aria-components';

import type { FacetsView, PortKind } from '../../platform';
import { applicationName, count } from '../../shared/format';

export interface Place {
  application: string | null;
  kind: PortKind | null;
}

interface Leaf {
  id: string;
  title: string;
  n: number;
  missing: number;
  children: Leaf[];
}

const KINDS: [PortKind, 'receive_ports' | 'send_ports' | 'send_port_groups', string][] = [
  ['receive_port', 'receive_ports', 'Receive'],
  ['send_port', 'send_ports', 'Send'],
  ['send_port_group', 'send_port_groups', 'Groups'],
];

export function PortTree({ facets, place, onPlace }: { facets: FacetsView; place: Place; onPlace: (place: Place) => void }) {
  // Keys go into ids and selectors, and a name may hold anything: a key is a number and a kind.
  const idOf = ({ application, kind }: Place) => `${application === null ? 'all' : facets.applications.findIndex((one) => one.name === application)}-${kind ?? 'any'}`;
  const of = (application: string | null, from: FacetsView['applications']): Leaf[] =>
    KINDS.map(([kind, field, title]) => ({ id: idOf({ application, kind }), title, n: from.reduce((sum, one) => sum + one[field], 0), missing: 0, children: [] })).filter((leaf) => leaf.n > 0);
  const total = (from: FacetsView['applications']) => from.reduce((sum, one) => sum + one.receive_ports + one.send_ports + one.send_port_groups, 0);
  const lost = (from: FacetsView['applications']) => from.reduce((sum, one) => sum + one.missing_secrets, 0);
  const leaves: Leaf[] = [
    { id: idOf({ application: null, kind: null }), title: 'All ports', n: total(facets.applications), missing: lost(facets.applications), children: of(null, facets.applications) },
    ...facets.applications.map((one) => ({ id: idOf({ application: one.name, kind: null }), title: applicationName(one.name), n: total([one]), missing: one.missing_secrets, children: of(one.name, [one]) })),
  ];
  const few = facets.applications.length <= 12;
  return (
    <Tree
      aria-label="Applications"
      className="tree"
      selectionMode="single"
      disallowEmptySelection
      selectedKeys={[idOf(place)]}
      defaultExpandedKeys={few ? leaves.slice(1).map((leaf) => leaf.id) : []}
      onSelectionChange={(keys) => {
        const [key] = keys === 'all' ? [] : [...keys];
        if (key === undefined) return;
        const [at = 'all', kind = 'any'] = String(key).split('-');
        onPlace({ application: at === 'all' ? null : (facets.applications[Number(at)]?.name ?? null), kind: kind === 'any' ? null : (kind as PortKind) });
      }}
    >
      <Collection items={leaves}>{(leaf) => <Item leaf={leaf} />}</Collection>
    </Tree>
  );
}

function Item({ leaf }: { leaf: Leaf }) {
  return (
    <TreeItem id={leaf.id} textValue={`${leaf.title}, ${leaf.n}${leaf.missing ? `, ${leaf.missing} missing secrets` : ''}`} className="tree-item">
      <TreeItemContent>
        {({ hasChildItems, level }) => (
          <div className={`tree-line l${level}`}>
            {hasChildItems ? (
              <Button slot="chevron" className="tree-chevron">
                <ChevronRight size={14} aria-hidden />
              </Button>
            ) : (
              <span className="tree-chevron" />
            )}
            <span className="clip grow" title={leaf.title}>
              {leaf.title}
            </span>
            {leaf.missing > 0 && <span className="missing-dot" title={`${leaf.missing} missing secrets`} />}
            <span className="muted small">{count(leaf.n)}</span>
          </div>
        )}
      </TreeItemContent>
      <Collection items={leaf.children}>{(child) => <Item leaf={child} />}</Collection>
    </TreeItem>
  );
}

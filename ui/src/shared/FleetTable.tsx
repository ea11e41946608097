// The nodes as a table: what the picture shows, and more.

import { Star } from 'lucide-react';
import type { ReactNode } from 'react';

import type { NodeEntryView } from '../platform';
import { NodeStateMark, ROLE, syncWords, useNow } from './fleet';
import type { Fleet } from './fleet';
import { exactly } from './format';

export function FleetTable({ fleet, brief, acts }: { fleet: Fleet; brief?: boolean; acts?: (node: NodeEntryView) => ReactNode }) {
  const now = useNow();
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label="Nodes of the system">
      <table className="table">
        <caption className="sr">{fleet.live ? 'Nodes of the system' : 'Nodes of the system, as last known'}</caption>
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">Role</th>
            <th scope="col">State</th>
            <th scope="col">Last sync</th>
            {!brief && <th scope="col">Epoch</th>}
            {!brief && <th scope="col">Generation</th>}
            {!brief && <th scope="col">Address</th>}
            {!brief && <th scope="col">Version</th>}
            {acts && <th scope="col"><span className="sr">Actions</span></th>}
          </tr>
        </thead>
        <tbody>
          {fleet.nodes.map((node) => (
            <tr key={node.id} className={node.revoked ? 'gone' : undefined}>
              <td>
                <span className="row">
                  {node.role === 'master' && <Star size={14} className="star" fill="currentColor" aria-hidden />}
                  <span className="strong clip node-name" title={`Joined ${exactly(node.joined)}`}>{node.name}</span>
                  {node.here && <span className="tag">here</span>}
                </span>
                {node.administrator && !brief && <span className="muted small">administrator</span>}
              </td>
              <td>{ROLE[node.role]}</td>
              <td>
                <NodeStateMark node={node} />
              </td>
              <td className="tick">{node.revoked ? '–' : node.role === 'master' ? '–' : syncWords(node, fleet.at, now)}</td>
              {!brief && <td>{node.epoch ?? '–'}</td>}
              {!brief && <td>{node.generation ?? '–'}</td>}
              {!brief && <td className="mono nowrap">{node.address ?? '–'}</td>}
              {!brief && <td>{node.version ?? '–'}</td>}
              {acts && <td className="row-acts">{acts(node)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

// Nodes: who is master, who follows, how fresh each is; inviting, renaming, revoking.

import { Pencil, Plus, Server, UserX } from 'lucide-react';
import { useState } from 'react';

import type { NodeEntryView } from '../../platform';
import { Busy, Button, Empty, FaultMessage, IconButton, Message, ToneIcon } from '../../shared/controls';
import { canOpen, useFleet } from '../../shared/fleet';
import { FleetTable } from '../../shared/FleetTable';
import { useSession } from '../../shared/session';
import { InviteDialog } from './InviteDialog';
import { RenameDialog } from './RenameDialog';
import { RevokeDialog } from './RevokeDialog';
import './nodes.css';

export function NodesScreen() {
  const session = useSession();
  const { status } = session;
  const fleet = useFleet();
  const [inviting, setInviting] = useState(false);
  const [renaming, setRenaming] = useState<NodeEntryView | null>(null);
  const [revoking, setRevoking] = useState<NodeEntryView | null>(null);
  if (!status) return <Busy text="Reading…" />;
  const view = fleet.value;
  const administrator = status.node?.administrator || status.node?.role === 'master';
  const able = Boolean(administrator && view?.live && canOpen(status));
  const why = !administrator ? 'Only an administrator node or the master may invite, rename and revoke.' : !view?.live ? 'Not now: the master, which keeps the list, does not answer.' : null;
  const agreed = view?.live && view.nodes.every((node) => node.revoked || node.state === 'synced');
  const alone = view?.nodes.length === 1;
  return (
    <div className="page nodes">
      <div className="head">
        <div>
          <h1>Nodes</h1>
          {view && (
            <p className="truth" role="status">
              <span className={`tone-${agreed ? 'ok' : 'warn'}`}>
                <ToneIcon tone={agreed ? 'ok' : 'warn'} size={20} />
              </span>
              {view.summary}
            </p>
          )}
        </div>
        <div className="stack tight end">
          <Button look="primary" icon={<Plus size={16} />} onPress={() => setInviting(true)} isDisabled={!able}>
            Invite a node…
          </Button>
          {view && why && <span className="tone-warn small blocked">{why}</span>}
        </div>
      </div>
      {fleet.fault && <FaultMessage fault={fleet.fault} again={fleet.again} />}
      {!view && !fleet.fault && <Busy text="Reading…" />}
      {view && !view.live && (
        <Message tone="warn" title="Last known">
          The master can’t be asked now. Roles and names are what this node heard last; how the others are is not known.
        </Message>
      )}
      {view && (
        <section className="panel" aria-label="Nodes">
          <FleetTable
            fleet={view}
            acts={(node) =>
              node.revoked ? null : (
                <span className="row">
                  <IconButton small label={`Rename ${node.name}`} icon={<Pencil size={14} />} onPress={() => setRenaming(node)} isDisabled={!able} />
                  {node.role !== 'master' && <IconButton small label={`Revoke ${node.name}`} icon={<UserX size={14} />} onPress={() => setRevoking(node)} isDisabled={!able} />}
                </span>
              )
            }
          />
          {view.fingerprint && (
            <p className="fleet-foot">
              <span>Fingerprint of the system</span>
              <span className="mono fingerprint">{view.fingerprint}</span>
              <span>Every node of it shows the same one.</span>
            </p>
          )}
        </section>
      )}
      {view && alone && (
        <section className="panel" aria-label="One node">
          <Empty icon={<Server size={24} aria-hidden />} title="One node. Add a second to survive a loss." text="A standby holds the master secret and every port, and goes on opening them when this machine is away." />
        </section>
      )}
      {inviting && (
        <InviteDialog
          listen={!status.master?.address}
          onClose={() => {
            setInviting(false);
            fleet.again();
          }}
        />
      )}
      {renaming && <RenameDialog node={renaming} onClose={() => setRenaming(null)} onDone={fleet.again} />}
      {revoking && <RevokeDialog node={revoking} onClose={() => setRevoking(null)} onDone={fleet.again} />}
    </div>
  );
}

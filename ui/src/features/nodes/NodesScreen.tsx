// Nodes: who is master, who follows, how fresh each is; inviting, renaming, revoking, promoting; stranded changes.

import { Crown, Pencil, Plus, Server, UserX } from 'lucide-react';
import { useState } from 'react';

import type { NodeEntryView } from '../../platform';
import { Busy, Button, Empty, FaultMessage, IconButton, Message, ToneIcon } from '../../shared/controls';
import { canOpen, isAdministrator, useFleet } from '../../shared/fleet';
import { FleetTable } from '../../shared/FleetTable';
import { useSession } from '../../shared/session';
import { InviteDialog } from './InviteDialog';
import { PromotePage } from './PromotePage';
import { RenameDialog } from './RenameDialog';
import { RevokeDialog } from './RevokeDialog';
import { StrandedPanel } from './StrandedPanel';
import { mayBePromoted } from './promotion';
import './nodes.css';

export function NodesScreen() {
  const session = useSession();
  const { status, route } = session;
  const fleet = useFleet();
  const [inviting, setInviting] = useState(false);
  const [renaming, setRenaming] = useState<NodeEntryView | null>(null);
  const [revoking, setRevoking] = useState<NodeEntryView | null>(null);
  if (!status) return <Busy text="Reading…" />;
  const view = fleet.value;
  const administrator = isAdministrator(status);
  const promote = route.params.get('promote');
  if (promote !== null && view) return <PromotePage key={promote} status={status} fleet={view} wanted={promote || null} />;
  const able = administrator && Boolean(view?.live) && canOpen(status);
  const why = !administrator ? 'Only an administrator node or the master may invite, rename, revoke and promote.' : !view?.live ? 'Not now: the master, which keeps the list, does not answer.' : null;
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
          <span className="row">
            {view && !alone && (
              <Button look={view.live ? 'plain' : 'primary'} icon={<Crown size={16} />} onPress={() => session.go('nodes', { promote: '' })} isDisabled={!administrator}>
                Promote…
              </Button>
            )}
            <Button look={view && !view.live ? 'plain' : 'primary'} icon={<Plus size={16} />} onPress={() => setInviting(true)} isDisabled={!able}>
              Invite a node…
            </Button>
          </span>
          {view && why && <span className="tone-warn small blocked">{why}</span>}
        </div>
      </div>
      {fleet.fault && <FaultMessage fault={fleet.fault} again={fleet.again} />}
      {!view && !fleet.fault && <Busy text="Reading…" />}
      {view && !view.live && (
        <Message tone="warn" title="Last known">
          The master can’t be asked now. Roles and names are what this node heard last; how the others are is not known.
          {administrator && ' If the master is lost, promote a standby.'}
        </Message>
      )}
      {view && (
        <section className="panel" aria-label="Nodes">
          <FleetTable
            fleet={view}
            acts={(node) =>
              node.revoked ? null : (
                <span className="row">
                  {mayBePromoted(node, status) && <IconButton small label={`Promote ${node.name}`} icon={<Crown size={14} />} onPress={() => session.go('nodes', { promote: node.id })} isDisabled={!administrator} />}
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
      {(status.stranded > 0 || route.params.get('do') === 'stranded') && (
        <StrandedPanel
          able={administrator && status.sealing.possible}
          why={!administrator ? 'Only an administrator node or the master may decide.' : !status.sealing.possible ? 'Accepting waits until the master answers.' : null}
          focus={route.params.get('do') === 'stranded'}
        />
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

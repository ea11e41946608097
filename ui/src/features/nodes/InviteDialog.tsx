// Invite a node: who it is, then its token, which is shown this once.

import { useState } from 'react';

import type { InviteView, NodeRole } from '../../platform';
import { Copied } from '../../shared/Copied';
import { Button, CheckBox, Dialog, FaultMessage, Field, Message, Options } from '../../shared/controls';
import { span, useNow } from '../../shared/fleet';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';

export function InviteDialog({ listen, onClose }: { listen: boolean; onClose: () => void }) {
  const { platform } = useSession();
  const [name, setName] = useState('');
  const [role, setRole] = useState<Exclude<NodeRole, 'master'>>('standby');
  const [administrator, setAdministrator] = useState(false);
  const [invite, setInvite] = useState<InviteView | null>(null);
  const work = useDoing();
  const make = () =>
    void work.run(async () => setInvite(await ask(platform, { act: 'node_invite', name: name.trim(), role, administrator }, 'invited')));

  return (
    <Dialog
      title={invite ? `Invitation for ${invite.name}` : 'Invite a node'}
      open
      wide
      onClose={onClose}
      locked={work.busy}
      foot={
        invite ? (
          <Button look="primary" onPress={onClose}>
            Done
          </Button>
        ) : (
          <>
            <Button onPress={onClose} isDisabled={work.busy}>
              Cancel
            </Button>
            <Button look="primary" onPress={make} isDisabled={!name.trim() || work.busy}>
              {work.busy ? 'Inviting…' : 'Make the token'}
            </Button>
          </>
        )
      }
    >
      {invite ? (
        <Token invite={invite} />
      ) : (
        <>
          <Field label="Name of the node" hint="As it is to stand in the list, such as HUB-2." value={name} onChange={setName} autoFocus />
          <Options
            label="Role"
            value={role}
            onChange={setRole}
            options={[
              { value: 'standby', title: 'Standby', text: 'Keeps every write before it is acknowledged, and can become the master.' },
              { value: 'processing', title: 'Processing', text: 'Opens and changes ports through the master. Never becomes the master.' },
            ]}
          />
          <CheckBox selected={administrator} onChange={setAdministrator}>
            Administrator: may invite, rename and revoke nodes
          </CheckBox>
          {listen && (
            <Message tone="info" title="This master does not serve other nodes yet">
              Set the listen address in Settings and start Sealport again, so that the invited node can reach it.
            </Message>
          )}
          {work.fault && <FaultMessage fault={work.fault} />}
        </>
      )}
    </Dialog>
  );
}

function Token({ invite }: { invite: InviteView }) {
  const now = useNow();
  const left = (Date.parse(invite.expires) - now) / 1000;
  const address = invite.url ?? 'https://MASTER:7410';
  const command = `sealport join ${address} --token-file -`;
  return (
    <>
      {left > 0 ? (
        <Message tone="warn" title={<>This token is shown once. It lets one node join, for <span className="tick">{span(left)}</span>.</>}>
          Give it to nobody but the administrator of {invite.name}.
        </Message>
      ) : (
        <Message tone="bad" live title="This token is over.">
          Close this and invite the node again.
        </Message>
      )}
      <Copied label="Token" text={invite.token} />
      <Copied label="Address of the master" text={invite.url} none="The master does not listen yet: set its listen address." />
      <Copied label="On the new machine: choose “Join a master” in the window, or run this and paste the token" text={command} />
      <div className="stack tight">
        <span className="field-label">Fingerprint to compare</span>
        <span className="mono fingerprint big">{invite.fingerprint}</span>
        <span className="muted small">The new node shows it when it has joined. If it differs, revoke the node: it talked to somebody else.</span>
      </div>
    </>
  );
}

//! Grants and members as the simulator and the model make them for the core. The signature is a word: what is proven here is
//! what the protocol makes of it, not the cipher.

use sealport_core::{
    id::{Epoch, NodeId, SystemId},
    machine::{Certificate, Grant, GrantKind, Marks, Member, ProvenGrant, Role, SignedGrant, Standing},
    time::Timestamp,
};

const KEY: &str = "by the grant key";

/// The system of every case.
pub fn system() -> SystemId {
    SystemId::from_bytes([9; 16])
}

/// A grant, signed with the system's grant key or by somebody else.
pub fn sign(epoch: Epoch, node: NodeId, begins: Marks, kind: GrantKind, by_the_key: bool) -> SignedGrant {
    let at = Timestamp::from_millis(0);
    let grant = Grant { system: system(), epoch, node, begins, kind, at, by: String::new() };
    SignedGrant { grant, signature: if by_the_key { KEY } else { "by another" }.to_owned() }
}

/// The grant, if its signature is good; `any` believes every signature.
pub fn prove(signed: SignedGrant, any: bool) -> Option<ProvenGrant> {
    signed.prove(system(), |_, signature| any || signature == KEY)
}

/// A member as the registry has it.
pub fn member(role: Role, standing: Standing) -> Member {
    Member { standing, role, administrator: true, certificate: Certificate::Valid }
}

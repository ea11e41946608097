//! The table of endpoints: every path that the service answers, what it asks of its caller, and how large a request may be.

use sealport_core::machine::Right;

/// The largest body of any request but a write.
pub(super) const BODY_LIMIT: usize = 64 << 10;
/// The largest write. A bigger import is done on the master itself.
const WRITE_LIMIT: usize = 64 << 20;
/// The largest batch of audit entries; one may carry a stranded change.
const SPOOL_LIMIT: usize = 128 << 20;

/// How an endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names speak")]
pub enum Verb {
    Get,
    Post,
}

/// One endpoint: how it is asked, what it asks of its caller, and how large a request may be.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names speak")]
pub struct Endpoint {
    pub verb: Verb,
    pub path: &'static str,
    pub right: Right,
    pub limit: usize,
    pub about: &'static str,
}

/// Every endpoint that there is. A path that is not here is not served.
pub const ENDPOINTS: &[Endpoint] = &[
    endpoint("/v1/join", Right::Anyone, BODY_LIMIT, "Lets a node in that holds a token; uses the token up."),
    endpoint("/v1/renew", Right::Renew, BODY_LIMIT, "Signs a new certificate for the key that the node has."),
    endpoint(
        "/v1/sync",
        Right::Sync,
        BODY_LIMIT,
        "Tells what changed; waits for news as long as the node asks.",
    ),
    endpoint("/v1/secret", Right::Sync, BODY_LIMIT, "Gives the master secret to a member."),
    endpoint("/v1/spool", Right::Sync, SPOOL_LIMIT, "Takes audit entries of acts that needed no master."),
    endpoint("/v1/nodes", Right::Sync, BODY_LIMIT, "Lists the nodes and how they are."),
    endpoint("/v1/writes", Right::Write, WRITE_LIMIT, "Takes sealed records."),
    endpoint(
        "/v1/administer",
        Right::Administer,
        BODY_LIMIT,
        "Invites, renames, revokes nodes; accepts or discards stranded changes.",
    ),
    endpoint("/v1/about", Right::Sync, BODY_LIMIT, "Tells how this node is. Any node answers."),
    endpoint(
        "/v1/grant",
        Right::Tell,
        BODY_LIMIT,
        "Takes a grant and tells the highest one known. Any node answers, and any certificate of the system will do: a grant \
         is proven by its signature.",
    ),
    endpoint(
        "/v1/vote",
        Right::Stand,
        BODY_LIMIT,
        "Promises an epoch to the candidate that asks. Any node answers.",
    ),
    endpoint("/v1/handover", Right::Stand, BODY_LIMIT, "Hands over to the standby that asks."),
    endpoint(
        "/v1/promote",
        Right::Administer,
        BODY_LIMIT,
        "Makes this node the master, or tells what that would do. Any standby answers.",
    ),
    // What stands in it stands in the source too: whoever may connect may know how to ask.
    Endpoint {
        verb: Verb::Get,
        path: DESCRIPTION,
        right: Right::Anyone,
        limit: 0,
        about: "This description, also on the loopback address of health and metrics.",
    },
];

/// Where the description of the interface is.
pub(super) const DESCRIPTION: &str = "/openapi.json";

/// Whether an endpoint is answered by nodes that are not the master too.
pub(super) fn anywhere(path: &str) -> bool {
    matches!(path, "/v1/about" | "/v1/grant" | "/v1/vote" | "/v1/handover" | "/v1/promote")
}

const fn endpoint(path: &'static str, right: Right, limit: usize, about: &'static str) -> Endpoint {
    Endpoint { verb: Verb::Post, path, right, limit, about }
}

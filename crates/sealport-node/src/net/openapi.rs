//! The description of what goes over the wire, as OpenAPI 3.1, made from the types and the table that serve it.

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use sealport_core::machine::Right;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, PathItem,
        PathsBuilder, Ref, RefOr, Required, ResponseBuilder, Schema, path::OperationBuilder,
        request_body::RequestBodyBuilder,
    },
};

use super::{
    endpoints::{DESCRIPTION, ENDPOINTS, Endpoint, Verb},
    ops, wire,
};

/// An error as every door gives it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the shape of an error of the core, which knows nothing of OpenAPI")]
pub(super) struct ErrorShape {
    /// Stable word to branch on.
    code: String,
    /// What failed, on what.
    message: String,
    /// What to do next.
    hint: String,
}

/// One line of an answer to a poll: exactly one of these. `head` is the first, or `grant` alone; `end` the last where more than the head came.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the shape of `SyncLine`, which is made of types of the core")]
pub(super) struct SyncLineShape {
    head: Option<serde_json::Value>,
    grant: Option<serde_json::Value>,
    stranded: Option<wire::StrandedLine>,
    node: Option<serde_json::Value>,
    record: Option<serde_json::Value>,
    revision: Option<serde_json::Value>,
    backup: Option<wire::BackupLine>,
    audit: Option<serde_json::Value>,
    end: Option<serde_json::Value>,
}

/// The list of nodes, as `sealport --json node list` prints it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the shape of an answer of the core")]
pub(super) struct NodesShape {
    nodes: Vec<serde_json::Value>,
    live: bool,
    summary: String,
    fingerprint: Option<String>,
}

/// A body: its name among the schemas, and its kind of text.
#[derive(Clone, Copy)]
struct Shape(&'static str, &'static str);

const JSON: &str = "application/json";

/// The whole description as it is served: made once, since nobody has to show who they are for it.
pub(super) fn answer() -> Response {
    static TEXT: LazyLock<Bytes> =
        LazyLock::new(|| serde_json::to_vec(&document()).unwrap_or_default().into());
    ([(header::CONTENT_TYPE, JSON)], TEXT.clone()).into_response()
}

/// The whole description.
pub fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    for endpoint in ENDPOINTS {
        paths = paths.path(endpoint.path, item(endpoint));
    }
    for (path, about) in ops::PATHS.iter().filter(|(path, _)| *path != DESCRIPTION) {
        let answer = ResponseBuilder::new().description(*about).build();
        let operation = OperationBuilder::new()
            .tag("this machine only")
            .summary(Some(*about))
            .response("200", answer)
            .response("default", refusal());
        paths = paths.path(*path, PathItem::new(HttpMethod::Get, operation.build()));
    }
    let components = schemas()
        .into_iter()
        .fold(ComponentsBuilder::new(), |components, (name, schema)| components.schema(name, schema));
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Sealport")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "Between nodes: HTTP/1.1 over TLS 1.3 with client certificates of the system's own authority. What a \
                     caller may do is read from the registry on each request. Errors are problem details (RFC 9457). \
                     What is tagged `this machine only` is plain HTTP on a loopback address.",
                ))
                .build(),
        )
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

/// What an endpoint takes and gives; `None` where nobody has said so yet, which a test forbids.
fn shapes(path: &str) -> Option<(Option<Shape>, Shape)> {
    Some(match path {
        "/v1/join" => (Some(Shape("JoinAsk", JSON)), Shape("JoinAnswer", JSON)),
        "/v1/renew" => (Some(Shape("RenewAsk", JSON)), Shape("RenewAnswer", JSON)),
        "/v1/sync" => (Some(Shape("SyncAsk", JSON)), Shape("SyncLine", "application/x-ndjson")),
        "/v1/secret" => (None, Shape("SecretAnswer", JSON)),
        "/v1/spool" => (Some(Shape("SpoolAsk", JSON)), Shape("SpoolAnswer", JSON)),
        "/v1/nodes" => (None, Shape("Nodes", JSON)),
        "/v1/writes" => (Some(Shape("WriteAsk", JSON)), Shape("WriteAnswer", JSON)),
        "/v1/about" => (Some(Shape("AboutAsk", JSON)), Shape("AboutAnswer", JSON)),
        "/v1/grant" => (Some(Shape("Granted", JSON)), Shape("Granted", JSON)),
        "/v1/vote" => (Some(Shape("VoteAsk", JSON)), Shape("VoteAnswer", JSON)),
        "/v1/handover" => (Some(Shape("HandoverRequest", JSON)), Shape("HandoverAnswer", JSON)),
        "/v1/promote" => (Some(Shape("Administer", JSON)), Shape("Answer", JSON)),
        "/v1/administer" => (Some(Shape("Administer", JSON)), Shape("Answer", JSON)),
        DESCRIPTION => (None, Shape("Answer", JSON)),
        _ => return None,
    })
}

fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut all = vec![
        ("JoinAsk".to_owned(), wire::JoinAsk::schema()),
        ("JoinAnswer".to_owned(), wire::JoinAnswer::schema()),
        ("RenewAsk".to_owned(), wire::RenewAsk::schema()),
        ("RenewAnswer".to_owned(), wire::RenewAnswer::schema()),
        ("SyncAsk".to_owned(), wire::SyncAsk::schema()),
        ("SyncLine".to_owned(), SyncLineShape::schema()),
        ("SecretAnswer".to_owned(), wire::SecretAnswer::schema()),
        ("AboutAsk".to_owned(), wire::AboutAsk::schema()),
        ("AboutAnswer".to_owned(), wire::AboutAnswer::schema()),
        ("Granted".to_owned(), wire::Granted::schema()),
        ("VoteAsk".to_owned(), wire::VoteAsk::schema()),
        ("VoteAnswer".to_owned(), wire::VoteAnswer::schema()),
        ("HandoverRequest".to_owned(), wire::HandoverRequest::schema()),
        ("HandoverAnswer".to_owned(), wire::HandoverAnswer::schema()),
        ("SpoolAsk".to_owned(), wire::SpoolAsk::schema()),
        ("SpoolAnswer".to_owned(), wire::SpoolAnswer::schema()),
        ("Nodes".to_owned(), NodesShape::schema()),
        ("WriteAsk".to_owned(), wire::WriteAsk::schema()),
        ("WriteAnswer".to_owned(), wire::WriteAnswer::schema()),
        ("Administer".to_owned(), wire::Administer::schema()),
        // Whatever the request that was passed on is answered with.
        ("Answer".to_owned(), serde_json::Value::schema()),
        ("Problem".to_owned(), wire::Problem::schema()),
    ];
    // What those refer to.
    wire::Problem::schemas(&mut all);
    SyncLineShape::schemas(&mut all);
    wire::WriteAsk::schemas(&mut all);
    all
}

fn item(endpoint: &Endpoint) -> PathItem {
    let right = match endpoint.right {
        Right::Anyone if endpoint.verb == Verb::Get => "Anyone.",
        Right::Anyone => "Anyone; the token decides.",
        Right::Renew => "A member, also with a certificate that is over.",
        Right::Tell => "Any certificate of the system whose node is not revoked here, also one that is over.",
        Right::Sync => "A member.",
        Right::Write => "A member that may write.",
        Right::Administer => "A member that is an administrator's.",
        _ => "A member with more rights.",
    };
    let mut operation = OperationBuilder::new()
        .tag("between nodes")
        .operation_id(Some(endpoint.path.trim_start_matches("/v1").trim_start_matches('/')))
        .summary(Some(endpoint.about))
        .description(Some(format!("Who may: {right} At most {} KiB.", endpoint.limit >> 10)))
        .response("default", refusal());
    if let Some((ask, answer)) = shapes(endpoint.path) {
        if let Some(ask) = ask {
            let body = RequestBodyBuilder::new().content(ask.1, content(ask)).required(Some(Required::True));
            operation = operation.request_body(Some(body.build()));
        }
        let answer = ResponseBuilder::new().description("Done.").content(answer.1, content(answer));
        operation = operation.response("200", answer.build());
    }
    let method = match endpoint.verb {
        Verb::Get => HttpMethod::Get,
        Verb::Post => HttpMethod::Post,
    };
    PathItem::new(method, operation.build())
}

fn refusal() -> utoipa::openapi::Response {
    let problem = Shape("Problem", "application/problem+json");
    ResponseBuilder::new()
        .description(
            "Refused or failed: problem details (RFC 9457), with the error as the command line prints it.",
        )
        .content(problem.1, content(problem))
        .build()
}

fn content(shape: Shape) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(shape.0))).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sabotage: add an endpoint to the table alone.
    #[test]
    fn every_endpoint_is_described_with_what_it_takes_and_gives() {
        let document = serde_json::to_value(document()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3."), "{}", document["openapi"]);
        for endpoint in ENDPOINTS {
            assert!(shapes(endpoint.path).is_some(), "{} has no shape in openapi.rs", endpoint.path);
            let verb = if endpoint.verb == Verb::Get { "get" } else { "post" };
            let operation = &document["paths"][endpoint.path][verb];
            assert!(operation["responses"]["200"]["content"].is_object(), "{}: {operation}", endpoint.path);
            let refused = &operation["responses"]["default"]["content"]["application/problem+json"];
            assert!(refused.is_object(), "{}", endpoint.path);
        }
        let described = document["paths"].as_object().unwrap().len();
        // One path is there on both ports.
        assert_eq!(described, ENDPOINTS.len() + ops::PATHS.len() - 1);
    }

    /// Sabotage: take a row out of `schemas`.
    #[test]
    fn every_reference_leads_somewhere() {
        let text = serde_json::to_string(&document()).unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let known = document["components"]["schemas"].as_object().unwrap();
        let mut seen = 0;
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(known.contains_key(name), "{name} is named, but not there");
            seen += 1;
        }
        assert!(seen > 20, "{seen}");
    }

    /// Sabotage: rename a field of `ErrorShape`.
    #[test]
    fn the_problem_that_is_described_is_the_one_that_is_sent() {
        let sent = wire::Problem {
            kind: "about:blank".to_owned(),
            title: "t".to_owned(),
            status: 400,
            error: sealport_core::Error::new(sealport_core::Code::Usage, "m").hint("h"),
            denial: Some("d".to_owned()),
        };
        let sent = serde_json::to_value(sent).unwrap();
        let document = serde_json::to_value(document()).unwrap();
        let schemas = &document["components"]["schemas"];
        let keys = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let mut described = keys(&schemas["Problem"]["properties"]);
        let mut there = keys(&sent);
        described.sort();
        there.sort();
        assert_eq!(described, there);
        let (mut described, mut there) = (keys(&schemas["ErrorShape"]["properties"]), keys(&sent["error"]));
        described.sort();
        there.sort();
        assert_eq!(described, there);
    }
}

//! Lists and searches, beside a plain scan over the same strings.

use std::hint::black_box;

use sealport_core::api::{PortFilter, Request, Response};
use sealport_node::engine::Engine;

use super::{
    system::ask,
    table::{Clock, Goal, Table, against},
};

/// A frame of the window.
const FRAME: f64 = 0.016;
const ROUNDS: usize = 60;

pub fn measure(table: &mut Table, engine: &Engine, ports: usize) {
    let list = |search: Option<&str>, limit| {
        let filter = PortFilter { search: search.map(str::to_owned), ..PortFilter::default() };
        match ask(engine, Request::PortList { filter, offset: 0, limit }) {
            Response::Ports(view) => view,
            _ => panic!("a list answers with ports"),
        }
    };
    let all = list(None, None);
    assert_eq!(all.total, ports as u64);
    let strings: Vec<String> = all
        .ports
        .iter()
        .map(|port| {
            [&*port.name, &port.application, &port.adapter, &port.address, &port.user]
                .join("\n")
                .to_lowercase()
        })
        .collect();
    drop(all);
    let scan = || {
        black_box(strings.iter().filter(|text| text.contains("refunds")).count());
    };
    let (page, _) = against(Clock::Thread, ROUNDS, 1, || drop(black_box(list(None, Some(50)))), || {});
    let (search, bare) =
        against(Clock::Thread, ROUNDS, 1, || drop(black_box(list(Some("refunds"), Some(50)))), scan);
    table.row(&format!("first 50 of {ports} ports, p95"), page.at(0.95), None, Goal::Seconds(FRAME));
    let peer = Some(("a bare scan", bare.at(0.95)));
    table.row(&format!("search in {ports} ports, p95"), search.at(0.95), peer, Goal::Seconds(FRAME));
}

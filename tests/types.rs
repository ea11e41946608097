//! The TypeScript types of the contract, generated into `ui/src/platform/bindings.ts` and kept in step.
//!
//! `SEALPORT_WRITE=1 cargo test -p sealport-tests --test types` writes the file; without it the test fails on any
//! difference. Sabotage: rename a field of a view and see it fail.

use std::{collections::BTreeMap, fs, path::Path};

use sealport_core::{
    Error,
    api::{Notice, Reply, Request, Response},
};
use ts_rs::{Config, TS, TypeVisitor};

/// Declarations by name, so that the order of the file never depends on the order of the walk.
struct Declarations {
    config: Config,
    by_name: BTreeMap<String, String>,
}

impl Declarations {
    fn add<T: TS + 'static + ?Sized>(&mut self) {
        // Types that are written as a plain string or number declare nothing.
        if T::output_path().is_none() {
            return;
        }
        let name = T::ident(&self.config);
        if self.by_name.contains_key(&name) {
            return;
        }
        let docs = T::docs().unwrap_or_default();
        self.by_name.insert(name, format!("{docs}export {}\n", T::decl(&self.config)));
        T::visit_dependencies(self);
    }
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        self.add::<T>();
    }
}

#[test]
fn the_window_and_the_service_mean_the_same_types() {
    let mut found = Declarations { config: Config::new().with_large_int("number"), by_name: BTreeMap::new() };
    found.add::<Request>();
    found.add::<Response>();
    found.add::<Notice>();
    found.add::<Reply>();
    found.add::<Error>();
    let mut text =
        String::from("// Generated from sealport-core/src/api by tests/types.rs. Do not edit.\n\n");
    text.push_str(&found.by_name.into_values().collect::<Vec<_>>().join("\n"));

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/src/platform/bindings.ts");
    if std::env::var_os("SEALPORT_WRITE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        return;
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "{} is not in step with the contract: run `SEALPORT_WRITE=1 cargo test -p sealport-tests --test types`",
        file.display()
    );
}

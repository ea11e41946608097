//! Adapters as data: what `adapters.toml` says of each.

use std::{collections::BTreeMap, sync::OnceLock};

use serde::Deserialize;

/// Where an adapter keeps its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Family {
    /// One typed element for each property.
    Bag,
    /// One property that holds a document of untyped elements.
    AdapterConfig,
    /// A bag with documents in some of its properties.
    Wcf,
}

/// What is known of an adapter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adapter {
    pub name: String,
    #[serde(default)]
    pub clsid: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub family: Family,
    /// The adapter whose properties it has.
    #[serde(default)]
    like: String,
    #[serde(default)]
    pub properties: Vec<Property>,
}

/// What is known of a property.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Property {
    pub name: String,
    pub label: String,
    #[serde(default)]
    pub secret: bool,
    /// The property that names the user this secret belongs to; where that has a value, this one must have.
    #[serde(default)]
    pub beside: String,
    /// Another property and the values with which this secret is used; empty: always.
    #[serde(default)]
    pub when: Option<When>,
    #[serde(default)]
    pub choices: Vec<String>,
}

/// A condition: the property is absent or has one of these values.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    pub property: String,
    pub values: Vec<String>,
}

#[derive(Deserialize)]
struct Table {
    adapter: Vec<Adapter>,
}

impl Adapter {
    /// The adapter of this class or, where there is none, of this name in any case.
    pub fn find(name: &str, clsid: &str) -> Option<&'static Adapter> {
        static INDEX: OnceLock<BTreeMap<String, &'static Adapter>> = OnceLock::new();
        let index = INDEX.get_or_init(|| {
            let mut index = BTreeMap::new();
            for adapter in all() {
                for key in adapter.aliases.iter().chain([&adapter.name, &adapter.clsid]) {
                    index.insert(key.to_ascii_lowercase(), adapter);
                }
            }
            index.remove("");
            index
        });
        let find = |key: &str| index.get(key).or_else(|| index.get(&key.to_ascii_lowercase())).copied();
        find(clsid.trim_matches(['{', '}'])).or_else(|| find(name))
    }

    /// The property of this name, in any case, with its place in the table.
    pub fn property(&self, name: &str) -> Option<(usize, &Property)> {
        self.properties.iter().enumerate().find(|(_, property)| property.name.eq_ignore_ascii_case(name))
    }
}

fn all() -> &'static [Adapter] {
    static TABLE: OnceLock<Vec<Adapter>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let table: Result<Table, _> = toml::from_str(include_str!("adapters.toml"));
        let mut adapters = table.expect("the adapter table is valid").adapter;
        for index in 0..adapters.len() {
            let like = adapters.iter().position(|other| other.name == adapters[index].like);
            if let Some(like) = like {
                adapters[index].properties = adapters[like].properties.clone();
            }
        }
        adapters
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let mut keys = std::collections::BTreeSet::new();
        for adapter in all() {
            for key in
                adapter.aliases.iter().chain([&adapter.name, &adapter.clsid]).filter(|key| !key.is_empty())
            {
                assert!(keys.insert(key.to_ascii_lowercase()), "{key} stands twice");
            }
            assert!(adapter.like.is_empty() || !adapter.properties.is_empty(), "{}", adapter.name);
            for property in &adapter.properties {
                assert!(property.beside.is_empty() || property.secret, "{} {}", adapter.name, property.name);
            }
        }
        assert!(keys.len() > 50);
    }

    #[test]
    fn adapters_are_found_by_class_and_by_name_in_any_case() {
        assert_eq!(Adapter::find("NullAdapter", "").unwrap().name, "nulladapter");
        assert_eq!(Adapter::find("x", "5E49E3A6-b4fc-4077-b44c-22f34a242fdb").unwrap().name, "FILE");
        assert!(Adapter::find("Carrier pigeon", "").is_none());
        assert!(Adapter::find("", "").is_none());
    }
}

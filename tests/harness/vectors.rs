//! Frozen vectors: one file, one scenario, `key: value` lines, kept for ever. `expect` says how it must end.

use std::{collections::BTreeMap, fs, path::PathBuf};

/// One vector.
pub struct Vector {
    /// File name without ending.
    pub name: String,
    fields: BTreeMap<String, String>,
}

/// Where the vectors are.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// Every vector whose name starts so.
pub fn read(prefix: &str) -> Vec<Vector> {
    let mut names: Vec<_> = fs::read_dir(folder())
        .expect("the folder of vectors")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a vector");
            let fields = text
                .lines()
                .filter(|line| !line.starts_with('#') && !line.is_empty())
                .map(|line| line.split_once(':').expect("key: value"))
                .map(|(key, value)| (key.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()))
                .collect();
            Vector { name: path.file_stem().expect("a name").to_string_lossy().into_owned(), fields }
        })
        .collect()
}

impl Vector {
    /// A vector without fields.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), fields: BTreeMap::new() }
    }

    /// The vector with one more field.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.fields.insert(key.to_owned(), value.to_owned());
        self
    }

    /// A field that must be there.
    pub fn get(&self, key: &str) -> &str {
        self.fields.get(key).unwrap_or_else(|| panic!("{} has no {key}", self.name))
    }

    /// A field of words.
    pub fn list(&self, key: &str) -> Vec<&str> {
        self.get(key).split_whitespace().collect()
    }

    /// A field of hex.
    pub fn bytes(&self, key: &str) -> Vec<u8> {
        let text = self.get(key);
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
    }

    /// Writes the vector unless one of its name is there.
    pub fn write_new(&self) {
        let file = folder().join(format!("{}.txt", self.name));
        if !file.exists() {
            let lines: String = self.fields.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
            fs::write(file, lines).expect("a vector can be written");
        }
    }
}

//! What can go wrong, as a caller sees it: a code to branch on, a sentence, and what to do next.
//!
//! The cause chain is for the log and is never serialised. No message holds a secret value.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a caller may branch on. The exit code of a command follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A fault of Sealport itself.
    Internal,
    /// The request makes no sense as it was put.
    Usage,
    /// A binding file can't be read: not XML, not a binding file, or over a limit.
    MalformedDocument,
    /// Nothing by that id, name or path.
    NotFound,
    /// The data directory holds no system yet.
    NoSystem,
    /// The data directory already holds a system.
    SystemExists,
    /// New values can't be sealed now.
    EncryptionUnavailable,
    /// The act is not possible in this state.
    Refused,
    /// The caller cancelled; nothing was changed.
    Cancelled,
    /// The caller may not do this.
    NotPermitted,
    /// Damaged, tampered with, or of another system.
    Integrity,
    /// The passphrase does not open it.
    WrongPassphrase,
    /// The record was written since it was read.
    RevisionConflict,
    /// The master changed since it was looked at.
    EpochConflict,
    /// Something by that name is there already.
    AlreadyExists,
    /// The passphrase of the custody was not given yet.
    CustodyLocked,
    /// The keyring is locked.
    KeyringLocked,
    /// No keyring service, or the item is not in it.
    KeyringMissing,
    /// The keyring refused.
    KeyringDenied,
    /// The keyring did not answer in time.
    KeyringTimeout,
    /// The store, a file or a peer can't be reached.
    Unavailable,
    /// Another process holds the data directory.
    Busy,
}

impl Code {
    /// The exit code of a command that ends with this error (`DESIGN` section 6).
    pub fn exit(self) -> u8 {
        match self {
            Code::Internal => 1,
            Code::Usage | Code::MalformedDocument => 2,
            Code::NotFound => 3,
            Code::NoSystem
            | Code::SystemExists
            | Code::EncryptionUnavailable
            | Code::Refused
            | Code::Cancelled => 4,
            Code::NotPermitted => 5,
            Code::Integrity | Code::WrongPassphrase => 6,
            Code::RevisionConflict | Code::EpochConflict | Code::AlreadyExists => 7,
            Code::CustodyLocked
            | Code::KeyringLocked
            | Code::KeyringMissing
            | Code::KeyringDenied
            | Code::KeyringTimeout
            | Code::Unavailable
            | Code::Busy => 8,
        }
    }
}

/// An error as it crosses the door: `{"code","message","hint"}`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct Error {
    /// What to branch on.
    pub code: Code,
    /// What failed, and on what.
    pub message: String,
    /// What to do next; empty where there is nothing to add.
    pub hint: String,
    /// Where in a document it went wrong, for the window to point at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    #[serde(skip)]
    #[cfg_attr(feature = "types", ts(skip))]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A place in a document: line and column, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Error {
    /// An error with a code and a sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: String::new(), place: None, cause: None }
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Adds where in a document.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Adds the cause, for the log.
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

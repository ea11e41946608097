//! Asks the person at the terminal: passphrases without echo, confirmations; or reads what a script gives instead.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use sealport_core::{Code, Error, secret::SecretText};

use crate::files;

/// Reads passphrases and values; standard input can be read once only.
#[derive(Debug, Default)]
pub struct Input {
    stdin_used_for: Option<&'static str>,
}

/// Whether a passphrase is typed once, or twice because it is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// It opens something.
    Once,
    /// It will seal something: a slip of the finger would lose it.
    Twice,
}

impl Input {
    /// A passphrase from `file` (`-` is standard input), else from a prompt. `what` names it: "backup passphrase".
    pub fn passphrase(
        &mut self,
        file: Option<&Path>,
        flag: &str,
        what: &'static str,
        typed: Typed,
    ) -> Result<SecretText, Error> {
        match file {
            Some(path) if path == Path::new("-") => {
                self.take_stdin(what)?;
                files::read_passphrase_from(io::stdin().lock(), "standard input")
            }
            Some(path) => {
                let (passphrase, warning) = files::read_passphrase(path)?;
                if let Some(warning) = warning {
                    eprintln!("warning: {warning}");
                }
                Ok(passphrase)
            }
            None if self.is_terminal() => prompt(what, typed),
            None => {
                Err(Error::new(Code::Usage, format!("the {what} is needed, and there is no terminal to ask"))
                    .hint(format!("Name a file with {flag} FILE, or `-` for standard input.")))
            }
        }
    }

    /// All of standard input, at most `limit` bytes.
    pub fn stdin(&mut self, what: &'static str, limit: u64) -> Result<zeroize::Zeroizing<Vec<u8>>, Error> {
        self.take_stdin(what)?;
        files::read_all(io::stdin().lock(), 0, limit, "standard input")
    }

    /// Whether a person can be asked.
    pub fn is_terminal(&self) -> bool {
        self.stdin_used_for.is_none() && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks before an act, on a terminal; a script has decided already. `Cancelled` where the answer isn't yes.
    pub fn confirm(&self, question: &str, yes: bool) -> Result<(), Error> {
        if yes || !self.is_terminal() {
            return Ok(());
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        let read = io::stderr().flush().and_then(|()| io::stdin().read_line(&mut answer));
        match (read, answer.trim().to_lowercase().as_str()) {
            (Ok(_), "y" | "yes") => Ok(()),
            _ => Err(Error::new(Code::Cancelled, "not confirmed; nothing was changed")
                .hint("Answer y, or give --yes.")),
        }
    }

    fn take_stdin(&mut self, what: &'static str) -> Result<(), Error> {
        match self.stdin_used_for.replace(what) {
            None => Ok(()),
            Some(first) => Err(Error::new(
                Code::Usage,
                format!("standard input can't give both the {first} and the {what}"),
            )
            .hint("Put one of them in a file.")),
        }
    }
}

fn prompt(what: &str, typed: Typed) -> Result<SecretText, Error> {
    let failed = |e: io::Error| {
        Error::new(Code::Unavailable, format!("can't read the {what} from the terminal: {e}")).because(e)
    };
    let passphrase =
        SecretText::new(rpassword::prompt_password(format!("{}: ", capital(what))).map_err(failed)?);
    if passphrase.is_empty() {
        return Err(Error::new(Code::Usage, format!("the {what} is empty")));
    }
    if typed == Typed::Twice {
        let again = SecretText::new(rpassword::prompt_password("Once more: ").map_err(failed)?);
        if again != passphrase {
            return Err(Error::new(Code::Usage, format!("the {what} was not the same twice"))
                .hint("Type it again; nothing was done."));
        }
    }
    Ok(passphrase)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

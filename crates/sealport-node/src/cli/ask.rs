//! Asks the person at the terminal: passphrases without echo, confirmations; or reads what a script gives instead.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use sealport_core::{
    Code, Error,
    secret::{SecretText, Wiped},
};

use super::{
    interrupt::{self, Prompt},
    show,
};
use crate::files;

/// How often a passphrase may be mistyped.
const TRIES: usize = 3;

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
    pub fn stdin(&mut self, what: &'static str, limit: u64) -> Result<Wiped<Vec<u8>>, Error> {
        self.take_stdin(what)?;
        files::read_all(io::stdin().lock(), 0, limit, "standard input")
    }

    /// Whether a person can be asked.
    pub fn is_terminal(&self) -> bool {
        self.stdin_used_for.is_none() && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks before an act. A script, whose standard input is no terminal, has decided already; a person who can't be
    /// asked is told so (`Usage`). `Cancelled` where the answer isn't yes.
    pub fn confirm(&self, question: &str, yes: bool) -> Result<(), Error> {
        if yes || !io::stdin().is_terminal() {
            return Ok(());
        }
        if !io::stderr().is_terminal() {
            return Err(Error::new(Code::Usage, "standard error is no terminal, so nobody can be asked")
                .hint("Add --yes if you are sure."));
        }
        let prompt = Prompt::seen();
        eprint!("{} [y/N] ", show::plain(question));
        let mut answer = String::new();
        let read = io::stderr().flush().and_then(|()| io::stdin().read_line(&mut answer));
        drop(prompt);
        match (read, answer.trim().to_lowercase().as_str()) {
            (Ok(_), "y" | "yes") => Ok(()),
            (read, _) => {
                // The end of the input leaves the cursor behind the question.
                if !matches!(read, Ok(1..)) {
                    eprintln!();
                }
                Err(Error::new(Code::Cancelled, "not confirmed; nothing was changed")
                    .hint("Answer y, or give --yes."))
            }
        }
    }

    /// One line from the person at the terminal. `flag` names the way for a script.
    pub fn line(&self, question: &str, flag: &str) -> Result<String, Error> {
        if !self.is_terminal() {
            return Err(Error::new(Code::Usage, "there is no terminal to ask").hint(format!("Give {flag}.")));
        }
        let prompt = Prompt::seen();
        eprint!("{}", show::plain(question));
        let mut answer = String::new();
        let read = io::stderr().flush().and_then(|()| io::stdin().read_line(&mut answer));
        drop(prompt);
        match read {
            Ok(1..) => Ok(answer.trim().to_owned()),
            _ => {
                eprintln!();
                Err(Error::new(Code::Cancelled, "not confirmed; nothing was changed"))
            }
        }
    }

    /// Asks for a name to be typed before a severe act. A script says `--yes`.
    pub fn confirm_typed(&self, question: &str, name: &str, yes: bool) -> Result<(), Error> {
        if yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Error::new(Code::Usage, format!("`{name}` must be typed, and nobody can be asked"))
                .hint("Add --yes if you are sure."));
        }
        let prompt = Prompt::seen();
        eprint!("{}\nType {} to go on: ", show::plain(question), show::plain(name));
        let mut answer = String::new();
        let read = io::stderr().flush().and_then(|()| io::stdin().read_line(&mut answer));
        drop(prompt);
        if read.is_ok() && answer.trim() == name {
            return Ok(());
        }
        if !matches!(read, Ok(1..)) {
            eprintln!();
        }
        Err(Error::new(Code::Cancelled, "not confirmed; nothing was changed")
            .hint("Type the name, or give --yes."))
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

/// A slip costs another try, not the command.
fn prompt(what: &str, typed: Typed) -> Result<SecretText, Error> {
    let mut wrong = "";
    for _ in 0..TRIES {
        if !wrong.is_empty() {
            eprintln!("The {what} {wrong}. Try again.");
        }
        let passphrase = unseen(what, &format!("{}: ", capital(what)))?;
        if passphrase.is_empty() {
            // Ctrl+D leaves the cursor behind the question.
            eprintln!();
            wrong = "is empty";
        } else if typed == Typed::Twice && unseen(what, "Once more: ")? != passphrase {
            wrong = "was not the same twice";
        } else {
            return Ok(passphrase);
        }
    }
    Err(Error::new(Code::Usage, format!("the {what} {wrong}")).hint("Start again; nothing was done."))
}

fn unseen(what: &str, question: &str) -> Result<SecretText, Error> {
    let ask = || {
        let _prompt = Prompt::unseen()?;
        eprint!("{question}");
        io::stderr().flush()?;
        read_line_unseen()
    };
    ask().map(SecretText::new).map_err(|e| match e.kind() {
        io::ErrorKind::Interrupted => interrupt::end(),
        _ => {
            Error::new(Code::Unavailable, format!("can't read the {what} from the terminal: {e}")).because(e)
        }
    })
}

// The prompt holds the terminal. Left to itself the library would take Ctrl+C as a letter, and leave the terminal
// silent when it dies of the signal that it then raises.
#[cfg(unix)]
fn read_line_unseen() -> io::Result<String> {
    let terminal = std::fs::File::open("/dev/tty")?;
    let config = rpassword::ConfigBuilder::new().input_reader(terminal).output_discard().build();
    rpassword::read_password_with_config(config)
}

#[cfg(not(unix))]
fn read_line_unseen() -> io::Result<String> {
    rpassword::read_password()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

//! Where a password comes from: typed twice at a terminal, or the first line of stdin. `user` calls it. Never an argument,
//! which others could read in the list of processes.

use std::{
    io::{self, BufRead, IsTerminal},
    process::Command,
};

use super::{Failure, output};
use crate::domain::Password;

/// Asks for a password; from a pipe, or when `from_stdin`, without a question.
pub(super) fn ask(from_stdin: bool) -> Result<Password, Failure> {
    let stdin = io::stdin();
    let asks = stdin.is_terminal() && !from_stdin;
    let text = if asks {
        let first = typed("Password: ")?;
        if typed("The same again: ")? != first {
            return Err(Failure::Usage("the two passwords are not the same".to_owned()));
        }
        first
    } else {
        line(&mut stdin.lock())?
    };
    Password::parse(&text).map_err(|invalid| Failure::Usage(invalid.to_string()))
}

/// A line without its end.
fn line(input: &mut impl BufRead) -> Result<String, Failure> {
    let mut text = String::new();
    input
        .read_line(&mut text)
        .map_err(|error| Failure::Usage(format!("the password cannot be read: {error}")))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// A line typed at the terminal, unseen where `stty` is there to hide it.
fn typed(question: &str) -> Result<String, Failure> {
    output::tell(question);
    let echo = |mode: &str| {
        Command::new("stty")
            .arg(mode)
            .status()
            .is_ok_and(|status| status.success())
    };
    let hidden = echo("-echo");
    let text = line(&mut io::stdin().lock());
    if hidden {
        echo("echo");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_the_line_is_taken_off() {
        assert_eq!(line(&mut &b" pass word \r\nmore\n"[..]).unwrap(), " pass word ");
        assert_eq!(line(&mut &b"no end"[..]).unwrap(), "no end");
        assert_eq!(line(&mut &b""[..]).unwrap(), "");
    }
}

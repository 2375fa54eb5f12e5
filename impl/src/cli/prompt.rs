//! `quorate cli`: one command, or a conversation.

use super::target::Target;
use super::{Failed, print};
use clap::ValueEnum;
use quorate::client::{Address, Connection, Options};
use quorate::resp::{Frame, Limits, Parser, Step};
use rustyline::error::ReadlineError;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Sends commands to a server and shows its answers
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One command:     quorate cli SET greeting hello
A conversation:  quorate cli
From a file:     quorate cli < commands.txt

The exit code of one command is 1 if the server answers with an error.
A cluster port's MOVED is followed.")]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// How answers are shown
    #[arg(long, value_enum, default_value_t = Form::Auto)]
    form: Form,
    /// Speak RESP3
    #[arg(short = '3', long)]
    resp3: bool,
    /// A command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// How answers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people on a terminal, for programs elsewhere.
    Auto,
    /// Numbered, indented and quoted.
    Pretty,
    /// As they are, an element a line.
    Plain,
}

/// How often a MOVED is followed.
const REDIRECTIONS: usize = 5;
/// A command that waits gets its time from its own words.
const WAITS: Duration = Duration::from_secs(24 * 3600);

struct Shell {
    options: Options,
    resp3: bool,
    pretty: bool,
    addresses: Vec<Address>,
    connection: Option<Connection>,
}

impl Shell {
    fn connect(&self, address: &Address) -> Result<Connection, Failed> {
        let mut connection = Connection::open(address, &self.options)?;
        if self.resp3
            && let Frame::Error(text) = connection.call(&["HELLO", "3"])?
        {
            return Err(String::from_utf8_lossy(&text).into_owned().into());
        }
        Ok(connection)
    }

    /// The connection, a new one to the first server that answers if there is none.
    fn connected(&mut self) -> Result<&mut Connection, Failed> {
        if self.connection.is_none() {
            let mut trouble = None;
            for address in &self.addresses {
                match self.connect(address) {
                    Ok(connection) => {
                        self.connection = Some(connection);
                        break;
                    }
                    Err(error) => trouble = Some(error),
                }
            }
            if let Some(error) = trouble.filter(|_| self.connection.is_none()) {
                return Err(error);
            }
        }
        self.connection.as_mut().ok_or_else(|| "no server is named: give --addr".into())
    }

    /// Asks, and follows where the server sends.
    fn ask(&mut self, words: &[Vec<u8>]) -> Result<Frame, Failed> {
        let waits = words.first().is_some_and(|word| word.eq_ignore_ascii_case(b"kv.wait"));
        let within = if waits { WAITS } else { self.options.answer };
        let mut frame = self.ask_once(words, within)?;
        for _ in 0..REDIRECTIONS {
            let Some(address) = moved(&frame) else { break };
            eprintln!("-> {address} leads");
            self.connection = Some(self.connect(&address)?);
            frame = self.ask_once(words, within)?;
        }
        Ok(frame)
    }

    fn ask_once(&mut self, words: &[Vec<u8>], within: Duration) -> Result<Frame, Failed> {
        let connection = self.connected()?;
        connection.push(words);
        let answer = connection.send().and_then(|()| connection.receive_within(within));
        // What comes later would be taken for another answer.
        answer.map_err(|broken| {
            self.connection = None;
            broken.into()
        })
    }

    fn show(&self, words: &[Vec<u8>], frame: &Frame) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        match self.pretty && !is_report(words) {
            true => out.write_all(print::pretty(frame).as_bytes())?,
            false => out.write_all(&print::plain(frame))?,
        }
        out.flush()
    }

    /// One line of a conversation. False if it was the last.
    fn line(&mut self, line: &str) -> Result<bool, Failed> {
        let words = match split(line) {
            Ok(words) => words,
            Err(text) => {
                eprintln!("{text}");
                return Ok(true);
            }
        };
        let Some(first) = words.first() else { return Ok(true) };
        if [b"quit".as_slice(), b"exit"].iter().any(|word| first.eq_ignore_ascii_case(word)) {
            return Ok(false);
        }
        match self.ask(&words) {
            Ok(frame) => self.show(&words, &frame)?,
            Err(error) => eprintln!("{error}"),
        }
        Ok(true)
    }
}

/// Whether the answer is a text of several lines for people, which quotes would spoil.
fn is_report(words: &[Vec<u8>]) -> bool {
    let word = |place: usize| words.get(place).map(|word| word.to_ascii_uppercase());
    match word(0).as_deref() {
        Some(b"INFO") => true,
        Some(b"CLUSTER") => matches!(word(1).as_deref(), Some(b"NODES" | b"INFO")),
        Some(b"CLIENT") => matches!(word(1).as_deref(), Some(b"LIST" | b"INFO")),
        _ => false,
    }
}

/// Where the server sends the client.
fn moved(frame: &Frame) -> Option<Address> {
    let Frame::Error(text) = frame else { return None };
    let text = std::str::from_utf8(text).ok()?.strip_prefix("MOVED ")?;
    text.split(' ').nth(1)?.parse().ok()
}

/// A line's words, with quotes as the server itself reads them.
fn split(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut parser = Parser::new(Limits::DEFAULT);
    // A star at the beginning would be a header.
    let bytes = format!(" {line}\r\n");
    match parser.next(bytes.as_bytes()) {
        Ok(Step::Request(request)) => Ok(request.iter().map(<[u8]>::to_vec).collect()),
        Ok(Step::Refused { refusal, .. }) => Err(refusal.to_string()),
        Ok(Step::More { .. }) => Ok(Vec::new()),
        Err(_) => Err("the quotes of the line don't match".into()),
    }
}

/// Where lines are kept from one conversation to the next.
fn history() -> Option<PathBuf> {
    let home = std::env::var_os("HOME")?;
    Some(PathBuf::from(home).join(".quorate_history"))
}

fn converse(shell: &mut Shell) -> Result<(), Failed> {
    let mut editor = rustyline::DefaultEditor::new()?;
    let file = history();
    // There is none the first time.
    let _ = file.as_ref().map(|file| editor.load_history(file));
    loop {
        let prompt = match &shell.connection {
            Some(connection) => format!("{}> ", connection.address()),
            None => "not connected> ".into(),
        };
        match editor.readline(&prompt) {
            Ok(line) => {
                if !line.trim().is_empty() {
                    editor.add_history_entry(&line)?;
                }
                if !shell.line(&line)? {
                    break;
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(file) = file {
        editor.save_history(&file)?;
    }
    Ok(())
}

/// Sends the command, or holds the conversation.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failed> {
    let Arguments { target, form, resp3, command } = arguments;
    let pretty = match form {
        Form::Auto => std::io::stdout().is_terminal(),
        Form::Pretty => true,
        Form::Plain => false,
    };
    let (options, addresses) = (target.options()?, target.addresses().to_vec());
    let mut shell = Shell { options, resp3, pretty, addresses, connection: None };
    if !command.is_empty() {
        let words: Vec<Vec<u8>> = command.into_iter().map(String::into_bytes).collect();
        let frame = shell.ask(&words)?;
        shell.show(&words, &frame)?;
        let failed = matches!(frame, Frame::Error(_));
        return Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    if let Err(error) = shell.connected() {
        eprintln!("{error}");
    }
    if std::io::stdin().is_terminal() {
        converse(&mut shell)?;
    } else {
        for line in std::io::stdin().lock().lines() {
            if !shell.line(&line?)? {
                break;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_the_server_splits_them() {
        assert_eq!(
            split("set 'a b' \"\\x41\""),
            Ok(vec![b"set".into(), b"a b".into(), b"A".into()])
        );
        assert_eq!(split("  "), Ok(Vec::new()));
        assert_eq!(split("*1"), Ok(vec![b"*1".to_vec()]));
        assert!(split("set 'a").is_err());
    }
}

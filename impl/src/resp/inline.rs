//! The arguments of a command as a person types it, with quotes.
//!
//! Arguments are parted by white space. Inside double quotes `\n \r \t \b \a \xHH` are the bytes they name and
//! any other byte after a `\` is itself; inside single quotes only `\'` is special. A quote may begin inside
//! an argument (`a"b c"` is one), and must be followed by white space or the end of the line.

use super::limits::ProtocolError;

/// What C calls a space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Appends the arguments to `text`, without their quotes, and tells `push` where each begins and ends in it.
///
/// # Errors
/// [`ProtocolError::UnbalancedQuotes`].
pub(super) fn split(
    mut line: &[u8],
    text: &mut Vec<u8>,
    push: &mut impl FnMut(usize, usize),
) -> Result<(), ProtocolError> {
    loop {
        let blanks = line.iter().take_while(|&&byte| is_space(byte)).count();
        line = &line[blanks..];
        if line.is_empty() {
            return Ok(());
        }
        let start = text.len();
        line = argument(line, text)?;
        push(start, text.len());
    }
}

/// Takes one argument from the front of the line. Returns the rest.
fn argument<'a>(mut line: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        match line {
            // Redis ends a bare argument at four kinds of space only; the other two belong to it.
            [] | [b' ' | b'\t' | b'\r' | b'\n', ..] => return Ok(line),
            [quote @ (b'"' | b'\''), rest @ ..] => {
                line = quoted(rest, *quote, text).ok_or(ProtocolError::UnbalancedQuotes)?;
                return match line {
                    [] => Ok(line),
                    [next, ..] if is_space(*next) => Ok(line),
                    _ => Err(ProtocolError::UnbalancedQuotes),
                };
            }
            [byte, rest @ ..] => {
                text.push(*byte);
                line = rest;
            }
        }
    }
}

/// Takes the bytes up to the closing quote. Returns what follows it, `None` if there is none.
fn quoted<'a>(mut line: &'a [u8], quote: u8, text: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, length) = match line {
            [] => return None,
            [end, rest @ ..] if *end == quote => return Some(rest),
            [b'\\', b'x', high, low, ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (nibble(*high) << 4 | nibble(*low), 4)
            }
            [b'\\', escaped, ..] if quote == b'"' => (named(*escaped), 2),
            [b'\\', b'\'', ..] => (b'\'', 2),
            [byte, ..] => (*byte, 1),
        };
        text.push(byte);
        line = &line[length..];
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// The byte that a letter behind a backslash stands for.
fn named(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        split(line, &mut text, &mut |start, end| ends.push((start, end)))?;
        Ok(ends.into_iter().map(|(start, end)| text[start..end].to_vec()).collect())
    }

    #[track_caller]
    fn gives(line: &[u8], expected: &[&[u8]]) {
        let owned: Vec<Vec<u8>> = expected.iter().map(|argument| argument.to_vec()).collect();
        assert_eq!(arguments(line).as_deref(), Ok(&owned[..]), "{}", line.escape_ascii());
    }

    #[test]
    fn spaces_part_arguments() {
        gives(b"", &[]);
        gives(b" \t\r\x0b\x0c", &[]);
        gives(b"  SET\tk  v \r", &[b"SET", b"k", b"v"]);
        gives(b"ECHO a\rb", &[b"ECHO", b"a", b"b"]);
        gives(b"ECHO\x0ba", &[b"ECHO\x0ba"]);
    }

    #[test]
    fn double_quotes_know_escapes() {
        gives(b"\"a b\" c", &[b"a b", b"c"]);
        gives(b"\"\"", &[b""]);
        gives(br#""\n\r\t\b\a\x41\xfF\q\"\\""#, &[b"\n\r\t\x08\x07A\xffq\"\\"]);
        gives(br#""\xg1\x4""#, &[b"xg1x4"]);
        gives(b"a\"b c\" 'd'", &[b"ab c", b"d"]);
    }

    #[test]
    fn single_quotes_know_only_their_own() {
        gives(br"'c\'d' 'a\n\\b'", &[b"c'd", br"a\n\\b"]);
        gives(b"''", &[b""]);
    }

    #[test]
    fn quotes_are_closed_and_followed_by_space() {
        for line in [
            &b"\"a"[..],
            b"'a",
            b"\"a\"b",
            b"'a'b",
            b"'a'\"b\"",
            b"\"a\\",
            b"\"a\\\"",
            b"'a\\'",
            b"\"",
            b"x'",
        ] {
            assert_eq!(arguments(line), Err(ProtocolError::UnbalancedQuotes));
        }
    }
}

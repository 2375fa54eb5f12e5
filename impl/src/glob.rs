//! Patterns of KEYS and SCAN MATCH, by Redis' rules.
//!
//! `*` stands for any bytes, `?` for one, `[abc]` and `[a-z]` for one of a class, `[^abc]` for one that is not
//! in it, and `\` takes the next byte as it is. Everything but `*` stands for exactly one byte. So when the
//! text parts from the pattern, only the last star can help: taking more for an earlier one leaves less for
//! what has matched already. That bounds the work by the product of the two lengths, whatever the pattern.
//!
//! The odd corners are Redis' too: a class that is not closed ends with the pattern, `[]` is nothing and
//! `[^]` anything, a range may be written backwards, and a `\` at the end stands for itself.

/// Whether the whole text fits the pattern.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut place, mut at) = (0, 0);
    // Behind the last star: the rest of the pattern, and where in the text that rest is tried.
    let mut star = None;
    loop {
        match pattern.get(place) {
            None if at == text.len() => return true,
            None => {}
            Some(b'*') => {
                place += 1;
                star = Some((place, at));
                continue;
            }
            Some(_) => {
                let Some(&byte) = text.get(at) else { return false };
                if let Some(next) = one(pattern, place, byte) {
                    (place, at) = (next, at + 1);
                    continue;
                }
            }
        }
        let Some((behind, tried)) = star.filter(|&(_, tried)| tried < text.len()) else {
            return false;
        };
        (place, at) = (behind, tried + 1);
        star = Some((place, at));
    }
}

/// What follows the element at `place`, if the element stands for `byte`.
fn one(pattern: &[u8], place: usize, byte: u8) -> Option<usize> {
    match pattern[place..] {
        [b'?', ..] => Some(place + 1),
        [b'[', ..] => class(pattern, place + 1, byte),
        [b'\\', escaped, ..] => (escaped == byte).then_some(place + 2),
        [literal, ..] => (literal == byte).then_some(place + 1),
        [] => None,
    }
}

/// What follows the class whose first element stands at `place`, if `byte` is in it.
fn class(pattern: &[u8], mut place: usize, byte: u8) -> Option<usize> {
    let negated = pattern.get(place) == Some(&b'^');
    place += usize::from(negated);
    let mut found = false;
    loop {
        let (is, length) = match pattern[place..] {
            [] => break,
            [b'\\', escaped, ..] => (escaped == byte, 2),
            [b']', ..] => {
                place += 1;
                break;
            }
            [from, b'-', to, ..] => ((from.min(to)..=from.max(to)).contains(&byte), 3),
            [literal, ..] => (literal == byte, 1),
        };
        found |= is;
        place += length;
    }
    (found != negated).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes())
    }

    #[test]
    fn stars_and_marks() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "anything"),
            ("**", "x"),
            ("h?llo", "hello"),
            ("h*llo", "heeeello"),
            ("h*llo", "hllo"),
            ("*o*o", "foo boo"),
            ("user:*:name", "user:1:2:name"),
            ("a\\*", "a*"),
            ("a\\", "a\\"),
        ] {
            assert!(fits(pattern, text), "{pattern} fits {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("a", "ab"),
            ("h?llo", "hllo"),
            ("a\\*", "ab"),
            ("*b", "abc"),
            ("A", "a"),
        ] {
            assert!(!fits(pattern, text), "{pattern} does not fit {text}");
        }
    }

    #[test]
    fn classes() {
        for (pattern, text) in [
            ("h[ae]llo", "hallo"),
            ("h[a-c]llo", "hbllo"),
            ("h[c-a]llo", "hbllo"),
            ("h[^e]llo", "hallo"),
            ("[^]", "x"),
            ("[\\]]", "]"),
            ("[ab", "b"),
            ("[a-", "-"),
            ("[a-]", "^"),
            ("x[\\a-z]", "x-"),
        ] {
            assert!(fits(pattern, text), "{pattern} fits {text}");
        }
        for (pattern, text) in
            [("h[ae]llo", "hillo"), ("h[^e]llo", "hello"), ("[]", "x"), ("[]", ""), ("[^a-z]", "q")]
        {
            assert!(!fits(pattern, text), "{pattern} does not fit {text}");
        }
    }

    /// Trying every split of the text among the stars would take longer than anybody can wait.
    #[test]
    fn many_stars_stay_cheap() {
        let text = "a".repeat(20_000);
        assert!(!fits(&("a*".repeat(50) + "b"), &text));
        assert!(fits(&("*a".repeat(50) + "*"), &text));
    }
}

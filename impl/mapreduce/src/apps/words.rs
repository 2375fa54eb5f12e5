//! Words: what the labs count and index. A word is a sequence of letters, as Unicode knows letters (category L), as
//! long as possible; what is no UTF-8 is no letter.

use regex_syntax::hir::{Class, HirKind};

/// What a byte is at the beginning of a character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Byte {
    Other,
    Letter,
    /// Not of ASCII.
    Wide,
}

const BYTES: [Byte; 256] = {
    let mut bytes = [Byte::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        if (byte as u8).is_ascii_alphabetic() {
            bytes[byte] = Byte::Letter;
        } else if byte >= 128 {
            bytes[byte] = Byte::Wide;
        }
        byte += 1;
    }
    bytes
};

/// Finds words. Knows which characters are letters, which takes a moment to find out.
#[derive(Clone, Debug)]
pub struct Words {
    /// The letters beyond ASCII, as ranges, in order.
    letters: Vec<(char, char)>,
}

impl Default for Words {
    fn default() -> Self {
        let class = regex_syntax::parse(r"\p{L}").expect("the class of letters is known");
        let HirKind::Class(Class::Unicode(class)) = class.kind() else {
            unreachable!("a class of characters is a class of characters");
        };
        let letters = class.ranges().iter().map(|range| (range.start(), range.end()));
        Self { letters: letters.filter(|(_, end)| !end.is_ascii()).collect() }
    }
}

impl Words {
    /// Calls `each` with every word of a text, in order.
    #[inline]
    pub fn each<'t>(&self, text: &'t [u8], mut each: impl FnMut(&'t [u8])) {
        let mut at = 0;
        while at < text.len() {
            let start = at;
            // What is not a letter, behind the word: at least one byte, or the end.
            let skip = loop {
                match text.get(at).map(|byte| BYTES[usize::from(*byte)]) {
                    Some(Byte::Letter) => at += 1,
                    Some(Byte::Wide) => match self.wide(&text[at..]) {
                        (bytes, true) => at += bytes,
                        (bytes, false) => break bytes,
                    },
                    Some(Byte::Other) | None => break 1,
                }
            };
            if at > start {
                each(&text[start..at]);
            }
            at += skip;
        }
    }

    /// How many bytes the character at the beginning has, and whether it is a letter.
    #[inline(never)]
    fn wide(&self, text: &[u8]) -> (usize, bool) {
        let first = text[..text.len().min(4)].utf8_chunks().next();
        let Some(first) = first.and_then(|chunk| chunk.valid().chars().next()) else {
            return (1, false);
        };
        let behind = self.letters.partition_point(|(_, end)| *end < first);
        let letter = self.letters.get(behind).is_some_and(|(start, _)| *start <= first);
        (first.len_utf8(), letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        Words::default().each(text, |word| found.push(String::from_utf8_lossy(word).into_owned()));
        found
    }

    #[test]
    fn letters_make_words() {
        assert_eq!(words(b""), [""; 0]);
        assert_eq!(words(b" ,.1"), [""; 0]);
        assert_eq!(words(b"It's 2 words"), ["It", "s", "words"]);
        assert_eq!(words("Straße — naïve 日本語".as_bytes()), ["Straße", "naïve", "日本語"]);
        assert_eq!(words("a\u{301}b Ⅷ ²".as_bytes()), ["a", "b"], "marks and numbers are none");
        assert_eq!(words(b"a\xffb\xe2\x82c\xc3"), ["a", "b", "c"], "nor is what is no UTF-8");
        assert_eq!(words(b"a\0b"), ["a", "b"]);
    }

    /// Against the slow and obvious way, on every character.
    #[test]
    fn all_characters() {
        let letter = regex::Regex::new(r"^\p{L}$").expect("a pattern");
        for char in ('\0'..=char::MAX).step_by(7) {
            let text = char.to_string();
            let expected = usize::from(letter.is_match(&text));
            assert_eq!(words(text.as_bytes()).len(), expected, "{char:?}");
        }
    }
}

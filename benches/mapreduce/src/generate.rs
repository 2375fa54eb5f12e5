//! Input of any size, always the same.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A small generator of numbers that look random (xorshift64*, Vigna 2016).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// How many different words the text has, about as many as the labs' books.
const WORDS: usize = 50_000;

/// Lines of about 70 bytes, of words whose frequency falls with their rank, as in books: rank r about as 1/r.
pub fn text(bytes: u64, path: &Path) -> io::Result<()> {
    let mut random = Random(1);
    let mut words = Vec::with_capacity(WORDS);
    for rank in 0..WORDS {
        // Frequent words are short.
        let length = 2 + (rank + 1).ilog2() as u64 / 3 + random.next() % 5;
        let mut letters = || b'a' + (random.next() % 26) as u8;
        words.push((0..length).map(|_| letters()).collect::<Vec<u8>>());
    }
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let (mut written, mut column) = (0, 0);
    while written < bytes {
        // Uniform in the logarithm of the rank.
        let uniform = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = (WORDS as f64).powf(uniform) as usize - 1;
        let word = &words[rank.min(WORDS - 1)];
        out.write_all(word)?;
        written += word.len() as u64 + 1;
        column += word.len() + 1;
        let end: &[u8] = if column > 66 { b"\n" } else { b" " };
        if column > 66 {
            column = 0;
        }
        out.write_all(end)?;
    }
    out.flush()
}

/// Lines of 100 bytes: ten of a random key, then their number and filling.
pub fn lines(bytes: u64, path: &Path) -> io::Result<()> {
    let mut random = Random(2);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for number in 0..bytes / 100 {
        let mut key = [0; 10];
        for byte in &mut key {
            *byte = b' ' + (random.next() % 95) as u8;
        }
        out.write_all(&key)?;
        writeln!(out, " {number:012} {:.<75}", "")?;
    }
    out.flush()
}

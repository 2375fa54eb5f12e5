//! Choices out of bytes: when these are used up, every choice is the first.

/// What is left to choose from.
#[derive(Clone, Debug)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// Chooses by these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all are used up.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Two bytes.
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A number below the bound, which is small.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    /// Whether a byte is odd.
    pub fn coin(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// At most so many bytes as they are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// The last four bytes, which say how the others are read; zeros where there are not so many.
pub fn tail(input: &[u8]) -> (&[u8], [u8; 4]) {
    match input.split_last_chunk() {
        Some((bytes, tail)) => (bytes, *tail),
        None => (input, [0; 4]),
    }
}

/// The bytes in pieces of these lengths, again and again; one is 1 to 64 bytes long.
pub fn pieces(bytes: &[u8], lengths: [u8; 3]) -> Vec<&[u8]> {
    let mut lengths = lengths.into_iter().map(|length| usize::from(length % 64) + 1).cycle();
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let length = lengths.next().unwrap_or(1).min(rest.len());
        let (piece, behind) = rest.split_at(length);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

//! The bytes of an input file, uncompressed.

use std::io::{self, BufRead, BufReader, Read, Take};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Compression, Split};
use crate::error::Error;
use crate::store::{Opened, Part, Store, Trouble};
use crate::task::Watch;

/// A file that is read from its front to its end.
pub(super) struct Input<'a> {
    opened: Box<dyn Opened + 'a>,
    position: u64,
}

impl Read for Input<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.opened.read_at(bytes, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

type Buffered<'a> = BufReader<Input<'a>>;

/// An input file that is being read.
pub(super) enum Source<'a> {
    Plain(Take<Input<'a>>),
    Gzip(Box<MultiGzDecoder<Buffered<'a>>>),
    Zstd(Box<Zstd<'a>>),
}

/// What to say of an error at an input file.
pub(crate) fn refused(file: &str, error: &io::Error) -> Error {
    if error.get_ref().is_some_and(|inner| inner.is::<Trouble>()) {
        return Error::input(file, error.to_string());
    }
    let advice = match error.kind() {
        io::ErrorKind::NotFound => "it is gone; put it back, or start the job anew without it",
        io::ErrorKind::PermissionDenied => "let the workers' user read it (chmod +r)",
        io::ErrorKind::IsADirectory => "it has become a directory",
        _ => "is the disk all right?",
    };
    Error::input(file, format!("can't be read: {error}; {advice}"))
}

fn buffered(file: Input<'_>) -> Buffered<'_> {
    BufReader::with_capacity(128 << 10, file)
}

impl<'a> Source<'a> {
    /// Opens the file of a split, at `from` if it is not compressed.
    pub fn open(
        split: &Split,
        from: u64,
        store: &dyn Store,
        watch: &'a dyn Watch,
    ) -> Result<Self, Error> {
        let plain = split.compression == Compression::None;
        let position = if plain { from } else { 0 };
        let part = Part::Range(position, split.start + split.length);
        let opened = store.open(&split.path, part, watch).map_err(|error| {
            if watch.cancelled() { Error::Cancelled } else { refused(&split.name, &error) }
        })?;
        let bytes = opened.bytes();
        if bytes != split.file_bytes {
            return Err(changed(split, bytes));
        }
        let file = Input { opened, position };
        Ok(match split.compression {
            Compression::None => {
                Self::Plain(file.take(split.file_bytes - from.min(split.file_bytes)))
            }
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(buffered(file)))),
            Compression::Zstd => Self::Zstd(Box::new(Zstd::new(buffered(file)))),
        })
    }

    /// How many bytes of the file on the disk have been read.
    pub fn compressed_done(&self) -> u64 {
        let file = match self {
            Self::Plain(_) => return 0,
            Self::Gzip(gzip) => gzip.get_ref(),
            Self::Zstd(zstd) => &zstd.file,
        };
        file.get_ref().position
    }

    /// What is left of a plain file that should not be: it became shorter while it was read.
    pub fn missing(&self) -> u64 {
        match self {
            Self::Plain(file) => file.limit(),
            Self::Gzip(_) | Self::Zstd(_) => 0,
        }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(bytes),
            Self::Gzip(gzip) => gzip.read(bytes),
            Self::Zstd(zstd) => zstd.read(bytes),
        }
    }
}

/// The file is not what was planned for.
pub(super) fn changed(split: &Split, bytes: u64) -> Error {
    let planned = split.file_bytes;
    let problem = format!(
        "it has {bytes} bytes and had {planned} when the job was planned; \
         start the job anew, and don't write to its inputs while it runs"
    );
    Error::input(&split.name, problem)
}

/// Frames of Zstandard, one after the other. `ruzstd` knows one frame.
pub(super) struct Zstd<'a> {
    file: Buffered<'a>,
    decoder: FrameDecoder,
    within: bool,
}

impl<'a> Zstd<'a> {
    fn new(file: Buffered<'a>) -> Self {
        Self { file, decoder: FrameDecoder::new(), within: false }
    }

    /// Begins the next frame; false at the end of the file.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.file.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.file) {
                Ok(()) => {
                    self.within = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let mut skipped = (&mut self.file).take(length);
                    if io::copy(&mut skipped, &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
        Ok(false)
    }

    /// The end of a frame: what it says that its text's hash is, if it does, is what it is.
    fn end(&mut self) -> io::Result<()> {
        self.within = false;
        let said = self.decoder.get_checksum_from_data();
        if said.is_some() && said != self.decoder.get_calculated_checksum() {
            return Err(io::Error::other("a frame's checksum is wrong"));
        }
        Ok(())
    }
}

impl Read for Zstd<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.within && !self.begin()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.decoder.decode_blocks(&mut self.file, one);
                decoded.map_err(|error| io::Error::other(error.to_string()))?;
            }
            let count = self.decoder.read(bytes)?;
            if count > 0 || bytes.is_empty() {
                return Ok(count);
            }
            self.end()?;
        }
    }
}

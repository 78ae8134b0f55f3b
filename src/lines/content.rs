//! What the bytes of a whole file are: compressed or not, text or something else, and each line
//! that cannot be read.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::{Lines, escaped};

/// Bytes of the longest line that can be read.
const LONGEST_READABLE: usize = 2_000_000;

/// Bytes of the longest line that is kept as one that cannot be read.
const LONGEST_KEPT: usize = 16_000_000;

/// Bytes of all texts of lines that cannot be read.
const MOST_KEPT: usize = 64_000_000;

/// Bytes that a decoder gives at a time.
const BUFFER: usize = 1 << 18;

/// How a file is compressed, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// It is not.
    None,
    /// RFC 1952
    Gzip,
    /// RFC 8878
    Zstd,
}

impl Compression {
    fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x1F, 0x8B, ..] => Compression::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// Its name, which DuckDB uses too.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its number, from 1.
    pub line: u64,
    /// The whole line, [`escaped`].
    pub text: String,
    /// What DuckDB calls such an error.
    pub error_type: &'static str,
    /// The error as a sentence.
    pub message: String,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// How it is compressed.
    pub compression: Compression,
    /// Why it cannot be read as lines of text.
    pub problem: Option<String>,
    /// Its bytes, not compressed.
    pub size: u64,
    /// Its lines, those that cannot be read too; of their quotes nothing is said.
    pub lines: Lines,
    /// The first line, without a byte order mark, where it can be read.
    pub first_line: Option<String>,
    /// The first bytes, [`escaped`].
    pub beginning: String,
    /// Lines that end with CR and LF.
    pub crlf: u64,
    /// Lines that end with LF alone.
    pub lf: u64,
    /// Lines that end with CR alone.
    pub cr: u64,
    /// Whether the last line has an end.
    pub is_terminated: bool,
    /// Lines that are not UTF-8 or longer than 2 MB.
    pub unreadable: Vec<Unreadable>,
}

impl Content {
    /// Reads the bytes of a file.
    pub fn of(bytes: &[u8]) -> Self {
        let compression = Compression::of(bytes);
        let mut scan = Scan::new(compression);
        let read = match compression {
            Compression::None => {
                scan.begin(bytes);
                scan.feed(bytes);
                Ok(())
            }
            Compression::Gzip => scan.read(MultiGzDecoder::new(bytes)),
            Compression::Zstd => scan.read(Frames::new(bytes)),
        };
        scan.end();
        if let Err(error) = read {
            scan.content.problem = Some(match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    "cut short: its compressed data have no end".to_string()
                }
                _ => format!("damaged: its compressed data cannot be read ({error})"),
            });
        }
        scan.content
    }
}

/// What the frames of a Zstandard file hold, one behind another.
struct Frames<'a> {
    rest: &'a [u8],
    frame: Option<StreamingDecoder<&'a [u8], FrameDecoder>>,
}

impl<'a> Frames<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Frames { rest: bytes, frame: None }
    }

    /// Begins the next frame that is not one to be skipped; there is none behind the last.
    fn next(&mut self) -> io::Result<()> {
        const LONGEST_HEADER: usize = 18;
        const SKIPPED_HEADER: usize = 8;
        const LARGEST_WINDOW: u64 = 1 << 31; // of the tool's option --long=31
        while !self.rest.is_empty() {
            match StreamingDecoder::new_with_max_window_size(self.rest, LARGEST_WINDOW) {
                Ok(frame) => {
                    self.frame = Some(frame);
                    return Ok(());
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    self.rest =
                        self.rest.get(SKIPPED_HEADER + length as usize..).ok_or_else(cut_short)?;
                }
                Err(_) if self.rest.len() < LONGEST_HEADER => return Err(cut_short()),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(())
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.frame.is_none() {
                self.next()?;
            }
            let Some(frame) = &mut self.frame else { return Ok(0) };
            match frame.read(buffer) {
                Ok(0) => {
                    self.rest = frame.get_ref();
                    self.frame = None;
                }
                // The decoder says of each error that it is of another kind.
                Err(_) if frame.get_ref().is_empty() => return Err(cut_short()),
                read => return read,
            }
        }
    }
}

fn cut_short() -> io::Error {
    io::Error::from(io::ErrorKind::UnexpectedEof)
}

/// A reading of bytes, piece by piece.
struct Scan {
    content: Content,
    /// The line that the last piece ended in, as far as it is kept, and how long it is.
    begun: Vec<u8>,
    begun_bytes: usize,
    begun_nuls: usize,
    /// Whether the last piece ended with a CR, to which the first LF of the next would belong.
    after_cr: bool,
    kept: usize,
}

impl Scan {
    fn new(compression: Compression) -> Self {
        let content = Content {
            compression,
            problem: None,
            size: 0,
            lines: Lines::default(),
            first_line: None,
            beginning: String::new(),
            crlf: 0,
            lf: 0,
            cr: 0,
            is_terminated: true,
            unreadable: Vec::new(),
        };
        Scan { content, begun: Vec::new(), begun_bytes: 0, begun_nuls: 0, after_cr: false, kept: 0 }
    }

    fn read(&mut self, mut decoder: impl Read) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            // Full buffers, so that the first one shows what the file is.
            let mut filled = 0;
            while filled < buffer.len() {
                match decoder.read(&mut buffer[filled..])? {
                    0 => break,
                    n => filled += n,
                }
            }
            if self.content.size == 0 {
                self.begin(&buffer[..filled]);
            }
            self.feed(&buffer[..filled]);
            if filled < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Looks at the first bytes for what is no text.
    fn begin(&mut self, bytes: &[u8]) {
        let content = &mut self.content;
        content.beginning = escaped(&bytes[..bytes.len().min(200)]);
        content.problem = not_text(bytes).map(str::to_string);
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if self.content.size == 0 {
            rest = rest.strip_prefix("\u{feff}".as_bytes()).unwrap_or(rest);
        }
        self.content.size += bytes.len() as u64;
        if self.content.problem.is_some() || rest.is_empty() {
            return;
        }
        if self.after_cr {
            self.after_cr = false;
            match rest.strip_prefix(b"\n") {
                Some(behind) => {
                    self.content.crlf += 1;
                    rest = behind;
                }
                None => self.content.cr += 1,
            }
        }
        while let Some(n) = memchr::memchr2(b'\n', b'\r', rest) {
            self.line(&rest[..n]);
            let (count, behind) = match &rest[n..] {
                [b'\r', b'\n', behind @ ..] => (&mut self.content.crlf, behind),
                [b'\r'] => {
                    self.after_cr = true;
                    return;
                }
                [b'\r', behind @ ..] => (&mut self.content.cr, behind),
                line_feed => (&mut self.content.lf, &line_feed[1..]),
            };
            *count += 1;
            rest = behind;
        }
        if !rest.is_empty() {
            let room = (LONGEST_KEPT + 1).saturating_sub(self.begun.len());
            self.begun.extend_from_slice(&rest[..rest.len().min(room)]);
            self.begun_bytes += rest.len();
            self.begun_nuls += memchr::memchr_iter(0, rest).count();
        }
    }

    fn end(&mut self) {
        if self.after_cr {
            self.content.cr += 1;
        }
        if self.begun_bytes > 0 {
            self.content.is_terminated = false;
            self.line(&[]);
        }
    }

    /// A line, of which earlier pieces held the beginning.
    fn line(&mut self, rest: &[u8]) {
        let bytes = self.begun_bytes + rest.len();
        let nuls = || memchr::memchr_iter(0, rest).count();
        if bytes > LONGEST_KEPT {
            self.refuse(format!(
                "line {} has {bytes} bytes{}, more than the {LONGEST_KEPT} that a line may have",
                self.content.lines.segments + 1,
                match self.begun_nuls + nuls() {
                    0 => String::new(),
                    n => format!(" ({n} of them are NUL, as where a computer lost its power)"),
                }
            ));
            self.content.lines.segments += 1;
        } else if self.begun_bytes > 0 {
            let mut line = std::mem::take(&mut self.begun);
            line.extend_from_slice(rest);
            self.whole_line(&line);
            line.clear();
            self.begun = line;
        } else {
            self.whole_line(rest);
        }
        self.begun.clear();
        (self.begun_bytes, self.begun_nuls) = (0, 0);
    }

    fn whole_line(&mut self, line: &[u8]) {
        let is_first = self.content.lines.segments == 0;
        let text = std::str::from_utf8(line);
        match text {
            Ok(text) if line.len() <= LONGEST_READABLE => {
                self.content.lines.add(line);
                if is_first {
                    self.content.first_line = Some(text.to_string());
                }
                return;
            }
            _ => self.content.lines.count(line),
        }
        let (error_type, message) = match text {
            Ok(_) => (
                "LINE SIZE OVER MAXIMUM",
                format!("Line of {} bytes, more than {LONGEST_READABLE}.", line.len()),
            ),
            Err(error) => (
                "INVALID ENCODING",
                format!("Line that is not UTF-8, from its byte {} on.", error.valid_up_to() + 1),
            ),
        };
        let number = self.content.lines.segments;
        let text = escaped(line);
        self.kept += text.len();
        if self.kept <= MOST_KEPT {
            self.content.unreadable.push(Unreadable { line: number, text, error_type, message });
        } else {
            let first = self.content.unreadable.first();
            let (line, message) =
                first.map_or((number, message.clone()), |u| (u.line, u.message.clone()));
            self.content.unreadable = Vec::new();
            self.refuse(format!(
                "too many lines that cannot be read, the first of which is line {line}: {}; if it \
                 is text in another encoding, convert it, as with iconv -f LATIN1 -t UTF-8",
                message.trim_end_matches('.'),
            ));
        }
    }

    fn refuse(&mut self, problem: String) {
        self.content.problem.get_or_insert(problem);
    }
}

/// What a file is whose first bytes are not those of text in UTF-8, with what can be done about it.
fn not_text(bytes: &[u8]) -> Option<&'static str> {
    const UTF_16: &str = "text in UTF-16: convert it to UTF-8, as with iconv -f UTF-16 -t UTF-8";
    match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some(UTF_16),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => {
            let names: [&[u8]; 2] = [b"[Content_Types].xml", b"xl/"];
            let is_workbook = names.iter().any(|name| memchr::memmem::find(bytes, name).is_some());
            Some(if is_workbook {
                "a workbook of Excel: save it as CSV UTF-8"
            } else {
                "a zip archive: unpack it"
            })
        }
        [0xD0, 0xCF, 0x11, 0xE0, ..] => Some("a workbook of Excel: save it as CSV UTF-8"),
        [b'P', b'A', b'R', b'1', ..] => {
            Some("a Parquet file: read it into a table, and name its schema as source")
        }
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => {
            Some("compressed by bzip2: unpack it")
        }
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some("compressed by xz: unpack it"),
        [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => Some("a 7z archive: unpack it"),
        [0x1F, 0x8B, ..] => Some("compressed twice: unpack it"),
        _ => {
            // Letters of most scripts' digits, blanks and commas have a byte 0 in UTF-16, at the
            // same side of each pair.
            let head = &bytes[..bytes.len().min(512) & !1];
            let nuls =
                |side: usize| head.iter().skip(side).step_by(2).filter(|byte| **byte == 0).count();
            let sides = [nuls(0), nuls(1)];
            let pairs = head.len() / 2;
            (pairs >= 4 && sides.iter().any(|n| n * 10 >= pairs * 9) && sides.contains(&0))
                .then_some(UTF_16)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression as Level, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(bytes).expect("a Vec takes everything");
        encoder.finish().expect("a Vec takes everything")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn ends_of_lines_are_counted_by_kind() {
        let found = Content::of(b"a,b\r\nc\n\n\"d\"\re");
        assert_eq!((found.crlf, found.lf, found.cr, found.is_terminated), (1, 2, 1, false));
        assert_eq!((found.lines.segments, found.lines.lines, found.size), (5, 4, 13));
        assert_eq!(found.first_line.as_deref(), Some("a,b"));
        let found = Content::of("\u{feff}a\r".as_bytes());
        assert_eq!(
            (found.cr, found.is_terminated, found.first_line.as_deref()),
            (1, true, Some("a"))
        );
        let found = Content::of(b"");
        assert_eq!((found.size, found.lines.segments, found.first_line), (0, 0, None));
    }

    #[test]
    fn lines_that_cannot_be_read_are_kept_whole_with_their_numbers() {
        let long = "x".repeat(LONGEST_READABLE + 1);
        let bytes = [b"good\n\nlanc\xf4me\\\n", long.as_bytes(), b"\nend"].concat();
        let found = Content::of(&bytes);
        let lines: Vec<_> = found.unreadable.iter().map(|u| (u.line, u.error_type)).collect();
        assert_eq!(lines, [(3, "INVALID ENCODING"), (4, "LINE SIZE OVER MAXIMUM")]);
        assert_eq!(found.unreadable[0].text, "lanc\\xF4me\\\\");
        assert_eq!(found.unreadable[0].message, "Line that is not UTF-8, from its byte 5 on.");
        assert_eq!(found.unreadable[1].text, long);
        assert_eq!((found.lines.lines, found.problem), (4, None));
        assert_ne!(
            found.lines.hash,
            Content::of(&[b"good\n\nlanc\xf5me\\\n", long.as_bytes(), b"\nend"].concat())
                .lines
                .hash
        );
    }

    #[test]
    fn a_first_line_that_cannot_be_read_is_none() {
        assert_eq!(Content::of(b"caf\xe9,b\n1,2\n").first_line, None);
        assert_eq!(Content::of(b"caf\xe9,b\n1,2\n").beginning, "caf\\xE9,b\n1,2\n");
    }

    #[test]
    fn a_line_that_is_too_long_to_be_kept_is_refused_with_its_place() {
        let bytes = [b"a\nb".to_vec(), vec![0; LONGEST_KEPT], b"\nc\n".to_vec()].concat();
        for bytes in [gzip(&bytes), bytes] {
            let problem = Content::of(&bytes).problem.expect("a problem");
            assert!(
                problem.starts_with("line 2 has 16000001 bytes (16000000 of them are NUL"),
                "{problem}"
            );
        }
    }

    #[test]
    fn too_many_lines_that_cannot_be_read_are_refused() {
        let bytes = b"good\nlanc\xf4me\n".repeat(MOST_KEPT / 9);
        let problem = Content::of(&bytes).problem.expect("a problem");
        assert!(
            problem
                .starts_with("too many lines that cannot be read, the first of which is line 2: "),
            "{problem}"
        );
    }

    #[test]
    fn compressed_bytes_are_the_lines_in_them_however_they_are_cut_into_members() {
        let text: Vec<u8> =
            (0..30_000).flat_map(|i| format!("{i},\"x\"\r\n").into_bytes()).collect();
        let plain = Content::of(&text);
        for cut in [0, 777, BUFFER - 1, BUFFER, text.len()] {
            for compress in [gzip, zstd] {
                let both = [compress(&text[..cut]), compress(&text[cut..])].concat();
                let found = Content::of(&both);
                assert_eq!(
                    Content { compression: Compression::None, ..found.clone() },
                    plain,
                    "{cut}"
                );
                // Without its last member, nothing shows that there was one.
                let last = compress(&text[cut..]).len();
                for lost in [1, 5, 9, both.len() / 3].into_iter().filter(|lost| *lost != last) {
                    let problem = Content::of(&both[..both.len() - lost]).problem;
                    assert_eq!(
                        problem.as_deref(),
                        Some("cut short: its compressed data have no end"),
                        "{cut} {lost}"
                    );
                }
            }
        }
    }

    #[test]
    fn skipped_frames_hold_nothing_and_damage_is_told() {
        let frame = [b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), zstd(b"a\nb\n")].concat();
        assert_eq!((Content::of(&frame).lines.lines, Content::of(&frame).problem), (2, None));
        let mut damaged = gzip(&b"0123456789\n".repeat(1000));
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        assert!(Content::of(&damaged).problem.is_some_and(|p| p.starts_with("damaged")));
        assert!(Content::of(&[gzip(b"a\n"), vec![0; 99]].concat()).problem.is_some());
    }

    #[test]
    fn what_is_no_text_says_what_it_is() {
        let utf_16 = |text: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(order).collect()
        };
        for (bytes, expected) in [
            (utf_16("\u{feff}event_time,b\n", u16::to_le_bytes), "text in UTF-16"),
            (utf_16("\u{feff}event_time,b\n", u16::to_be_bytes), "text in UTF-16"),
            (utf_16("event_time,b\n", u16::to_le_bytes), "text in UTF-16"),
            (utf_16("event_time,b\n", u16::to_be_bytes), "text in UTF-16"),
            (b"PK\x03\x04...a.csv".to_vec(), "a zip archive"),
            (b"PK\x03\x04...[Content_Types].xml".to_vec(), "a workbook of Excel"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "a workbook of Excel"),
            (b"PAR1\x15".to_vec(), "a Parquet file"),
            (b"BZh91AY&SY".to_vec(), "compressed by bzip2"),
            (b"\xfd7zXZ\0".to_vec(), "compressed by xz"),
            (gzip(&gzip(b"a\n")), "compressed twice"),
        ] {
            let problem = Content::of(&bytes).problem.expect("a problem");
            assert!(problem.starts_with(expected), "{problem}");
        }
        assert_eq!(Content::of(b"BZhonest,PK\n\0\0\0\0\0\0\0\0").problem, None);
    }
}

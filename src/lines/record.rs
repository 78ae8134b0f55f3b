//! One line as a record of CSV: RFC 4180 for a line on its own, with any byte between the fields.

use std::borrow::Cow;

/// Why a line is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A field begins with a quote that is never closed.
    OpenQuote,
    /// Text stands between the quote that closes a field and the next separator.
    TextBehindQuote,
    /// A byte of the line is NUL, which no text holds.
    Nul,
}

impl Fault {
    /// The fault as a sentence.
    pub fn message(self) -> &'static str {
        match self {
            Fault::OpenQuote => "Value with unterminated quote found.",
            Fault::TextBehindQuote => "Text behind the closing quote of a value found.",
            Fault::Nul => "NUL byte found.",
        }
    }
}

/// The fields of a line. A field in quotes may hold separators, and quotes that are doubled; in any
/// other field a quote is a character.
pub fn fields(line: &str, separator: u8) -> Result<Vec<Cow<'_, str>>, Fault> {
    let bytes = line.as_bytes();
    if memchr::memchr(0, bytes).is_some() {
        return Err(Fault::Nul);
    }
    let mut fields = Vec::new();
    let mut start = 0;
    loop {
        let end = if bytes.get(start) == Some(&b'"') {
            let close = closing_quote(bytes, start + 1).ok_or(Fault::OpenQuote)?;
            let value = &line[start + 1..close];
            fields.push(if value.contains('"') {
                Cow::Owned(value.replace("\"\"", "\""))
            } else {
                Cow::Borrowed(value)
            });
            close + 1
        } else {
            let end = memchr::memchr(separator, &bytes[start..]).map_or(bytes.len(), |n| start + n);
            fields.push(Cow::Borrowed(&line[start..end]));
            end
        };
        match bytes.get(end) {
            None => return Ok(fields),
            Some(byte) if *byte == separator => start = end + 1,
            Some(_) => return Err(Fault::TextBehindQuote),
        }
    }
}

/// Where the quote stands that closes a field whose text begins at `from`.
fn closing_quote(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr(b'"', &bytes[at..])?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// What the quotes of a line are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotes {
    /// Signs around whole fields, or there are none: what every reader of CSV takes alike.
    Whole,
    /// Anything else that is not [`Quotes::Open`], or the line holds a NUL.
    Odd,
    /// A field begins with one that is never closed.
    Open,
}

/// What the quotes of a line are; it need not be UTF-8.
pub fn quotes(line: &[u8], separator: u8) -> Quotes {
    let mut found = if memchr::memchr(0, line).is_some() { Quotes::Odd } else { Quotes::Whole };
    let mut start = 0;
    loop {
        let end = if line.get(start) == Some(&b'"') {
            match closing_quote(line, start + 1) {
                Some(close) => close + 1,
                None => return Quotes::Open,
            }
        } else {
            let rest = &line[start..];
            match memchr::memchr2(separator, b'"', rest) {
                None => return found,
                Some(n) if rest[n] == separator => start + n,
                Some(n) => {
                    found = Quotes::Odd;
                    start + memchr::memchr(separator, &rest[n..]).map_or(rest.len(), |m| n + m)
                }
            }
        };
        match line.get(end) {
            None => return found,
            Some(byte) if *byte == separator => start = end + 1,
            Some(_) => return Quotes::Odd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_fields_that_rfc_4180_gives_it() {
        for (line, expected) in [
            ("", vec![""]),
            ("a,b", vec!["a", "b"]),
            ("a,", vec!["a", ""]),
            (",", vec!["", ""]),
            ("\"a,b\",c", vec!["a,b", "c"]),
            ("\"a\"\"b\",\"\"", vec!["a\"b", ""]),
            ("\"\"\"\",é", vec!["\"", "é"]),
            ("6\" nail,\u{a0}\"x\"", vec!["6\" nail", "\u{a0}\"x\""]),
        ] {
            assert_eq!(
                fields(line, b','),
                Ok(expected.into_iter().map(Cow::from).collect()),
                "{line}"
            );
        }
        assert_eq!(fields("\"a;b\";c,d", b';'), Ok(vec!["a;b".into(), "c,d".into()]));
    }

    #[test]
    fn a_line_that_is_no_record_says_why() {
        for (line, fault) in [
            ("\"a", Fault::OpenQuote),
            ("a,\"", Fault::OpenQuote),
            ("\"a\"\"", Fault::OpenQuote),
            ("\"a\"b,c", Fault::TextBehindQuote),
            ("\"a\" ,c", Fault::TextBehindQuote),
            ("\"a\"\0,c", Fault::Nul),
        ] {
            assert_eq!(fields(line, b','), Err(fault), "{line}");
        }
    }

    #[test]
    fn quotes_are_whole_where_every_reader_takes_the_line_alike() {
        for (line, expected) in [
            ("a,b", Quotes::Whole),
            ("", Quotes::Whole),
            ("\"a,b\",\"\"\"\",", Quotes::Whole),
            ("6\" nail", Quotes::Odd),
            ("a,6\" x 4\",b", Quotes::Odd),
            ("\"a\"b", Quotes::Odd),
            ("a,\"b", Quotes::Open),
            ("6\" a,\"b", Quotes::Open),
            ("a\0", Quotes::Odd),
        ] {
            assert_eq!(quotes(line.as_bytes(), b','), expected, "{line}");
        }
    }

    /// Lines of few different characters: each either has fields, which written again give the
    /// line's values, or is odd; and whole quotes never make a fault.
    #[test]
    fn fields_and_quotes_agree_on_all_short_lines() {
        let letters = ['a', '"', ',', ' ', '\0'];
        for n in 0..5usize.pow(7) {
            let mut rest = n;
            let line: String = std::iter::from_fn(|| {
                let letter = letters[rest % 5];
                (rest > 0).then(|| rest /= 5).map(|()| letter)
            })
            .collect();
            let (found, quotes) = (fields(&line, b','), quotes(line.as_bytes(), b','));
            match &found {
                Ok(values) => {
                    assert_ne!(quotes, Quotes::Open, "{line:?}");
                    let quoted: Vec<String> =
                        values.iter().map(|v| format!("\"{}\"", v.replace('"', "\"\""))).collect();
                    assert_eq!(fields(&quoted.join(","), b','), Ok(values.clone()), "{line:?}");
                }
                Err(_) => assert_ne!(quotes, Quotes::Whole, "{line:?}"),
            }
            assert_eq!(
                found == Err(Fault::OpenQuote),
                quotes == Quotes::Open && !line.contains('\0'),
                "{line:?}"
            );
        }
    }
}

//! Content of files: what their lines and bytes are, the fields of a line, and the fingerprint of
//! files.

use std::ops::Range;

use super::{Example, Function, Kind, relation, required};
use crate::ffi::{
    Aggregate, Chunk, Data, Error, Output, Result, Scalar, Signature, SqlType, Strings, Value,
};
use crate::lines::{Content, Lines, fields};
use xxhash_rust::xxh3::xxh3_128;

/// `content_hash(text)`
pub const CONTENT_HASH: Function = Function {
    kind: Kind::Aggregate,
    subject: "files",
    signature: Signature {
        name: "content_hash",
        parameters: &[required("text", SqlType::Varchar)],
        returns: SqlType::UHugeInt,
    },
    columns: "",
    description: "A 128-bit hash of a multiset of texts.",
    details: "The sum modulo 2^128 of the XXH3 128-bit hash of each text, so that it does not \
              depend on order or threads, counts repetitions, and is the same in every DuckDB \
              version. NULL counts as a value of its own; no rows give 0. For telling contents \
              apart, not for security. Source: Collet, *XXH3* (xxhash.com).",
    examples: &[Example {
        sql: "SELECT content_hash(a) = content_hash(b), content_hash(a) = content_hash('x') FROM \
              (VALUES ('x', 'y'), ('y', 'x')) AS t(a, b)",
        rows: &["true | false"],
    }],
    errors: &[],
    since: "0.1.0",
    register: Some(|registry, function| registry.aggregate(&function.signature, ContentHash)),
};

/// `amz.file_fingerprint(path)`
pub const FILE_FINGERPRINT: Function = Function {
    kind: Kind::Relation,
    subject: "files",
    signature: relation("file_fingerprint"),
    columns: "file_name VARCHAR, size_bytes BIGINT, last_modified TIMESTAMP, line_count BIGINT, \
              fingerprint UHUGEINT",
    description: "Size, time, number of lines that are not blank, and fingerprint of the content \
                  of files, one row per file.",
    details: "`path` is a path, a glob or a list of them. Files are streamed through DuckDB's \
              reader into `content_hash`, so that memory stays bounded. The fingerprint is that of \
              the file's lines whatever their order; a renamed copy has the same one. It is NULL \
              for a plain file with lines that are not UTF-8 or longer than 16 MB; of a compressed \
              file, or one with such lines, `content_summary` says more.",
    examples: &[Example {
        sql: "SELECT file_name, line_count FROM amz.file_fingerprint('LICENSE')",
        rows: &["LICENSE | 17"],
    }],
    errors: &[(
        "FROM amz.file_fingerprint('no_such_file.csv')",
        "No files found that match the pattern \"no_such_file.csv\"",
    )],
    since: "0.1.0",
    register: None,
};

const COUNTS: SqlType = SqlType::List(&SqlType::BigInt);

/// `line_summary(line)`
pub const LINE_SUMMARY: Function = Function {
    kind: Kind::Aggregate,
    subject: "files",
    signature: Signature {
        name: "line_summary",
        parameters: &[required("line", SqlType::Varchar)],
        returns: SqlType::Struct(&[
            ("lines", SqlType::BigInt),
            ("blank_lines", SqlType::BigInt),
            ("bytes", SqlType::BigInt),
            ("fingerprint", SqlType::UHugeInt),
            ("odd_lines", COUNTS),
            ("least_separators", COUNTS),
        ]),
    },
    columns: "",
    description: "What the lines of a file are together: counts, bytes, fingerprint, and whether \
                  they are plain CSV.",
    details: "`lines` counts those that are not blank, `blank_lines` the others: NULL and empty \
              texts. `bytes` are those of the lines without their ends, `fingerprint` is the \
              `content_hash` of those that are not blank. The two lists have a number for each \
              separator that may stand between fields: comma, semicolon, tab and `|`. `odd_lines` \
              are lines in which a quote is anything but the sign around a whole field, or a byte \
              is NUL, or that are longer than 9,000 bytes; of those with a quote that has no \
              second one on its line, `least_separators` tells how many separators the one with \
              the fewest has, and is NULL where there is none: fewer than a record needs mean that \
              a line ends inside quotes.",
    examples: &[Example {
        sql: "SELECT s.lines, s.bytes, s.odd_lines FROM (SELECT line_summary(line) AS s FROM \
              (VALUES ('a,\"b,c\"'), (''), ('6\" nail,x')) AS t(line))",
        rows: &["2 | 16 | [1, 2, 2, 2]"],
    }],
    errors: &[],
    since: "0.1.0",
    register: Some(|registry, function| registry.aggregate(&function.signature, LineSummary)),
};

/// `content_summary(content)`
pub const CONTENT_SUMMARY: Function = Function {
    kind: Kind::Scalar,
    subject: "files",
    signature: Signature {
        name: "content_summary",
        parameters: &[required("content", SqlType::Blob)],
        returns: SqlType::Struct(&[
            ("compression", SqlType::Varchar),
            ("problem", SqlType::Varchar),
            ("size_bytes", SqlType::BigInt),
            ("lines", SqlType::BigInt),
            ("blank_lines", SqlType::BigInt),
            ("fingerprint", SqlType::UHugeInt),
            ("odd_lines", COUNTS),
            ("least_separators", COUNTS),
            ("first_line", SqlType::Varchar),
            ("beginning", SqlType::Varchar),
            ("line_ends", COUNTS),
            ("unreadable_lines", SqlType::List(&UNREADABLE_LINE)),
        ]),
    },
    columns: "",
    description: "What the bytes of a file are, as of `read_blob`: how compressed, whether text, \
                  its lines, and each line that cannot be read.",
    details: "Decompresses gzip and zstd (`compression`; `size_bytes` is what is in it). `problem` \
              says why the file cannot be read: compressed data that are cut short or damaged, \
              UTF-16, an archive, a workbook, a line of more than 16 MB; nothing after it is to be \
              relied on. `lines`, `blank_lines`, `odd_lines` and `least_separators` are those of \
              `line_summary`, `fingerprint` too, but of the bytes of all lines. `unreadable_lines` \
              are not UTF-8 or longer than 2 MB. Their text is whole: a backslash is doubled, NUL \
              and bytes that are no UTF-8 are written `\\xNN`. `first_line` is NULL where it \
              cannot be read; `beginning` are the first 200 bytes, written likewise. `line_ends` \
              counts lines that end with CR LF, with LF, with CR, and with nothing. NULL for \
              NULL.",
    examples: &[
        Example {
            sql: "SELECT s.compression, s.size_bytes, s.lines, s.line_ends FROM (SELECT \
                  content_summary(content) AS s FROM read_blob('LICENSE'))",
            rows: &["none | 1076 | 17 | [0, 21, 0, 0]"],
        },
        Example {
            sql: "SELECT \
                  unnest(content_summary('a,b\\x0Alanc\\xF4me,1\\x0A'::BLOB).unreadable_lines, \
                  recursive := true)",
            rows: &[
                "2 | lanc\\xF4me,1 | INVALID ENCODING | Line that is not UTF-8, from its byte 5 \
                 on.",
            ],
        },
    ],
    errors: &[],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, ContentSummary)),
};

const UNREADABLE_LINE: SqlType = SqlType::Struct(&[
    ("line", SqlType::BigInt),
    ("csv_line", SqlType::Varchar),
    ("error_type", SqlType::Varchar),
    ("error_message", SqlType::Varchar),
]);

/// `csv_fields(line, separator)`
pub const CSV_FIELDS: Function = Function {
    kind: Kind::Scalar,
    subject: "files",
    signature: Signature {
        name: "csv_fields",
        parameters: &[required("line", SqlType::Varchar), required("separator", SqlType::Varchar)],
        returns: SqlType::Struct(&[
            ("fields", SqlType::List(&SqlType::Varchar)),
            ("error_message", SqlType::Varchar),
        ]),
    },
    columns: "",
    description: "The fields of one line of CSV, or why it is no record.",
    details: "As RFC 4180 has it, with any ASCII character as `separator`: a field in quotes may \
              hold separators and doubled quotes; in any other field a quote is a character. A \
              quote that is never closed, text behind a closing quote and a NUL byte are errors of \
              this line and of no other, which a reader of whole files cannot promise. NULL for \
              NULL.",
    examples: &[Example {
        sql: "SELECT csv_fields('1,\"Run, Run\",6\" nail', ',').fields, csv_fields('1,\"open', \
              ',').error_message",
        rows: &["[1, 'Run, Run', '6\" nail'] | Value with unterminated quote found."],
    }],
    errors: &[(
        "SELECT csv_fields('a::b', '::')",
        "csv_fields: separator must be one ASCII character and no quote, not '::'",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, CsvFields)),
};

/// What NULL adds: any constant that no text is likely to hash to.
const NULL_HASH: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834;

/// The aggregate.
#[derive(Clone, Copy)]
struct ContentHash;

impl Aggregate for ContentHash {
    type State = u128;
    type Batch<'a> = Vec<u128>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Vec<u128>> {
        let text = rows.column(0);
        let hash = |strings: &Strings<'_>, row| {
            if text.is_valid(row) { xxh3_128(strings.bytes(row)) } else { NULL_HASH }
        };
        Ok(match text.data() {
            Data::Text(strings) => (0..rows.len()).map(|row| hash(strings, row)).collect(),
            _ => vec![NULL_HASH; rows.len()],
        })
    }

    fn update(&self, state: &mut u128, batch: &Vec<u128>, range: Range<usize>) -> Result<()> {
        *state = batch[range].iter().fold(*state, |sum, hash| sum.wrapping_add(*hash));
        Ok(())
    }

    fn combine(&self, source: &u128, target: &mut u128) -> Result<()> {
        *target = target.wrapping_add(*source);
        Ok(())
    }

    fn finalize(&self, state: u128, out: &mut Output) -> Result<()> {
        out.push(&Value::Unsigned(state));
        Ok(())
    }
}

/// The aggregate.
#[derive(Clone, Copy)]
struct LineSummary;

impl Aggregate for LineSummary {
    type State = Lines;
    type Batch<'a> = &'a Chunk<'a>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<&'a Chunk<'a>> {
        Ok(rows)
    }

    fn update(&self, state: &mut Lines, batch: &&Chunk<'_>, rows: Range<usize>) -> Result<()> {
        let text = batch.column(0);
        match text.data() {
            Data::Text(strings) => rows.for_each(|row| {
                state.add(if text.is_valid(row) { strings.bytes(row) } else { b"" })
            }),
            _ => rows.for_each(|_| state.add(b"")),
        }
        Ok(())
    }

    fn combine(&self, source: &Lines, target: &mut Lines) -> Result<()> {
        target.merge(source);
        Ok(())
    }

    fn finalize(&self, state: Lines, out: &mut Output) -> Result<()> {
        out.push(&named(summary(&state)));
        Ok(())
    }
}

fn named(fields: Vec<(&str, Value)>) -> Value {
    Value::Struct(fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

fn number(n: u64) -> Value {
    Value::Integer(n.into())
}

/// The fields that both summaries have.
fn summary(lines: &Lines) -> Vec<(&'static str, Value)> {
    vec![
        ("lines", number(lines.lines)),
        ("blank_lines", number(lines.segments - lines.lines)),
        ("bytes", number(lines.bytes)),
        ("fingerprint", Value::Unsigned(lines.hash)),
        ("odd_lines", Value::List(lines.odd.into_iter().map(number).collect())),
        (
            "least_separators",
            Value::List(lines.open.into_iter().map(|n| n.map_or(Value::Null, number)).collect()),
        ),
    ]
}

/// The scalar.
#[derive(Clone, Copy)]
struct ContentSummary;

impl Scalar for ContentSummary {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let column = arguments.column(0);
        for row in 0..arguments.len() {
            match column.data() {
                Data::Blob(bytes) if column.is_valid(row) => {
                    out.push(&content_summary(&Content::of(bytes.bytes(row))));
                }
                _ => out.push_null(),
            }
        }
        Ok(())
    }
}

fn content_summary(content: &Content) -> Value {
    let text = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::from);
    let unterminated = u64::from(!content.is_terminated);
    let mut fields = vec![
        ("compression", content.compression.name().into()),
        ("problem", text(&content.problem)),
        ("size_bytes", number(content.size)),
    ];
    fields.extend(summary(&content.lines).into_iter().filter(|(name, _)| *name != "bytes"));
    let unreadable = content.unreadable.iter().map(|line| {
        named(vec![
            ("line", number(line.line)),
            ("csv_line", line.text.as_str().into()),
            ("error_type", line.error_type.into()),
            ("error_message", line.message.as_str().into()),
        ])
    });
    fields.extend([
        ("first_line", text(&content.first_line)),
        ("beginning", content.beginning.as_str().into()),
        (
            "line_ends",
            Value::List([content.crlf, content.lf, content.cr, unterminated].map(number).to_vec()),
        ),
        ("unreadable_lines", Value::List(unreadable.collect())),
    ]);
    named(fields)
}

/// The scalar.
#[derive(Clone, Copy)]
struct CsvFields;

impl Scalar for CsvFields {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let (lines, separators) = (arguments.column(0), arguments.column(1));
        for row in 0..arguments.len() {
            match (lines.data(), separators.data()) {
                (Data::Text(line), Data::Text(separator))
                    if lines.is_valid(row) && separators.is_valid(row) =>
                {
                    let [separator @ (1..=b'!' | b'#'..=0x7F)] = separator.bytes(row) else {
                        return Err(Error::new(format!(
                            "separator must be one ASCII character and no quote, not {}",
                            separators.value(row)
                        )));
                    };
                    out.push_struct(|columns| {
                        let [list, message] = columns else { panic!("two fields") };
                        match fields(&line.get(row), *separator) {
                            Ok(fields) => {
                                list.1.push_texts(fields.iter().map(AsRef::as_ref));
                                message.1.push_null();
                            }
                            Err(fault) => {
                                list.1.push_null();
                                message.1.push_str(fault.message());
                            }
                        }
                    });
                }
                _ => out.push_null(),
            }
        }
        Ok(())
    }
}

//! Content of files: `content_hash` over lines and the fingerprint of files over it.

use std::ops::Range;

use super::{Example, Function, Kind, relation, required};
use crate::ffi::{Aggregate, Chunk, Data, Output, Result, Signature, SqlType, Strings, Value};
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
    details: "The sum modulo 2^128 of the XXH3 128-bit hash of each text, so that it does not depend on order or \
              threads, counts repetitions, and is the same in every DuckDB version. NULL counts as a value of its \
              own; no rows give 0. For telling contents apart, not for security. Source: Collet, *XXH3* \
              (xxhash.com).",
    examples: &[Example {
        sql: "SELECT content_hash(a) = content_hash(b), content_hash(a) = content_hash('x') FROM (VALUES ('x', 'y'), ('y', 'x')) AS t(a, b)",
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
    columns: "file_name VARCHAR, size_bytes BIGINT, last_modified TIMESTAMP, line_count BIGINT, fingerprint UHUGEINT",
    description: "Size, time, number of lines that are not blank, and fingerprint of the content of files, one row per file.",
    details: "`path` is a path, a glob or a list of them. Files are streamed through DuckDB's reader into \
              `content_hash`, so that memory stays bounded. The fingerprint is that of the file's lines whatever their \
              order; a renamed copy has the same one.",
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

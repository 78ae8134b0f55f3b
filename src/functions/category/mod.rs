//! Category repair in SQL: canonical texts, matches in a vocabulary, and the audit over them.

mod vocabularies;

use std::borrow::Cow;

use super::model::field;
use super::{Example, Function, Kind, optional, relation, required};
use crate::ffi::{Chunk, Column, Data, Error, Output, Result, Scalar, Signature, SqlType, Value};
use crate::text::{self, Vocabulary};
use vocabularies::{LastMatches, Lease, with_memo};

/// Similarity below which a text is no repair of another.
const MIN_SIMILARITY: f64 = 0.75;

const MATCH: SqlType = SqlType::Struct(&[
    ("normalized", SqlType::Varchar),
    ("similarity", SqlType::Double),
    ("rule", SqlType::Varchar),
    ("runner_up", SqlType::Varchar),
]);

/// `normalize_category(value [, vocabulary [, min_similarity]])`
pub const NORMALIZE_CATEGORY: Function = Function {
    kind: Kind::Scalar,
    subject: "category repair",
    signature: Signature {
        name: "normalize_category",
        parameters: &[
            required("value", SqlType::Varchar),
            optional("vocabulary", SqlType::Any),
            optional("min_similarity", SqlType::Any),
        ],
        returns: SqlType::Varchar,
    },
    columns: "",
    description: "The canonical form of a category, or the entry of a vocabulary that a dirty \
                  spelling stands for.",
    details: "Without a vocabulary: Unicode NFKC, trimmed, lower case, white space, `-` and `_` as \
              one `_`; dots of category paths stay, and so does a dash that is a sign (`-5`, \
              `A-`). With a vocabulary (a VARCHAR[], or a MAP from entry to its synonyms): the \
              entry that is equal, else equal in canonical form, else equal without accents and \
              separators, else the most similar one at or above `min_similarity` (default 0.75), \
              written as in the vocabulary. A runner-up within 0.05 of the winner gives NULL \
              rather than a guess; digits and signs (`+`, `#`, `%`, `<`, `>`, `:`) must agree \
              exactly; entries under four letters are not repaired by similarity; nothing is \
              repaired to its opposite (`inactive` is not `active`) or to a name with another word \
              (`South Korea` is not `North Korea`). NULL and texts that are empty in canonical \
              form give NULL, and so does the vocabulary NULL; an empty vocabulary is an error, \
              and so are texts above 2 MiB in it or without one. A value that is not text must be \
              cast. Sources: Unicode Standard Annex 15; see `category_similarity` for the \
              measure.",
    examples: &[
        Example {
            sql: "SELECT normalize_category('  Home Appliances ')",
            rows: &["home_appliances"],
        },
        Example {
            sql: "SELECT normalize_category('Actionn', ['action', 'puzzle'])",
            rows: &["action"],
        },
        Example {
            sql: "SELECT normalize_category('tablet', MAP {'mobile': ['tablet', 'phone']})",
            rows: &["mobile"],
        },
    ],
    errors: &[
        (
            "SELECT normalize_category('Actionn', ['action'], 7)",
            "normalize_category: min_similarity must be between 0 and 1, not 7",
        ),
        (
            "SELECT normalize_category(42)",
            "No function matches the given name and argument types \
             'normalize_category(INTEGER_LITERAL)'",
        ),
    ],
    since: "0.1.0",
    register: Some(|registry, function| {
        registry.scalar(&function.signature, Normalize(Lease::new()))
    }),
};

/// `category_match(value, vocabulary [, min_similarity])`
pub const CATEGORY_MATCH: Function = Function {
    kind: Kind::Scalar,
    subject: "category repair",
    signature: Signature {
        name: "category_match",
        parameters: &[
            required("value", SqlType::Varchar),
            required("vocabulary", SqlType::Any),
            optional("min_similarity", SqlType::Any),
        ],
        returns: MATCH,
    },
    columns: "",
    description: "What `normalize_category` decides and why: entry, similarity, rule and \
                  runner-up.",
    details: "`rule` is `exact`, `case` (case, white space, width or separators differ), `accent`, \
              `synonym`, `typo`, `ambiguous` (a tie or a near runner-up: no entry), `none` or \
              `empty`. `similarity` is that of the nearest spelling, NULL where none reaches \
              `min_similarity`. NULL for a NULL vocabulary.",
    examples: &[Example {
        sql: "SELECT m.normalized, m.rule FROM (SELECT category_match('PuzZle', ['action', \
              'puzzle']) AS m)",
        rows: &["puzzle | case"],
    }],
    errors: &[(
        "SELECT category_match('Actionn', 'action')",
        "category_match: the vocabulary must be a VARCHAR[] or a MAP of entries with synonyms, not \
         'action'",
    )],
    since: "0.1.0",
    register: Some(|registry, function| {
        registry.scalar(&function.signature, Explain(Lease::new()))
    }),
};

/// `category_similarity(a, b)`
pub const CATEGORY_SIMILARITY: Function = Function {
    kind: Kind::Scalar,
    subject: "category repair",
    signature: Signature {
        name: "category_similarity",
        parameters: &[required("a", SqlType::Varchar), required("b", SqlType::Varchar)],
        returns: SqlType::Double,
    },
    columns: "",
    description: "Similarity of two texts from 0 to 1, as `normalize_category` measures it.",
    details: "Compares the canonical forms: 1 minus the optimal string alignment distance \
              (insertions, deletions, substitutions and transpositions of neighbours) over the \
              length of the longer one. Texts that share a word may have their words in another \
              order for half an edit. Paths with `>`, ` / `, ` | ` or `::` between their levels \
              are compared level by level; each level weighs half of the one below it and is as \
              alike as its letters and its words in the mean; the similarity is the cube root of \
              the mean of the levels. Words are compared each once, however often they stand in a \
              text; texts above 4,096 characters have similarity 0 unless they are equal without \
              accents and separators, above 2 MiB unless they are written alike. NULL where one is \
              NULL. Source: Damerau, *A technique for computer detection and correction of \
              spelling errors* (1964).",
    examples: &[Example { sql: "SELECT category_similarity('Action', 'action')", rows: &["1.0"] }],
    errors: &[],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Similarity)),
};

/// `category_fingerprint(value)`
pub const CATEGORY_FINGERPRINT: Function = Function {
    kind: Kind::Scalar,
    subject: "category repair",
    signature: Signature {
        name: "category_fingerprint",
        parameters: &[required("value", SqlType::Varchar)],
        returns: SqlType::Varchar,
    },
    columns: "",
    description: "A key that is equal for variants of one thing: its numbers in their order, then \
                  its words without accents, sorted, each once.",
    details: "The key collision of OpenRefine's fingerprint, where numbers keep value, order and \
              signs: `1,000` is not `1,000,000`, `16:9` not `9:16`, `<18` not `>18`, `A-` not `A`. \
              NULL for NULL and for texts that are empty in canonical form; a text without letters \
              or digits, or of more than 65,536 bytes in canonical form, is its own key. A text \
              above 2 MiB is an error.",
    examples: &[Example {
        sql: "SELECT category_fingerprint('Pro  Café') = category_fingerprint('cafe-pro')",
        rows: &["true"],
    }],
    errors: &[],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Fingerprint)),
};

/// `amz.normalize_category(source, col, vocabulary, ...)`
pub const NORMALIZE_CATEGORY_RELATION: Function = Function {
    kind: Kind::Relation,
    subject: "category repair",
    signature: relation("normalize_category"),
    columns: "raw_value VARCHAR, row_count BIGINT, normalized VARCHAR, similarity DOUBLE, rule \
              VARCHAR, runner_up VARCHAR",
    description: "The audit of a repair: each distinct value of a column with the entry that it \
                  becomes, and why.",
    details: "`col` is the name of the column as a text. One row for each distinct value, the most \
              frequent first; see `category_match` for `rule`.",
    examples: &[Example {
        sql: "WITH games AS (SELECT unnest(['action', 'Actionn', 'Actionn', 'xyz']) AS game_type) \
              SELECT raw_value, row_count, normalized, rule FROM amz.normalize_category(games, \
              'game_type', ['action', 'puzzle'])",
        rows: &[
            "Actionn | 2 | action | typo",
            "action | 1 | action | exact",
            "xyz | 1 | NULL | none",
        ],
    }],
    errors: &[(
        "WITH games AS (SELECT 'puzle' AS game_type) FROM amz.normalize_category(games, \
         'game_type', []::VARCHAR[])",
        "normalize_category: the vocabulary has no entries",
    )],
    since: "0.1.0",
    register: None,
};

/// `amz.category_variants(source, col, ...)`
pub const CATEGORY_VARIANTS: Function = Function {
    kind: Kind::Relation,
    subject: "category repair",
    signature: relation("category_variants"),
    columns: "proposal VARCHAR, raw_value VARCHAR, row_count BIGINT, method VARCHAR",
    description: "Spellings of one thing in a column, found without a vocabulary, with a proposal \
                  for each group.",
    details: "`col` is the name of the column as a text. One row for each distinct value that has \
              another spelling, the group with most rows first; `proposal` is the most frequent \
              spelling of the group (ties: the first in text order). `method` tells how a value \
              meets its proposal: `fingerprint` (equal `category_fingerprint`), `ngram` (the same \
              pairs of letters, whatever the separators), `similar` (at most two edits, \
              `category_similarity` of at least `min_similarity`, and a proposal that is at least \
              `min_ratio` times as frequent), NULL for the proposal itself. Digits must agree \
              exactly and in their order; apart from fingerprints, a pair must also be a repair in \
              the sense of `category_match`. A group is a star: each fingerprint in it is linked \
              to that of the proposal itself, so that `a`-`b`-`c` never joins `a` and `c`; a value \
              whose only neighbours belong to others stays alone, and so does one between two \
              proposals within 0.05. NULL and texts that are empty in canonical form are left out. \
              No step compares all values with all: pairs are texts that are equal after at most \
              two deletions, or share a rare trigram if they are long; none within two edits is \
              missed. A proposal is for a person to judge; see [category \
              repair](category-repair.md). Sources: OpenRefine's key collision and nearest \
              neighbour clustering; Bocek, Hunt and Stiller, *Fast similarity search in large \
              dictionaries* (2007); Xiao, Wang and Lin, *Ed-Join* (2008).",
    examples: &[Example {
        sql: "WITH games AS (SELECT unnest(['puzzle', 'puzzle', 'puzzle', 'puzzle', 'puzzle', \
              'Puzzle', 'puzzel', 'action']) AS game_type) FROM amz.category_variants(games, \
              'game_type')",
        rows: &[
            "puzzle | puzzle | 5 | NULL",
            "puzzle | Puzzle | 1 | fingerprint",
            "puzzle | puzzel | 1 | similar",
        ],
    }],
    errors: &[(
        "WITH games AS (SELECT 'puzle' AS game_type) FROM amz.category_variants(games, \
         'game_type', min_ratio := 0)",
        "category_variants: min_ratio must be at least 1, not 0",
    )],
    since: "0.1.0",
    register: None,
};

/// Texts of an argument declared VARCHAR: every row NULL where the literal NULL was given.
fn text<'a>(column: &Column<'a>, row: usize) -> Option<Cow<'a, str>> {
    match column.data() {
        Data::Text(strings) if column.is_valid(row) => Some(strings.get(row)),
        _ => None,
    }
}

#[derive(Clone)]
struct Normalize(Lease);

impl Scalar for Normalize {
    type Local = LastMatches;

    fn call(&self, last: &mut Self::Local, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        if arguments.n_columns() == 1 {
            return each_text(arguments.column(0), out, text::canonical);
        }
        matches(last, arguments, |found| {
            let entry = found
                .and_then(|(vocabulary, found)| found.entry.map(|entry| vocabulary.entry(entry)));
            out.push_text(entry);
        })
    }
}

#[derive(Clone)]
struct Explain(Lease);

impl Scalar for Explain {
    type Local = LastMatches;

    fn call(&self, last: &mut Self::Local, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        matches(last, arguments, |found| {
            let Some((vocabulary, found)) = found else { return out.push_null() };
            let name = |entry: Option<usize>| {
                entry.map_or(Value::Null, |entry| Value::from(vocabulary.entry(entry)))
            };
            out.push(&Value::Struct(vec![
                field("normalized", name(found.entry)),
                field("similarity", found.similarity.map_or(Value::Null, Value::Double)),
                field("rule", found.rule.name()),
                field("runner_up", name(found.runner_up)),
            ]));
        })
    }
}

#[derive(Clone, Copy)]
struct Similarity;

impl Scalar for Similarity {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let (a, b) = (arguments.column(0), arguments.column(1));
        for row in 0..arguments.len() {
            match (text(a, row), text(b, row)) {
                (Some(a), Some(b)) => out.push_f64(text::similarity(&a, &b)),
                _ => out.push_null(),
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Fingerprint;

impl Scalar for Fingerprint {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        each_text(arguments.column(0), out, text::fingerprint)
    }
}

/// A form of each text.
fn each_text(
    values: &Column<'_>,
    out: &mut Output,
    form: fn(&str) -> Option<String>,
) -> Result<()> {
    for row in 0..values.len() {
        let value = text(values, row);
        if let Some(n_bytes) =
            value.as_ref().map(|value| value.len()).filter(|n| *n > text::MAX_BYTES)
        {
            return Err(Error::new(format!(
                "a text of {n_bytes} bytes is no category, at most {} are: leave it out, or take \
                 its beginning with left(value, 4096)",
                text::MAX_BYTES
            )));
        }
        out.push_text(value.and_then(|value| form(&value)).as_deref());
    }
    Ok(())
}

/// Hands the match of each row to `give`; `None` where the vocabulary is NULL.
fn matches(
    last: &mut LastMatches,
    arguments: &Chunk<'_>,
    mut give: impl FnMut(Option<(&Vocabulary, &text::Match)>),
) -> Result<()> {
    let (values, vocabularies) = (arguments.column(0), arguments.column(1));
    let constants: Vec<&Column<'_>> =
        (1..arguments.n_columns()).map(|i| arguments.column(i)).collect();
    for rows in super::runs(&constants, arguments.len()) {
        let (least, relation) = threshold(arguments, rows.start);
        let told = |error: Error| error.of(relation.as_deref());
        let min_similarity = min_similarity(&least).map_err(told)?;
        if !vocabularies.is_valid(rows.start) {
            rows.for_each(|_| give(None));
        } else {
            with_memo(last, vocabularies, rows.start, min_similarity, |vocabulary, memo| {
                for row in rows {
                    // NULL is an empty text to the rules.
                    let value = text(values, row).unwrap_or_default();
                    give(Some((vocabulary, &memo.best_match(vocabulary, &value))));
                }
            })
            .map_err(told)?;
        }
    }
    Ok(())
}

/// The value of `min_similarity`, and the relation that errors speak for: relations give both, in a
/// STRUCT.
fn threshold(arguments: &Chunk<'_>, row: usize) -> (Value, Option<String>) {
    let value = arguments.get(2).map_or(Value::Null, |column| column.value(row));
    let given = |name| value.field(name).cloned();
    match given("relation") {
        Some(relation) => {
            (given("min_similarity").unwrap_or(Value::Null), relation.as_str().map(str::to_string))
        }
        None => (value, None),
    }
}

fn min_similarity(value: &Value) -> Result<f64> {
    if value.is_null() {
        return Ok(MIN_SIMILARITY);
    }
    value
        .as_f64()
        .filter(|x| (0.0..=1.0).contains(x) && !matches!(value, Value::Boolean(_)))
        .ok_or_else(|| Error::new(format!("min_similarity must be between 0 and 1, not {value}")))
}

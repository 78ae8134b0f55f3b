//! What holds for every value and every vocabulary, tried with thousands of random ones.

use super::vocabulary::tests::vocabulary;
use super::{Memo, Rule, Vocabulary, canonical, fingerprint, folded, similarity};

/// Draws of a generator with a fixed seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }

    pub(super) fn of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }
}

/// What texts are made of: words of many scripts, numbers, everything that separates or signs, and
/// what is no text.
const PIECES: [&str; 96] = [
    "action",
    "Adventure",
    "puzzle",
    "rake",
    "rak",
    "web",
    "iOS",
    "Android",
    "men",
    "women",
    "in",
    "active",
    "un",
    "A",
    "b",
    "C",
    "é",
    "e\u{301}",
    "ß",
    "İ",
    "ı",
    "ﬁ",
    "½",
    "²",
    "Ж",
    "игра",
    "電",
    "女子",
    "男子",
    "篮球",
    "가방",
    "क",
    "की",
    "が",
    "か\u{3099}",
    "ﷺ",
    "🎮",
    "🏳\u{fe0f}\u{200d}🌈",
    "Ａ",
    "１",
    "٣",
    "0",
    "1",
    "18",
    "25",
    "1000",
    "5",
    "-",
    "_",
    " ",
    "  ",
    "\t",
    "\n",
    "\u{a0}",
    "\u{3000}",
    "–",
    "−",
    ".",
    "..",
    ",",
    ";",
    ":",
    "::",
    "/",
    " / ",
    "|",
    " | ",
    "\\",
    " \\ ",
    ">",
    " > ",
    ">>",
    "›",
    " » ",
    "<",
    "=",
    "≥",
    "+",
    "++",
    "#",
    "%",
    "&",
    "'",
    "’",
    "\"",
    "(",
    ")",
    "!",
    "?",
    "™",
    "®",
    "\0",
    "\u{200b}",
    "\u{ad}",
    "\u{301}",
    "\u{feff}",
];

pub(super) fn random_text(random: &mut Random) -> String {
    let n_pieces = random.below(7);
    (0..n_pieces).map(|_| random.of(&PIECES)).collect()
}

/// Some entries with text; often close to each other, so that there is something to choose from.
fn random_entries(random: &mut Random) -> Vec<String> {
    let n_entries = 1 + random.below(12);
    let mut entries: Vec<String> = Vec::new();
    while entries.len() < n_entries {
        let entry = match entries.len() {
            n if n > 0 && random.below(3) == 0 => changed(random, &entries[random.0 as usize % n]),
            _ => random_text(random),
        };
        if canonical(&entry).is_some() {
            entries.push(entry);
        }
    }
    entries
}

/// A text with a piece put in, or a character left out, doubled or swapped with the next.
fn changed(random: &mut Random, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    if chars.is_empty() {
        return random.of(&PIECES).to_string();
    }
    let at = random.below(chars.len());
    match random.below(4) {
        0 => drop(chars.remove(at)),
        1 => chars.insert(at, chars[at]),
        2 if at > 0 => chars.swap(at, at - 1),
        _ => {
            let piece = random.of(&PIECES);
            chars.splice(at..at, piece.chars());
        }
    }
    chars.into_iter().collect()
}

fn random_value(random: &mut Random, entries: &[String]) -> String {
    match random.below(3) {
        0 => random_text(random),
        1 => {
            let entry = &entries[random.below(entries.len())];
            changed(random, entry)
        }
        _ => {
            let once = changed(random, &entries[random.0 as usize % entries.len()]);
            changed(random, &once)
        }
    }
}

fn of(entries: &[String]) -> Vocabulary {
    vocabulary(&entries.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What a match says, without positions.
fn told<'v>(
    vocabulary: &'v Vocabulary,
    value: &str,
    min_similarity: f64,
) -> (Option<&'v str>, Option<f64>, Rule, Option<&'v str>) {
    let found = vocabulary.best_match(value, min_similarity);
    let text = |entry: Option<usize>| entry.map(|entry| vocabulary.entry(entry));
    (text(found.entry), found.similarity, found.rule, text(found.runner_up))
}

const THRESHOLDS: [f64; 5] = [0.0, 0.6, 0.75, 0.9, 1.0];

#[test]
fn no_value_and_no_vocabulary_stops_a_run_or_changes_what_is_clean() {
    let mut random = Random(41);
    for _ in 0..1500 {
        let entries = random_entries(&mut random);
        let prepared = of(&entries);
        for entry in &entries {
            let (found, _, rule, _) = told(&prepared, entry, 0.75);
            assert_eq!(
                (found, rule),
                (Some(entry.as_str()), Rule::Exact),
                "{entry:?} in {entries:?}"
            );
        }
        for _ in 0..25 {
            let value = random_value(&mut random, &entries);
            for min_similarity in THRESHOLDS {
                let found = prepared.best_match(&value, min_similarity);
                let in_range =
                    |entry: Option<usize>| entry.is_none_or(|entry| entry < entries.len());
                assert!(
                    in_range(found.entry) && in_range(found.runner_up),
                    "{value:?} in {entries:?}"
                );
                let is_answer = matches!(
                    found.rule,
                    Rule::Exact | Rule::Case | Rule::Accent | Rule::Typo | Rule::Synonym
                );
                assert_eq!(found.entry.is_some(), is_answer, "{value:?} in {entries:?}: {found:?}");
                let answered =
                    found.entry.map(|entry| prepared.best_match(&entries[entry], min_similarity));
                assert_eq!(
                    answered.map(|again| again.entry),
                    found.entry.map(Some),
                    "again {value:?}"
                );
            }
        }
    }
}

#[test]
fn no_match_depends_on_the_order_of_the_vocabulary() {
    let mut random = Random(43);
    for _ in 0..1500 {
        let entries = random_entries(&mut random);
        let mut shuffled = entries.clone();
        (1..shuffled.len()).for_each(|i| shuffled.swap(i, random.below(i + 1)));
        let (prepared, other) = (of(&entries), of(&shuffled));
        for _ in 0..10 {
            let value = random_value(&mut random, &entries);
            for min_similarity in THRESHOLDS {
                assert_eq!(
                    told(&prepared, &value, min_similarity),
                    told(&other, &value, min_similarity),
                    "{value:?} in {entries:?} and {shuffled:?} at {min_similarity}"
                );
            }
        }
    }
}

#[test]
fn an_answer_does_not_depend_on_what_was_asked_before() {
    let mut random = Random(47);
    for _ in 0..200 {
        let entries = random_entries(&mut random);
        let prepared = of(&entries);
        let mut memo = Memo::new(0.75);
        let values: Vec<String> = (0..10).map(|_| random_value(&mut random, &entries)).collect();
        for _ in 0..40 {
            let value = &values[random.below(values.len())];
            assert_eq!(
                memo.best_match(&prepared, value),
                prepared.best_match(value, 0.75),
                "{value:?} in {entries:?}"
            );
        }
    }
}

#[test]
fn all_forms_of_random_characters_are_idempotent() {
    let mut random = Random(67);
    let characters = [
        "a", "b", "c", "1", "2", " ", ".", ",", ":", "-", "+", "<", ">", "%", "'", "_", "/", "=",
        "é", "男", "ß", "²", "™",
    ];
    for _ in 0..40_000 {
        let text: String = (0..random.below(30)).map(|_| random.of(&characters)).collect();
        let forms: [fn(&str) -> Option<String>; 3] = [canonical, folded, fingerprint];
        for (nth, form) in forms.into_iter().enumerate() {
            if let Some(once) = form(&text) {
                assert_eq!(form(&once).as_deref(), Some(once.as_str()), "form {nth} of {text:?}");
            }
        }
    }
}

#[test]
fn all_forms_of_random_texts_are_idempotent_and_similarities_in_their_range() {
    let mut random = Random(53);
    for _ in 0..10_000 {
        let (a, b) = (random_text(&mut random), random_text(&mut random));
        let forms: [fn(&str) -> Option<String>; 3] = [canonical, folded, fingerprint];
        for (nth, form) in forms.into_iter().enumerate() {
            if let Some(once) = form(&a) {
                assert_eq!(form(&once).as_deref(), Some(once.as_str()), "form {nth} of {a:?}");
            }
        }
        let alike = similarity(&a, &b);
        assert!((0.0..=1.0).contains(&alike), "{a:?} {b:?}: {alike}");
        assert_eq!(alike, similarity(&b, &a), "{a:?} {b:?}");
        assert_eq!(alike == 1.0, canonical(&a) == canonical(&b), "{a:?} {b:?}");
    }
}

#[test]
fn no_entry_is_more_similar_than_the_answer() {
    let mut random = Random(61);
    let pieces = [
        "puzzle",
        "electronics",
        "phone",
        "audio",
        "el",
        "a",
        "b",
        "ra",
        ".",
        ".",
        " > ",
        " ",
        "x",
        "rake",
    ];
    let text = |random: &mut Random| -> String {
        (0..=random.below(5)).map(|_| random.of(&pieces)).collect()
    };
    let mut answered = 0;
    for _ in 0..1000 {
        let mut entries: Vec<String> = (0..20).map(|_| text(&mut random)).collect();
        entries.retain(|entry| canonical(entry).is_some());
        if entries.is_empty() {
            continue;
        }
        let prepared = of(&entries);
        for _ in 0..10 {
            let chosen = random.below(entries.len());
            let mut value = entries[chosen].clone();
            for _ in 0..random.below(4) {
                let mut chars: Vec<char> = value.chars().collect();
                let at = random.below(chars.len().max(1));
                match random.below(3) {
                    0 if at > 0 => chars.swap(at, at - 1),
                    1 if chars.len() > 1 => drop(chars.remove(at)),
                    _ => chars.insert(
                        at,
                        random.of(&["a", "e", "x", "z"]).chars().next().expect("a letter"),
                    ),
                }
                value = chars.into_iter().collect();
            }
            for min_similarity in [0.3, 0.6, 0.75] {
                let found = prepared.best_match(&value, min_similarity);
                if let (Some(entry), Rule::Typo) = (found.entry, found.rule) {
                    answered += 1;
                    let own = similarity(&value, &entries[entry]);
                    assert_eq!(found.similarity, Some(own), "{value:?} in {entries:?}");
                    for other in &entries {
                        assert!(
                            similarity(&value, other) <= own + 1e-9,
                            "{value:?}: {other:?} in {entries:?}"
                        );
                    }
                }
            }
        }
    }
    assert!(answered > 3000, "{answered}");
}

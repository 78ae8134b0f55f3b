//! How alike two texts are: edits in letters, words and levels of a path.

use super::canonical::{canonical, fold};
use super::letters::{MAX_BYTES, equal_but_for_accents, is_document};
use super::name::Name;

/// Similarity of two texts, 0 to 1, symmetric; 1 only where their canonical texts are equal.
///
/// `1 - d / n`, where `n` is the length of the longer folded text and `d` the optimal string
/// alignment distance between both: the least number of insertions, deletions, substitutions and
/// transpositions of neighbours (Hyyrö 2003, "A bit-vector algorithm for computing Levenshtein and
/// Damerau edit distances"). Where it is less, `d` is half an edit more than the edits inside words
/// that are paired in the cheapest way, whatever their order. Levels of a path (`a > b > c`) are
/// compared one by one, see [`Name`]. Texts that differ in accents or separators only are half an
/// edit apart. Texts above 4,096 characters have 0 unless equal, and above 2 MiB unless written
/// alike.
pub fn similarity(a: &str, b: &str) -> f64 {
    if a.len().max(b.len()) > MAX_BYTES {
        return f64::from(u8::from(a == b));
    }
    let (a, b) = (canonical(a), canonical(b));
    if a == b {
        return 1.0;
    }
    let (Some(a), Some(b)) = (a, b) else { return 0.0 };
    let (Some(own), Some(other)) = (fold(&a), fold(&b)) else { return 0.0 };
    if own == other {
        return equal_but_for_accents(own.chars().count());
    }
    // Before anything is made of their words: there may be millions.
    if is_document(&own) || is_document(&other) {
        return 0.0;
    }
    match (Name::new(&a), Name::new(&b)) {
        (Some(a), Some(b)) => a.similarity(&b),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::letters::*;
    use super::*;

    fn letters(text: &str) -> Letters {
        Letters::new(text.to_string())
    }

    /// The recurrence of the definition, cell by cell.
    fn reference_distance(a: &[char], b: &[char]) -> usize {
        let mut d = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                d[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let substituted = d[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut least = substituted.min(d[i - 1][j] + 1).min(d[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        least = least.min(d[i - 2][j - 2] + 1);
                    }
                    least
                };
            }
        }
        d[a.len()][b.len()]
    }

    fn random_text(state: &mut u64, alphabet: &[char], max_len: u64) -> String {
        let mut next = |below: u64| {
            *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (*state >> 33) % below
        };
        let len = next(max_len);
        (0..len).map(|_| alphabet[next(alphabet.len() as u64) as usize]).collect()
    }

    #[test]
    fn distance_is_that_of_the_definition_and_never_below_its_bound() {
        let mut state = 7;
        for round in 0..4000 {
            let max_len = if round % 10 == 0 { 150 } else { 12 };
            let a = letters(&random_text(&mut state, &['a', 'b', 'c', 'ж', '電', '.'], max_len));
            let b = letters(&random_text(&mut state, &['a', 'b', 'c', 'ж', '電', '.'], max_len));
            let expected = reference_distance(&a.chars, &b.chars);
            assert_eq!(a.distance(&b), expected, "{:?} {:?}", a.chars, b.chars);
            assert!(
                a.distance_at_least(&b.counts, b.len()) <= expected,
                "{:?} {:?}",
                a.chars,
                b.chars
            );
        }
    }

    #[test]
    fn bound_holds_where_counts_saturate() {
        let (a, b) = (letters(&"a".repeat(1000)), letters(&"a".repeat(300)));
        assert_eq!(a.distance_at_least(&b.counts, b.len()), 700);
        let (a, b) = (letters(&"ab".repeat(400)), letters(&"ba".repeat(400)));
        assert!(a.distance_at_least(&b.counts, b.len()) <= 2);
    }

    #[test]
    fn similarity_is_one_minus_edits_over_the_longer_length() {
        assert_eq!(similarity("kitten", "sitting"), 4.0 / 7.0);
        assert_eq!(similarity("action", "Actoin"), 5.0 / 6.0);
        assert_eq!(similarity("abc", "xyz"), 0.0);
        assert_eq!(similarity("телефон", "телефн"), 6.0 / 7.0);
        assert_eq!(similarity("🎮🎲", "🎮🎯"), 0.5);
    }

    #[test]
    fn similarity_is_one_only_for_equal_canonical_texts() {
        assert_eq!(similarity(" START-game", "start_game"), 1.0);
        assert_eq!(similarity("Ｗｅｂ", "web"), 1.0);
        assert_eq!(similarity("", " "), 1.0);
        assert_eq!(similarity("", "a"), 0.0);
        assert_eq!(similarity("café", "cafe"), 0.875);
        assert_eq!(similarity("startgame", "start_game"), 1.0 - 0.5 / 9.0);
        assert!(similarity("a.bc", "ab.c") < 1.0);
    }

    #[test]
    fn similarity_is_symmetric_and_within_its_range() {
        let mut state = 11;
        for _ in 0..4000 {
            let a = random_text(&mut state, &['a', 'A', 'é', 'ß', '_', ' ', '.', '1', '-'], 9);
            let b = random_text(&mut state, &['a', 'A', 'e', 's', '_', ' ', '.', '1', '-'], 9);
            let forward = similarity(&a, &b);
            assert_eq!(forward, similarity(&b, &a), "{a:?} {b:?}");
            assert!((0.0..=1.0).contains(&forward), "{a:?} {b:?} {forward}");
            assert_eq!(forward == 1.0, canonical(&a) == canonical(&b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn words_may_stand_in_another_order() {
        assert_eq!(similarity("vases & bowls", "bowls and vases"), 1.0 - 0.5 / 13.0);
        assert_eq!(similarity("garden colour", "color garden"), 1.0 - 1.5 / 12.0);
        assert_eq!(similarity("home appliances", "home applianses"), 13.0 / 14.0);
        assert!(similarity("garden", "ragned") < 0.6, "letters may not");
    }

    #[test]
    fn each_level_of_a_path_weighs_half_of_the_one_below_it() {
        assert_eq!(similarity("aaaa > b > c", "xxxx > b > c"), 0.75_f64.cbrt());
        assert_eq!(similarity("a > bbbb > c", "a > xxxx > c"), 0.75_f64.cbrt());
        assert_eq!(similarity("a > b > cccc", "a > b > xxxx"), 0.5_f64.cbrt());
        assert_eq!(similarity("aaaaaa > b > c", "aaaaaa > c"), 0.75_f64.cbrt());
        assert_eq!(similarity("a > b", "a » b"), 1.0 - 0.5 / 3.0);
        for separator in [" > ", ">", " / ", " | ", " \\ ", " :: ", "::"] {
            let joined = |last: &str| ["tools", "hand", last].join(separator);
            assert_eq!(
                similarity(&joined("saws"), &joined("saw")),
                0.875_f64.cbrt(),
                "{separator}"
            );
        }
        assert_eq!(similarity("tv/video", "tv/vide"), 7.0 / 8.0, "no level without blanks around");
    }

    #[test]
    fn similarity_of_paths_and_phrases_is_symmetric_and_within_its_range() {
        let mut state = 13;
        for _ in 0..20_000 {
            let a = random_text(&mut state, &['a', 'b', 'A', ' ', '&', '>', '.', ' '], 14);
            let b = random_text(&mut state, &['a', 'b', 'é', ' ', '_', '>', '›', ' '], 14);
            let forward = similarity(&a, &b);
            assert_eq!(forward, similarity(&b, &a), "{a:?} {b:?}");
            assert!((0.0..=1.0).contains(&forward), "{a:?} {b:?} {forward}");
            assert_eq!(forward == 1.0, canonical(&a) == canonical(&b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn documents_are_equal_or_not_alike() {
        let document = "word ".repeat(200_000);
        assert_eq!(similarity(&document, &document.to_uppercase()), 1.0);
        assert_eq!(similarity(&document, &format!("x{document}")), 0.0);
    }

    #[test]
    fn a_text_of_many_megabytes_is_written_alike_or_another() {
        let text = "ﷺ".repeat(MAX_BYTES / 3 + 1);
        assert_eq!(similarity(&text, &text.clone()), 1.0);
        assert_eq!(similarity(&text, &format!("{text} ")), 0.0);
    }

    #[test]
    fn a_part_of_a_path_is_not_mistyped_as_another_word() {
        let may_be_typo = |a: &str, b: &str| {
            let (a, b) = (letters(a), letters(b));
            a.may_be_typo_of(&b.chars, b.n_dots, a.distance(&b), 0.75)
        };
        assert!(!may_be_typo("computers.components.cpu", "computers.components.hdd"));
        assert!(!may_be_typo("computers..components.cpu", "computers.components.hdd"));
        assert!(may_be_typo("computers.components.cpi", "computers.components.cpu"));
        assert!(may_be_typo("computer.component.cpus", "computers.components.cpu"));
        assert!(may_be_typo("electronicsaudioheadphone", "electronics.audio.headphone"));
    }
}

//! The enumerations of the games platform, each word with the wrong spellings that it gets as dirt.

/// A word of an enumeration.
#[derive(Debug, PartialEq)]
pub(super) struct Word {
    /// The right spelling.
    pub text: &'static str,
    /// The same letters in another case.
    pub cases: &'static [&'static str],
    /// One edit away (insertion, deletion, transposition), and nearer to this word than to any
    /// other of its enumeration. None for words under four letters, where one edit leaves too
    /// little.
    pub typos: &'static [&'static str],
    /// Another word for the same thing.
    pub synonyms: &'static [&'static str],
}

const fn word(
    text: &'static str,
    cases: &'static [&'static str],
    typos: &'static [&'static str],
) -> Word {
    Word { text, cases, typos, synonyms: &[] }
}

pub(super) static AGE_RANGES: [Word; 5] = [
    word("-18", &[], &[]),
    word("18-25", &[], &[]),
    word("26-35", &[], &[]),
    word("36-50", &[], &[]),
    word("50+", &[], &[]),
];

pub(super) static WORKOUT_FREQUENCIES: [Word; 4] = [
    word("flexible", &["Flexible", "FLEXIBLE", "FlexiBle"], &["flexibel", "flexble", "fflexible"]),
    word("minimal", &["Minimal", "MINIMAL", "MiniMal"], &["minimall", "minmal", "miniaml"]),
    word("regular", &["Regular", "REGULAR", "ReguLar"], &["regularr", "reguar", "reuglar"]),
    word("maximal", &["Maximal", "MAXIMAL", "MaxiMal"], &["maximall", "maxmal", "maxiaml"]),
];

pub(super) static GENDERS: [Word; 3] = [
    word("M", &["m"], &[]),
    word("F", &["f"], &[]),
    word("Other", &["other", "OTHER", "oTher"], &["Otherr", "Othr", "Ohter"]),
];

pub(super) static LOCATIONS: [Word; 5] = [
    word("Paris", &["paris", "PARIS", "PaRis"], &["Pariss", "Pris", "Pairs"]),
    word("Lyon", &["lyon", "LYON", "LyOn"], &["Lyonn", "Lyyon"]),
    word("Berlin", &["berlin", "BERLIN", "BerLin"], &["Berlinn", "Berln", "Belrin"]),
    word("Madrid", &["madrid", "MADRID", "MadRid"], &["Madridd", "Madrd", "Mardid"]),
    word("Rome", &["rome", "ROME", "RoMe"], &["Romee", "Romme"]),
];

pub(super) static SUBSCRIPTIONS: [Word; 3] = [
    word("free", &["Free", "FREE", "FrEe"], &["freee", "frree"]),
    word("premium", &["Premium", "PREMIUM", "PreMium"], &["premiumm", "premum", "premuim"]),
    word("trial", &["Trial", "TRIAL", "TriAl"], &["triall", "trail", "trrial"]),
];

pub(super) static GAME_TYPES: [Word; 5] = [
    word("cardio", &["Cardio", "CARDIO", "CarDio"], &["Cardioo", "cardo", "cradio"]),
    word("strategy", &["Strategy", "STRATEGY", "StraTegy"], &["Strategyy", "stratgy", "startegy"]),
    word("puzzle", &["Puzzle", "PUZZLE", "PuzZle"], &["puzzlee", "puzle", "puzzel"]),
    word("arcade", &["Arcade", "ARCADE", "ArCade"], &["arcadee", "arcde", "acrade"]),
    word("action", &["Action", "ACTION", "AcTion"], &["Actionn", "acton", "actoin"]),
];

pub(super) static PLATFORMS: [Word; 3] = [
    word("iOS", &["ios", "IOS", "Ios"], &[]),
    word("Android", &["android", "ANDROID", "AnDroid"], &["androiid", "Andrid", "Anrdoid"]),
    word("Web", &["web", "WEB", "wEb"], &[]),
];

pub(super) static DIFFICULTIES: [Word; 3] = [
    word("easy", &["Easy", "EASY", "EaSy"], &["easyy", "eeasy"]),
    word("medium", &["Medium", "MEDIUM", "MeDium"], &["mediumm", "medum", "meduim"]),
    word("hard", &["Hard", "HARD", "HaRd"], &["hardd", "harrd"]),
];

pub(super) static EVENT_TYPES: [Word; 4] = [
    word("login", &["Login", "LOGIN", "LogIn"], &["loginn", "logn", "lgoin"]),
    word(
        "start_game",
        &["Start_Game", "START_GAME", "start_Game"],
        &["start_gamee", "strt_game", "start_gmae"],
    ),
    word(
        "finish_game",
        &["Finish_Game", "FINISH_GAME", "finish_Game"],
        &["finish_gamee", "finsh_game", "finihs_game"],
    ),
    word("purchase", &["Purchase", "PURCHASE", "PurChase"], &["purchasee", "purchse", "pruchase"]),
];

pub(super) static DEVICES: [Word; 3] = [
    Word {
        text: "mobile",
        cases: &["Mobile", "MOBILE", "MoBile"],
        typos: &["mobilee", "moble", "moblie"],
        synonyms: &["tablet"],
    },
    word("web", &["Web", "WEB", "wEb"], &[]),
    word("console", &["Console", "CONSOLE", "ConSole"], &["consolee", "consle", "conosle"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn enumerations() -> Vec<&'static [Word]> {
        vec![
            &AGE_RANGES,
            &WORKOUT_FREQUENCIES,
            &GENDERS,
            &LOCATIONS,
            &SUBSCRIPTIONS,
            &GAME_TYPES,
            &PLATFORMS,
            &DIFFICULTIES,
            &EVENT_TYPES,
            &DEVICES,
        ]
    }

    /// Optimal string alignment distance, by its recurrence.
    fn distance(a: &str, b: &str) -> usize {
        let (a, b) = (a.to_lowercase().into_bytes(), b.to_lowercase().into_bytes());
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

    #[test]
    fn a_typo_is_one_edit_away_and_nearest_to_its_word() {
        for words in enumerations() {
            for word in words {
                assert_eq!(
                    word.typos.is_empty(),
                    word.text.bytes().filter(u8::is_ascii_alphabetic).count() < 4
                );
                for typo in word.typos {
                    assert_eq!(distance(typo, word.text), 1, "{typo}");
                    assert!(typo.len() >= 4, "{typo}");
                    for other in words.iter().filter(|other| *other != word) {
                        assert!(distance(typo, other.text) > 2, "{typo} {}", other.text);
                    }
                }
            }
        }
    }

    #[test]
    fn another_case_differs_in_nothing_else_and_is_no_word() {
        for words in enumerations() {
            for word in words {
                for case in word.cases {
                    assert_ne!(*case, word.text);
                    assert!(case.eq_ignore_ascii_case(word.text), "{case}");
                }
                for synonym in word.synonyms {
                    assert!(
                        words.iter().all(|other| distance(synonym, other.text) > 2),
                        "{synonym}"
                    );
                }
            }
        }
    }
}

//! The entry that a spelling stands for, on vocabularies of every kind.

use super::super::canonical::folded;
use super::super::similarity::similarity;
use super::*;

pub(in super::super) const CODES: [&str; 24] = [
    "garden.tools.rake",
    "garden.tools.spade",
    "garden.tools.hose",
    "garden.furniture.bench",
    "garden.furniture.swing_seat",
    "kitchen.oven",
    "kitchen.oven.accessories",
    "kitchen.cutlery.knife",
    "kitchen.cutlery.spoon",
    "electronics.smartphone",
    "electronics.audio.speaker",
    "electronics.audio.amplifier",
    "electronics.video.tv",
    "computers.parts.gpu",
    "computers.parts.fan",
    "computers.parts.mainboard",
    "computers.laptop",
    "toys.board_games",
    "toys.building_bricks",
    "sport.tennis.racket",
    "sport.ski.boots",
    "sport.bicycle",
    "clothing.shirt",
    "clothing.skirt",
];

pub(in super::super) fn vocabulary(entries: &[&str]) -> Vocabulary {
    Vocabulary::new(entries.iter().map(|&entry| (entry, vec![]))).expect("valid vocabulary")
}

fn repair<'a>(entries: &'a [&str], value: &str) -> (Option<&'a str>, &'static str) {
    let found = vocabulary(entries).best_match(value, 0.75);
    (found.entry.map(|index| entries[index]), found.rule.name())
}

pub(in super::super) fn single_typos(word: &str) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    let mut typos = Vec::new();
    for i in 0..=chars.len() {
        let (before, after) = chars.split_at(i);
        let join = |middle: &[char], after: &[char]| {
            before.iter().chain(middle).chain(after).collect::<String>()
        };
        for letter in ('a'..='z').chain(['.', '_', 'é']) {
            typos.push(join(&[letter], after));
            if !after.is_empty() {
                typos.push(join(&[letter], &after[1..]));
            }
        }
        if !after.is_empty() {
            typos.push(join(&[], &after[1..]));
        }
        if after.len() > 1 {
            typos.push(join(&[after[1], after[0]], &after[2..]));
        }
    }
    typos
}

#[test]
fn spellings_of_the_contract_find_their_entries() {
    assert_eq!(repair(&["action", "puzzle"], "Actionn"), (Some("action"), "typo"));
    assert_eq!(repair(&["action", "puzzle"], "PuzZle"), (Some("puzzle"), "case"));
    assert_eq!(repair(&["Android", "iOS", "Web"], "androiid"), (Some("Android"), "typo"));
    assert_eq!(repair(&["Android", "iOS", "Web"], "WEB"), (Some("Web"), "case"));
    assert_eq!(repair(&["start_game", "end_game"], "Start_Game"), (Some("start_game"), "case"));
    assert_eq!(repair(&["start_game", "end_game"], "startgame"), (Some("start_game"), "accent"));
    assert_eq!(repair(&["mobile", "desktop"], "mobile"), (Some("mobile"), "exact"));
    assert_eq!(repair(&["mobile", "desktop"], ""), (None, "empty"));
    assert_eq!(repair(&["mobile", "desktop"], " \u{200b}-"), (None, "empty"));
    assert_eq!(repair(&["mobile", "desktop"], "tablet"), (None, "none"));
    assert_eq!(repair(&["mobile", "desktop"], "xyz"), (None, "none"));
}

#[test]
fn a_synonym_stands_for_its_entry() {
    let devices =
        Vocabulary::new([("mobile", vec!["tablet", "Téléphone"]), ("tv", vec!["television"])])
            .expect("valid vocabulary");
    let found = |value| {
        let found = devices.best_match(value, 0.75);
        (found.entry.map(|index| devices.entry(index)), found.rule)
    };
    assert_eq!(found("tablet"), (Some("mobile"), Rule::Synonym));
    assert_eq!(found("TABLET "), (Some("mobile"), Rule::Synonym));
    assert_eq!(found("telephone"), (Some("mobile"), Rule::Synonym));
    assert_eq!(found("televison"), (Some("tv"), Rule::Typo));
    assert_eq!(found("tvv"), (None, Rule::None));
}

#[test]
fn spellings_of_one_entry_do_not_compete() {
    let colours = [("grey", vec!["greyish", "grayish"]), ("green", vec!["greenish"])];
    let found = Vocabulary::new(colours).expect("valid vocabulary").best_match("griyish", 0.75);
    assert_eq!((found.entry, found.rule), (Some(0), Rule::Typo));
    assert_eq!((found.similarity, found.runner_up), (Some(6.0 / 7.0), None));
}

#[test]
fn digits_must_agree() {
    let ranges = ["18-25 years", "26-35 years", "36-45 years"];
    assert_eq!(repair(&ranges, "26-35 yeers"), (Some("26-35 years"), "typo"));
    assert_eq!(repair(&ranges, "18–25 Years"), (Some("18-25 years"), "case"));
    assert_eq!(repair(&ranges, "28-35 years"), (None, "none"));
    assert_eq!(repair(&ranges, "1825 years"), (None, "none"));
    assert_eq!(repair(&["18-25", "26-35"], "18-26"), (None, "none"));
    assert_eq!(repair(&["-5 degrees"], "5 degrees"), (None, "none"));
}

#[test]
fn short_texts_are_not_repaired() {
    assert_eq!(repair(&["web"], "webb"), (None, "none"));
    assert_eq!(repair(&["mobi"], "mob"), (None, "none"));
    assert_eq!(repair(&["12345a"], "12345b"), (None, "none"));
}

#[test]
fn a_near_tie_is_not_guessed() {
    let found = vocabulary(&["shirt", "skirt"]).best_match("sirt", 0.75);
    assert_eq!((found.entry, found.rule), (None, Rule::Ambiguous));
    assert_eq!((found.similarity, found.runner_up), (Some(0.8), Some(1)));
    let long = ["a".repeat(30) + "b", "a".repeat(30) + "cc"];
    let found = vocabulary(&[&long[0], &long[1]]).best_match(&("a".repeat(30) + "x"), 0.75);
    assert_eq!(found.rule, Rule::Ambiguous, "one edit against two is within 0.05");
}

#[test]
fn a_short_entry_is_never_the_answer_but_may_forbid_one() {
    for entries in [["web", "webs"], ["webs", "web"]] {
        assert_eq!(repair(&entries, "webx"), (None, "ambiguous"));
    }
    for entries in [["rake", "rak"], ["rak", "rake"]] {
        assert_eq!(repair(&entries, "rakx"), (None, "ambiguous"));
    }
    assert_eq!(repair(&["web", "webshop"], "webx"), (None, "none"));
}

#[test]
fn entries_with_one_canonical_text_need_the_exact_spelling() {
    let entries = ["Web", "WEB", "Web"];
    assert_eq!(repair(&entries, "WEB"), (Some("WEB"), "exact"));
    assert_eq!(repair(&entries, "Web"), (Some("Web"), "exact"));
    let found = vocabulary(&entries).best_match("web", 0.75);
    assert_eq!(
        (found.rule, found.runner_up),
        (Rule::Ambiguous, Some(0)),
        "the second in the order of texts"
    );
    assert_eq!(repair(&["Café", "Cafe"], "cafe"), (Some("Cafe"), "case"));
    assert_eq!(repair(&["Café", "Cafè"], "cafe"), (None, "ambiguous"));
}

#[test]
fn equality_wins_whatever_is_similar_and_whatever_the_threshold() {
    let close = ["garden chair", "garden chairs", "garden chain"];
    for entry in close {
        assert_eq!(repair(&close, entry), (Some(entry), "exact"));
        assert_eq!(repair(&close, &entry.to_uppercase()), (Some(entry), "case"));
    }
    let strict = vocabulary(&["crème brûlée"]).best_match("Creme-Brulee", 1.0);
    assert_eq!((strict.entry, strict.rule), (Some(0), Rule::Accent));
    assert_eq!(vocabulary(&["puzzle"]).best_match("puzzel", 1.0).rule, Rule::None);
    let named =
        Vocabulary::new([("café", vec![]), ("bistro", vec!["cafe"])]).expect("valid vocabulary");
    assert_eq!(
        named.best_match("CAFE", 0.75).entry,
        Some(1),
        "a written synonym beats a lost accent"
    );
}

#[test]
fn every_script_is_matched_by_its_own_rules() {
    assert_eq!(repair(&["İstanbul", "Isparta"], "istanbul"), (Some("İstanbul"), "accent"));
    assert_eq!(repair(&["İstanbul", "Isparta"], "ISTANBUL"), (Some("İstanbul"), "accent"));
    assert_eq!(repair(&["İstanbul", "Isparta"], "ısparta"), (Some("Isparta"), "accent"));
    assert_eq!(repair(&["Straße"], "STRASSE"), (Some("Straße"), "accent"));
    assert_eq!(repair(&["Straße"], "STRAẞE"), (Some("Straße"), "case"));
    assert_eq!(repair(&["Телефон", "Планшет"], "телефно"), (Some("Телефон"), "typo"));
    assert_eq!(repair(&["Android"], "ＡＮＤＲＯＩＤ"), (Some("Android"), "case"));
    assert_eq!(repair(&["Crème"], "cre\u{300}me"), (Some("Crème"), "case"));
    assert_eq!(repair(&["mobile"], "mo\u{200b}bile\u{feff}"), (Some("mobile"), "case"));
    assert_eq!(repair(&["🎮", "🎲"], "🎮\u{fe0f}"), (Some("🎮"), "case"));
    assert_eq!(repair(&["🎮", "🎲"], "🎯"), (None, "none"));
    assert_eq!(
        repair(&["智能手机", "平板电脑"], "智能手几"),
        (None, "none"),
        "one of few ideographs"
    );
    assert_eq!(repair(&["智能手机", "平板电脑"], "智手能机"), (Some("智能手机"), "typo"));
}

#[test]
fn a_sign_that_carries_meaning_is_not_dropped() {
    for (entry, value) in [
        ("A", "A-"),
        ("A", "A+"),
        ("O+", "O-"),
        ("C++", "C#"),
        ("C", "C++"),
        ("18", "18+"),
        ("18", "-18"),
        ("50", "50+"),
        ("BBB", "BBB-"),
        ("Disney", "Disney+"),
        ("children 18", "children 18+"),
        ("children 18+", "children 18-"),
        ("over 100", "over 100%"),
        ("temperature 5", "temperature -5"),
        ("adults >18", "adults <18"),
        ("format 16:9", "format 16.9"),
        ("liter 1.5", "liter 15"),
        ("Notepad", "Notepad++"),
        ("square 10", "square 10²"),
    ] {
        assert_eq!(repair(&[entry], value).0, None, "{value}");
        assert_eq!(repair(&[value], entry).0, None, "{entry}");
        assert_eq!(repair(&[entry, value], &value.to_uppercase()).0, Some(value));
    }
    let games = ["-18", "18-24", "25-34", "50+"];
    for value in games {
        assert_eq!(repair(&games, &format!(" {value} ")), (Some(value), "case"));
    }
    assert_eq!(repair(&games, "18"), (None, "none"));
    assert_eq!(repair(&games, "50"), (None, "none"));
    assert_eq!(repair(&["Disney+", "Netflix"], "Disny+"), (Some("Disney+"), "typo"));
}

#[test]
fn nothing_is_repaired_to_its_opposite() {
    for (entry, value) in [
        ("active", "inactive"),
        ("subscribed", "unsubscribed"),
        ("premium", "freemium"),
        ("internal", "external"),
        ("men's shoes", "women's shoes"),
        ("North Korea", "South Korea"),
        ("男子篮球", "女子篮球"),
        ("apparel.mens_shoes", "apparel.womens_shoes"),
        ("Apparel > Men > Winter Shoes", "Apparel > Women > Winter Shoes"),
        ("alcoholic drinks", "non alcoholic drinks"),
        ("vitamin A", "vitamin B"),
        ("prescription food", "non-prescription food"),
    ] {
        for min_similarity in [0.0, 0.6, 0.75] {
            for (entry, value) in [(entry, value), (value, entry)] {
                let found =
                    vocabulary(&[entry, "something else"]).best_match(value, min_similarity);
                assert_eq!(found.entry, None, "{value} at {min_similarity}");
            }
        }
    }
}

#[test]
fn marks_and_dots_around_a_name_are_dropped() {
    assert_eq!(repair(&["LEGO"], "LEGO™"), (Some("LEGO"), "case"));
    assert_eq!(repair(&["LEGO"], "Lego ®"), (Some("LEGO"), "case"));
    assert_eq!(repair(&["USA", "UK"], "U.S.A."), (Some("USA"), "accent"));
    assert_eq!(repair(&["U.S.A.", "UK"], "usa"), (Some("U.S.A."), "accent"));
    assert_eq!(repair(&["Ltd", "Inc"], "Ltd."), (Some("Ltd"), "accent"));
    assert_eq!(repair(&["©", "®"], "©"), (Some("©"), "exact"));
}

#[test]
fn a_code_that_lost_its_dots_falls_into_its_parts() {
    let entries = ["phone > electronics", "puzzle.electronics", "computers.components"];
    assert_eq!(vocabulary(&entries).best_match("upzzleelectonics", 0.6).entry, Some(1));
    assert_eq!(repair(&entries, "computers.components.cpu"), (None, "none"));
    assert_eq!(repair(&["computers.components.cpu"], "computers.components"), (None, "none"));
}

#[test]
fn every_single_typo_of_a_code_is_repaired_unless_another_is_as_close() {
    let codes = vocabulary(&CODES);
    let mut refused = 0;
    let mut total = 0;
    for (index, code) in CODES.iter().enumerate() {
        for typo in single_typos(code).into_iter().filter(|typo| !CODES.contains(&typo.as_str())) {
            total += 1;
            let found = codes.best_match(&typo, 0.75);
            if found.rule == Rule::Ambiguous {
                let rival = found.runner_up.expect("an ambiguous match has a runner-up");
                let own = similarity(&typo, code);
                let others = CODES.iter().filter(|other| *other != code);
                let nearest = others.map(|other| similarity(&typo, other)).fold(0.0, f64::max);
                assert!(
                    (own - nearest).abs() <= 0.05 + 1e-9,
                    "{typo} of {code}, not {}",
                    CODES[rival]
                );
                refused += 1;
            } else {
                assert_eq!(found.entry, Some(index), "{typo} of {code}: {found:?}");
            }
        }
    }
    assert!(total > 20_000 && refused * 100 < total, "{refused} of {total}");
}

#[test]
fn a_code_that_is_absent_is_not_replaced_by_its_sibling() {
    assert_eq!(repair(&CODES, "computers.parts.psu"), (None, "none"));
    assert_eq!(repair(&CODES, "electronics.audio.microphone"), (None, "none"));
    assert_eq!(repair(&CODES, "garden.tools.shovel"), (None, "none"));
}

/// The rule as it reads, over every spelling, without index, bounds or early end.
fn reference_match(
    entries: &[&str],
    value: &str,
    min_similarity: f64,
) -> (Option<usize>, Option<usize>) {
    let of = |text: &str| canonical(text).expect("text");
    let text = fold(&of(value)).expect("text");
    let letters = Letters::new(text.clone());
    let mut ranked: Vec<(f64, usize, usize)> = Vec::new();
    let mut nearest = 0.0;
    for (index, entry) in entries.iter().enumerate() {
        let folded = fold(&canonical(entry).expect("text")).expect("text");
        let other = Letters::new(folded.clone());
        let distance = osa::distance(text.chars(), folded.chars());
        let alike = normalised(distance as f64, letters.len().max(other.len()));
        if digits(&text) != digits(&folded) {
            continue;
        }
        nearest = f64::max(nearest, alike);
        let has_dots = text.contains('.') || folded.contains('.');
        let words = if has_dots { Words::Opposites } else { Words::All };
        let agrees = letters.may_be_typo_of(&other.chars, other.n_dots, distance, min_similarity)
            && !are_different_things(&of(value), &of(entry), words, min_similarity);
        if agrees && alike + ROUNDING >= min_similarity - MIN_LEAD {
            ranked.push((alike, index, other.n_alphabetic()));
        }
    }
    let is_short = |ranked: &(f64, usize, usize)| ranked.2 < MIN_LETTERS;
    ranked.sort_by(|a, b| {
        b.0.total_cmp(&a.0).then(is_short(a).cmp(&is_short(b))).then(entries[a.1].cmp(entries[b.1]))
    });
    match ranked.as_slice() {
        _ if letters.n_alphabetic() < MIN_LETTERS => (None, None),
        [] => (None, None),
        [first, ..] if first.0 + ROUNDING < min_similarity || first.2 < MIN_LETTERS => (None, None),
        [first, ..] if first.0 + ROUNDING < nearest => (None, None),
        [first] => (Some(first.1), None),
        [first, second, ..] => {
            let clear = second.0 + MIN_LEAD + ROUNDING < first.0;
            (clear.then_some(first.1), Some(second.1))
        }
    }
}

#[test]
fn no_shortcut_changes_a_match() {
    let mut state = 3_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let mut word = |max_len: usize| -> String {
        (0..=next(max_len))
            .map(|_| ['a', 'b', 'c', 'd', '.', '1'][next(600) % (5 + next(2))])
            .collect()
    };
    let mut decided = 0;
    for round in 0..400 {
        let words: std::collections::BTreeSet<String> =
            (0..40).map(|_| word(6 + round % 8)).collect();
        let entries: Vec<&str> = words.iter().map(String::as_str).collect();
        let prepared = vocabulary(&entries);
        for _ in 0..20 {
            let value = word(6 + round % 8);
            // Equal texts need no similarity.
            if entries.iter().any(|entry| folded(entry) == folded(&value)) {
                continue;
            }
            for min_similarity in [0.0, 0.6, 0.75, 0.9] {
                let found = prepared.best_match(&value, min_similarity);
                if matches!(found.rule, Rule::Exact | Rule::Case | Rule::Accent) {
                    continue;
                }
                decided += usize::from(found.entry.is_some());
                let expected = reference_match(&entries, &value, min_similarity);
                assert_eq!(
                    (found.entry, found.runner_up),
                    expected,
                    "{value} in {entries:?} at {min_similarity}"
                );
            }
        }
    }
    assert!(decided > 500, "{decided}");
}

#[test]
fn a_path_is_matched_by_its_levels_the_last_one_first() {
    let paths = [
        "Apparel & Accessories > Jewelry > Bracelets",
        "Apparel & Accessories > Jewelry > Rings",
        "Apparel & Accessories > Shoes > Rain Boots",
        "Animals & Pet Supplies > Dog Supplies > Dog Food",
        "Animals & Pet Supplies > Dog Supplies",
        "Home & Garden > Decor > Vases & Bowls",
        "Vehicles & Parts > Aluminum Tires",
    ];
    let repaired = |value| repair(&paths, value).0;
    assert_eq!(repaired("Clothing & Accessories > Jewellery > Bracelets"), Some(paths[0]));
    assert_eq!(repaired("apparel and accessories > jewellery > rngs"), Some(paths[1]));
    assert_eq!(repaired("Home & Garden > Décor > Bowls and Vases"), Some(paths[5]));
    assert_eq!(repaired("Home & Garden > Vases & Bowls"), Some(paths[5]));
    assert_eq!(repaired("Vehicles & Parts › Aluminium Tyres"), Some(paths[6]));
    assert_eq!(repaired("Animals & Pet Supplies > Dog Supplies > Bird Cages"), None);
    assert_eq!(repaired("Apparel & Accessories > Jewelry"), None);
}

#[test]
fn min_similarity_says_how_much_the_last_level_must_tell() {
    let paths = [
        "Apparel > Jewelry > Bracelets",
        "Apparel > Jewelry > Rings",
        "Hardware > Tools > Flashlights & Headlamps",
        "Hardware > Tools > Spirit Levels",
    ];
    let prepared = vocabulary(&paths);
    let at = |value, min_similarity| {
        let found = prepared.best_match(value, min_similarity);
        (found.entry.map(|index| paths[index]), found.rule)
    };
    assert_eq!(at("Apparel > Jewelry > Necklaces", 0.75), (None, Rule::None), "another thing");
    let reworded = "Hardware > Tools > Torches & Headlamps";
    assert_eq!(at(reworded, 0.75).0, Some(paths[2]));
    assert_eq!(at(reworded, 0.8).0, Some(paths[2]));
    assert_eq!(at(reworded, 0.9).0, None);
    assert_eq!(at("DIY > Tools > Spirit Level", 0.8).0, Some(paths[3]));
    let levels = [0.0, 0.75, 0.8, 0.85, 0.875, 1.0].map(least_last_level);
    let expected = [0.2, 0.2, 0.3, 0.6, 0.75, 0.75];
    assert!(levels.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{levels:?}");
}

#[test]
fn no_shortcut_changes_the_match_of_a_path() {
    let mut state = 5_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let words = [
        "tire",
        "tyre",
        "tyres",
        "color",
        "colour",
        "mold",
        "colormold",
        "and",
        "&",
        "jewel",
        "box",
    ];
    let mut path = || -> String {
        let n_levels = 2 + next(3);
        let mut level =
            || (0..=next(2)).map(|_| words[next(words.len())]).collect::<Vec<_>>().join(" ");
        (0..n_levels).map(|_| level() + " ware").collect::<Vec<_>>().join(" > ")
    };
    let phrases =
        |text: &str| Name::new(&canonical(text).expect("text")).expect("letters").phrases();
    // The rule as it reads: all entries, the most similar first.
    let reference = |value: &str, entries: &[&str], min_similarity: f64| {
        let own = phrases(value);
        let mut ranked: Vec<(f64, usize, f64, f64)> = Vec::new();
        for (i, entry) in entries.iter().enumerate() {
            let other = phrases(entry);
            let agreement = agreement(own.len(), other.len(), |i, j| own[i].similarity(&other[j]));
            let of_last = own[own.len() - 1].similarity(&other[other.len() - 1]);
            ranked.push((similarity(value, entry), i, agreement, of_last));
        }
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let (first, second) = (ranked[0], ranked[1]);
        let is_far = first.0 + ROUNDING < min_similarity;
        let is_last_far = first.3 + ROUNDING < least_last_level(min_similarity);
        match second.2 + MIN_PATH_LEAD + ROUNDING >= first.2 {
            _ if is_far || is_last_far => (None, Rule::None),
            true => (None, Rule::Ambiguous),
            false => (Some(first.1), Rule::Typo),
        }
    };
    let mut decided = 0;
    for _ in 0..150 {
        let entries: std::collections::BTreeSet<String> = (0..30).map(|_| path()).collect();
        let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        let prepared = vocabulary(&entries);
        for value in (0..10).map(|_| path()) {
            for min_similarity in [0.0, 0.6, 0.75, 0.8, 0.85, 0.9, 0.95] {
                let found = prepared.best_match(&value, min_similarity);
                if matches!(found.rule, Rule::Exact | Rule::Case | Rule::Accent) {
                    continue;
                }
                let expected = reference(&value, &entries, min_similarity);
                let told = format!("{value} in {entries:?} at {min_similarity}");
                assert_eq!((found.entry, found.rule), expected, "{told}");
                if let Some(entry) = found.entry {
                    decided += 1;
                    assert_eq!(
                        found.similarity,
                        Some(similarity(&value, entries[entry])),
                        "{told}"
                    );
                }
            }
        }
    }
    assert!(decided > 300, "{decided}");
}

#[test]
fn a_megabyte_of_text_is_equal_or_nothing() {
    let codes = vocabulary(&CODES);
    for filler in ["x", "é", "e\u{301}", "1-", ".", "\u{301}\u{316}", "ﷺ"] {
        let found = codes.best_match(&filler.repeat((1 << 20) / filler.len()), 0.0);
        assert_eq!((found.entry, found.rule), (None, Rule::None), "{filler:?}");
    }
    let padded = format!("{}Sport.Bicycle{}", " ".repeat(1 << 19), "\u{200b}".repeat(1 << 18));
    assert_eq!(codes.best_match(&padded, 0.75).rule, Rule::Case);
}

#[test]
fn a_vocabulary_says_what_is_wrong_with_its_entries() {
    let error = |entries: Vec<(&str, Vec<&str>)>| {
        Vocabulary::new(entries).err().expect("refused").to_string()
    };
    assert_eq!(error(vec![]), "the vocabulary has no entries");
    assert_eq!(
        error(vec![("web", vec![]), (" \t", vec![])]),
        "vocabulary entry 2 has no text: \" \t\""
    );
    let long = "x".repeat(MAX_BYTES + 1);
    for entries in
        [vec![("web", vec![]), (long.as_str(), vec![])], vec![("web", vec![long.as_str()])]]
    {
        assert!(error(entries).starts_with(
            "an entry or synonym of the vocabulary has 2097153 bytes, at most 2097152"
        ));
    }
    assert!(Vocabulary::new([(&long[1..], vec![])]).is_ok());
    assert_eq!(error(vec![("unknown", vec![""])]), "a synonym of \"unknown\" has no text: \"\"");
    assert_eq!(
        error(vec![("mobile", vec!["tablet"]), ("desktop", vec!["Tablet"])]),
        "\"Tablet\" is a synonym of both \"mobile\" and \"desktop\""
    );
    assert_eq!(
        error(vec![("mobile", vec!["WEB"]), ("web", vec![])]),
        "\"WEB\", a synonym of \"mobile\", is the entry \"web\" itself"
    );
    assert!(
        error(vec![("a", vec!["b"]), ("c", vec![&"b".repeat(9)]), ("d", vec![&"b".repeat(9)])])
            .len()
            < 80
    );
    assert!(Vocabulary::new([("mobile", vec!["Mobile", "tablet", "TABLET"])]).is_ok());
}

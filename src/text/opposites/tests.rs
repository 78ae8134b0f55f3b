//! Opposites, and pairs that only look like some.

use super::super::canonical::{canonical, fold};
use super::*;

fn opposite(a: &str, b: &str) -> bool {
    let word = |text: &str| -> Word {
        fold(&canonical(text).expect("text")).expect("letters").chars().collect()
    };
    let (a, b) = (word(a), word(b));
    let apart = distance(&a, &b);
    let found = is_opposite(&a, &b, apart);
    assert_eq!(found, is_opposite(&b, &a, apart), "{a:?}, {b:?}");
    found
}

#[test]
fn affixes_that_turn_a_word_around_make_an_opposite() {
    for (a, b) in [
        ("inactive", "active"),
        ("unsubscribed", "subscribed"),
        ("freemium", "premium"),
        ("external", "internal"),
        ("women", "men"),
        ("female", "male"),
        ("import", "export"),
        ("upload", "download"),
        ("online", "offline"),
        ("prepaid", "postpaid"),
        ("overpaid", "underpaid"),
        ("indoor", "outdoor"),
        ("increase", "decrease"),
        ("enabled", "disabled"),
        ("ascending", "descending"),
        ("hardware", "software"),
        ("harmful", "harmless"),
        ("employer", "employee"),
        ("actor", "actress"),
        ("waiter", "waitress"),
        ("nonfood", "food"),
        ("antivirus", "virus"),
        ("subset", "superset"),
        ("macroeconomics", "microeconomics"),
        ("login", "logout"),
        ("unsubscribd", "subscribed"),
        ("disconnected", "connected"),
        ("maximum", "minimum"),
        ("Eingang", "Ausgang"),
        ("Lehrer", "Lehrerin"),
        ("Anmeldung", "Abmeldung"),
        ("Nordkorea", "Südkorea"),
        ("вход", "выход"),
        ("активный", "неактивный"),
        ("niños", "niñas"),
        ("vendeur", "vendeuse"),
    ] {
        assert!(opposite(a, b), "{a}, {b}");
    }
}

#[test]
fn typos_and_spellings_make_no_opposite() {
    for (a, b) in [
        ("actionn", "action"),
        ("androiid", "android"),
        ("puzzel", "puzzle"),
        ("unnion", "union"),
        ("colour", "color"),
        ("jewellery", "jewelry"),
        ("tyre", "tire"),
        ("catalogue", "catalog"),
        ("aluminium", "aluminum"),
        ("shirts", "shirt"),
        ("inndoor", "indoor"),
        ("premum", "premium"),
        ("organiser", "organizer"),
        ("internall", "internal"),
        ("nternal", "internal"),
        ("womenn", "women"),
        ("electonics", "electronics"),
        ("color", "for"),
        ("telephon", "telephone"),
        ("headphones", "headphone"),
    ] {
        assert!(!opposite(a, b), "{a}, {b}");
    }
}

fn different(a: &str, b: &str) -> bool {
    let text = |text: &str| canonical(text).expect("text");
    let found = are_different_things(&text(a), &text(b), Words::All, 0.75);
    assert_eq!(found, are_different_things(&text(b), &text(a), Words::All, 0.75), "{a}, {b}");
    found
}

#[test]
fn a_word_that_is_replaced_names_another_thing() {
    for (a, b) in [
        ("South Korea", "North Korea"),
        ("inner tube", "outer tube"),
        ("women's shoes", "men's shoes"),
        ("womens shoes", "mens shoe"),
        ("non alcoholic drinks", "alcoholic drinks"),
        ("vitamin A", "vitamin B"),
        ("coffee without milk", "coffee with milk"),
        ("log in", "log out"),
        ("not active", "active"),
        ("no smoking area", "smoking area"),
        ("action adventure game", "action adventure"),
        ("女子篮球", "男子篮球"),
        ("有效期限", "无效期限"),
        ("中国女子篮球联赛冠军", "中国男子篮球联赛冠军"),
        ("남자농구", "여자농구"),
    ] {
        assert!(different(a, b), "{a}, {b}");
    }
    for (a, b) in [
        ("South Koera", "South Korea"),
        ("home applianses", "home appliances"),
        ("homeapplianses", "home appliances"),
        ("bird cage", "birdcages"),
        ("Bowls and Vases", "Vases & Bowls"),
        ("the last of us", "last of us"),
        ("gadren chiar", "garden chair"),
        ("Acme Electronics Inc", "Acme Electronic"),
        ("휴데폰케이스", "휴대폰케이스"),
        ("nonalcoholic drinkz", "non-alcoholic drinks"),
        ("magnetisers & demagnetisers", "magnetizers & demagnetizers"),
        ("中国女子篮球联赛冠亚", "中国女子篮球联赛冠军"),
        ("智手能机", "智能手机"),
    ] {
        assert!(!different(a, b), "{a}, {b}");
    }
}

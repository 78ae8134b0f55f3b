//! Which names of columns say that a column identifies its row, or another one, and so measures
//! nothing.
//!
//! A name is cut into words at everything that is no letter and no digit, where a capital begins a
//! word (`CustomerID`, `IDNumber`), and where digits begin or end. A count of things has their
//! plural, which is never in these lists.

/// What an identifier is called, as the last word of a name.
const IDENTIFIERS: &[&str] = &[
    "id", "uid", "uuid", "guid", "gid", "oid", "pid", "cid", "sid", "rowid", "key", "pk", "fk",
    "sk", "hash", "sku", "ean", "gtin", "upc", "asin", "isbn", "imei", "ssn", "iban",
];

/// What identifiers are of: before the word for a number (`account_no`), or run together with it
/// (`userid`).
const THINGS: &[&str] = &[
    "account",
    "acct",
    "ad",
    "app",
    "batch",
    "booking",
    "brand",
    "campaign",
    "card",
    "case",
    "category",
    "client",
    "company",
    "contact",
    "contract",
    "course",
    "cust",
    "customer",
    "device",
    "document",
    "employee",
    "event",
    "game",
    "group",
    "household",
    "invoice",
    "item",
    "lead",
    "line",
    "loan",
    "member",
    "merchant",
    "message",
    "mobile",
    "order",
    "org",
    "organisation",
    "organization",
    "page",
    "part",
    "partner",
    "passport",
    "patient",
    "payment",
    "person",
    "phone",
    "player",
    "policy",
    "post",
    "product",
    "receipt",
    "record",
    "reference",
    "registration",
    "row",
    "seller",
    "serial",
    "session",
    "shipment",
    "shop",
    "sku",
    "store",
    "student",
    "subscriber",
    "subscription",
    "supplier",
    "team",
    "telephone",
    "tenant",
    "ticket",
    "tracking",
    "transaction",
    "txn",
    "user",
    "vendor",
    "visit",
    "visitor",
];

/// What numbers things, or names one, behind the thing.
const NUMBERS: &[&str] = &["no", "nr", "num", "number", "code", "ref", "reference", "index"];

/// What a column of whole numbers holds the identifiers of, where nothing else is in its name.
const WHO_OR_WHAT: &[&str] = &[
    "client", "customer", "employee", "game", "item", "member", "merchant", "patient", "player",
    "product", "seller", "shop", "store", "student", "supplier", "user", "vendor", "visitor",
];

/// What stands before one of them that was chosen among many.
const CHOSEN: &[&str] = &["favorite", "favourite", "preferred"];

/// Whether a column of this name is an identifier; `is_whole`: it holds whole numbers.
pub fn is_identifier(name: &str, is_whole: bool) -> bool {
    let words = words(name);
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    // Rows as pandas numbers them: `Unnamed: 0`, `level_0`, `__index_level_0__`, `index`.
    if matches!(words[..], ["unnamed" | "level", "0", ..] | ["index"] | ["index", "level", _]) {
        return true;
    }
    // `customer_id_2` is one more of them.
    while words.len() > 1
        && words.last().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit()))
    {
        words.pop();
    }
    let is_in = |list: &[&str], word: &str| list.contains(&word);
    let runs_together = |word: &str| {
        let thing = |end: &str| word.strip_suffix(end).is_some_and(|thing| is_in(THINGS, thing));
        ["id", "uid", "uuid", "guid", "key", "no", "nr", "num", "number"].into_iter().any(thing)
    };
    match words[..] {
        [.., last] if is_in(IDENTIFIERS, last) || runs_together(last) => true,
        ["id" | "uuid" | "guid", last] if is_in(THINGS, last) => true,
        [.., thing, last] if is_in(NUMBERS, last) && is_in(THINGS, thing) => true,
        [chosen, thing] if is_in(CHOSEN, chosen) && is_in(WHO_OR_WHAT, thing) => is_whole,
        [thing] => is_whole && is_in(WHO_OR_WHAT, thing),
        _ => false,
    }
}

/// The words of a name, in small letters.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut is_inside = false;
    for (i, &c) in letters.iter().enumerate() {
        if !c.is_alphanumeric() {
            is_inside = false;
            continue;
        }
        let before = i.checked_sub(1).map(|i| letters[i]);
        let after = letters.get(i + 1);
        let is_border = before.is_some_and(|before| {
            before.is_numeric() != c.is_numeric()
                || (c.is_uppercase() && before.is_lowercase())
                || (c.is_uppercase()
                    && before.is_uppercase()
                    && after.is_some_and(|c| c.is_lowercase()))
        });
        if !is_inside || is_border {
            words.push(String::new());
        }
        is_inside = true;
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_where_its_words_begin() {
        for (name, expected) in [
            ("customer_id", vec!["customer", "id"]),
            ("CustomerID", vec!["customer", "id"]),
            ("Customer ID", vec!["customer", "id"]),
            ("customerId2", vec!["customer", "id", "2"]),
            ("IDNumber", vec!["id", "number"]),
            ("Unnamed: 0", vec!["unnamed", "0"]),
            ("__index_level_0__", vec!["index", "level", "0"]),
            ("GrößeÄndern", vec!["größe", "ändern"]),
            ("--", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(words(name), expected, "{name}");
        }
    }

    /// A name in every style that people write it in.
    fn styles(words: &[&str]) -> Vec<String> {
        let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
        let capitals: Vec<String> = words.iter().map(|word| capital(word)).collect();
        vec![
            words.join("_"),
            words.join(" "),
            words.join("-"),
            words.join("."),
            words.join("_").to_uppercase(),
            words.join(" ").to_uppercase(),
            capitals.join(""),
            capitals.join("_"),
            capitals.join(" "),
            words[0].to_string() + &capitals[1..].join(""),
            words.join("_") + "_2",
            capitals.join("") + "2",
        ]
    }

    #[test]
    fn identifiers_are_known_in_every_style() {
        for last in ["id", "uuid", "guid", "key", "sk"] {
            for first in ["user", "customer", "my_odd_thing", "x", "anonymous", "parent"] {
                for name in styles(&[first, last]) {
                    assert!(is_identifier(&name, false), "{name}");
                }
            }
            for name in styles(&[last]) {
                assert!(is_identifier(&name, false), "{name}");
            }
        }
        for thing in ["account", "customer", "invoice", "order", "row", "phone"] {
            for number in ["no", "nr", "num", "number"] {
                for name in styles(&[thing, number]).iter().chain(&[format!("{thing}{number}")]) {
                    assert!(is_identifier(name, false), "{name}");
                }
            }
        }
        for name in [
            "ID",
            "id1",
            "CustomerID",
            "Customer ID",
            "customerid",
            "userid",
            "USERID",
            "userId",
            "account_no",
            "AccountNo",
            "customer_key",
            "Unnamed: 0",
            "unnamed_0",
            "Unnamed: 0.1",
            "row_number",
            "rownum",
            "RowID",
            "index",
            "level_0",
            "__index_level_0__",
            "ss_customer_sk",
            "user_hash",
            "sku",
            "id_customer",
            "session id",
            "order_ref",
            "product_code",
        ] {
            assert!(is_identifier(name, false), "{name}");
        }
        for name in ["favourite_game", "FavoriteProduct", "preferred store", "Store", "customer"] {
            assert!(is_identifier(name, true) && !is_identifier(name, false), "{name}");
        }
    }

    #[test]
    fn words_that_only_contain_one_are_features() {
        for name in [
            "paid",
            "grid",
            "monkey",
            "hybrid",
            "idle",
            "keyboard",
            "valid",
            "bid",
            "covid",
            "liquid",
            "turkey",
            "keys",
            "identity",
            "idle_time",
            "is_paid",
            "amount_paid",
            "paid_orders",
            "rapid",
            "casino",
            "piano",
            "keystrokes",
            "guidance",
            "holiday",
            "midday",
            "orders",
            "customers",
            "games",
            "sessions",
            "events_per_user",
            "days_since_last_order",
            "avg_order",
            "spent_per_customer",
            "orders_number",
            "num_orders",
            "number_of_orders",
            "number",
            "no",
            "code",
            "line_length",
            "price_index",
            "body_mass_index",
            "level_10",
            "level",
            "unnamed",
            "key_presses",
            "id_checks",
            "rowing",
            "width",
            "total_spent",
            "f1",
            "f2",
            "x1",
            "age",
            "hashes",
            "favourites",
            "favourite_count",
            "store_visits",
            "usergroups",
            "",
            "customer_age",
            "phone_calls",
            "userage",
            "order_value",
            "gameno_x",
        ] {
            assert!(!is_identifier(name, true), "{name}");
        }
    }
}

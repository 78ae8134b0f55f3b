//! Goods in the words of another shop: every kind of difference that wordings of one tree have,
//! drawn by hashes.
//!
//! A name is reworded once and every path below it inherits that. The draws have no state, so a
//! path has the same rewording whatever else the tree holds.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Words that another shop uses for the same thing; a department uses a pair everywhere or nowhere.
/// Many of the second ones also stand in other names, where they mean something else.
const SYNONYMS: &[(&str, &str)] = &[
    ("Adapters", "Converters"),
    ("Apparel", "Garments"),
    ("Baby", "Infant"),
    ("Beds", "Baskets"),
    ("Boards", "Panels"),
    ("Body", "Figure"),
    ("Cables", "Leads"),
    ("Care", "Treatment"),
    ("Carts", "Trolleys"),
    ("Cases", "Boxes"),
    ("Cleaners", "Cleaning Agents"),
    ("Components", "Modules"),
    ("Containers", "Tubs"),
    ("Cords", "Leads"),
    ("Covers", "Protectors"),
    ("Cutters", "Knives"),
    ("Devices", "Appliances"),
    ("Dispensers", "Holders"),
    ("Equipment", "Gear"),
    ("Fasteners", "Fixings"),
    ("Food", "Feed"),
    ("Games", "Pastimes"),
    ("Guns", "Pistols"),
    ("Hardware", "Fittings"),
    ("Holders", "Stands"),
    ("Items", "Articles"),
    ("Kits", "Sets"),
    ("Laboratory", "Lab"),
    ("Leashes", "Leads"),
    ("Lighting", "Lamps"),
    ("Lumber", "Timber"),
    ("Machines", "Appliances"),
    ("Masks", "Face Guards"),
    ("Mixes", "Blends"),
    ("Monitors", "Screens"),
    ("Outdoor", "Garden"),
    ("Pads", "Cushions"),
    ("Parts", "Spares"),
    ("Protective", "Safety"),
    ("Racks", "Shelves"),
    ("Replacement", "Spare"),
    ("Sauce", "Relish"),
    ("Sets", "Collections"),
    ("Signs", "Notices"),
    ("Small", "Mini"),
    ("Storage", "Stowage"),
    ("Straps", "Slings"),
    ("Suits", "Outfits"),
    ("Supplies", "Products"),
    ("Systems", "Installations"),
    ("Tape", "Ribbon"),
    ("Toddler", "Young Child"),
    ("Tools", "Implements"),
    ("Toys", "Playthings"),
    ("Treats", "Snacks"),
    ("Trimmers", "Clippers"),
    ("Warmers", "Heaters"),
];

/// What a difference may be drawn for, and how often of 1,000.
const SYNONYM_OF_DEPARTMENT: u64 = 200;
const AND_OF_DEPARTMENT: u64 = 400;
const OTHER_ORDER: u64 = 120;
const TURNED_AROUND: u64 = 40;
const OTHER_NUMBER: u64 = 60;
const COMPOUND: u64 = 50;
const ONE_WORD_LESS: u64 = 20;
const LEFT_OUT: u64 = 15;

fn is_drawn(per_mille: u64, draw: u64, of: &[&str]) -> bool {
    xxh3_64_with_seed(of.join("\n").as_bytes(), draw) % 1000 < per_mille
}

/// A name of the tree, whose British wording is `british`, below the American levels `above`, by a
/// shop of this number.
///
/// `None` where the shop has no such level and its goods stand one level higher.
pub fn reworded(british: &str, above: &[&str], is_parent: bool, shop: u64) -> Option<String> {
    let path = above.join(" > ");
    let department = above.first().copied().unwrap_or(british);
    let draw = |per_mille, kind: &str| is_drawn(per_mille, shop, &[kind, &path, british]);
    if is_parent && above.len() > 1 && draw(LEFT_OUT, "left out") {
        return None;
    }
    let mut name = british.to_string();
    if name.contains(' ') {
        let chosen = SYNONYMS
            .iter()
            .filter(|(from, _)| {
                is_drawn(SYNONYM_OF_DEPARTMENT, shop, &["synonym", department, from])
            })
            .find(|(from, _)| name.split(' ').any(|word| word == *from));
        if let Some((from, to)) = chosen {
            name = name
                .split(' ')
                .map(|word| if word == *from { to } else { word })
                .collect::<Vec<_>>()
                .join(" ");
        }
    }
    if let Some((first, second)) = name.split_once(" & ")
        && !first.contains(',')
        && draw(OTHER_ORDER, "order")
    {
        name = format!("{second} & {first}");
    }
    match name.rsplit_once(' ') {
        Some((own, thing)) if !own.contains('&') && draw(TURNED_AROUND, "around") => {
            name = format!("{thing} for {own}")
        }
        Some((first, second)) if !first.contains(' ') && draw(COMPOUND, "compound") => {
            name = format!("{first}{}", second.to_lowercase());
        }
        Some((own, _))
            if own.contains(' ') && !own.ends_with('&') && draw(ONE_WORD_LESS, "less") =>
        {
            name = own.to_string();
        }
        _ => {}
    }
    if draw(OTHER_NUMBER, "number") {
        name = match name.strip_suffix('s') {
            Some(singular) if !singular.ends_with('s') => singular.to_string(),
            _ => format!("{name}s"),
        };
    }
    if is_drawn(AND_OF_DEPARTMENT, shop, &["and", department]) {
        name = name.replace(" & ", " and ");
    }
    Some(name)
}

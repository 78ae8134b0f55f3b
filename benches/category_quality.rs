//! Precision and recall of category matching on generated typos and on British wording of American
//! taxonomies, as the tables of `docs/categories.md`: `make bench-categories`. With the name of a
//! set as argument only that set.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

#[path = "categories/rewording.rs"]
mod rewording;

use amazing::text::{Rule, Vocabulary, similarity};

const THRESHOLDS: [f64; 6] = [0.6, 0.75, 0.8, 0.85, 0.9, 0.95];

/// Departments, their groups, and what each group is about.
const GROUPS: &[(&str, &str, &str)] = &[
    (
        "Animals & Pet Supplies",
        "Pet Supplies",
        "Bird,Cat,Dog,Fish,Reptile,Small \
                                                Animal,Pony,Aquarium",
    ),
    (
        "Apparel & Accessories",
        "Clothing",
        "Baby,Girls,Boys,Maternity,Wedding,Pajama,Sweater,Pants,Swim,Ski",
    ),
    ("Apparel & Accessories", "Jewelry", "Bracelet,Earring,Necklace,Watch,Ring,Brooch,Gemstone"),
    ("Apparel & Accessories", "Shoes", "Sneaker,Boot,Sandal,Slipper,Running,Hiking"),
    (
        "Arts & Entertainment",
        "Hobbies & Creative Arts",
        "Jewelry Making,Color Pencil,Paint,Yarn,Fiber,Model Airplane,Mold,Drum,Guitar",
    ),
    ("Arts & Entertainment", "Party & Celebration", "Birthday,Balloon,Greeting Card,Gift,Costume"),
    ("Baby & Toddler", "Diapering", "Diaper,Baby Wipe,Changing Table"),
    ("Baby & Toddler", "Baby Transport", "Stroller,Baby Carrier,Car Seat,Crib,Pacifier"),
    (
        "Business & Industrial",
        "Material Handling",
        "Conveyor,Pallet,Forklift,Hoist,Aluminum \
        Ladder,Truck",
    ),
    (
        "Business & Industrial",
        "Medical",
        "Orthopedic,Surgical,Pediatric,Anesthesia,Wheelchair,Gynecology",
    ),
    ("Cameras & Optics", "Photography", "Camera,Tripod,Lens,Darkroom,Flash,Color Filter,Telescope"),
    (
        "Electronics",
        "Audio",
        "Headphone,Speaker,Microphone,Amplifier,Turntable,Cell Phone,Movie \
                              Projector",
    ),
    (
        "Electronics",
        "Computers",
        "Laptop,Tablet,Printer,Keyboard,Monitor,Disk,Gray \
                                  Scanner,Catalog",
    ),
    (
        "Food, Beverages & Tobacco",
        "Food Items",
        "Candy,Cookie,Yogurt,Chip,Bread,Pasta,Flavored Syrup,Licorice",
    ),
    (
        "Furniture",
        "Home Furniture",
        "Sofa,Armchair,Bookcase,Cabinet,Closet,Bed,Desk,Upholstered \
                                     Bench",
    ),
    ("Hardware", "Plumbing", "Faucet,Pipe,Shower,Sink,Toilet,Vapor,Center Valve"),
    ("Hardware", "Tools", "Wrench,Hammer,Drill,Saw,Sander,Caliber Gauge,Aluminum Screw,Flashlight"),
    (
        "Health & Beauty",
        "Personal Care",
        "Hair Color,Nail,Shaving,Moisturizer,Deodorizer,Massage,Dental",
    ),
    (
        "Home & Garden",
        "Decor",
        "Vase,Candle,Mirror,Drape,Rug,Wall Color,Sculpture,Artificial \
                                Flower",
    ),
    (
        "Home & Garden",
        "Kitchen & Dining",
        "Cookware,Bakeware,Cutlery,Grill,Oven,Mold,Fiber Cloth,Theater Glass",
    ),
    (
        "Home & Garden",
        "Lawn & Garden",
        "Mower,Plow,Fertilizer,Sprinkler,Hedge,Harbor Bench,Trash \
                                        Can",
    ),
    (
        "Luggage & Bags",
        "Travel Bags",
        "Backpack,Suitcase,Briefcase,Diaper Bag,Duffel,Traveler \
                                       Pouch",
    ),
    ("Media", "Recordings", "Movie,Music,Dialog Book,Theater Score,Magazine"),
    (
        "Office Supplies",
        "Desk Equipment",
        "Stapler,Binder,Envelope,Organizer,Calendar,Gray \
                                           Paper,Check Book",
    ),
    ("Sporting Goods", "Athletics", "Soccer,Tennis,Baseball,Gymnastics,Boxing,Archery,Armor"),
    ("Sporting Goods", "Outdoor Recreation", "Camping,Climbing,Fishing,Canoe,Skiing,Motor Home"),
    ("Toys & Games", "Toys", "Doll,Puzzle,Airplane,Train,Truck,Kite,Color Block,Plush Animal"),
    (
        "Vehicles & Parts",
        "Vehicle Parts & Accessories",
        "Tire,Motorcycle,Aluminum Wheel,Fuel,Windshield,Odor Filter,Meter",
    ),
];

/// What there is of every subject, and the level that it stands under.
const THINGS: &[(&str, &str)] = &[
    ("Accessories", "Bags"),
    ("Accessories", "Brackets & Stands"),
    ("Accessories", "Clips"),
    ("Accessories", "Covers & Cases"),
    ("Accessories", "Holders"),
    ("Accessories", "Labels"),
    ("Accessories", "Mounting Hardware"),
    ("Accessories", "Racks & Shelves"),
    ("Accessories", "Stickers"),
    ("Accessories", "Straps"),
    ("Care", "Brushes"),
    ("Care", "Cleaning Kits"),
    ("Care", "Deodorizers"),
    ("Care", "Polishes & Waxes"),
    ("Care", "Repair Kits"),
    ("Care", "Storage Boxes"),
    ("Sets", "Color Sets"),
    ("Sets", "Gift Baskets"),
    ("Sets", "Replacement Parts"),
    ("Sets", "Starter Kits"),
    ("Sets", "Trays & Liners"),
    ("Supplies", "Bulk Packs"),
    ("Supplies", "Monogrammed Tags"),
    ("Supplies", "Organizers"),
    ("Supplies", "Sample Catalogs"),
];

/// American spellings and the British ones; a word that begins with the first begins with the
/// second.
const SPELLINGS: &[(&str, &str)] = &[
    ("Airplane", "Aeroplane"),
    ("Aluminum", "Aluminium"),
    ("Anesthesia", "Anaesthesia"),
    ("Armor", "Armour"),
    ("Caliber", "Calibre"),
    ("Catalog", "Catalogue"),
    ("Center", "Centre"),
    ("Check", "Cheque"),
    ("Color", "Colour"),
    ("Deodorizer", "Deodoriser"),
    ("Dialog", "Dialogue"),
    ("Disk", "Disc"),
    ("Fertilizer", "Fertiliser"),
    ("Fiber", "Fibre"),
    ("Flavored", "Flavoured"),
    ("Gray", "Grey"),
    ("Gynecology", "Gynaecology"),
    ("Harbor", "Harbour"),
    ("Jewelry", "Jewellery"),
    ("Licorice", "Liquorice"),
    ("Meter", "Metre"),
    ("Moisturizer", "Moisturiser"),
    ("Mold", "Mould"),
    ("Monogrammed", "Monogramed"),
    ("Odor", "Odour"),
    ("Organizer", "Organiser"),
    ("Orthopedic", "Orthopaedic"),
    ("Pajama", "Pyjama"),
    ("Pediatric", "Paediatric"),
    ("Plow", "Plough"),
    ("Theater", "Theatre"),
    ("Tire", "Tyre"),
    ("Traveler", "Traveller"),
    ("Vapor", "Vapour"),
    ("Yogurt", "Yoghurt"),
];

/// American words and the British ones, which no spelling tells.
const WORDS: &[(&str, &str)] = &[
    ("Apparel", "Clothing"),
    ("Candy", "Sweets"),
    ("Cell", "Mobile"),
    ("Closet", "Wardrobe"),
    ("Cookie", "Biscuit"),
    ("Crib", "Cot"),
    ("Diaper", "Nappy"),
    ("Diapering", "Nappying"),
    ("Drape", "Curtain"),
    ("Faucet", "Tap"),
    ("Flashlight", "Torch"),
    ("Movie", "Film"),
    ("Pacifier", "Dummy"),
    ("Pants", "Trousers"),
    ("Sneaker", "Trainer"),
    ("Soccer", "Football"),
    ("Stroller", "Pushchair"),
    ("Sweater", "Jumper"),
    ("Trash", "Rubbish"),
    ("Truck", "Lorry"),
    ("Windshield", "Windscreen"),
    ("Wrench", "Spanner"),
];

/// Goods as large shops order them: one name a line, a blank before it for each level above,
/// British wording after `|`.
const GOODS: &str = include_str!("categories/taxonomy.txt");

/// The paths of [`GOODS`] in American and in British wording.
fn goods() -> Vec<(String, String)> {
    let (mut american, mut british) = (Vec::new(), Vec::new());
    let lines = GOODS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let name = line.trim_start();
            let depth = line.len() - name.len();
            let (own, other) = name.split_once(" | ").unwrap_or((name, name));
            american.truncate(depth);
            british.truncate(depth);
            american.push(own);
            british.push(other);
            (american.join(" > "), british.join(" > "))
        })
        .collect()
}

/// The paths of [`GOODS`] in American wording, and as a British shop of this number words them.
fn reworded_goods(shop: u64) -> Vec<(String, String)> {
    let lines: Vec<&str> = GOODS.lines().filter(|line| !line.starts_with('#')).collect();
    let depth = |line: &str| line.len() - line.trim_start().len();
    let (mut american, mut reworded) = (Vec::new(), Vec::new());
    let mut pairs = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let name = line.trim_start();
        let (own, british) = name.split_once(" | ").unwrap_or((name, name));
        american.truncate(depth(line));
        reworded.truncate(depth(line));
        let is_parent = lines.get(i + 1).is_some_and(|next| depth(next) > depth(line));
        reworded.push(rewording::reworded(british, &american, is_parent, shop));
        american.push(own);
        if reworded[depth(line)].is_some() {
            let levels: Vec<&str> = reworded.iter().flatten().map(String::as_str).collect();
            pairs.push((american.join(" > "), levels.join(" > ")));
        } else {
            pairs.push((american.join(" > "), american.join(" > ")));
        }
    }
    pairs
}

fn taxonomy() -> Vec<String> {
    let mut paths = BTreeSet::new();
    for (department, group, subjects) in GROUPS {
        paths.insert(department.to_string());
        paths.insert(format!("{department} > {group}"));
        for subject in subjects.split(',') {
            let above = format!("{department} > {group} > {subject} Products");
            for (kind, thing) in THINGS {
                paths.insert(format!("{above} > {subject} {kind}"));
                paths.insert(format!("{above} > {subject} {kind} > {subject} {thing}"));
            }
            paths.insert(above);
        }
    }
    paths.into_iter().collect()
}

/// How a British shop writes an American path.
#[derive(Clone, Copy)]
enum Wording {
    Spelling,
    Words,
    /// Spelling, and in the last level `and` for `&`, the parts of a pair in the other order, the
    /// plural for the singular.
    Mixed,
    /// The same and words.
    MixedWithWords,
}

fn british_word(word: &str, wording: Wording) -> String {
    let by_start = |table: &[(&str, &str)]| {
        table
            .iter()
            .find_map(|(from, to)| word.strip_prefix(from).map(|rest| format!("{to}{rest}")))
    };
    let spelling = || by_start(SPELLINGS);
    let words = || WORDS.iter().find(|(from, _)| *from == word).map(|(_, to)| to.to_string());
    match wording {
        Wording::Spelling => spelling(),
        Wording::Words => words(),
        Wording::Mixed => spelling(),
        Wording::MixedWithWords => words().or_else(spelling),
    }
    .unwrap_or_else(|| word.to_string())
}

fn british(path: &str, wording: Wording, nth: usize) -> String {
    let words: Vec<String> = path.split(' ').map(|word| british_word(word, wording)).collect();
    let path = words.join(" ");
    if matches!(wording, Wording::Spelling | Wording::Words) {
        return path;
    }
    let mut levels: Vec<String> = path.split(" > ").map(str::to_string).collect();
    let last = levels.pop().unwrap_or_default();
    levels.push(match nth % 4 {
        0 => last.replace(" & ", " and "),
        1 => match last.rsplit_once(" & ") {
            Some((first, second)) => format!("{second} & {first}"),
            None => last,
        },
        2 => last.strip_suffix('s').map_or(last.clone(), str::to_string),
        _ => last.replacen(' ', " and ", usize::from(last.matches(' ').count() == 2)),
    });
    levels.join(" > ")
}

/// Every single edit of a text in its letters.
fn typos(text: &str) -> BTreeSet<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut typos = BTreeSet::new();
    for i in 0..=chars.len() {
        let (before, after) = chars.split_at(i);
        let mut add = |middle: &[char], after: &[char]| {
            typos.insert(before.iter().chain(middle).chain(after).collect::<String>());
        };
        for letter in 'a'..='z' {
            add(&[letter], after);
            if !after.is_empty() {
                add(&[letter], &after[1..]);
            }
        }
        if !after.is_empty() {
            add(&[], &after[1..]);
        }
        if after.len() > 1 {
            add(&[after[1], after[0]], &after[2..]);
        }
    }
    typos
}

/// 120 dotted codes as shops give their categories.
fn codes() -> Vec<String> {
    let groups = [
        (
            "appliances.kitchen",
            "oven,dishwasher,refrigerators,washer,hood,kettle,blender,toaster,mixer,\
             grill,juicer,microwave",
        ),
        ("appliances.personal", "massager,scales,hair_cutter,shaver,epilator"),
        ("appliances.environment", "vacuum,air_heater,air_conditioner,water_heater,fan,climate"),
        ("electronics.audio", "headphone,subwoofer,acoustic,dictaphone,microphone,amplifier"),
        ("electronics.video", "tv,projector,media_player"),
        ("electronics", "smartphone,tablet,telephone,clocks,camera"),
        (
            "computers.components",
            "cpu,hdd,ssd,memory,motherboard,videocards,power_supply,cooler,sound_card,tower",
        ),
        (
            "computers.peripherals",
            "keyboard,mouse,monitor,printer,scanner,camera,joystick,wireless_router",
        ),
        ("computers", "notebook,desktop,ebooks"),
        (
            "apparel",
            "shirt,skirt,jeans,jumper,trousers,dress,scarf,belt,glove,sock,underwear,\
             costume,pajamas,tshirt",
        ),
        ("apparel.shoes", "keds,sandals,slipons,espadrilles,moccasins,step_ins,ballet"),
        ("furniture.bedroom", "bed,blanket,pillow,mattress"),
        ("furniture.living_room", "sofa,cabinet,chair,shelving,table"),
        ("furniture.kitchen", "table,chair,sink"),
        ("construction.tools", "drill,saw,welding,light,generator,pump,painting,screw,axe"),
        (
            "auto.accessories",
            "alarm,compressor,gps,player,parktronic,radar,videoregister,winch,anti_freeze",
        ),
        ("kids", "carriage,swing,toys,dolls,skates,fmcg.diapers"),
        ("sport", "bicycle,ski,snowboard,tennis,trainer,diving"),
    ];
    let code = |group: &str, names: &str| -> Vec<String> {
        names.split(',').map(|name| format!("{group}.{name}")).collect()
    };
    groups.iter().flat_map(|(group, names)| code(group, names)).collect()
}

/// How values with a known entry fared, by threshold.
#[derive(Default, Clone, Copy)]
struct Tally {
    right: usize,
    wrong: usize,
    refused: usize,
    below: usize,
}

impl Tally {
    fn print(&self, threshold: f64) {
        let total = (self.right + self.wrong + self.refused + self.below) as f64;
        let percent = |n: usize| 100.0 * n as f64 / total;
        let precision = 100.0 * self.right as f64 / (self.right + self.wrong).max(1) as f64;
        println!(
            "| {threshold} | {:.2} % | {precision:.2} % | {:.2} % | {:.2} % | {} |",
            percent(self.right),
            percent(self.refused),
            percent(self.below),
            self.wrong
        );
    }
}

fn table(name: &str, entries: &[String], values: &[(String, usize)]) {
    let started = Instant::now();
    let vocabulary = vocabulary(entries);
    let prepared = started.elapsed();
    println!("\n### {name}: {} values, {} entries\n", values.len(), entries.len());
    println!(
        "| `min_similarity` | recall | precision | refused as ambiguous | below | wrong \
         |\n|---|---|---|---|---|---|"
    );
    let mut last = prepared;
    for threshold in THRESHOLDS {
        let started = Instant::now();
        let mut tally = Tally::default();
        for (value, entry) in values {
            let found = vocabulary.best_match(value, threshold);
            match found.entry {
                Some(found) if found == *entry => tally.right += 1,
                Some(_) => tally.wrong += 1,
                None if found.rule == Rule::Ambiguous => tally.refused += 1,
                None => tally.below += 1,
            }
        }
        if threshold == 0.75 {
            last = started.elapsed();
        }
        tally.print(threshold);
    }
    println!(
        "\nPrepared in {:.2} s, matched at 0.75 in {:.2} s.",
        prepared.as_secs_f64(),
        last.as_secs_f64()
    );
}

fn vocabulary(entries: &[String]) -> Vocabulary {
    Vocabulary::new(entries.iter().map(|entry| (entry.as_str(), vec![]))).expect(
        "entries with \
        text",
    )
}

/// The share of values that get an entry although their own is missing from the vocabulary, by
/// threshold.
fn absent(name: &str, entries: &[String], values: &[(String, usize)]) {
    let mut by_entry: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    values.iter().for_each(|(value, entry)| by_entry.entry(*entry).or_default().push(value));
    // A tenth of the entries is taken away at a time, so that their neighbours remain.
    let mut guessed = [0; THRESHOLDS.len()];
    for fold in 0..10 {
        let rest: Vec<String> = entries
            .iter()
            .enumerate()
            .filter(|(i, _)| i % 10 != fold)
            .map(|(_, entry)| entry.clone())
            .collect();
        let vocabulary = vocabulary(&rest);
        let missing =
            by_entry.iter().filter(|(entry, _)| *entry % 10 == fold).flat_map(|(_, values)| values);
        for value in missing {
            for (guessed, threshold) in guessed.iter_mut().zip(THRESHOLDS) {
                *guessed += usize::from(vocabulary.best_match(value, threshold).entry.is_some());
            }
        }
    }
    let shares = guessed
        .map(|guessed| format!("{:.1} %", 100.0 * f64::from(guessed as u32) / values.len() as f64));
    println!(
        "\n| {name}, {} values whose entry is absent | {} |",
        values.len(),
        shares.join(" | ")
    );
}

/// What the most similar entry would be without any rule of refusal: the measure alone.
fn nearest(
    entries: &[String],
    values: &[(String, usize)],
    measure: impl Fn(&str, &str) -> f64,
) -> f64 {
    let right = values.iter().filter(|(value, own)| {
        let own_similarity = measure(value, &entries[*own]);
        entries
            .iter()
            .enumerate()
            .all(|(i, entry)| i == *own || measure(value, entry) < own_similarity)
    });
    100.0 * right.count() as f64 / values.len() as f64
}

/// The American paths of [`GOODS`], and further ones that are no goods.
fn entries_of_goods() -> Vec<String> {
    let mut entries: Vec<String> = goods().into_iter().map(|(american, _)| american).collect();
    let others: Vec<String> =
        taxonomy().into_iter().filter(|path| !entries.contains(path)).collect();
    let n_others = 5582 - entries.len();
    entries.extend(others.into_iter().take(n_others));
    entries
}

/// The paths of [`GOODS`] that the British write otherwise.
fn of_goods() {
    let entries = entries_of_goods();
    let british = goods().into_iter().map(|(_, british)| british).enumerate();
    let values: Vec<(String, usize)> =
        british.filter(|(i, value)| *value != entries[*i]).map(|(i, value)| (value, i)).collect();
    let below_the_first = |path: &str| path.split_once(" > ").map(|(_, rest)| rest.to_string());
    let beyond_the_first: Vec<(String, usize)> = values
        .iter()
        .filter(|(value, i)| below_the_first(value) != below_the_first(&entries[*i]))
        .cloned()
        .collect();
    for separator in [" > ", " / ", " | ", "::"] {
        let written = |path: &String| path.replace(" > ", separator);
        let entries: Vec<String> = entries.iter().map(written).collect();
        let values: Vec<(String, usize)> =
            values.iter().map(|(value, i)| (written(value), *i)).collect();
        table(
            &format!("Goods, British wording, levels joined by `{separator}`"),
            &entries,
            &values,
        );
    }
    table("Goods, those that differ below the first level", &entries, &beyond_the_first);
    baselines(&entries, &beyond_the_first.iter().step_by(5).cloned().collect::<Vec<_>>());
    absent(
        "Goods, British wording",
        &entries,
        &values.iter().step_by(5).cloned().collect::<Vec<_>>(),
    );
    let clean: Vec<_> = entries.iter().cloned().enumerate().map(|(i, path)| (path, i)).collect();
    absent(
        "Goods, clean",
        &entries,
        &clean[..goods().len()].iter().step_by(7).cloned().collect::<Vec<_>>(),
    );
    println!("All of them, one in five:");
    baselines(&entries, &values.iter().step_by(5).cloned().collect::<Vec<_>>());
}

/// The paths of [`GOODS`] as two shops reword them: the conditions of matching were chosen with the
/// first one.
fn of_shops() {
    let entries = entries_of_goods();
    let known: BTreeSet<String> = entries.iter().map(|entry| entry.to_lowercase()).collect();
    for shop in 0..2 {
        let reworded = reworded_goods(shop).into_iter().map(|(_, reworded)| reworded).enumerate();
        let values: Vec<(String, usize)> = reworded
            .filter(|(_, value)| !known.contains(&value.to_lowercase()))
            .map(|(i, value)| (value, i))
            .collect();
        table(&format!("Goods, reworded by shop {shop}"), &entries, &values);
        let sample = |step| values.iter().step_by(step).cloned().collect::<Vec<_>>();
        absent(&format!("Goods, reworded by shop {shop}"), &entries, &sample(10));
        baselines(&entries, &sample(10));
    }
}

/// How often the nearest entry alone is the right one, by our measure and by others.
fn baselines(entries: &[String], sample: &[(String, usize)]) {
    let levenshtein = |a: &str, b: &str| {
        rapidfuzz::distance::levenshtein::normalized_similarity(a.chars(), b.chars())
    };
    let jaro_winkler =
        |a: &str, b: &str| rapidfuzz::distance::jaro_winkler::similarity(a.chars(), b.chars());
    println!(
        "\nThe nearest entry, never refused: {:.1} % by `category_similarity`, {:.1} % by \
         Levenshtein, {:.1} % by Jaro-Winkler.",
        nearest(entries, sample, similarity),
        nearest(entries, sample, levenshtein),
        nearest(entries, sample, jaro_winkler),
    );
}

fn main() {
    let only = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    if only.as_deref().is_none_or(|only| only == "goods") {
        of_goods();
    }
    if only.as_deref().is_none_or(|only| only == "shops") {
        of_shops();
    }
    if only.as_deref().is_none_or(|only| only == "codes") {
        of_codes();
    }
    if only.as_deref().is_none_or(|only| only == "wordings") {
        of_wordings();
    }
}

/// Single typos of dotted codes.
fn of_codes() {
    let codes = codes();
    let mut values = Vec::new();
    for (i, code) in codes.iter().enumerate() {
        values.extend(
            typos(code).into_iter().filter(|typo| !codes.contains(typo)).map(|typo| (typo, i)),
        );
    }
    table("Single typos of dotted codes", &codes, &values);
    absent("Single typos", &codes, &values.iter().step_by(20).cloned().collect::<Vec<_>>());
    let themselves: Vec<_> = codes.iter().cloned().enumerate().map(|(i, code)| (code, i)).collect();
    absent("Clean codes", &codes, &themselves);
}

/// British wordings of a generated taxonomy, one kind of difference at a time.
fn of_wordings() {
    let paths = taxonomy();
    let sets = [
        ("British spelling", Wording::Spelling, 2),
        ("British words", Wording::Words, 1),
        (
            "British spelling, order, plural and small words; other words in every fifth",
            Wording::Mixed,
            4,
        ),
    ];
    for (name, wording, step) in sets {
        let changed = |(i, path): (usize, &String)| {
            let wording = match wording {
                Wording::Mixed if i % 5 == 0 => Wording::MixedWithWords,
                wording => wording,
            };
            let value = british(path, wording, i);
            (value != *path && !paths.contains(&value)).then_some((value, i))
        };
        let values: Vec<_> = paths.iter().enumerate().filter_map(changed).step_by(step).collect();
        table(name, &paths, &values);
        let sample: Vec<_> = values.iter().step_by(25).cloned().collect();
        absent(name, &paths, &values.iter().step_by(5).cloned().collect::<Vec<_>>());
        baselines(&paths, &sample);
    }
    let clean: Vec<_> = paths.iter().enumerate().map(|(i, path)| (path.clone(), i)).collect();
    absent("Clean paths", &paths, &clean.iter().step_by(7).cloned().collect::<Vec<_>>());
}

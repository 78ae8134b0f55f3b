//! The marketplace's catalogue: categories with their weight, prices, appeal to buyers, and the
//! brands sold in them.

use std::sync::LazyLock;

use crate::synth::random::normal_quantile;

/// What all products of one category have in common.
pub(super) struct Category {
    /// Dotted path; `None` for the categories that the shop never named.
    pub code: Option<&'static str>,
    /// Share of all events.
    pub weight: f64,
    /// Mean and standard deviation of ln(price) over events.
    pub ln_price: (f64, f64),
    /// Share of events whose product has no brand.
    pub unbranded: f64,
    /// How much likelier than elsewhere a view leads on to a cart or a purchase.
    pub appeal: f64,
    /// Known brands by falling popularity.
    pub brands: &'static [&'static str],
    /// Share of the products with a brand whose brand is a rare one, see [`rare_brand`].
    pub rare_brands: f64,
}

/// Number of rare brands, and how far apart they start in one category and the next.
pub(super) const RARE_BRANDS: usize = 3_000;
pub(super) const RARE_BRANDS_STEP: usize = 89;
/// Share of rare brands: phones are made by few.
const RARE: f64 = 0.4;
const RARE_PHONES: f64 = 0.02;

/// One of the [`RARE_BRANDS`] that shops have besides the known ones; the names are made of
/// syllables.
pub(super) fn rare_brand(index: usize) -> &'static str {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let syllables: Vec<String> = "bdfgklmnprstvz"
            .chars()
            .flat_map(|c| "aeiou".chars().map(move |v| format!("{c}{v}")))
            .collect();
        let n = syllables.len();
        (0..RARE_BRANDS)
            .map(|i| {
                // A step without a common divisor with n * n: all pairs are different.
                let pair = i * 1_117 % (n * n);
                let ending = ["lan", "tex", "mar", "dor", "vit"][i % 5];
                format!("{}{}{ending}", syllables[pair / n], syllables[pair % n])
            })
            .collect()
    });
    &NAMES[index]
}

/// Share of events in categories without a code.
const UNCODED_WEIGHT: f64 = 0.32;
const UNCODED_CATEGORIES: usize = 60;
/// Share of events without a brand among those categories.
const UNCODED_UNBRANDED: f64 = 0.276;
/// Mean of ln(price) over the uncoded categories, spread between them, and spread inside each.
const UNCODED_LN_PRICE: (f64, f64, f64) = (4.63, 0.95, 0.85);

/// All categories, heaviest first; the weights sum to 1.
pub(super) fn categories() -> Vec<Category> {
    let coded_total: f64 = CODED.iter().map(|row| row.1).sum();
    let mut categories: Vec<Category> = CODED
        .iter()
        .map(|&(code, weight, mean, deviation, unbranded, appeal, brands)| Category {
            code: Some(code),
            weight: weight / coded_total * (1.0 - UNCODED_WEIGHT),
            ln_price: (mean, deviation),
            unbranded,
            appeal,
            brands,
            rare_brands: if code == "electronics.smartphone" { RARE_PHONES } else { RARE },
        })
        .collect();
    let uncoded_weight = |i: usize| 1.0 / (i as f64 + 10.0);
    let uncoded_total: f64 = (0..UNCODED_CATEGORIES).map(uncoded_weight).sum();
    let (mean, between, within) = UNCODED_LN_PRICE;
    categories.extend((0..UNCODED_CATEGORIES).map(|i| {
        // Multiples of the golden ratio: evenly spread quantiles in an order unlike that of the
        // weights.
        let quantile = (0.5 + i as f64 * 0.618_033_988_749_894_9).fract();
        Category {
            code: None,
            weight: uncoded_weight(i) / uncoded_total * UNCODED_WEIGHT,
            ln_price: (mean + between * normal_quantile(quantile), within),
            unbranded: UNCODED_UNBRANDED,
            appeal: 0.7,
            brands: [VARIOUS, HOME, WHEELS, CLOTHES][i % 4],
            rare_brands: RARE,
        }
    }));
    categories.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    categories
}

const PHONES: &[&str] = &[
    "samsung", "apple", "xiaomi", "huawei", "oppo", "honor", "sony", "meizu", "vivo", "oneplus",
    "nokia",
];
const FEATURE_PHONES: &[&str] = &["nokia", "samsung", "philips", "panasonic", "alcatel", "texet"];
const WATCHES: &[&str] = &[
    "apple", "casio", "samsung", "xiaomi", "garmin", "citizen", "tissot", "orient", "fossil",
    "timex",
];
const COMPUTERS: &[&str] =
    &["lenovo", "acer", "hp", "asus", "apple", "dell", "msi", "huawei", "xiaomi"];
const COMPONENTS: &[&str] =
    &["gigabyte", "msi", "asus", "intel", "amd", "kingston", "seagate", "corsair", "deepcool"];
const PERIPHERALS: &[&str] =
    &["logitech", "hp", "canon", "epson", "samsung", "lg", "razer", "a4tech", "genius"];
const AUDIO: &[&str] =
    &["apple", "jbl", "samsung", "sony", "xiaomi", "sennheiser", "marshall", "pioneer", "yamaha"];
const SCREENS: &[&str] =
    &["samsung", "lg", "sony", "artel", "philips", "tcl", "hisense", "panasonic", "epson"];
const LARGE_APPLIANCES: &[&str] = &[
    "lg",
    "samsung",
    "bosch",
    "indesit",
    "beko",
    "haier",
    "midea",
    "electrolux",
    "atlant",
    "gorenje",
    "whirlpool",
];
const SMALL_APPLIANCES: &[&str] = &[
    "redmond", "bosch", "polaris", "vitek", "philips", "tefal", "braun", "scarlett", "moulinex",
    "kenwood",
];
const CLIMATE: &[&str] = &[
    "samsung",
    "karcher",
    "elenberg",
    "dyson",
    "electrolux",
    "ballu",
    "oasis",
    "ariston",
    "polaris",
];
const CAR: &[&str] =
    &["pioneer", "starline", "sony", "alpine", "jvc", "kenwood", "pandora", "sheriff", "neoline"];
const SHOES: &[&str] = &[
    "respect",
    "rieker",
    "salamander",
    "nike",
    "adidas",
    "puma",
    "baden",
    "reebok",
    "crocs",
    "geox",
];
const CLOTHES: &[&str] =
    &["baden", "karya", "levis", "adidas", "nike", "puma", "columbia", "wrangler", "sokolov"];
const FURNITURE: &[&str] = &["brw", "stolline", "ikea", "dreamline", "halmar", "ormatek", "askona"];
const TOOLS: &[&str] =
    &["bosch", "makita", "huter", "dewalt", "metabo", "interskol", "stihl", "husqvarna", "patriot"];
const SPORT: &[&str] =
    &["stels", "force", "trek", "giant", "atomic", "fischer", "wilson", "torneo", "kettler"];
const KIDS: &[&str] =
    &["lego", "barbie", "chicco", "pampers", "huggies", "adamex", "hasbro", "inglesina"];
const HEALTH: &[&str] = &["omron", "beurer", "microlife", "and", "braun"];
const HOME: &[&str] = &[
    "lucente",
    "luminarc",
    "gipfel",
    "tefal",
    "philips",
    "zwilling",
    "pyrex",
    "tramontina",
    "dormeo",
];
const WHEELS: &[&str] = &[
    "cordiant",
    "triangle",
    "nokian",
    "yokohama",
    "bridgestone",
    "michelin",
    "pirelli",
    "hankook",
    "skad",
    "viatti",
];
const VARIOUS: &[&str] = &[
    "sokolov",
    "shiseido",
    "loreal",
    "nivea",
    "bosch",
    "xiaomi",
    "samsung",
    "playstation",
    "canon",
    "milavitsa",
];

type Row = (&'static str, f64, f64, f64, f64, f64, &'static [&'static str]);

/// Code, relative weight, mean and deviation of ln(price) before its tails are stretched, share
/// without a brand, appeal, brands.
#[rustfmt::skip]
const CODED: &[Row] = &[
    ("electronics.smartphone", 28.5, 5.87, 0.85, 0.004, 1.7, PHONES),
    ("electronics.clocks", 3.4, 5.15, 1.15, 0.14, 0.9, WATCHES),
    ("computers.notebook", 3.1, 6.42, 0.74, 0.01, 0.7, COMPUTERS),
    ("electronics.video.tv", 3.2, 5.95, 0.70, 0.02, 1.2, SCREENS),
    ("electronics.audio.headphone", 2.8, 4.30, 1.15, 0.03, 1.9, AUDIO),
    ("apparel.shoes", 2.4, 4.40, 0.50, 0.22, 0.4, SHOES),
    ("appliances.environment.vacuum", 2.2, 4.75, 0.85, 0.09, 1.1, CLIMATE),
    ("appliances.kitchen.refrigerators", 1.8, 5.80, 0.60, 0.12, 0.9, LARGE_APPLIANCES),
    ("appliances.kitchen.washer", 1.7, 5.70, 0.50, 0.03, 1.2, LARGE_APPLIANCES),
    ("auto.accessories.player", 1.1, 4.50, 0.65, 0.30, 0.5, CAR),
    ("electronics.tablet", 1.0, 5.50, 0.95, 0.02, 0.9, PHONES),
    ("apparel.shoes.keds", 1.0, 4.30, 0.45, 0.20, 0.4, SHOES),
    ("electronics.telephone", 0.9, 3.30, 0.60, 0.02, 1.3, FEATURE_PHONES),
    ("furniture.living_room.cabinet", 0.8, 5.50, 0.50, 0.45, 0.3, FURNITURE),
    ("furniture.bedroom.bed", 0.8, 5.20, 0.70, 0.40, 0.3, FURNITURE),
    ("computers.desktop", 0.8, 6.20, 0.80, 0.05, 0.5, COMPUTERS),
    ("appliances.environment.air_heater", 0.7, 3.60, 0.60, 0.12, 1.0, CLIMATE),
    ("furniture.living_room.sofa", 0.7, 6.20, 0.40, 0.70, 0.3, FURNITURE),
    ("appliances.kitchen.meat_grinder", 0.6, 4.30, 0.55, 0.10, 1.0, SMALL_APPLIANCES),
    ("auto.accessories.alarm", 0.6, 4.75, 0.45, 0.03, 0.7, CAR),
    ("appliances.environment.water_heater", 0.6, 4.65, 0.50, 0.10, 0.9, CLIMATE),
    ("accessories.bag", 0.6, 3.95, 0.85, 0.18, 0.4, CLOTHES),
    ("appliances.kitchen.microwave", 0.6, 4.50, 0.55, 0.02, 1.2, LARGE_APPLIANCES),
    ("appliances.kitchen.blender", 0.6, 3.90, 0.60, 0.02, 1.1, SMALL_APPLIANCES),
    ("appliances.iron", 0.5, 3.40, 0.70, 0.02, 1.1, SMALL_APPLIANCES),
    ("kids.carriage", 0.5, 5.00, 0.60, 0.20, 0.4, KIDS),
    ("electronics.audio.subwoofer", 0.5, 4.50, 0.65, 0.20, 0.5, AUDIO),
    ("sport.bicycle", 0.5, 5.60, 0.90, 0.08, 0.4, SPORT),
    ("appliances.kitchen.oven", 0.5, 5.00, 0.80, 0.03, 0.8, LARGE_APPLIANCES),
    ("construction.tools.drill", 0.5, 4.40, 0.75, 0.15, 0.8, TOOLS),
    ("auto.accessories.videoregister", 0.4, 4.50, 0.70, 0.20, 0.7, CAR),
    ("appliances.environment.air_conditioner", 0.4, 5.60, 0.50, 0.06, 0.7, CLIMATE),
    ("computers.components.videocards", 0.4, 5.70, 0.80, 0.01, 0.7, COMPONENTS),
    ("construction.tools.saw", 0.4, 5.00, 0.85, 0.12, 0.6, TOOLS),
    ("appliances.kitchen.kettle", 0.4, 3.45, 0.75, 0.03, 1.2, SMALL_APPLIANCES),
    ("appliances.sewing_machine", 0.4, 5.40, 0.80, 0.02, 0.8, SMALL_APPLIANCES),
    ("appliances.kitchen.hood", 0.4, 4.50, 0.60, 0.06, 0.7, LARGE_APPLIANCES),
    ("computers.peripherals.monitor", 0.4, 5.10, 0.80, 0.02, 0.8, PERIPHERALS),
    ("appliances.kitchen.dishwasher", 0.3, 5.90, 0.40, 0.02, 0.9, LARGE_APPLIANCES),
    ("appliances.kitchen.hob", 0.3, 5.20, 0.60, 0.02, 0.8, LARGE_APPLIANCES),
    ("appliances.kitchen.mixer", 0.3, 3.60, 0.90, 0.03, 1.0, SMALL_APPLIANCES),
    ("computers.peripherals.printer", 0.3, 5.00, 0.50, 0.03, 1.1, PERIPHERALS),
    ("furniture.living_room.shelving", 0.1, 4.90, 0.60, 0.45, 0.3, FURNITURE),
    ("furniture.kitchen.table", 0.3, 4.90, 0.80, 0.45, 0.3, FURNITURE),
    ("furniture.kitchen.chair", 0.3, 4.00, 0.70, 0.40, 0.4, FURNITURE),
    ("furniture.living_room.chair", 0.3, 5.10, 0.70, 0.40, 0.3, FURNITURE),
    ("furniture.bathroom.bath", 0.3, 5.30, 0.70, 0.20, 0.3, HOME),
    ("appliances.kitchen.grill", 0.3, 4.90, 0.55, 0.03, 0.8, SMALL_APPLIANCES),
    ("appliances.kitchen.coffee_machine", 0.3, 5.40, 0.90, 0.02, 0.8, SMALL_APPLIANCES),
    ("construction.tools.welding", 0.3, 5.20, 0.70, 0.20, 0.6, TOOLS),
    ("kids.toys", 0.3, 3.30, 0.85, 0.25, 0.5, KIDS),
    ("construction.tools.light", 0.3, 3.60, 1.10, 0.40, 0.8, TOOLS),
    ("construction.tools.pump", 0.25, 4.40, 0.70, 0.35, 0.6, TOOLS),
    ("computers.components.hdd", 0.25, 4.00, 0.50, 0.01, 1.1, COMPONENTS),
    ("computers.components.cpu", 0.2, 5.10, 0.70, 0.01, 0.8, COMPONENTS),
    ("computers.components.motherboard", 0.2, 4.70, 0.50, 0.01, 0.7, COMPONENTS),
    ("computers.components.memory", 0.2, 4.00, 0.70, 0.05, 1.0, COMPONENTS),
    ("computers.components.power_supply", 0.15, 4.20, 0.45, 0.04, 0.8, COMPONENTS),
    ("computers.components.cooler", 0.15, 3.40, 0.80, 0.04, 0.9, COMPONENTS),
    ("computers.peripherals.mouse", 0.2, 3.20, 1.00, 0.06, 1.0, PERIPHERALS),
    ("computers.peripherals.keyboard", 0.2, 3.60, 0.80, 0.06, 0.9, PERIPHERALS),
    ("computers.ebooks", 0.1, 4.90, 0.40, 0.02, 0.8, COMPUTERS),
    ("electronics.audio.acoustic", 0.25, 4.60, 0.80, 0.04, 1.0, AUDIO),
    ("electronics.audio.microphone", 0.12, 3.90, 1.00, 0.12, 0.6, AUDIO),
    ("electronics.audio.music_tools.piano", 0.16, 5.80, 0.70, 0.05, 0.3, AUDIO),
    ("electronics.camera.photo", 0.15, 6.40, 0.50, 0.02, 0.5, PERIPHERALS),
    ("electronics.camera.video", 0.15, 5.30, 0.50, 0.05, 0.7, PERIPHERALS),
    ("electronics.video.projector", 0.15, 5.90, 0.80, 0.10, 0.4, SCREENS),
    ("appliances.personal.hair_cutter", 0.2, 3.40, 0.60, 0.02, 1.2, SMALL_APPLIANCES),
    ("appliances.personal.scales", 0.2, 2.90, 0.50, 0.04, 1.1, SMALL_APPLIANCES),
    ("appliances.personal.massager", 0.1, 4.00, 0.90, 0.15, 0.6, SMALL_APPLIANCES),
    ("appliances.kitchen.juicer", 0.15, 4.60, 0.60, 0.03, 0.8, SMALL_APPLIANCES),
    ("appliances.kitchen.steam_cooker", 0.1, 4.00, 0.50, 0.03, 1.0, SMALL_APPLIANCES),
    ("appliances.kitchen.toster", 0.12, 3.60, 0.60, 0.05, 1.0, SMALL_APPLIANCES),
    ("appliances.kitchen.coffee_grinder", 0.1, 3.20, 0.50, 0.03, 1.1, SMALL_APPLIANCES),
    ("appliances.ironing_board", 0.1, 3.60, 0.40, 0.10, 1.0, HOME),
    ("appliances.environment.fan", 0.1, 3.40, 0.60, 0.10, 0.8, CLIMATE),
    ("appliances.steam_cleaner", 0.08, 4.80, 0.60, 0.02, 0.8, CLIMATE),
    ("apparel.shoes.sandals", 0.25, 3.90, 0.40, 0.20, 0.4, SHOES),
    ("apparel.shoes.slipons", 0.15, 4.00, 0.50, 0.20, 0.4, SHOES),
    ("apparel.shoes.moccasins", 0.15, 4.20, 0.45, 0.15, 0.4, SHOES),
    ("apparel.shoes.ballet_shoes", 0.1, 3.60, 0.50, 0.30, 0.4, SHOES),
    ("apparel.shoes.espadrilles", 0.08, 3.50, 0.40, 0.15, 0.3, SHOES),
    ("apparel.shoes.step_ins", 0.08, 3.90, 0.40, 0.15, 0.4, SHOES),
    ("apparel.costume", 0.25, 4.30, 0.60, 0.60, 0.3, CLOTHES),
    ("apparel.trousers", 0.15, 3.70, 0.50, 0.35, 0.3, CLOTHES),
    ("apparel.jeans", 0.15, 3.90, 0.45, 0.35, 0.3, CLOTHES),
    ("apparel.tshirt", 0.12, 3.20, 0.50, 0.35, 0.4, CLOTHES),
    ("apparel.shirt", 0.12, 3.50, 0.45, 0.35, 0.3, CLOTHES),
    ("apparel.dress", 0.12, 3.80, 0.50, 0.40, 0.3, CLOTHES),
    ("apparel.underwear", 0.12, 3.00, 0.45, 0.20, 0.4, CLOTHES),
    ("apparel.jacket", 0.1, 4.50, 0.60, 0.40, 0.3, CLOTHES),
    ("apparel.scarf", 0.08, 3.00, 0.50, 0.30, 0.3, CLOTHES),
    ("apparel.belt", 0.05, 3.30, 0.50, 0.30, 0.4, CLOTHES),
    ("apparel.shorts", 0.06, 3.20, 0.45, 0.30, 0.3, CLOTHES),
    ("apparel.sock", 0.05, 2.20, 0.50, 0.30, 0.5, CLOTHES),
    ("accessories.wallet", 0.15, 3.70, 0.50, 0.10, 0.4, CLOTHES),
    ("accessories.umbrella", 0.06, 3.20, 0.40, 0.15, 0.5, CLOTHES),
    ("kids.dolls", 0.12, 3.20, 0.70, 0.30, 0.5, KIDS),
    ("kids.skates", 0.15, 5.30, 0.80, 0.15, 0.4, SPORT),
    ("kids.swing", 0.1, 4.90, 0.60, 0.40, 0.3, KIDS),
    ("kids.fmcg.diapers", 0.1, 2.40, 0.60, 0.05, 1.2, KIDS),
    ("furniture.bedroom.pillow", 0.12, 3.00, 0.70, 0.35, 0.5, HOME),
    ("furniture.bedroom.blanket", 0.12, 3.70, 0.60, 0.35, 0.5, HOME),
    ("furniture.bathroom.toilet", 0.12, 4.50, 0.50, 0.15, 0.4, HOME),
    ("furniture.universal.light", 0.1, 4.60, 1.10, 0.20, 0.3, HOME),
    ("auto.accessories.compressor", 0.12, 4.00, 0.60, 0.25, 0.8, CAR),
    ("auto.accessories.radar", 0.12, 4.80, 0.60, 0.10, 0.7, CAR),
    ("auto.accessories.winch", 0.05, 5.60, 0.60, 0.20, 0.3, CAR),
    ("auto.accessories.parktronic", 0.05, 3.80, 0.60, 0.20, 0.6, CAR),
    ("construction.tools.generator", 0.15, 5.50, 0.80, 0.10, 0.5, TOOLS),
    ("construction.components.faucet", 0.12, 3.70, 0.60, 0.20, 0.6, HOME),
    ("country_yard.cultivator", 0.06, 5.60, 0.70, 0.10, 0.4, TOOLS),
    ("country_yard.lawn_mower", 0.05, 5.20, 0.70, 0.10, 0.4, TOOLS),
    ("country_yard.furniture.hammok", 0.05, 4.20, 0.80, 0.30, 0.3, FURNITURE),
    ("medicine.tools.tonometer", 0.12, 3.80, 0.45, 0.10, 1.1, HEALTH),
    ("sport.trainer", 0.12, 5.50, 0.80, 0.15, 0.3, SPORT),
    ("sport.tennis", 0.05, 4.20, 0.90, 0.20, 0.4, SPORT),
    ("sport.ski", 0.08, 5.50, 0.60, 0.10, 0.4, SPORT),
    ("sport.snowboard", 0.06, 5.50, 0.50, 0.10, 0.4, SPORT),
    ("stationery.cartrige", 0.12, 2.80, 0.70, 0.10, 1.4, PERIPHERALS),
];

/// Spellings as people type them of the event types and of some codes and brands of the catalogue.
pub(super) const MISSPELT: &[(&str, [&str; 3])] = &[
    ("view", ["vieww", "VIEW ", "veiw"]),
    ("cart", ["cartt", "CART", " cart"]),
    ("purchase", ["purchse", "Purchase ", "purchace"]),
    (
        "electronics.smartphone",
        ["Electronics.Smartphone", "electronics.smartphne", "electronics.smart_phone"],
    ),
    ("electronics.clocks", ["ELECTRONICS.CLOCKS", "electronics.cloks", "electronics.clocks "]),
    (
        "electronics.video.tv",
        ["Electronics.Video.TV", "electronics.vidoe.tv", " electronics.video.tv"],
    ),
    (
        "electronics.audio.headphone",
        [
            "electronics.audio.headphones",
            "electronic.audio.headphone",
            "Electronics.Audio.Headphone",
        ],
    ),
    ("computers.notebook", ["computers.note_book", "computer.notebook", "Computers.Notebook"]),
    ("apparel.shoes", ["Apparel.Shoes", "aparel.shoes", "apparel.shoess"]),
    (
        "appliances.environment.vacuum",
        [
            "appliances.environment.vaccum",
            "APPLIANCES.ENVIRONMENT.VACUUM",
            "appliance.environment.vacuum",
        ],
    ),
    (
        "appliances.kitchen.refrigerators",
        [
            "appliances.kitchen.refrigerator",
            "appliances.kitchen.refridgerators",
            "Appliances.Kitchen.Refrigerators",
        ],
    ),
    ("samsung", ["Samsung", "SAMSUNG", "samsumg"]),
    ("apple", ["Apple", "aple", "apple "]),
    ("xiaomi", ["Xiaomi", "xaomi", "xiaomi "]),
    ("huawei", ["Huawei", "HUAWEI", "huwaei"]),
    ("bosch", ["Bosch", "BOSCH", "bosh"]),
    ("sony", ["Sony", "SONY", " sony"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn weights_sum_to_one_and_fall() {
        let categories = categories();
        assert!((categories.iter().map(|c| c.weight).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(categories.windows(2).all(|pair| pair[0].weight >= pair[1].weight));
        assert_eq!(categories[0].code, Some("electronics.smartphone"));
    }

    #[test]
    fn codes_are_distinct_lower_case_paths_of_two_to_four_levels() {
        let codes: HashSet<&str> = CODED.iter().map(|row| row.0).collect();
        assert_eq!(codes.len(), CODED.len());
        for code in codes {
            assert!((2..=4).contains(&code.split('.').count()), "{code}");
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_'),
                "{code}"
            );
        }
    }

    #[test]
    fn no_misspelling_is_a_right_spelling() {
        let brands = CODED
            .iter()
            .flat_map(|row| row.6.iter().copied())
            .chain((0..RARE_BRANDS).map(rare_brand));
        let right: HashSet<&str> = CODED
            .iter()
            .map(|row| row.0)
            .chain(brands)
            .chain(["view", "cart", "purchase"])
            .collect();
        for (word, variants) in MISSPELT {
            assert!(right.contains(word), "{word}");
            assert!(variants.iter().all(|variant| !right.contains(variant)), "{word}");
        }
    }

    #[test]
    fn rare_brands_are_all_different_and_none_is_a_known_one() {
        let rare: HashSet<&str> = (0..RARE_BRANDS).map(rare_brand).collect();
        assert_eq!(rare.len(), RARE_BRANDS);
        assert!(
            categories()
                .iter()
                .all(|category| category.brands.iter().all(|brand| !rare.contains(brand)))
        );
    }
}

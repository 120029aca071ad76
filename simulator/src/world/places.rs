//! Cities, streets and names in Utah.

/// A city, as its enumeration members name it.
#[derive(Debug)]
pub struct Place {
    /// Member of `City` and `PostalCity`.
    pub city: &'static str,
    /// The display name of the city.
    pub name: &'static str,
    /// Member of `CountyOrParish`.
    pub county: &'static str,
    /// Member of `District`.
    pub district: &'static str,
    pub postal_codes: &'static [&'static str],
    pub longitude: f64,
    pub latitude: f64,
    /// The median price of a house.
    pub median_price: i64,
    /// The relative number of listings.
    pub share: u64,
    /// Member of `AOR`: the association of the city's agents.
    pub board: &'static str,
}

macro_rules! places {
    ($($city:literal, $name:literal, $county:literal, $district:literal, $board:literal,
       [$($zip:literal),+], $longitude:literal, $latitude:literal, $median:literal, $share:literal;)+) => {
        &[$(Place {
            city: $city, name: $name, county: $county, district: $district, board: $board,
            postal_codes: &[$($zip),+], longitude: $longitude, latitude: $latitude,
            median_price: $median, share: $share,
        }),+]
    };
}

/// The cities of the market.
pub const PLACES: &[Place] = places![
    "SaltLakeCity", "Salt Lake City", "SaltLake", "SaltLake", "SaltLakeBoard", ["84101", "84102", "84103", "84105", "84108", "84116"], -111.891, 40.761, 560_000, 118;
    "WestValleyCity", "West Valley City", "SaltLake", "Granite", "SaltLakeBoard", ["84119", "84120", "84128"], -112.001, 40.692, 420_000, 52;
    "WestJordan", "West Jordan", "SaltLake", "Jordan", "SaltLakeBoard", ["84081", "84084", "84088"], -111.939, 40.610, 510_000, 52;
    "SouthJordan", "South Jordan", "SaltLake", "Jordan", "SaltLakeBoard", ["84009", "84095"], -111.930, 40.562, 620_000, 46;
    "Herriman", "Herriman", "SaltLake", "Jordan", "SaltLakeBoard", ["84096"], -112.033, 40.514, 580_000, 34;
    "Sandy", "Sandy", "SaltLake", "Canyons", "SaltLakeBoard", ["84070", "84092", "84094"], -111.884, 40.565, 625_000, 44;
    "Draper", "Draper", "SaltLake", "Canyons", "SaltLakeBoard", ["84020"], -111.864, 40.525, 760_000, 30;
    "Murray", "Murray", "SaltLake", "Murray", "SaltLakeBoard", ["84107", "84123"], -111.888, 40.667, 515_000, 24;
    "Millcreek", "Millcreek", "SaltLake", "Granite", "SaltLakeBoard", ["84106", "84109", "84117"], -111.875, 40.687, 570_000, 28;
    "CottonwoodHeights", "Cottonwood Heights", "SaltLake", "Canyons", "SaltLakeBoard", ["84121"], -111.810, 40.620, 680_000, 20;
    "Taylorsville", "Taylorsville", "SaltLake", "Granite", "SaltLakeBoard", ["84129"], -111.939, 40.668, 430_000, 22;
    "Magna", "Magna", "SaltLake", "Granite", "SaltLakeBoard", ["84044"], -112.102, 40.709, 400_000, 16;
    "Lehi", "Lehi", "Utah", "Alpine", "UtahCounty", ["84043"], -111.849, 40.392, 590_000, 48;
    "EagleMountain", "Eagle Mountain", "Utah", "Alpine", "UtahCounty", ["84005"], -112.007, 40.314, 480_000, 44;
    "SaratogaSprings", "Saratoga Springs", "Utah", "Alpine", "UtahCounty", ["84045"], -111.905, 40.349, 540_000, 36;
    "AmericanFork", "American Fork", "Utah", "Alpine", "UtahCounty", ["84003"], -111.796, 40.377, 530_000, 20;
    "Orem", "Orem", "Utah", "Alpine", "UtahCounty", ["84057", "84058", "84097"], -111.695, 40.297, 480_000, 28;
    "Provo", "Provo", "Utah", "Provo", "UtahCounty", ["84601", "84604", "84606"], -111.659, 40.234, 470_000, 30;
    "Springville", "Springville", "Utah", "Nebo", "UtahCounty", ["84663"], -111.611, 40.165, 460_000, 16;
    "SpanishFork", "Spanish Fork", "Utah", "Nebo", "UtahCounty", ["84660"], -111.655, 40.115, 500_000, 20;
    "Ogden", "Ogden", "Weber", "Ogden", "NorthernWasatch", ["84401", "84403", "84404"], -111.974, 41.223, 360_000, 42;
    "Roy", "Roy", "Weber", "Weber", "NorthernWasatch", ["84067"], -112.026, 41.162, 390_000, 18;
    "Layton", "Layton", "Davis", "Davis", "NorthernWasatch", ["84040", "84041"], -111.971, 41.060, 470_000, 32;
    "Bountiful", "Bountiful", "Davis", "Davis", "NorthernWasatch", ["84010"], -111.881, 40.889, 560_000, 20;
    "Farmington", "Farmington", "Davis", "Davis", "NorthernWasatch", ["84025"], -111.887, 40.981, 640_000, 12;
    "Tooele", "Tooele", "Tooele", "Tooele", "TooeleCounty", ["84074"], -112.298, 40.531, 410_000, 24;
    "Logan", "Logan", "Cache", "Logan", "CacheValley", ["84321", "84341"], -111.834, 41.737, 395_000, 22;
    "BrighamCity", "Brigham City", "BoxElder", "BoxElder", "BrighamTremonton", ["84302"], -112.016, 41.510, 375_000, 12;
    "ParkCity", "Park City", "Summit", "ParkCity", "ParkCity", ["84060", "84098"], -111.498, 40.646, 1_650_000, 26;
    "HeberCity", "Heber City", "Wasatch", "Wasatch", "ParkCity", ["84032"], -111.413, 40.507, 820_000, 16;
    "StGeorge", "St. George", "Washington", "Washington", "WashingtonCounty", ["84770", "84790"], -113.584, 37.096, 530_000, 26;
    "CedarCity", "Cedar City", "Iron", "Iron", "IronCounty", ["84720", "84721"], -113.062, 37.677, 390_000, 12;
    "Moab", "Moab", "Grand", "Grand", "GrandSanJuan", ["84532"], -109.550, 38.573, 610_000, 4;
    "Vernal", "Vernal", "Uintah", "Uintah", "UintahBasin", ["84078"], -109.529, 40.455, 320_000, 6;
];

/// Returns a place for a random number, weighted by the shares.
pub fn place_at(chance: u64) -> &'static Place {
    let mut left = chance % PLACES.iter().map(|place| place.share).sum::<u64>();
    for place in PLACES {
        match left.checked_sub(place.share) {
            Some(rest) => left = rest,
            None => return place,
        }
    }
    &PLACES[0]
}

/// Names of streets outside the numbered grid.
pub const STREETS: &[&str] = &[
    "Maple",
    "Wasatch",
    "Timpanogos",
    "Sego Lily",
    "Quail Hollow",
    "Mountain View",
    "Canyon Crest",
    "Juniper",
    "Pioneer",
    "Deseret",
    "Copper Ridge",
    "Bonneville",
    "Cottonwood",
    "Eagle's Nest",
    "Redwood",
    "Harvest Moon",
    "Lakeshore",
    "Oquirrh",
    "Aspen Grove",
    "Zion",
    "Ivory Park",
    "Saddleback",
    "Orchard",
    "Willow Creek",
];

/// The most frequent members of `StreetSuffix`.
pub const SUFFIXES: &[&str] = &[
    "LN", "DR", "ST", "AVE", "WAY", "RD", "CIR", "CT", "BLVD", "PL", "CV", "LOOP",
];

/// Names of subdivisions.
pub const SUBDIVISIONS: &[&str] = &[
    "DAYBREAK",
    "TRAVERSE MOUNTAIN",
    "ROSECREST",
    "THE RANCHES",
    "HARVEST HILLS",
    "SUNCREST",
    "OLYMPUS COVE",
    "O'FALLON'S BLUFF",
    "STILLWATER \"PHASE 2\"",
    "FOX HOLLOW",
    "WILLOW BEND",
    "JORDAN HILLS",
    "GLENMOOR",
    "SILVER LAKE",
    "HIDDEN VALLEY",
    "OVERLAKE",
];

pub const FIRST_NAMES: &[&str] = &[
    "Sarah",
    "Michael",
    "Jessica",
    "Brigham",
    "Emily",
    "Tyler",
    "Ashley",
    "Jared",
    "Brooke",
    "Spencer",
    "Megan",
    "Joseph",
    "Kenzie",
    "José",
    "Zoë",
    "Heber",
    "Rachel",
    "Parley",
    "Anneliese",
    "Landon",
    "Siân",
    "Mahonri",
];

pub const LAST_NAMES: &[&str] = &[
    "Smith",
    "Jensen",
    "Christensen",
    "Young",
    "O'Brien",
    "Larsen",
    "Nielsen",
    "Hansen",
    "García",
    "Peterson",
    "Kimball",
    "Sorensen",
    "Tafuna",
    "Whitaker",
    "Okpara",
    "Nguyễn",
    "Bennion",
    "Rasmussen",
    "Muñoz",
    "Allred",
];

pub const BROKERAGES: &[&str] = &[
    "Wasatch Realty",
    "Beehive Homes & Land",
    "Summit \"Peak\" Properties",
    "Great Salt Brokers",
    "Deseret Realty Group",
    "Redrock Real Estate",
    "Bonneville Homes",
    "Cottonwood & Sons",
    "Timp View Realty",
    "Golden Spike Brokerage",
    "Seagull Realty",
    "Canyonlands Properties",
    "Uinta Real Estate",
    "Oquirrh Mountain Realty",
];

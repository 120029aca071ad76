//! Remarks about properties.

use crate::dice::Dice;

/// Sentences of remarks. Some contain text that breaks careless readers: quotes, backslashes,
/// newlines, tabs, accents, emoji, U+2028 (a line separator in JavaScript), HTML and JSON.
const SENTENCES: &[&str] = &[
    "Beautifully updated home on a quiet street with views of the Wasatch Front.",
    "Don't miss this one \u{2014} the seller says \"bring all offers\"!",
    "New roof (2023), new furnace & A/C, water softener owned.",
    "Vaulted ceilings, 9' basement, 3-car garage with RV pad.\nBuyer to verify all info.",
    "Close to I-15, shopping and TRAX; 10 min. to Silicon Slopes.",
    "Caf\u{e9}-style kitchen with quartz counters, d\u{e9}cor by a local designer.",
    "Motivated seller \u{1f3e1}\u{2728} priced to sell!",
    "Lot is 0.25 ac. \u{2248} 1,012 m\u{b2}, fully fenced & landscaped.",
    "Showings after 5 p.m.; use the lockbox at the side door.\r\n\r\nNo sign in the yard.",
    "See plans at C:\\Plans\\Lot 14\\final.pdf or ask the agent.",
    "HOA includes pool, clubhouse, snow removal\tand trash.",
    "Square footage figures are provided as a courtesy estimate only.",
    "Mother-in-law apartment with separate entrance <b>and</b> laundry.",
    "Rented at $1,950/mo. through {\"lease_end\": \"next June\"}.",
    "Mature trees; garden boxes; drip irrigation; secondary water.",
    "Family room wired for surround sound, theater seats included.",
    "Zone 1: R-1-8. Zone 2: see city website.\u{2028}Horses allowed (2).",
    "Ma\u{f1}ana vendido? \u{a1}Hablamos espa\u{f1}ol!",
    "Unobstructed views of Mt. Timpanogos from the primary suite.",
    "Freshly painted, professionally cleaned and move-in ready.",
    "Walk to the elementary school, the park and the Jordan River Trail.",
    "Main-floor living with laundry and two bedrooms on the main level.",
    "Solar panels are paid off, the average power bill is $12 a month.",
    "Agent is related to the seller.",
];

/// Returns remarks of about `length` bytes: at least one sentence, at most 4,000 bytes.
pub fn remarks(dice: Dice, length: usize) -> String {
    const SALT: u64 = crate::dice::salt_of("remarks");
    /// The maximum length of the field.
    const MAX_LENGTH: usize = 4_000;
    let length = length.min(MAX_LENGTH);
    let mut text = String::with_capacity(length + 160);
    for turn in 0.. {
        let sentence = dice.pick(SALT.wrapping_add(turn), SENTENCES);
        if !text.is_empty() && text.len() + sentence.len() + 1 > length {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(sentence);
    }
    text
}

/// Returns one sentence, for shorter fields.
pub fn sentence(dice: Dice, salt: u64) -> &'static str {
    dice.pick(salt, SENTENCES)
}

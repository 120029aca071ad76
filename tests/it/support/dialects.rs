//! The dialects of vendors, and the profiles that mirror them.

use simulator::{Behaviour, Dialect};

use super::{Settings, runs_all};

/// Returns the dialects that a test runs: those that `MLSMIRROR_DIALECT` names, as `all` or
/// separated by commas, all with `MLSMIRROR_ALL`, or else a sample that differs with the seed.
pub fn dialects(sample: usize, seed: u64) -> Vec<&'static Dialect> {
    let all = Dialect::ALL;
    match std::env::var("MLSMIRROR_DIALECT").ok().as_deref() {
        None if runs_all() && sample > 0 => all.iter().collect(),
        None => (0..sample)
            .map(|at| &all[(seed as usize * sample + at) % all.len()])
            .collect(),
        Some("all") => all.iter().collect(),
        Some(names) => (names.split(','))
            .map(|name| Dialect::named(name).unwrap_or_else(|| panic!("no dialect {name}")))
            .collect(),
    }
}

/// Says how a server with these behaviours marks deleted records, if it does so.
pub fn expect_marks(settings: &mut Settings, behaviours: &[Behaviour]) {
    if behaviours.contains(&Behaviour::DeletedByFlag) {
        settings.set("deleted_when", "\"MlgCanView eq false\"");
    }
}

/// Selects the profile of a dialect, with the values that its users must add.
pub fn speak(settings: &mut Settings, dialect: &Dialect) {
    settings.set("profile", format!("{:?}", dialect.name));
    settings.set("token_env", "\"RESO_BEARER_TOKEN\"");
    if !dialect.behaviours.contains(&Behaviour::DeletedByFlag) {
        settings.set("deleted_when", "\"\"");
    }
    // The simulated feed has one row for each photo.
    settings.sync += "\n[media]\nsize = \"\"\n";
    if dialect.name == "mlsgrid" {
        // The profile demands a filter. All simulated records match this one.
        let all = "\"ModificationTimestamp gt 2000-01-01T00:00:00Z\"";
        settings.set("filter", all);
    }
}

//! The names that a user may write: statuses of listings, and fields.

use crate::config::nearest_name;
use crate::mirror::Mirror;
use crate::mirror::objects::columns;
use crate::mirror::record_table::Table;
use crate::resource::{Resource, STANDARD_STATUSES, folded_name};

/// The statuses that listings can have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statuses {
    names: Vec<String>,
    /// Whether the feed declares them. If not, there may be others.
    is_declared: bool,
}

impl Mirror {
    /// Returns the statuses that the feed declares. If it declares none, returns the statuses of
    /// the RESO Data Dictionary and of the mirror's listings.
    pub fn statuses(&self) -> rusqlite::Result<Statuses> {
        let names = |sql: &str| -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare(sql)?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        let declared = names(
            "SELECT display_name FROM _lookups JOIN _fields USING (enumeration)
             WHERE resource = 'Property' AND field = 'StandardStatus'
             UNION SELECT member FROM _lookups JOIN _fields USING (enumeration)
             WHERE resource = 'Property' AND field = 'StandardStatus' ORDER BY 1",
        )?;
        if !declared.is_empty() {
            return Ok(Statuses {
                names: declared,
                is_declared: true,
            });
        }
        let mut held = Vec::new();
        let listings = Table::of(&self.connection, Resource::PROPERTY)?;
        if listings.is_some_and(|listings| listings.has("StandardStatus")) {
            held = names(
                "SELECT DISTINCT CAST(\"StandardStatus\" AS TEXT) FROM listings
                 WHERE \"StandardStatus\" IS NOT NULL",
            )?;
        }
        held.extend(STANDARD_STATUSES.map(str::to_owned));
        Ok(Statuses {
            names: held,
            is_declared: false,
        })
    }

    /// Returns the names of the columns of a resource's table, or of all of them.
    pub fn field_names(&self, resource: Option<Resource>) -> rusqlite::Result<Vec<String>> {
        let resources = resource.map_or_else(|| self.resources(), |one| Ok(vec![one]))?;
        let mut names = Vec::new();
        for resource in resources {
            names.extend(columns(&self.connection, resource.table())?);
        }
        Ok(names)
    }
}

impl Statuses {
    /// Checks the two statuses of a status change; None means any status.
    ///
    /// # Errors
    /// If one of them is not a status, in words, with the status change that was probably
    /// meant.
    pub fn check(&self, from: Option<&str>, to: Option<&str>) -> Result<(), String> {
        let wrong = [from, to]
            .into_iter()
            .flatten()
            .find(|name| !self.accepts(name));
        let Some(wrong) = wrong else {
            return Ok(());
        };
        let written = format!("{}>{}", from.unwrap_or(""), to.unwrap_or(""));
        let near = |status: Option<&str>| match status {
            None => Some(""),
            Some(status) => self.known(status).or_else(|| self.near(status)),
        };
        let meant = near(from).zip(near(to));
        let meant = meant.map_or_else(
            || format!("known are {}", self.names.join(", ")),
            |(from, to)| format!("did you mean \"{from}>{to}\"?"),
        );
        Err(format!(
            "{written:?}: {wrong:?} is no status of this feed; {meant}"
        ))
    }

    /// Returns whether listings may have a status of this name. If the feed does not declare
    /// its statuses, only a name that is nearly a known one is wrong.
    fn accepts(&self, name: &str) -> bool {
        self.known(name).is_some() || (!self.is_declared && self.near(name).is_none())
    }

    fn known(&self, name: &str) -> Option<&str> {
        let mut names = self.names.iter();
        let found = names.find(|known| folded_name(known).eq(folded_name(name)))?;
        Some(found)
    }

    fn near(&self, name: &str) -> Option<&str> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        nearest_name(name, &names)
    }
}

//! SQL conditions over `listings`, as a configuration has them.

use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::config::nearest_name;
use crate::mirror::Mirror;
use crate::mirror::objects::columns;
use crate::resource::Resource;

/// An SQL condition that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WrongCondition(String);

impl WrongCondition {
    /// Returns the error that there are no listings.
    pub(in crate::mirror) fn without_listings() -> WrongCondition {
        WrongCondition("the mirror has no listings; add Property to `sync.resources`".to_owned())
    }
}

/// The number of steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 100_000;

impl Mirror {
    /// Checks a condition against the columns of `listings`. It may read every table, and it
    /// must not write, attach a database or call a function that loads code. Without
    /// listings, nothing is checked.
    pub fn check_condition(
        &mut self,
        condition: &str,
    ) -> rusqlite::Result<Result<(), WrongCondition>> {
        if !self.has_table(Resource::PROPERTY)? {
            return Ok(Ok(()));
        }
        let double_quotes = DbConfig::SQLITE_DBCONFIG_DQS_DML;
        let accepts_quotes = self.connection.db_config(double_quotes)?;
        // SQLite takes a misspelled name in double quotes for a text.
        self.connection.set_db_config(double_quotes, false)?;
        self.connection.authorizer(Some(only_reads))?;
        // A condition that closes the parentheses around it is no expression without them.
        let in_parentheses = format!("(\n{condition}\n)");
        let checked = [&in_parentheses, condition]
            .into_iter()
            .try_for_each(|one| {
                let sql = format!("SELECT 1 FROM listings WHERE {one}\nLIMIT 0");
                match self.connection.query_row(&sql, [], |_| Ok(())) {
                    Err(rusqlite::Error::QueryReturnedNoRows) => Ok(()),
                    checked => checked,
                }
            });
        self.connection
            .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        self.connection
            .set_db_config(double_quotes, accepts_quotes)?;

        let problem = match checked {
            Ok(()) => return Ok(Ok(())),
            Err(rusqlite::Error::SqlInputError { msg, .. }) => msg,
            Err(rusqlite::Error::SqliteFailure(_, Some(msg))) => msg,
            Err(error) => error.to_string(),
        };
        let known = columns(&self.connection, Resource::PROPERTY.table())?;
        Ok(Err(WrongCondition(explained(&problem, &known))))
    }

    /// Sets how long the following statements may run. SQLite interrupts a statement that
    /// runs longer. None = no limit.
    pub(in crate::mirror) fn limit_statements(
        &mut self,
        timeout: Option<Duration>,
    ) -> rusqlite::Result<()> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let is_over = deadline.map(|deadline| move || Instant::now() > deadline);
        self.connection.progress_handler(STEPS, is_over)
    }
}

fn only_reads(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
        AuthAction::Function { function_name } if function_name != "load_extension" => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

/// Words an error of SQLite, with a suggestion for a misspelled column.
fn explained(problem: &str, known: &[String]) -> String {
    let Some(named) = problem.strip_prefix("no such column: ") else {
        let token = problem.strip_prefix("unrecognized token: \"");
        let token = token.filter(|token| token.starts_with(['\'', '"', '`', '[']));
        return match (problem, token.and_then(|token| token.split("\n)").next())) {
            ("not authorized", _) => "a condition may only read".to_owned(),
            (_, Some(token)) => format!("a quote is not closed: {token}"),
            (other, None) => other.to_owned(),
        };
    };
    let name = named.split(" - ").next().unwrap_or(named);
    let name = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    match nearest_name(name, &known) {
        Some(near) => format!("`listings` has no column {name}; did you mean {near}?"),
        None => format!("`listings` has no column {name}"),
    }
}

//! Read and write transactions. A read transaction cannot write, by its type.

use std::cell::RefCell;
use std::fs::Metadata;
use std::ops::Deref;
use std::path::Path;

use rusqlite::{Transaction, TransactionBehavior};

use crate::mirror::Mirror;
use crate::mirror::log::LoggedRecords;
use crate::mirror::process::{check_in_place, name_lock_holder};
use crate::mirror::stored_key::StoredKeys;

/// A read transaction: one consistent snapshot of the mirror.
pub struct ReadTx<'m> {
    pub(super) transaction: Transaction<'m>,
    pub(super) keys: &'m StoredKeys,
}

/// A write transaction, which can also read. It is rolled back if it is dropped
/// without [`WriteTx::commit`].
pub struct WriteTx<'m> {
    read: ReadTx<'m>,
    pub(super) logged: &'m RefCell<LoggedRecords>,
    /// The path of the database, and the file that was there when it was opened.
    file: (&'m Path, Option<&'m Metadata>),
    /// When this transaction started, in storage form.
    pub(super) now: String,
}

impl<'m> Deref for WriteTx<'m> {
    type Target = ReadTx<'m>;

    fn deref(&self) -> &ReadTx<'m> {
        &self.read
    }
}

impl Mirror {
    /// Starts a read transaction. It does not block writers.
    pub fn read(&mut self) -> rusqlite::Result<ReadTx<'_>> {
        let transaction = self.connection.transaction()?;
        let keys = &self.keys;
        Ok(ReadTx { transaction, keys })
    }

    /// Starts a write transaction. If another program holds the write lock for longer
    /// than the timeout, the error names that program where it can be found.
    pub fn write(&mut self) -> rusqlite::Result<WriteTx<'_>> {
        self.limit_wal()?;
        let now = self.now();
        let path = &self.path;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| name_lock_holder(error, path))?;

        Ok(WriteTx {
            read: ReadTx {
                transaction,
                keys: &self.keys,
            },
            logged: &self.logged,
            file: (path, self.opened.as_ref()),
            now,
        })
    }
}

impl WriteTx<'_> {
    /// Commits the transaction. Fails if the database was removed or replaced since it was
    /// opened: the commit is in a file that nobody can find.
    pub fn commit(self) -> rusqlite::Result<()> {
        self.read.transaction.commit()?;
        let (path, opened) = self.file;
        check_in_place(path, opened)
    }

    /// Returns when this transaction started, in storage form.
    pub fn now(&self) -> &str {
        &self.now
    }
}

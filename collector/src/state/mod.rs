//! What the collector keeps besides events, in SQLite: who looked at them and what looking
//! needs, how far exports have come, what is known of sensors and whose they are.
//!
//! The log of viewers is for people who are honest, and for those who answer for them: who
//! can write to the store's directory can write to it as well. Whoever shall look without
//! being able to do so asks `QueryService`.

mod args;
mod kept;
mod show;
#[cfg(test)]
mod tests;
mod viewer;

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};
use serde::Serialize;

pub use args::{ViewersArgs, ViewingArgs};
pub use show::viewers;
pub use viewer::{Viewing, me, user};

use crate::{failure::Failure, store::Layout};

/// How long to wait for another one who writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tables are only ever added to. Times are milliseconds since 1970.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS viewers (
        id INTEGER PRIMARY KEY,
        began INTEGER NOT NULL,
        who TEXT NOT NULL,
        way TEXT NOT NULL,
        statement TEXT NOT NULL,
        purpose TEXT,
        rows INTEGER,
        milliseconds INTEGER,
        outcome TEXT
    );
    CREATE INDEX IF NOT EXISTS viewers_began ON viewers (began);
    CREATE TABLE IF NOT EXISTS exports (
        name TEXT PRIMARY KEY,
        position TEXT NOT NULL,
        moved INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS owners (sensor_id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS sensors (place TEXT PRIMARY KEY, known TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS rules (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
";

/// What looking needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// A purpose has to be given.
    pub purpose: bool,
    /// Without an entry in the log there is no answer.
    pub log: bool,
}

/// One who looked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Viewer {
    /// When they began.
    pub began: Timestamp,
    /// The user, or the identity in the certificate.
    pub who: String,
    /// query, timeline, report or grpc.
    pub way: String,
    /// What was asked.
    pub statement: String,
    /// What for.
    pub purpose: Option<String>,
    /// Rows of the answer; absent where it did not come to its end.
    pub rows: Option<u64>,
    /// How long it took.
    pub milliseconds: Option<u64>,
    /// `ok`, or why there was no answer.
    pub outcome: Option<String>,
}

/// The state of a store.
#[derive(Debug)]
pub struct State(Connection);

impl State {
    /// Opens it to write, and makes it where it is not there.
    ///
    /// # Errors
    /// When it must not be written, or is damaged.
    pub fn open(layout: &Layout) -> rusqlite::Result<Self> {
        let path = layout.state();
        let is_new = !path.exists();
        let connection = Connection::open(&path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.execute_batch(SCHEMA)?;
        if is_new {
            // As the store's other files the collector's, also where root looks first.
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o660));
            if let Ok(store) = fs::metadata(layout.root()) {
                let _ = chown(&path, Some(store.uid()), Some(store.gid()));
            }
        }
        Ok(Self(connection))
    }

    /// Opens it to read; `None` where there is none.
    ///
    /// # Errors
    /// When it must not be read, or is damaged.
    pub fn read(layout: &Layout) -> rusqlite::Result<Option<Self>> {
        let path = layout.state();
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        Ok(Some(Self(connection)))
    }

    /// What looking needs, as `run` was told.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn rules(&self) -> rusqlite::Result<Rules> {
        let is_set = |name: &str| {
            let value = self.0.query_row("SELECT value FROM rules WHERE name = ?1", [name], |row| row.get(0));
            Ok::<_, rusqlite::Error>(value.optional()?.unwrap_or(0_i64) != 0)
        };
        Ok(Rules { purpose: is_set("purpose")?, log: is_set("log")? })
    }

    /// Says what looking needs from now on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_rules(&self, rules: Rules) -> rusqlite::Result<()> {
        for (name, value) in [("purpose", rules.purpose), ("log", rules.log)] {
            self.0.execute(
                "INSERT INTO rules VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
                params![name, i64::from(value)],
            )?;
        }
        Ok(())
    }

    /// Notes that somebody begins to look; gives the entry's number.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(
        &self,
        who: &str,
        way: &str,
        statement: &str,
        purpose: Option<&str>,
    ) -> rusqlite::Result<i64> {
        self.0.execute(
            "INSERT INTO viewers (began, who, way, statement, purpose) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![Timestamp::now().as_millisecond(), who, way, statement, purpose],
        )?;
        Ok(self.0.last_insert_rowid())
    }

    /// Notes what became of it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(&self, entry: i64, rows: u64, took: Duration, outcome: &str) -> rusqlite::Result<()> {
        let number = |number: u128| i64::try_from(number).unwrap_or(i64::MAX);
        self.0.execute(
            "UPDATE viewers SET rows = ?2, milliseconds = ?3, outcome = ?4 WHERE id = ?1",
            params![entry, number(rows.into()), number(took.as_millis()), outcome],
        )?;
        Ok(())
    }

    /// Who looked since a time, the latest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn viewers(&self, since: Timestamp) -> rusqlite::Result<Vec<Viewer>> {
        let mut statement = self.0.prepare(
            "SELECT began, who, way, statement, purpose, rows, milliseconds, outcome FROM viewers
            WHERE began >= ?1 ORDER BY began DESC, id DESC",
        )?;
        let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        let rows = statement.query_map([since.as_millisecond()], |row| {
            Ok(Viewer {
                began: Timestamp::from_millisecond(row.get(0)?).unwrap_or(Timestamp::UNIX_EPOCH),
                who: row.get(1)?,
                way: row.get(2)?,
                statement: row.get(3)?,
                purpose: row.get(4)?,
                rows: number(row.get(5)?),
                milliseconds: number(row.get(6)?),
                outcome: row.get(7)?,
            })
        })?;
        rows.collect()
    }
}

/// A sentence for what went wrong with it.
pub fn failure(path: &Path, error: &rusqlite::Error) -> Failure {
    let path = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::PermissionDenied | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            let refused = io::Error::from(io::ErrorKind::PermissionDenied);
            Failure::unavailable(format!("{path} cannot be written ({refused}): ask as the collector's user"))
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Failure::unavailable(format!(
            "{path} is damaged ({error}): put it aside, and `run` makes a new one"
        )),
        _ => Failure::unavailable(format!("{path} cannot be used: {error}")),
    }
}

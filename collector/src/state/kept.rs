//! What is kept from one run to the next: how far exports have come, and the sensors.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::State;

impl State {
    /// Waits no longer than so for another one who writes.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn with_patience(self, patience: Duration) -> rusqlite::Result<Self> {
        self.0.busy_timeout(patience)?;
        Ok(self)
    }

    /// How far an export has come, in JSON; `None` of one that never ran.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn export(&self, name: &str) -> rusqlite::Result<Option<String>> {
        let position = |row: &Row<'_>| row.get(0);
        self.0.query_row("SELECT position FROM exports WHERE name = ?1", [name], position).optional()
    }

    /// Makes durable how far an export has come.
    ///
    /// # Errors
    /// When it cannot be written; then it stays where it was.
    pub fn set_export(&self, name: &str, position: &str) -> rusqlite::Result<()> {
        self.0.execute(
            "INSERT INTO exports VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET position = ?2, moved = ?3",
            params![name, position, Timestamp::now().as_millisecond()],
        )?;
        Ok(())
    }

    /// Names of certificates by the ids of the sensors that they have.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn owners(&self) -> rusqlite::Result<BTreeMap<String, String>> {
        self.pairs("SELECT sensor_id, name FROM owners")
    }

    /// Notes whose a sensor is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn own(&self, sensor_id: &str, name: &str) -> rusqlite::Result<()> {
        self.0.execute("INSERT INTO owners VALUES (?1, ?2)", [sensor_id, name])?;
        Ok(())
    }

    /// What is known of sensors, in JSON, by the places where they are reached.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn sensors(&self) -> rusqlite::Result<BTreeMap<String, String>> {
        self.pairs("SELECT place, known FROM sensors")
    }

    /// Replaces what is known of sensors, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_sensors(&mut self, sensors: &BTreeMap<String, String>) -> rusqlite::Result<()> {
        let transaction = self.0.transaction()?;
        transaction.execute("DELETE FROM sensors", [])?;
        for (place, known) in sensors {
            transaction.execute("INSERT INTO sensors VALUES (?1, ?2)", [place, known])?;
        }
        transaction.commit()
    }

    fn pairs(&self, sql: &str) -> rusqlite::Result<BTreeMap<String, String>> {
        let mut statement = self.0.prepare(sql)?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }
}

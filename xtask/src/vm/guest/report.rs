//! The agent's ways out: serial ports.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context;
use rustix::{
    fs::OFlags,
    termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr},
};

use super::super::job::{ALIVE, CODE, FAILED, FILE, REPORT, UP};
use crate::exit::Result;

/// How often the agent says that it is alive.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// A serial port that changes no byte.
pub fn port(path: &str) -> Result<File> {
    let no_terminal = i32::try_from(OFlags::NOCTTY.bits())?;
    let file =
        OpenOptions::new().write(true).custom_flags(no_terminal).open(path).context(path.to_owned())?;
    let mut settings = tcgetattr(&file)?;
    settings.make_raw();
    tcsetattr(&file, OptionalActions::Now, &settings)?;
    Ok(file)
}

/// Copies everything to a port, in the background.
pub fn copy(mut from: impl Read + Send + 'static, path: &'static str) -> Result<JoinHandle<()>> {
    let mut port = port(path)?;
    Ok(thread::spawn(move || {
        let _ = io::copy(&mut from, &mut port);
        let _ = tcdrain(&port);
    }))
}

/// The port for the agent's own words.
pub struct Report(Arc<Mutex<File>>);

impl Report {
    /// Opens it, says so, and keeps saying so.
    pub fn open() -> Result<Self> {
        let report = Self(Arc::new(Mutex::new(port(REPORT)?)));
        report.say(UP)?;
        let alive = Self(Arc::clone(&report.0));
        thread::spawn(move || {
            while alive.say(ALIVE).is_ok() {
                thread::sleep(ALIVE_EVERY);
            }
        });
        Ok(report)
    }

    fn say(&self, line: &str) -> Result {
        self.write(&[line.as_bytes(), b"\n"])
    }

    /// Everything is done.
    pub fn code(&self, code: i32) -> Result {
        self.say(&format!("{CODE} {code}"))
    }

    /// It could not be done.
    pub fn failed(&self, sentence: &str) -> Result {
        self.say(&format!("{FAILED} {}", sentence.replace('\n', "; ")))
    }

    /// Sends a file.
    pub fn file(&self, bytes: &[u8]) -> Result {
        self.write(&[format!("{FILE} {}\n", bytes.len()).as_bytes(), bytes])
    }

    fn write(&self, parts: &[&[u8]]) -> Result {
        let mut port = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().try_for_each(|part| port.write_all(part))?;
        tcdrain(&*port)?;
        Ok(())
    }
}

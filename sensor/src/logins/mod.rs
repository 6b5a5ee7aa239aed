//! What sshd logs of logins: by which method and key a user was let in, and who
//! was not.
//!
//! sshd's own log is the only place where the key's fingerprint is said. It is
//! read from systemd's journal where there is one, and from log files.
//!
//! **What may be believed.** Entries of the journal carry the kernel's word for
//! who wrote them ([`Source::Journal`]). A line in a file that syslog writes
//! ([`Source::Syslog`]) can be forged by every local user with logger(1),
//! process id included. A file that `sshd -E` writes ([`Source::File`]) has no
//! process ids, and sshd does not escape line ends in it: whoever can connect
//! can put whole lines there through a user name. So an accepted login may only
//! be joined to a session of which the kernel says the same address and port,
//! and the same process id where there is one; and what comes of it is as good
//! as its source. Once the journal was heard, lines of syslog are passed over:
//! they are the same ones, with less behind them.

mod attempts;
mod journal;
mod line;
mod sshd;
mod stop;
mod tail;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Instant, SystemTime},
};

use attempts::Attempts;
use line::{Form, Line};
pub use sshd::{Accepted, Said};
use stop::Stop;
use tail::Follower;

/// Logins that wait to be taken at most.
const WAITING: usize = 1024;
/// Read of a file's past, in bytes; as much of the file before it.
const PAST: u64 = 1024 * 1024;

/// Where to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginsConfig {
    /// Files that syslog or sshd write. Those that are not there are waited for.
    pub auth_logs: Vec<PathBuf>,
    /// Read systemd's journal where there is one.
    pub journal: bool,
}

impl Default for LoginsConfig {
    fn default() -> Self {
        Self { auth_logs: vec!["/var/log/auth.log".into(), "/var/log/secure".into()], journal: true }
    }
}

/// Where something was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The journal, written by root's sshd.
    Journal,
    /// A file that syslog writes: every local user may have written it.
    Syslog,
    /// A file that sshd writes: everybody who can connect may have written it.
    File,
}

/// What sshd said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What.
    pub said: Said,
    /// The process that said so: the one of sshd's that has the connection and
    /// root's rights, from which the session's processes come. None when the
    /// source does not say.
    pub pid: Option<u32>,
    /// When; of what was said before the start, only if the source says.
    pub at: Option<SystemTime>,
    /// Where it was read.
    pub source: Source,
}

/// Reads a line as if it stood in a log, of either form.
#[cfg(any(test, feature = "fuzz"))]
pub fn understand(line: &[u8]) {
    for form in [Form::Syslog, Form::Bare] {
        if let Some(line) = line::parse(line, form) {
            let _ = sshd::parse(&line.message);
        }
    }
}

/// The readers at work. Ends them when dropped.
pub struct Logins {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
    dropped: Arc<AtomicU64>,
}

impl Logins {
    /// Starts reading what comes from now on. What is not taken from the
    /// receiver in time is dropped and counted.
    ///
    /// # Errors
    ///
    /// When the system gives no thread or file descriptor.
    pub fn start(config: &LoginsConfig) -> io::Result<(Self, Receiver<Heard>)> {
        let (to, heard) = sync_channel(WAITING);
        let stop = Stop::new()?;
        let mut logins = Self { stop, threads: Vec::new(), dropped: Arc::default() };
        let ear = Arc::new(Ear {
            to,
            dropped: Arc::clone(&logins.dropped),
            attempts: Mutex::default(),
            journal_heard: AtomicBool::new(false),
        });
        if let Some(journalctl) = config.journal.then(journal::journalctl).flatten() {
            let (ear, stop) = (Arc::clone(&ear), logins.stop.clone());
            logins.spawn("journal", move || {
                journal::follow(&journalctl, &stop, |entry| ear.entry(entry));
            })?;
        }
        if !config.auth_logs.is_empty() {
            let (follower, stop) = (Follower::new(&config.auth_logs), logins.stop.clone());
            logins.spawn("auth-logs", move || {
                follower.follow(&stop, |form, line| ear.line(form, &line), || ear.tick());
            })?;
        }
        Ok((logins, heard))
    }

    /// How many were dropped because nobody took them.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Ends the readers and waits until they have ended.
    pub fn stop(self) {
        drop(self);
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(())
    }
}

impl Drop for Logins {
    fn drop(&mut self) {
        self.stop.stop();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Accepted logins of the past, oldest first: what the journal has of this boot,
/// or else what the log files have. Takes some seconds at most. To miss none,
/// ask after [`Logins::start`]; what was said in between is in both.
///
/// # Errors
///
/// When the system gives no file descriptor.
pub fn past(config: &LoginsConfig) -> io::Result<Vec<Heard>> {
    // Nobody tells it.
    let stop = Stop::new()?;
    let journalctl = config.journal.then(journal::journalctl).flatten();
    let entries = journalctl.map(|journalctl| journal::past(&journalctl, &stop)).unwrap_or_default();
    let lines = config.auth_logs.iter().flat_map(|path| tail::last(path, PAST));
    let has_journal = !entries.is_empty();
    let of_lines = lines.filter(|(form, _)| !has_journal || *form == Form::Bare).map(|(form, line)| {
        let at = line.at;
        (line.message, line.pid, at, source_of(form))
    });
    let of_entries =
        entries.into_iter().map(|entry| (entry.message, Some(entry.pid), entry.at, Source::Journal));
    Ok(of_lines
        .chain(of_entries)
        .filter_map(|(message, pid, at, source)| {
            let said = sshd::parse(&message).filter(|said| matches!(said, Said::Accepted(_)))?;
            Some(Heard { said, pid, at, source })
        })
        .collect())
}

fn source_of(form: Form) -> Source {
    match form {
        Form::Syslog => Source::Syslog,
        Form::Bare => Source::File,
    }
}

/// What the readers hand over to.
struct Ear {
    to: SyncSender<Heard>,
    dropped: Arc<AtomicU64>,
    attempts: Mutex<Attempts>,
    journal_heard: AtomicBool,
}

impl Ear {
    fn entry(&self, entry: Option<journal::Entry>) {
        self.journal_heard.store(entry.is_some(), Ordering::Relaxed);
        if let Some(entry) = entry {
            self.hear(&entry.message, Some(entry.pid), entry.at, Source::Journal);
        }
    }

    fn line(&self, form: Form, line: &Line) {
        if form == Form::Syslog && self.journal_heard.load(Ordering::Relaxed) {
            return;
        }
        for _ in 0..line.times {
            // The clock, not the line: a line may say anything.
            self.hear(&line.message, line.pid, Some(SystemTime::now()), source_of(form));
        }
    }

    fn hear(&self, message: &[u8], pid: Option<u32>, at: Option<SystemTime>, source: Source) {
        let Some(said) = sshd::parse(message) else { return };
        let tell = self.attempts().hear(said, source, Instant::now());
        if let Some(said) = tell {
            self.tell(Heard { said, pid, at, source });
        }
        self.tick();
    }

    /// Tells what is overdue.
    fn tick(&self) {
        loop {
            let overdue = self.attempts().overdue(Instant::now());
            let Some((refused, source)) = overdue else { return };
            self.tell(Heard { said: Said::Refused(refused), pid: None, at: Some(SystemTime::now()), source });
        }
    }

    fn tell(&self, heard: Heard) {
        if self.to.try_send(heard).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

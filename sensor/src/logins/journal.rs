//! What systemd's journal has of sshd, read with journalctl.
//!
//! Anybody may log under sshd's name, and the journal says what the kernel said
//! of the one who did: only what root's sshd wrote is taken.

use std::{
    io::Read as _,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use serde::Deserialize;

use super::{
    line::{PROGRAMS, Splitter},
    stop::{Stop, Woken},
};

/// Longest entry that is read, in bytes: a message of 8 KiB as an array of
/// numbers, and what comes with it.
const MAX_ENTRY: usize = 64 * 1024;
/// The first and the longest wait before journalctl is started again.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Journalctl ended so often without an entry that there may be no journal.
const GIVEN_UP: u32 = 5;
/// What the past may take, in time and bytes.
const PAST: (Duration, usize) = (Duration::from_secs(10), 16 * 1024 * 1024);
/// How often is looked whether there is something to do besides.
const TICK: Duration = Duration::from_secs(3600);

/// An entry that root's sshd wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The process that wrote it.
    pub pid: u32,
    /// When the journal received it.
    pub at: Option<SystemTime>,
    /// What it says.
    pub message: Bytes,
    /// The journal's name for this entry.
    cursor: Option<String>,
}

/// Journalctl's place, where there is a journal.
pub fn journalctl() -> Option<PathBuf> {
    let journals = ["/run/systemd/journal", "/var/log/journal"];
    if !journals.iter().any(|journal| Path::new(journal).is_dir()) {
        return None;
    }
    let programs = ["/usr/bin/journalctl", "/bin/journalctl"];
    programs.iter().map(PathBuf::from).find(|program| program.is_file())
}

/// Follows the journal until told to stop. `heard` gets the new entries, and
/// none when the journal seems to be gone.
pub fn follow(journalctl: &Path, stop: &Stop, mut heard: impl FnMut(Option<Entry>)) {
    let mut from = since_now();
    let (mut again, mut failures) = (AGAIN.0, 0_u32);
    loop {
        let mut command = command(journalctl);
        command.args(["--follow", "--no-tail", &from]);
        let mut any = false;
        let told = read(command, stop, None, |entry| {
            any = true;
            if let Some(cursor) = &entry.cursor {
                // Nothing that is written before it runs again is missed.
                from = format!("--after-cursor={cursor}");
            }
            heard(Some(entry));
        });
        if told {
            return;
        }
        if any {
            (again, failures) = (AGAIN.0, 0);
        } else {
            failures = failures.saturating_add(1);
            if failures == GIVEN_UP {
                tracing::warn!(
                    "journalctl keeps ending: sshd's log files are read instead where there are any"
                );
                heard(None);
                // The entry it was to go on after may be gone.
                from = since_now();
            }
        }
        tracing::debug!("journalctl ended, again in {again:?}");
        if !matches!(stop.wait(None, again), Ok(Woken::Time)) {
            return;
        }
        again = (again * 2).min(AGAIN.1);
    }
}

fn since_now() -> String {
    // Whole seconds: what is read twice does less harm than what is missed.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("--since=@{}", now.as_secs())
}

/// What sshd wrote since this boot, oldest first: the last 5000 entries under
/// its name.
pub fn past(journalctl: &Path, stop: &Stop) -> Vec<Entry> {
    let mut command = command(journalctl);
    command.args(["--boot", "--lines=5000"]);
    let mut entries = Vec::new();
    read(command, stop, Some(PAST), |entry| entries.push(entry));
    entries
}

fn command(journalctl: &Path) -> Command {
    let mut command = Command::new(journalctl);
    command
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .args(["--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE,_PID,_UID,_COMM"]);
    for program in PROGRAMS {
        command.arg(format!("--identifier={program}"));
    }
    command
}

/// Reads until the program ends, a bound is reached or told to stop: true then.
fn read(
    mut command: Command,
    stop: &Stop,
    bounds: Option<(Duration, usize)>,
    heard: impl FnMut(Entry),
) -> bool {
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            tracing::warn!("cannot start {}: {error}", command.get_program().display());
            return false;
        }
    };
    let mut child = Ended(child);
    read_output(&mut child.0, stop, bounds, heard)
}

fn read_output(
    child: &mut Child,
    stop: &Stop,
    bounds: Option<(Duration, usize)>,
    mut heard: impl FnMut(Entry),
) -> bool {
    let Some(output) = &mut child.stdout else { return false };
    let (until, mut left) = match bounds {
        Some((time, bytes)) => (Some(Instant::now() + time), bytes),
        None => (None, usize::MAX),
    };
    let mut splitter = Splitter::new(MAX_ENTRY);
    let mut buffer = vec![0; MAX_ENTRY];
    loop {
        let wait = until.map_or(TICK, |until| until.saturating_duration_since(Instant::now()));
        match stop.wait(Some(output.as_fd()), wait) {
            Ok(Woken::Stop) => return true,
            Ok(Woken::Input) => {}
            Ok(Woken::Time) if until.is_none_or(|until| Instant::now() < until) => continue,
            _ => return false,
        }
        let piece = match output.read(&mut buffer) {
            Ok(0) => return false,
            Ok(length) => buffer.get(..length).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return false,
        };
        splitter.feed(piece, |line| {
            if let Some(entry) = parse(line) {
                heard(entry);
            }
        });
        left = left.saturating_sub(piece.len());
        if left == 0 {
            return false;
        }
    }
}

/// A child that is ended when it is not wanted any more.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "MESSAGE")]
    message: Text,
    #[serde(rename = "_PID")]
    pid: String,
    #[serde(rename = "_UID")]
    uid: String,
    #[serde(rename = "_COMM")]
    name: String,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    microseconds: Option<String>,
    #[serde(rename = "__CURSOR")]
    cursor: Option<String>,
}

/// What is not UTF-8, or has unprintable bytes in it, comes as an array.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Text(String),
    Bytes(Vec<u8>),
}

/// Reads an entry as `--output=json` writes it; none when it is not of root's
/// sshd.
fn parse(line: &[u8]) -> Option<Entry> {
    let fields: Fields = serde_json::from_slice(line).ok()?;
    // The kernel's names are 15 bytes at most: `sshd-session` fits.
    if fields.uid != "0" || !PROGRAMS.contains(&fields.name.as_str()) {
        return None;
    }
    let at = fields.microseconds.and_then(|time| time.parse().ok()).map(Duration::from_micros);
    Some(Entry {
        pid: fields.pid.parse().ok()?,
        at: at.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(at)),
        message: match fields.message {
            Text::Text(text) => text.into(),
            Text::Bytes(bytes) => bytes.into(),
        },
        cursor: fields.cursor,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, sync::mpsc, thread};

    use proptest::prelude::*;

    use super::*;

    fn entry(pid: u32, uid: &str, name: &str, message: &str) -> String {
        format!(
            r#"{{"__CURSOR":"s=1;i={pid}","__REALTIME_TIMESTAMP":"1795316400500000","_UID":"{uid}","_COMM":"{name}","_PID":"{pid}","MESSAGE":{message}}}"#
        )
    }

    #[test]
    fn entries_of_roots_sshd_are_taken() {
        let text = parse(entry(7, "0", "sshd-session", r#""Accepted \"x\"""#).as_bytes()).unwrap();
        assert_eq!((text.pid, &text.message[..]), (7, &b"Accepted \"x\""[..]));
        assert_eq!(text.at, Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_316_400_500)));
        let bytes = parse(entry(7, "0", "sshd", "[65,255,10]").as_bytes()).unwrap();
        assert_eq!(&bytes.message[..], b"A\xff\n");
    }

    #[test]
    fn entries_of_others_and_junk_are_not() {
        for (uid, name, message) in [
            ("1000", "sshd", "\"x\""),
            ("0", "logger", "\"x\""),
            ("0", "sshd", "null"),
            ("0", "sshd", "[65,256]"),
        ] {
            assert_eq!(parse(entry(7, uid, name, message).as_bytes()), None);
        }
        assert_eq!(parse(br#"{"MESSAGE":"x","_PID":"1"}"#), None);
    }

    /// A program in journalctl's place.
    fn program(directory: &Path, script: &str) -> PathBuf {
        let path = directory.join("journalctl");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn journalctl_is_started_again_where_it_was_and_ended_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (entry(1, "0", "sshd", "\"a\""), entry(2, "0", "sshd", "\"b\""));
        let path = program(
            directory.path(),
            &format!(
                "case \"$*\" in *--after-cursor=s=1\\;i=1*) echo '{second}'; exec sleep 1000;; \
                 *--since=@*) echo '{first}';; esac"
            ),
        );
        let stop = Stop::new().unwrap();
        let (told, (to, entries)) = (stop.clone(), mpsc::channel());
        let thread =
            thread::spawn(move || follow(&path, &told, |entry| to.send(entry.unwrap().pid).unwrap()));
        let next = || entries.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!([next(), next()], [1, 2]);
        stop.stop();
        thread.join().unwrap();
    }

    #[test]
    fn the_past_is_all_that_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let entries = [entry(1, "0", "sshd", "\"a\""), "junk".to_owned(), entry(2, "0", "sshd", "\"b\"")];
        let path = program(directory.path(), &format!("echo '{}'", entries.join("\n")));
        let stop = Stop::new().unwrap();
        let pids: Vec<_> = past(&path, &stop).into_iter().map(|entry| entry.pid).collect();
        assert_eq!(pids, [1, 2]);
        assert_eq!(past(Path::new("/nonexistent"), &stop), []);
    }

    proptest! {
        #[test]
        fn no_entry_panics(line in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&line);
        }
    }
}

//! Unix users.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::run;

use super::tools::{command, must};

/// Users that are there until this is dropped.
pub struct Accounts {
    uids: Vec<(&'static str, u32)>,
}

impl Accounts {
    /// Makes them. Those that a run which was killed has left go first.
    pub fn make(names: &[&'static str], homes: &Path) -> Self {
        let mut accounts = Self { uids: names.iter().filter_map(|name| Some((*name, uid(name)?))).collect() };
        accounts.remove();
        for name in names {
            let mut useradd = command("useradd");
            useradd.args(["--create-home", "--user-group", "--shell", "/bin/bash", "--home-dir"]);
            must(useradd.arg(homes.join(name)).arg(name));
            accounts.uids.push((name, uid(name).expect("it was made")));
        }
        accounts
    }

    /// The number of one of them.
    pub fn uid(&self, name: &str) -> u32 {
        let found = self.uids.iter().find(|(known, _)| *known == name);
        found.map(|(_, uid)| *uid).expect("an account of the stage")
    }

    /// Removes them with all that they have: jobs, processes, files.
    fn remove(&mut self) {
        for (name, _) in &self.uids {
            // Fails where there is none.
            let _ = run(command("crontab").args(["-r", "-u", name]));
        }
        self.end_processes();
        for (name, _) in self.uids.drain(..) {
            let _ = run(command("userdel").args(["--remove", name]));
        }
    }

    /// Ends what runs as one of them, or was begun by one of their logins.
    fn end_processes(&self) {
        let begun = Instant::now();
        loop {
            let theirs = self.processes();
            if theirs.is_empty() || begun.elapsed() > Duration::from_secs(5) {
                return;
            }
            for pid in theirs {
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn processes(&self) -> Vec<Pid> {
        let is_theirs = |pid: &Pid| {
            let file = |name| fs::read_to_string(format!("/proc/{}/{name}", pid.as_raw_nonzero()));
            let login = file("loginuid").ok().and_then(|uid| uid.trim().parse().ok());
            let status = file("status").unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
            let real = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            self.uids.iter().any(|(_, uid)| login == Some(*uid) || real == Some(*uid))
        };
        pids().filter(is_theirs).collect()
    }
}

impl Drop for Accounts {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Every process.
pub fn pids() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

fn uid(name: &str) -> Option<u32> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split(':').nth(1)?.parse().ok()
}

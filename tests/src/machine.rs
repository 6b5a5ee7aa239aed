//! What the live tests need of the machine, and how they share it.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

/// The right to use the kernel's hooks. Most tests share it; one that counts
/// losses, or floods the machine, has it alone, across processes.
pub struct Machine {
    _lock: File,
}

impl Machine {
    /// Beside other tests. `None`: the test cannot run here and was reported
    /// as skipped.
    #[must_use]
    pub fn shared(test: &str) -> Option<Self> {
        Self::take(test, FlockOperation::LockShared)
    }

    /// While no other test runs.
    #[must_use]
    pub fn alone(test: &str) -> Option<Self> {
        Self::take(test, FlockOperation::LockExclusive)
    }

    fn take(test: &str, how: FlockOperation) -> Option<Self> {
        if let Some(reason) = obstacle().or_else(|| absent_in_guest(test)) {
            skip(test, reason);
            return None;
        }
        let path = std::env::temp_dir().join("activity-tests.lock");
        let lock =
            fs::OpenOptions::new().create(true).append(true).open(path).expect("a lock file can be made");
        flock(&lock, how).expect("the lock file can be locked");
        Some(Self { _lock: lock })
    }
}

fn obstacle() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        Some("needs root, to load programs into the kernel")
    } else if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        Some("this kernel has no BTF")
    } else {
        None
    }
}

const COLLECTOR: &str = "needs the collector, which guests do not have";

/// Beginnings of the names of tests that need more than a guest of `cargo xtask vm` has,
/// which says that it is one with `ACTIVITY_TEST_GUEST`.
const NOT_IN_GUESTS: [(&str, &str); 10] = [
    ("acceptance::what_a_person_does_is_answered_by_sql_within_a_second", COLLECTOR),
    ("crowd::", COLLECTOR),
    ("disks::a_collector_", COLLECTOR),
    ("faults::a_collector_", COLLECTOR),
    ("faults::a_network_", COLLECTOR),
    ("kills::", COLLECTOR),
    ("privacy::passwords_are_tokens_in_the_store", COLLECTOR),
    ("push::", COLLECTOR),
    ("silence::", COLLECTOR),
    ("soak::", COLLECTOR),
];

fn absent_in_guest(test: &str) -> Option<&'static str> {
    std::env::var_os("ACTIVITY_TEST_GUEST")?;
    NOT_IN_GUESTS.iter().find(|(name, _)| test.starts_with(name)).map(|(_, reason)| *reason)
}

/// Reports a test as skipped: a line that is written past the test harness's
/// capture, for `cargo xtask test` to count.
pub fn skip(test: &str, reason: &str) {
    let line = format!("skipped: {test}: {reason}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).expect("standard output takes a line");
}

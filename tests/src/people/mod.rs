//! People who come in through real doors: accounts, keys, `sshd`, `sudo`,
//! `cron`. All of it is made for a test and is gone after it.

mod accounts;
mod batch;
mod doas;
mod door;
mod keys;
mod polkit;
mod sudoers;
mod syslog;
mod tools;
mod visit;

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::{Machine, Sensor, run, skip};

use accounts::Accounts;
use batch::Batch;
use door::Door;
use keys::Key;
use sudoers::Sudoers;
use syslog::Syslog;

pub use doas::Doas;
pub use polkit::Polkit;
pub use tools::{absent, has_systemd};
pub use visit::{Arrival, Visit};

/// Alice's own account.
pub const ALICE: &str = "act-alice";
/// Bob's own account.
pub const BOB: &str = "act-bob";
/// The account that both have a key for.
pub const SHARED: &str = "act-shared";
/// An account that nobody logs in to.
pub const POSTGRES: &str = "act-postgres";
const ACCOUNTS: [&str; 4] = [ALICE, BOB, SHARED, POSTGRES];

/// Somebody with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Human {
    /// Comes from 127.0.0.2.
    Alice,
    /// Comes from 127.0.0.3.
    Bob,
}

impl Human {
    /// Where they come from.
    #[must_use]
    pub fn address(self) -> &'static str {
        match self {
            Self::Alice => "127.0.0.2",
            Self::Bob => "127.0.0.3",
        }
    }
}

/// Where `sshd` logs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// A file that it writes itself (`-E`).
    File,
    /// `/dev/log`, from where a real `rsyslogd` writes the file.
    Syslog,
    /// `/dev/log`, which is systemd's journal.
    Journal,
}

impl Log {
    /// Where it goes on a machine such as this one.
    #[must_use]
    pub fn of_this_machine() -> Self {
        if has_systemd() { Self::Journal } else { Self::File }
    }
}

/// A machine to log in to. There is one at a time, across processes: account
/// names belong to the whole machine.
///
/// The fields are in the order in which all of it has to go.
pub struct Stage {
    batch: Option<Batch>,
    door: Door,
    accounts: Accounts,
    _sudoers: Sudoers,
    _syslog: Option<Syslog>,
    keys: [Key; 2],
    directory: TempDir,
    _lock: File,
    _machine: Machine,
}

impl Stage {
    /// Makes it. `None`: it cannot be made here, and the test was reported as
    /// skipped.
    ///
    /// # Panics
    /// When something that is there does not work.
    #[must_use]
    pub fn set(test: &str, log: Log) -> Option<Self> {
        let machine = Machine::shared(test)?;
        let lock = tools::lock(&std::env::temp_dir().join("activity-people.lock"));
        if let Some(reason) = tools::missing().or_else(|| syslog::obstacle(log)) {
            skip(test, &reason);
            return None;
        }
        let directory =
            tempfile::Builder::new().prefix("activity-people-").tempdir().expect("a directory can be made");
        let path = directory.path();
        open_to(path, 0o755);
        for name in ["homes", "keys", "marks"] {
            fs::create_dir(path.join(name)).expect("one's own directory");
        }
        // Everybody leaves marks; without the sticky bit, which keeps root from
        // opening what others made.
        open_to(&path.join("marks"), 0o777);
        open_to(&path.join("homes"), 0o755);
        open_to(&path.join("keys"), 0o755);

        let accounts = Accounts::make(&ACCOUNTS, &path.join("homes"));
        let keys = [Key::make(&path.join("alice")), Key::make(&path.join("bob"))];
        let [alice, bob] = &keys;
        door::authorize(path, ALICE, &[alice]);
        door::authorize(path, BOB, &[bob]);
        door::authorize(path, SHARED, &[alice, bob]);
        for (account, key) in [(ALICE, alice), (BOB, bob)] {
            key.give_to(&path.join("homes").join(account), accounts.uid(account));
        }
        let sudoers = Sudoers::allow(&ACCOUNTS);
        let syslog = (log == Log::Syslog).then(|| Syslog::start(path));
        let door = Door::open(path, log);
        Some(Self {
            batch: None,
            door,
            accounts,
            _sudoers: sudoers,
            _syslog: syslog,
            keys,
            directory,
            _lock: lock,
            _machine: machine,
        })
    }

    /// The lines of configuration that tell the sensor of this stage.
    #[must_use]
    pub fn sessions_config(&self) -> String {
        match &self.door.log {
            Some(log) => format!("[sessions]\nauth_logs = [{log:?}]\njournal = false\n"),
            None => "[sessions]\nauth_logs = []\njournal = true\n".to_owned(),
        }
    }

    /// A sensor that knows this stage's log.
    #[must_use]
    pub fn sensor(&self, config: &str) -> Sensor {
        Sensor::start(&format!("{config}{}", self.sessions_config()), &[])
    }

    /// What `sshd` and others have written to the log.
    #[must_use]
    pub fn log(&self) -> String {
        match &self.door.log {
            Some(log) => fs::read_to_string(log).unwrap_or_default(),
            None => {
                run(Command::new("journalctl").args(["--boot", "--output=cat", "--facility=auth,authpriv"]))
                    .stdout
            }
        }
    }

    /// A path in the stage's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A path that everybody can make a file at.
    #[must_use]
    pub fn mark(&self, name: &str) -> PathBuf {
        self.path("marks").join(name)
    }

    /// The port of the door.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.door.port
    }

    /// The number of an account.
    ///
    /// # Panics
    /// When it is none of the stage's.
    #[must_use]
    pub fn uid(&self, account: &str) -> u32 {
        self.accounts.uid(account)
    }

    /// What `ssh-keygen -l` calls somebody's key.
    #[must_use]
    pub fn fingerprint(&self, human: Human) -> &str {
        &self.key(human).fingerprint
    }

    fn key(&self, human: Human) -> &Key {
        let [alice, bob] = &self.keys;
        match human {
            Human::Alice => alice,
            Human::Bob => bob,
        }
    }

    /// An OpenSSH client (`ssh` or `sftp`) with this person's key and address,
    /// as far as its options.
    #[must_use]
    pub fn client(&self, program: &str, human: Human) -> Command {
        let mut command = Command::new(program);
        command.args(CLIENT_OPTIONS).arg("-i").arg(&self.key(human).private);
        command.args(["-o", &format!("Port={}", self.door.port)]);
        command.args(["-o", &format!("BindAddress={}", human.address())]);
        command
    }

    /// Logs somebody in to an account, with a shell that reads what is typed.
    #[must_use]
    pub fn log_in(&self, human: Human, account: &'static str) -> Visit {
        let mut client = self.client("ssh", human);
        client.arg(format!("{account}@127.0.0.1")).arg("bash -s");
        Visit::begin(&mut client, human, account)
    }

    /// Has `cron` run, the machine's own or one of the stage's.
    pub fn have_batch(&mut self) {
        self.batch = self.batch.take().or_else(Batch::start);
    }
}

/// Nothing of the user's own configuration, and no questions.
pub const CLIENT_OPTIONS: [&str; 13] = [
    "-q",
    "-F",
    "none",
    "-o",
    "BatchMode=yes",
    "-o",
    "IdentitiesOnly=yes",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "IdentityAgent=none",
];

fn open_to(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("one's own directory");
}

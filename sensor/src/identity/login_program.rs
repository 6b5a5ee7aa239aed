//! Programs that begin sessions.

use std::{collections::HashSet, fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use activity_proto::v1::{Confidence, Process, Reason};

/// Every `Session.kind` there is.
pub const SESSION_KINDS: [&str; 10] =
    ["ssh", "console", "graphical", "cron", "at", "systemd", "run0", "service", "claimed", "unknown"];

/// What kind of session a program begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// sshd.
    Ssh,
    /// A terminal of the machine's own.
    Console,
    /// A display manager.
    Graphical,
    /// cron.
    Cron,
    /// at and batch.
    At,
    /// A user's own service manager, and what systemd starts as a user.
    Systemd,
    /// Asked of systemd with run0.
    Run0,
    /// Another program the configuration names.
    Service,
    /// A program that is no login program.
    Claimed,
    /// It began before the sensor did, and what began it is gone.
    Unknown,
}

impl Kind {
    /// `Session.kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Console => "console",
            Self::Graphical => "graphical",
            Self::Cron => "cron",
            Self::At => "at",
            Self::Systemd => "systemd",
            Self::Run0 => "run0",
            Self::Service => "service",
            Self::Claimed => "claimed",
            Self::Unknown => "unknown",
        }
    }

    /// How sure it is that the session's login uid is the human, and why not more.
    pub fn certainty(self) -> (Confidence, Reason) {
        match self {
            Self::Ssh | Self::Console | Self::Graphical => (Confidence::High, Reason::Unspecified),
            Self::Service | Self::Systemd | Self::Run0 => (Confidence::Medium, Reason::Unspecified),
            Self::Cron | Self::At => (Confidence::Medium, Reason::Batch),
            Self::Claimed => (Confidence::Low, Reason::Claimed),
            Self::Unknown => (Confidence::Low, Reason::UnknownOrigin),
        }
    }
}

/// The login programs of the usual distributions.
const KNOWN: &[(&str, Kind)] = &[
    ("/usr/sbin/sshd", Kind::Ssh),
    ("/usr/lib/openssh/sshd-session", Kind::Ssh),
    ("/usr/libexec/openssh/sshd-session", Kind::Ssh),
    ("/usr/lib/ssh/sshd-session", Kind::Ssh),
    ("/usr/sbin/dropbear", Kind::Ssh),
    ("/usr/bin/login", Kind::Console),
    ("/bin/login", Kind::Console),
    ("/usr/libexec/gdm-session-worker", Kind::Graphical),
    ("/usr/lib/gdm3/gdm-session-worker", Kind::Graphical),
    ("/usr/sbin/lightdm", Kind::Graphical),
    ("/usr/lib/x86_64-linux-gnu/sddm/sddm-helper", Kind::Graphical),
    ("/usr/libexec/sddm-helper", Kind::Graphical),
    ("/usr/bin/xdm", Kind::Graphical),
    ("/usr/sbin/cron", Kind::Cron),
    ("/usr/sbin/crond", Kind::Cron),
    ("/usr/sbin/atd", Kind::At),
    ("/usr/lib/systemd/systemd", Kind::Systemd),
    ("/lib/systemd/systemd", Kind::Systemd),
    ("/usr/lib/systemd/systemd-executor", Kind::Systemd),
];

/// Device and inode, as the kernel programs know a file.
pub type File = (u64, u64);

/// Which programs begin sessions: their paths, and the files they are now.
#[derive(Debug)]
pub struct LoginPrograms {
    paths: Vec<(PathBuf, Kind)>,
    files: HashSet<File>,
    /// Of those, what the kernel programs have not been told.
    new: Vec<File>,
}

impl LoginPrograms {
    /// The known ones, and more by their paths.
    pub fn with(more: &[PathBuf]) -> Self {
        let known = KNOWN.iter().map(|(path, kind)| (PathBuf::from(path), *kind));
        let more = more.iter().map(|path| (path.clone(), Kind::Service));
        let mut programs =
            Self { paths: known.chain(more).collect(), files: HashSet::new(), new: Vec::new() };
        programs.find();
        programs
    }

    /// None at all: for recordings.
    #[cfg(any(test, feature = "fuzz"))]
    pub fn none_installed() -> Self {
        let paths = KNOWN.iter().map(|(path, kind)| (PathBuf::from(path), *kind)).collect();
        Self { paths, files: HashSet::new(), new: Vec::new() }
    }

    fn find(&mut self) {
        let files: Vec<File> =
            self.paths.iter().filter_map(|(path, _)| file(&fs::metadata(path).ok()?)).collect();
        files.into_iter().for_each(|file| self.add(file));
    }

    fn add(&mut self, file: File) {
        if self.files.insert(file) {
            self.new.push(file);
        }
    }

    /// The kind of sessions that a program of this path begins.
    pub fn kind_of(&self, exe: &[u8]) -> Option<Kind> {
        use std::os::unix::ffi::OsStrExt as _;
        let known = self.paths.iter().find(|(path, _)| path.as_os_str().as_bytes() == exe);
        known.map(|(_, kind)| *kind)
    }

    /// A program was started: an update may have put another file in its place.
    pub fn seen(&mut self, process: &Process) {
        if let (Some(inode), Some(device)) = (process.exe_inode, process.exe_device)
            && self.kind_of(&process.exe).is_some()
        {
            self.add((kernel_device(device.major, device.minor), inode));
        }
    }

    /// Files that the kernel programs do not know yet.
    pub fn take_new(&mut self) -> Vec<File> {
        std::mem::take(&mut self.new)
    }
}

fn file(metadata: &fs::Metadata) -> Option<File> {
    let device = metadata.dev();
    Some((kernel_device(rustix::fs::major(device), rustix::fs::minor(device)), metadata.ino()))
}

/// `MKDEV` of linux/kdev_t.h.
fn kernel_device(major: u32, minor: u32) -> u64 {
    u64::from(major) << 20 | u64::from(minor)
}

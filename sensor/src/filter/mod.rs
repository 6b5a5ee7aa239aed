//! The policy: which events are worth keeping.
//!
//! The kernel has left out what it can decide by itself (opens and connects
//! of processes that belong to nobody); the rest is decided here, on the
//! complete event. Leaving out is the exception that has to be justified:
//! what is not certain is kept. Writes are never noise, neither are failures
//! other than "no such file", and a path counts only where it is known to be
//! the real one (`trusted`).

mod patterns;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use activity_proto::v1::{Access, Connect, Event, Family, FileReceive, Open, PathSource, event::Payload};
use rustix::{
    fs::{FileType, OFlags},
    io::Errno,
};

use crate::config::{PolicyConfig, Scope};
use patterns::Patterns;

/// A longer path is kept without a look at the lists, so that long paths cannot
/// be used to keep the sensor busy.
const LONGEST_NOISE: usize = 1024;

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes out.
    Keep,
    /// It is left out, and counted.
    Drop(Reason),
}

/// Why an event is left out; an index of [`Filter::counts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Neither a login uid nor a terminal.
    Scope,
    /// An act on files or sockets by an executable in `ignore_exe`.
    Exe,
    /// A path, device or socket in the lists of noise.
    Noise,
    /// The name does not exist.
    Missing,
    /// A directory that was opened for reading.
    Directory,
}

impl Reason {
    /// Every reason, in the order of [`Filter::counts`].
    pub const ALL: [Self; 5] = [Self::Scope, Self::Exe, Self::Noise, Self::Missing, Self::Directory];

    /// The name in counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Exe => "exe",
            Self::Noise => "noise",
            Self::Missing => "missing",
            Self::Directory => "directory",
        }
    }
}

/// The lists of the policy cannot be made into a matcher.
#[derive(Debug, thiserror::Error)]
#[error("the path patterns of [policy] are too large together; shorten the lists: {0}")]
pub struct FilterError(#[from] regex::Error);

/// Decides about one event after another.
#[derive(Debug)]
pub struct Filter {
    record_all: bool,
    people_only: bool,
    noise: bool,
    missing: bool,
    directories: bool,
    paths: Patterns,
    always: Patterns,
    sockets: Patterns,
    devices: Vec<Vec<u8>>,
    executables: Vec<Vec<u8>>,
    host_mount_namespace: Option<u32>,
    counts: [AtomicU64; Reason::ALL.len()],
}

impl Filter {
    /// A filter for this policy; with `record_all` it keeps everything.
    ///
    /// # Errors
    /// When the lists are too large.
    pub fn new(policy: &PolicyConfig, record_all: bool) -> Result<Self, FilterError> {
        let bytes = |list: &[String]| list.iter().map(|path| path.as_bytes().to_vec()).collect();
        Ok(Self {
            record_all,
            people_only: policy.scope == Scope::People,
            noise: policy.noise,
            missing: policy.missing,
            directories: policy.directories,
            paths: Patterns::new(&[&policy.ignore_paths, &policy.ignore_paths_extra])?,
            always: Patterns::new(&[&policy.always_paths, &policy.always_paths_extra])?,
            sockets: Patterns::new(&[&policy.ignore_sockets])?,
            devices: bytes(&policy.ignore_devices),
            executables: bytes(&policy.ignore_exe),
            host_mount_namespace: None,
            counts: Default::default(),
        })
    }

    /// Names the mount namespace of the host (the inode of `/proc/1/ns/mnt`).
    /// Whoever makes a namespace of his own can mount anything over a path in
    /// the lists, so the lists do not hold in any other namespace.
    #[must_use]
    pub fn with_host_mount_namespace(self, inode: Option<u32>) -> Self {
        Self { host_mount_namespace: inode, ..self }
    }

    /// What becomes of `event`; an event that is left out is counted.
    pub fn decide(&self, event: &Event) -> Verdict {
        if self.record_all {
            return Verdict::Keep;
        }
        match self.reason(event) {
            None => Verdict::Keep,
            Some(reason) => {
                if let Some(count) = self.counts.get(reason as usize) {
                    count.fetch_add(1, Relaxed);
                }
                Verdict::Drop(reason)
            }
        }
    }

    /// How many events were left out, in the order of [`Reason::ALL`].
    #[must_use]
    pub fn counts(&self) -> [u64; Reason::ALL.len()] {
        self.counts.each_ref().map(|count| count.load(Relaxed))
    }

    fn reason(&self, event: &Event) -> Option<Reason> {
        let payload = event.payload.as_ref()?;
        if self.people_only && !matters_whoever_does_it(payload) && !belongs_to_a_person(event) {
            return Some(Reason::Scope);
        }
        match payload {
            Payload::Exec(_) => self.is_missing(event).then_some(Reason::Missing),
            Payload::Open(open) => self.is_own_doing(event).or_else(|| self.open(event, open)),
            Payload::Connect(connect) => self.is_own_doing(event).or_else(|| self.connect(event, connect)),
            Payload::FileReceive(file) => self.is_own_doing(event).or_else(|| self.received(file)),
            Payload::Listen(_)
            | Payload::Accept(_)
            | Payload::Socket(_)
            | Payload::Rename(_)
            | Payload::Link(_)
            | Payload::Unlink(_)
            | Payload::Chmod(_)
            | Payload::Chown(_)
            | Payload::ExecMapping(_) => self.is_own_doing(event),
            Payload::Exit(_)
            | Payload::Mount(_)
            | Payload::CredentialChange(_)
            | Payload::LoginuidSet(_)
            | Payload::Ptrace(_)
            | Payload::BpfLoad(_)
            | Payload::ModuleLoad(_)
            | Payload::Tamper(_)
            | Payload::SessionStart(_)
            | Payload::SessionUpdate(_)
            | Payload::SessionEnd(_)
            | Payload::LoginFailed(_)
            | Payload::AccountSwitch(_)
            | Payload::Gap(_)
            | Payload::Status(_) => None,
        }
    }

    fn open(&self, event: &Event, open: &Open) -> Option<Reason> {
        if !self.noise {
            return None;
        }
        let failed = errno(event);
        if failed == Some(Errno::NXIO) && *open.path == *b"/dev/tty" && self.devices_include(&open.path) {
            // How shells find out that they have no terminal.
            return Some(Reason::Noise);
        }
        if failed.is_some_and(|errno| errno != Errno::NOENT) {
            return None;
        }
        if failed.is_none() && self.is_silent_device(event, open) {
            return Some(Reason::Noise);
        }
        if !is_read_only(open) || open.path.len() > LONGEST_NOISE {
            return None;
        }
        let reason = if self.is_missing(event) {
            Reason::Missing
        } else if self.is_noise_path(event, open, failed.is_some()) {
            Reason::Noise
        } else if !self.directories && failed.is_none() && is_directory(open) {
            Reason::Directory
        } else {
            return None;
        };
        // Asked last, because most events do not get here.
        (!self.always.matches(&open.path)).then_some(reason)
    }

    fn connect(&self, event: &Event, connect: &Connect) -> Option<Reason> {
        let errno = errno(event);
        if !self.noise || connect.family() != Family::Unix || errno.is_some_and(|e| e != Errno::NOENT) {
            return None;
        }
        if self.lists_hold(event) && self.sockets.matches(&connect.path) {
            return Some(Reason::Noise);
        }
        (self.is_missing(event) && !self.always.matches(&connect.path)).then_some(Reason::Missing)
    }

    /// Sockets and pipes are handed over all the time, and have no name that
    /// would say what they are.
    fn received(&self, file: &FileReceive) -> Option<Reason> {
        let kind = FileType::from_raw_mode(file.mode?);
        (self.noise && file.unreachable && !kind.is_file() && !kind.is_dir()).then_some(Reason::Noise)
    }

    /// An act on files or sockets by the sensor or the collector themselves.
    fn is_own_doing(&self, event: &Event) -> Option<Reason> {
        let process = event.process.as_ref()?;
        let ours = !process.deleted
            && !process.memfd
            && self.executables.iter().any(|exe| *exe == process.exe)
            && self.lists_hold(event);
        ours.then_some(Reason::Exe)
    }

    fn is_missing(&self, event: &Event) -> bool {
        self.noise && !self.missing && errno(event) == Some(Errno::NOENT)
    }

    fn is_silent_device(&self, event: &Event, open: &Open) -> bool {
        let character_device = open.mode.is_some_and(|mode| FileType::from_raw_mode(mode).is_char_device());
        character_device && trusted(open) && self.devices_include(&open.path) && self.lists_hold(event)
    }

    fn devices_include(&self, path: &[u8]) -> bool {
        self.devices.iter().any(|device| device == path)
    }

    fn is_noise_path(&self, event: &Event, open: &Open, failed: bool) -> bool {
        if !(failed || trusted(open)) || !self.lists_hold(event) {
            return false;
        }
        self.paths.matches(&open.path) || self.paths.covers_own_proc && is_own_proc(event, &open.path)
    }

    /// Whether paths mean what they mean on the host.
    fn lists_hold(&self, event: &Event) -> bool {
        let namespace = event.place.as_ref().and_then(|place| place.mount_namespace);
        match (self.host_mount_namespace, namespace) {
            (Some(host), Some(namespace)) => host == namespace,
            _ => true,
        }
    }
}

/// Rare, and of the whole machine's concern; and what the sensor says of itself.
fn matters_whoever_does_it(payload: &Payload) -> bool {
    matches!(
        payload,
        Payload::LoginuidSet(_)
            | Payload::BpfLoad(_)
            | Payload::ModuleLoad(_)
            | Payload::Tamper(_)
            | Payload::Gap(_)
            | Payload::Status(_)
    )
}

/// A login uid that was taken away since, does not make its session nobody's.
fn belongs_to_a_person(event: &Event) -> bool {
    let is_named = event.attribution.as_ref().is_some_and(|attribution| attribution.uid.is_some());
    is_named || has_login(event)
}

fn has_login(event: &Event) -> bool {
    event
        .login
        .as_ref()
        .is_some_and(|login| login.auid.is_some() || login.first_auid.is_some() || !login.tty.is_empty())
}

/// The error of an act that failed. A failure without a number counts as one
/// that is not `ENOENT`.
fn errno(event: &Event) -> Option<Errno> {
    let outcome = event.outcome.as_ref().filter(|outcome| !outcome.success)?;
    let number = outcome.errno.and_then(|errno| i32::try_from(errno).ok());
    Some(number.map_or(Errno::IO, Errno::from_raw_os_error))
}

/// Whether the path is the object's own: not the caller's string, which
/// can change under the call, and not the rest of a path that was lost.
fn trusted(open: &Open) -> bool {
    let from_object = matches!(open.path_source(), PathSource::Kernel | PathSource::Fd);
    from_object && !open.unreachable && !open.deleted
}

/// Opened for nothing but reading; no knowledge is no reading.
fn is_read_only(open: &Open) -> bool {
    let reads = |access: &i32| *access == Access::Read as i32 || *access == Access::Path as i32;
    !open.access.is_empty() && open.access.iter().all(reads)
}

fn is_directory(open: &Open) -> bool {
    match open.mode {
        Some(mode) => FileType::from_raw_mode(mode).is_dir(),
        None => OFlags::from_bits_retain(open.flags).contains(OFlags::DIRECTORY),
    }
}

/// Whether `path` is in `/proc/PID/` of the process that opens it.
fn is_own_proc(event: &Event, path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(b"/proc/") else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let Some((pid, rest)) = rest.split_at_checked(digits) else { return false };
    // A pid has at most ten digits, so this cannot pass a u64.
    let number = pid.iter().take(11).fold(0, |number: u64, digit| number * 10 + u64::from(digit - b'0'));
    let own = event.process.as_ref().is_some_and(|process| u64::from(process.pid) == number);
    own && digits > 0 && matches!(rest.first(), None | Some(b'/'))
}

#[cfg(test)]
mod tests;

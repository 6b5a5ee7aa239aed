//! Which hooks there are, what each needs, and which of them this kernel has:
//! asked of the kernel's types, never guessed from its version.

use std::collections::BTreeSet;

use sensor_types::policy::{MISSING, Offsets, Settings};

use super::btf::Btf;
use crate::config::HooksConfig;

/// A place in the kernel where a program of ours runs.
pub struct Hook {
    /// What it records.
    pub name: &'static str,
    /// The program in the object, named after the tracepoint.
    pub program: &'static str,
    /// Kernel structures, besides those of [`IDENTITY`], it cannot do without.
    pub structures: &'static [&'static str],
}

/// The structures every record's header comes from.
pub const IDENTITY: &[&str] = &["task_struct", "cred", "signal_struct", "tty_struct"];

/// The structures a path is walked along.
const PATH: &[&str] = &["vfsmount", "mount", "dentry"];

/// The tracepoint plan. Where one tracepoint serves several kinds of act, it
/// stands here several times and is attached once.
pub const TRACEPOINT: &[Hook] = &[
    Hook { name: "fork", program: "sched_process_fork", structures: &[] },
    Hook { name: "exec", program: "sched_process_exec", structures: &["mm_struct", "linux_binprm", "file"] },
    Hook { name: "exec", program: "sys_exit", structures: &[] },
    Hook { name: "exit", program: "sched_process_exit", structures: &[] },
    Hook {
        name: "open",
        program: "sys_exit",
        structures: &["file", "files_struct", "fdtable", "inode", "super_block"],
    },
    Hook {
        name: "connect",
        program: "sys_exit",
        structures: &["file", "files_struct", "fdtable", "inode", "socket", "sock"],
    },
    Hook { name: "connect", program: "inet_sock_set_state", structures: &["sock"] },
];

/// Structures whose absence costs detail, not a hook.
const OPTIONAL: &[&str] = &["nsproxy", "mnt_namespace", "unix_sock", "unix_address"];

/// What the kernel's types say before anything is loaded.
pub struct Findings {
    /// Offsets in the order of [`Offsets::FIELDS`], [`MISSING`] where there is none.
    pub offsets: Vec<u32>,
    /// Structures of which a field was not found.
    incomplete: BTreeSet<&'static str>,
    /// Tracepoints this kernel does not have.
    absent: BTreeSet<&'static str>,
    /// Whether `sched_process_exit` says that the whole process is dead (6.16).
    pub exit_says_group_dead: bool,
}

impl Findings {
    /// Looks up all that the tracepoint plan needs.
    pub fn of(btf: &Btf) -> Self {
        let found = btf.offsets(Offsets::FIELDS);
        let incomplete = Offsets::FIELDS
            .iter()
            .zip(&found)
            .filter(|((structure, _), offset)| offset.is_none() && !OPTIONAL.contains(structure))
            // thread_info.status is x86's; elsewhere there is no 32-bit mode to tell apart this way.
            .filter(|((_, field), _)| *field != "thread_info.status" || cfg!(target_arch = "x86_64"))
            .map(|((structure, _), _)| *structure)
            .collect();
        let absent = TRACEPOINT
            .iter()
            .map(|hook| hook.program)
            .filter(|name| btf.tracepoint_arguments(name).is_none())
            .collect();
        Self {
            offsets: found.into_iter().map(|offset| offset.unwrap_or(MISSING)).collect(),
            incomplete,
            absent,
            exit_says_group_dead: btf.tracepoint_arguments("sched_process_exit") >= Some(2),
        }
    }

    /// Why a hook cannot be used, if so.
    pub fn obstacle(&self, hook: &Hook) -> Option<String> {
        if self.absent.contains(hook.program) {
            return Some(format!("this kernel has no tracepoint {}", hook.program));
        }
        let structures = [IDENTITY, hook.structures, PATH].into_iter().flatten();
        let lacking: Vec<_> =
            structures.filter(|structure| self.incomplete.contains(*structure)).copied().collect();
        (!lacking.is_empty())
            .then(|| format!("this kernel's {} has a form that is not known", lacking.join(", ")))
    }
}

/// What the programs are told before load.
pub fn settings(hooks: &HooksConfig, everybody: bool, findings: &Findings) -> Settings {
    Settings {
        own_pid: std::process::id(),
        record_all: everybody.into(),
        exit_says_group_dead: findings.exit_says_group_dead.into(),
        opens: hooks.open.into(),
        connects: hooks.connect.into(),
    }
}

/// Ways past this plan that its hooks cannot see; said at start, by `doctor`
/// and in the status.
pub const NOT_COVERED: &[&str] = &[
    "files opened and sockets connected through io_uring",
    "UDP datagrams sent without connect",
    "file descriptors received from other processes",
    "the arguments of programs that could not be started",
];

//! The ways, in the order of the table.

/// Who acts, and what the program has to be told.
pub enum By {
    /// Somebody who has logged in.
    Person(&'static [&'static str]),
    /// The same, told the sensor's process id.
    PersonAgainstSensor,
    /// Nobody has logged in; told the login uid of somebody.
    Nobody,
}

/// One way around a sensor.
pub struct Row {
    /// What it is called in the table.
    pub way: &'static str,
    /// The act of the program `evade`.
    pub act: &'static str,
    /// Who acts.
    pub by: By,
    /// Words one of which the status uses where it says that this way is not
    /// covered.
    pub words: &'static [&'static str],
}

const fn row(way: &'static str, act: &'static str, words: &'static [&'static str]) -> Row {
    Row { way, act, by: By::Person(&[]), words }
}

const URING: &[&str] = &["io_uring"];
const DATAGRAM: &[&str] = &["udp datagram"];
const UNIX_DATAGRAM: &[&str] = &["unix datagram"];
const DESCRIPTOR: &[&str] = &["descriptor"];
const LOGIN: &[&str] = &["login uid"];
const MEMORY: &[&str] = &["memory of other processes", "ptrace"];
const NONE: &[&str] = &[];

/// Every way that can be gone on a machine of its own.
pub const ROWS: &[Row] = &[
    row("io_uring openat", "uring-open", URING),
    row("io_uring openat, asynchronous", "uring-open-async", URING),
    row("io_uring connect", "uring-connect", URING),
    row("io_uring connect, asynchronous", "uring-connect-async", URING),
    row("io_uring sendmsg", "uring-sendmsg", URING),
    Row {
        way: "path rewritten by another thread",
        act: "rewrite",
        by: By::Person(&["5000", "20", "sequence"]),
        words: NONE,
    },
    row("path completed by userfaultfd", "userfault", NONE),
    row("directory descriptor, `..`, symbolic link swapped at once", "directory-swap", NONE),
    row("path in a page not yet touched", "untouched-page", NONE),
    row("hard link", "hard-link", NONE),
    row("bind mount", "bind-mount", NONE),
    row("chroot", "chroot", NONE),
    row("mount namespace", "mount-namespace", NONE),
    row("user namespace", "user-namespace", NONE),
    row("O_PATH, then /proc/self/fd", "o-path", NONE),
    row("open_by_handle_at", "by-handle", NONE),
    row("openat2 below a root of its own", "openat2", NONE),
    row("creat", "creat", NONE),
    row("open by int 0x80", "int80", NONE),
    row("truncate", "truncate", &["truncate"]),
    row("path over 4,096 bytes", "long-path", NONE),
    row("memory file executed", "memfd-exec", NONE),
    row("unlinked program executed", "deleted-exec", NONE),
    row("execveat with an empty path", "empty-path-exec", NONE),
    row("script", "script", NONE),
    row("script of a script", "nested-scripts", &["interpreter"]),
    row("binfmt_misc", "binfmt-misc", NONE),
    row("ld.so ./tool", "loader", NONE),
    row("argument of 128 KiB", "long-argv", NONE),
    row("PR_SET_NAME", "process-name", NONE),
    row("overwritten argv", "overwritten-argv", NONE),
    row("PR_SET_MM", "moved-argv", NONE),
    row("credentials of one thread", "thread-credentials", NONE),
    row("forged login uid, by root", "forged-login", LOGIN),
    Row { way: "forged login uid, from none", act: "claimed-login", by: By::Nobody, words: LOGIN },
    row("MSG_FASTOPEN", "fast-open", &["fast open"]),
    row("UDP sendto", "udp-sendto", DATAGRAM),
    row("UDP sendmmsg to four hosts", "udp-sendmmsg", DATAGRAM),
    row("MPTCP", "mptcp", NONE),
    row("raw socket", "raw-socket", &["raw socket"]),
    row("packet socket", "packet-socket", &["packet socket"]),
    row("vsock", "vsock", &["vsock"]),
    row("unix socket, connect", "unix-stream", NONE),
    row("unix socket, sendto", "unix-datagram", UNIX_DATAGRAM),
    row("descriptor over SCM_RIGHTS", "scm-rights", DESCRIPTOR),
    row("descriptor by pidfd_getfd", "pidfd-getfd", DESCRIPTOR),
    row("sendfile, splice, copy_file_range, mmap", "copy", NONE),
    row("LD_PRELOAD", "preload", &["preload", "executable mapping"]),
    row("ptrace", "ptrace", MEMORY),
    row("process_vm_writev", "process-vm-writev", MEMORY),
    row("/proc/PID/mem", "proc-mem", MEMORY),
    Row {
        way: "one open in a flood on all processors",
        act: "flood",
        by: By::Person(&["20000"]),
        words: NONE,
    },
    Row {
        way: "edit of the sensor's map",
        act: "map-edit",
        by: By::PersonAgainstSensor,
        words: &["bpf", "tamper"],
    },
    Row {
        way: "detaching the sensor's link",
        act: "link-detach",
        by: By::PersonAgainstSensor,
        words: &["bpf", "tamper"],
    },
];

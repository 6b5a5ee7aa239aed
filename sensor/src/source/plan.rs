//! Which hooks there are, and which of them a plan uses.
//!
//! An act is recorded in one of two ways. Trampolines hook the kernel's own
//! functions: they see the objects the kernel works with, and cost nothing
//! elsewhere. Tracepoints are there where trampolines are refused: most acts
//! are then told on the way out of their system call. What is a tracepoint in
//! either plan stands under `always`.

use sensor_types::act::Act;

/// A place in the kernel where a program of ours runs.
#[derive(Debug, PartialEq, Eq)]
pub struct Hook {
    /// The program in the object.
    pub program: &'static str,
    /// How it is attached.
    pub how: How,
    /// Kernel functions or tracepoints, the first that exists is taken.
    pub places: &'static [&'static str],
    /// Types of the leading parameters that the program reads: the name of what
    /// a pointer leads to, or of the type itself.
    pub parameters: &'static [&'static str],
    /// Kernel structures it cannot do without, besides those of every record.
    pub structures: &'static [&'static str],
    /// Nothing is lost without it where the place does not exist.
    pub optional: bool,
}

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// At a tracepoint.
    Tracepoint,
    /// Where a function is entered (fentry).
    Entry,
    /// Where a function returns (fexit).
    Return,
}

impl How {
    /// The name in status and doctor.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tracepoint => "tracepoint",
            Self::Entry => "fentry",
            Self::Return => "fexit",
        }
    }
}

/// The ways to record an act.
pub struct Way {
    /// What is recorded.
    pub act: Act,
    /// Used in either plan.
    pub always: &'static [&'static Hook],
    /// Used in the trampoline plan.
    pub trampolines: &'static [&'static Hook],
    /// Used in the tracepoint plan, beside the system calls.
    pub tracepoints: &'static [&'static Hook],
}

/// Structures of every record.
pub const IDENTITY: &[&str] = &["task_struct", "cred", "signal_struct", "tty_struct"];
/// Structures a path is walked along.
pub const PATH: &[&str] = &["vfsmount", "mount", "dentry", "fs_struct"];
/// Structures between a descriptor and its file.
pub const DESCRIPTOR: &[&str] = &["file", "files_struct", "fdtable", "inode", "super_block"];

/// Structures whose absence costs detail, not a hook.
pub const OPTIONAL: &[&str] = &[
    "nsproxy",
    "mnt_namespace",
    "unix_sock",
    "unix_address",
    "io_kiocb",
    "renamedata",
    "module",
    "tcp_sock",
];

const fn tracepoint(program: &'static str, places: &'static [&'static str]) -> Hook {
    Hook { program, how: How::Tracepoint, places, parameters: &[], structures: &[], optional: false }
}

const fn at_return(
    program: &'static str,
    places: &'static [&'static str],
    parameters: &'static [&'static str],
) -> Hook {
    Hook { program, how: How::Return, places, parameters, structures: &[], optional: false }
}

const fn at_entry(
    program: &'static str,
    places: &'static [&'static str],
    parameters: &'static [&'static str],
) -> Hook {
    Hook { program, how: How::Entry, places, parameters, structures: &[], optional: false }
}

const fn with(hook: Hook, structures: &'static [&'static str]) -> Hook {
    Hook { structures, ..hook }
}

const fn optional(hook: Hook) -> Hook {
    Hook { optional: true, ..hook }
}

/// The way out of every system call: goes on to the program of each family.
pub static SYS_EXIT: Hook = tracepoint("sys_exit", &["sys_exit"]);

static FORK: Hook = tracepoint("sched_process_fork", &["sched_process_fork"]);
static EXEC: Hook =
    with(tracepoint("sched_process_exec", &["sched_process_exec"]), &["mm_struct", "linux_binprm", "file"]);
static EXIT: Hook = tracepoint("sched_process_exit", &["sched_process_exit"]);
static TCP_STATE: Hook = with(tracepoint("inet_sock_set_state", &["inet_sock_set_state"]), &["sock"]);
static MODULE: Hook = with(tracepoint("module_load", &["module_load"]), &["module"]);
static IO_URING: Hook = tracepoint("io_uring_submit", &["io_uring_submit_req", "io_uring_submit_sqe"]);

static EXECVE: Hook = at_return("execve_failed", &["__x64_sys_execve"], &["pt_regs"]);
static EXECVEAT: Hook = at_return("execveat_failed", &["__x64_sys_execveat"], &["pt_regs"]);
static COMPAT_EXECVE: Hook =
    optional(at_return("compat_execve_failed", &["__ia32_compat_sys_execve"], &["pt_regs"]));
static COMPAT_EXECVEAT: Hook =
    optional(at_return("compat_execveat_failed", &["__ia32_compat_sys_execveat"], &["pt_regs"]));
static INTERPRETER: Hook =
    with(at_return("interpreter", &["security_bprm_check"], &["linux_binprm"]), &["linux_binprm"]);

static OPEN: Hook = with(
    at_return("open_by_name", &["do_filp_open", "do_file_open"], &["int", "filename", "open_flags"]),
    &["filename", "open_flags", "file", "inode", "super_block"],
);
static OPEN_HANDLE: Hook = at_return("open_by_handle", &["do_file_open_root"], &[]);
static TRUNCATE: Hook = with(at_return("truncate", &["vfs_truncate"], &["path", "loff_t"]), &["path"]);
static RECEIVE: Hook = at_return("file_receive", &["security_file_receive"], &["file"]);
static MAPPING: Hook =
    at_return("exec_mapping", &["security_mmap_file"], &["file", "long unsigned int", "long unsigned int"]);

static CONNECT: Hook =
    with(at_return("connect", &["__sys_connect_file"], &["file", "*", "int", "int"]), &["socket", "sock"]);
static SEND: Hook = with(
    at_return("send", &["security_socket_sendmsg"], &["socket", "msghdr", "int"]),
    &["socket", "sock", "msghdr"],
);
static ACCEPT: Hook = with(at_return("accept", &["inet_csk_accept"], &["sock"]), &["sock"]);
static SOCKET: Hook = at_return("socket", &["__sock_create"], &["net", "int", "int", "int", "*", "int"]);

static UNLINK: Hook =
    with(at_return("intend_unlink", &["security_path_unlink"], &["path", "dentry"]), &["path"]);
static UNLINKED: Hook = at_return("finish_unlink", &["vfs_unlink"], &[]);
static RMDIR: Hook =
    with(at_return("intend_rmdir", &["security_path_rmdir"], &["path", "dentry"]), &["path"]);
static RMDIRED: Hook = at_return("finish_rmdir", &["vfs_rmdir"], &[]);
static RENAME: Hook = with(
    at_return(
        "intend_rename",
        &["security_path_rename"],
        &["path", "dentry", "path", "dentry", "unsigned int"],
    ),
    &["path"],
);
static RENAMED: Hook = at_return("finish_rename", &["vfs_rename"], &[]);
static LINK: Hook =
    with(at_return("intend_link", &["security_path_link"], &["dentry", "path", "dentry"]), &["path"]);
static LINKED: Hook = at_return("finish_link", &["vfs_link"], &[]);
static SYMLINK: Hook =
    with(at_return("intend_symlink", &["security_path_symlink"], &["path", "dentry", "char"]), &["path"]);
static SYMLINKED: Hook = at_return("finish_symlink", &["vfs_symlink"], &[]);
static CHMOD: Hook = with(at_entry("begin_chmod", &["chmod_common"], &["path", "umode_t"]), &["path"]);
static CHMODDED: Hook = at_return("chmod", &["chmod_common"], &["path", "umode_t"]);
static CHOWN: Hook = with(at_entry("begin_chown", &["chown_common"], &["path", "uid_t", "gid_t"]), &["path"]);
static CHOWNED: Hook = at_return("chown", &["chown_common"], &["path", "uid_t", "gid_t"]);
static MOUNT: Hook =
    with(at_return("mount", &["path_mount"], &["char", "path", "char", "long unsigned int", "*"]), &["path"]);
static MOVE_MOUNT: Hook =
    with(at_return("move_mount", &["security_move_mount"], &["path", "path"]), &["path"]);
static UNMOUNT: Hook = at_return("unmount", &["security_sb_umount"], &["vfsmount", "int"]);

static CREDENTIALS: Hook = at_entry("commit_creds", &["commit_creds"], &["cred"]);
static LOGINUID_BEGIN: Hook = at_entry("setting_loginuid", &["proc_loginuid_write"], &["file"]);
static LOGINUID_END: Hook =
    at_return("set_loginuid", &["proc_loginuid_write"], &["file", "char", "size_t", "loff_t"]);
static PTRACE: Hook =
    at_return("ptrace_access", &["security_ptrace_access_check"], &["task_struct", "unsigned int"]);
static BPF_LOADED: Hook = with(
    at_entry("bpf_loaded", &["perf_event_bpf_event"], &["bpf_prog", "*"]),
    &["bpf_prog", "bpf_prog_aux"],
);
static BPF_CALL: Hook =
    with(at_return("bpf_call", &["security_bpf"], &["int", "bpf_attr"]), &["bpf_map", "bpf_link"]);

/// How each act is recorded, in the order in which hooks are attached.
pub static WAYS: &[Way] = &[
    way(Act::Fork, &[&FORK], &[], &[]),
    // The smallest trampolines first: where none is permitted, that is known
    // before much was loaded.
    way(Act::LoginuidSet, &[], &[&LOGINUID_BEGIN, &LOGINUID_END], &[]),
    way(Act::Exec, &[&EXEC], &[&EXECVE, &EXECVEAT, &COMPAT_EXECVE, &COMPAT_EXECVEAT], &[]),
    way(Act::Exit, &[&EXIT], &[], &[]),
    way(Act::Open, &[], &[&OPEN, &OPEN_HANDLE, &TRUNCATE], &[]),
    way(Act::Connect, &[&TCP_STATE], &[&CONNECT, &SEND], &[]),
    way(Act::Listen, &[&TCP_STATE], &[], &[]),
    way(Act::Accept, &[], &[&ACCEPT], &[]),
    way(Act::Socket, &[], &[&SOCKET], &[]),
    way(Act::Rename, &[], &[&RENAME, &RENAMED], &[]),
    way(Act::Link, &[], &[&LINK, &LINKED, &SYMLINK, &SYMLINKED], &[]),
    way(Act::Unlink, &[], &[&UNLINK, &UNLINKED, &RMDIR, &RMDIRED], &[]),
    way(Act::Chmod, &[], &[&CHMOD, &CHMODDED], &[]),
    way(Act::Chown, &[], &[&CHOWN, &CHOWNED], &[]),
    way(Act::Mount, &[], &[&MOUNT, &MOVE_MOUNT, &UNMOUNT], &[]),
    way(Act::CredentialChange, &[], &[&CREDENTIALS], &[]),
    way(Act::Ptrace, &[], &[&PTRACE], &[]),
    way(Act::Bpf, &[], &[&BPF_LOADED, &BPF_CALL], &[]),
    way(Act::ModuleLoad, &[&MODULE], &[], &[]),
    way(Act::FileReceive, &[], &[&RECEIVE], &[]),
    way(Act::ExecMapping, &[], &[&MAPPING], &[]),
    way(Act::Interpreter, &[], &[&INTERPRETER], &[]),
    way(Act::IoUringOpen, &[], &[], &[&IO_URING]),
    way(Act::IoUringConnect, &[], &[], &[&IO_URING]),
];

const fn way(
    act: Act,
    always: &'static [&'static Hook],
    trampolines: &'static [&'static Hook],
    tracepoints: &'static [&'static Hook],
) -> Way {
    Way { act, always, trampolines, tracepoints }
}

/// The sensor does not start without these unless it is told to.
pub const REQUIRED: [Act; 5] = [Act::Fork, Act::Exec, Act::Exit, Act::Open, Act::Connect];

/// Ways past either plan that no hook sees.
pub const NEVER_COVERED: &[&str] = &["the arguments of programs that could not be started"];

/// Ways past the tracepoint plan for an act, said at start, by `doctor` and in
/// the status. What is counted is not here but with its count.
pub const fn not_covered(act: Act) -> &'static [&'static str] {
    match act {
        Act::Connect => &[
            "sockets connected through the 32-bit call socketcall",
            "datagrams sent through io_uring, and all but the first 16 of one sendmmsg",
        ],
        Act::Accept | Act::Socket => &["sockets made and connections accepted through io_uring"],
        Act::Rename | Act::Link | Act::Unlink => &["names changed through io_uring"],
        Act::CredentialChange => {
            &["users and groups before a change, and changes by set-user-ID programs beside their exec event"]
        }
        Act::LoginuidSet => &["the moment a login uid is set; it is noticed at the thread's next act"],
        Act::FileReceive => &[
            "descriptors received through recvmmsg, io_uring and 32-bit calls, and all but the first 4 of one message",
        ],
        Act::Interpreter => &["the files of scripts; their names are the caller's"],
        Act::Ptrace => &["tracing that a child asks its parent for (PTRACE_TRACEME)"],
        _ => &[],
    }
}

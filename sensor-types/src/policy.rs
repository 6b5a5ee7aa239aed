//! What the daemon hands to the programs before load. It lies in a frozen
//! map, so that the verifier knows every value as a constant.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The offset of a field this kernel does not have.
pub const MISSING: u32 = u32::MAX;

/// Choices of the daemon.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Settings {
    /// 1: record everything. 0: opens and connects only of tasks with a login
    /// uid or a terminal.
    pub record_all: u32,
    /// 1: `sched_process_exit` says itself whether the process is dead.
    pub exit_says_group_dead: u32,
    /// The acts that are recorded: [`crate::act::Act::bit`].
    pub acts: u32,
    /// 1: the trampoline plan records opens, so the tracepoint for TCP states
    /// tells only what no other hook of the plan sees.
    pub trampolines: u32,
    /// 1: a login uid that differs from the one of the thread's last act is told
    /// of, as no hook told when it was set.
    pub notice_logins: u32,
    /// Which argument of its tracepoint has the operation asked of io_uring, 0
    /// for the first; [`MISSING`]: the first is a `struct io_kiocb`.
    pub io_uring_operation: u32,
    /// 1: the verifier takes the longest programs. 0: a path that is cut has no
    /// full length, fewer datagrams of one sendmmsg are looked at, and long names
    /// of changed objects are counted only.
    pub patient: u32,
    /// 1: the verifier gives the running task a type, so that programs may load from
    /// it without a helper.
    pub typed: u32,
    /// 1: opens that repeat are counted together.
    pub fold: u32,
    /// 1: the daemon says which opens need not be told to it again.
    pub leave_out: u32,
    /// The functions whose parameters differ between kernels.
    pub forms: Forms,
}

impl Settings {
    /// Nothing set yet.
    pub const NONE: Self = Self {
        record_all: 0,
        exit_says_group_dead: 0,
        acts: 0,
        trampolines: 0,
        notice_logins: 0,
        io_uring_operation: MISSING,
        patient: 0,
        typed: 0,
        fold: 0,
        leave_out: 0,
        forms: Forms::NONE,
    };
}

/// What a program has to know of a function whose parameters differ between
/// kernels.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Form {
    /// How many there are: the result stands behind them.
    pub parameters: u32,
    /// The first that is a `struct dentry *`; [`MISSING`] without one.
    pub dentry: u32,
}

/// Declares those functions.
macro_rules! functions_of_changing_form {
    ($($name:ident),+ $(,)?) => {
        /// The form that each has, from the running kernel's BTF.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[expect(missing_docs, reason = "each is named after its function")]
        pub struct Forms { $(pub $name: Form),+ }

        impl Forms {
            /// The functions' names, in order.
            pub const FUNCTIONS: &'static [&'static str] = &[$(stringify!($name)),+];

            /// Nothing looked up yet.
            pub const NONE: Self = Self { $($name: Form { parameters: MISSING, dentry: MISSING }),+ };
        }
    };
}

functions_of_changing_form! {
    do_file_open_root,
    vfs_unlink,
    vfs_rmdir,
    vfs_rename,
    vfs_link,
    vfs_symlink,
    inet_csk_accept,
    security_bpf,
}

/// Declares the kernel fields that the programs read: one line each, from
/// which both the shared structure and the daemon's list of what to look up
/// are made.
macro_rules! kernel_fields {
    ($($name:ident: $structure:literal . $field:literal),+ $(,)?) => {
        /// Byte offsets of kernel structure fields, from the running kernel's
        /// BTF; [`MISSING`] where it has no such field.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[expect(missing_docs, reason = "each is named after its structure and field")]
        pub struct Offsets { $(pub $name: u32),+ }

        impl Offsets {
            /// Structure and field (dots go into members) of each offset, in order.
            pub const FIELDS: &'static [(&'static str, &'static str)] = &[$(($structure, $field)),+];

            /// Nothing looked up yet.
            pub const NONE: Self = Self { $($name: MISSING),+ };
        }
    };
}

kernel_fields! {
    task_thread_info_status: "task_struct"."thread_info.status",
    task_group_leader: "task_struct"."group_leader",
    task_real_parent: "task_struct"."real_parent",
    task_start_boottime: "task_struct"."start_boottime",
    task_tgid: "task_struct"."tgid",
    task_pid: "task_struct"."pid",
    task_self_exec_id: "task_struct"."self_exec_id",
    task_loginuid: "task_struct"."loginuid",
    task_sessionid: "task_struct"."sessionid",
    task_signal: "task_struct"."signal",
    task_cred: "task_struct"."cred",
    task_files: "task_struct"."files",
    task_fs: "task_struct"."fs",
    task_mm: "task_struct"."mm",
    task_exit_code: "task_struct"."exit_code",
    task_nsproxy: "task_struct"."nsproxy",
    task_flags: "task_struct"."flags",
    task_comm: "task_struct"."comm",
    nsproxy_mnt_ns: "nsproxy"."mnt_ns",
    mnt_namespace_inum: "mnt_namespace"."ns.inum",
    signal_tty: "signal_struct"."tty",
    signal_live: "signal_struct"."live",
    signal_flags: "signal_struct"."flags",
    signal_group_exit_code: "signal_struct"."group_exit_code",
    tty_name: "tty_struct"."name",
    cred_uid: "cred"."uid",
    cred_gid: "cred"."gid",
    cred_euid: "cred"."euid",
    cred_egid: "cred"."egid",
    cred_suid: "cred"."suid",
    cred_fsuid: "cred"."fsuid",
    cred_sgid: "cred"."sgid",
    cred_fsgid: "cred"."fsgid",
    cred_capabilities: "cred"."cap_effective",
    files_fdt: "files_struct"."fdt",
    fdtable_fd: "fdtable"."fd",
    fdtable_max_fds: "fdtable"."max_fds",
    fs_pwd_mnt: "fs_struct"."pwd.mnt",
    fs_pwd_dentry: "fs_struct"."pwd.dentry",
    fs_root_mnt: "fs_struct"."root.mnt",
    path_mnt: "path"."mnt",
    path_dentry: "path"."dentry",
    filename_name: "filename"."name",
    open_flags_flag: "open_flags"."open_flag",
    file_path_mnt: "file"."f_path.mnt",
    file_path_dentry: "file"."f_path.dentry",
    file_inode: "file"."f_inode",
    file_flags: "file"."f_flags",
    file_mode: "file"."f_mode",
    file_private_data: "file"."private_data",
    vfsmount_root: "vfsmount"."mnt_root",
    vfsmount_sb: "vfsmount"."mnt_sb",
    mount_mnt: "mount"."mnt",
    mount_parent: "mount"."mnt_parent",
    mount_mountpoint: "mount"."mnt_mountpoint",
    dentry_parent: "dentry"."d_parent",
    dentry_name: "dentry"."d_name.name",
    dentry_name_len: "dentry"."d_name.len",
    dentry_inode: "dentry"."d_inode",
    inode_ino: "inode"."i_ino",
    inode_mode: "inode"."i_mode",
    inode_nlink: "inode"."i_nlink",
    inode_sb: "inode"."i_sb",
    inode_uid: "inode"."i_uid",
    inode_generation: "inode"."i_generation",
    super_block_dev: "super_block"."s_dev",
    super_block_magic: "super_block"."s_magic",
    renamedata_old_dentry: "renamedata"."old_dentry",
    mm_arg_start: "mm_struct"."arg_start",
    mm_arg_end: "mm_struct"."arg_end",
    mm_env_start: "mm_struct"."env_start",
    mm_env_end: "mm_struct"."env_end",
    mm_exe_file: "mm_struct"."exe_file",
    binprm_filename: "linux_binprm"."filename",
    binprm_interp: "linux_binprm"."interp",
    binprm_file: "linux_binprm"."file",
    binprm_buf: "linux_binprm"."buf",
    socket_sk: "socket"."sk",
    sock_family: "sock"."__sk_common.skc_family",
    sock_dport: "sock"."__sk_common.skc_dport",
    sock_daddr: "sock"."__sk_common.skc_daddr",
    sock_v6_daddr: "sock"."__sk_common.skc_v6_daddr",
    sock_num: "sock"."__sk_common.skc_num",
    sock_rcv_saddr: "sock"."__sk_common.skc_rcv_saddr",
    sock_v6_rcv_saddr: "sock"."__sk_common.skc_v6_rcv_saddr",
    sock_type: "sock"."sk_type",
    sock_protocol: "sock"."sk_protocol",
    sock_peer_pid: "sock"."sk_peer_pid",
    pid_number: "pid"."numbers",
    unix_sock_peer: "unix_sock"."peer",
    unix_sock_addr: "unix_sock"."addr",
    unix_address_len: "unix_address"."len",
    unix_address_name: "unix_address"."name",
    tcp_sock_fastopen: "tcp_sock"."fastopen_req",
    msghdr_name: "msghdr"."msg_name",
    msghdr_namelen: "msghdr"."msg_namelen",
    bpf_prog_type: "bpf_prog"."type",
    bpf_prog_aux: "bpf_prog"."aux",
    bpf_prog_aux_id: "bpf_prog_aux"."id",
    bpf_prog_aux_name: "bpf_prog_aux"."name",
    bpf_map_id: "bpf_map"."id",
    bpf_map_name: "bpf_map"."name",
    bpf_link_id: "bpf_link"."id",
    module_name: "module"."name",
    io_kiocb_opcode: "io_kiocb"."opcode",
}

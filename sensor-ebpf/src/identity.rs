//! Who acts: the header of every record, read from the running task.

use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
    generated::{
        bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_task, bpf_ktime_get_boot_ns,
    },
};
use sensor_types::{
    act::Act,
    file::Actor,
    header::{Header, NAME_LEN, UNSET},
};

use crate::{
    kernel::{Address, Object, blank, copy_kernel_str, with_task},
    maps::{is_own, offset, setting},
    ring::Lost,
    session,
};

/// The running task.
#[derive(Clone, Copy)]
pub struct Current {
    pub task: Address,
    /// Process id in the upper half, thread id in the lower.
    pub pid_tgid: u64,
}

impl Current {
    /// The running task; `None` when it is the daemon itself, whose doings
    /// are not recorded and not counted.
    #[inline(always)]
    pub fn get() -> Option<Self> {
        let pid_tgid = bpf_get_current_pid_tgid();
        if is_own((pid_tgid >> 32) as u32) {
            return None;
        }
        Some(Self::of(pid_tgid))
    }

    /// The running task, also where it is the daemon.
    #[inline(always)]
    pub fn any() -> Self {
        Self::of(bpf_get_current_pid_tgid())
    }

    #[inline(always)]
    fn of(pid_tgid: u64) -> Self {
        // SAFETY: the helper has no preconditions.
        let task = Address(unsafe { bpf_get_current_task() });
        Self { task, pid_tgid }
    }

    /// The process's id, in the initial pid namespace.
    #[inline(always)]
    pub fn pid(self) -> u32 {
        (self.pid_tgid >> 32) as u32
    }

    /// The thread's id, in the initial pid namespace.
    #[inline(always)]
    pub fn tid(self) -> u32 {
        self.pid_tgid as u32
    }

    #[inline(always)]
    pub fn loginuid(self) -> u32 {
        self.task.read(offset!(task_loginuid)).unwrap_or(UNSET)
    }

    #[inline(always)]
    pub fn sessionid(self) -> u32 {
        self.task.read(offset!(task_sessionid)).unwrap_or(UNSET)
    }

    /// The first policy: what nobody logged in for and no terminal shows is
    /// not a person's doing. Applied to files and connections here; process
    /// events always go on, because the process table lives from them.
    #[inline(always)]
    pub fn check_policy(self) -> Result<(), Lost> {
        let is_persons = || with_task!(setting!(typed) == 1, self.task, |task| has_login_or_terminal(task));
        if setting!(record_all) == 1
            || is_persons()
            // Whoever unset his login uid is still in his session.
            || session::of(self.tid()).is_some()
        {
            Ok(())
        } else {
            Err(Lost::Filtered)
        }
    }

    /// Fills in the header. Where the thread's login uid is another than it was
    /// at its last act, that is recorded as well.
    ///
    /// # Safety
    /// `header` must be valid for writing.
    #[inline(always)]
    pub unsafe fn write_header(self, header: *mut Header, act: Act) -> Result<(), Lost> {
        // SAFETY: as the caller promises.
        let written = unsafe { self.write_known_header(header, act) };
        // SAFETY: as the caller promises; written a moment ago.
        let (loginuid, last) = unsafe { ((*header).loginuid, self.write_session(&mut *header)) };
        if setting!(notice_logins) == 1 && loginuid != last {
            // SAFETY: as above.
            session::notice(&self, act, unsafe { (*header).boottime_ns });
        }
        written
    }

    /// Records a login uid that is another than at the thread's last act, where no
    /// hook tells when it is set.
    #[inline(always)]
    pub fn notice_login(self, act: Act) {
        if setting!(notice_logins) == 1 {
            let loginuid = self.loginuid();
            if loginuid != session::of(self.tid()).map_or(UNSET, |session| session.last_loginuid) {
                // SAFETY: the helper has no preconditions.
                session::notice(&self, act, unsafe { bpf_ktime_get_boot_ns() });
            }
        }
    }

    /// As [`Self::write_header`], for programs whose stack has no room for one more function: a
    /// new login uid is noticed at the thread's next act.
    ///
    /// # Safety
    /// `header` must be valid for writing.
    #[inline(always)]
    pub unsafe fn write_quiet_header(self, header: *mut Header, act: Act) -> Result<(), Lost> {
        // SAFETY: as the caller promises.
        let written = unsafe { self.write_known_header(header, act) };
        // SAFETY: as the caller promises; written a moment ago.
        unsafe { self.write_session(&mut *header) };
        written
    }

    /// Fills in the header of a thread whose login uid is known to the session
    /// map already.
    ///
    /// # Safety
    /// `header` must be valid for writing.
    #[inline(always)]
    pub unsafe fn write_known_header(self, header: *mut Header, act: Act) -> Result<(), Lost> {
        // SAFETY: valid as the caller promises.
        let header = unsafe { &mut *header };
        // SAFETY: the helper has no preconditions.
        header.boottime_ns = unsafe { bpf_ktime_get_boot_ns() };
        header.kind = act as u32;
        header.pid = (self.pid_tgid >> 32) as u32;
        header.tid = self.pid_tgid as u32;
        // SAFETY: the helper has no preconditions.
        header.cgroup_id = unsafe { bpf_get_current_cgroup_id() };
        let uid_gid = bpf_get_current_uid_gid();
        header.uid = uid_gid as u32;
        header.gid = (uid_gid >> 32) as u32;
        header.session_loginuid = UNSET;
        header.session_start_ns = 0;
        header.session_sessionid = UNSET;
        header.reserved = 0;
        // SAFETY: the helper writes all of the name's bytes, and only those.
        unsafe { bpf_get_current_comm(header.comm.as_mut_ptr().cast(), NAME_LEN as u32) };
        with_task!(is_frequent(act), self.task, |task| write_task(task, header)).ok_or(Lost::Unreadable)
    }

    /// See [`Actor::execs`].
    #[inline(always)]
    pub fn execs(self) -> u64 {
        with_task!(setting!(typed) == 1, self.task, |task| task.read(offset!(task_self_exec_id))).unwrap_or(0)
    }

    /// See [`Header::mount_namespace`].
    #[inline(always)]
    pub fn mount_namespace(self) -> u32 {
        with_task!(setting!(typed) == 1, self.task, |task| mount_namespace(task)).unwrap_or(0)
    }

    /// Fills in which program of which process this is, and as whom.
    ///
    /// # Safety
    /// `actor` must be valid for writing.
    #[inline(always)]
    pub unsafe fn write_actor(self, actor: *mut Actor) {
        // SAFETY: valid as the caller promises.
        let actor = unsafe { &mut *actor };
        actor.pid = (self.pid_tgid >> 32) as u32;
        actor.uid_gid = bpf_get_current_uid_gid();
        // SAFETY: the helper has no preconditions.
        actor.cgroup_id = unsafe { bpf_get_current_cgroup_id() };
        with_task!(setting!(typed) == 1, self.task, |task| read_actor(task, actor));
    }

    /// Fills in the session, and tells the login uid of the thread's last act.
    #[inline(always)]
    fn write_session(self, header: &mut Header) -> u32 {
        let Some(session) = session::of(self.tid()) else { return UNSET };
        header.session_loginuid = session.loginuid;
        header.session_start_ns = session.start_ns;
        header.session_sessionid = session.sessionid;
        session.last_loginuid
    }
}

/// Whether an act is so frequent that its programs load from the task's own type;
/// see [`Known`](crate::kernel::Known) for why not all do.
#[inline(always)]
fn is_frequent(act: Act) -> bool {
    setting!(typed) == 1 && matches!(act, Act::Open)
}

/// Fills in what the task's structures say.
#[inline(always)]
fn write_task<Task: Object>(task: Task, header: &mut Header) -> Option<()> {
    header.loginuid = task.read(offset!(task_loginuid)).unwrap_or(UNSET);
    header.sessionid = task.read(offset!(task_sessionid)).unwrap_or(UNSET);
    header.mount_namespace = mount_namespace(task).unwrap_or(0);
    // SAFETY: a name may be all zeros.
    unsafe { blank(&raw mut header.tty) };
    if let Some(tty) = terminal(task) {
        let name = tty.address().add(offset!(tty_name));
        // SAFETY: the destination has NAME_LEN bytes.
        unsafe { copy_kernel_str(header.tty.as_mut_ptr(), NAME_LEN as u32, name) };
    }
    let cred = task.follow(offset!(task_cred))?;
    header.euid = cred.read(offset!(cred_euid))?;
    header.egid = cred.read(offset!(cred_egid))?;
    header.start_ns = start_of(task)?;
    let parent = task.follow(offset!(task_real_parent))?;
    header.parent_pid = parent.read(offset!(task_tgid))?;
    header.parent_start_ns = start_of(parent)?;
    Some(())
}

/// Fills in what the task's structures say of who acts.
#[inline(always)]
fn read_actor<Task: Object>(task: Task, actor: &mut Actor) {
    actor.start_ns = start_of(task).unwrap_or(0);
    actor.execs = task.read(offset!(task_self_exec_id)).unwrap_or(0);
    actor.loginuid = task.read(offset!(task_loginuid)).unwrap_or(UNSET);
    actor.sessionid = task.read(offset!(task_sessionid)).unwrap_or(UNSET);
    actor.mount_namespace = mount_namespace(task).unwrap_or(0);
    let cred = task.follow(offset!(task_cred));
    actor.euid = cred.and_then(|cred| cred.read(offset!(cred_euid))).unwrap_or(UNSET);
    actor.egid = cred.and_then(|cred| cred.read(offset!(cred_egid))).unwrap_or(UNSET);
}

#[inline(always)]
fn has_login_or_terminal<Task: Object>(task: Task) -> bool {
    task.read(offset!(task_loginuid)).unwrap_or(UNSET) != UNSET || terminal(task).is_some()
}

/// The terminal's structure, if the task has a controlling terminal.
#[inline(always)]
fn terminal<Task: Object>(task: Task) -> Option<Task> {
    task.follow(offset!(task_signal))?.follow(offset!(signal_tty))
}

#[inline(always)]
fn mount_namespace<Task: Object>(task: Task) -> Option<u32> {
    // Null while the task exits.
    let nsproxy = task.follow(offset!(task_nsproxy))?;
    nsproxy.follow(offset!(nsproxy_mnt_ns))?.read(offset!(mnt_namespace_inum))
}

/// When the process of a task was started: a thread's own start would give
/// one process several identities.
#[inline(always)]
pub fn start_of<Task: Object>(task: Task) -> Option<u64> {
    task.follow(offset!(task_group_leader))?.read(offset!(task_start_boottime))
}

//! Adds to an event what only user space knows: names of users and groups,
//! the program behind a process, its container; and, from `identity`, the human.

pub mod ancestry;
mod cgroups;
pub mod history;
pub mod image;
mod interpreters;
pub mod processes;
mod seed;
pub mod users;

use std::sync::mpsc::Receiver;

use activity_proto::v1::{Event, Process, Ptrace, SessionState, Truncation, event::Payload};
use sensor_types::process::Fork;

use crate::{
    decode::{Level, redact::Redactor},
    identity::{Identity, LoginPrograms},
    logins::Heard,
};
use ancestry::Ancestry;
use cgroups::Cgroups;
use image::Image;
use interpreters::Interpreters;
use processes::{ProcessId, Processes};
use users::Users;

/// What is known beside the kernel's records. One for the life of the sensor.
pub struct Enricher {
    processes: Processes,
    interpreters: Interpreters,
    users: Users,
    cgroups: Cgroups,
    identity: Identity,
    /// That of the first process.
    host_mount_namespace: Option<u32>,
}

/// Whether the event goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Enriched {
    /// It does.
    New,
    /// The process had been reported as ended already.
    Repeated,
}

impl Enricher {
    /// Knows the processes that run already, from /proc, and the sessions they
    /// belong to, with `past` from the logs, of which `log` is what follows. The fork hook must be attached
    /// before, so that no process falls between the two.
    pub fn new(
        redactor: &Redactor,
        boot_id: &str,
        programs: LoginPrograms,
        past: Vec<Heard>,
        log: Receiver<Heard>,
    ) -> Self {
        let (mut processes, mut users) = (Processes::default(), Users::start());
        let found = seed::from_proc(&mut processes, redactor);
        let mut identity = Identity::new(boot_id, programs);
        identity.listen(log);
        identity.ask_logind();
        identity.find_existing(&found, past, &mut processes, &mut users);
        let host_mount_namespace = crate::pipeline::host_mount_namespace();
        let interpreters = Interpreters::default();
        Self { processes, interpreters, users, cgroups: Cgroups::find(), identity, host_mount_namespace }
    }

    /// Knows nothing of the machine it runs on: for recordings.
    #[cfg(any(test, feature = "fuzz"))]
    pub fn knowing_nothing() -> Self {
        Self {
            processes: Processes::default(),
            interpreters: Interpreters::default(),
            users: Users::known(&[(0, "root"), (1000, "alice")]),
            cgroups: Cgroups::none(),
            identity: Identity::new("00000000-boot", LoginPrograms::none_installed()),
            host_mount_namespace: None,
        }
    }

    /// Looks at the clock and at what was looked up meanwhile, once for many
    /// events.
    pub fn tick(&mut self) {
        self.users.tick();
        self.identity.tick(&mut self.users);
    }

    /// Events of the sensor's own making that are due.
    pub fn told(&mut self) -> Vec<Event> {
        self.identity.told()
    }

    /// Whether such an event waits for more to be known.
    pub fn is_waiting(&self) -> bool {
        self.identity.is_waiting()
    }

    /// Who is on.
    pub fn sessions(&mut self) -> Vec<SessionState> {
        self.identity.states(&self.processes)
    }

    /// Files of login programs that the kernel programs do not know yet: device
    /// and inode.
    pub fn new_login_programs(&mut self) -> Vec<(u64, u64)> {
        self.identity.new_login_programs()
    }

    /// A process was made.
    pub fn forked(&mut self, fork: &Fork) {
        self.processes.forked(fork);
    }

    /// A file leads to the program of an exec that is under way.
    pub fn led_to(&mut self, level: Level) {
        self.interpreters.add(level);
    }

    /// Fills in the event and learns from it.
    pub fn enrich(&mut self, event: &mut Event) -> Enriched {
        self.name_users(event);
        self.place(event);
        self.interpreters.apply(event);
        self.describe_target(event);
        let enriched = self.apply_process(event);
        if enriched == Enriched::New {
            self.identity.enrich(&mut self.processes, &mut self.users, event);
        }
        enriched
    }

    /// What led to the program that acts.
    pub fn ancestry(&self, event: &Event) -> Ancestry {
        let id = |process: &Process| ProcessId { pid: process.pid, start_ns: process.start_boottime_ns };
        event.process.as_ref().map(|process| self.processes.ancestry(id(process))).unwrap_or_default()
    }

    /// Whether the human behind an act of this program stays who it is.
    pub fn is_settled(&self, event: &Event) -> bool {
        self.identity.is_settled(&self.processes, event)
    }

    /// Number of processes that are known.
    pub fn processes(&self) -> usize {
        self.processes.len()
    }

    fn apply_process(&mut self, event: &mut Event) -> Enriched {
        let started = matches!(event.payload, Some(Payload::Exec(_)))
            && event.outcome.is_some_and(|outcome| outcome.success);
        let ended = matches!(event.payload, Some(Payload::Exit(_)));
        let time = event.boottime_ns;
        let Some(process) = &mut event.process else { return Enriched::New };
        let (pid, start) = (process.pid, process.start_boottime_ns);
        if started {
            self.processes.executed(pid, start, time, Image::of(process));
            return Enriched::New;
        }
        let cut = self.processes.describe(time, process);
        event.truncated.extend(cut);
        if ended && !self.processes.exited(pid, start, time) {
            return Enriched::Repeated;
        }
        Enriched::New
    }

    /// What the other process of a ptrace runs. Where only its number is known,
    /// that is the caller's word for it, and means another process in a
    /// container.
    fn describe_target(&self, event: &mut Event) {
        let namespace = event.place.as_ref().and_then(|place| place.mount_namespace);
        let Some(Payload::Ptrace(Ptrace { target: Some(target), .. })) = &mut event.payload else { return };
        let on_host = namespace.is_some() && namespace == self.host_mount_namespace;
        if target.start_boottime_ns == 0 && !on_host {
            return;
        }
        if let Some(cut) = self.processes.describe(event.boottime_ns, target) {
            let field = format!("target.{}", cut.field);
            event.truncated.push(Truncation { field, ..cut });
        }
    }

    fn name_users(&mut self, event: &mut Event) {
        if let Some(credentials) = &mut event.credentials {
            credentials.user = self.users.user(credentials.uid);
            credentials.effective_user = self.users.user(credentials.euid);
            credentials.group = self.users.group(credentials.gid);
            credentials.effective_group = self.users.group(credentials.egid);
        }
        if let Some(login) = &mut event.login
            && let Some(auid) = login.auid
        {
            login.user = self.users.user(auid);
        }
    }

    fn place(&mut self, event: &mut Event) {
        if let Some(place) = &mut event.place
            && let Some(id) = place.cgroup_id
            && let Some(cgroup) = self.cgroups.get(id)
        {
            place.cgroup_path = cgroup.path.clone();
            place.container_id.clone_from(&cgroup.container_id);
            place.container_runtime.clone_from(&cgroup.runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use activity_proto::v1::{Exec, Outcome, Place};

    #[test]
    fn the_target_of_a_ptrace_is_told_where_it_is_certain_which_it_is() {
        let mut enricher = Enricher { host_mount_namespace: Some(1), ..Enricher::knowing_nothing() };
        let process =
            Process { pid: 9, start_boottime_ns: 3, exe: "/usr/sbin/sshd".into(), ..Process::default() };
        enricher.enrich(&mut Event {
            process: Some(process),
            outcome: Some(Outcome { success: true, errno: None }),
            payload: Some(Payload::Exec(Exec::default())),
            ..Event::default()
        });
        let mut exe_of = |start_boottime_ns, mount_namespace| {
            let target = Some(Process { pid: 9, start_boottime_ns, ..Process::default() });
            let mut event = Event {
                boottime_ns: 10,
                place: Some(Place { mount_namespace: Some(mount_namespace), ..Place::default() }),
                payload: Some(Payload::Ptrace(Ptrace { target, ..Ptrace::default() })),
                ..Event::default()
            };
            enricher.enrich(&mut event);
            let Some(Payload::Ptrace(ptrace)) = event.payload else { unreachable!() };
            ptrace.target.unwrap().exe
        };
        assert_eq!(exe_of(3, 2), "/usr/sbin/sshd");
        assert_eq!(exe_of(4, 1), "");
        assert_eq!(exe_of(0, 1), "/usr/sbin/sshd");
        assert_eq!(exe_of(0, 2), "");
    }
}

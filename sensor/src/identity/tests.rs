//! People, told event by event.

use activity_proto::v1::{
    Attribution, Confidence, CredentialChange, Credentials, Event, Exec, Exit, Identity as Ids, Login,
    LoginuidSet, Method, Outcome, Process, Reason, event::Payload,
};
use bytes::Bytes;
use sensor_types::{header::Header, process::Fork};
use zerocopy::FromZeros as _;

use super::*;
use crate::enrich::image::Image;

const ALICE: u32 = 1000;
const ROOT: u32 = 0;
const BOB: u32 = 1001;

struct World {
    identity: Identity,
    processes: Processes,
    users: Users,
    now: u64,
}

/// A process as the events tell of it.
#[derive(Clone, Copy)]
struct Someone {
    pid: u32,
    uid: u32,
    euid: u32,
    login: Option<(u32, u32)>,
    first: Option<(u32, u32)>,
}

impl Someone {
    const fn new(pid: u32, uid: u32) -> Self {
        Self { pid, uid, euid: uid, login: None, first: None }
    }

    const fn of(self, auid: u32, session: u32) -> Self {
        Self { login: Some((auid, session)), ..self }
    }
}

impl World {
    fn new() -> Self {
        Self {
            identity: Identity::new("boot", LoginPrograms::none_installed()),
            processes: Processes::default(),
            users: Users::known(&[(ROOT, "root"), (ALICE, "alice"), (BOB, "bob")]),
            now: 1_000,
        }
    }

    fn event(&mut self, who: Someone, payload: Payload) -> Event {
        self.now += 10;
        let login = |(auid, session): (u32, u32)| (Some(auid), Some(session));
        let (auid, session_id) = who.login.map(login).unwrap_or_default();
        let (first_auid, first_session_id) = who.first.map(login).unwrap_or_default();
        let login = Login { auid, session_id, first_auid, first_session_id, ..Login::default() };
        let name = |uid| {
            if uid == ROOT {
                "root"
            } else if uid == ALICE {
                "alice"
            } else {
                "bob"
            }
        };
        let mut event = Event {
            boottime_ns: self.now,
            process: Some(Process { pid: who.pid, start_boottime_ns: who.pid.into(), ..Process::default() }),
            credentials: Some(Credentials {
                uid: who.uid,
                euid: who.euid,
                effective_user: name(who.euid).into(),
                ..Credentials::default()
            }),
            login: (login != Login::default()).then_some(login),
            outcome: Some(Outcome { success: true, errno: None }),
            payload: Some(payload),
            ..Event::default()
        };
        if matches!(event.payload, Some(Payload::Exit(_))) {
            self.processes.exited(who.pid, who.pid.into(), self.now);
        }
        self.identity.enrich(&mut self.processes, &mut self.users, &mut event);
        event
    }

    fn exec(&mut self, who: Someone, exe: &'static str) -> Event {
        self.now += 10;
        let argv = [Bytes::from_static(exe.as_bytes())];
        let image = Image::from_proc(Bytes::from_static(exe.as_bytes()), false, &argv, Bytes::new());
        self.processes.executed(who.pid, who.pid.into(), self.now, image);
        self.event(who, Payload::Exec(Exec::default()))
    }

    fn fork(&mut self, parent: Someone, child: u32) {
        self.now += 10;
        let mut header = Header::new_zeroed();
        (header.pid, header.start_ns, header.boottime_ns) = (parent.pid, parent.pid.into(), self.now);
        let start = (parent.pid.into(), child.into());
        self.processes.forked(&Fork {
            header,
            child_start_ns: start.1,
            parent_start_ns: start.0,
            child_pid: child,
            parent_pid: parent.pid,
        });
    }

    fn set_login(&mut self, who: Someone, auid: u32, session: u32) -> Event {
        let old = who.login.unzip();
        let set = LoginuidSet {
            old_auid: old.0,
            old_session_id: old.1,
            new_auid: Some(auid),
            new_session_id: Some(session),
            ..LoginuidSet::default()
        };
        self.event(who, Payload::LoginuidSet(set))
    }

    fn open(&mut self, who: Someone) -> Attribution {
        self.event(who, Payload::Open(v1::Open::default())).attribution.unwrap()
    }

    fn exit(&mut self, who: Someone) {
        self.event(who, Payload::Exit(Exit::default()));
    }

    /// sshd (100) for Alice in session 7, and her shell (101).
    fn with_alice() -> (Self, Someone) {
        let mut world = Self::new();
        let sshd = Someone::new(100, ROOT);
        world.exec(sshd, "/usr/sbin/sshd");
        world.set_login(sshd, ALICE, 7);
        let sshd = sshd.of(ALICE, 7);
        world.fork(sshd, 101);
        let shell = Someone::new(101, ALICE).of(ALICE, 7);
        world.exec(shell, "/bin/bash");
        (world, shell)
    }
}

fn says(attribution: &Attribution) -> (Option<u32>, Method, Confidence, Reason) {
    (attribution.uid, attribution.method(), attribution.confidence(), attribution.reason())
}

#[test]
fn whom_a_login_program_lets_in_is_known_for_sure() {
    let (mut world, shell) = World::with_alice();
    let open = world.open(shell);
    assert_eq!(says(&open), (Some(ALICE), Method::Kernel, Confidence::High, Reason::Unspecified));
    assert_eq!((open.chain, open.user.as_str()), (vec!["alice".to_owned()], "alice"));
}

#[test]
fn sudo_is_a_step_of_the_same_person() {
    let (mut world, shell) = World::with_alice();
    world.fork(shell, 102);
    let sudo = Someone { euid: ROOT, ..Someone::new(102, ALICE).of(ALICE, 7) };
    let asking = world.exec(sudo, "/usr/bin/sudo").attribution.unwrap();
    assert_eq!((asking.chain, asking.switches.len()), (vec!["alice".to_owned(), "root".to_owned()], 0));
    let new = Some(Ids { uid: ROOT, ..Ids::default() });
    world.event(sudo, Payload::CredentialChange(CredentialChange { old: None, new }));
    let root = Someone::new(102, ROOT).of(ALICE, 7);
    let acting = world.exec(root, "/bin/sh").attribution.unwrap();
    assert_eq!((acting.uid, acting.chain), (Some(ALICE), vec!["alice".to_owned(), "root".to_owned()]));
    assert_eq!((acting.switches[0].by.as_str(), acting.switches[0].from.as_str()), ("sudo", "alice"));
    let told: Vec<_> = world.identity.told();
    let switches: Vec<_> =
        told.iter().filter(|event| matches!(event.payload, Some(Payload::AccountSwitch(_)))).collect();
    assert_eq!(switches.len(), 1);
    assert_eq!(switches[0].attribution.as_ref().unwrap().uid, Some(ALICE));
}

#[test]
fn a_login_uid_written_over_moves_nothing_to_another_person() {
    let (mut world, shell) = World::with_alice();
    world.set_login(shell, BOB, 8);
    let forged = Someone { first: Some((ALICE, 7)), ..shell.of(BOB, 8) };
    let open = world.open(forged);
    assert_eq!(says(&open), (Some(ALICE), Method::Session, Confidence::Medium, Reason::Rewritten));
}

#[test]
fn a_login_uid_that_anybody_sets_is_a_claim() {
    let mut world = World::new();
    let shell = Someone::new(50, BOB);
    world.exec(shell, "/bin/sh");
    assert_eq!(world.open(shell).reason(), Reason::NoLogin);
    world.set_login(shell, ALICE, 9);
    let open = world.open(shell.of(ALICE, 9));
    assert_eq!(says(&open), (Some(ALICE), Method::Kernel, Confidence::Low, Reason::Claimed));
    assert!(open.switches.is_empty());
}

#[test]
fn a_login_through_a_daemon_that_somebody_restarted_is_the_new_persons() {
    let (mut world, shell) = World::with_alice();
    world.fork(shell, 110);
    let daemon = Someone::new(110, ROOT).of(ALICE, 7);
    world.exec(daemon, "/usr/sbin/sshd");
    world.fork(daemon, 111);
    let keeper = Someone::new(111, ROOT).of(ALICE, 7);
    world.set_login(keeper, BOB, 8);
    let open = world.open(Someone::new(111, BOB).of(BOB, 8));
    assert_eq!(says(&open), (Some(BOB), Method::Kernel, Confidence::High, Reason::Unspecified));
}

#[test]
fn what_outlives_its_session_is_detached() {
    let (mut world, shell) = World::with_alice();
    world.fork(shell, 120);
    let job = Someone::new(120, ALICE).of(ALICE, 7);
    assert!(!world.open(job).detached);
    world.exit(shell);
    let open = world.open(job);
    assert_eq!(says(&open), (Some(ALICE), Method::Inherited, Confidence::Low, Reason::Detached));
    assert!(open.detached);
    world.exit(Someone::new(100, ROOT).of(ALICE, 7));
    let ended = world.identity.told();
    let end = ended.iter().find_map(|event| match &event.payload {
        Some(Payload::SessionEnd(end)) => Some(end.remaining),
        _ => None,
    });
    assert_eq!(end, Some(1));
}

#[test]
fn an_event_that_is_late_has_the_person_of_its_time() {
    let (mut world, shell) = World::with_alice();
    let before = world.now;
    world.exit(Someone::new(100, ROOT).of(ALICE, 7));
    world.now = before - 20;
    assert!(!world.open(shell).detached);
}

#[test]
fn a_session_of_which_the_beginning_was_lost_is_named_with_low_confidence() {
    let mut world = World::new();
    let shell = Someone::new(60, ALICE).of(ALICE, 5);
    let open = world.exec(shell, "/bin/bash").attribution.unwrap();
    assert_eq!(says(&open), (Some(ALICE), Method::Kernel, Confidence::Low, Reason::UnknownOrigin));
}

#[test]
fn what_logind_says_late_is_told_once() {
    let (mut world, _) = World::with_alice();
    let seen = || {
        let logind =
            logind::Logind { id: "7".into(), remote: "192.0.2.7".parse().ok(), ..Default::default() };
        Seen::Logind { key: 7, is_first: false, logind: Some(logind) }
    };
    world.identity.sessions.due(Instant::now() + WAIT, &mut world.users);
    world.identity.told();
    world.identity.saw(Seen::Logind { key: 7, is_first: true, logind: None });
    assert!(world.identity.told().is_empty());
    world.identity.saw(seen());
    world.identity.saw(seen());
    let told = world.identity.told();
    assert!(matches!(told[..], [Event { payload: Some(Payload::SessionUpdate(_)), .. }]));
    let session = told[0].session.as_ref().unwrap();
    assert_eq!((session.logind_id.as_str(), session.remote_address.as_str()), ("7", "192.0.2.7"));
    // The kernel's word goes first, whenever it comes.
    world.identity.saw(Seen::Peer { key: 7, peer: Some(("192.0.2.1".parse().unwrap(), 5)) });
    world.identity.saw(seen());
    let session = &world.identity.sessions.get(7).unwrap().message;
    assert_eq!((session.remote_address.as_str(), session.remote_port), ("192.0.2.1", Some(5)));
}

#[test]
fn the_first_process_of_a_session_from_before_is_known_by_its_child() {
    let mut world = World::new();
    let sshd = Image::from_proc("/usr/sbin/sshd".into(), false, &[], Bytes::new());
    world.processes.seeded(100, 50, sshd, Who { session: Some(7), ..Who::default() });
    let leader = ProcessId { pid: 100, start_ns: 500_000_000 };
    let found = [Found { id: leader, real_uid: ROOT, login: Some((ALICE, 7)) }];
    world.identity.find_existing(&found, Vec::new(), &mut world.processes, &mut world.users);
    let uid = |world: &World| world.identity.sessions.get(7).unwrap().message.leader_uid.clone();
    assert_eq!(uid(&world), "");
    let mut child = Event {
        process: Some(Process {
            pid: 101,
            ppid: 100,
            parent_uid: "boot-100-500000042".into(),
            ..Process::default()
        }),
        login: Some(Login { auid: Some(ALICE), session_id: Some(7), ..Login::default() }),
        payload: Some(Payload::Open(v1::Open::default())),
        ..Event::default()
    };
    world.identity.enrich(&mut world.processes, &mut world.users, &mut child);
    assert_eq!(uid(&world), "boot-100-500000042");
    assert_eq!(child.session.unwrap().leader_uid, "boot-100-500000042");
}

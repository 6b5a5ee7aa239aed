use super::*;
use std::{os::unix::net::UnixStream, sync::mpsc::sync_channel};

const QUESTION: Question = Question { key: 7, pid: 100, is_ssh: true };

fn logind(id: &str, tty: &str) -> Option<Logind> {
    Some(Logind { id: id.into(), tty: tty.into(), ..Logind::default() })
}

#[test]
fn the_kernels_number_decides_and_without_one_the_first_process() {
    let are_of = |audit, leader| Properties { audit, leader, ..Properties::default() }.are_of(QUESTION);
    assert!(are_of(7, 100) && are_of(7, 1));
    assert!(!are_of(8, 100));
    assert!(are_of(0, 100) && are_of(UNSET, 100));
    assert!(!are_of(0, 1));
    let unknown = Question { pid: 0, ..QUESTION };
    assert!(!Properties::default().are_of(unknown));
}

#[test]
fn logind_fills_in_only_what_is_not_known() {
    let said = Logind {
        id: "7".into(),
        tty: "pts0".into(),
        remote: "192.0.2.9".parse().ok(),
        start: Some(Timestamp { seconds: 5, nanos: 0 }),
    };
    let mut unknown = v1::Session::default();
    assert!(said.clone().fill(&mut unknown));
    assert_eq!((unknown.logind_id.as_str(), &unknown.tty[..]), ("7", &b"pts0"[..]));
    assert_eq!(unknown.remote_address, "192.0.2.9");
    assert!(!said.clone().fill(&mut unknown));
    let start = Some(Timestamp { seconds: 1, nanos: 0 });
    let mut known = v1::Session {
        remote_address: "192.0.2.1".into(),
        tty: "tty1".into(),
        start,
        ..v1::Session::default()
    };
    assert!(said.fill(&mut known));
    assert_eq!((known.remote_address.as_str(), &known.tty[..]), ("192.0.2.1", &b"tty1"[..]));
    assert_eq!(known.start, start);
}

#[test]
fn a_host_without_an_address_is_left_out() {
    let remote =
        |host: &str| Properties { remote_host: host.into(), ..Properties::default() }.understood().remote;
    assert_eq!(remote("::ffff:192.0.2.9"), "192.0.2.9".parse().ok());
    assert_eq!((remote("host.example"), remote("")), (None, None));
}

#[test]
fn what_is_not_there_yet_is_asked_for_again_a_few_times() {
    let mut asked = Asked::new(QUESTION);
    let first = asked.first;
    assert_eq!(asked.due(), Some(first));
    assert!(matches!(asked.answered(None), Some(Seen::Logind { is_first: true, logind: None, .. })));
    for after in AGAIN {
        assert_eq!(asked.due(), Some(first + after));
        assert!(asked.answered(None).is_none());
    }
    assert_eq!(asked.due(), None);
}

#[test]
fn an_ssh_session_is_whole_with_its_terminal_and_nothing_is_told_twice() {
    let mut asked = Asked::new(QUESTION);
    assert!(asked.answered(logind("7", "")).is_some());
    assert!(asked.due().is_some());
    assert!(asked.answered(logind("7", "")).is_none());
    assert!(matches!(
        asked.answered(logind("7", "pts0")),
        Some(Seen::Logind { is_first: false, logind: Some(_), .. })
    ));
    assert_eq!(asked.due(), None);
    let mut cron = Asked::new(Question { is_ssh: false, ..QUESTION });
    assert!(cron.answered(logind("8", "")).is_some());
    assert_eq!(cron.due(), None);
}

#[test]
fn a_waiting_session_holds_up_no_other() {
    let mut queue = Queue::default();
    let mut early = Asked::new(QUESTION);
    early.answered(None);
    queue.add(early);
    let (ask, questions) = sync_channel(1);
    ask.send(Question { key: 8, ..QUESTION }).unwrap();
    assert!(queue.take_in(&questions));
    let now = Instant::now();
    assert_eq!(queue.due(now).map(|asked| asked.question.key), Some(8));
    assert!(queue.due(now).is_none_or(|asked| asked.first + AGAIN[0] <= now));
    for key in 0..2_000 {
        queue.add(Asked::new(Question { key, ..QUESTION }));
    }
    assert_eq!(queue.waiting.len(), WAITING);
    drop(ask);
    queue.waiting.clear();
    assert!(!queue.take_in(&questions));
}

#[test]
fn a_bus_that_is_not_there_is_not_asked_for_at_once_again() {
    let now = Instant::now();
    assert!(may_try(None, now));
    assert!(!may_try(Some(now), now + RECONNECT / 2));
    assert!(may_try(Some(now), now + RECONNECT));
    // The other times may all be in vain.
    assert!(AGAIN[3] > AGAIN[2] + 2 * PATIENCE + RECONNECT);
    let mut bus = Bus::new(|| Builder::address("unix:path=/nonexistent/bus")).unwrap();
    assert_eq!(bus.ask(QUESTION), None);
    let tried = bus.tried;
    assert_eq!(bus.ask(QUESTION), None);
    assert!(tried.is_some() && bus.tried == tried);
}

/// A bus that says yes to the handshake and then nothing.
#[test]
fn a_bus_that_does_not_answer_is_left_alone() {
    let mut bus = Bus::new(|| Builder::address("unix:path=/nonexistent/bus")).unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let (near, _far) = bus.runtime.block_on(peer(near, far));
    bus.connection = Some(near);
    let begun = Instant::now();
    assert_eq!(bus.ask(QUESTION), None);
    assert!((PATIENCE..PATIENCE * 2).contains(&begun.elapsed()));
    assert!(bus.connection.is_none() && !may_try(bus.tried, Instant::now()));
}

/// logind, and the bus before it, as far as they are asked.
struct Names;
struct Manager;
struct Session(Properties);

#[zbus::interface(name = "org.freedesktop.DBus")]
impl Names {
    fn get_name_owner(&self, name: &str) -> zbus::fdo::Result<String> {
        if name == LOGIND { Ok(":1.5".into()) } else { Err(zbus::fdo::Error::NameHasNoOwner(name.into())) }
    }
}

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Manager {
    #[zbus(name = "GetSessionByPID")]
    fn get_session_by_pid(&self, pid: u32) -> zbus::fdo::Result<OwnedObjectPath> {
        match pid {
            100 | 200 => Ok(OwnedObjectPath::try_from(format!("{MANAGER_PATH}/session/_37")).unwrap()),
            _ => Err(zbus::fdo::Error::Failed("no session for that process".into())),
        }
    }

    fn get_session(&self, id: &str) -> zbus::fdo::Result<OwnedObjectPath> {
        if id == "7" { self.get_session_by_pid(100) } else { self.get_session_by_pid(0) }
    }
}

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl Session {
    #[zbus(property)]
    fn id(&self) -> String {
        self.0.id.clone()
    }
    #[zbus(property, name = "TTY")]
    fn tty(&self) -> String {
        self.0.tty.clone()
    }
    #[zbus(property)]
    fn remote_host(&self) -> String {
        self.0.remote_host.clone()
    }
    #[zbus(property)]
    fn leader(&self) -> u32 {
        self.0.leader
    }
    #[zbus(property)]
    fn audit(&self) -> u32 {
        self.0.audit
    }
    #[zbus(property)]
    fn timestamp(&self) -> u64 {
        self.0.timestamp
    }
    #[zbus(property)]
    fn user(&self) -> (u32, OwnedObjectPath) {
        (1000, OwnedObjectPath::try_from("/org/freedesktop/login1/user/_1000").unwrap())
    }
}

/// Both ends of a connection; the far one answers what it has objects for.
async fn peer(near: UnixStream, far: UnixStream) -> (Connection, Connection) {
    let near = Builder::unix_stream(near).p2p().build();
    let far = Builder::unix_stream(far).server(zbus::Guid::generate()).p2p().build();
    let (near, far) = tokio::join!(near, far);
    (near.unwrap(), far.unwrap())
}

#[test]
fn logind_is_asked_over_the_bus() {
    let session_of = Properties {
        id: "7".into(),
        tty: "pts/3".into(),
        remote_host: "192.0.2.9".into(),
        leader: 100,
        audit: 7,
        timestamp: 1_700_000_000_000_001,
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (near, far) = UnixStream::pair().unwrap();
        let (near, far) = peer(near, far).await;
        let server = far.object_server();
        // Nobody has the name.
        assert_eq!(session(&near, QUESTION).await, Ok(None));
        server.at(BUS_PATH, Names).await.unwrap();
        server.at(MANAGER_PATH, Manager).await.unwrap();
        server.at(format!("{MANAGER_PATH}/session/_37"), Session(session_of)).await.unwrap();
        let found = session(&near, QUESTION).await.unwrap().unwrap();
        assert_eq!((found.id.as_str(), found.tty.as_str()), ("7", "pts3"));
        assert_eq!(found.remote, "192.0.2.9".parse().ok());
        assert_eq!(found.start, Some(Timestamp { seconds: 1_700_000_000, nanos: 1_000 }));
        // By its number; another's; none at all.
        let ask = |key, pid| session(&near, Question { key, pid, is_ssh: true });
        assert!(ask(7, 300).await.unwrap().is_some());
        assert_eq!(ask(8, 200).await, Ok(None));
        assert_eq!(ask(8, 300).await, Ok(None));
        far.close().await.unwrap();
        assert!(session(&near, QUESTION).await.is_err());
    });
}

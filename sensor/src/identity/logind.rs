//! logind's part of a session: its name there, the terminal, and where the person
//! came from as PAM was told. Asked for over the system bus, on a thread of its
//! own: no event and no other look-up waits for it, and where there is no bus or
//! no logind, nothing comes of it.
//!
//! **What may be believed.** logind says what the login program said to it. A
//! session of its is taken only if it has the same number in the kernel's audit,
//! and fills in only what the kernel and sshd's log have left open.

use std::{
    collections::HashMap,
    fmt::Display,
    io,
    net::IpAddr,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender},
    time::{Duration, Instant},
};

use activity_proto::v1;
use prost_types::Timestamp;
use sensor_types::header::UNSET;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{runtime, time::timeout};
use zbus::{Connection, OwnedObjectPath, OwnedVariant, connection::Builder};

use super::look::Seen;

/// How long logind may take for an answer. It has nothing to do but look it up.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a bus that was not there, or did not answer, is left alone.
const RECONNECT: Duration = Duration::from_secs(30);
/// When a session is asked for again, from the first time on: the login uid is set
/// before the login program tells logind of the session, and the terminal is made
/// after that. The last time is for a bus that was left alone meanwhile.
const AGAIN: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(40)];
/// Sessions that are to be asked for again at most.
const WAITING: usize = 1024;

const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
const LOGIND: &str = "org.freedesktop.login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const MANAGER_PATH: &str = "/org/freedesktop/login1";
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// What logind says of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logind {
    /// Its name there.
    pub id: String,
    /// Its terminal, as the kernel calls it.
    pub tty: String,
    /// Where the person came from, if that is an address.
    pub remote: Option<IpAddr>,
    /// When logind heard of it.
    pub start: Option<Timestamp>,
}

impl Logind {
    /// Adds to a session what is not known of it otherwise. Whether that is
    /// anything.
    pub fn fill(self, session: &mut v1::Session) -> bool {
        let before = session.clone();
        session.logind_id = self.id;
        if session.tty.is_empty() {
            session.tty = self.tty.into();
        }
        if let (true, Some(address)) = (session.remote_address.is_empty(), self.remote) {
            session.remote_address = address.to_string();
        }
        session.start = session.start.or(self.start);
        *session != before
    }
}

/// A session to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Its audit session.
    pub key: u32,
    /// The process it began with.
    pub pid: u32,
    /// Its terminal is made later, if it has one at all.
    pub is_ssh: bool,
}

/// Answers until nobody asks or hears any more. The first answer comes in any
/// case, others if they say more.
pub fn answer(questions: &Receiver<Question>, found: &SyncSender<Seen>) {
    let mut bus = match Bus::new(Builder::system) {
        Ok(bus) => bus,
        Err(error) => return tracing::debug!(%error, "logind cannot be asked"),
    };
    let mut queue = Queue::default();
    while queue.take_in(questions) {
        while let Some(mut asked) = queue.due(Instant::now()) {
            let answer = bus.ask(asked.question);
            if let Some(seen) = asked.answered(answer)
                && found.send(seen).is_err()
            {
                return;
            }
            queue.add(asked);
        }
    }
}

/// A session that is asked for, perhaps again and again.
#[derive(Debug)]
struct Asked {
    question: Question,
    first: Instant,
    tries: usize,
    known: Option<Logind>,
}

impl Asked {
    fn new(question: Question) -> Self {
        Self { question, first: Instant::now(), tries: 0, known: None }
    }

    /// When it is to be asked for; `None`: no more.
    fn due(&self) -> Option<Instant> {
        let Some(again) = self.tries.checked_sub(1) else { return Some(self.first) };
        let is_whole =
            self.known.as_ref().is_some_and(|known| !self.question.is_ssh || !known.tty.is_empty());
        AGAIN.get(again).filter(|_| !is_whole).map(|after| self.first + *after)
    }

    /// What to tell of an answer.
    fn answered(&mut self, answer: Option<Logind>) -> Option<Seen> {
        let is_first = self.tries == 0;
        self.tries += 1;
        let is_news = answer.is_some() && answer != self.known;
        if is_news {
            self.known.clone_from(&answer);
        }
        let logind = answer.filter(|_| is_news);
        (is_first || is_news).then_some(Seen::Logind { key: self.question.key, is_first, logind })
    }
}

/// What is to be asked for, and when.
#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Asked>,
}

impl Queue {
    /// Waits for a question, or until something is to be asked for again. False
    /// when there are no more questions.
    fn take_in(&mut self, questions: &Receiver<Question>) -> bool {
        let next = self.waiting.iter().filter_map(Asked::due).min();
        let question = match next {
            Some(next) => questions.recv_timeout(next.saturating_duration_since(Instant::now())),
            None => questions.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match question {
            Ok(question) => self.add(Asked::new(question)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    /// Of too many, the one that has waited longest has had its chance.
    fn add(&mut self, asked: Asked) {
        if asked.due().is_none() {
            return;
        }
        if self.waiting.len() >= WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push(asked);
    }

    fn due(&mut self, now: Instant) -> Option<Asked> {
        let at = self.waiting.iter().position(|asked| asked.due().is_some_and(|due| due <= now))?;
        Some(self.waiting.remove(at))
    }
}

/// The way to logind. Made when something is asked, and again after it broke.
struct Bus {
    connection: Option<Connection>,
    runtime: runtime::Runtime,
    builder: fn() -> Builder<'static>,
    tried: Option<Instant>,
    has_complained: bool,
}

impl Bus {
    fn new(builder: fn() -> Builder<'static>) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { connection: None, runtime, builder, tried: None, has_complained: false })
    }

    /// logind's session of that process, if it is the one that is meant. Takes
    /// two seconds at the very most, and if it took that long, then not soon again.
    fn ask(&mut self, question: Question) -> Option<Logind> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let answer = self.runtime.block_on(async { timeout(PATIENCE, session(&connection, question)).await });
        match answer {
            Ok(Ok(logind)) => {
                self.connection = Some(connection);
                return logind;
            }
            Ok(Err(error)) => self.complain(&error),
            Err(elapsed) => {
                self.tried = Some(Instant::now());
                self.complain(&elapsed);
            }
        }
        None
    }

    fn connect(&mut self) -> Option<Connection> {
        let now = Instant::now();
        if !may_try(self.tried, now) {
            return None;
        }
        self.tried = Some(now);
        let builder = (self.builder)();
        match self.runtime.block_on(async { timeout(PATIENCE, builder.build()).await }) {
            Ok(Ok(connection)) => return Some(connection),
            Ok(Err(error)) => self.complain(&error),
            Err(elapsed) => self.complain(&elapsed),
        }
        None
    }

    /// A machine without logind is nothing to worry about.
    fn complain(&mut self, error: &dyn Display) {
        if !self.has_complained {
            tracing::debug!(%error, "logind does not answer; sessions come without its part");
        }
        self.has_complained = true;
    }
}

fn may_try(tried: Option<Instant>, now: Instant) -> bool {
    tried.is_none_or(|tried| now.saturating_duration_since(tried) >= RECONNECT)
}

/// logind's session of a process, or else the one of the audit session's number,
/// which is how logind calls them: what has outlived a session may have been moved
/// out of it.
async fn session(bus: &Connection, question: Question) -> zbus::Result<Option<Logind>> {
    // The call goes to whoever has the name now: one to the name itself would
    // start logind where it does not run.
    let owner = call(bus, BUS, (BUS_PATH, BUS), "GetNameOwner", &LOGIND).await;
    let Some(owner): Option<String> = unless_refused(owner)? else { return Ok(None) };
    let manager = (MANAGER_PATH, MANAGER);
    // A zero would be this process itself.
    if question.pid != 0 {
        let found = call(bus, &owner, manager, "GetSessionByPID", &question.pid).await;
        let found = described(bus, &owner, unless_refused(found)?, question).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    let found = call(bus, &owner, manager, "GetSession", &question.key.to_string()).await;
    described(bus, &owner, unless_refused(found)?, question).await
}

async fn described(
    bus: &Connection,
    owner: &str,
    path: Option<OwnedObjectPath>,
    question: Question,
) -> zbus::Result<Option<Logind>> {
    let Some(path) = path else { return Ok(None) };
    let properties = call(bus, owner, (path.as_str(), PROPERTIES), "GetAll", &SESSION).await;
    let properties: Option<HashMap<String, OwnedVariant>> = unless_refused(properties)?;
    let properties = properties.map(Properties::from);
    Ok(properties.filter(|properties| properties.are_of(question)).map(Properties::understood))
}

async fn call<B, R>(
    bus: &Connection,
    to: &str,
    (path, interface): (&str, &str),
    method: &str,
    body: &B,
) -> zbus::Result<R>
where
    B: Serialize + zbus::DynamicType,
    R: DeserializeOwned + zbus::Type,
{
    let reply = bus.call_method(Some(to), path, Some(interface), method, body).await?;
    reply.body().deserialize()
}

/// That logind knows no such session, or is not there, is an answer as well; any
/// other error is the connection's.
fn unless_refused<R>(reply: zbus::Result<R>) -> zbus::Result<Option<R>> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(zbus::Error::MethodError(..) | zbus::Error::FDO(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A session as logind describes it, as far as it matters here.
#[derive(Clone, Debug, Default)]
struct Properties {
    id: String,
    tty: String,
    remote_host: String,
    leader: u32,
    audit: u32,
    /// Microseconds since 1970.
    timestamp: u64,
}

impl From<HashMap<String, OwnedVariant>> for Properties {
    fn from(mut all: HashMap<String, OwnedVariant>) -> Self {
        fn take<T: TryFrom<OwnedVariant> + Default>(
            all: &mut HashMap<String, OwnedVariant>,
            name: &str,
        ) -> T {
            all.remove(name).and_then(|value| T::try_from(value).ok()).unwrap_or_default()
        }
        Self {
            id: take(&mut all, "Id"),
            tty: take(&mut all, "TTY"),
            remote_host: take(&mut all, "RemoteHost"),
            leader: take(&mut all, "Leader"),
            audit: take(&mut all, "Audit"),
            timestamp: take(&mut all, "Timestamp"),
        }
    }
}

impl Properties {
    /// Whether it is the session that was asked for. The kernel's number says so;
    /// where logind has none, that it began with the same process. A process is
    /// in another's session of logind if a daemon that was restarted by hand lets
    /// somebody in.
    fn are_of(&self, Question { key, pid, .. }: Question) -> bool {
        let is_set = |id| id != 0 && id != UNSET;
        if is_set(self.audit) && is_set(key) { self.audit == key } else { pid != 0 && self.leader == pid }
    }

    fn understood(self) -> Logind {
        let nanoseconds = self.timestamp.saturating_mul(1_000);
        Logind {
            id: self.id,
            tty: kernel_name(&self.tty),
            remote: self.remote_host.parse().ok().map(|address: IpAddr| address.to_canonical()),
            start: (nanoseconds != 0).then(|| crate::decode::timestamp(nanoseconds)),
        }
    }
}

/// What the kernel calls a terminal: pts0 where the file is /dev/pts/0.
fn kernel_name(tty: &str) -> String {
    tty.strip_prefix("/dev/").unwrap_or(tty).replace('/', "")
}

#[cfg(test)]
mod tests;

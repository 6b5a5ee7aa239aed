//! What the stream says, against what was done.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use activity_tests::people::Arrival;
use serde_json::Value;

use crate::{
    expect::{ABSENT, Whom, Whose},
    facts::{FIELDS, fact, name},
    play::{Done, Mark, Play},
};

/// Words of a field of which any is right.
type Wanted = Vec<String>;

/// Every difference, a line each; empty when all is as it should be.
pub fn differences(play: &Play, events: &[Value]) -> Vec<String> {
    let mut lines = Lines::default();
    for done in &play.done {
        marks(play, done, events, &mut lines);
        mentions(play, done, events, &mut lines);
    }
    for (arrival, over) in &play.visits {
        visit(play, arrival, *over, events, &mut lines);
    }
    strangers(play, events, &mut lines);
    lines.all()
}

/// Whether this is the event that a mark stands for.
pub fn is_mark(event: &Value, mark: &Mark) -> bool {
    match mark {
        Mark::Path(path) => event["open"]["path"] == path.as_str() && event["outcome"]["success"] == true,
        Mark::Port(port) => event["connect"]["port"] == *port && event["connect"]["address"] == "127.0.0.1",
    }
}

/// Whether the event says that it belongs to this visit.
pub fn is_of(event: &Value, arrival: &Arrival) -> bool {
    let session = &event["session"];
    let port = arrival.port.is_none_or(|port| session["remotePort"] == port);
    session["remoteAddress"] == arrival.address.as_str() && port
}

/// The events that a mark stands for, in every field.
fn marks(play: &Play, done: &Done, events: &[Value], lines: &mut Lines) {
    let wanted = wanted(play, done, events);
    let mut seen = 0;
    for event in events.iter().filter(|event| is_mark(event, &done.mark)) {
        seen += 1;
        for field in FIELDS {
            compare(&done.name, event, field, wanted.get(field), lines);
        }
    }
    if seen == 0 {
        lines.add(format!("{}: no event of {:?}", done.name, done.mark));
    }
}

/// Events that mention a mark in another way, such as the start of the program
/// that was told to leave it: only whose they are. When a chain changes beside
/// them is sudo's affair.
fn mentions(play: &Play, done: &Done, events: &[Value], lines: &mut Lines) {
    const FIELDS: [&str; 5] = [
        "attribution.uid",
        "session.remoteAddress",
        "session.remotePort",
        "session.authMethod",
        "session.keyFingerprint",
    ];
    let (Mark::Path(path), Some(typist)) = (&done.mark, &done.typist) else { return };
    let of_step = wanted(play, done, events);
    let of_typist = arrived(play, typist);
    for event in events.iter().filter(|event| !is_mark(event, &done.mark) && mentions_path(event, path)) {
        let in_own_session = event["login"]["sessionId"].as_u64() == typist.audit_session.map(u64::from);
        let wanted = if in_own_session { &of_typist } else { &of_step };
        for field in FIELDS {
            compare(&done.name, event, field, wanted.get(field), lines);
        }
    }
}

fn mentions_path(event: &Value, path: &str) -> bool {
    let argv = event["process"]["argv"].as_array().into_iter().flatten();
    argv.filter_map(Value::as_str).any(|argument| argument.contains(path))
}

fn compare(step: &str, event: &Value, field: &str, wanted: Option<&Wanted>, lines: &mut Lines) {
    let Some(wanted) = wanted else { return };
    let is = fact(event, field);
    if !wanted.contains(&is) {
        lines.add_of(format!("{step}: {field} is {is}, wanted {}", wanted.join(" or ")), event);
    }
}

/// What a step's mark has to say.
fn wanted(play: &Play, done: &Done, events: &[Value]) -> HashMap<&'static str, Wanted> {
    let expect = &done.expect;
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Wanted>();
    let mut wanted = match expect.session {
        Whose::Own => done.typist.as_ref().map(|typist| arrived(play, typist)).unwrap_or_default(),
        Whose::Kind(kind) => HashMap::from([
            ("session.kind", words(&[kind])),
            ("session.remoteAddress", words(&[ABSENT])),
            ("session.keyFingerprint", words(&[ABSENT])),
        ]),
        Whose::None => HashMap::from([("session.id", words(&[ABSENT]))]),
    };
    if let (Whose::Own, Some(typist)) = (expect.session, &done.typist) {
        let ids = ids(typist, events);
        wanted.insert("session.id", ids.first().map_or_else(|| words(&["known"]), |id| vec![id.clone()]));
    }
    let (uid, user) = match expect.human {
        Whom::Typist => {
            let typist = done.typist.as_ref().map(|typist| (typist.login_uid, typist.account));
            typist.map_or((None, None), |(uid, user)| (Some(uid), Some(user)))
        }
        Whom::User(user) => (Some(play.stage.uid(user)), Some(user)),
        Whom::Uid(uid) => (Some(uid), None),
        Whom::Nobody => (None, None),
    };
    wanted.insert("attribution.uid", vec![uid.map_or_else(|| ABSENT.to_owned(), |uid| uid.to_string())]);
    wanted.insert("attribution.user", vec![user.unwrap_or(ABSENT).to_owned()]);
    let alone: &[&str] = user.as_slice();
    let chain = if expect.chain.is_empty() { alone } else { expect.chain };
    if !chain.is_empty() {
        wanted.insert("attribution.chain", vec![chain.join("→")]);
    }
    let by = if expect.by.is_empty() { ABSENT.to_owned() } else { expect.by.join(",") };
    wanted.insert("attribution.switches", vec![by]);
    let others = expect.others.iter().map(|(user, link)| format!("{user} {link}")).collect::<Vec<_>>();
    let others = if others.is_empty() { ABSENT.to_owned() } else { others.join(",") };
    wanted.insert("attribution.others", vec![others]);
    for (field, any) in [
        ("attribution.method", expect.method),
        ("attribution.confidence", expect.confidence),
        ("attribution.reason", expect.reason),
    ] {
        if !any.is_empty() {
            wanted.insert(field, words(any));
        }
    }
    if !expect.detached.is_empty() {
        wanted.insert("attribution.detached", expect.detached.iter().map(bool::to_string).collect());
    }
    wanted
}

/// What every event of a visit has to say of its session and person.
fn arrived(play: &Play, arrival: &Arrival) -> HashMap<&'static str, Wanted> {
    let port = arrival.port.map(|port| ("session.remotePort", vec![port.to_string()]));
    let fields = [
        ("attribution.uid", vec![arrival.login_uid.to_string()]),
        ("session.kind", vec!["ssh".to_owned()]),
        ("session.user", vec![arrival.account.to_owned()]),
        ("session.uid", vec![arrival.login_uid.to_string()]),
        ("session.remoteAddress", vec![arrival.address.clone()]),
        ("session.authMethod", vec!["publickey".to_owned()]),
        ("session.keyFingerprint", vec![play.stage.fingerprint(arrival.human).to_owned()]),
    ];
    fields.into_iter().chain(port).collect()
}

/// The ids that a visit's events have.
pub fn ids(arrival: &Arrival, events: &[Value]) -> BTreeSet<String> {
    let of = events.iter().filter(|event| is_of(event, arrival));
    of.filter_map(|event| Some(event["session"]["id"].as_str()?.to_owned())).collect()
}

/// One login: it begins once, has one id, its key is told, it ends.
fn visit(play: &Play, arrival: &Arrival, over: bool, events: &[Value], lines: &mut Lines) {
    let who = format!("login of {:?} to {} from {}", arrival.human, arrival.account, arrival.address);
    let ids = ids(arrival, events);
    // By its id: where it came from may be known only after it has begun.
    let of = |kind: &str| {
        let is_its = |event: &&Value| {
            event["type"] == kind && event["session"]["id"].as_str().is_some_and(|id| ids.contains(id))
        };
        events.iter().filter(is_its).collect::<Vec<_>>()
    };
    let (starts, updates, ends) = (of("session_start"), of("session_update"), of("session_end"));
    if starts.len() != 1 {
        lines.add(format!("{who}: session_start came {} times, wanted once", starts.len()));
    }
    if over != (ends.len() == 1) {
        let wanted = if over { "once" } else { "not, it goes on" };
        lines.add(format!("{who}: session_end came {} times, wanted {wanted}", ends.len()));
    }
    // Where the port is not known, another login may have come from there.
    if arrival.port.is_some() && ids.len() != 1 {
        lines.add(format!("{who}: its session ids are {ids:?}, wanted one"));
    }
    let key = play.stage.fingerprint(arrival.human);
    let tells = |event: &&&Value| fact(event, "session.keyFingerprint") == key;
    if starts.iter().chain(&updates).find(tells).is_none() {
        lines.add(format!("{who}: neither session_start nor session_update tells the key {key}"));
    }
}

/// Every event of the stream that names a session of a visit: it is that of one
/// person, whatever the event is about.
fn strangers(play: &Play, events: &[Value], lines: &mut Lines) {
    for (arrival, _) in &play.visits {
        let wanted = arrived(play, arrival);
        for event in events.iter().filter(|event| is_of(event, arrival)) {
            for field in ["session.user", "session.uid", "session.keyFingerprint"] {
                let is = fact(event, field);
                let known = wanted.get(field).is_none_or(|wanted| wanted.contains(&is));
                if !known && is != ABSENT {
                    compare("anywhere", event, field, wanted.get(field), lines);
                }
            }
        }
    }
    // By the kernel's number, a thread's person never is another one's, unless
    // a step says that others act in this session.
    for (arrival, _) in &play.visits {
        let is_owner = |other: &&(&str, &str)| **other == (arrival.account, "owner");
        let guests = play.done.iter().filter(|done| done.expect.others.iter().any(|other| is_owner(&other)));
        let guests = guests.filter_map(|done| Some(done.typist.as_ref()?.login_uid.to_string()));
        let known: Wanted = std::iter::once(arrival.login_uid.to_string()).chain(guests).collect();
        let of_kernel = |event: &&Value| {
            let session = event["login"]["sessionId"].as_u64();
            session.is_some() && session == arrival.audit_session.map(u64::from)
        };
        for event in events.iter().filter(of_kernel) {
            if fact(event, "attribution.uid") != ABSENT {
                compare("anywhere", event, "attribution.uid", Some(&known), lines);
            }
        }
    }
}

/// Lines, each once, with the events that it is said of.
#[derive(Default)]
struct Lines(BTreeMap<String, BTreeSet<String>>);

impl Lines {
    fn add(&mut self, line: String) {
        self.0.entry(line).or_default();
    }

    fn add_of(&mut self, line: String, event: &Value) {
        self.0.entry(line).or_default().insert(name(event));
    }

    fn all(self) -> Vec<String> {
        let line = |(line, events): (String, BTreeSet<String>)| {
            let events: Vec<_> = events.into_iter().collect();
            if events.is_empty() { line } else { format!("{line}: {}", events.join(", ")) }
        };
        self.0.into_iter().map(line).collect()
    }
}

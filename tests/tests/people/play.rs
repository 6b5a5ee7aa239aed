//! A play: sensor, people, and what they have done.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use activity_proto::json::to_json;
use activity_tests::{
    Sensor, Subscription, eventually, patience,
    people::{Arrival, Human, Log, Stage, Visit},
};
use serde_json::Value;

use crate::{
    expect::{Expect, Step},
    judge,
};

/// What a step left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A file.
    Path(String),
    /// A connection to this port of 127.0.0.1.
    Port(u16),
}

/// What was done.
#[derive(Debug)]
pub struct Done {
    /// The step's name.
    pub name: String,
    /// What it left.
    pub mark: Mark,
    /// Who did it, if anybody who came by a door.
    pub typist: Option<Arrival>,
    /// What has to be said of it.
    pub expect: Expect,
}

/// Sensor, stage, and what was done.
pub struct Play {
    /// Where it is played.
    pub stage: Stage,
    sensor: Sensor,
    stream: Subscription,
    /// What was done so far.
    pub done: Vec<Done>,
    /// Every login, with whether it is over.
    pub visits: Vec<(Arrival, bool)>,
    /// Words in steps' lines, and what is typed for them.
    pub words: Vec<(&'static str, String)>,
    knows_keys: bool,
}

impl Play {
    /// Begins with an empty stage. `None`: it cannot be played here.
    pub fn begin(test: &str) -> Option<Self> {
        Self::with(test, Log::of_this_machine(), "")
    }

    /// With a kind of log and a configuration.
    pub fn with(test: &str, log: Log, config: &str) -> Option<Self> {
        let stage = Stage::set(test, log)?;
        let sensor = stage.sensor(config);
        let stream = sensor.subscribe();
        let (done, visits, words) = (Vec::new(), Vec::new(), Vec::new());
        Some(Self { stage, sensor, stream, done, visits, words, knows_keys: true })
    }

    /// The sensor is stopped, and another one started.
    pub fn begin_anew(&mut self) {
        self.sensor.program.signal(rustix::process::Signal::TERM);
        self.sensor.program.wait();
        self.sensor = self.stage.sensor("");
        self.stream = self.sensor.subscribe();
    }

    /// Somebody logs in to an account.
    pub fn log_in(&mut self, human: Human, account: &'static str) -> Visit {
        let visit = self.stage.log_in(human, account);
        self.came(&visit.arrival);
        visit
    }

    /// Somebody has come in some other way.
    pub fn came(&mut self, arrival: &Arrival) {
        self.visits.push((arrival.clone(), false));
        // What they do before the log was read may be without their key. A
        // sensor that did not find it once is not waited for again.
        let arrival = arrival.clone();
        let says_key =
            |event: &Value| judge::is_of(event, &arrival) && event["session"]["keyFingerprint"].is_string();
        self.knows_keys = self.knows_keys && self.soon(says_key);
    }

    /// Somebody leaves.
    pub fn log_out(&mut self, visit: &mut Visit) {
        visit.log_out();
        for (arrival, over) in &mut self.visits {
            *over |= *arrival == visit.arrival;
        }
    }

    /// Plays steps one after the other, each until it has left its mark.
    pub fn act(&mut self, visit: &mut Visit, steps: &[Step]) {
        for step in steps {
            let mark = self.type_in(visit, step);
            self.await_mark(step.name, &mark, visit);
        }
    }

    /// Types the line of a step; where it leaves a file.
    pub fn type_in(&mut self, visit: &mut Visit, step: &Step) -> PathBuf {
        let mark = self.stage.mark(&format!("{}.mark", step.name));
        let listener = step.line.contains("PORT").then(|| TcpListener::bind("127.0.0.1:0").unwrap());
        let port = listener.as_ref().map(|listener| listener.local_addr().unwrap().port());
        visit.type_in(&self.fill(step.line, &mark, port));
        self.note(step.name, port.map_or_else(|| path(&mark), Mark::Port), Some(&visit.arrival), step.expect);
        if let Some(listener) = listener {
            listener.set_nonblocking(true).unwrap();
            eventually("the step connects", || listener.accept().ok());
            drop(File::create(&mark).unwrap());
        }
        mark
    }

    /// Notes what has been done.
    pub fn note(&mut self, name: &str, mark: Mark, typist: Option<&Arrival>, expect: Expect) {
        self.done.push(Done { name: name.to_owned(), mark, typist: typist.cloned(), expect });
    }

    /// Waits until a step has left its file.
    pub fn await_mark(&self, name: &str, mark: &std::path::Path, visit: &Visit) {
        let begun = Instant::now();
        while !mark.exists() {
            let patience = activity_tests::deadline();
            assert!(begun.elapsed() < patience, "the step {name} left no mark: {}", visit.heard());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn fill(&self, line: &str, mark: &std::path::Path, port: Option<u16>) -> String {
        let mut words = self.words.clone();
        words.push(("MARK", mark.display().to_string()));
        words.push(("GO", mark.with_extension("go").display().to_string()));
        words.extend(port.map(|port| ("PORT", port.to_string())));
        // In one pass: a path may happen to contain a word.
        let (mut filled, mut rest) = (String::new(), line);
        while let Some(first) = rest.chars().next() {
            let word = words.iter().find(|(word, _)| rest.starts_with(word));
            let (length, text) =
                word.map_or((first.len_utf8(), first.to_string()), |(word, text)| (word.len(), text.clone()));
            filled.push_str(&text);
            rest = &rest[length..];
        }
        filled
    }

    /// Tells a step to go on.
    pub fn go(mark: &std::path::Path) {
        drop(File::create(mark.with_extension("go")).unwrap());
    }

    /// Whether such an event comes in a short while, or was there.
    pub fn soon(&mut self, wanted: impl Fn(&Value) -> bool) -> bool {
        let begun = Instant::now();
        let mut looked_at = 0;
        loop {
            self.stream.read_what_is_there();
            if self.stream.seen.iter().skip(looked_at).any(|event| wanted(&to_json(event))) {
                return true;
            }
            looked_at = self.stream.seen.len();
            if begun.elapsed() > patience(Duration::from_secs(5)) {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Every event so far.
    pub fn events(&mut self) -> Vec<Value> {
        self.stream.read_what_is_there();
        self.stream.seen.iter().map(to_json).collect()
    }

    /// Waits for every mark's event, and for the end of every login that is
    /// over; then everything that was received.
    pub fn all_events(&mut self) -> Vec<Value> {
        let marks: Vec<Mark> = self.done.iter().map(|done| done.mark.clone()).collect();
        for mark in &marks {
            self.soon(|event| judge::is_mark(event, mark));
        }
        let over: Vec<Arrival> =
            self.visits.iter().filter(|(_, over)| *over).map(|(arrival, _)| arrival.clone()).collect();
        let mut patient = true;
        for arrival in &over {
            let ended = |event: &Value| event["type"] == "session_end" && judge::is_of(event, arrival);
            patient = patient && self.soon(ended);
        }
        self.events()
    }

    /// Compares everything that came with everything that was done.
    pub fn end(mut self) {
        let events = self.all_events();
        let differences = judge::differences(&self, &events);
        if let Some(directory) = std::env::var_os("ACTIVITY_TEST_KEEP") {
            let lines: Vec<String> = events.iter().map(Value::to_string).collect();
            let name = thread::current().name().unwrap_or("play").replace("::", "-");
            fs::write(PathBuf::from(directory).join(name + ".jsonl"), lines.join("\n")).unwrap();
        }
        assert!(
            differences.is_empty(),
            "{} differences in {} events:\n{}",
            differences.len(),
            events.len(),
            differences.join("\n")
        );
    }
}

/// The mark at a path.
pub fn path(path: &std::path::Path) -> Mark {
    Mark::Path(path.display().to_string())
}

//! Sensor and control side by side, and an act before both.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use activity_proto::{
    json::to_json,
    v1::{Event, NotCovered, Process},
};
use activity_tests::{Control, EventExt as _, Person, Sensor, Subscription, evade, run};
use serde_json::Value;

use crate::{
    judge::{self, Glimpse, Verdict},
    report::Report,
    rows::{By, Row},
};

/// Every open of people, also of what the default policy calls noise.
pub const EVERY_OPEN: &str = "[policy]\nnoise = false\nmissing = true\n[hooks]\nfold = false\n";

/// How long the events of a flood may take, on an emulated machine too.
const PATIENCE: Duration = Duration::from_secs(180);

/// Opens marks, files whose names begin with `prefix`, until one has arrived.
pub fn await_mark(person: &Person, prefix: &Path, mut arrived: impl FnMut() -> bool) {
    let begun = Instant::now();
    for mark in 0.. {
        let name = format!("{}{mark}", prefix.display());
        person.act(|| drop(File::create(name).unwrap()));
        for _ in 0..50 {
            if arrived() {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        assert!(begun.elapsed() < PATIENCE, "in vain for {PATIENCE:?}: the stream goes on after the act");
    }
}

/// Sensor and control.
pub struct Stage {
    sensor: Sensor,
    stream: Subscription,
    control: Control,
    acts: usize,
}

/// What became of an act.
pub struct Outcome {
    /// With the sensor.
    pub sensor: Verdict,
    /// At the control.
    pub control: Glimpse,
}

/// What the kernel's own count of hooks that it passed over begins with.
const PASSED_OVER: &str = "at most so many acts";

impl Stage {
    /// Starts both.
    pub fn new() -> Self {
        // With every hook, also in guests.
        let sensor = Sensor::start(&format!("{EVERY_OPEN}mount = true\n"), &[]);
        let stream = sensor.subscribe();
        Self { sensor, stream, control: Control::start(), acts: 0 }
    }

    /// The hook plan and the kernel's release, as the sensor has them.
    pub fn plan(&self) -> (String, String) {
        let status = self.sensor.status().status.unwrap();
        (status.plan, status.kernel)
    }

    /// Plays one row.
    pub fn play(&mut self, row: &Row) -> Outcome {
        self.acts += 1;
        let directory = self.sensor.path(&format!("act-{}", self.acts));
        fs::create_dir(&directory).unwrap();
        let person = Person::new();
        let mut command = Command::new(evade());
        command.arg(row.act).arg(&directory);
        let before = self.not_covered();
        self.stream.read_what_is_there();
        self.stream.seen.clear();
        drop(self.control.take());
        let (output, who) = match row.by {
            By::Person(arguments) => (person.act(|| run(command.args(arguments))), Some(person.auid)),
            By::PersonAgainstSensor => {
                command.arg(self.sensor.program.pid().to_string());
                (person.act(|| run(&mut command)), Some(person.auid))
            }
            By::Nobody => (run(command.arg(person.auid.to_string())), None),
        };
        let seen = self.control.take();
        self.await_all(&person, &directory);
        assert_eq!(output.code, Some(0), "the act {} failed: {}", row.act, output.stderr);
        let report = Report::of(&output.stdout);
        let events = self.events(&report, &person);
        let mut sensor = judge::events(&report, who, &events);
        if let Verdict::Missed(missing) = &sensor {
            sensor = self.excused(row, &before).unwrap_or_else(|| Verdict::Missed(missing.clone()));
        }
        Outcome { sensor, control: judge::control(&report, &seen) }
    }

    /// Until all that was done before has arrived: the events of a lane keep
    /// their order. An act may have filled the buffers, so more than one try.
    fn await_all(&mut self, person: &Person, directory: &Path) {
        for round in ["first-end-", "second-end-"] {
            await_mark(person, &directory.join(round), || {
                self.stream.read_what_is_there();
                let marks = directory.join(round).into_os_string().into_encoded_bytes();
                self.stream.seen.iter().any(|event| event.path().starts_with(&marks))
            });
        }
    }

    /// The events that may have to do with an act.
    fn events(&self, report: &Report, person: &Person) -> Vec<Value> {
        let ours = |event: &&Event| {
            let by = |process: &Process| report.pids.contains(&process.pid.into());
            event.process.as_ref().is_none_or(by) || event.login().0 == Some(person.auid)
        };
        self.stream.seen.iter().filter(ours).map(to_json).collect()
    }

    fn not_covered(&self) -> Vec<NotCovered> {
        self.sensor.status().status.unwrap().not_covered
    }

    /// Where an act that was not reported was counted or named.
    fn excused(&self, row: &Row, before: &[NotCovered]) -> Option<Verdict> {
        let lost: u64 = self.stream.gaps().iter().flat_map(|gap| &gap.counts).map(|count| count.count).sum();
        if lost > 0 {
            return Some(Verdict::Counted(format!("gap of {lost}")));
        }
        let about =
            |entry: &&NotCovered| row.words.iter().any(|word| entry.what.to_lowercase().contains(word));
        // May be about any act.
        let passed_over = |entry: &NotCovered| entry.what.starts_with(PASSED_OVER);
        let has_risen = |entry: &&NotCovered| {
            let then = before.iter().find(|before| before.what == entry.what).and_then(|entry| entry.count);
            entry.count > then
        };
        let now = self.not_covered();
        let counted = now.iter().filter(|entry| about(entry) || passed_over(entry)).find(has_risen);
        match (counted, now.iter().find(about)) {
            (Some(entry), _) => Some(Verdict::Counted(entry.what.clone())),
            (None, Some(entry)) => Some(Verdict::NotCovered(entry.what.clone())),
            (None, None) => None,
        }
    }
}

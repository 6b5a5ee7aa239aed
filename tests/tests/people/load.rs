//! Very many acts of several people at once, by processes that share few ids.

use std::{
    collections::{BTreeMap, HashSet},
    env, fs,
    process::Command,
    time::{Duration, Instant},
};

use activity_proto::v1::{Event, Filter, Gap, event::Payload};
use activity_tests::{
    EventExt as _, Machine, Person, Program, Sensor, Subscription, deadline, evade, here, skip,
};

/// People at work at the same time.
const PEOPLE: usize = 4;

/// What the stream says of the crowd's opens.
#[derive(Debug, Default)]
struct Tally {
    /// With the right person.
    right: u64,
    /// Without anybody, by the reason that is given.
    unattributed: BTreeMap<String, u64>,
    /// Told as lost.
    lost: u64,
    /// Events that name another than the file does.
    wrong: u64,
    /// Processes, and the ids that they had.
    processes: HashSet<String>,
    pids: HashSet<u32>,
    /// The first wrong ones, and unattributed ones without a reason.
    examples: Vec<String>,
}

impl Tally {
    fn take(&mut self, event: &Event) {
        if let Some(Payload::Gap(Gap { counts, .. })) = &event.payload {
            self.lost += counts.iter().map(|count| count.count).sum::<u64>();
        }
        let Some(owner) = owner(event.path()) else { return };
        let process = event.who();
        self.pids.insert(process.pid);
        self.processes.insert(process.uid);
        let times = event.count.unwrap_or(1);
        let attribution = event.attribution.clone().unwrap_or_default();
        if event.login().0.is_some_and(|auid| auid != owner)
            || attribution.uid.is_some_and(|uid| uid != owner)
        {
            self.wrong += times;
            self.example(event);
        } else if attribution.uid == Some(owner) {
            self.right += times;
        } else {
            let reason = attribution.reason().as_str_name();
            *self.unattributed.entry(reason.to_owned()).or_default() += times;
            if reason == "REASON_UNSPECIFIED" {
                self.example(event);
            }
        }
    }

    fn example(&mut self, event: &Event) {
        if self.examples.len() < 3 {
            self.examples.push(activity_proto::json::to_json(event).to_string());
        }
    }

    fn total(&self) -> u64 {
        self.right + self.wrong + self.unattributed.values().sum::<u64>()
    }
}

/// Whose file it is, by its name: `u<UID>-<number>`.
fn owner(path: &[u8]) -> Option<u32> {
    let name = std::str::from_utf8(path).ok()?.rsplit('/').next()?;
    name.strip_prefix('u')?.split_once('-')?.0.parse().ok()
}

#[test]
fn under_load_no_act_is_another_persons() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let long = env::var_os("ACTIVITY_TEST_LONG").is_some_and(|value| value == "1");
    let (opens, seconds) = if long { (1_000_000, 3_600) } else { (20_000, 40) };
    let sensor = Sensor::start("[policy]\nnoise = false\n", &[]);
    let directory = sensor.path("crowd");
    fs::create_dir(&directory).unwrap();
    let people: Vec<Person> = (0..PEOPLE).map(|_| Person::new()).collect();
    let uids = people.iter().map(|person| person.auid).collect();
    let mut stream = Subscription::open(&sensor.socket(), Filter { uids, ..Filter::default() });
    let mut tally = Tally::default();
    let mut receive = |tally: &mut Tally| {
        stream.read_what_is_there();
        stream.seen.drain(..).for_each(|event| tally.take(&event));
    };

    let mut crowd: Vec<Program> =
        people.iter().map(|person| start(*person, &directory, opens, seconds)).collect();
    for program in &mut crowd {
        let status = loop {
            receive(&mut tally);
            match program.ended() {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        assert!(status.success(), "{status}: {}", program.stderr());
    }
    let Some(truth) = people.iter().map(|person| truth(&directory, *person)).sum::<Option<u64>>() else {
        return skip(here!(), "the machine does not let the crowd choose its ids");
    };
    let mut more = (Instant::now(), 0);
    // Each one's files were made once, which is an open as well.
    let made = (PEOPLE * 10) as u64;
    while tally.total() + tally.lost < truth + made && more.0.elapsed() < deadline() {
        receive(&mut tally);
        if tally.total() > more.1 {
            more = (Instant::now(), tally.total());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    println!(
        "{truth} opens of {PEOPLE} people: {} with the right one, {} with another, unattributed {:?}, lost {}; \
         {} processes with {} ids",
        tally.right,
        tally.wrong,
        tally.unattributed,
        tally.lost,
        tally.processes.len(),
        tally.pids.len()
    );
    let (processes, pids) = (tally.processes.len(), tally.pids.len());
    tally.processes.clear();
    tally.pids.clear();
    assert_eq!(tally.wrong, 0, "{tally:?}");
    assert_eq!(
        tally.unattributed.get("REASON_UNSPECIFIED"),
        None,
        "unattributed without a reason: {tally:?}"
    );
    assert!(tally.total() + tally.lost >= truth + made, "of {truth}, some untold: {tally:?}");
    assert!(tally.total() <= truth + made, "more than {truth}: {tally:?}");
    assert!(pids < processes / 2, "ids were hardly used again: {pids} of {processes} processes");
}

/// Starts one of the crowd.
fn start(person: Person, directory: &std::path::Path, opens: usize, seconds: u64) -> Program {
    // Far from where others get theirs, and the same for all.
    let most: usize = fs::read_to_string("/proc/sys/kernel/pid_max").unwrap().trim().parse().unwrap();
    let first = (std::process::id() as usize + most / 2) % (most - 2000) + 1000;
    let mut command = Command::new(evade());
    command.arg("crowd").arg(directory).args([
        (opens / PEOPLE).to_string(),
        seconds.to_string(),
        first.to_string(),
    ]);
    person.act(|| Program::start(&mut command))
}

/// How many opens one of the crowd made; `None` where it could not begin.
fn truth(directory: &std::path::Path, person: Person) -> Option<u64> {
    let text = fs::read_to_string(directory.join(format!("{}.truth", person.auid))).ok()?;
    text.parse().ok()
}

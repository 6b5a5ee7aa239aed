//! Opens that repeat: one event with a count, and none is lost.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::Path,
    process::Command,
    sync::Barrier,
    thread,
};

use activity_proto::v1::{Access, Event, EventType};
use activity_tests::{EventExt as _, Machine, Person, Sensor, Subscription, eventually, here, skip};

const TIMES: u64 = 3000;

fn open_often(path: &Path) {
    (0..TIMES).for_each(|_| drop(File::open(path).unwrap()));
}

/// Waits until repetitions are counted, which begins a moment after the start.
fn await_folding(sensor: &Sensor, person: &Person) {
    let file = sensor.path("begin");
    fs::write(&file, "").unwrap();
    eventually("repetitions are counted", || {
        person.act(|| (0..2).for_each(|_| drop(File::open(&file).unwrap())));
        let hooks = sensor.status().status.unwrap().hooks;
        let open = hooks.into_iter().find(|hook| hook.name == "open").unwrap();
        (open.counters.unwrap().folded > 0).then_some(())
    });
}

/// A sensor that counts repetitions, and somebody whom it records.
fn folding() -> (Sensor, Person) {
    // The table of hooks: all of them, in guests too.
    let (sensor, person) = (Sensor::start("[hooks]\n", &[]), Person::new());
    await_folding(&sensor, &person);
    (sensor, person)
}

/// How many opens an event stands for.
fn opens_of(event: &Event) -> u64 {
    event.count.unwrap_or(1)
}

/// Events of that file's opens that are told, and the opens they stand for.
fn told(stream: &Subscription, wanted: impl Fn(&Event) -> bool) -> (u64, u64) {
    let opens = stream.of_type(EventType::Open).filter(|event| wanted(event));
    opens.fold((0, 0), |(events, opens), event| (events + 1, opens + opens_of(event)))
}

fn of(path: &Path) -> impl Fn(&Event) -> bool {
    move |event| event.path() == path.as_os_str().as_encoded_bytes()
}

/// Waits until that many opens are told, and returns in how many events.
fn await_opens(stream: &mut Subscription, what: &str, count: u64, wanted: impl Fn(&Event) -> bool) -> u64 {
    let mut missing = count.saturating_sub(told(stream, &wanted).1);
    if missing > 0 {
        stream.read_until(what, |event| {
            let is_open = event.open().is_some() && wanted(event);
            missing = missing.saturating_sub(if is_open { opens_of(event) } else { 0 });
            missing == 0
        });
    }
    let (events, opens) = told(stream, &wanted);
    assert_eq!(opens, count, "{what}");
    events
}

#[test]
fn opens_that_repeat_are_counted_exactly_and_only_with_what_is_the_same() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let (sensor, person) = folding();
    let (first, renamed, other) = (sensor.path("first"), sensor.path("renamed"), sensor.path("other"));
    fs::write(&first, "").unwrap();
    fs::write(&other, "").unwrap();
    let mut stream = sensor.follow(&person);
    person.act(|| {
        open_often(&first);
        fs::rename(&first, &renamed).unwrap();
        open_often(&renamed);
        thread::scope(|scope| {
            scope.spawn(|| open_often(&other));
            scope.spawn(|| open_often(&other));
            scope.spawn(|| {
                (0..TIMES).for_each(|_| drop(OpenOptions::new().write(true).open(&other).unwrap()));
            });
        });
    });
    let events = await_opens(&mut stream, "under the old name", TIMES, of(&first));
    assert!(events < TIMES / 10, "{events} events");
    await_opens(&mut stream, "under the new name", TIMES, of(&renamed));
    let writes =
        |event: &Event| event.open().is_some_and(|open| open.access().any(|way| way == Access::Write));
    await_opens(&mut stream, "two threads", 2 * TIMES, |event| of(&other)(event) && !writes(event));
    await_opens(&mut stream, "for writing", TIMES, |event| of(&other)(event) && writes(event));
    let folded = stream.of_type(EventType::Open).find(|event| event.count.is_some()).unwrap();
    assert_eq!(folded.login().0, Some(person.auid), "who did it is known of repetitions too");
}

#[test]
fn with_all_every_open_has_an_event_of_its_own() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let sensor = Sensor::everything();
    let person = Person::new();
    let file = sensor.path("file");
    fs::write(&file, "").unwrap();
    let mut stream = sensor.follow(&person);
    person.act(|| open_often(&file));
    assert_eq!(await_opens(&mut stream, "all", TIMES, of(&file)), TIMES);
}

#[test]
fn threads_that_open_the_same_file_for_the_first_time_at_once_lose_no_count() {
    const FILES: usize = 200;
    const THREADS: u64 = 4;
    const EACH: u64 = 10;
    let Some(_machine) = Machine::alone(here!()) else { return };
    let (sensor, person) = folding();
    let files: Vec<_> = (0..FILES).map(|number| sensor.path(&format!("file-{number}"))).collect();
    files.iter().for_each(|file| fs::write(file, "").unwrap());
    let mut stream = sensor.follow(&person);
    let together = Barrier::new(THREADS as usize);
    person.act(|| {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for file in &files {
                        together.wait();
                        (0..EACH).for_each(|_| drop(File::open(file).unwrap()));
                    }
                });
            }
        });
    });
    let any = |event: &Event| event.path().starts_with(sensor.path("file-").as_os_str().as_encoded_bytes());
    await_opens(&mut stream, "all", FILES as u64 * THREADS * EACH, any);
    for file in &files {
        assert_eq!(told(&stream, of(file)).1, THREADS * EACH, "{}", file.display());
    }
}

/// How many opens are told of each, by what `key` says.
fn opens_by<T: Ord>(stream: &Subscription, file: &Path, key: impl Fn(&Event) -> T) -> BTreeMap<T, u64> {
    let mut sums = BTreeMap::new();
    for event in stream.of_type(EventType::Open).filter(|event| of(file)(event)) {
        *sums.entry(key(event)).or_default() += opens_of(event);
    }
    sums
}

#[test]
fn opens_belong_to_the_program_that_the_process_ran_then() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let (sensor, person) = folding();
    let file = sensor.path("file");
    fs::write(&file, "").unwrap();
    let mut stream = sensor.follow(&person);
    let script = ": < $0; : < $0; exec sh -c ': < $0; : < $0; : < $0; exec cat $0 $0' $0";
    person.act(|| {
        let mut shell = Command::new("sh").args(["-c", script]).arg(&file).spawn().unwrap();
        assert!(shell.wait().unwrap().success());
    });
    await_opens(&mut stream, "of three programs", 7, of(&file));
    let first_words = |event: &Event| {
        let argv = &event.who().argv;
        argv.iter().take(3).map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>()
    };
    let sums = opens_by(&stream, &file, first_words);
    let sums: Vec<_> = sums.iter().map(|(words, sum)| (words.join(" "), *sum)).collect();
    let of_program =
        |begin: &str| sums.iter().find(|(words, _)| words.starts_with(begin)).map(|(_, sum)| *sum);
    assert_eq!(sums.len(), 3, "{sums:?}");
    assert_eq!(of_program("sh -c : < $0; : < $0; exec sh"), Some(2), "{sums:?}");
    assert_eq!(of_program("sh -c : < $0; : < $0; : < $0"), Some(3), "{sums:?}");
    assert_eq!(of_program("cat"), Some(2), "{sums:?}");
}

#[test]
fn opens_of_processes_that_had_the_same_id_are_told_apart() {
    const PROCESSES: u64 = 50;
    const AGAIN: usize = 10;
    let Some(_machine) = Machine::alone(here!()) else { return };
    let Ok(last) = OpenOptions::new().write(true).open("/proc/sys/kernel/ns_last_pid") else {
        return skip(here!(), "this kernel does not let processes choose ids");
    };
    let (sensor, person) = folding();
    let file = sensor.path("file");
    fs::write(&file, "").unwrap();
    let mut stream = sensor.follow(&person);
    let pids: HashSet<u32> = person.act(|| {
        let cat = |_| {
            last.write_all_at(b"29999", 0).unwrap();
            let mut cat = Command::new("cat").args([&file, &file]).spawn().unwrap();
            assert!(cat.wait().unwrap().success());
            cat.id()
        };
        (0..PROCESSES).map(cat).collect()
    });
    assert!(pids.len() + AGAIN <= PROCESSES as usize, "ids are not used again");
    await_opens(&mut stream, "of all", 2 * PROCESSES, of(&file));
    let sums = opens_by(&stream, &file, |event| event.who().uid.clone());
    assert_eq!(sums.len() as u64, PROCESSES, "{sums:?}");
    assert!(sums.values().all(|sum| *sum == 2), "{sums:?}");
    let programs = opens_by(&stream, &file, |event| event.who().argv.first().cloned());
    assert_eq!(programs, BTreeMap::from([(Some(b"cat".to_vec().into()), 2 * PROCESSES)]));
}

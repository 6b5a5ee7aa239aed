//! What breaks between a sensor and a collector's disk: full disks, networks, backups.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use activity_proto::v1::{ConsumeStart, GapReason, Lane};
use activity_tests::{
    Consumer, EACH_OPEN, Machine, Person, Program, Sensor, collector, eventually, here, run,
};
use rustix::{
    mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount},
    process::Signal,
};

use crate::{
    collectors::{Listening, Way},
    numbered::{Files, accounted},
};

/// A file system of little room, until this is dropped.
struct Small(PathBuf);

impl Small {
    fn at(path: PathBuf, size: &str) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        let options = std::ffi::CString::new(format!("size={size}")).unwrap();
        mount("none", &path, "tmpfs", MountFlags::empty(), Some(options.as_c_str())).unwrap();
        Self(path)
    }

    fn enlarge(&self, size: &str) {
        mount_remount(&self.0, MountFlags::empty(), format!("size={size}")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

#[test]
fn a_spool_whose_disk_is_full_keeps_what_is_newest_and_tells_of_all_else() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let mut sensor = Sensor::start(EACH_OPEN, &[]);
    sensor.program.signal(Signal::TERM);
    sensor.program.wait();
    // The configuration permits 512 MiB.
    let _disk = Small::at(sensor.path("state/spool"), "6m");
    sensor.start_again();
    let (person, files) = (Person::new(), Files::new());
    // Known from the beginning, so that what it misses is counted by type.
    drop(Consumer::open(&sensor.socket(), "siem"));
    const OPENED: u64 = 40_000;
    files.open(person, 0..OPENED);
    let epoch = sensor.status().epoch;
    let start = ConsumeStart {
        consumer: "siem".to_owned(),
        // Behind what was acknowledged: nothing.
        from: None,
        // More than there is room for: nothing has to be acknowledged.
        window_bytes: Some(64 << 20),
    };
    let mut consumer = Consumer::start(&sensor.socket(), start);
    consumer.read_until("the last file", |events| files.has_come(OPENED - 1, events));
    let (came, told) = accounted(&consumer.seen, Lane::File, epoch);
    assert!(told.keys().all(|reason| *reason == GapReason::SpoolFull), "{told:?}");
    let told: u64 = told.values().sum();
    let received = files.of(&consumer.seen).len() as u64;
    println!(
        "of {OPENED} opens on a disk of 6 MiB {received} came, {told} numbers were told as lost, 0 else"
    );
    assert!(told > 0 && came + told >= OPENED, "{came} {told}");
    assert_eq!(
        accounted(&consumer.seen, Lane::Process, epoch).1,
        BTreeMap::new(),
        "files push out no other events"
    );
}

#[test]
fn a_collector_whose_disk_is_full_waits_for_room_and_loses_nothing() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let disk = Small::at(directory.path().join("store"), "4m");
    let way = Way::unix(directory.path());
    let sensor = Sensor::start(&way.push(EACH_OPEN), &[]);
    let listening = way.listen(&disk.0);
    let (person, files) = (Person::new(), Files::new());
    files.open(person, 0..20_000);
    eventually("the disk is full", || listening.program.stderr().contains("waiting for room").then_some(()));
    disk.enlarge("256m");
    files.await_stored(0..20_000, |sql| listening.query(sql));
    assert!(listening.query("SELECT 1 FROM events WHERE type = 'gap'").is_empty());
    drop(sensor);
}

#[test]
fn a_collector_that_was_restored_from_an_old_backup_gets_again_what_it_lost() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let (store, backup) = (directory.path().join("store"), directory.path().join("backup"));
    let way = Way::unix(directory.path());
    let _sensor = Sensor::start(&way.push(EACH_OPEN), &[]);
    let (person, files) = (Person::new(), Files::new());
    let collector = way.listen(&store);
    files.open(person, 0..100);
    files.await_stored(0..100, |sql| collector.query(sql));
    collector.end();
    let copy = |from: &Path, to: &Path| {
        let output = run(Command::new("cp").arg("-a").arg(from).arg(to));
        assert_eq!(output.code, Some(0), "{output:?}");
    };
    copy(&store, &backup);
    let collector = way.listen(&store);
    files.open(person, 100..200);
    files.await_stored(0..200, |sql| collector.query(sql));
    collector.end();
    std::fs::remove_dir_all(&store).unwrap();
    copy(&backup, &store);
    let collector = way.listen(&store);
    files.open(person, 200..210);
    files.await_stored(0..210, |sql| collector.query(sql));
}

/// Stands between a sensor and its collector, and does to what passes as it is told.
struct Relay {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    to: SocketAddr,
    /// What new connections do: pass one byte at a time.
    slowly: bool,
    /// Connections that are there, and whether each has stalled.
    open: Vec<(TcpStream, TcpStream, Arc<AtomicBool>)>,
}

impl Relay {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        let state = Arc::new(Mutex::new(State { to, slowly: false, open: Vec::new() }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for comer in listener.incoming() {
                let mut state = shared.lock().unwrap();
                let Ok(comer) = comer else { return };
                let Ok(beyond) = TcpStream::connect(state.to) else { continue };
                let (stalled, slowly) = (Arc::new(AtomicBool::new(false)), state.slowly);
                for (from, to) in [(&comer, &beyond), (&beyond, &comer)] {
                    to.set_nodelay(true).unwrap();
                    let (from, to, stalled) =
                        (from.try_clone().unwrap(), to.try_clone().unwrap(), Arc::clone(&stalled));
                    thread::spawn(move || pass(from, to, &stalled, slowly));
                }
                state.open.push((comer, beyond, stalled));
            }
        });
        Self { address, state }
    }

    /// Ends the connections there are.
    fn cut(&self) {
        for (one, other, _) in self.state.lock().unwrap().open.drain(..) {
            let _ = (one.shutdown(Shutdown::Both), other.shutdown(Shutdown::Both));
        }
    }

    /// The connections there are stay, and nothing passes any more.
    fn stall(&self) {
        self.state
            .lock()
            .unwrap()
            .open
            .iter()
            .for_each(|(_, _, stalled)| stalled.store(true, Ordering::Release));
    }

    /// New connections pass one byte at a time.
    fn slowly(&self) {
        self.state.lock().unwrap().slowly = true;
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, stalled: &AtomicBool, slowly: bool) {
    let mut bytes = vec![0; if slowly { 1 } else { 64 << 10 }];
    while let Ok(read) = from.read(&mut bytes) {
        if read == 0 {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
        // What comes is taken and goes nowhere, as with a network that is gone.
        if !stalled.load(Ordering::Acquire) && to.write_all(&bytes[..read]).is_err() {
            return;
        }
    }
}

#[test]
fn a_network_that_is_cut_stalls_or_passes_single_bytes_costs_nothing() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let mut command = Command::new(collector());
    command.args(["run", "--listen", "127.0.0.1:0", "--plain-text", "--store"]).arg(&store);
    let collector = Listening::new(Program::start(&mut command), store);
    let relay = Relay::to(collector.port());
    let push = format!("[stream]\npush = [\"{}\"]\nplain_text = true\n{EACH_OPEN}", relay.address);
    let _sensor = Sensor::start(&push, &[]);
    let (person, files) = (Person::new(), Files::new());
    let mut opened = 0;
    let mut more = |what: &str| {
        let begun = Instant::now();
        files.open(person, opened..opened + 200);
        opened += 200;
        files.await_stored(0..opened, |sql| collector.query(sql));
        println!("{what}: all {opened} stored after {:?}", begun.elapsed());
    };
    more("a network");
    relay.cut();
    more("one that was cut");
    relay.stall();
    more("one that went silent");
    relay.slowly();
    relay.cut();
    more("one that passes single bytes");
    assert!(collector.query("SELECT 1 FROM events WHERE type = 'gap'").is_empty());
}

//! The sensor as its package has systemd run it. Only in a guest: there it is installed.

use std::{fs, path::Path, process::Command};

use activity_tests::{
    Consumer, EventExt as _, Machine, Person, eventually, here, people::has_systemd, run, skip,
};

const UNIT: &str = "activity-sensor.service";
const INSTALLED: &str = "/etc/systemd/system/activity-sensor.service";
const PROGRAM: &str = "/usr/bin/activity-sensor";
const SOCKET: &str = "/run/activity-sensor/sensor.sock";
const CONFIG: &str = "/etc/activity-sensor/config.toml";
const PINS: &str = "/sys/fs/bpf/activity-sensor";

/// The service, until this is dropped.
struct Service {
    _machine: Machine,
}

impl Service {
    /// Not running yet; `None`: it cannot be here, and the test was reported as skipped.
    fn new(test: &str) -> Option<Self> {
        let machine = Machine::alone(test)?;
        let is_guest = std::env::var_os("ACTIVITY_TEST_GUEST").is_some();
        if !is_guest || !has_systemd() || !Path::new(INSTALLED).exists() {
            skip(test, "needs the package's service, which the Debian of `cargo xtask vm` has");
            return None;
        }
        Some(Self { _machine: machine })
    }

    fn systemctl(&self, arguments: &[&str]) -> String {
        let output = run(Command::new("systemctl").args(arguments));
        let journal = || run(Command::new("journalctl").args(["-u", UNIT, "-n", "20", "--no-pager"])).stdout;
        assert_eq!(output.code, Some(0), "{arguments:?}: {} {}", output.stderr, journal());
        output.stdout.trim().to_owned()
    }

    fn start(&self) {
        self.systemctl(&["start", UNIT]);
    }

    fn stop(&self) {
        self.systemctl(&["stop", UNIT]);
    }

    /// The sensor's process, when it is at work.
    fn at_work(&self) -> Option<String> {
        let (state, pid) = (self.property("ActiveState"), self.property("MainPID"));
        (state == "active" && pid != "0").then_some(pid)
    }

    fn property(&self, name: &str) -> String {
        self.systemctl(&["show", "--value", "--property", name, UNIT])
    }

    /// Ends its process so, and waits for the next one.
    fn comes_back_after(&self, signal: &str) {
        let pid = eventually("the service is at work", || self.at_work());
        assert_eq!(run(Command::new("kill").args([signal, &pid])).code, Some(0));
        eventually("the service is at work again", || self.at_work().filter(|next| *next != pid));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = run(Command::new("systemctl").args(["stop", UNIT]));
        let _ = run(Command::new(PROGRAM).arg("unload"));
        let _ = fs::remove_file(CONFIG);
    }
}

#[test]
fn the_service_comes_back_however_it_is_ended() {
    let Some(service) = Service::new(here!()) else { return };
    service.start();
    service.comes_back_after("-TERM");
    service.comes_back_after("-KILL");
    service.stop();
    assert_eq!(service.property("ActiveState"), "inactive", "what an administrator stops stays so");
}

#[test]
fn what_happens_while_the_service_is_stopped_is_told_with_hooks_that_outlive_it() {
    let Some(service) = Service::new(here!()) else { return };
    fs::create_dir_all(Path::new(CONFIG).parent().unwrap()).unwrap();
    fs::write(CONFIG, format!("[hooks]\npin = \"{PINS}\"\n")).unwrap();
    service.start();
    service.stop();
    Person::new().act(|| assert_eq!(run(Command::new("/bin/true").arg("while it is stopped")).code, Some(0)));
    service.start();
    let mut consumer = Consumer::open(Path::new(SOCKET), "test");
    consumer.read_until("a program that was started while the service was stopped", |events| {
        events.iter().any(|event| event.argv().contains(&&b"while it is stopped"[..]))
    });
    service.stop();
    assert_eq!(run(Command::new(PROGRAM).arg("unload")).code, Some(0));
    let left = fs::read_dir(PINS).map_or(0, |sensors| {
        sensors.map(|sensor| fs::read_dir(sensor.unwrap().path()).unwrap().count()).sum()
    });
    assert_eq!(left, 0, "nothing stays pinned");
}

//! Exports to real servers: a rsyslogd, with and without TLS, and a nats-server. Both, and
//! the collector, are killed while events come; every event that is stored arrives.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod nats;
mod rsyslog;
mod sensor;
#[path = "../teller/mod.rs"]
mod teller;

use std::{
    collections::HashSet,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sensor::Sensor;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A program of Debian's; `None` where it is not installed, which is told.
fn program(test: &str, name: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path
        .split(':')
        .chain(["/usr/sbin"])
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists());
    if found.is_none() {
        skip(test, &format!("needs {name}, which Debian's package {package} has"));
    }
    found
}

/// A line past the test harness's capture, for `cargo xtask test` to count.
fn skip(test: &str, reason: &str) {
    let line = format!("skipped: {test}: {reason}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// A port that nobody listens on at this moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program that ends with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn listens(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// A collector over a sensor, with a configuration of its own.
struct Collector {
    config: PathBuf,
    store: PathBuf,
}

impl Collector {
    /// `export` is the text of `[export.it]`.
    fn new(directory: &Path, sensor: &Sensor, export: &str) -> Self {
        let (config, store) = (directory.join("config.toml"), directory.join("store"));
        let text = format!(
            "sensors = ['unix:{}']\nstore = '{}'\n[roll]\nbytes = 262144\n[export.it]\n{export}\n",
            sensor.socket().display(),
            store.display(),
        );
        std::fs::write(&config, text).unwrap();
        Self { config, store }
    }

    fn start(&self) -> Running {
        let run = ["run", "--config", self.config.to_str().unwrap()];
        Running::start(Command::new(env!("CARGO_BIN_EXE_activity-collector")).args(run).stderr(Stdio::null()))
    }

    /// Everything that is stored, as lines of a format.
    fn lines(&self, format: &str) -> HashSet<String> {
        let output = Command::new(env!("CARGO_BIN_EXE_activity-collector"))
            .args(["export", "--format", format, "--store", self.store.to_str().unwrap()])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

/// Lets events come while the server is killed and started again, at once and after a while,
/// and the collector is, too; then waits until everything stored has arrived.
fn through_kills(
    collector: &Collector,
    sensor: &Sensor,
    format: &str,
    mut server: impl FnMut() -> Running,
    mut arrived: impl FnMut() -> Vec<String>,
) {
    let mut serving = server();
    let mut running = collector.start();
    let mut more = |what: &str, sensor: &Sensor| {
        let before = arrived().len();
        let told = sensor.told();
        until(what, || sensor.told() > told + 2000 && arrived().len() > before);
    };
    more("events arrive", sensor);
    serving.kill();
    serving = server();
    more("events arrive after the server was killed and started at once", sensor);
    serving.kill();
    let told = sensor.told();
    until("events come while there is no server", || sensor.told() > told + 2000);
    serving = server();
    more("events arrive after the server was away", sensor);
    running.kill();
    running = collector.start();
    more("events arrive after the collector was killed", sensor);

    sensor.stop();
    let mut stored = collector.lines(format);
    until("the sensor's last event is stored", || {
        stored = collector.lines(format);
        stored.iter().any(|line| line.contains(&sensor.last()))
    });
    let mut got = Vec::new();
    until("everything that is stored has arrived", || {
        got = arrived();
        let got: HashSet<&String> = got.iter().collect();
        stored.iter().all(|line| got.contains(line))
    });
    let distinct: HashSet<&String> = got.iter().collect();
    println!(
        "{} stored, {} arrived, {} of them again",
        stored.len(),
        distinct.len(),
        got.len() - distinct.len()
    );
    assert!(stored.len() > 8000, "enough came to speak of");
    drop((serving, running));
}

//! Collectors that sensors dial out to.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use activity_tests::{Program, collector, eventually, run};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// The answer to a query; none while there is no store.
pub fn query(store: &Path, sql: &str) -> Vec<Value> {
    let mut query = Command::new(collector());
    let output = run(query.args(["query", sql, "--format", "json", "--store"]).arg(store));
    if output.code != Some(0) {
        return Vec::new();
    }
    serde_json::from_str(&output.stdout).unwrap()
}

/// A collector that listens.
pub struct Listening {
    pub program: Program,
    store: PathBuf,
}

impl Listening {
    /// Returns when it listens.
    pub fn new(program: Program, store: PathBuf) -> Self {
        eventually("the collector listens", || program.stderr().contains("listening on").then_some(()));
        Self { program, store }
    }

    /// Where, if over TCP.
    pub fn port(&self) -> u16 {
        let said = self.program.stderr();
        said.split("port=").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The answer to a query.
    pub fn query(&self, sql: &str) -> Vec<Value> {
        query(&self.store, sql)
    }

    /// Kills it.
    pub fn kill(mut self) {
        self.program.signal(Signal::KILL);
        self.program.wait();
    }

    /// Ends it in order.
    pub fn end(mut self) {
        self.program.signal(Signal::TERM);
        assert!(self.program.wait().success(), "{}", self.program.stderr());
    }
}

/// A way over a unix socket.
pub struct Way(String);

impl Way {
    /// Through a socket in this directory.
    pub fn unix(directory: &Path) -> Self {
        Self(format!("unix:{}", directory.join("collector.sock").display()))
    }

    /// The sensor's configuration, before what else it says.
    pub fn push(&self, rest: &str) -> String {
        format!("[stream]\npush = [\"{}\"]\n{rest}", self.0)
    }

    /// A collector at its end.
    pub fn listen(&self, store: &Path) -> Listening {
        let mut command = Command::new(collector());
        command.args(["run", "--listen", &self.0, "--store"]).arg(store);
        Listening::new(Program::start(&mut command), store.to_owned())
    }
}

/// An authority, and those it enrolled.
pub struct Home(TempDir);

impl Home {
    /// A new authority.
    pub fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.command(&["ca", "init"], &[]);
        home
    }

    /// A path in its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, verb: &[&str], arguments: &[&str]) {
        let mut command = Command::new(collector());
        command.args(verb).arg("--directory").arg(self.path("ca")).args(arguments).current_dir(self.0.path());
        let output = run(&mut command);
        assert_eq!(output.code, Some(0), "{output:?}");
    }

    /// The directory of a new certificate.
    pub fn enrol(&self, role: &str, name: &str) -> PathBuf {
        self.command(&["enrol"], &["--role", role, "--name", name]);
        self.path(&format!("{role}-{name}"))
    }

    /// A collector that listens with its certificate, at this port.
    pub fn listen(&self, name: &str, port: u16) -> Listening {
        let (files, store) = (self.path(&format!("collector-{name}")), self.path(name));
        let mut command = Command::new(collector());
        command.args(["run", "--listen", &format!("127.0.0.1:{port}"), "--store"]).arg(&store);
        for (option, file) in
            [("--certificate", "certificate"), ("--key", "key"), ("--authority", "authority")]
        {
            command.arg(option).arg(files.join(file).with_extension("pem"));
        }
        Listening::new(Program::start(&mut command), store)
    }
}

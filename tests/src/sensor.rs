//! The daemon.

use std::{
    ffi::OsString,
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
};

use activity_proto::v1::{
    EventType, Filter, GetStatusRequest, GetStatusResponse, sensor_service_client::SensorServiceClient,
};
use tempfile::TempDir;

use crate::{Person, Program, Subscription, deadline, program, subscribe};

/// The end of a configuration that has an event for each open, also for those that
/// repeat.
pub const EACH_OPEN: &str = "[hooks]\nfold = false\n";

/// A running daemon with a state and a socket of its own.
pub struct Sensor {
    /// Its process.
    pub program: Program,
    directory: TempDir,
    arguments: Vec<String>,
}

impl Sensor {
    /// Records what the default policy chooses.
    #[must_use]
    pub fn people() -> Self {
        Self::start("", &[])
    }

    /// Records everything.
    #[must_use]
    pub fn everything() -> Self {
        Self::start("", &["--all"])
    }

    /// With a configuration and arguments; returns when it records.
    ///
    /// # Panics
    /// When it ends, or does not answer in time.
    #[must_use]
    pub fn start(config: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("activity-test-").tempdir().expect("a directory");
        // What keeps others out has to be the socket, not its directory.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
            .expect("one's own directory");
        fs::write(directory.path().join("config.toml"), config_for_here(config))
            .expect("one's own directory");
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let program = Program::start(&mut command(directory.path(), &arguments));
        let mut sensor = Self { program, directory, arguments };
        sensor.await_answer();
        sensor
    }

    /// Starts it again after its end, with the same state; returns when it records.
    ///
    /// # Panics
    /// When it has not ended, ends again, or does not answer in time.
    pub fn start_again(&mut self) {
        assert!(self.program.ended().is_some(), "the sensor still runs");
        self.program = Program::start(&mut command(self.directory.path(), &self.arguments));
        self.await_answer();
    }

    fn await_answer(&mut self) {
        let socket = self.socket();
        crate::eventually("the sensor listens", || {
            let ended = self.program.ended();
            assert!(ended.is_none(), "the sensor ended at its start: {ended:?}\n{}", self.program.stderr());
            UnixStream::connect(&socket).ok()
        });
        // It answers only when the hooks are attached.
        let _ = self.status();
    }

    /// Where it serves.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    /// A path in the sensor's own directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Its answer to `GetStatus`.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn status(&self) -> GetStatusResponse {
        subscribe::runtime().block_on(async {
            let call = async {
                let mut client = SensorServiceClient::new(subscribe::channel(&self.socket()).await);
                client.get_status(GetStatusRequest {}).await.expect("the sensor answers").into_inner()
            };
            tokio::time::timeout(deadline(), call).await.expect("the sensor answers in time")
        })
    }

    /// Puts another configuration file in the place of the one it was started with.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn configure(&self, config: &str) {
        let new = self.path("config.toml.new");
        fs::write(&new, config_for_here(config)).expect("one's own directory");
        fs::rename(&new, self.path("config.toml")).expect("one's own directory");
    }

    /// Everything, from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription::open(&self.socket(), Filter::default())
    }

    /// What this person does, from now on.
    #[must_use]
    pub fn follow(&self, person: &Person) -> Subscription {
        Subscription::open(&self.socket(), Filter { uids: vec![person.auid], ..Filter::default() })
    }

    /// Events of one type, from now on.
    #[must_use]
    pub fn subscribe_to(&self, event_type: EventType) -> Subscription {
        Subscription::open(&self.socket(), Filter { types: vec![event_type.into()], ..Filter::default() })
    }

    /// Waits until this process subscribes, or consumes.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn await_subscriber(&self, pid: u32) {
        let peer = format!("pid {pid} ");
        crate::eventually("the process subscribes", || {
            let status = self.status();
            let consumers = status.spool.map(|spool| spool.consumers).unwrap_or_default();
            let peers = status.subscribers.into_iter().map(|subscriber| subscriber.peer);
            let mut peers = peers.chain(consumers.into_iter().map(|consumer| consumer.peer));
            peers.any(|known| known.starts_with(&peer)).then_some(())
        });
    }

    /// The ids of the programs it has in the kernel.
    ///
    /// # Panics
    /// When /proc does not have the process.
    #[must_use]
    pub fn kernel_programs(&self) -> Vec<u32> {
        let descriptors = Path::new("/proc").join(self.program.pid().to_string()).join("fdinfo");
        let entries = fs::read_dir(descriptors).expect("the sensor runs");
        let mut ids: Vec<u32> = entries
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.path()).ok())
            .flat_map(|info| {
                let id = |line: &str| line.strip_prefix("prog_id:")?.trim().parse().ok();
                info.lines().filter_map(id).collect::<Vec<_>>()
            })
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// The daemon with a configuration, a state and a socket in a directory.
fn command(directory: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program::sensor());
    command.arg("run").arg("--config").arg(directory.join("config.toml")).args(arguments);
    command.arg("--state").arg(directory.join("state"));
    command.arg("--socket").arg(directory.join("socket"));
    if let Some(plan) = plan(arguments) {
        command.arg("--plan").arg(plan);
    }
    command
}

/// In guests, kernel programs take half a minute to verify; most tests are about
/// none of these. A configuration with a table of hooks is left as it is.
fn config_for_here(config: &str) -> String {
    const FEW: &str = "rename = false\nlink = false\nunlink = false\nchmod = false\n\
        chown = false\nmount = false\nptrace = false\nfile_receive = false\nexec_mapping = false\n";
    if std::env::var_os("ACTIVITY_TEST_GUEST").is_none() {
        return config.to_owned();
    }
    if config.ends_with(EACH_OPEN) {
        return format!("{config}{FEW}");
    }
    if config.contains("[hooks]") { config.to_owned() } else { format!("{config}[hooks]\n{FEW}") }
}

/// The plan that this run of the tests is about: `ACTIVITY_TEST_PLAN`, unless a
/// test wants one of its own.
fn plan(arguments: &[String]) -> Option<OsString> {
    let chosen = arguments.iter().any(|argument| argument.starts_with("--plan"));
    std::env::var_os("ACTIVITY_TEST_PLAN").filter(|_| !chosen)
}

//! What goes wrong says so in one sentence, with the exit code for it.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixListener, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use activity_tests::{Machine, Output, Sensor, Watch, here, own_mounts, run, sensor_program};
use rustix::mount::{MountFlags, mount};
use tempfile::TempDir;

const USAGE: i32 = 64;
const UNAVAILABLE: i32 = 69;
const NOT_PERMITTED: i32 = 77;
const CONFIG: i32 = 78;
const NOBODY: u32 = 65_534;

/// A place that any user can use.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("activity-errors-").tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// `activity-sensor run` with state and socket here.
    fn daemon(&self) -> Command {
        self.daemon_with_state(&self.path("state"))
    }

    fn daemon_with_state(&self, state: &Path) -> Command {
        let mut command = Command::new(sensor_program());
        command.arg("run").arg("--state").arg(state).arg("--socket").arg(self.path("socket"));
        // Of the log, only what ends it.
        command.arg("--config").arg(self.file("config.toml", "[log]\nlevel = \"error\"\n"));
        command
    }

    /// The program where any user may run it, as nobody.
    fn as_nobody(&self, arguments: &[&str]) -> Command {
        let program = self.path("activity-sensor");
        fs::copy(sensor_program(), &program).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).uid(NOBODY).gid(NOBODY);
        command
    }
}

fn sensor(arguments: &[&str]) -> Output {
    run(Command::new(sensor_program()).args(arguments))
}

#[test]
fn without_root_nothing_is_recorded_and_the_code_is_77() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let place = Place::new();
    let (state, socket) = (place.path("state"), place.path("socket"));
    let (state, socket) = (state.to_str().unwrap(), socket.to_str().unwrap());
    let daemon = run(&mut place.as_nobody(&["run", "--state", state, "--socket", socket]));
    daemon.fails_with(NOT_PERMITTED, &["root"]);
    assert!(!Path::new(socket).exists() && !Path::new(state).exists());
    let config = place.file("config.toml", &format!("[stream]\nsocket = {socket:?}\n"));
    let watch = run(&mut place.as_nobody(&["watch", "--config", config.to_str().unwrap()]));
    watch.fails_with(NOT_PERMITTED, &["root"]);
}

#[test]
fn without_btf_the_code_is_69() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let place = Place::new();
    let hidden = |command: &mut Command| {
        thread::scope(|scope| {
            let hidden = scope.spawn(|| {
                own_mounts();
                mount("none", "/sys/kernel/btf", "tmpfs", MountFlags::empty(), None).unwrap();
                run(command)
            });
            hidden.join().unwrap()
        })
    };
    hidden(&mut place.daemon()).fails_with(UNAVAILABLE, &["BTF"]);
    assert!(!place.path("socket").exists(), "a sensor that failed leaves no socket");
    let doctor = hidden(Command::new(sensor_program()).arg("doctor"));
    assert_eq!(doctor.code, Some(UNAVAILABLE), "{doctor:?}");
    assert!(doctor.stdout.contains("BTF"), "{doctor:?}");
}

#[test]
fn doctor_is_content_with_a_kernel_that_the_sensor_works_on() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let doctor = sensor(&["doctor", "--format", "json"]);
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    let _: serde_json::Value = serde_json::from_str(&doctor.stdout).expect("JSON");
}

#[test]
fn a_socket_that_is_taken_is_left_alone_and_the_code_is_69() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let place = Place::new();
    let listener = UnixListener::bind(place.path("socket")).unwrap();
    run(&mut place.daemon()).fails_with(UNAVAILABLE, &["socket", "--socket"]);
    assert!(place.path("socket").exists());
    drop(listener);
    fs::remove_file(place.path("socket")).unwrap();
    place.file("socket", "precious");
    run(&mut place.daemon()).fails_with(UNAVAILABLE, &["not a socket"]);
    assert_eq!(fs::read_to_string(place.path("socket")).unwrap(), "precious");
}

#[test]
fn a_state_that_is_in_use_is_not_shared_and_the_code_is_69() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let running = Sensor::people();
    let place = Place::new();
    run(&mut place.daemon_with_state(&running.path("state"))).fails_with(UNAVAILABLE, &["--state"]);
    let _ = running.status();
}

#[test]
fn a_broken_configuration_is_named_with_its_line_and_the_code_is_78() {
    let place = Place::new();
    for (content, words) in [
        ("[hooks]\nopen = true\nconect = true\n", vec![":3:", "conect", "connect"]),
        ("[stream]\n\nsubscriber_queue_bytes = \"many\"\n", vec![":3:", "subscriber_queue_bytes"]),
        ("[polcy]\nnoise = true\n", vec![":2:", "`polcy.noise`", "`policy.noise`"]),
        ("[hooks\n", vec![":1:"]),
        ("[hooks]\nfile_ring_bytes = 100000\n", vec![":2:", "file_ring_bytes"]),
        ("[stream]\nmode = \"0666\"\n", vec![":2:", "0666"]),
        ("[sensor]\nhost = \"\\u001b[31m\"\n", vec![":2:", "host"]),
    ] {
        let file = place.file("broken.toml", content);
        let file = file.to_str().unwrap();
        let state = place.path("state");
        let state = state.to_str().unwrap();
        for command in [
            vec!["check-config", file],
            vec!["run", "--config", file, "--state", state],
            vec!["watch", "--config", file],
        ] {
            let output = sensor(&command);
            output.fails_with(CONFIG, &words);
            assert!(output.stderr.contains("broken.toml") && !output.stderr.contains('\u{1b}'), "{output:?}");
        }
    }
    let missing = place.path("missing.toml");
    sensor(&["check-config", missing.to_str().unwrap()]).fails_with(CONFIG, &["missing.toml"]);
}

#[test]
fn a_configuration_without_fault_is_said_to_be_fine() {
    let place = Place::new();
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/sensor/config.toml");
    for file in [default, place.file("empty.toml", "").to_str().unwrap()] {
        let output = sensor(&["check-config", file]);
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    }
}

#[test]
fn a_sensor_that_cannot_be_reached_is_code_69() {
    let place = Place::new();
    let socket = place.path("nobody");
    let socket = socket.to_str().unwrap();
    sensor(&["watch", "--socket", socket]).fails_with(UNAVAILABLE, &["--socket"]);
    drop(UnixListener::bind(socket).unwrap());
    sensor(&["watch", "--socket", socket, "--format", "json"]).fails_with(UNAVAILABLE, &["--socket"]);
}

#[test]
fn a_sensor_that_ends_ends_watch_with_69() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let mut watch = Watch::start(&sensor, &["--format", "json"]);
    drop(sensor);
    assert_eq!(watch.program.wait().code(), Some(UNAVAILABLE));
    let said = watch.program.stderr();
    assert!(said.lines().filter(|line| line.starts_with("activity-sensor: ")).count() == 1, "{said}");
}

#[test]
fn wrong_usage_is_code_64() {
    for arguments in [
        vec!["no-such-command"],
        vec!["run", "--no-such-option"],
        vec!["watch", "--type", "opne"],
        vec!["watch", "--format", "xml"],
        vec!["watch", "--session", "seven"],
        vec!["watch", "--user", "no such user"],
        vec!["check-config"],
        vec![],
    ] {
        let output = sensor(&arguments);
        assert_eq!(output.code, Some(USAGE), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
    for arguments in [["--help"], ["--version"]] {
        let output = sensor(&arguments);
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    }
}

//! The programs under test as child processes.

use std::{
    env,
    io::Read,
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::deadline;

/// The daemon's program.
#[must_use]
pub fn sensor() -> PathBuf {
    find("ACTIVITY_SENSOR_BIN", "activity-sensor")
}

/// The collector's program.
#[must_use]
pub fn collector() -> PathBuf {
    find("ACTIVITY_COLLECTOR_BIN", "activity-collector")
}

/// The program that acts in tests, `evade`. Guests have it beside the sensor.
#[must_use]
pub fn evade() -> PathBuf {
    let built = beside_tests("evade");
    let given = env::var_os("ACTIVITY_EVADE_BIN").map(PathBuf::from);
    given.or_else(|| built.is_file().then_some(built)).unwrap_or_else(|| sensor().with_file_name("evade"))
}

fn find(variable: &str, name: &str) -> PathBuf {
    if let Some(path) = env::var_os(variable) {
        return path.into();
    }
    let path = beside_tests(name);
    assert!(path.is_file(), "{} is missing; run `cargo xtask test`, which builds it first", path.display());
    path
}

/// The test itself lies in the profile's directory, under `deps`.
fn beside_tests(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a program knows where it lies");
    let profile =
        test.parent().and_then(|deps| deps.parent()).expect("the test lies in a directory of another");
    profile.join(name)
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Checks that the command failed with this code and one sentence.
    ///
    /// # Panics
    /// When it did not.
    pub fn fails_with(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let lines: Vec<_> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "one line on standard error: {self:?}");
        assert!(!self.stderr.contains("panicked") && !self.stderr.contains("RUST_BACKTRACE"), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
    }
}

/// Runs a command to its end.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().expect("the command starts");
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A program in the background; killed when dropped.
pub struct Program {
    child: Child,
    out: Arc<Pipe>,
    err: Arc<Pipe>,
}

#[derive(Default)]
struct Pipe {
    read: Mutex<Vec<u8>>,
    more: Condvar,
}

impl Program {
    /// Starts it, with its output kept.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        Self::spawn(command.stdin(Stdio::null()))
    }

    /// Starts it with something to read.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_with_input(command: &mut Command) -> (Self, ChildStdin) {
        let mut program = Self::spawn(command.stdin(Stdio::piped()));
        let input = program.child.stdin.take().expect("a pipe was asked for");
        (program, input)
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let out = Pipe::follow(child.stdout.take().expect("a pipe was asked for"));
        let err = Pipe::follow(child.stderr.take().expect("a pipe was asked for"));
        Self { child, out, err }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.out.text()
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.err.text()
    }

    /// Waits until standard output is as wanted.
    ///
    /// # Panics
    /// After the deadline.
    pub fn stdout_until<T>(&self, what: &str, wanted: impl FnMut(&[u8]) -> Option<T>) -> T {
        self.out.until(what, wanted)
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the process is there");
    }

    /// Waits until it takes care of a signal itself, which it begins with at the
    /// end of its start.
    ///
    /// # Panics
    /// After the deadline.
    pub fn await_handler(&self, signal: Signal) {
        let bit = 1_u64 << (signal.as_raw() - 1);
        crate::eventually("the program handles the signal", || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
            (u64::from_str_radix(caught.trim(), 16).ok()? & bit != 0).then_some(())
        });
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// After the deadline.
    pub fn wait(&mut self) -> ExitStatus {
        crate::eventually("the program ends", || self.ended())
    }

    /// Waits until it is stopped by a signal, so that it does nothing more.
    ///
    /// # Panics
    /// After the deadline.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        crate::eventually("the program is stopped", || {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).ok()?;
            let state = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("stat")).ok();
            let stopped =
                |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
            tasks.flatten().all(|task| state(task).is_some_and(stopped)).then_some(())
        });
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let status = self.child.wait();
        if thread::panicking() {
            eprintln!("--- standard error of {} ({status:?}):\n{}", self.pid(), self.stderr());
        }
    }
}

impl Pipe {
    fn follow(mut from: impl Read + Send + 'static) -> Arc<Self> {
        let pipe = Arc::new(Self::default());
        let writer = Arc::clone(&pipe);
        thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = from.read(&mut chunk) {
                let mut read = writer.read.lock().unwrap_or_else(PoisonError::into_inner);
                read.extend_from_slice(chunk.get(..length).unwrap_or_default());
                writer.more.notify_all();
            }
        });
        pipe
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.read.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn until<T>(&self, what: &str, mut wanted: impl FnMut(&[u8]) -> Option<T>) -> T {
        let begun = Instant::now();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = wanted(&read) {
                return found;
            }
            let left = deadline().saturating_sub(begun.elapsed());
            let tail = read.get(read.len().saturating_sub(4000)..).unwrap_or_default();
            assert!(
                !left.is_zero(),
                "in vain for {:?}: {what}; the output ends with:\n{}",
                deadline(),
                String::from_utf8_lossy(tail)
            );
            (read, _) = self.more.wait_timeout(read, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

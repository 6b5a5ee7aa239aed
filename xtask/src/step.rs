//! A long step: its output goes to a log, its progress to the terminal.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, IsTerminal as _, Read, Write as _},
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use sensor_ebpf_builder::cache_dir;

use crate::{build::shown, exit::Result};

/// How often a line says that work goes on when there is no terminal.
const REPORT: Duration = Duration::from_secs(10);
/// How often the line on a terminal is drawn anew.
const REDRAW: Duration = Duration::from_millis(250);
/// How much of the log is shown when a step fails.
const TAIL: usize = 30;

/// Whether a step draws on the terminal; one beside it only writes lines.
static DRAWING: AtomicBool = AtomicBool::new(false);

/// Runs `command`, saying what it does. On failure the end of its output
/// follows and the error names the whole log.
pub fn run(what: &str, name: &str, command: &mut Command) -> Result {
    let logs = cache_dir()
        .context("set HOME or ACTIVITY_SENSOR_CACHE: there is no directory to work in")?
        .join("log");
    fs::create_dir_all(&logs).with_context(|| logs.display().to_string())?;
    let log = logs.join(format!("{name}.log"));
    let mut copy = File::create(&log).with_context(|| log.display().to_string())?;

    let mut progress = Progress::start(what, &shown(command));
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("{} does not start", shown(command)))?;
    // Ours are in the command; the reader sees the end only when they are gone.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let lines = follow(reader);
    let mut tail = VecDeque::new();
    loop {
        match lines.recv_timeout(progress.period()) {
            Ok(line) => {
                writeln!(copy, "{line}")?;
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                progress.now(&line);
                tail.push_back(line);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        progress.show();
    }
    let status = child.wait()?;
    progress.end(status.success());
    if !status.success() {
        for line in tail {
            eprintln!("  {line}");
        }
        bail!("{what}: `{}` failed ({status}); all it said is in {}", shown(command), log.display());
    }
    Ok(())
}

/// Reads lines in the background. A progress bar ends its lines with a
/// carriage return, so that ends a line as well.
fn follow(mut reader: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(64);
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        let mut line = Vec::new();
        while let Ok(read @ 1..) = reader.read(&mut chunk) {
            for &byte in chunk.iter().take(read) {
                if !matches!(byte, b'\n' | b'\r') {
                    line.push(byte);
                } else if !line.is_empty() {
                    let _ = sender.send(printable(&line));
                    line.clear();
                }
            }
        }
        if !line.is_empty() {
            let _ = sender.send(printable(&line));
        }
    });
    receiver
}

fn printable(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).collect()
}

struct Progress {
    what: String,
    began: Instant,
    shown: Instant,
    line: String,
    terminal: bool,
    /// Ours is the line that is drawn anew on the terminal.
    drawing: bool,
}

impl Progress {
    fn start(what: &str, command: &str) -> Self {
        let terminal = io::stderr().is_terminal();
        let drawing = terminal && !DRAWING.swap(true, Ordering::Relaxed);
        let began = Instant::now();
        let progress =
            Self { what: what.to_owned(), began, shown: began, line: String::new(), terminal, drawing };
        progress.print(&format!("{what}: {command}"));
        progress
    }

    fn period(&self) -> Duration {
        if self.drawing { REDRAW } else { REPORT }
    }

    fn now(&mut self, line: &str) {
        line.trim().clone_into(&mut self.line);
    }

    fn show(&mut self) {
        if self.shown.elapsed() < self.period() {
            return;
        }
        self.shown = Instant::now();
        let text = format!("  {}: {}, {}", self.what, elapsed(self.began.elapsed()), self.line);
        if self.drawing {
            let width =
                rustix::termios::tcgetwinsize(io::stderr()).map_or(80, |size| usize::from(size.ws_col));
            let cut: String = text.chars().take(width.saturating_sub(1).max(20)).collect();
            eprint!("\r\x1b[K{cut}");
        } else {
            self.print(&text);
        }
    }

    fn end(&self, well: bool) {
        let how = if well { "done in" } else { "failed after" };
        self.print(&format!("{}: {how} {}", self.what, elapsed(self.began.elapsed())));
        if self.drawing {
            DRAWING.store(false, Ordering::Relaxed);
        }
    }

    /// A line that stays, in place of one that is being drawn.
    fn print(&self, line: &str) {
        eprintln!("{}{line}", if self.terminal { "\r\x1b[K" } else { "" });
    }
}

/// `42 s` or `3 min 07 s`.
pub fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {:02} s", seconds / 60, seconds % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_bar_and_a_last_line_without_end_are_lines() {
        let lines: Vec<_> = follow(&b"one\n\r\x1b[Ktwo\rthree"[..]).iter().collect();
        assert_eq!(lines, ["one", "[Ktwo", "three"]);
    }

    #[test]
    fn minutes_are_told_from_seconds() {
        assert_eq!(elapsed(Duration::from_secs(59)), "59 s");
        assert_eq!(elapsed(Duration::from_secs(187)), "3 min 07 s");
    }

    #[test]
    fn a_failed_step_names_command_and_log() {
        let said =
            run("trying", "test-step", Command::new("sh").args(["-c", "exit 3"])).unwrap_err().to_string();
        assert!(
            said.contains("`sh -c exit 3` failed (exit status: 3)") && said.contains("test-step.log"),
            "{said}"
        );
    }
}

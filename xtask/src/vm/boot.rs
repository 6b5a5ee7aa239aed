//! One virtual machine, from start to end.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use signal_hook::consts::SIGCHLD;

use super::{
    job::{AGENT, ALIVE, CODE, FAILED, FILE, UP},
    kernel::{Fetched, cache},
};
use crate::{
    background::{Running, detached},
    exit::{Result, failure},
    step::elapsed,
};

/// How long a guest may take until its agent speaks, and then between two of
/// its words, which come every few seconds.
const SILENCE: Duration = Duration::from_secs(300);
/// How often we look whether somebody wants us to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How long qemu may take to end after its guest.
const END: Duration = Duration::from_secs(5);
/// How much of the console is shown.
const TAIL: usize = 25;

/// The code after Ctrl-C, as a shell tells it.
pub const STOPPED: u8 = 130;
/// The code of a failure of the emulation, see [`is_mispatched`].
pub const MISPATCHED: u8 = 71;

/// What a guest sends.
pub enum Said {
    /// Standard output of what is run.
    Out(Vec<u8>),
    /// Its standard error.
    Err(Vec<u8>),
    /// The captured events, compressed.
    File(Vec<u8>),
    /// A word of the agent's.
    Word(String),
}

/// How a guest's two processors run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processors {
    /// Each in a thread of its own: acts race as they do on a machine.
    Parallel,
    /// In turn, in one thread. None meets code that another is changing, see
    /// [`is_mispatched`].
    InTurn,
    /// One, whose clock is the number of instructions it has done, as nanoseconds.
    Counted,
}

impl Processors {
    fn accelerator(self) -> &'static str {
        match self {
            Self::Parallel => "tcg",
            Self::InTurn | Self::Counted => "tcg,thread=single",
        }
    }

    fn number(self) -> &'static str {
        match self {
            Self::Parallel | Self::InTurn => "2",
            Self::Counted => "1",
        }
    }
}

/// A machine to boot.
pub struct Machine<'a> {
    /// For messages and the names of logs.
    pub name: String,
    /// Its kernel.
    pub kernel: &'a Fetched,
    /// Its files.
    pub initramfs: &'a Path,
    /// Its memory in MiB.
    pub memory: u32,
    /// How its processors are emulated.
    pub processors: Processors,
    /// Nothing on standard output for so long is an error.
    pub patience: Option<Duration>,
}

/// How an attempt ended.
enum End {
    /// With the code of what was run.
    Code(i32),
    /// Before the agent said anything.
    Stillborn(String),
}

impl Machine<'_> {
    /// Boots it, and passes on what it says. Returns the code that the agent
    /// reports. An early death is tried once more.
    pub fn run(&self, signals: &Receiver<i32>, mut hear: impl FnMut(Said) -> Result) -> Result<i32> {
        let why = match self.attempt(signals, &mut hear)? {
            End::Code(code) => return Ok(code),
            End::Stillborn(why) => why,
        };
        eprintln!("vm: {}: {why}; trying once more", self.name);
        match self.attempt(signals, &mut hear)? {
            End::Code(code) => Ok(code),
            End::Stillborn(why) => bail!("{}: {why}{}", self.name, self.console_tail()),
        }
    }

    fn attempt(&self, signals: &Receiver<i32>, hear: &mut impl FnMut(Said) -> Result) -> Result<End> {
        let private = tempfile::Builder::new().prefix("activity-vm-").tempdir()?;
        let said = listen(private.path())?;
        let mut qemu = detached("qemu", &mut self.command(private.path()), self.log("qemu")?)?;
        let now = Instant::now();
        let mut guest = Guest { up: false, code: None, failed: None, heard: now, out: now };
        let ended = loop {
            match said.recv_timeout(LOOK) {
                Ok(said) => guest.take(said, hear)?,
                Err(RecvTimeoutError::Disconnected) => break describe(&mut qemu),
                Err(RecvTimeoutError::Timeout) if qemu.ended().is_some() => break describe(&mut qemu),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if signals.try_iter().any(|signal| signal != SIGCHLD) {
                return Err(failure(STOPPED, "stopped"));
            }
            if guest.heard.elapsed() > SILENCE {
                break format!("it gave no sign of life for {}", elapsed(SILENCE));
            }
            if let Some(patience) =
                self.patience.filter(|patience| guest.up && guest.out.elapsed() > *patience)
            {
                break format!("nothing came of it for {}", elapsed(patience));
            }
        };
        drop(qemu);
        // Kept when all is over: another guest with this name may run beside.
        fs::copy(private.path().join(CONSOLE), self.log(CONSOLE)?).context("the guest's console")?;
        match guest {
            Guest { failed: Some(sentence), .. } => bail!("{}: {sentence}", self.name),
            Guest { code: Some(code), .. } => Ok(End::Code(code)),
            Guest { up: true, .. } if is_mispatched(&self.console()) => {
                let sentence =
                    "the guest died in code that was being patched, which the emulation does wrong";
                Err(failure(MISPATCHED, format!("{}: {sentence}", self.name)))
            }
            Guest { up: true, .. } => bail!("{}: the guest died: {ended}{}", self.name, self.console_tail()),
            Guest { .. } => Ok(End::Stillborn(format!("the guest did not come up: {ended}"))),
        }
    }

    fn command(&self, private: &Path) -> Command {
        let mut qemu = Command::new("qemu-system-x86_64");
        // Emulated, also where the processor could help: in a virtual machine
        // that help may be offered and then fail in the middle of a boot. The
        // emulation of cmpxchg16b in qemu 7.2 damages the flags now and then, of
        // which 6.12 panics; without the instruction Linux does without it.
        qemu.args(["-accel", self.processors.accelerator(), "-cpu", "max,-cx16"]);
        qemu.args(["-smp", self.processors.number()]);
        if self.processors == Processors::Counted {
            // What waits is not slept through.
            qemu.args(["-icount", "shift=0,sleep=off"]);
        }
        qemu.arg("-m").arg(self.memory.to_string());
        qemu.args(["-nodefaults", "-display", "none", "-no-reboot", "-net", "none"]);
        qemu.arg("-kernel").arg(&self.kernel.image).arg("-initrd").arg(self.initramfs);
        qemu.arg("-append").arg(format!("console=ttyS0 panic=-1 quiet rdinit={AGENT}"));
        serial(&mut qemu, 0, ("file", &private.join(CONSOLE)));
        for (port, name) in (1..).zip(PORTS) {
            serial(&mut qemu, port, ("socket", &private.join(name)));
        }
        qemu
    }

    /// A log of this machine in the directory of logs.
    fn log(&self, what: &str) -> Result<PathBuf> {
        let logs = cache("log")?;
        fs::create_dir_all(&logs).with_context(|| logs.display().to_string())?;
        Ok(logs.join(format!("vm-{}-{what}.log", self.name.replace(' ', "-"))))
    }

    /// What the last guest of this name wrote to its console.
    fn console(&self) -> String {
        let text = self.log(CONSOLE).and_then(|log| Ok(fs::read(log)?)).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    fn console_tail(&self) -> String {
        let Ok(log) = self.log(CONSOLE) else { return String::new() };
        let text = self.console();
        let lines: Vec<_> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
        let tail: String = tail.iter().map(|line| format!("\n  {line}")).collect();
        format!("; the end of its console, {}:{tail}", log.display())
    }
}

/// Whether the kernel met a breakpoint where none was any more. It puts one over
/// an instruction that it changes, such as that of a tracepoint that is switched
/// on; a processor of qemu's may go on with what it translated before.
fn is_mispatched(console: &str) -> bool {
    console.lines().any(|line| line.contains("Oops: int3"))
}

fn describe(qemu: &mut Running) -> String {
    // Its connections end a moment before itself.
    let begun = Instant::now();
    while qemu.ended().is_none() && begun.elapsed() < END {
        thread::sleep(Duration::from_millis(5));
    }
    match qemu.ended() {
        Some(status) if status.success() => "it switched itself off".to_owned(),
        Some(status) => format!("qemu ended ({status}){}", qemu.last_words()),
        None => "qemu closed its ports".to_owned(),
    }
}

/// Adds a serial port. Each has an interrupt of its own, which the guest reads
/// in its ACPI tables: by custom two of four share one, and on the bus of such
/// ports one of two that share can go unheard.
fn serial(qemu: &mut Command, port: usize, backend: (&str, &Path)) {
    const ADDRESSES: [(&str, u32); 4] = [("0x3f8", 4), ("0x2f8", 3), ("0x3e8", 5), ("0x2e8", 7)];
    let Some((address, interrupt)) = ADDRESSES.get(port) else { return };
    qemu.arg("-chardev").arg(format!("{},id=port{port},path={}", backend.0, backend.1.display()));
    qemu.arg("-device").arg(format!("isa-serial,chardev=port{port},iobase={address},irq={interrupt}"));
}

/// The console's file.
const CONSOLE: &str = "console";
/// The ports behind the console, in the guest's order.
const PORTS: [&str; 3] = ["out", "err", "report"];

/// What is known of a running guest.
struct Guest {
    up: bool,
    code: Option<i32>,
    failed: Option<String>,
    heard: Instant,
    out: Instant,
}

impl Guest {
    fn take(&mut self, said: Said, hear: &mut impl FnMut(Said) -> Result) -> Result {
        self.heard = Instant::now();
        let Said::Word(word) = said else {
            self.out = Instant::now();
            return hear(said);
        };
        let (word, rest) = word.split_once(' ').unwrap_or((&word, ""));
        match word {
            UP => {
                self.up = true;
                self.out = Instant::now();
            }
            CODE => self.code = rest.parse().ok(),
            FAILED => self.failed = Some(rest.to_owned()),
            ALIVE => {}
            _ => bail!("the guest's agent said {word:?}, which means nothing"),
        }
        Ok(())
    }
}

/// Waits for qemu's connections and reads them. The receiver is disconnected
/// when all have ended.
fn listen(private: &Path) -> Result<Receiver<Said>> {
    let (sender, said) = mpsc::channel();
    for (port, read) in PORTS.iter().zip([read_out as fn(_, &_) -> Option<()>, read_err, read_report]) {
        let listener = UnixListener::bind(private.join(port))?;
        let sender = sender.clone();
        thread::spawn(move || listener.accept().ok().and_then(|(stream, _)| read(stream, &sender)));
    }
    Ok(said)
}

fn read_out(stream: UnixStream, to: &Sender<Said>) -> Option<()> {
    chunks(stream, |chunk| to.send(Said::Out(chunk)).ok())
}

fn read_err(stream: UnixStream, to: &Sender<Said>) -> Option<()> {
    chunks(stream, |chunk| to.send(Said::Err(chunk)).ok())
}

fn chunks(mut stream: impl Read, mut send: impl FnMut(Vec<u8>) -> Option<()>) -> Option<()> {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        send(chunk.get(..length)?.to_vec())?;
    }
    Some(())
}

/// Lines, and a file after a line that announces one.
fn read_report(stream: UnixStream, to: &Sender<Said>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while let Ok(1..) = stream.read_until(b'\n', &mut line) {
        let word = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        let said = match word.split_once(' ') {
            Some((FILE, length)) => {
                let mut bytes = Vec::new();
                stream.by_ref().take(length.parse().ok()?).read_to_end(&mut bytes).ok()?;
                Said::File(bytes)
            }
            _ => Said::Word(word),
        };
        to.send(said).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_guest_that_ran_into_a_stale_breakpoint_is_told_from_one_that_died_otherwise() {
        assert!(is_mispatched("quiet\n[  665.3] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\n[  665.4] CPU: 0"));
        assert!(!is_mispatched("[  665.3] Oops: general protection fault: 0000 [#1]\nsyscall int3"));
    }

    #[test]
    fn a_file_in_the_report_may_have_any_bytes() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (sender, said) = mpsc::channel();
        theirs.write_all(b"up\nfile 5\n\n\0up\ncode 3\n").unwrap();
        drop(theirs);
        read_report(ours, &sender).unwrap();
        drop(sender);
        let said: Vec<_> = said.iter().collect();
        assert!(matches!(&said[..], [Said::Word(up), Said::File(file), Said::Word(code)]
            if up == "up" && file == b"\n\0up\n" && code == "code 3"));
    }
}

//! Where people read: their pager, or the terminal.

use std::{
    env,
    io::{self, Write},
    process::{Child, Command, Stdio},
};

/// What `less` does when nothing else is said: colours, no screen of its own, and nothing at
/// all where one page is enough.
const LESS: &str = "FRX";

/// Standard output, through a pager or not.
pub struct Pager {
    child: Option<Child>,
    out: io::BufWriter<Box<dyn Write>>,
}

impl Pager {
    /// Starts `$PAGER`, or `less`, where one is wanted. Without one it goes to standard
    /// output as it is.
    pub fn open(is_wanted: bool) -> Self {
        let mut child = if is_wanted { start() } else { None };
        let out: Box<dyn Write> = match child.as_mut().and_then(|child| child.stdin.take()) {
            Some(into) => {
                // Ctrl-C is the pager's: it goes on with what it has.
                tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
                Box::new(into)
            }
            None => Box::new(io::stdout()),
        };
        Self { child, out: io::BufWriter::new(out) }
    }

    /// Waits until it was read.
    pub fn close(self) {
        let Self { child, out } = self;
        // What cannot be written any more was not wanted.
        drop(out);
        if let Some(mut child) = child {
            let _ = child.wait();
        }
    }
}

impl Write for Pager {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn start() -> Option<Child> {
    let pager = env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty());
    let mut command = match &pager {
        Some(pager) if pager == "cat" => return None,
        // As a shell's words: `less -S` is usual.
        Some(pager) => {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", pager]);
            command
        }
        None => Command::new("less"),
    };
    if env::var_os("LESS").is_none() {
        command.env("LESS", LESS);
    }
    command.stdin(Stdio::piped()).spawn().ok()
}

//! A real `rsyslogd`, where the machine has no log daemon.

use std::{fs, os::unix::net::UnixDatagram, path::Path};

use crate::{Program, eventually};

use super::{
    Log,
    door::without_login,
    tools::{absent, command},
};

/// The one socket that `syslog(3)` writes to.
const SOCKET: &str = "/dev/log";

/// A running `rsyslogd`.
pub struct Syslog {
    _program: Program,
}

/// Why there cannot be one, if one is wanted.
pub fn obstacle(log: Log) -> Option<String> {
    if log != Log::Syslog {
        return None;
    }
    let taken = answers().then(|| format!("{SOCKET} belongs to this machine's own log daemon"));
    taken.or_else(|| absent("rsyslogd", "rsyslog"))
}

fn answers() -> bool {
    UnixDatagram::unbound().is_ok_and(|socket| socket.connect(SOCKET).is_ok())
}

impl Syslog {
    /// Starts it; returns when the socket is there.
    pub fn start(stage: &Path) -> Self {
        // One that nobody listens to is left from a run that was killed.
        let _ = fs::remove_file(SOCKET);
        let config = stage.join("rsyslog.conf");
        let text = format!(
            "global(workDirectory=\"{stage}\")\nmodule(load=\"imuxsock\" SysSock.Use=\"on\")\n\
             auth,authpriv.* action(type=\"omfile\" file=\"{stage}/auth.log\")\n",
            stage = stage.display(),
        );
        fs::write(&config, text).expect("one's own directory");
        let mut rsyslogd = command("rsyslogd");
        rsyslogd.arg("-n").arg("-f").arg(&config).arg("-i").arg(stage.join("rsyslogd.pid"));
        let mut program = Program::start(without_login(&mut rsyslogd));
        eventually("rsyslogd listens", || {
            let ended = program.ended();
            assert!(ended.is_none(), "rsyslogd ended at its start: {ended:?}\n{}", program.stderr());
            answers().then_some(())
        });
        Self { _program: program }
    }
}

impl Drop for Syslog {
    fn drop(&mut self) {
        let _ = fs::remove_file(SOCKET);
    }
}

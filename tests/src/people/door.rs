//! A real `sshd` on a port of its own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Program, eventually};

use super::{Log, keys::Key, tools::command};

/// A running `sshd`.
pub struct Door {
    /// Where it listens.
    pub port: u16,
    /// The file with what it logs, unless that is the journal.
    pub log: Option<PathBuf>,
    _program: Program,
}

/// Lets keys in to an account.
pub fn authorize(stage: &Path, account: &str, keys: &[&Key]) {
    let lines: String = keys.iter().map(|key| key.public.as_str()).collect();
    fs::write(stage.join("keys").join(account), lines).expect("one's own directory");
}

impl Door {
    /// Starts it; returns when it listens.
    pub fn open(stage: &Path, log: Log) -> Self {
        let host_key = Key::make(&stage.join("host"));
        // Where Debian's build separates privileges; its service makes it.
        fs::create_dir_all("/run/sshd").expect("root may");
        let port = free_port();
        let config = stage.join("sshd_config");
        let stage_keys = stage.join("keys");
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}/%u\n\
             UsePAM yes\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PidFile none\nSubsystem sftp internal-sftp\nMaxStartups 100\n",
            host_key.private.display(),
            stage_keys.display(),
        );
        fs::write(&config, text).expect("one's own directory");
        let auth_log = stage.join("auth.log");
        let mut sshd = command("sshd");
        sshd.arg("-D").arg("-f").arg(&config);
        if log == Log::File {
            sshd.arg("-E").arg(&auth_log);
        }
        let mut program = Program::start(without_login(&mut sshd));
        eventually("sshd listens", || {
            let ended = program.ended();
            assert!(ended.is_none(), "sshd ended at its start: {ended:?}\n{}", program.stderr());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { port, log: (log != Log::Journal).then_some(auth_log), _program: program }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

/// A daemon has no variables of the one who runs the tests.
pub fn without_login(command: &mut Command) -> &mut Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path)
}

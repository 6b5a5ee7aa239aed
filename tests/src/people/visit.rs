//! A login, and what is typed in it.

use std::{
    fs,
    io::Write as _,
    process::{ChildStdin, Command},
};

use crate::{Program, eventually};

use super::{Human, accounts::pids};

/// How somebody came in, as the machine itself has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who it is.
    pub human: Human,
    /// The account.
    pub account: &'static str,
    /// From where.
    pub address: String,
    /// From which port; `None` where nobody can tell.
    pub port: Option<u16>,
    /// The kernel's number of the session; `None` where nobody can tell.
    pub audit_session: Option<u32>,
    /// The login uid that the kernel has.
    pub login_uid: u32,
}

impl Arrival {
    /// A line for a shell that prints what [`Self::read`] reads.
    pub const TELL: &'static str =
        "echo \"here $SSH_CONNECTION $(cat /proc/self/sessionid) $(cat /proc/self/loginuid) .\"";

    /// Understands what that line prints.
    #[must_use]
    pub fn read(text: &str, human: Human, account: &'static str) -> Option<Self> {
        let line = text.lines().find(|line| line.starts_with("here ") && line.ends_with(" ."))?;
        let words: Vec<&str> = line.split(' ').collect();
        let [_, address, port, _, _, session, login_uid, _] = words[..] else { return None };
        Some(Self {
            human,
            account,
            address: address.to_owned(),
            port: Some(port.parse().ok()?),
            audit_session: Some(session.parse().ok()?),
            login_uid: login_uid.parse().ok()?,
        })
    }
}

/// Somebody who is logged in; thrown out when dropped.
pub struct Visit {
    /// How they came in.
    pub arrival: Arrival,
    program: Program,
    input: Option<ChildStdin>,
}

impl Visit {
    /// Logs in; the command has to lead to a shell.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn begin(client: &mut Command, human: Human, account: &'static str) -> Self {
        let (mut program, mut input) = Program::start_with_input(client);
        writeln!(input, "{}", Arrival::TELL).expect("the client reads");
        let arrival = eventually("the shell answers", || {
            let ended = program.ended();
            assert!(ended.is_none(), "the login ended: {ended:?}\n{}", program.stderr());
            Arrival::read(&program.stdout(), human, account)
        });
        Self { arrival, program, input: Some(input) }
    }

    /// Types a line.
    ///
    /// # Panics
    /// When they are logged out.
    pub fn type_in(&mut self, line: &str) {
        let input = self.input.as_mut().expect("they are logged in");
        writeln!(input, "{line}").expect("the client reads");
    }

    /// What has been said to them.
    #[must_use]
    pub fn heard(&self) -> String {
        format!("{}{}", self.program.stdout(), self.program.stderr())
    }

    /// Logs out; returns when `sshd` has nothing to do with the session any
    /// more.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub fn log_out(&mut self) {
        self.input = None;
        self.program.wait();
        eventually("sshd lets go of the session", || (!self.is_kept()).then_some(()));
    }

    fn is_kept(&self) -> bool {
        let file = |pid: rustix::process::Pid, name: &str| {
            fs::read_to_string(format!("/proc/{}/{name}", pid.as_raw_nonzero())).unwrap_or_default()
        };
        let session = self.arrival.audit_session.map(|id| id.to_string());
        pids().any(|pid| {
            file(pid, "comm").starts_with("sshd") && Some(file(pid, "sessionid").trim().to_owned()) == session
        })
    }
}

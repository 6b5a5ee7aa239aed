//! Names of the signals that can end a process.

/// The name of a signal; none for real-time signals and for numbers that
/// Linux does not have.
pub fn signal_name(signal: u32) -> Option<&'static str> {
    let index = usize::try_from(signal.checked_sub(1)?).ok()?;
    NAMES.get(index).copied()
}

/// From 1 on, as on x86, ARM and RISC-V.
#[rustfmt::skip]
const NAMES: [&str; 31] = [
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
    "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP",
    "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH",
    "SIGIO", "SIGPWR", "SIGSYS",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_names_of_the_kernel() {
        let names = [0, 1, 9, 11, 15, 17, 19, 31, 32].map(signal_name);
        let expected = [
            None,
            Some("SIGHUP"),
            Some("SIGKILL"),
            Some("SIGSEGV"),
            Some("SIGTERM"),
            Some("SIGCHLD"),
            Some("SIGSTOP"),
            Some("SIGSYS"),
            None,
        ];
        assert_eq!(names, expected);
    }
}

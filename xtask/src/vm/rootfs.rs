//! The systems that guests run.

use clap::ValueEnum;

/// What a script or a test finds around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Rootfs {
    /// Programs of this machine and busybox, without services.
    #[default]
    Minimal,
    /// A whole Debian with systemd, logind, sshd, sudo, cron, at and tmux; beside a script the sensor runs
    /// as its package's service. Making it takes root and half a minute, once.
    Debian,
}

impl Rootfs {
    /// What such a guest needs, in MiB.
    pub fn memory(self) -> u32 {
        match self {
            Self::Minimal => 2048,
            Self::Debian => 3072,
        }
    }

    /// How it is called beside a kernel, where it has to be told apart.
    pub fn of(self, kernel: impl std::fmt::Display) -> String {
        match self {
            Self::Minimal => kernel.to_string(),
            Self::Debian => format!("{kernel} debian"),
        }
    }
}

//! How the sensor hooks the kernel in a guest.

use std::fmt;

use clap::ValueEnum;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanChoice {
    /// What the sensor chooses itself.
    Auto,
    /// Trampolines (fentry, fexit) and LSM hooks.
    Trampoline,
    /// Tracepoints.
    Tracepoint,
    /// One after the other.
    Both,
}

impl PlanChoice {
    /// The plans to try.
    pub fn plans(self) -> &'static [Plan] {
        match self {
            Self::Auto => &[Plan::Auto],
            Self::Trampoline => &[Plan::Trampoline],
            Self::Tracepoint => &[Plan::Tracepoint],
            Self::Both => &[Plan::Trampoline, Plan::Tracepoint],
        }
    }
}

/// What the sensor is told with `--plan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Plan {
    /// The sensor chooses.
    Auto,
    /// Trampolines.
    Trampoline,
    /// Tracepoints.
    Tracepoint,
}

impl Plan {
    /// The sensor's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Trampoline => "trampoline",
            Self::Tracepoint => "tracepoint",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

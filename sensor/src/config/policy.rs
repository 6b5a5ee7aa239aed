//! `[policy]`, with the lists that stand when the file has none.

use serde::Deserialize;

use super::{
    rules::RuleConfig,
    values::{exact_paths, path_patterns},
};
use crate::policy::{self, Fault};

/// Which acts are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct PolicyConfig {
    /// Whose acts.
    pub scope: Scope,
    /// Leave noise out: everything below but `ignore_exe`.
    pub noise: bool,
    /// Keep attempts to read, run or connect to a name that does not exist.
    pub missing: bool,
    /// Keep directories that are opened for reading.
    pub directories: bool,
    /// Files whose opens for reading are noise.
    #[serde(deserialize_with = "path_patterns")]
    pub ignore_paths: Vec<String>,
    /// Added to `ignore_paths`, which replaces the default list.
    #[serde(deserialize_with = "path_patterns")]
    pub ignore_paths_extra: Vec<String>,
    /// Character devices whose opens are noise, for writing as well.
    #[serde(deserialize_with = "exact_paths")]
    pub ignore_devices: Vec<String>,
    /// Unix sockets whose connects are noise.
    #[serde(deserialize_with = "path_patterns")]
    pub ignore_sockets: Vec<String>,
    /// Executables whose acts on files and sockets are left out.
    #[serde(deserialize_with = "exact_paths")]
    pub ignore_exe: Vec<String>,
    /// Files whose opens are never noise.
    #[serde(deserialize_with = "path_patterns")]
    pub always_paths: Vec<String>,
    /// Added to `always_paths`, which replaces the default list.
    #[serde(deserialize_with = "path_patterns")]
    pub always_paths_extra: Vec<String>,
    /// What is judged before all that, in order.
    pub rules: Vec<RuleConfig>,
}

/// `policy.scope`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Processes with a login uid or a terminal.
    #[default]
    People,
    /// Services and the system's own work as well.
    Everything,
}

impl PolicyConfig {
    /// What is wrong with the rules.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        policy::faults(self)
    }
}

impl Default for PolicyConfig {
    fn default() -> Self {
        let owned = |list: &[&str]| list.iter().copied().map(str::to_owned).collect();
        Self {
            scope: Scope::People,
            noise: true,
            missing: false,
            directories: true,
            ignore_paths: owned(IGNORE_PATHS),
            ignore_paths_extra: Vec::new(),
            ignore_devices: owned(IGNORE_DEVICES),
            ignore_sockets: owned(IGNORE_SOCKETS),
            ignore_exe: owned(IGNORE_EXE),
            always_paths: owned(ALWAYS_PATHS),
            always_paths_extra: Vec::new(),
            rules: Vec::new(),
        }
    }
}

/// What the C library, the loader and the interpreters read by themselves in
/// nearly every program. Each is world-readable, belongs to root and holds no
/// secret, so that a read says nothing about who reads. Libraries and byte
/// code elsewhere (a home, /tmp, /opt) are not in the list: loading those is
/// how programs are hijacked.
const IGNORE_PATHS: &[&str] = &[
    // The loader. ld.so.preload is in `always_paths` as soon as it exists.
    "/etc/ld.so.cache",
    "/usr/lib/**/*.so",
    "/usr/lib/**/*.so.*",
    "/usr/lib32/**/*.so*",
    "/usr/lib64/**/*.so*",
    "/usr/libx32/**/*.so*",
    "/usr/local/lib/**/*.so",
    "/usr/local/lib/**/*.so.*",
    "/lib/**/*.so",
    "/lib/**/*.so.*",
    "/lib64/**/*.so*",
    // Locale, character sets, time zones, terminals.
    "/usr/lib/locale/",
    "/usr/share/locale/",
    "/usr/share/locale-langpack/",
    "/usr/share/i18n/",
    "/etc/locale.alias",
    "/usr/lib/**/gconv/",
    "/usr/lib64/gconv/",
    "/etc/localtime",
    "/etc/timezone",
    "/usr/share/zoneinfo/",
    "/usr/share/terminfo/",
    "/usr/lib/terminfo/",
    "/lib/terminfo/",
    "/etc/terminfo/",
    "/etc/inputrc",
    // Names: getpwnam and getaddrinfo open these in every `ls -l` and every
    // connect. Nobody learns more from them than from `id`; writes are kept.
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/resolv.conf",
    "/run/systemd/resolve/*.conf",
    "/run/resolvconf/resolv.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/run/systemd/machines/*",
    // Libraries of the interpreters that the distribution installs.
    "/usr/lib/python3*/**/*.py",
    "/usr/lib/python3*/**/*.pyc",
    "/usr/lib/python3/dist-packages/**/*.pth",
    "/usr/lib/**/perl*/**/*.pm",
    "/usr/lib/**/perl*/**/*.pl",
    "/usr/share/perl*/**/*.pm",
    "/usr/share/perl*/**/*.pl",
    // Cryptographic policy and the public certificates of authorities.
    "/etc/ssl/openssl.cnf",
    "/usr/lib/ssl/openssl.cnf",
    "/etc/crypto-policies/",
    "/etc/ssl/certs/",
    "/usr/share/ca-certificates/",
    // Questions to the kernel: `/proc/self/` stands for the process's own
    // directory; of others, what `ps` and `top` show of everybody.
    "/proc/self/",
    "/proc/thread-self/",
    "/proc/*/stat",
    "/proc/*/statm",
    "/proc/*/status",
    "/proc/*/cmdline",
    "/proc/*/comm",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/version",
    "/proc/sys/kernel/cap_last_cap",
    "/proc/sys/kernel/ngroups_max",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/kernel/random/boot_id",
    "/proc/sys/kernel/random/uuid",
    "/proc/sys/kernel/seccomp/actions_avail",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/crypto/fips_enabled",
    "/sys/devices/system/cpu/",
    "/sys/devices/system/node/",
    "/sys/kernel/mm/transparent_hugepage/",
    "/sys/fs/cgroup/**/cpu.max",
    "/sys/fs/cgroup/**/memory.max",
];

/// Devices that keep nothing of what is written to them. They must be
/// character devices when they are opened: a regular file put in their place
/// is reported.
const IGNORE_DEVICES: &[&str] =
    &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// The name services that the C library asks.
const IGNORE_SOCKETS: &[&str] = &["/run/nscd/socket", "/var/run/nscd/socket", "/run/systemd/userdb/*"];

/// Ourselves; that we start and end stays visible.
const IGNORE_EXE: &[&str] = &["/usr/bin/activity-sensor", "/usr/bin/activity-collector"];

/// Credentials and what decides about them; a try that fails says as much as
/// one that does not.
const ALWAYS_PATHS: &[&str] = &[
    "/etc/shadow*",
    "/etc/gshadow*",
    "/etc/security/opasswd",
    "/etc/sudoers",
    "/etc/sudoers.d/",
    "/etc/ssh/",
    "/etc/ssl/private/",
    "/etc/krb5.keytab",
    "/etc/kubernetes/",
    "/etc/ld.so.preload",
    "/etc/activity-sensor/",
    "/var/lib/activity-sensor/",
    "/var/log/audit/",
    "**/.ssh/",
    "**/.aws/credentials",
    "**/.gnupg/",
    "**/.kube/config",
    "**/.netrc",
    "**/.pgpass",
    "/proc/*/mem",
    "/proc/*/environ",
];

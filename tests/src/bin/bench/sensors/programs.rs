//! What people start, with the shapes that a recording of a working day has: a few
//! programs nearly always, many seldom; each reads the same libraries, and files of its
//! own.

/// What a program does.
pub struct Program {
    /// How often it is started, of all.
    pub weight: u32,
    pub exe: &'static str,
    /// Its words; `{f}` is a file it works with, `{n}` a number, `{h}` another host. Without any
    /// it has those that its parent was told to start.
    pub argv: &'static [&'static str],
    /// Files that it reads of those its person works with, from and to.
    pub reads: (u32, u32),
    /// Files that it writes, likewise.
    pub writes: (u32, u32),
    /// What it opens always, beside the libraries.
    pub always: &'static [&'static str],
    /// Connections that it makes.
    pub connects: u32,
    /// What it starts in its turn, how often.
    pub children: Option<(usize, u32)>,
    /// Whether what it works with is the machine's configuration.
    pub configures: bool,
    /// Whether it looks into another process.
    pub traces: bool,
    /// Milliseconds that it runs.
    pub runs_ms: (u64, u64),
}

const NOTHING: Program = Program {
    weight: 1,
    exe: "/usr/bin/true",
    argv: &["true"],
    reads: (0, 0),
    writes: (0, 0),
    always: &[],
    connects: 0,
    children: None,
    configures: false,
    traces: false,
    runs_ms: (1, 20),
};

/// What every program opens.
pub const LIBRARIES: [&str; 5] = [
    "/etc/ld.so.cache",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/lib/locale/locale-archive",
    "/usr/lib/x86_64-linux-gnu/libselinux.so.1",
    "/usr/lib/x86_64-linux-gnu/libpcre2-8.so.0.11.2",
];

/// What others start.
const COMPILER: usize = 12;
const SYSTEMCTL: usize = 20;
const EDITOR: usize = 21;
const STRACE: usize = 22;
/// The one that becomes another user.
pub const SUDO: &str = "/usr/bin/sudo";
/// What that one reads.
const POLICY: [&str; 5] =
    ["/etc/sudoers", "/etc/pam.d/sudo", "/etc/nsswitch.conf", "/etc/passwd", "/etc/shadow"];

/// All of them.
pub const PROGRAMS: [Program; 25] = [
    Program { weight: 220, exe: "/usr/bin/ls", argv: &["ls", "--color=auto", "-la"], ..NOTHING },
    Program {
        weight: 180,
        exe: "/usr/bin/git",
        argv: &["git", "status", "--porcelain"],
        reads: (4, 30),
        always: &[".git/config", ".git/HEAD", ".git/index", "/etc/gitconfig"],
        runs_ms: (5, 80),
        ..NOTHING
    },
    Program { weight: 120, exe: "/usr/bin/cat", argv: &["cat", "{f}"], reads: (1, 2), ..NOTHING },
    Program {
        weight: 90,
        exe: "/usr/bin/grep",
        argv: &["grep", "-rn", "--include=*.py", "import m{n}", "src"],
        reads: (10, 90),
        runs_ms: (10, 400),
        ..NOTHING
    },
    Program {
        weight: 70,
        exe: "/usr/bin/vim.basic",
        argv: &["vim", "{f}"],
        reads: (1, 3),
        writes: (1, 4),
        always: &[
            "/etc/vim/vimrc",
            "/usr/share/vim/vim91/syntax/syntax.vim",
            ".viminfo",
            "/usr/share/terminfo/x/xterm-256color",
        ],
        runs_ms: (4_000, 600_000),
        ..NOTHING
    },
    Program {
        weight: 60,
        exe: "/usr/bin/sed",
        argv: &["sed", "-n", "{n}p", "{f}"],
        reads: (1, 1),
        ..NOTHING
    },
    Program {
        weight: 60,
        exe: "/usr/bin/python3.13",
        argv: &["python3", "{f}", "--since", "{n}"],
        reads: (20, 80),
        writes: (0, 6),
        always: &[
            "/usr/lib/python3.13/encodings/__init__.py",
            "/usr/lib/python3.13/site.py",
            "/etc/localtime",
        ],
        connects: 2,
        runs_ms: (60, 9_000),
        ..NOTHING
    },
    Program {
        weight: 40,
        exe: "/usr/bin/ssh",
        argv: &["ssh", "{h}", "uptime"],
        always: &[".ssh/config", ".ssh/known_hosts", ".ssh/id_ed25519", "/etc/ssh/ssh_config"],
        connects: 1,
        runs_ms: (200, 30_000),
        ..NOTHING
    },
    Program {
        weight: 26,
        exe: SUDO,
        argv: &["sudo", "systemctl", "status", "unit-{n}.service"],
        always: &POLICY,
        children: Some((SYSTEMCTL, 1)),
        runs_ms: (20, 2_000),
        ..NOTHING
    },
    Program {
        weight: 30,
        exe: "/usr/bin/curl",
        argv: &["curl", "-sS", "https://api.example.net/v1/items/{n}"],
        always: &["/etc/ssl/certs/ca-certificates.crt", "/etc/resolv.conf", "/etc/hosts"],
        connects: 2,
        runs_ms: (40, 900),
        ..NOTHING
    },
    Program {
        weight: 25,
        exe: "/usr/bin/psql",
        argv: &["psql", "-h", "db-{n}", "-c", "select count(*) from orders where id > {n}"],
        always: &["/etc/postgresql-common/user_clusters", ".pgpass"],
        connects: 1,
        runs_ms: (20, 4_000),
        ..NOTHING
    },
    Program {
        weight: 14,
        exe: "/usr/bin/make",
        argv: &["make", "-j4"],
        reads: (10, 60),
        always: &["Makefile"],
        children: Some((COMPILER, 40)),
        runs_ms: (2_000, 40_000),
        ..NOTHING
    },
    Program {
        weight: 20,
        exe: "/usr/libexec/gcc/x86_64-linux-gnu/14/cc1",
        argv: &["cc1", "-quiet", "-imultiarch", "x86_64-linux-gnu", "{f}", "-O2", "-o", "/tmp/cc{n}.s"],
        reads: (12, 50),
        writes: (1, 2),
        runs_ms: (30, 900),
        ..NOTHING
    },
    Program {
        weight: 40,
        exe: "/usr/bin/tail",
        argv: &["tail", "-n", "{n}", "/var/log/app/service.log"],
        ..NOTHING
    },
    Program { weight: 30, exe: "/usr/bin/ps", argv: &["ps", "aux"], reads: (4, 30), ..NOTHING },
    Program {
        weight: 30,
        exe: "/usr/bin/find",
        argv: &["find", ".", "-name", "{f}"],
        reads: (5, 40),
        ..NOTHING
    },
    Program {
        weight: 16,
        exe: "/usr/bin/docker",
        argv: &["docker", "exec", "-it", "web-{n}", "sh"],
        always: &[".docker/config.json"],
        connects: 1,
        runs_ms: (50, 60_000),
        ..NOTHING
    },
    Program {
        weight: 12,
        exe: "/usr/bin/cp",
        argv: &["cp", "{f}", "/srv/share/{n}"],
        reads: (1, 1),
        writes: (1, 1),
        ..NOTHING
    },
    Program {
        weight: 8,
        exe: "/usr/bin/tar",
        argv: &["tar", "czf", "/tmp/backup-{n}.tar.gz", "."],
        reads: (20, 120),
        writes: (1, 1),
        runs_ms: (100, 9_000),
        ..NOTHING
    },
    Program {
        weight: 4,
        exe: "/usr/bin/rsync",
        argv: &["rsync", "-a", "src/", "{h}:/srv/copy-{n}/"],
        reads: (20, 120),
        connects: 1,
        runs_ms: (300, 60_000),
        ..NOTHING
    },
    Program {
        weight: 0,
        exe: "/usr/bin/systemctl",
        argv: &[],
        always: &["/run/systemd/private", "/etc/machine-id"],
        runs_ms: (10, 300),
        ..NOTHING
    },
    Program {
        weight: 0,
        exe: "/usr/bin/vim.basic",
        argv: &[],
        writes: (1, 2),
        always: &["/etc/vim/vimrc", "/etc/vim/vimrc.local"],
        configures: true,
        runs_ms: (4_000, 200_000),
        ..NOTHING
    },
    Program { weight: 0, exe: "/usr/bin/strace", argv: &[], traces: true, runs_ms: (500, 20_000), ..NOTHING },
    Program {
        weight: 8,
        exe: SUDO,
        argv: &["sudo", "vim", "{f}"],
        always: &POLICY,
        children: Some((EDITOR, 1)),
        configures: true,
        runs_ms: (20, 2_000),
        ..NOTHING
    },
    Program {
        weight: 1,
        exe: SUDO,
        argv: &["sudo", "strace", "-p", "{n}"],
        always: &POLICY,
        children: Some((STRACE, 1)),
        runs_ms: (20, 2_000),
        ..NOTHING
    },
];

/// One by chance, the common ones more often.
pub fn pick(random: &mut fastrand::Rng) -> usize {
    let all: u32 = PROGRAMS.iter().map(|program| program.weight).sum();
    let mut left = random.u32(0..all);
    PROGRAMS
        .iter()
        .position(|program| {
            let here = left < program.weight;
            left = left.saturating_sub(program.weight);
            here
        })
        .unwrap_or_default()
}

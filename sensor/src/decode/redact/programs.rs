//! Where programs take secrets in ways of their own.

/// A program and its options with secrets.
#[derive(Debug)]
pub struct Program {
    /// Names; one that ends in `*` stands for all that begin so.
    pub names: &'static [&'static str],
    /// Short options without a value, which may stand before one with a value
    /// in the same word, as in `curl -sku user:password`.
    pub switches: &'static [u8],
    /// Where its secrets are.
    pub places: &'static [Place],
}

/// Where in a command line a secret is.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// `-x SECRET` and `-xSECRET`.
    Short(u8, Kind),
    /// `-xSECRET` only; `-x` alone asks for it.
    Attached(u8, Kind),
    /// A whole word, `-passin SECRET` or `-passin=SECRET`.
    Word(&'static str, Kind),
    /// A word that this begins: `/p:SECRET`.
    Prefix(&'static str, Kind),
    /// A switch here, although it has the name of an option with a secret.
    Switch(&'static str),
    /// Operand of this number, from 1.
    Operand(usize, Kind),
    /// The last operand, when this switch is given.
    LastWith(u8, Kind),
    /// Any operand.
    AnyOperand(Kind),
    /// This word makes it another program: `docker login`.
    Then(&'static str, &'static Program),
}

/// What part of a value is the secret.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// All of it, with the name of the token.
    All(&'static str),
    /// What follows the first of this byte; nothing when there is none.
    After(u8),
    /// openssl's `pass:SECRET`.
    Pass,
    /// A cookie, unless it names a file.
    Cookie,
    /// `user:password@host` without a scheme.
    UserInfo,
    /// `user/password@database`.
    Slash,
}

use Kind::{After, All, Cookie, Pass, Slash, UserInfo};
use Place::{AnyOperand, Attached, LastWith, Operand, Prefix, Short, Switch, Then, Word};

const PASSWORD: Kind = All("password");

/// The program of this name, which may be a path.
pub fn find(name: &[u8]) -> Option<&'static Program> {
    let name = base_name(name);
    let is = |known: &&str| match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix.as_bytes()),
        None => name == known.as_bytes(),
    };
    PROGRAMS.iter().find(|program| program.names.iter().any(is))
}

/// Whether the program runs an argument with spaces in it as a shell would.
pub fn runs_text(name: &[u8]) -> bool {
    const NAMES: [&str; 19] = [
        "sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "rbash", "ssh", "su", "runuser", "watch",
        "eval", "script", "parallel", "busybox", "entr", "tmux",
    ];
    is_any(name, &NAMES)
}

/// Whether the program runs another and has options without values in front
/// of it, as `sudo -n mysql …`.
pub fn runs_program(name: &[u8]) -> bool {
    const NAMES: [&str; 20] = [
        "sudo",
        "doas",
        "env",
        "nice",
        "ionice",
        "time",
        "timeout",
        "nohup",
        "setsid",
        "stdbuf",
        "xargs",
        "exec",
        "command",
        "strace",
        "chronic",
        "pkexec",
        "run0",
        "systemd-run",
        "sshpass",
        "unshare",
    ];
    is_any(name, &NAMES)
}

/// Whether the program's first operand is a host, whatever it is called.
pub fn goes_to_host(name: &[u8]) -> bool {
    is_any(name, &["ssh", "mosh", "autossh", "telnet", "ping"])
}

fn is_any(name: &[u8], names: &[&str]) -> bool {
    let name = base_name(name);
    names.iter().any(|known| name == known.as_bytes())
}

fn base_name(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    // A login shell has a dash in front.
    name.strip_prefix(b"-").unwrap_or(name)
}

/// Every name, for the hints; without the star.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().flat_map(|program| program.names.iter()).map(|name| name.trim_end_matches('*'))
}

const fn program(
    names: &'static [&'static str],
    switches: &'static [u8],
    places: &'static [Place],
) -> Program {
    Program { names, switches, places }
}

static LOGIN: Program = program(&[], b"", &[Short(b'p', PASSWORD)]);

static PROGRAMS: &[Program] = &[
    program(
        &["mysqladmin", "mariadb-admin"],
        b"bBCfEHikrsvVw",
        &[Attached(b'p', PASSWORD), Switch("password"), Word("password", PASSWORD)],
    ),
    program(
        &["mysql*", "mariadb*", "mycli"],
        b"ABbCEfGHiLNnoqrsTtvVwX",
        &[Attached(b'p', PASSWORD), Switch("password")],
    ),
    program(&["psql", "pg_dump*", "pg_restore", "createdb", "dropdb"], b"", &[Switch("password")]),
    program(
        &["curl"],
        b"0123469aBfgGiIjJklLMnNOpqRsSvZ#:",
        &[
            Short(b'u', After(b':')),
            Short(b'U', After(b':')),
            Word("--user", After(b':')),
            Word("--proxy-user", After(b':')),
            Word("--oauth2-bearer", All("token")),
            Short(b'E', After(b':')),
            Word("--cert", After(b':')),
            Short(b'b', Cookie),
            Word("--cookie", Cookie),
            AnyOperand(UserInfo),
        ],
    ),
    program(&["wget", "wget2"], b"", &[AnyOperand(UserInfo)]),
    program(&["http", "https", "xh", "xhs"], b"", &[Short(b'a', After(b':')), Word("--auth", After(b':'))]),
    program(&["sshpass"], b"v", &[Short(b'p', PASSWORD)]),
    program(&["redis-cli", "valkey-cli", "keydb-cli"], b"x", &[Short(b'a', PASSWORD)]),
    program(&["htpasswd"], b"cmBdspDivn25", &[LastWith(b'b', PASSWORD)]),
    program(
        &["openssl"],
        b"",
        &[
            Word("-passin", Pass),
            Word("-passout", Pass),
            Word("-pass", Pass),
            Word("-password", Pass),
            Word("-k", PASSWORD),
            Word("-K", All("key")),
            Word("-hmac", All("key")),
            Word("-macopt", After(b':')),
        ],
    ),
    program(
        &["docker", "podman", "nerdctl", "buildah", "skopeo", "helm", "oras", "crane"],
        b"",
        &[Then("login", &LOGIN)],
    ),
    program(
        &["kubectl", "oc"],
        b"",
        &[Word("--from-literal", After(b'=')), Word("--docker-password", PASSWORD)],
    ),
    program(
        &["smbclient", "rpcclient", "smbget", "smbcacls", "net", "wbinfo", "nmblookup", "winexe"],
        b"NkPsgEe",
        &[Short(b'U', After(b'%')), Word("--user", After(b'%'))],
    ),
    program(
        &["ldappasswd"],
        b"ACnQvxZ",
        &[Short(b'w', PASSWORD), Short(b's', PASSWORD), Short(b'a', PASSWORD)],
    ),
    program(&["ldap*"], b"ACcIMnNPQtuvxZFLR", &[Short(b'w', PASSWORD)]),
    program(&["mongo*"], b"", &[Short(b'p', PASSWORD)]),
    program(&["sqlcmd", "bcp", "isql", "tsql", "osql"], b"", &[Short(b'P', PASSWORD)]),
    program(&["sqlplus*", "expdp", "impdp", "sqlldr", "rman"], b"SLM", &[AnyOperand(Slash)]),
    program(&["clickhouse*", "cqlsh", "influx"], b"", &[Short(b'p', PASSWORD)]),
    program(&["zip", "unzip", "zipcloak"], b"rqjmuoyvlneFfx9", &[Short(b'P', PASSWORD)]),
    program(
        &["7z", "7za", "7zr", "7zz", "rar", "unrar"],
        b"",
        &[Prefix("-hp", PASSWORD), Attached(b'p', PASSWORD)],
    ),
    program(&["useradd", "usermod", "groupadd", "groupmod"], b"mMrNoUlLaDfg", &[Short(b'p', PASSWORD)]),
    program(&["nmcli"], b"", &[Word("password", PASSWORD), Word("wifi-sec.psk", PASSWORD)]),
    program(&["wpa_passphrase"], b"", &[Operand(2, PASSWORD)]),
    program(&["snmp*"], b"", &[Short(b'A', PASSWORD), Short(b'X', PASSWORD), Short(b'c', All("community"))]),
    program(&["ipmitool"], b"v", &[Short(b'P', PASSWORD)]),
    program(&["mosquitto_*"], b"dqv", &[Short(b'P', PASSWORD)]),
    program(&["xfreerdp*", "wlfreerdp"], b"", &[Prefix("/p:", PASSWORD), Prefix("/gp:", PASSWORD)]),
    program(&["rdesktop"], b"", &[Short(b'p', PASSWORD)]),
    program(&["lftp"], b"d", &[Short(b'u', After(b','))]),
    program(
        &["ncftp*", "smbmap", "evil-winrm", "crackmapexec", "netexec", "nxc"],
        b"",
        &[Short(b'p', PASSWORD)],
    ),
    program(&["ssh-keygen"], b"qyvp", &[Short(b'N', PASSWORD), Short(b'P', PASSWORD)]),
    program(
        &["keytool", "jarsigner"],
        b"",
        &[Word("-new", PASSWORD), Word("-deststorepass", PASSWORD), Word("-srcstorepass", PASSWORD)],
    ),
    program(
        &["aws"],
        b"",
        &[Word("aws_secret_access_key", All("key")), Word("aws_session_token", All("token"))],
    ),
];

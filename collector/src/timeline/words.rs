//! An act in words: what was done, with what, and what else is good to know.

use super::act::{Act, Deed};
use crate::output::line_of;

/// How much it matters, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Plain,
    /// A program was started.
    Exec,
    /// It left the machine.
    Connect,
    /// Somebody became somebody else.
    Switch,
    /// The kernel refused.
    Refused,
    /// Somebody touched what must not be touched.
    Alarm,
}

/// An act in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    pub verb: String,
    pub object: String,
    /// After the object, faint.
    pub hint: String,
    pub weight: Weight,
}

/// Puts an act into words.
pub fn words(act: &Act) -> Words {
    let deed = &act.deed;
    let path = || deed.path.clone().unwrap_or_else(|| "?".to_owned());
    let by = || deed.exe.as_deref().map_or_else(String::new, |exe| format!("by {}", name(exe)));
    let (verb, object, hint, weight) = match act.kind.as_str() {
        "exec" => program(deed),
        "exit" => {
            let end = match (deed.signal, deed.exit_code) {
                (Some(signal), _) => format!("by signal {signal}"),
                (_, Some(code)) => format!("with {code}"),
                _ => String::new(),
            };
            ("ended", deed.exe.clone().unwrap_or_default(), end, Weight::Plain)
        }
        "open" | "file_receive" => (opened(&deed.access), path(), by(), Weight::Plain),
        "connect" => ("connected", end(deed), by(), Weight::Connect),
        "listen" => ("listened", end(deed), by(), Weight::Connect),
        "accept" => ("accepted", end(deed), by(), Weight::Connect),
        "rename" | "link" => {
            let verb = if act.kind == "link" { "linked" } else { "renamed" };
            let to = deed.new_path.as_deref().unwrap_or("?");
            (verb, format!("{} -> {to}", path()), by(), Weight::Plain)
        }
        "unlink" => ("removed", path(), by(), Weight::Plain),
        "chmod" => {
            let mode = deed.mode.map_or_else(String::new, |mode| format!(" to {:04o}", mode & 0o7777));
            ("chmod", format!("{}{mode}", path()), by(), Weight::Plain)
        }
        "session_start" => ("logged in", String::new(), String::new(), Weight::Switch),
        "session_end" => ("logged out", String::new(), String::new(), Weight::Switch),
        "account_switch" => switched(deed),
        "credential_change" => ("root rights", String::new(), by(), Weight::Switch),
        "tamper" | "bpf_load" | "module_load" | "ptrace" => {
            let parts = [&deed.operation, &deed.object, &deed.target_exe];
            let object = parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
            (act.kind.as_str(), object, by(), Weight::Alarm)
        }
        other => (
            other,
            deed.path.clone().or_else(|| deed.operation.clone()).unwrap_or_default(),
            by(),
            Weight::Plain,
        ),
    };
    let mut words = Words { verb: verb.replace('_', " "), object, hint, weight };
    if deed.success == Some(false) {
        let error = deed.error.as_deref().unwrap_or("refused");
        words.hint = format!("{error}{}{}", if words.hint.is_empty() { "" } else { " " }, words.hint);
        words.weight = Weight::Refused;
    }
    words
}

type Parts<'a> = (&'a str, String, String, Weight);

fn program(deed: &Deed) -> Parts<'_> {
    let arguments = if deed.success == Some(false) { None } else { Some(line_of(&deed.argv)) };
    let line = arguments.filter(|line| !line.is_empty());
    let line = line.or_else(|| deed.path.clone()).or_else(|| deed.exe.clone()).unwrap_or_default();
    let place = deed.cwd.as_deref().map_or_else(String::new, |cwd| format!("in {cwd}"));
    // A name can be anything: what ran is told where it is not what the name says.
    let called = deed.argv.first().map_or("", |word| name(word)).trim_start_matches('-');
    let hint = match deed.exe.as_deref() {
        Some(exe) if name(exe) != called && !called.is_empty() => format!("{exe} {place}"),
        _ => place,
    };
    ("ran", line, hint, Weight::Exec)
}

fn switched(deed: &Deed) -> Parts<'_> {
    let step =
        format!("{} -> {}", deed.from_user.as_deref().unwrap_or("?"), deed.to_user.as_deref().unwrap_or("?"));
    let by = deed.switched_by.as_deref().map_or_else(String::new, |by| format!(" by {by}"));
    let command = line_of(&deed.switch_command);
    let hint = if command.is_empty() { String::new() } else { format!(": {command}") };
    ("became", format!("{step}{by}{hint}"), String::new(), Weight::Switch)
}

fn opened(access: &[String]) -> &'static str {
    let has = |name: &str| access.iter().any(|of| of == name);
    match (has("create"), has("write") || has("append") || has("truncate"), has("read")) {
        (true, _, _) => "created",
        (_, true, true) => "changed",
        (_, true, false) => "wrote",
        (_, _, true) => "read",
        _ => "opened",
    }
}

/// The other end, or this one where it waits for others.
fn end(deed: &Deed) -> String {
    let Some(address) = &deed.address else { return deed.path.clone().unwrap_or_else(|| "?".to_owned()) };
    let port = deed.port.map_or_else(String::new, |port| format!(":{port}"));
    let address = if address.contains(':') { format!("[{address}]") } else { address.clone() };
    let protocol =
        deed.protocol.as_deref().filter(|of| *of != "tcp").map_or_else(String::new, |of| format!("/{of}"));
    format!("{address}{port}{protocol}")
}

/// The last part of a path.
fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

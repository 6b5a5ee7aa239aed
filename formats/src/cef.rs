//! ArcSight Common Event Format, version 0 (revision 26 of its guide): one line of text.
//!
//! ```text
//! CEF:0|activity-sensor|activity-sensor|VERSION|TYPE|NAME|SEVERITY|key=value key=value …
//! ```
//!
//! In the header `|` and `\` are escaped by `\`, in values `=` and `\`. What the dictionary of
//! CEF has no key for is in its custom fields, each with its label: `cs1` the human, `cs2` the
//! session, `cs3` the command line, `cs4` the tenant, `cs5` the chain of users, `cs6` the
//! container; `cn1` the sequence.

use std::fmt::Write as _;

use activity_proto::{
    json::{errno_name, escape_bytes},
    v1::{Access, Event, Protocol, event::Payload},
};

use crate::{
    PRODUCT, Severity, VERSION,
    fields::{base_name, command_line, milliseconds},
    identity,
    ocsf::{gap_message, silence_message, tamper_message},
};

/// An event as CEF, without a newline.
#[must_use]
pub fn cef(event: &Event) -> String {
    let kind = match event.event_type().short_name() {
        "" => "unknown",
        name => name,
    };
    let severity = Severity::of(event).cef();
    let name = name(event);
    let mut line = Line(format!("CEF:0|{PRODUCT}|{PRODUCT}|{VERSION}|{kind}|{name}|{severity}|"));
    line.number("rt", milliseconds(event.time.as_ref()));
    line.text("externalId", identity(event));
    line.text("dvchost", &event.host);
    let id = event.id.clone().unwrap_or_default();
    line.text("deviceExternalId", &id.sensor_id);
    line.text("cat", kind);
    outcome(event, &mut line);
    if let Some(count) = event.count {
        line.number("cnt", count);
    }
    who(event, &mut line);
    what(event, &mut line);
    custom(event, &mut line, id.sequence);
    line.0.truncate(line.0.trim_end().len());
    line.0
}

/// What people read first.
fn name(event: &Event) -> &'static str {
    match &event.payload {
        None => "Event of a newer sensor",
        Some(Payload::Exec(_)) => "Program start",
        Some(Payload::Exit(_)) => "Process end",
        Some(Payload::Open(_)) => "File open",
        Some(Payload::Connect(_)) => "Connection",
        Some(Payload::Gap(_)) => "Events missing",
        Some(Payload::Status(_)) => "Sensor status",
        Some(Payload::Listen(_)) => "Socket listens",
        Some(Payload::Accept(_)) => "Connection accepted",
        Some(Payload::Socket(_)) => "Raw socket made",
        Some(Payload::Rename(_)) => "File rename",
        Some(Payload::Link(_)) => "Link",
        Some(Payload::Unlink(_)) => "File removal",
        Some(Payload::Chmod(_)) => "Permission change",
        Some(Payload::Chown(_)) => "Owner change",
        Some(Payload::Mount(_)) => "Mount change",
        Some(Payload::CredentialChange(_)) => "Credential change",
        Some(Payload::LoginuidSet(_)) => "Login uid change",
        Some(Payload::Ptrace(_)) => "Reach into a process",
        Some(Payload::BpfLoad(_)) => "BPF program load",
        Some(Payload::ModuleLoad(_)) => "Kernel module load",
        Some(Payload::FileReceive(_)) => "Descriptor received",
        Some(Payload::ExecMapping(_)) => "Code mapping",
        Some(Payload::Tamper(_)) => "Sensor tampered with",
        Some(Payload::SessionStart(_)) => "Session began",
        Some(Payload::SessionUpdate(_)) => "Session known better",
        Some(Payload::SessionEnd(_)) => "Session ended",
        Some(Payload::LoginFailed(_)) => "Login failed",
        Some(Payload::AccountSwitch(_)) => "Account switch",
        Some(Payload::Heartbeat(_)) => "Heartbeat",
        Some(Payload::Silence(_)) => "Sensor silent",
    }
}

/// The line under construction: pairs, each with a space behind it.
struct Line(String);

impl Line {
    fn number(&mut self, key: &str, number: impl std::fmt::Display) {
        // Writing to a String does not fail.
        let _ = write!(self.0, "{key}={number} ");
    }

    /// Text or bytes, escaped; absent when empty.
    fn text(&mut self, key: &str, text: impl AsRef<[u8]>) {
        self.escaped(key, &escape_bytes(text.as_ref()));
    }

    /// Text that is escaped for people already.
    fn escaped(&mut self, key: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        self.0.push_str(key);
        self.0.push('=');
        for character in text.chars() {
            if matches!(character, '\\' | '=') {
                self.0.push('\\');
            }
            self.0.push(character);
        }
        self.0.push(' ');
    }

    fn port(&mut self, key: &str, port: Option<u32>) {
        if let Some(port) = port {
            self.number(key, port);
        }
    }

    fn custom(&mut self, key: &str, label: &str, escaped: &str) {
        if !escaped.is_empty() {
            self.escaped(key, escaped);
            self.escaped(&format!("{key}Label"), label);
        }
    }
}

fn outcome(event: &Event, line: &mut Line) {
    if matches!(event.payload, Some(Payload::LoginFailed(_))) {
        return line.text("outcome", "failure");
    }
    let Some(outcome) = &event.outcome else { return };
    line.text("outcome", if outcome.success { "success" } else { "failure" });
    let Some(errno) = outcome.errno else { return };
    line.text("reason", errno_name(errno).map_or_else(|| errno.to_string(), str::to_owned));
}

fn who(event: &Event, line: &mut Line) {
    if let Some(credentials) = &event.credentials {
        line.number("suid", credentials.uid);
        line.text("suser", &credentials.user);
    }
    let Some(process) = &event.process else { return };
    if process.pid > 0 {
        line.number("spid", process.pid);
    }
    line.text("sproc", if process.exe.is_empty() { &process.comm } else { &process.exe });
}

/// What was acted on.
fn what(event: &Event, line: &mut Line) {
    let Some(payload) = &event.payload else { return };
    match payload {
        Payload::Exec(exec) => file(line, &exec.filename),
        Payload::Exit(exit) => {
            if let Some(code) = exit.code {
                line.text("act", format!("exit {code}"));
            }
            if let Some(signal) = exit.signal {
                line.text("act", format!("signal {signal}"));
            }
        }
        Payload::Open(open) => {
            file(line, &open.path);
            line.text("act", accesses(&open.access));
            id(line, open.inode);
        }
        Payload::FileReceive(received) => {
            file(line, &received.path);
            line.text("act", accesses(&received.access));
            id(line, received.inode);
        }
        Payload::ExecMapping(mapping) => file(line, &mapping.path),
        Payload::Rename(rename) => renamed(line, &rename.path, &rename.new_path),
        Payload::Link(link) => renamed(line, &link.path, &link.new_path),
        Payload::Unlink(unlink) => file(line, &unlink.path),
        Payload::Chmod(chmod) => {
            file(line, &chmod.path);
            line.text("filePermission", format!("{:04o}", chmod.mode));
        }
        Payload::Chown(chown) => file(line, &chown.path),
        Payload::Mount(mount) => renamed(line, &mount.source, &mount.path),
        Payload::Connect(connect) => {
            line.number("deviceDirection", 1);
            end(line, DST, &connect.address, connect.port);
            end(line, SRC, &connect.local_address, connect.local_port);
            file(line, &connect.path);
            protocol(line, connect.protocol);
        }
        Payload::Accept(accept) => {
            line.number("deviceDirection", 0);
            end(line, SRC, &accept.address, accept.port);
            end(line, DST, &accept.local_address, accept.local_port);
            file(line, &accept.path);
            protocol(line, accept.protocol);
        }
        Payload::Listen(listen) => {
            end(line, DST, &listen.address, listen.port);
            file(line, &listen.path);
            protocol(line, listen.protocol);
        }
        Payload::Socket(socket) => protocol(line, socket.protocol),
        Payload::CredentialChange(change) => {
            if let Some(new) = &change.new {
                line.number("duid", new.euid);
            }
        }
        Payload::LoginuidSet(set) => {
            if let Some(new) = set.new_auid {
                line.number("duid", new);
            }
        }
        Payload::Ptrace(ptrace) => {
            let target = ptrace.target.clone().unwrap_or_default();
            line.number("dpid", target.pid);
            line.text("dproc", if target.exe.is_empty() { &target.comm } else { &target.exe });
        }
        Payload::BpfLoad(load) => line.text("fname", &load.name),
        Payload::ModuleLoad(load) => line.text("fname", &load.name),
        Payload::SessionStart(_) | Payload::SessionUpdate(_) | Payload::SessionEnd(_) => {
            let session = event.session.clone().unwrap_or_default();
            line.text("duser", &session.user);
            line.text("app", &session.kind);
            address(line, "src", "shost", &session.remote_address);
            line.port("spt", session.remote_port);
        }
        Payload::LoginFailed(failed) => {
            line.text("duser", &failed.user);
            line.text("app", &failed.auth_method);
            address(line, "src", "shost", &failed.remote_address);
            line.port("spt", failed.remote_port);
        }
        Payload::AccountSwitch(switch) => {
            line.text("duser", &switch.to);
            line.text("act", &switch.by);
        }
        Payload::Gap(gap) => line.text("msg", gap_message(gap)),
        Payload::Silence(silence) => line.text("msg", silence_message(silence)),
        Payload::Tamper(tamper) => line.text("msg", tamper_message(tamper)),
        Payload::Heartbeat(heartbeat) => {
            if heartbeat.stopping {
                line.text("msg", "the sensor ends");
            }
        }
        Payload::Status(status) => line.text("msg", format!("plan {}", status.plan)),
    }
}

fn file(line: &mut Line, path: &[u8]) {
    line.text("fname", base_name(path));
    line.text("filePath", path);
}

fn renamed(line: &mut Line, old: &[u8], new: &[u8]) {
    file(line, new);
    line.text("oldFileName", base_name(old));
    line.text("oldFilePath", old);
}

fn id(line: &mut Line, inode: Option<u64>) {
    if let Some(inode) = inode {
        line.number("fileId", inode);
    }
}

fn accesses(access: &[i32]) -> String {
    let names = access.iter().filter_map(|&access| Some(Access::try_from(access).ok()?.short_name()));
    names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(",")
}

/// Under `ip` where it is one, else under `name`.
/// An end of a connection: its address, name and port.
type End = (&'static str, &'static str, &'static str);
const DST: End = ("dst", "dhost", "dpt");
const SRC: End = ("src", "shost", "spt");

fn end(line: &mut Line, (ip, name, number): End, of: &str, port: Option<u32>) {
    address(line, ip, name, of);
    line.port(number, port);
}

fn address(line: &mut Line, ip: &str, name: &str, address: &str) {
    let key = if address.parse::<std::net::IpAddr>().is_ok() { ip } else { name };
    line.text(key, address);
}

fn protocol(line: &mut Line, protocol: i32) {
    line.text("proto", Protocol::try_from(protocol).map_or("", Protocol::short_name).to_uppercase());
}

fn custom(event: &Event, line: &mut Line, sequence: u64) {
    let attribution = event.attribution.clone().unwrap_or_default();
    line.custom("cs1", "human", &escape_bytes(attribution.user.as_bytes()));
    let session = event.session.as_ref().map(|session| session.id.as_str()).unwrap_or_default();
    line.custom("cs2", "session", &escape_bytes(session.as_bytes()));
    let argv = event.process.as_ref().map(|process| command_line(&process.argv));
    line.custom("cs3", "command", &argv.unwrap_or_default());
    line.custom("cs4", "tenant", &escape_bytes(event.tenant.as_deref().unwrap_or_default().as_bytes()));
    line.custom("cs5", "chain", &escape_bytes(attribution.chain.join(" > ").as_bytes()));
    let container = event.place.as_ref().map(|place| place.container_id.as_str()).unwrap_or_default();
    line.custom("cs6", "container", &escape_bytes(container.as_bytes()));
    if sequence > 0 {
        line.number("cn1", sequence);
        line.escaped("cn1Label", "sequence");
    }
}

//! The envelope of an event.
//!
//! `Serialize` of the public messages is their JSON form, with any serializer.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{
    errno_name, escape_bytes,
    object::{Escaped, Name, Object, name},
};
use crate::v1::{
    Actor, Attribution, Credentials, Device, Event, EventId, Login, Outcome, Place, Process, Session, Switch,
    Truncation, event::Payload,
};

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.put("type", event_type(self))?;
            object.text("host", &self.host)?;
            object.some("id", self.id.as_ref())?;
            object.some("time", self.time.as_ref().and_then(rfc3339))?;
            if self.boottime_ns != 0 {
                object.long("boottimeNs", self.boottime_ns)?;
            }
            object.some("process", self.process.as_ref())?;
            object.some("credentials", self.credentials.as_ref())?;
            object.some("login", self.login.as_ref())?;
            object.some("session", self.session.as_ref())?;
            object.some("attribution", self.attribution.as_ref())?;
            object.some("place", self.place.as_ref())?;
            object.some("outcome", self.outcome.as_ref())?;
            object.some("count", self.count)?;
            object.some("sampled", self.sampled)?;
            if !self.truncated.is_empty() {
                object.put("truncated", TruncatedFields(&self.truncated))?;
            }
            if self.truncated.iter().any(|cut| cut.full_length.is_some()) {
                object.put("truncatedLengths", TruncatedLengths(&self.truncated))?;
            }
            object.text("tenant", self.tenant.as_deref().unwrap_or_default())?;
            object.texts("redacted", &self.redacted)?;
            match &self.payload {
                Some(Payload::Exec(exec)) => object.put("exec", exec),
                Some(Payload::Exit(exit)) => object.put("exit", exit),
                Some(Payload::Open(open)) => object.put("open", open),
                Some(Payload::Connect(connect)) => object.put("connect", connect),
                Some(Payload::Gap(gap)) => object.put("gap", gap),
                Some(Payload::Status(status)) => object.put("status", status),
                Some(Payload::Listen(listen)) => object.put("listen", listen),
                Some(Payload::Accept(accept)) => object.put("accept", accept),
                Some(Payload::Socket(socket)) => object.put("socket", socket),
                Some(Payload::Rename(rename)) => object.put("rename", rename),
                Some(Payload::Link(link)) => object.put("link", link),
                Some(Payload::Unlink(unlink)) => object.put("unlink", unlink),
                Some(Payload::Chmod(chmod)) => object.put("chmod", chmod),
                Some(Payload::Chown(chown)) => object.put("chown", chown),
                Some(Payload::Mount(mount)) => object.put("mount", mount),
                Some(Payload::CredentialChange(credential_change)) => {
                    object.put("credentialChange", credential_change)
                }
                Some(Payload::LoginuidSet(loginuid_set)) => object.put("loginuidSet", loginuid_set),
                Some(Payload::Ptrace(ptrace)) => object.put("ptrace", ptrace),
                Some(Payload::BpfLoad(bpf_load)) => object.put("bpfLoad", bpf_load),
                Some(Payload::ModuleLoad(module_load)) => object.put("moduleLoad", module_load),
                Some(Payload::FileReceive(file_receive)) => object.put("fileReceive", file_receive),
                Some(Payload::ExecMapping(exec_mapping)) => object.put("execMapping", exec_mapping),
                Some(Payload::Tamper(tamper)) => object.put("tamper", tamper),
                Some(Payload::SessionStart(start)) => object.put("sessionStart", start),
                Some(Payload::SessionUpdate(update)) => object.put("sessionUpdate", update),
                Some(Payload::SessionEnd(end)) => object.put("sessionEnd", end),
                Some(Payload::LoginFailed(failed)) => object.put("loginFailed", failed),
                Some(Payload::AccountSwitch(switch)) => object.put("accountSwitch", switch),
                Some(Payload::Heartbeat(heartbeat)) => object.put("heartbeat", heartbeat),
                Some(Payload::Silence(silence)) => object.put("silence", silence),
                None => Ok(()),
            }
        })
    }
}

/// The value of `type`, which every event has.
fn event_type(event: &Event) -> &'static str {
    match event.event_type().short_name() {
        "" => "unknown",
        name => name,
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.text("sensorId", &self.sensor_id)?;
            object.text("bootId", &self.boot_id)?;
            object.put("epoch", self.epoch)?;
            object.name("lane", name!(Lane, self.lane))?;
            object.long("sequence", self.sequence)
        })
    }
}

/// RFC 3339 in UTC, always with nanoseconds, so that texts sort as times do.
pub(super) struct Rfc3339(Timestamp);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.9}", self.0))
    }
}

/// The time of an event; none when it is beyond what a calendar shows.
pub(super) fn rfc3339(time: &prost_types::Timestamp) -> Option<Rfc3339> {
    Timestamp::new(time.seconds, time.nanos).ok().map(Rfc3339)
}

impl Serialize for Process {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.number("pid", self.pid)?;
            object.number("tid", self.tid)?;
            object.text("uid", &self.uid)?;
            object.text("parentUid", &self.parent_uid)?;
            object.number("ppid", self.ppid)?;
            if self.start_boottime_ns != 0 {
                object.long("startBoottimeNs", self.start_boottime_ns)?;
            }
            object.bytes("comm", &self.comm)?;
            object.bytes("exe", &self.exe)?;
            object.some_long("exeInode", self.exe_inode)?;
            object.some("exeDevice", self.exe_device.as_ref())?;
            object.texts("argv", &self.argv)?;
            object.bytes("cwd", &self.cwd)?;
            object.name("source", name!(ProcessSource, self.source))?;
            object.flag("memfd", self.memfd)?;
            object.flag("deleted", self.deleted)
        })
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}:{}", self.major, self.minor))
    }
}

impl Serialize for Credentials {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.put("uid", self.uid)?;
            object.put("euid", self.euid)?;
            object.put("gid", self.gid)?;
            object.put("egid", self.egid)?;
            object.text("user", &self.user)?;
            object.text("effectiveUser", &self.effective_user)?;
            object.text("group", &self.group)?;
            object.text("effectiveGroup", &self.effective_group)
        })
    }
}

impl Serialize for Login {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.some("auid", self.auid)?;
            object.some("sessionId", self.session_id)?;
            object.bytes("tty", &self.tty)?;
            object.text("user", &self.user)?;
            object.some("firstAuid", self.first_auid)?;
            object.some_long("sinceBoottimeNs", self.since_boottime_ns)?;
            object.some("firstSessionId", self.first_session_id)
        })
    }
}

impl Serialize for Session {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.text("id", &self.id)?;
            object.text("kind", &self.kind)?;
            object.text("user", &self.user)?;
            object.text("remoteAddress", &self.remote_address)?;
            object.some("remotePort", self.remote_port)?;
            object.text("authMethod", &self.auth_method)?;
            object.text("keyFingerprint", &self.key_fingerprint)?;
            object.some("uid", self.uid)?;
            object.bytes("tty", &self.tty)?;
            object.some("start", self.start.as_ref().and_then(rfc3339))?;
            object.text("leaderUid", &self.leader_uid)?;
            object.text("originId", &self.origin_id)?;
            object.text("logindId", &self.logind_id)
        })
    }
}

impl Serialize for Attribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.some("uid", self.uid)?;
            object.text("user", &self.user)?;
            object.name("method", name!(Method, self.method))?;
            object.name("confidence", name!(Confidence, self.confidence))?;
            object.texts("chain", &self.chain)?;
            object.messages("switches", &self.switches)?;
            object.flag("detached", self.detached)?;
            object.messages("others", &self.others)?;
            object.name("reason", name!(Reason, self.reason))
        })
    }
}

impl Serialize for Switch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.text("from", &self.from)?;
            object.text("to", &self.to)?;
            object.text("by", &self.by)?;
            object.texts("command", &self.command)?;
            object.some("since", self.since.as_ref().and_then(rfc3339))
        })
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.put("uid", self.uid)?;
            object.text("user", &self.user)?;
            object.text("sessionId", &self.session_id)?;
            object.name("link", name!(ActorLink, self.link))
        })
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.some_long("cgroupId", self.cgroup_id)?;
            object.bytes("cgroupPath", &self.cgroup_path)?;
            object.text("containerId", &self.container_id)?;
            object.text("containerRuntime", &self.container_runtime)?;
            object.some("mountNamespace", self.mount_namespace)
        })
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            object.put("success", self.success)?;
            object.some("errno", self.errno)?;
            object.some("error", self.errno.and_then(errno_name))
        })
    }
}

/// The names of the cut fields.
struct TruncatedFields<'a>(&'a [Truncation]);

impl Serialize for TruncatedFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|cut| Escaped(cut.field.as_bytes())))
    }
}

/// The full length of each cut field of which it is known.
struct TruncatedLengths<'a>(&'a [Truncation]);

impl Serialize for TruncatedLengths<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::write(serializer, |object| {
            self.0
                .iter()
                .try_for_each(|cut| object.some_long(&escape_bytes(cut.field.as_bytes()), cut.full_length))
        })
    }
}

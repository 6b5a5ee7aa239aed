//! Objects that many classes have.

use activity_proto::v1::{Device, Event, Login, Process};
use serde_json::Value;

use super::{PROFILES, SCHEMA};
use crate::{
    PRODUCT, VERSION,
    fields::{Fields, base_name, command_line, directory, milliseconds},
    identity,
};

/// Regular file.
const REGULAR: u32 = 1;
const LINUX: u32 = 200;

pub fn metadata(event: &Event) -> Fields {
    let sequence = event.id.as_ref().map(|id| id.sequence).filter(|&sequence| sequence > 0);
    Fields::new()
        .put("version", SCHEMA)
        .put("product", product())
        .put("profiles", PROFILES.to_vec())
        .put("uid", identity(event))
        .some("sequence", sequence)
        .text("tenant_uid", event.tenant.as_deref().unwrap_or_default())
        .flag("is_truncated", !event.truncated.is_empty())
}

pub fn product() -> Fields {
    Fields::new().put("name", PRODUCT).put("vendor_name", PRODUCT).put("version", VERSION)
}

/// The machine. Its kind is not known, and `uid` stands in where its name is not either.
pub fn device(event: &Event) -> Fields {
    let id = event.id.clone().unwrap_or_default();
    let agent = Fields::new().put("name", PRODUCT).text("uid", &id.sensor_id);
    let nameless = event.host.is_empty();
    Fields::new()
        .put("type_id", 0)
        .text("hostname", &event.host)
        .some("uid", nameless.then_some("unknown"))
        .text("boot_uid", &id.boot_id)
        .put("os", Fields::new().put("name", "Linux").put("type_id", LINUX))
        .put("agent_list", vec![Value::from(agent)])
}

/// Who did it: the process with its user, and the login session it belongs to. Where it is
/// `needed` there is one, whatever is known.
pub fn actor(event: &Event, needed: bool) -> Fields {
    let mut actor = Fields::new();
    if event.process.is_some() || needed {
        actor = actor.put("process", process(event));
    }
    actor.object("session", session(event)).object("user", user(event))
}

/// The user whose rights it had.
fn user(event: &Event) -> Fields {
    let Some(credentials) = &event.credentials else { return Fields::new() };
    Fields::new().text("name", &credentials.user).put("uid", credentials.uid.to_string())
}

pub fn session(event: &Event) -> Fields {
    let Some(session) = &event.session else { return Fields::new() };
    Fields::new()
        .text("uid", &session.id)
        .text("issuer", &session.kind)
        .text("terminal", &session.tty)
        .text("credential_uid", &session.key_fingerprint)
        .some("created_time", session.start.as_ref().map(|start| milliseconds(Some(start))))
        .flag("is_remote", !session.remote_address.is_empty())
}

/// The process of an event with everything that is known of it.
pub fn process(event: &Event) -> Fields {
    let process = event.process.clone().unwrap_or_default();
    let credentials = event.credentials.as_ref();
    let group = credentials.map(|credentials| {
        Fields::new().text("name", &credentials.group).put("uid", credentials.gid.to_string())
    });
    plain_process(&process)
        .object("user", user(event))
        .some("euid", credentials.map(|credentials| credentials.euid))
        .some("egid", credentials.map(|credentials| credentials.egid))
        .some("group", group)
        .and(login(event.login.as_ref()))
        .object("session", session(event))
        .object("container", container(event))
        .object("parent_process", parent(&process))
}

/// A process by itself. Whatever is not known of it, it has a `uid`.
pub fn plain_process(process: &Process) -> Fields {
    let known = process.pid > 0 || !process.uid.is_empty();
    let fields = Fields::new()
        .some("pid", (process.pid > 0).then_some(process.pid))
        .some("ptid", (process.tid > 0 && process.tid != process.pid).then_some(process.tid));
    let fields = if known { fields.text("uid", &process.uid) } else { fields.put("uid", "unknown") };
    fields
        .text("name", &process.comm)
        .text("path", &process.exe)
        .some("cmd_line", (!process.argv.is_empty()).then(|| command_line(&process.argv)))
        .text("working_directory", &process.cwd)
        .object("file", image(process))
}

fn image(process: &Process) -> Fields {
    if process.exe.is_empty() {
        return Fields::new();
    }
    file(&process.exe, REGULAR, process.exe_device.as_ref(), process.exe_inode)
        .flag("is_deleted", process.deleted)
}

/// What is known of the parent where only the child is seen.
pub fn parent(process: &Process) -> Fields {
    Fields::new().some("pid", (process.ppid > 0).then_some(process.ppid)).text("uid", &process.parent_uid)
}

fn login(login: Option<&Login>) -> Fields {
    Fields::new().some("auid", login.and_then(|login| login.auid))
}

pub fn container(event: &Event) -> Fields {
    let Some(place) = event.place.as_ref().filter(|place| !place.container_id.is_empty()) else {
        return Fields::new();
    };
    Fields::new().text("uid", &place.container_id).text("runtime", &place.container_runtime)
}

/// A file by its path; one without a path is called unknown.
pub fn file(path: &[u8], type_id: u32, device: Option<&Device>, inode: Option<u64>) -> Fields {
    let name = if path.is_empty() { b"unknown" } else { base_name(path) };
    Fields::new()
        .text("name", name)
        .text("path", path)
        .text("parent_folder", directory(path))
        .put("type_id", type_id)
        .some("uid", inode.map(|inode| inode.to_string()))
        .some("volume", device.map(|device| format!("{}:{}", device.major, device.minor)))
}

/// The type of a file by its mode (`S_IFMT`).
pub fn file_type(mode: Option<u32>) -> u32 {
    match mode.unwrap_or_default() & 0o170_000 {
        0o100_000 => REGULAR,
        0o040_000 => 2,
        0o020_000 => 3,
        0o060_000 => 4,
        0o140_000 => 5,
        0o010_000 => 6,
        0o120_000 => 7,
        _ => 0,
    }
}

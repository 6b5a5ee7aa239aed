//! Processes, users, files and ends of connections in ECS.

use std::{collections::BTreeSet, net::IpAddr};

use activity_proto::{
    json::escape_bytes,
    v1::{Device, Event, Family, MountOperation, Process, Protocol, event::Payload},
};
use serde_json::Value;

use crate::fields::{Fields, base_name, command_line, directory};

/// What the envelope says: process, user, container.
pub fn of_envelope(event: &Event) -> Fields {
    let mut fields = Fields::new();
    if let Some(process) = &event.process {
        fields = fields.put("process", self::process(event, process));
    }
    if let Some(credentials) = &event.credentials {
        let mut user = Fields::new().put("id", credentials.uid.to_string()).text("name", &credentials.user);
        if credentials.euid != credentials.uid {
            let effective = Fields::new().put("id", credentials.euid.to_string());
            user = user.put("effective", effective.text("name", &credentials.effective_user));
        }
        let group = Fields::new().put("id", credentials.gid.to_string()).text("name", &credentials.group);
        fields = fields.put("user", user).put("group", group);
    }
    let place = event.place.clone().unwrap_or_default();
    let container = Fields::new().text("id", &place.container_id);
    if container.is_empty() {
        return fields;
    }
    fields.put("container", container.text("runtime", &place.container_runtime))
}

fn process(event: &Event, process: &Process) -> Fields {
    let exit_code = match &event.payload {
        Some(Payload::Exit(exit)) => exit.code,
        _ => None,
    };
    let parent = Fields::new()
        .some("pid", (process.ppid > 0).then_some(process.ppid))
        .text("entity_id", &process.parent_uid);
    let tid = (process.tid > 0).then_some(process.tid);
    let mut fields = Fields::new()
        .some("pid", (process.pid > 0).then_some(process.pid))
        .text("entity_id", &process.uid)
        .text("name", &process.comm)
        .text("executable", &process.exe)
        .list("args", process.argv.iter().map(|word| escape_bytes(word).into()).collect());
    if !process.argv.is_empty() {
        fields =
            fields.put("args_count", process.argv.len()).put("command_line", command_line(&process.argv));
    }
    fields
        .text("working_directory", &process.cwd)
        .some("exit_code", exit_code)
        .object("thread", Fields::new().some("id", tid))
        .object("parent", parent)
}

/// What the payload says.
pub fn of_payload(event: &Event) -> Fields {
    let Some(payload) = &event.payload else { return Fields::new() };
    let none = Fields::new();
    match payload {
        Payload::Exec(_) | Payload::Exit(_) => none,
        Payload::Open(open) => {
            with_file(file(&open.path, open.device.as_ref(), open.inode).and(mode(open.mode)))
        }
        Payload::FileReceive(received) => {
            with_file(file(&received.path, received.device.as_ref(), received.inode).and(mode(received.mode)))
        }
        Payload::ExecMapping(mapping) => {
            with_file(file(&mapping.path, mapping.device.as_ref(), mapping.inode).and(mode(mapping.mode)))
        }
        Payload::Rename(rename) => with_file(file(&rename.new_path, rename.device.as_ref(), rename.inode)),
        Payload::Link(link) => {
            with_file(file(&link.new_path, link.device.as_ref(), link.inode).text("target_path", &link.path))
        }
        Payload::Unlink(unlink) => with_file(file(&unlink.path, unlink.device.as_ref(), unlink.inode)),
        Payload::Chmod(chmod) => {
            with_file(file(&chmod.path, chmod.device.as_ref(), chmod.inode).and(mode(Some(chmod.mode))))
        }
        Payload::Chown(chown) => with_file(
            file(&chown.path, chown.device.as_ref(), chown.inode)
                .some("uid", chown.uid.map(|uid| uid.to_string()))
                .some("gid", chown.gid.map(|gid| gid.to_string())),
        ),
        Payload::Mount(mount) => {
            let target =
                if mount.operation == MountOperation::Unmount as i32 { &[][..] } else { &mount.source };
            with_file(file(&mount.path, None, None).put("type", "dir").text("target_path", target))
        }
        Payload::Connect(connect) => Fields::new()
            .object("source", end(&connect.local_address, connect.local_port, &[]))
            .object("destination", end(&connect.address, connect.port, &connect.path))
            .object("network", network(connect.family, connect.protocol, "egress")),
        Payload::Accept(accept) => Fields::new()
            .object("source", end(&accept.address, accept.port, &[]))
            .object("destination", end(&accept.local_address, accept.local_port, &accept.path))
            .object("network", network(accept.family, accept.protocol, "ingress")),
        Payload::Listen(listen) => Fields::new()
            .object("destination", end(&listen.address, listen.port, &listen.path))
            .object("network", network(listen.family, listen.protocol, "")),
        Payload::Socket(socket) => {
            Fields::new().object("network", network(socket.family, socket.protocol, ""))
        }
        Payload::ModuleLoad(load) => with_file(Fields::new().text("name", &load.name)),
        Payload::BpfLoad(load) => with_file(Fields::new().text("name", &load.name)),
        Payload::SessionStart(_) | Payload::SessionUpdate(_) | Payload::SessionEnd(_) => {
            let session = event.session.clone().unwrap_or_default();
            let user =
                Fields::new().some("id", session.uid.map(|uid| uid.to_string())).text("name", &session.user);
            Fields::new()
                .object("source", end(&session.remote_address, session.remote_port, &[]))
                .object("user", user)
        }
        Payload::LoginFailed(failed) => Fields::new()
            .object("source", end(&failed.remote_address, failed.remote_port, &[]))
            .object("user", Fields::new().text("name", &failed.user)),
        Payload::AccountSwitch(switch) => {
            let user = Fields::new().text("name", &switch.from);
            none.object("user", user.object("effective", Fields::new().text("name", &switch.to)))
        }
        Payload::CredentialChange(_)
        | Payload::LoginuidSet(_)
        | Payload::Ptrace(_)
        | Payload::Tamper(_)
        | Payload::Status(_)
        | Payload::Heartbeat(_)
        | Payload::Gap(_)
        | Payload::Silence(_) => none,
    }
}

fn with_file(file: Fields) -> Fields {
    Fields::new().object("file", file)
}

fn file(path: &[u8], device: Option<&Device>, inode: Option<u64>) -> Fields {
    let name = base_name(path);
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
    Fields::new()
        .text("path", path)
        .text("name", name)
        .text("directory", directory(path))
        .text("extension", dot.and_then(|dot| name.get(dot + 1..)).unwrap_or_default())
        .some("inode", inode.map(|inode| inode.to_string()))
        .some("device", device.map(|device| format!("{}:{}", device.major, device.minor)))
}

/// Permissions, and the type where the mode has one.
fn mode(mode: Option<u32>) -> Fields {
    let Some(mode) = mode else { return Fields::new() };
    let kind = match mode & 0o170_000 {
        0o100_000 => "file",
        0o040_000 => "dir",
        0o120_000 => "symlink",
        0 => "",
        _ => "other",
    };
    Fields::new().put("mode", format!("{:04o}", mode & 0o7777)).text("type", kind)
}

/// An end of a connection. `address` is there whatever it is, `ip` where it is one.
fn end(address: &str, port: Option<u32>, path: &[u8]) -> Fields {
    let ip = address.parse::<IpAddr>().ok();
    Fields::new()
        .text("address", address)
        .text("address", path)
        .some("ip", ip.map(|ip| ip.to_string()))
        .some("port", port)
}

fn network(family: i32, protocol: i32, direction: &str) -> Fields {
    let kind = match Family::try_from(family) {
        Ok(Family::Inet) => "ipv4",
        Ok(Family::Inet6) => "ipv6",
        Ok(family) => family.short_name(),
        Err(_) => "",
    };
    let protocol = Protocol::try_from(protocol).map_or("", Protocol::short_name);
    Fields::new().text("type", kind).text("transport", protocol).text("direction", direction)
}

/// Everybody and every address in it, for those who search for one of them.
pub fn related(event: &Event) -> Fields {
    let mut users = BTreeSet::new();
    let mut add = |name: &str| {
        if !name.is_empty() {
            users.insert(escape_bytes(name.as_bytes()).into_owned());
        }
    };
    if let Some(attribution) = &event.attribution {
        add(&attribution.user);
        attribution.chain.iter().for_each(|name| add(name));
        attribution.others.iter().for_each(|other| add(&other.user));
    }
    if let Some(credentials) = &event.credentials {
        add(&credentials.user);
        add(&credentials.effective_user);
    }
    let mut addresses = BTreeSet::new();
    let mut address = |address: &str| {
        addresses.extend(address.parse::<IpAddr>().ok().map(|ip| ip.to_string()));
    };
    if let Some(session) = &event.session {
        add(&session.user);
        address(&session.remote_address);
    }
    match &event.payload {
        Some(Payload::Connect(connect)) => {
            address(&connect.address);
            address(&connect.local_address);
        }
        Some(Payload::Accept(accept)) => {
            address(&accept.address);
            address(&accept.local_address);
        }
        Some(Payload::Listen(listen)) => address(&listen.address),
        Some(Payload::LoginFailed(failed)) => {
            add(&failed.user);
            address(&failed.remote_address);
        }
        Some(Payload::AccountSwitch(switch)) => {
            add(&switch.from);
            add(&switch.to);
        }
        _ => {}
    }
    Fields::new().list("user", list(users)).list("ip", list(addresses))
}

fn list(texts: BTreeSet<String>) -> Vec<Value> {
    texts.into_iter().map(Value::from).collect()
}

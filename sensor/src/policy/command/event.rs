//! An event from the words of a command line.

use std::net::IpAddr;

use activity_proto::v1::{
    Accept, Access, Attribution, Chmod, Chown, Connect, Credentials, Event, EventType, Exec, ExecMapping,
    Exit, Family, FileReceive, Link, Listen, Login, Mount, Open, Outcome, PathSource, Place, Process, Rename,
    Session, Socket, Unlink, event::Payload,
};

use crate::{
    cli::{ExplainArgs, FileKindArg, ObjectArgs, WhoArgs},
    enrich::ancestry::Ancestry,
    failure::Failure,
    identity::SESSION_KINDS,
    policy::words::uid_of,
};

/// What stands in an event for a file of some kind.
const REGULAR: u32 = 0o100_644;
const DIRECTORY: u32 = 0o040_755;
const CHARACTER_DEVICE: u32 = 0o020_666;
const SOCKET: u32 = 0o140_777;

/// The event that the arguments describe, and what led to its program. `host` is
/// the mount namespace of the host.
///
/// # Errors
/// When they name something that there is not.
pub fn event(args: &ExplainArgs, host: Option<u32>) -> Result<(Event, Ancestry), Failure> {
    let who = &args.who;
    let login = who.user.as_deref().filter(|user| *user != "unset").map(user).transpose()?;
    let uid = who.uid.as_deref().map(user).transpose()?.or(login).unwrap_or(0);
    let gid = who.gid.unwrap_or(uid);
    let exe = who.exe.clone().or_else(|| program(args)).unwrap_or_default();
    let event = Event {
        process: Some(Process { pid: 1, exe: exe.into(), ..Process::default() }),
        credentials: Some(Credentials { uid, euid: uid, gid, egid: gid, ..Credentials::default() }),
        login: Some(Login {
            auid: login,
            tty: who.tty.clone().unwrap_or_default().into(),
            ..Login::default()
        }),
        attribution: Some(Attribution { uid: login, ..Attribution::default() }),
        session: session(who)?,
        place: Some(Place {
            cgroup_path: who.cgroup.clone().unwrap_or_default().into(),
            mount_namespace: if who.container { host.map(|host| host.wrapping_add(1)) } else { host },
            ..Place::default()
        }),
        outcome: Some(Outcome { success: args.errno.is_none(), errno: args.errno }),
        payload: Some(payload(args)?),
        ..Event::default()
    };
    let ancestry =
        who.under.iter().fold(Ancestry::default(), |ancestry, exe| ancestry.and(exe.clone().into(), true));
    Ok((event, ancestry))
}

/// A program that is started is the one that acts from then on.
fn program(args: &ExplainArgs) -> Option<String> {
    args.object.path.clone().filter(|_| args.event_type == EventType::Exec && args.errno.is_none())
}

fn user(name: &str) -> Result<u32, Failure> {
    let uid = name.parse().ok().or_else(|| uid_of(name));
    uid.ok_or_else(|| Failure::usage(format!("there is no user {name:?}; give a name or a number")))
}

fn session(who: &WhoArgs) -> Result<Option<Session>, Failure> {
    match who.session.as_deref() {
        None | Some("none") => Ok(None),
        Some(kind) if SESSION_KINDS.contains(&kind) => {
            Ok(Some(Session { kind: kind.to_owned(), ..Session::default() }))
        }
        Some(kind) => Err(Failure::usage(format!(
            "there is no kind of session {kind:?}; there are {}, none",
            SESSION_KINDS.join(", ")
        ))),
    }
}

fn payload(args: &ExplainArgs) -> Result<Payload, Failure> {
    let object = &args.object;
    let path = object.path.clone().unwrap_or_default();
    let new_path = object.new_path.clone().unwrap_or_default().into();
    // What failed is known by the caller's word only.
    let failed = args.errno.is_some();
    let path_source = if failed { PathSource::KernelCopy } else { PathSource::Kernel }.into();
    let mode = (!failed).then(|| mode(object.file_kind));
    let unreachable = object.unnamed;
    let access = access(object);
    Ok(match args.event_type {
        EventType::Exec => Payload::Exec(Exec { filename: path.into(), ..Exec::default() }),
        EventType::Exit => Payload::Exit(Exit::default()),
        EventType::Open => Payload::Open(Open {
            path: path.into(),
            path_source,
            access,
            mode,
            unreachable,
            ..Open::default()
        }),
        EventType::FileReceive => Payload::FileReceive(FileReceive {
            path: path.into(),
            path_source,
            access,
            mode,
            unreachable,
            ..FileReceive::default()
        }),
        EventType::ExecMapping => Payload::ExecMapping(ExecMapping {
            path: path.into(),
            path_source,
            mode,
            unreachable,
            ..ExecMapping::default()
        }),
        EventType::Rename => {
            Payload::Rename(Rename { path: path.into(), new_path, path_source, ..Rename::default() })
        }
        EventType::Link => {
            Payload::Link(Link { path: path.into(), new_path, path_source, ..Link::default() })
        }
        EventType::Unlink => Payload::Unlink(Unlink { path: path.into(), path_source, ..Unlink::default() }),
        EventType::Chmod => Payload::Chmod(Chmod { path: path.into(), path_source, ..Chmod::default() }),
        EventType::Chown => Payload::Chown(Chown { path: path.into(), path_source, ..Chown::default() }),
        EventType::Mount => Payload::Mount(Mount { path: path.into(), path_source, ..Mount::default() }),
        EventType::Connect | EventType::Listen | EventType::Accept | EventType::Socket => {
            network(args.event_type, object)
        }
        EventType::CredentialChange => Payload::CredentialChange(Default::default()),
        EventType::LoginuidSet => Payload::LoginuidSet(Default::default()),
        EventType::Ptrace => Payload::Ptrace(Default::default()),
        EventType::BpfLoad => Payload::BpfLoad(Default::default()),
        EventType::ModuleLoad => Payload::ModuleLoad(Default::default()),
        EventType::Tamper => Payload::Tamper(Default::default()),
        EventType::Unspecified
        | EventType::Gap
        | EventType::Status
        | EventType::SessionStart
        | EventType::SessionUpdate
        | EventType::SessionEnd
        | EventType::LoginFailed
        | EventType::AccountSwitch
        | EventType::Heartbeat
        | EventType::Silence => {
            let name = args.event_type.short_name();
            return Err(Failure::usage(format!(
                "{name} is what the sensor says by itself, no rule decides about it; give another --type"
            )));
        }
    })
}

fn network(event_type: EventType, object: &ObjectArgs) -> Payload {
    let family = match object.address {
        Some(IpAddr::V4(_)) => Family::Inet,
        Some(IpAddr::V6(_)) => Family::Inet6,
        None => Family::Unix,
    };
    let (family, port) = (family.into(), object.port);
    let address = object.address.map(|address| address.to_string()).unwrap_or_default();
    let path = object.path.clone().unwrap_or_default().into();
    match event_type {
        EventType::Listen => Payload::Listen(Listen { family, address, port, path, ..Listen::default() }),
        EventType::Accept => {
            Payload::Accept(Accept { family, address, local_port: port, path, ..Accept::default() })
        }
        EventType::Socket => Payload::Socket(Socket { family: Family::Packet.into(), ..Socket::default() }),
        _ => Payload::Connect(Connect { family, address, port, path, ..Connect::default() }),
    }
}

fn mode(kind: FileKindArg) -> u32 {
    match kind {
        FileKindArg::Regular => REGULAR,
        FileKindArg::Directory => DIRECTORY,
        FileKindArg::CharacterDevice => CHARACTER_DEVICE,
        FileKindArg::Socket => SOCKET,
    }
}

fn access(object: &ObjectArgs) -> Vec<i32> {
    let given = object.access.iter().map(|access| i32::from(*access));
    if object.access.is_empty() { vec![Access::Read.into()] } else { given.collect() }
}

//! OCSF 1.8: one class of it for each type of event.
//!
//! | our type | class and activity |
//! |---|---|
//! | exec, exit | 1007 Process Activity: 1 Launch, 2 Terminate |
//! | open, file_receive | 1001 File System Activity: 14 Open; made 1 Create, emptied 3 Update |
//! | rename, link, unlink | 1001: 5 Rename, 1 Create, 4 Delete |
//! | chmod, chown | 1001: 7 Set Security |
//! | mount | 1001: 12 Mount, 13 Unmount, 99 when it is moved |
//! | connect | 4001 Network Activity: 1 Open, 4 Fail, 5 Refuse |
//! | listen, accept, socket | 4001: 7 Listen, 1 Open (inbound), 99 |
//! | credential_change, loginuid_set | 1007: 5 Set User ID |
//! | ptrace | 1007: 3 Open, 4 Inject when memory is written |
//! | bpf_load, module_load | 1002 Kernel Extension Activity: 1 Load |
//! | exec_mapping | 1005 Module Activity: 1 Load |
//! | session_start, session_end, session_update | 3002 Authentication: 1 Logon, 2 Logoff, 99 |
//! | login_failed | 3002: 1 Logon, status Failure |
//! | account_switch | 3002: 7 Account Switch |
//! | status, heartbeat, gap, silence, tamper | 6002 Application Lifecycle: 99; 4 Stop for a last heartbeat |
//! | of a newer sensor | 0 Base Event |
//!
//! The version is 1.8.0, whose schema refuses attributes that it does not know; the profiles
//! are `host`, `linux/linux_users`, `container` and `datetime`.

mod application;
mod authentication;
mod file;
mod network;
mod objects;
mod process;
mod system;

use activity_proto::v1::{Event, event::Payload};
use serde_json::Value;

pub(crate) use application::{gap_message, silence_message, tamper_message};

use crate::{
    Severity,
    fields::{Fields, milliseconds},
    own::Own,
};

const PROFILES: [&str; 4] = ["host", "linux/linux_users", "container", "datetime"];
pub(crate) const SCHEMA: &str = "1.8.0";

/// Classes by their uid; the category is its thousands.
#[derive(Clone, Copy)]
enum Class {
    Base = 0,
    File = 1001,
    KernelExtension = 1002,
    Module = 1005,
    Process = 1007,
    Authentication = 3002,
    Network = 4001,
    Application = 6002,
}

impl Class {
    /// Whether the schema asks for an actor.
    fn needs_actor(self) -> bool {
        match self {
            Self::File | Self::KernelExtension | Self::Module | Self::Process => true,
            Self::Base | Self::Authentication | Self::Network | Self::Application => false,
        }
    }
}

/// What was done, in the terms of a class.
struct Act {
    class: Class,
    activity: u32,
    /// Its caption; of activity 99 the name that says what it is.
    name: &'static str,
    /// Attributes of the class; they go before those that all classes have.
    body: Fields,
}

impl Act {
    fn new(class: Class, activity: u32, name: &'static str, body: Fields) -> Self {
        Self { class, activity, name, body }
    }
}

/// An event as OCSF.
#[must_use]
pub fn ocsf(event: &Event) -> Value {
    let act = act(event);
    let own = Own::new(event);
    let class = act.class as u32;
    let error = own.error();
    let time = own.time();
    Fields::new()
        .put("class_uid", class)
        .put("category_uid", class / 1000)
        .put("activity_id", act.activity)
        .put("activity_name", act.name)
        .put("type_uid", class * 100 + act.activity)
        .put("severity_id", Severity::of(event).ocsf())
        .put("time", milliseconds(event.time.as_ref()))
        .some("time_dt", time)
        .some("status_id", event.outcome.as_ref().map(|outcome| if outcome.success { 1 } else { 2 }))
        .some("status_code", error)
        .some("count", event.count)
        .put("metadata", objects::metadata(event))
        .put("device", objects::device(event))
        .object("actor", objects::actor(event, act.class.needs_actor()))
        .and(act.body)
        .object("unmapped", own.rest())
        .into()
}

fn act(event: &Event) -> Act {
    let Some(payload) = &event.payload else {
        return Act::new(Class::Base, 0, "Unknown", Fields::new());
    };
    match payload {
        Payload::Exec(exec) => process::exec(event, exec),
        Payload::Exit(exit) => process::exit(event, exit),
        Payload::CredentialChange(change) => process::credentials(event, change),
        Payload::LoginuidSet(set) => process::loginuid(event, set),
        Payload::Ptrace(ptrace) => process::ptrace(ptrace),
        Payload::Open(open) => file::open(open),
        Payload::FileReceive(received) => file::receive(received),
        Payload::Rename(rename) => file::rename(rename),
        Payload::Link(link) => file::link(link),
        Payload::Unlink(unlink) => file::unlink(unlink),
        Payload::Chmod(chmod) => file::chmod(chmod),
        Payload::Chown(chown) => file::chown(chown),
        Payload::Mount(mount) => file::mount(mount),
        Payload::Connect(connect) => network::connect(event, connect),
        Payload::Listen(listen) => network::listen(event, listen),
        Payload::Accept(accept) => network::accept(event, accept),
        Payload::Socket(socket) => network::socket(event, socket),
        Payload::BpfLoad(load) => system::bpf(load),
        Payload::ModuleLoad(load) => system::module(load),
        Payload::ExecMapping(mapping) => system::mapping(mapping),
        Payload::SessionStart(start) => authentication::start(event, start),
        Payload::SessionUpdate(_) => authentication::update(event),
        Payload::SessionEnd(end) => authentication::end(event, end),
        Payload::LoginFailed(failed) => authentication::failed(event, failed),
        Payload::AccountSwitch(switch) => authentication::switch(event, switch),
        Payload::Status(status) => application::status(status),
        Payload::Heartbeat(heartbeat) => application::heartbeat(heartbeat),
        Payload::Gap(gap) => application::gap(gap),
        Payload::Silence(silence) => application::silence(silence),
        Payload::Tamper(tamper) => application::tamper(tamper),
    }
}

//! 1007 Process Activity.

use activity_proto::v1::{CredentialChange, Event, Exec, Exit, LoginuidSet, Ptrace, PtraceOperation};
use serde_json::Value;

use super::{Act, Class, objects};
use crate::fields::{Fields, milliseconds};

/// `launch_type_id` of a program that takes the place of another in its process.
const EXEC: u32 = 3;
const OTHER: u32 = 99;

pub fn exec(event: &Event, exec: &Exec) -> Act {
    let launched = event.outcome.as_ref().is_none_or(|outcome| outcome.success);
    let body = if launched { succeeded(event, exec) } else { refused(event, exec) };
    Act::new(Class::Process, 1, "Launch", body.put("launch_type_id", EXEC))
}

/// The parent is the actor where it is known.
fn succeeded(event: &Event, exec: &Exec) -> Fields {
    let variables = exec.preload.iter().map(|variable| {
        let mut parts = variable.splitn(2, |&byte| byte == b'=');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let both = Fields::new().put("name", "").put("value", "").text("name", name).text("value", value);
        Value::from(both)
    });
    let process = objects::process(event).list("environment_variables", variables.collect());
    let body = Fields::new().put("process", process);
    let parent = event.process.as_ref().map(objects::parent).unwrap_or_default();
    if parent.is_empty() {
        return body;
    }
    body.put("actor", Fields::new().put("process", parent).object("session", objects::session(event)))
}

/// What did not start has the number of who asked for it.
fn refused(event: &Event, exec: &Exec) -> Fields {
    let caller = event.process.clone().unwrap_or_default();
    let wanted = activity_proto::v1::Process { pid: caller.pid, uid: caller.uid, ..Default::default() };
    let process = objects::plain_process(&wanted)
        .text("path", &exec.filename)
        .put("file", objects::file(&exec.filename, 0, None, None))
        .object("parent_process", objects::parent(&event.process.clone().unwrap_or_default()));
    Fields::new().put("process", process)
}

pub fn exit(event: &Event, exit: &Exit) -> Act {
    let process = objects::process(event)
        .some("terminated_time", event.time.as_ref().map(|time| milliseconds(Some(time))));
    let body = Fields::new()
        .some("exit_code", exit.code)
        .put("duration", exit.duration_ns / 1_000_000)
        .put("process", process);
    Act::new(Class::Process, 2, "Terminate", body)
}

pub fn credentials(event: &Event, change: &CredentialChange) -> Act {
    let mut process = objects::process(event);
    if let Some(new) = &change.new {
        process = process
            .put("user", Fields::new().put("uid", new.uid.to_string()))
            .put("euid", new.euid)
            .put("egid", new.egid)
            .put("group", Fields::new().put("uid", new.gid.to_string()));
    }
    Act::new(Class::Process, 5, "Set User ID", Fields::new().put("process", process))
}

pub fn loginuid(event: &Event, set: &LoginuidSet) -> Act {
    let process = objects::process(event).some("auid", set.new_auid);
    Act::new(Class::Process, 5, "Set User ID", Fields::new().put("process", process))
}

pub fn ptrace(ptrace: &Ptrace) -> Act {
    let target = ptrace.target.clone().unwrap_or_default();
    let body = Fields::new()
        .put("process", objects::plain_process(&target).object("parent_process", objects::parent(&target)));
    if ptrace.operation == PtraceOperation::MemoryWrite as i32 {
        let how = body.put("injection_type_id", OTHER).put("injection_type", "process_vm_writev");
        return Act::new(Class::Process, 4, "Inject", how);
    }
    Act::new(Class::Process, 3, "Open", body)
}

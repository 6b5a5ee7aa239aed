//! 3002 Authentication.

use std::net::IpAddr;

use activity_proto::v1::{Event, LoginFailed, SessionEnd, SessionStart, Switch};

use super::{Act, Class, objects};
use crate::fields::Fields;

const OTHER: u32 = 99;
const SUBSTITUTE_USER: u32 = 1;
const FAILURE: u32 = 2;

pub fn start(event: &Event, start: &SessionStart) -> Act {
    let body = session(event).put("is_new_logon", !start.existing).put("status_id", 1);
    Act::new(Class::Authentication, 1, "Logon", body)
}

pub fn update(event: &Event) -> Act {
    Act::new(Class::Authentication, OTHER, "Session Update", session(event))
}

pub fn end(event: &Event, end: &SessionEnd) -> Act {
    let body = session(event).some("duration", end.duration_ns.map(|duration| duration / 1_000_000));
    Act::new(Class::Authentication, 2, "Logoff", body)
}

/// The session of an event: who, by what door, from where.
fn session(event: &Event) -> Fields {
    let session = event.session.clone().unwrap_or_default();
    let user = Fields::new().text("name", &session.user).some("uid", session.uid.map(|uid| uid.to_string()));
    let logon = logon_type(&session.kind);
    body(event, user, &session.kind)
        .object("src_endpoint", source(&session.remote_address, session.remote_port))
        .put("logon_type_id", logon)
        .put("is_remote", !session.remote_address.is_empty())
        .and(method(&session.auth_method))
        .object("session", objects::session(event))
}

pub fn failed(event: &Event, failed: &LoginFailed) -> Act {
    let user = Fields::new().text("name", &failed.user);
    let reason = if failed.invalid_user { "there is no such user" } else { "" };
    let comm = event.process.as_ref().map(|process| process.comm.clone()).unwrap_or_default();
    let body = body(event, user, "login")
        .put("service", Fields::new().put("name", "login").text("name", &comm))
        .object("src_endpoint", source(&failed.remote_address, failed.remote_port))
        .put("is_remote", !failed.remote_address.is_empty())
        .and(method(&failed.auth_method))
        .put("status_id", FAILURE)
        .text("status_detail", reason);
    Act::new(Class::Authentication, 1, "Logon", body)
}

pub fn switch(event: &Event, switch: &Switch) -> Act {
    let body = body(event, Fields::new().text("name", &switch.to), &switch.by)
        .put("account_switch_type_id", SUBSTITUTE_USER)
        .put("account_switch_type", "Substitute User")
        .object("session", objects::session(event));
    Act::new(Class::Authentication, 7, "Account Switch", body)
}

fn body(event: &Event, user: Fields, service: &str) -> Fields {
    let user = if user.is_empty() { user.put("name", "unknown") } else { user };
    Fields::new()
        .put("user", user)
        .put("service", Fields::new().put("name", "unknown").text("name", service))
        .object("dst_endpoint", Fields::new().text("hostname", &event.host))
}

fn source(address: &str, port: Option<u32>) -> Fields {
    if address.is_empty() {
        return Fields::new();
    }
    let key = if address.parse::<IpAddr>().is_ok() { "ip" } else { "name" };
    Fields::new().text(key, address).some("port", port.filter(|&port| port <= u32::from(u16::MAX)))
}

/// How somebody proved who they are, in the words of the login program.
fn method(method: &str) -> Fields {
    if method.is_empty() {
        return Fields::new();
    }
    Fields::new().put("auth_protocol_id", OTHER).text("auth_protocol", method)
}

/// `logon_type_id` of a kind of session.
fn logon_type(kind: &str) -> u32 {
    match kind {
        "ssh" => 3,
        "console" | "graphical" => 2,
        "cron" | "at" => 4,
        "systemd" | "service" | "run0" => 5,
        "" | "unknown" => 0,
        _ => OTHER,
    }
}

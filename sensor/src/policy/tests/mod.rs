//! Events, and policies to judge them.

mod builtin;
mod reach;
mod rules;
mod wrong;

use activity_proto::v1::{
    Access, Connect, Event, Family, Login, Open, Outcome, PathSource, Process, event::Payload,
};
use rustix::io::Errno;

use super::*;
use crate::config::Config;

const S_IFREG: u32 = 0o100_644;
const S_IFDIR: u32 = 0o040_755;
const S_IFCHR: u32 = 0o020_666;

/// The host's mount namespace.
const HOST: u32 = 4_026_531_841;

fn config(text: &str) -> PolicyConfig {
    Config::parse(text, "test.toml".as_ref()).unwrap().policy
}

fn policy(rules: &str) -> Policy {
    Policy::new(&config(rules), Some(HOST)).unwrap()
}

/// The name of the rule that decides.
fn rule<'a>(policy: &'a Policy, event: &Event) -> &'a str {
    rule_under(policy, event, &Ancestry::default())
}

fn rule_under<'a>(policy: &'a Policy, event: &Event, ancestry: &Ancestry) -> &'a str {
    policy.rule_for(Act::of(event, ancestry)).map_or("", |(_, rule)| rule.name.as_str())
}

fn event(payload: impl Into<Option<Payload>>) -> Event {
    Event {
        process: Some(Process { pid: 42, exe: "/usr/bin/cat".into(), ..Default::default() }),
        login: Some(Login { auid: Some(1001), ..Default::default() }),
        outcome: Some(Outcome { success: true, errno: None }),
        payload: payload.into(),
        ..Default::default()
    }
}

fn open_as(path: &str, access: &[Access], mode: u32) -> Event {
    event(Payload::Open(Open {
        path: path.to_owned().into(),
        path_source: PathSource::Fd as i32,
        access: access.iter().map(|access| *access as i32).collect(),
        mode: Some(mode),
        ..Default::default()
    }))
}

fn open(path: &str) -> Event {
    open_as(path, &[Access::Read], S_IFREG)
}

fn connect(path: &str) -> Event {
    event(Payload::Connect(Connect {
        family: Family::Unix as i32,
        path: path.to_owned().into(),
        ..Default::default()
    }))
}

fn failed(mut event: Event, errno: Errno) -> Event {
    event.outcome = Some(Outcome { success: false, errno: Some(errno.raw_os_error().unsigned_abs()) });
    if let Some(Payload::Open(open)) = &mut event.payload {
        open.path_source = PathSource::User as i32;
        open.mode = None;
    }
    event
}

fn opened(event: &mut Event) -> &mut Open {
    match &mut event.payload {
        Some(Payload::Open(open)) => open,
        other => panic!("not an open: {other:?}"),
    }
}

//! Login uids that nobody logged in for.

use std::{fs, fs::File};

use rustix::{
    process::{DumpableBehavior, set_dumpable_behavior},
    thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};
use serde_json::json;

use crate::{Act, Scene, sys, tell};

pub const ACTS: &[(&str, Act)] = &[("forged-login", forged), ("claimed-login", claimed)];

const UNSET: u32 = u32::MAX;

/// Leaves root for good. Only where this process has one thread.
pub fn become_user(uid: u32) {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    set_thread_groups(&[]).unwrap();
    set_thread_res_gid(group, group, group).unwrap();
    set_thread_res_uid(user, user, user).unwrap();
}

/// The login uid of this process, if it has one.
pub fn login_uid() -> Option<u32> {
    let text = fs::read_to_string("/proc/self/loginuid").ok()?;
    text.parse().ok().filter(|uid| *uid != UNSET)
}

/// Opens a file as somebody else, and tells what must be known of that.
fn open_as(scene: &Scene, old: Option<u32>, new: u32, child: u32) {
    let mut event = json!({
        "type": "loginuid_set",
        "process": { "pid": child },
        "credentials": {},
        "loginuidSet": { "newAuid": new },
    });
    if let Some(old) = old {
        event["loginuidSet"]["oldAuid"] = old.into();
    }
    tell::expect(event);
    let metadata = fs::metadata(scene.path("secret")).unwrap();
    let mut event = tell::opened_object(&metadata);
    event["process"] = json!({ "pid": child });
    event["credentials"] = json!({});
    tell::expect(event.clone());
    // It is not known to be that person's doing.
    event["attribution"] = json!({ "uid": new, "confidence": "high" });
    tell::never(&event);
    tell::truth(&format!("{} set by a process", tell::text(&scene.path("secret"))));
}

/// Root gives a child somebody else's login uid.
fn forged(scene: &Scene) {
    let file = scene.file("secret");
    let old = scene.login_uid.unwrap_or_else(|| tell::cannot("this kernel has no login uid"));
    let new = old - 0x1000_0000;
    tell::forged(new);
    let child = sys::fork(|| {
        if let Err(error) = fs::write("/proc/self/loginuid", new.to_string()) {
            tell::cannot(format_args!("loginuid: {error}"));
        }
        drop(File::open(&file).unwrap());
    });
    tell::pid(child);
    sys::wait(child);
    open_as(scene, Some(old), new, child);
}

/// A process without rights for which nobody has logged in says that somebody
/// has. Argument: who.
fn claimed(scene: &Scene) {
    if scene.login_uid.is_some() {
        tell::cannot("the tests were started from a login, which cannot be undone");
    }
    let file = scene.file("secret");
    let new = u32::try_from(scene.number(0)).unwrap();
    tell::forged(new);
    let child = sys::fork(|| {
        become_user(65_534);
        // The directory of /proc is root's after that.
        set_dumpable_behavior(DumpableBehavior::Dumpable).unwrap();
        if let Err(error) = fs::write("/proc/self/loginuid", new.to_string()) {
            tell::cannot(format_args!("loginuid: {error}"));
        }
        drop(File::open(&file).unwrap());
    });
    tell::pid(child);
    sys::wait(child);
    open_as(scene, None, new, child);
}

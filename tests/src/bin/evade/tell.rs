//! What the test is told.

use std::{
    fs::{File, Metadata},
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
    process,
};

use activity_proto::json::escape_bytes;
use serde_json::{Value, json};

fn line(value: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}").unwrap();
    out.flush().unwrap();
}

/// A process that takes part.
pub fn pid(pid: u32) {
    line(&json!({ "pid": pid }));
}

/// What this process and its children did before was preparation.
pub fn begin() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    line(&json!({ "begin": now.tv_sec * 1_000_000_000 + now.tv_nsec }));
}

/// The login uid that somebody gave themselves.
pub fn forged(auid: u32) {
    line(&json!({ "forged": auid }));
}

/// One of these must be reported.
pub fn expect_one_of(events: Vec<Value>) {
    let events: Vec<_> = events.into_iter().map(complete).collect();
    line(&json!({ "expect": events }));
}

/// Which of two paths each of many opens really was, in their order.
pub fn sequence(truth: &str, paths: [&Path; 2]) {
    line(&json!({ "sequence": truth, "of": paths.map(text) }));
}

/// This must be reported. Unless it says otherwise, of this process with the
/// credentials of this thread.
pub fn expect(event: Value) {
    line(&json!({ "expect": complete(event) }));
}

/// This must be reported that often.
pub fn expect_times(event: Value, times: usize) {
    line(&json!({ "expect": complete(event), "times": times }));
}

/// This would be wrong.
pub fn never(event: &Value) {
    line(&json!({ "never": event }));
}

/// A path of this file, so that another path with it, or this path with
/// another file, is known for wrong.
pub fn named(path: &Path, of: &Metadata) {
    line(&json!({ "named": { "path": text(path), "inode": of.ino(), "device": device(of) } }));
}

/// What a listener on system calls would have to have seen.
pub fn truth(text: &str) {
    line(&json!({ "truth": text }));
}

/// That was all.
pub fn done() {
    line(&json!({ "done": true }));
}

/// The act is not possible here.
pub fn cannot(why: impl std::fmt::Display) -> ! {
    line(&json!({ "cannot": why.to_string() }));
    done();
    process::exit(0);
}

/// A successful open of this file by this path.
pub fn opened(path: &Path, of: &Metadata) -> Value {
    let mut event = opened_object(of);
    event["open"]["path"] = text(path).into();
    event
}

/// A successful open of this file by any path.
pub fn opened_object(of: &Metadata) -> Value {
    json!({
        "type": "open",
        "open": { "inode": of.ino(), "device": device(of) },
        "outcome": { "success": true },
    })
}

/// Tells that a file was opened: by its own path, which is also what a
/// listener would have to know.
pub fn open_of(path: &Path, file: &File) {
    let metadata = file.metadata().unwrap();
    expect(opened(path, &metadata));
    named(path, &metadata);
    truth(&text(path));
}

/// A path as events have it.
pub fn text(path: &Path) -> String {
    escape_bytes(path.as_os_str().as_bytes()).into_owned()
}

/// A device as events have it.
pub fn device(of: &Metadata) -> String {
    format!("{}:{}", libc::major(of.dev()), libc::minor(of.dev()))
}

fn complete(mut event: Value) -> Value {
    if event["process"]["pid"].is_null() {
        event["process"]["pid"] = process::id().into();
    }
    if event["credentials"].is_null() {
        let (uid, euid) = (rustix::process::getuid().as_raw(), rustix::process::geteuid().as_raw());
        event["credentials"] = json!({ "uid": uid, "euid": euid });
    }
    event
}

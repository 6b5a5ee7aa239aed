//! The processes that ran before the sensor, from /proc. Read once; whatever
//! comes later is told by the hooks.

use std::{fs, os::unix::ffi::OsStringExt as _, path::Path};

use bytes::Bytes;
use sensor_types::header::UNSET;

use super::{
    image::Image,
    processes::{ProcessId, Processes, TICK_NS},
};
use crate::{
    decode::redact::Redactor,
    identity::{Found, who_from_proc},
};

/// `ppid` and `starttime` of proc_pid_stat(5), counted from the field after the
/// name.
const PARENT_FIELD: usize = 1;
const START_FIELD: usize = 19;

/// What /proc puts behind the path of an image that was unlinked.
const DELETED: &[u8] = b" (deleted)";

/// Puts every process of /proc into the table, and tells whose they are. One
/// that ends meanwhile is left out.
pub fn from_proc(processes: &mut Processes, redactor: &Redactor) -> Vec<Found> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut all = Vec::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let directory = entry.path();
        let Some((parent, start_ticks)) = parent_and_start(&directory) else { continue };
        let Some(real_uid) = real_uid(&directory) else { continue };
        let id = ProcessId { pid, start_ns: start_ticks.saturating_mul(TICK_NS) };
        all.push((start_ticks, parent, directory.clone(), Found { id, real_uid, login: login(&directory) }));
    }
    for (start_ticks, parent, directory, found) in &all {
        let parent = all.iter().map(|(.., of)| of.id).find(|id| id.pid == *parent);
        let who = who_from_proc(parent, found.login.map(|(_, session)| session));
        processes.seeded(found.id.pid, *start_ticks, image(directory, redactor), who);
    }
    processes.seeded_all();
    all.into_iter().map(|(.., found)| found).collect()
}

/// Parent's number, and the start in ticks.
fn parent_and_start(directory: &Path) -> Option<(u32, u64)> {
    let stat = fs::read(directory.join("stat")).ok()?;
    // The name stands in parentheses and may hold any byte.
    let after_name = stat.get(stat.iter().rposition(|&byte| byte == b')')? + 2..)?;
    let field = |number| std::str::from_utf8(after_name.split(|&byte| byte == b' ').nth(number)?).ok();
    Some((field(PARENT_FIELD)?.parse().ok()?, field(START_FIELD)?.parse().ok()?))
}

/// The first number of `Uid:` in proc_pid_status(5).
fn real_uid(directory: &Path) -> Option<u32> {
    let status = fs::read(directory.join("status")).ok()?;
    let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
    std::str::from_utf8(line).ok()?.split_whitespace().next()?.parse().ok()
}

/// Login uid and audit session, where they are set.
fn login(directory: &Path) -> Option<(u32, u32)> {
    let read = |name| fs::read_to_string(directory.join(name)).ok()?.trim().parse::<u32>().ok();
    let uid = read("loginuid").filter(|uid| *uid != UNSET)?;
    Some((uid, read("sessionid").filter(|session| *session != UNSET)?))
}

fn image(directory: &Path, redactor: &Redactor) -> Image {
    let link = |name| {
        fs::read_link(directory.join(name))
            .map(|path| Bytes::from(path.into_os_string().into_vec()))
            .unwrap_or_default()
    };
    let memory = fs::read(directory.join("cmdline")).unwrap_or_default();
    let memory = memory.strip_suffix(b"\0").unwrap_or(&memory);
    let mut argv: Vec<Bytes> = if memory.is_empty() {
        Vec::new()
    } else {
        memory.split(|&byte| byte == 0).map(Bytes::copy_from_slice).collect()
    };
    let mut exe = link("exe");
    let deleted = exe.ends_with(DELETED);
    if deleted {
        exe.truncate(exe.len() - DELETED.len());
    }
    redactor.redact_argv(&exe, &mut argv);
    Image::from_proc(exe, deleted, &argv, link("cwd"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RedactionConfig;
    use activity_proto::v1::Process;

    #[test]
    fn this_process_is_found_with_its_program_its_parent_and_its_user() {
        let mut processes = Processes::default();
        let all = from_proc(&mut processes, &Redactor::new(&RedactionConfig::default()).unwrap());
        let pid = std::process::id();
        let found = all.iter().find(|found| found.id.pid == pid).unwrap();
        assert_eq!(found.real_uid, rustix::process::getuid().as_raw());
        let parent = processes.get(found.id).unwrap().who.parent.unwrap();
        assert_eq!(parent.pid, std::os::unix::process::parent_id());
        let mut process = Process { pid, start_boottime_ns: found.id.start_ns, ..Process::default() };
        processes.describe(0, &mut process);
        let exe = std::env::current_exe().unwrap();
        assert_eq!(process.exe, Bytes::from(exe.into_os_string().into_vec()));
    }
}

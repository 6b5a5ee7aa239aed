//! The processes that ran before the sensor, from /proc. Read once; whatever
//! comes later is told by the hooks.

use std::{fs, os::unix::ffi::OsStringExt as _, path::Path};

use bytes::Bytes;

use super::processes::{Image, Processes};
use crate::decode::redact::Redactor;

/// `starttime` of proc_pid_stat(5), counted from the field after the name.
const START_FIELD: usize = 19;

/// What /proc puts behind the path of an image that was unlinked.
const DELETED: &[u8] = b" (deleted)";

/// Puts every process of /proc into the table. One that ends meanwhile is
/// left out.
pub fn from_proc(processes: &mut Processes, redactor: &Redactor) {
    let Ok(entries) = fs::read_dir("/proc") else { return };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(start) = start_ticks(&entry.path()) {
            processes.seeded(pid, start, image(&entry.path(), redactor));
        }
    }
}

fn start_ticks(directory: &Path) -> Option<u64> {
    let stat = fs::read(directory.join("stat")).ok()?;
    // The name stands in parentheses and may hold any byte.
    let after_name = stat.get(stat.iter().rposition(|&byte| byte == b')')? + 2..)?;
    let field = after_name.split(|&byte| byte == b' ').nth(START_FIELD)?;
    std::str::from_utf8(field).ok()?.parse().ok()
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
    fn this_process_is_found_with_its_program() {
        let mut processes = Processes::default();
        from_proc(&mut processes, &Redactor::new(&RedactionConfig::default()).unwrap());
        let pid = std::process::id();
        let ticks = start_ticks(Path::new("/proc/self")).unwrap();
        let mut process = Process { pid, start_boottime_ns: ticks * 10_000_000, ..Process::default() };
        processes.describe(0, &mut process);
        let exe = std::env::current_exe().unwrap();
        assert_eq!(process.exe, Bytes::from(exe.into_os_string().into_vec()));
    }
}

//! The last column: what was acted on.

mod credentials;
mod file;
mod network;
mod process;
mod session;
mod system;

use activity_proto::v1::{Event, PathSource, Process, event::Payload};

use super::quote::word;

/// What was acted on, in parts that give way one after another where there
/// is not enough room.
#[derive(Debug, Default)]
pub struct Object {
    /// How a process ended; always shown.
    pub lead: String,
    /// The object itself; its middle gives way.
    pub body: String,
    /// How much of what is kept of the body is its end, per cent.
    pub keep_end: usize,
    /// Remarks on the body; always shown.
    pub marks: String,
    /// What is good to know; gives way first.
    pub hint: String,
}

impl Object {
    /// The object of an act; none for what is not an act.
    pub fn of(event: &Event) -> Option<Self> {
        let process = event.process.as_ref();
        let failed = event.outcome.is_some_and(|outcome| !outcome.success);
        let mut object = match event.payload.as_ref()? {
            Payload::Exec(exec) if failed => process::refused(exec, process),
            Payload::Exec(exec) => process::exec(exec, process),
            Payload::Exit(exit) => process::exit(exit, process),
            Payload::Open(open) => file::open(open, process),
            Payload::FileReceive(received) => file::received(received, process),
            Payload::ExecMapping(mapping) => file::mapped(mapping, process),
            Payload::Rename(rename) => file::rename(rename, process),
            Payload::Link(link) => file::link(link, process),
            Payload::Unlink(unlink) => file::unlink(unlink, process),
            Payload::Chmod(chmod) => file::chmod(chmod, process),
            Payload::Chown(chown) => file::chown(chown, process),
            Payload::Mount(mount) => file::mount(mount, process),
            Payload::Connect(connect) => network::connect(connect, process),
            Payload::Listen(listen) => network::listen(listen, process),
            Payload::Accept(accept) => network::accept(accept, process),
            Payload::Socket(socket) => network::socket(socket),
            Payload::CredentialChange(change) => credentials::changed(change),
            Payload::LoginuidSet(set) => credentials::loginuid_set(set),
            Payload::Ptrace(ptrace) => system::ptrace(ptrace),
            Payload::BpfLoad(load) => system::bpf_load(load),
            Payload::ModuleLoad(load) => system::module_load(load),
            Payload::Tamper(tamper) => system::tamper(tamper),
            Payload::SessionStart(start) => session::start(start, event.session.as_ref()),
            Payload::SessionUpdate(_) => session::update(event.session.as_ref()),
            Payload::SessionEnd(end) => session::end(end, event.session.as_ref()),
            Payload::LoginFailed(failed) => session::failed(failed),
            Payload::AccountSwitch(switch) => session::switch(switch),
            Payload::Gap(_) | Payload::Status(_) | Payload::Heartbeat(_) | Payload::Silence(_) => {
                return None;
            }
        };
        object.push_cut_marks(event);
        if event.outcome.is_some_and(|outcome| outcome.success && outcome.errno.is_some()) {
            object.marks.push_str(" …");
            object.hint.push_str("in progress");
        }
        Some(object)
    }

    /// Says what is missing of the fields that this line shows.
    fn push_cut_marks(&mut self, event: &Event) {
        let shown: &[&str] = match &event.payload {
            Some(Payload::Exec(_)) => &["argv", "exe", "filename", "preload"],
            Some(Payload::Exit(_) | Payload::Ptrace(_)) => &["exe"],
            Some(_) => &["path", "newPath", "source"],
            None => &[],
        };
        for cut in &event.truncated {
            let field = cut.field.rsplit('.').next().unwrap_or_default();
            if !shown.contains(&field) {
                continue;
            }
            let mark = match (field, cut.full_length) {
                ("exe", None) => "[exe cut]".to_owned(),
                ("exe", Some(length)) => format!("[exe cut, {length} bytes]"),
                (_, None) => "[cut]".to_owned(),
                (_, Some(length)) => format!("[cut, {length} bytes]"),
            };
            self.marks.push('…');
            self.marks.push_str(&mark);
        }
    }
}

/// A path that the caller gave, below its working directory when it is
/// relative.
fn absolute(path: &[u8], process: Option<&Process>) -> String {
    let cwd = process.map_or(&b""[..], |process| &process.cwd);
    if path.starts_with(b"/") || path.is_empty() {
        return word(path);
    }
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let mut whole = if cwd.is_empty() { b".".to_vec() } else { cwd.to_vec() };
    if !whole.ends_with(b"/") {
        whole.push(b'/');
    }
    whole.extend_from_slice(path);
    word(&whole)
}

/// A path as the events have it: one that the caller gave below its working
/// directory, any other as it is. The kernel's names for what is in no
/// directory are no paths.
fn shown(path: &[u8], source: PathSource, process: Option<&Process>) -> String {
    match source {
        PathSource::User | PathSource::KernelCopy => absolute(path, process),
        PathSource::Unspecified | PathSource::Kernel | PathSource::Fd => word(path),
    }
}

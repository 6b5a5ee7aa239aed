//! The last column: what was acted on.

use activity_proto::v1::{
    Access, Connect, Event, Exec, Exit, Family, Open, PathSource, Process, Protocol, event::Payload,
};

use super::{
    quote::{push_word, word},
    signal::signal_name,
};

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
        let mut object = match &event.payload {
            Some(Payload::Exec(exec)) if failed => refused_exec(exec, process),
            Some(Payload::Exec(_)) => exec(process),
            Some(Payload::Exit(exit)) => self::exit(exit, process),
            Some(Payload::Open(open)) => self::open(open, process),
            Some(Payload::Connect(connect)) => self::connect(connect, process),
            Some(Payload::Gap(_) | Payload::Status(_)) | None => return None,
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
            Some(Payload::Exec(_)) => &["argv", "exe", "filename"],
            Some(Payload::Exit(_)) => &["exe"],
            Some(Payload::Open(_) | Payload::Connect(_)) => &["path"],
            Some(Payload::Gap(_) | Payload::Status(_)) | None => &[],
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

/// The program and its arguments. The program is the file that runs, never
/// the name its caller gave it; that is told beside it unless it is the same
/// or a shorter one, such as `python3` for `python3.12`.
fn exec(process: Option<&Process>) -> Object {
    let Some(process) = process else {
        return Object::default();
    };
    let mut body = String::with_capacity(128);
    push_exe(&mut body, process);
    let (name, arguments) =
        process.argv.split_first().map_or((&[][..], &[][..]), |(name, rest)| (&name[..], rest));
    if !base_name(&process.exe).starts_with(base_name(name)) {
        body.push_str(" [as ");
        push_word(&mut body, name);
        body.push(']');
    }
    for argument in arguments {
        body.push(' ');
        push_word(&mut body, argument);
    }
    let may_be_relative = |argument: &[u8]| !matches!(argument.first(), None | Some(b'/' | b'-'));
    let mut hint = String::new();
    if !process.cwd.is_empty() && arguments.iter().any(|argument| may_be_relative(argument)) {
        hint.push_str(" [in ");
        push_word(&mut hint, &process.cwd);
        hint.push(']');
    }
    Object { body, keep_end: 35, hint, ..Object::default() }
}

fn push_exe(text: &mut String, process: &Process) {
    if process.exe.is_empty() {
        text.push_str("[unknown program]");
    } else {
        push_word(text, &process.exe);
    }
    if process.memfd {
        text.push_str(" [memfd]");
    } else if process.deleted {
        text.push_str(" [deleted]");
    }
}

/// What was asked for: the process is still the caller.
fn refused_exec(exec: &Exec, process: Option<&Process>) -> Object {
    Object { body: absolute(&exec.filename, process), keep_end: 60, ..Object::default() }
}

fn exit(exit: &Exit, process: Option<&Process>) -> Object {
    let lead = match (exit.signal, exit.code) {
        (Some(signal), _) => signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned),
        (None, Some(code)) => format!("code {code}"),
        (None, None) => String::new(),
    };
    let mut body = String::new();
    if let Some(process) = process {
        push_exe(&mut body, process);
    }
    let hint = format!(" [ran {}]", duration(exit.duration_ns));
    Object { lead, body, keep_end: 60, hint, ..Object::default() }
}

/// Two figures are enough to see what took long.
fn duration(nanoseconds: u64) -> String {
    let milliseconds = nanoseconds / 1_000_000;
    let seconds = milliseconds / 1_000;
    let minutes = seconds / 60;
    if seconds == 0 {
        format!("{milliseconds} ms")
    } else if minutes == 0 {
        format!("{seconds}.{} s", milliseconds % 1_000 / 100)
    } else if minutes < 60 {
        format!("{minutes} min {} s", seconds % 60)
    } else {
        format!("{} h {} min", minutes / 60, minutes % 60)
    }
}

fn open(open: &Open, process: Option<&Process>) -> Object {
    let letters: String = open.access().map(access_letter).collect();
    let letters = if letters.is_empty() { "-" } else { &letters };
    let path = match open.path_source() {
        PathSource::User => absolute(&open.path, process),
        // The kernel's names for what is in no directory are shown as they are.
        PathSource::Unspecified | PathSource::Kernel | PathSource::Fd => word(&open.path),
    };
    let mut marks = String::new();
    if open.deleted {
        marks.push_str(" [deleted]");
    }
    if open.unreachable && open.path.starts_with(b"/") {
        marks.push_str(" [not in a mounted tree]");
    }
    Object { body: format!("{letters:<3} {path}"), keep_end: 60, marks, ..Object::default() }
}

fn access_letter(access: Access) -> char {
    match access {
        Access::Read => 'r',
        Access::Write => 'w',
        Access::Create => 'c',
        Access::Truncate => 't',
        Access::Append => 'a',
        Access::Path => 'p',
        Access::Unspecified => '?',
    }
}

fn connect(connect: &Connect, process: Option<&Process>) -> Object {
    let protocol = match connect.protocol() {
        Protocol::Unspecified => connect.family().short_name(),
        protocol => protocol.short_name(),
    };
    let body = match connect.family() {
        Family::Unix => format!("unix {}", unix_address(&connect.path, process)),
        Family::Inet | Family::Inet6 | Family::Unspecified => {
            let address = word(connect.address.as_bytes());
            let address = if address.contains(':') { format!("[{address}]") } else { address };
            let port = connect.port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("{protocol} {address}{port}")
        }
    };
    Object { body, keep_end: 60, ..Object::default() }
}

/// A path, `@name` for an abstract name.
fn unix_address(address: &[u8], process: Option<&Process>) -> String {
    match address {
        [] => "[unnamed]".to_owned(),
        [0, name @ ..] => {
            let mut text = "@".to_owned();
            push_word(&mut text, name);
            text
        }
        path => absolute(path, process),
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

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

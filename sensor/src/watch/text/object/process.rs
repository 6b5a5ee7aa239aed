//! Programs and their ends.

use activity_proto::v1::{Exec, Exit, Process};

use super::{
    super::{quote::push_word, signal::signal_name},
    Object, absolute,
};

/// The program and its arguments. The program is the file that runs, never
/// the name its caller gave it; that is told beside it unless it is the same
/// or a shorter one, such as `python3` for `python3.12`.
pub fn exec(exec: &Exec, process: Option<&Process>) -> Object {
    let Some(process) = process else {
        return Object::default();
    };
    let mut body = String::with_capacity(128);
    push_preload(&mut body, exec);
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

/// The libraries that are brought in, as a shell would set them. Where
/// libraries are looked for is told in JSON only: many set that in every shell.
fn push_preload(text: &mut String, exec: &Exec) {
    for variable in exec.preload.iter().filter(|variable| !variable.starts_with(b"LD_LIBRARY_PATH=")) {
        push_word(text, variable);
        text.push(' ');
    }
}

pub fn push_exe(text: &mut String, process: &Process) {
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
pub fn refused(exec: &Exec, process: Option<&Process>) -> Object {
    Object { body: absolute(&exec.filename, process), keep_end: 60, ..Object::default() }
}

pub fn exit(exit: &Exit, process: Option<&Process>) -> Object {
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

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

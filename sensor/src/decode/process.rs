//! Programs started, processes ended.

use activity_proto::v1::{self, Event, Interpreter, PathSource, event::Payload};
use bytes::Bytes;
use sensor_types::{
    process::{Exec, Exit},
    span::{CUT, Span, UNREACHABLE},
};

use super::{
    DecodeError, Details, environment,
    file::{device, inode, is_known},
    fixed, note_cut, outcome,
    path::{assemble, join},
    redact::Redactor,
    text,
};

/// A program was started, or could not be.
pub fn exec(
    record: &[u8],
    event: &mut Event,
    redactor: &Redactor,
    details: Details,
) -> Result<(), DecodeError> {
    let exec: Exec = fixed(record)?;
    let mut argv = split_arguments(text(record, &exec.argv)?, &exec.argv);
    let exe = assemble(text(record, &exec.exe)?, &exec.exe);
    let cwd = assemble(text(record, &exec.cwd)?, &exec.cwd);
    let filename = Bytes::copy_from_slice(text(record, &exec.filename)?);
    let interpreter = text(record, &exec.interpreter)?;

    for (field, span) in
        [("argv", &exec.argv), ("exe", &exec.exe), ("cwd", &exec.cwd), ("filename", &exec.filename)]
    {
        note_cut(event, field, span);
    }
    event.redacted = redactor.redact_argv(&exe, &mut argv);
    event.outcome = Some(outcome(exec.result));
    let mut preload = Vec::new();
    if details.preload {
        preload = environment::preload(text(record, &exec.environment)?, &exec.environment, event);
    }
    for name in redactor.redact_texts(&mut preload) {
        if !event.redacted.contains(&name) {
            event.redacted.push(name);
        }
    }
    let script = if exec.result < 0 || interpreter == filename { Bytes::new() } else { filename.clone() };
    let interpreters = if details.interpreters { asked_for(&script, &cwd) } else { Vec::new() };
    // After a failure the process is what it was, which the table knows.
    if exec.result >= 0
        && let Some(process) = &mut event.process
    {
        process.memfd = exec.exe.flags & UNREACHABLE != 0 && exe.starts_with(b"memfd:");
        process.deleted = is_known(&exec.image) && exec.image.links == 0 && !process.memfd;
        process.exe_inode = inode(&exec.image);
        process.exe_device = device(&exec.image);
        process.exe = exe;
        process.argv = argv;
        process.cwd = cwd;
    }
    event.payload = Some(Payload::Exec(v1::Exec {
        filename,
        argv_length: exec.argv.full_length.into(),
        script,
        interpreters,
        preload,
    }));
    Ok(())
}

/// The first level of what led to the program, by the string that exec was
/// given: all there is where the plan does not see the levels. A second script
/// between this one and the program shows in argv only, where its place is not
/// certain; it is left out.
fn asked_for(script: &Bytes, cwd: &Bytes) -> Vec<Interpreter> {
    if script.is_empty() {
        return Vec::new();
    }
    let path = join(cwd, script);
    vec![Interpreter { path, path_source: PathSource::User.into(), ..Interpreter::default() }]
}

/// The arguments, each ended by NUL in memory; the last one may be cut.
fn split_arguments(memory: &[u8], span: &Span) -> Vec<Bytes> {
    if memory.is_empty() {
        return Vec::new();
    }
    let whole = if span.flags & CUT == 0 { memory.strip_suffix(b"\0").unwrap_or(memory) } else { memory };
    // One copy for all arguments, which then share its memory.
    let shared = Bytes::copy_from_slice(whole);
    shared.split(|&byte| byte == 0).map(|argument| shared.slice_ref(argument)).collect()
}

pub fn exit(record: &[u8], event: &mut Event) -> Result<(), DecodeError> {
    let exit: Exit = fixed(record)?;
    let signal = exit.status & 0x7f;
    event.payload = Some(Payload::Exit(v1::Exit {
        code: (signal == 0).then_some(exit.status >> 8 & 0xff),
        signal: (signal != 0).then_some(signal),
        duration_ns: exit.header.boottime_ns.saturating_sub(exit.header.start_ns),
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(memory: &[u8], flags: u32) -> Vec<Bytes> {
        split_arguments(memory, &Span { flags, ..Span::EMPTY })
    }

    #[test]
    fn empty_arguments_stay_in_their_place() {
        assert_eq!(split(b"a\0\0b\0", 0), ["a", "", "b"]);
        assert_eq!(split(b"a\0\0", 0), ["a", ""]);
        assert_eq!(split(b"\0", 0), [""]);
        assert!(split(b"", 0).is_empty());
    }

    #[test]
    fn a_cut_argument_keeps_what_there_is() {
        assert_eq!(split(b"a\0bcd", CUT), ["a", "bcd"]);
    }
}

//! Programs started, processes ended.

use activity_proto::v1::{self, Event, event::Payload};
use bytes::Bytes;
use sensor_types::{
    file::FileId,
    process::{Exec, Exit},
    span::{CUT, Span, UNREACHABLE},
};

use super::{DecodeError, fixed, note_cut, outcome, path::assemble, redact::Redactor, text};
use crate::decode::file::device;

/// A program was started, or could not be.
pub fn exec(record: &[u8], event: &mut Event, redactor: &Redactor) -> Result<(), DecodeError> {
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
    let script = if exec.result < 0 || interpreter == filename { Bytes::new() } else { filename.clone() };
    // After a failure the process is what it was, which the table knows.
    if exec.result >= 0
        && let Some(process) = &mut event.process
    {
        process.memfd = exec.exe.flags & UNREACHABLE != 0 && exe.starts_with(b"memfd:");
        process.deleted = is_known(&exec.image) && exec.image.links == 0 && !process.memfd;
        process.exe_inode = is_known(&exec.image).then_some(exec.image.inode);
        process.exe_device = device(&exec.image);
        process.exe = exe;
        process.argv = argv;
        process.cwd = cwd;
    }
    event.payload =
        Some(Payload::Exec(v1::Exec { filename, argv_length: exec.argv.full_length.into(), script }));
    Ok(())
}

fn is_known(image: &FileId) -> bool {
    image.mode != 0
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

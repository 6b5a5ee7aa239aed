//! The program that a process runs, as its events tell it.

use activity_proto::v1::{Device, Process, ProcessSource, Truncation};
use bytes::Bytes;

/// Bytes of argv that events other than exec repeat. The exec event has all.
const SHORT_ARGV: usize = 256;

/// A program as a process runs it.
#[derive(Debug, Default)]
pub struct Image {
    exe: Bytes,
    exe_inode: Option<u64>,
    exe_device: Option<Device>,
    /// What fits into [`SHORT_ARGV`].
    argv: Vec<Bytes>,
    /// Bytes of the whole argv, when `argv` has less.
    argv_length: Option<u64>,
    cwd: Bytes,
    memfd: bool,
    deleted: bool,
    source: ProcessSource,
}

impl Image {
    /// The image that an exec event describes; marks it as the kernel's word.
    pub fn of(process: &mut Process) -> Self {
        process.source = ProcessSource::Kernel.into();
        let mut image = Self::new(process.exe.clone(), &process.argv, process.cwd.clone());
        image.exe_inode = process.exe_inode;
        image.exe_device = process.exe_device;
        image.memfd = process.memfd;
        image.deleted = process.deleted;
        image.source = ProcessSource::Kernel;
        image
    }

    /// Its file.
    pub fn exe(&self) -> &Bytes {
        &self.exe
    }

    /// Whether its path is that of a file, still.
    pub fn is_real(&self) -> bool {
        !self.deleted && !self.memfd
    }

    /// The last part of its file's path.
    pub fn name(&self) -> &[u8] {
        self.exe.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    /// Its arguments, as far as other events than exec repeat them.
    pub fn argv(&self) -> &[Bytes] {
        &self.argv
    }

    /// An image as /proc shows it.
    pub fn from_proc(exe: Bytes, deleted: bool, argv: &[Bytes], cwd: Bytes) -> Self {
        let mut image = Self::new(exe, argv, cwd);
        image.deleted = deleted;
        image.source = ProcessSource::Proc;
        image
    }

    fn new(exe: Bytes, argv: &[Bytes], cwd: Bytes) -> Self {
        let mut room = SHORT_ARGV;
        let mut short = Vec::new();
        for argument in argv {
            let taken = argument.len().min(room);
            // Copied, so that the table does not hold on to a whole long argv.
            short.push(Bytes::copy_from_slice(argument.get(..taken).unwrap_or_default()));
            room -= taken;
            if room == 0 {
                break;
            }
        }
        let kept: usize = short.iter().map(Bytes::len).sum();
        let all: usize = argv.iter().map(Bytes::len).sum();
        let cut = kept < all || short.len() < argv.len();
        Self {
            exe,
            argv: short,
            argv_length: cut.then_some((all + argv.len()) as u64),
            cwd,
            ..Self::default()
        }
    }

    /// Writes what is known into an event's process.
    pub fn describe(&self, process: &mut Process) -> Option<Truncation> {
        process.exe = self.exe.clone();
        process.exe_inode = self.exe_inode;
        process.exe_device = self.exe_device;
        process.argv.clone_from(&self.argv);
        process.cwd = self.cwd.clone();
        process.memfd = self.memfd;
        process.deleted = self.deleted;
        process.source = self.source.into();
        self.argv_length.map(|length| Truncation { field: "argv".to_owned(), full_length: Some(length) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_events_repeat_a_bounded_part_of_argv_and_say_so() {
        let argv = [Bytes::from(vec![b'a'; 200]), Bytes::from(vec![b'b'; 200])];
        let mut process = Process::default();
        let image = Image::from_proc(Bytes::new(), false, &argv, Bytes::new());
        let cut = image.describe(&mut process).unwrap();
        assert_eq!((cut.field.as_str(), cut.full_length), ("argv", Some(402)));
        assert_eq!(process.argv.iter().map(Bytes::len).sum::<usize>(), SHORT_ARGV);
    }
}

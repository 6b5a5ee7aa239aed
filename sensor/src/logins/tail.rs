//! Follows log files, across rotation by renaming and by truncation.
//!
//! The kernel says when there is something new; a look every half a minute
//! finds what it did not say (a directory that was not there, a file system
//! that says nothing). A file that was renamed is read for a while longer: its
//! writer goes on until it is told.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::fs::{OFlags, inotify};

use super::{
    line::{Form, Line, MAX_LINE, Splitter, parse},
    stop::{Stop, Woken},
};

/// How often is looked without having been told to.
const LOOK: Duration = Duration::from_secs(30);
/// The same where the kernel cannot tell.
const LOOK_UNTOLD: Duration = Duration::from_millis(100);
/// How long a file that was renamed is read.
const AFTER: Duration = Duration::from_secs(60);
/// Read from a file at once, in bytes.
const PIECE: usize = 16 * 1024;
/// Read from a file before it is another's turn, in pieces.
const PIECES: usize = 64;

/// The last lines of the file and of the one before it (`.1`), oldest first,
/// from `max_bytes` at most of each. What cannot be read has none.
pub fn last(path: &Path, max_bytes: u64) -> Vec<(Form, Line)> {
    let mut before = OsString::from(path);
    before.push(".1");
    let mut lines = Vec::new();
    for path in [Path::new(&before), path] {
        if let Ok(mut open) = Open::new(path) {
            let Ok(size) = open.skip_to_last(max_bytes) else { continue };
            open.read(size, &mut |form, line| lines.push((form, line)));
        }
    }
    lines
}

/// Log files that are followed.
pub struct Follower {
    inotify: Option<OwnedFd>,
    files: Vec<Followed>,
}

struct Followed {
    path: PathBuf,
    current: Option<Open>,
    /// The file that was here before, and until when it is read.
    before: Option<(Open, Instant)>,
    /// The directory's watch.
    directory: Option<i32>,
}

impl Follower {
    /// From now on: files that are there are read from their end, files that
    /// come from their beginning.
    pub fn new(paths: &[PathBuf]) -> Self {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)
            .inspect_err(|error| {
                tracing::warn!("log files are looked at ten times a second: no inotify ({error})")
            })
            .ok();
        let files = paths
            .iter()
            .map(|path| {
                let mut current = Open::new(path).ok();
                // What was there before is asked for with `last`.
                if current.as_mut().is_some_and(|open| open.skip_to_last(0).is_err()) {
                    current = None;
                }
                Followed { path: path.clone(), current, before: None, directory: None }
            })
            .collect();
        Self { inotify, files }
    }

    /// Reads until told to stop. `heard` gets the new lines, `tick` is called
    /// from time to time.
    pub fn follow(mut self, stop: &Stop, mut heard: impl FnMut(Form, Line), mut tick: impl FnMut()) {
        loop {
            let more = self.look(&mut heard);
            tick();
            let wait = if more {
                Duration::ZERO
            } else if self.is_told() {
                LOOK
            } else {
                LOOK_UNTOLD
            };
            match stop.wait(self.inotify.as_ref().map(OwnedFd::as_fd), wait) {
                Ok(Woken::Stop) => return,
                Ok(Woken::Input) => self.drain(),
                Ok(Woken::Time) => {}
                Err(error) => {
                    tracing::warn!("log files are not read any more: {error}");
                    return;
                }
            }
        }
    }

    /// The kernel tells what is written to the files that are there.
    fn is_told(&self) -> bool {
        let told = |file: &Followed| file.current.as_ref().is_none_or(|open| open.watched);
        self.inotify.is_some() && self.files.iter().all(told)
    }

    /// Reads what is new; true when there may be more.
    fn look(&mut self, heard: &mut impl FnMut(Form, Line)) -> bool {
        let mut more = false;
        for file in &mut self.files {
            file.watch(self.inotify.as_ref());
            more |= file.look(heard);
            // After a change: the new file, before it is waited for.
            file.watch(self.inotify.as_ref());
        }
        more
    }

    /// Takes what the kernel told: whatever it is, all files are looked at.
    fn drain(&mut self) {
        let Some(inotify) = &self.inotify else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            if !event.events().contains(inotify::ReadFlags::IGNORED) {
                continue;
            }
            let gone = Some(event.wd());
            for file in &mut self.files {
                if file.directory == gone {
                    file.directory = None;
                }
            }
        }
    }
}

impl Followed {
    fn look(&mut self, heard: &mut impl FnMut(Form, Line)) -> bool {
        let mut more = false;
        if let Some((open, until)) = &mut self.before {
            more |= open.read_new(heard);
            if Instant::now() >= *until {
                self.before = None;
            }
        }
        if let Some(open) = &mut self.current {
            more |= open.read_new(heard);
        }
        let Ok(now) = std::fs::metadata(&self.path) else { return more };
        if self.current.as_ref().is_some_and(|open| open.id == (now.dev(), now.ino())) {
            return more;
        }
        if let Ok(open) = Open::new(&self.path) {
            self.before = self.current.replace(open).map(|open| (open, Instant::now() + AFTER));
            more = true;
        }
        more
    }

    /// Has the kernel tell of what is written to the files and of new files in
    /// the directory.
    fn watch(&mut self, inotify: Option<&OwnedFd>) {
        use inotify::WatchFlags as Flags;
        let Some(inotify) = inotify else { return };
        if let (None, Some(directory)) = (self.directory, self.path.parent()) {
            let flags = Flags::CREATE | Flags::MOVED_TO | Flags::ONLYDIR;
            self.directory = inotify::add_watch(inotify, directory, flags).ok();
        }
        if let Some(open) = &mut self.current
            && !open.watched
        {
            // Not by its name, which may be another file's by now. The kernel
            // forgets the watch with the file.
            let path = format!("/proc/self/fd/{}", open.file.as_raw_fd());
            open.watched = inotify::add_watch(inotify, path, Flags::MODIFY).is_ok();
        }
    }
}

/// A file that is read.
struct Open {
    file: File,
    id: (u64, u64),
    offset: u64,
    form: Option<Form>,
    splitter: Splitter,
    watched: bool,
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        // Not waiting for the other end of what is not a file.
        let nonblock = OFlags::NONBLOCK.bits().cast_signed();
        let file = File::options().read(true).custom_flags(nonblock).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let id = (metadata.dev(), metadata.ino());
        Ok(Self { file, id, offset: 0, form: None, splitter: Splitter::new(MAX_LINE), watched: false })
    }

    /// Goes to the last so many bytes, having looked at how the file begins.
    /// Returns how many they are.
    fn skip_to_last(&mut self, bytes: u64) -> io::Result<u64> {
        let mut beginning = Vec::new();
        (&self.file).take(PIECE as u64).read_to_end(&mut beginning)?;
        self.form = beginning.split(|byte| *byte == b'\n').find_map(Form::of);
        let size = self.file.metadata()?.len();
        self.offset = size.saturating_sub(bytes);
        // One byte earlier: whether a line ends there.
        if let Some(before) = self.offset.checked_sub(1) {
            self.file.seek(SeekFrom::Start(before))?;
            let mut byte = [0];
            self.file.read_exact(&mut byte)?;
            if byte != *b"\n" {
                self.splitter.skip_first();
            }
        }
        self.file.seek(SeekFrom::Start(self.offset))?;
        Ok(size - self.offset)
    }

    /// Reads what is new; true when there may be more.
    fn read_new(&mut self, heard: &mut impl FnMut(Form, Line)) -> bool {
        let more = self.read((PIECES * PIECE) as u64, heard);
        let size = self.file.metadata().map_or(self.offset, |metadata| metadata.len());
        // Truncated in place: what is there now is new.
        if size < self.offset && self.file.rewind().is_ok() {
            self.offset = 0;
            self.form = None;
            self.splitter = Splitter::new(MAX_LINE);
            return true;
        }
        more
    }

    /// Reads so many bytes; true when there may be more.
    fn read(&mut self, bytes: u64, heard: &mut impl FnMut(Form, Line)) -> bool {
        let mut buffer = vec![0; PIECE];
        let mut left = bytes;
        while left > 0 {
            let piece = match self.file.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => buffer.get(..length).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return false,
            };
            left = left.saturating_sub(piece.len() as u64);
            self.offset += piece.len() as u64;
            let form = &mut self.form;
            self.splitter.feed(piece, |line| {
                if form.is_none() {
                    *form = Form::of(line);
                }
                if let Some(form) = *form
                    && let Some(line) = parse(line, form)
                {
                    heard(form, line);
                }
            });
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, sync::mpsc, thread};

    use super::*;

    fn write(path: &Path, text: &str) {
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn line(text: &str) -> String {
        format!("Nov 22 04:00:00 host sshd[1]: {text}\n")
    }

    struct Running {
        stop: Stop,
        thread: Option<thread::JoinHandle<()>>,
        lines: mpsc::Receiver<String>,
    }

    impl Running {
        fn start(path: &Path) -> Self {
            let (paths, stop) = ([path.to_owned()], Stop::new().unwrap());
            let (to, lines) = mpsc::channel();
            let (told, follower) = (stop.clone(), Follower::new(&paths));
            let thread = thread::spawn(move || {
                let heard =
                    |_, line: Line| to.send(String::from_utf8(line.message.to_vec()).unwrap()).unwrap();
                follower.follow(&told, heard, || {});
            });
            Self { stop, thread: Some(thread), lines }
        }

        fn next(&self) -> String {
            self.lines.recv_timeout(Duration::from_secs(5)).unwrap()
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            self.stop.stop();
            self.thread.take().unwrap().join().unwrap();
        }
    }

    #[test]
    fn a_file_is_followed_across_both_kinds_of_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("auth.log");
        write(&path, &line("old"));
        let running = Running::start(&path);
        write(&path, &line("a"));
        assert_eq!(running.next(), "a");
        // Renamed; its writer goes on for a while.
        fs::rename(&path, directory.path().join("auth.log.1")).unwrap();
        write(&path, &line("b"));
        assert_eq!(running.next(), "b");
        write(&directory.path().join("auth.log.1"), &line("late"));
        write(&path, &line("c"));
        let mut both = [running.next(), running.next()];
        both.sort();
        assert_eq!(both, ["c", "late"]);
        // Truncated.
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        thread::sleep(Duration::from_millis(100));
        write(&path, &line("d"));
        assert_eq!(running.next(), "d");
        assert!(running.lines.try_recv().is_err());
    }

    #[test]
    fn a_file_that_appears_is_read_from_its_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("auth.log");
        let running = Running::start(&path);
        write(&path, &[line("a"), "\0\u{1}junk\n".to_owned(), line("b")].concat());
        assert_eq!([running.next(), running.next()], ["a", "b"]);
    }

    #[test]
    fn the_last_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("auth.log");
        assert_eq!(last(&path, 1000), []);
        write(&directory.path().join("auth.log.1"), &line("a"));
        write(&path, &[line("b"), line("c"), line("d")].concat());
        let messages = |bytes| {
            let lines = last(&path, bytes);
            lines.iter().map(|(_, line)| line.message[0] as char).collect::<String>()
        };
        let length = line("a").len() as u64;
        assert_eq!((messages(1000).as_str(), messages(2 * length).as_str()), ("abcd", "acd"));
        assert_eq!(messages(2 * length - 1), "ad");
    }

    #[test]
    fn what_is_not_a_file_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(last(directory.path(), 1000), []);
        assert_eq!(last(Path::new("/dev/zero"), 1000), []);
    }
}

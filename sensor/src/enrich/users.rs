//! Names of users and groups.
//!
//! The local files are read here; they are small. Other sources (LDAP, SSSD) may
//! take seconds, so a thread of its own asks the name service, and no event waits
//! for it: the first events of a user it has to be asked for come without the
//! name.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    fs,
    os::unix::fs::MetadataExt as _,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

/// How long an answer of the name service stands, also "nobody"; how often the
/// files are looked at.
const FRESH: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_secs(1);
/// Names kept at most.
const MAX: usize = 16 * 1024;
/// Questions under way at most.
const ASKED_MAX: usize = 256;

/// Knows names, and asks for those it does not know.
pub struct Users {
    users: Names,
    groups: Names,
    looked: Option<Instant>,
}

impl Users {
    /// Reads the files, and starts the threads that ask for the rest.
    pub fn start() -> Self {
        let user = |uid| uzers::get_user_by_uid(uid).map(|user| text(user.name()));
        let group = |gid| uzers::get_group_by_gid(gid).map(|group| text(group.name()));
        let mut users = Self {
            users: Names::of("/etc/passwd", "user-names", user),
            groups: Names::of("/etc/group", "group-names", group),
            looked: None,
        };
        users.tick();
        users
    }

    /// Knows nothing of the machine it runs on: for recordings.
    #[cfg(any(test, feature = "fuzz"))]
    pub fn known(users: &[(u32, &str)]) -> Self {
        let mut known = Names::default();
        known.local.extend(users.iter().map(|(uid, name)| (*uid, (*name).to_owned())));
        Self { users: known, groups: Names::default(), looked: Some(Instant::now() + FRESH) }
    }

    /// Looks at the clock: takes in what was answered, and reads files that have
    /// changed.
    pub fn tick(&mut self) {
        self.users.take_answers();
        self.groups.take_answers();
        let now = Instant::now();
        if self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK) {
            self.looked = Some(now);
            self.users.look();
            self.groups.look();
        }
    }

    /// The user's name; empty when there is none, or none is known yet.
    pub fn user(&mut self, uid: u32) -> String {
        self.users.get(uid)
    }

    /// The group's name; empty when there is none, or none is known yet.
    pub fn group(&mut self, gid: u32) -> String {
        self.groups.get(gid)
    }
}

fn text(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

/// Questions to the thread that asks the name service, and its answers.
type Service = (SyncSender<u32>, Receiver<(u32, String)>);

#[derive(Default)]
struct Names {
    file: &'static str,
    /// Inode and time of change of the file that was read.
    version: Option<(u64, i64, i64)>,
    local: HashMap<u32, String>,
    /// Answers of the name service, with their time.
    asked: HashMap<u32, (String, Instant)>,
    under_way: HashSet<u32>,
    service: Option<Service>,
}

impl Names {
    fn of(
        file: &'static str,
        thread: &str,
        look_up: impl Fn(u32) -> Option<String> + Send + 'static,
    ) -> Self {
        let (questions, asked) = sync_channel::<u32>(ASKED_MAX);
        let (found, answers) = sync_channel(ASKED_MAX);
        let answer = move || {
            for id in asked {
                if found.send((id, look_up(id).unwrap_or_default())).is_err() {
                    break;
                }
            }
        };
        let started = thread::Builder::new().name(thread.to_owned()).spawn(answer);
        Self { file, service: started.is_ok().then_some((questions, answers)), ..Self::default() }
    }

    fn get(&mut self, id: u32) -> String {
        if let Some(name) = self.local.get(&id) {
            return name.clone();
        }
        let (name, is_fresh) = match self.asked.get(&id) {
            Some((name, at)) => (name.clone(), at.elapsed() < FRESH),
            None => (String::new(), false),
        };
        if !is_fresh && self.under_way.len() < ASKED_MAX && self.under_way.insert(id) {
            let sent = self.service.as_ref().is_some_and(|(questions, _)| questions.try_send(id).is_ok());
            if !sent {
                self.under_way.remove(&id);
            }
        }
        name
    }

    fn take_answers(&mut self) {
        let Some((_, answers)) = &self.service else { return };
        for (id, name) in answers.try_iter() {
            self.under_way.remove(&id);
            if self.asked.len() >= MAX {
                self.asked.clear();
            }
            self.asked.insert(id, (name, Instant::now()));
        }
    }

    fn look(&mut self) {
        if self.file.is_empty() {
            return;
        }
        let version = fs::metadata(self.file).ok().map(|file| (file.ino(), file.mtime(), file.mtime_nsec()));
        if version == self.version {
            return;
        }
        self.version = version;
        let text = fs::read(self.file).unwrap_or_default();
        self.local.clear();
        for (id, name) in text.split(|&byte| byte == b'\n').filter_map(line).take(MAX) {
            self.local.entry(id).or_insert(name);
        }
        // A user that was not there may be by now.
        self.asked.clear();
    }
}

/// Number and name in a line of passwd(5) or group(5). The first line of a number
/// counts, as it does for the name service.
fn line(line: &[u8]) -> Option<(u32, String)> {
    let mut fields = line.split(|&byte| byte == b':');
    let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with(b"#"))?;
    let id = std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
    Some((id, String::from_utf8_lossy(name).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_user_is_known_at_once_and_nobody_has_no_name() {
        let mut users = Users::start();
        assert_eq!(users.user(0), "root");
        assert_eq!(users.group(0), "root");
        assert_eq!(users.user(3_999_999_999), "");
    }

    #[test]
    fn a_slow_name_service_holds_nobody_up() {
        let (release, held) = sync_channel::<()>(1);
        let mut names = Names::of("", "test-names", move |id| {
            let _ = held.recv();
            Some(format!("user{id}"))
        });
        let begun = Instant::now();
        assert_eq!(names.get(5), "");
        assert!(begun.elapsed() < Duration::from_millis(100));
        release.send(()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while names.get(5) != "user5" {
            assert!(Instant::now() < deadline, "the answer is taken in");
            thread::yield_now();
            names.take_answers();
        }
    }

    #[test]
    fn lines_of_the_files_are_read() {
        assert_eq!(line(b"alice:x:1000:1000::/home/alice:/bin/sh"), Some((1000, "alice".into())));
        assert_eq!(line(b"adm:x:4:syslog"), Some((4, "adm".into())));
        assert_eq!(line(b"+::::::"), None);
        assert_eq!(line(b""), None);
    }
}

//! What a person does from login to logout.

use activity_proto::v1::{
    Attribution, Confidence, Credentials, Event, Login, LoginFailed, Method, Place, Process, ProcessSource,
    Session, SessionEnd, SessionStart, event::Payload,
};

use super::{
    message,
    people::Person,
    programs::{LIBRARIES, PROGRAMS, Program, SUDO, pick},
    root,
};

const MILLISECOND: u64 = 1_000_000;
/// How many events a program makes, in the mean.
const EACH: u64 = 20;
/// Names that a person works with.
const FILES: u32 = 6_000;
/// Networks that programs connect to, nearly always.
const INSIDE: [&str; 4] = ["10.1.0", "10.1.1", "10.1.2", "10.1.3"];

/// Events with their times.
type Happened = Vec<(u64, Event)>;

/// Somebody at work.
pub struct Shell {
    /// When something happens next.
    pub next: u64,
    /// When it ends.
    to: u64,
    /// Events that are left for it.
    left: u64,
    begun: bool,
    boot: String,
    /// What the clock is ahead of the time since the boot, in nanoseconds.
    offset: u64,
    person: Person,
    /// The shell itself: what everything in it has in common.
    event: Event,
    /// Where they work today.
    project: u32,
}

impl Shell {
    /// Somebody who is there from one time to another.
    pub fn new(
        random: &mut fastrand::Rng,
        person: Person,
        boot: &str,
        pid: u32,
        (from, to): (u64, u64),
        offset: u64,
        events: u64,
    ) -> Self {
        let session_id = pid % 9000;
        let name = person.name.clone();
        let process = Process {
            pid,
            tid: pid,
            ppid: pid - 1,
            uid: format!("{boot}-{pid}-{from}"),
            parent_uid: format!("{boot}-{}-{}", pid - 1, from - 41 * MILLISECOND),
            start_boottime_ns: from,
            comm: "bash".into(),
            exe: "/usr/bin/bash".into(),
            exe_inode: Some(message::inode("/usr/bin/bash")),
            exe_device: message::device(),
            argv: vec!["-bash".into()],
            cwd: format!("/home/{name}").into(),
            source: ProcessSource::Kernel.into(),
            ..Process::default()
        };
        let (uid, user) = (person.uid, name.clone());
        let credentials = Credentials {
            uid,
            euid: uid,
            gid: uid,
            egid: uid,
            user: user.clone(),
            effective_user: user.clone(),
            group: user.clone(),
            effective_group: user.clone(),
        };
        let tty = format!("pts{}", random.u32(0..6));
        let login = Login {
            auid: Some(uid),
            session_id: Some(session_id),
            tty: tty.clone().into(),
            user: user.clone(),
            since_boottime_ns: Some(from),
            ..Login::default()
        };
        let session = Session {
            id: format!("{:016x}", random.u64(..)),
            kind: "ssh".into(),
            user: user.clone(),
            remote_address: person.address.clone(),
            remote_port: Some(random.u32(32_768..61_000)),
            auth_method: "publickey".into(),
            key_fingerprint: person.key.clone(),
            uid: Some(uid),
            tty: tty.into(),
            start: Some(message::timestamp(from + offset)),
            leader_uid: process.parent_uid.clone(),
            logind_id: session_id.to_string(),
            ..Session::default()
        };
        let attribution = Attribution {
            uid: Some(uid),
            user: user.clone(),
            method: Method::Kernel.into(),
            confidence: Confidence::High.into(),
            chain: vec![user],
            ..Attribution::default()
        };
        let place = Place {
            cgroup_id: Some(u64::from(pid) * 3),
            cgroup_path: format!("/user.slice/user-{uid}.slice/session-{session_id}.scope").into(),
            mount_namespace: Some(4_026_531_841),
            ..Place::default()
        };
        let event = Event {
            process: Some(process),
            credentials: Some(credentials),
            login: Some(login),
            session: Some(session),
            attribution: Some(attribution),
            place: Some(place),
            ..Event::default()
        };
        let (boot, project) = (boot.to_owned(), random.u32(0..4));
        Self { next: from, to, left: events, begun: false, boot, offset, person, event, project }
    }

    /// Does the next thing; whether there is one after it.
    pub fn act(&mut self, random: &mut fastrand::Rng, pids: &mut u32, out: &mut Happened) -> bool {
        let before = out.len();
        if !self.begun {
            self.begun = true;
            self.come(random, out);
            self.next += 3 * MILLISECOND;
        }
        let number = pick(random);
        let parent = self.event.clone();
        let now = self.next;
        self.run(random, pids, (number, &parent, now), out);
        let made = (out.len() - before) as u64;
        self.left = self.left.saturating_sub(made);
        let mean = self.to.saturating_sub(self.next) / (self.left / EACH + 1);
        // Most things follow one another at once, then there is a pause.
        let gap = (mean as f64 * (1.0 / (random.f64() + 0.05)).ln().max(0.05)) as u64;
        self.next += gap.max(50 * MILLISECOND);
        if self.left > 0 && self.next < self.to {
            return true;
        }
        let end = SessionEnd { duration_ns: Some(self.next - self.started()), remaining: 0 };
        out.push((self.next, Event { payload: Some(Payload::SessionEnd(end)), ..self.event.clone() }));
        false
    }

    fn started(&self) -> u64 {
        self.event.process.as_ref().map_or(0, |process| process.start_boottime_ns)
    }

    fn come(&self, random: &mut fastrand::Rng, out: &mut Happened) {
        let session = self.event.session.clone().unwrap_or_default();
        let accepted = Event { attribution: None, session: None, login: None, ..self.event.clone() };
        let port = session.remote_port.unwrap_or_default();
        out.push((self.next, message::accept(&accepted, session.remote_address.clone(), port)));
        if random.u32(0..9) == 0 {
            let failed = LoginFailed {
                user: session.user.clone(),
                remote_address: session.remote_address.clone(),
                remote_port: session.remote_port,
                auth_method: "password".into(),
                ..LoginFailed::default()
            };
            let failed = Event { payload: Some(Payload::LoginFailed(failed)), ..Event::default() };
            out.push((self.next + 900_000, failed));
        }
        let start = Payload::SessionStart(SessionStart::default());
        out.push((self.next + 2 * MILLISECOND, Event { payload: Some(start), ..self.event.clone() }));
    }

    /// A program from its start to its end; gives when that is.
    fn run(
        &self,
        random: &mut fastrand::Rng,
        pids: &mut u32,
        (number, parent, now): (usize, &Event, u64),
        out: &mut Happened,
    ) -> u64 {
        let Some(program) = PROGRAMS.get(number) else { return now };
        *pids = 300 + (*pids + random.u32(1..4)) % 4_000_000;
        let mut event = self.process(random, program, parent, *pids, now);
        let mut time = now + random.u64(180_000..900_000);
        out.push((time, message::exec(&event)));
        let mut step = |random: &mut fastrand::Rng, scale: f64| {
            time += (scale * (1.0 / (random.f64() + 1e-4)).ln()) as u64;
            time
        };
        for path in LIBRARIES.iter().take(2 + number % 4) {
            out.push((step(random, 60_000.0), message::open(&event, (*path).to_owned(), false, None)));
        }
        for path in program.always {
            let path = if path.starts_with('/') {
                (*path).to_owned()
            } else {
                format!("/home/{}/{path}", self.person.name)
            };
            out.push((step(random, 150_000.0), message::open(&event, path, false, None)));
        }
        let (from, to) = program.reads;
        for _ in 0..random.u32(from..=to) {
            let errno = (random.u32(0..12) == 0).then_some(if random.u32(0..9) == 0 { 13 } else { 2 });
            let path = self.file(random, program);
            out.push((step(random, 220_000.0), message::open(&event, path, false, errno)));
        }
        for _ in 0..program.connects {
            let network = if random.u32(0..80) == 0 { "203.0.113" } else { of(&INSIDE, random.u32(0..4)) };
            let address = format!("{network}.{}", (random.f64().powi(3) * 200.0) as u32 + 5);
            let port = random.choice([443, 5432, 22, 80]).unwrap_or(443);
            let local = random.u32(32_768..61_000);
            let errno = (random.u32(0..30) == 0).then_some(111);
            out.push((step(random, 2e6), message::connect(&event, address, port, local, errno)));
        }
        if program.exe == SUDO {
            let since = step(random, 3e6);
            let (root, told) = root::becomes(&event, message::timestamp(since + self.offset));
            out.extend(told.map(|told| (since, told)));
            event = root;
        }
        if program.traces {
            out.push((step(random, 3e6), message::ptrace(&event, random.u32(300..40_000))));
        }
        let (from, to) = program.writes;
        for _ in 0..random.u32(from..=to) {
            let path = self.file(random, program);
            out.push((step(random, 4e6), message::open(&event, path.clone(), true, None)));
            match random.u32(0..6) {
                0 => out.push((step(random, 2e6), message::rename(&event, format!("{path}~"), path))),
                1 => out.push((step(random, 2e6), message::unlink(&event, path))),
                _ => {}
            }
        }
        let mut end = step(random, 500_000.0)
            .max(now + MILLISECOND * random.u64(program.runs_ms.0..=program.runs_ms.1));
        if let Some((child, most)) = program.children {
            for _ in 0..random.u32(1..=most) {
                let begun = step(random, 4e7);
                end = end.max(self.run(random, pids, (child, &event, begun), out));
            }
        }
        let code = u32::from(random.u32(0..14) == 0);
        out.push((end, message::exit(&event, code, end - now)));
        end
    }

    fn process(
        &self,
        random: &mut fastrand::Rng,
        program: &Program,
        parent: &Event,
        pid: u32,
        now: u64,
    ) -> Event {
        let mut event = parent.clone();
        let before = event.process.take().unwrap_or_default();
        let name = program.exe.rsplit('/').next().unwrap_or_default();
        // What sudo starts has the words behind its own.
        let words = match program.argv {
            [] => before.argv.iter().skip(1).cloned().collect(),
            argv => argv.iter().map(|word| self.word(random, program, word).into()).collect(),
        };
        event.process = Some(Process {
            pid,
            tid: pid,
            ppid: before.pid,
            uid: format!("{}-{pid}-{now}", self.boot),
            parent_uid: before.uid,
            start_boottime_ns: now,
            comm: name.get(..15).unwrap_or(name).to_owned().into(),
            exe: program.exe.into(),
            exe_inode: Some(message::inode(program.exe)),
            argv: words,
            cwd: format!("/home/{}/project{}", self.person.name, self.project).into(),
            ..before
        });
        event
    }

    fn word(&self, random: &mut fastrand::Rng, program: &Program, word: &str) -> String {
        let mut word = word.to_owned();
        if word.contains("{f}") {
            word = word.replace("{f}", &self.file(random, program));
        }
        if word.contains("{n}") {
            word = word.replace("{n}", &((random.f64().powi(4) * 5_000.0) as u32).to_string());
        }
        if word.contains("{h}") {
            word = word.replace("{h}", &format!("web-{:02}", random.u32(0..20)));
        }
        word
    }

    /// A file that a program works with: some again and again, most seldom.
    fn file(&self, random: &mut fastrand::Rng, program: &Program) -> String {
        let number = (random.f64().powi(4) * f64::from(FILES)) as u32;
        if program.configures {
            return format!("/etc/app/sites/site-{}.conf", number / 40);
        }
        let kind = of(&["py", "rs", "c", "md", "txt", "json", "toml"], number);
        let place = of(&["src", "tests", "docs", "build/cache", "data/2026"], number / 7);
        let (name, project) = (&self.person.name, self.project);
        format!("/home/{name}/project{project}/{place}/module_{}/file_{number}.{kind}", number / 40)
    }
}

/// The word with a number, which begin anew behind the last.
fn of(words: &[&'static str], number: u32) -> &'static str {
    words.iter().cycle().nth(number as usize % words.len()).copied().unwrap_or_default()
}

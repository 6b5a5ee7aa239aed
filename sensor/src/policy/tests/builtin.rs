//! The built-in rules: what the keys of `[policy]` mean.

use activity_proto::v1::{
    Chmod, Exec, ExecMapping, Exit, FileReceive, Gap, Listen, LoginuidSet, ModuleLoad, Mount, Place, Ptrace,
    Rename, Status, Tamper, Unlink,
};

use super::{Verdict as Judged, *};

/// What these tests ask of a policy.
struct Filter {
    config: PolicyConfig,
    policy: Policy,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    Drop(Reason),
}

#[derive(Debug, PartialEq, Eq)]
enum Reason {
    Scope,
    Exe,
    Noise,
    Missing,
    Directory,
}

impl Filter {
    fn with_host_mount_namespace(self, inode: Option<u32>) -> Self {
        Self { policy: Policy::new(&self.config, inode).unwrap(), ..self }
    }

    fn decide(&self, event: &Event) -> Verdict {
        let nothing = Ancestry::default();
        let decided = self.policy.rule_for(Act::of(event, &nothing));
        if self.policy.decide(event, &nothing) == Judged::Keep {
            return Verdict::Keep;
        }
        Verdict::Drop(match decided.unwrap().1.counted_as.as_str() {
            "scope" => Reason::Scope,
            "exe" => Reason::Exe,
            "noise" => Reason::Noise,
            "missing" => Reason::Missing,
            "directory" => Reason::Directory,
            other => panic!("{other}"),
        })
    }

    fn counts(&self) -> [u64; 5] {
        let counts = self.policy.filtered_by();
        let count = |name| counts.iter().find(|count| count.reason == name).map_or(0, |count| count.count);
        ["scope", "exe", "noise", "missing", "directory"].map(count)
    }
}

fn filter(policy: &str) -> Filter {
    let config = config(&format!("[policy]\n{policy}"));
    Filter { policy: Policy::new(&config, None).unwrap(), config }
}

const NOISE: Verdict = Verdict::Drop(Reason::Noise);

#[test]
fn what_belongs_to_nobody_is_left_out() {
    let mut nobody = event(Payload::Exec(Exec::default()));
    nobody.login = None;
    let mut exit = event(Payload::Exit(Exit::default()));
    exit.login = Some(Login::default());
    let mut terminal = event(Payload::Exec(Exec::default()));
    terminal.login = Some(Login { tty: "pts0".into(), ..Default::default() });
    let mut root = event(Payload::Exec(Exec::default()));
    root.login = Some(Login { auid: Some(0), ..Default::default() });

    let people = filter("");
    assert_eq!(people.decide(&nobody), Verdict::Drop(Reason::Scope));
    assert_eq!(people.decide(&exit), Verdict::Drop(Reason::Scope));
    assert_eq!(people.decide(&terminal), Verdict::Keep);
    assert_eq!(people.decide(&root), Verdict::Keep);
    assert_eq!(people.counts(), [2, 0, 0, 0, 0]);
    assert_eq!(filter("scope = \"everything\"").decide(&nobody), Verdict::Keep);
}

#[test]
fn gap_and_status_always_go_out() {
    for payload in [Payload::Gap(Gap::default()), Payload::Status(Status::default())] {
        assert_eq!(filter("").decide(&Event { payload: Some(payload), ..Default::default() }), Verdict::Keep);
    }
    assert_eq!(filter("").decide(&Event::default()), Verdict::Keep);
}

#[test]
fn reads_of_what_every_program_reads_are_noise() {
    let filter = filter("");
    for path in [
        "/etc/ld.so.cache",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/lib/libz.so",
        "/lib64/ld-linux-x86-64.so.2",
        "/usr/lib/locale/locale-archive",
        "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache",
        "/usr/share/zoneinfo/Europe/Berlin",
        "/etc/localtime",
        "/usr/share/terminfo/x/xterm",
        "/etc/passwd",
        "/usr/lib/python3.13/__pycache__/os.cpython-313.pyc",
        "/proc/42/status",
        "/proc/42/maps",
        "/proc/42",
        "/proc/7/stat",
        "/proc/filesystems",
        "/sys/devices/system/cpu/online",
    ] {
        assert_eq!(filter.decide(&open(path)), NOISE, "{path}");
    }
}

#[test]
fn what_may_matter_is_kept() {
    let filter = filter("");
    for path in [
        "/etc/shadow",
        "/etc/shadow-",
        "/etc/passwd-",
        "/etc/ld.so.preload",
        "/home/alice/.ssh/id_ed25519",
        "/var/lib/postgresql/.ssh/id_rsa",
        "/tmp/evil.so",
        "/home/alice/lib/x.so.1",
        "/home/alice/__pycache__/x.pyc",
        "/usr/lib/locale-evil",
        "/usr/libevil/x.so",
        "/proc/7/environ",
        "/proc/42/environ",
        "/proc/7/maps",
        "/proc/421/maps",
        "/proc/42evil",
        "/proc/99999999999999999999999/maps",
        "/proc/kcore",
        "/etc/hostname",
    ] {
        assert_eq!(filter.decide(&open(path)), Verdict::Keep, "{path}");
    }
}

#[test]
fn a_write_is_never_noise() {
    let filter = filter("missing = false\ndirectories = false");
    for access in [Access::Write, Access::Create, Access::Truncate, Access::Append, Access::Unspecified] {
        for path in ["/etc/passwd", "/usr/lib/libc.so.6", "/proc/42/loginuid", "/nowhere"] {
            let event = open_as(path, &[Access::Read, access], S_IFREG);
            assert_eq!(filter.decide(&event), Verdict::Keep, "{path} {access:?}");
            assert_eq!(filter.decide(&failed(event, Errno::NOENT)), Verdict::Keep, "{path} {access:?}");
        }
    }
    assert_eq!(filter.decide(&open_as("/etc/passwd", &[], S_IFREG)), Verdict::Keep);
}

#[test]
fn a_failure_is_kept_unless_nothing_was_there() {
    let filter = filter("");
    assert_eq!(filter.decide(&failed(open("/etc/passwd"), Errno::ACCESS)), Verdict::Keep);
    assert_eq!(filter.decide(&failed(open("/usr/lib/a.so"), Errno::PERM)), Verdict::Keep);
    assert_eq!(filter.decide(&failed(open("/home/a/x"), Errno::NOENT)), Verdict::Drop(Reason::Missing));
    assert_eq!(filter.decide(&failed(open("/etc/shadow.bak"), Errno::NOENT)), Verdict::Keep);
    let exec = || event(Payload::Exec(Exec::default()));
    assert_eq!(filter.decide(&failed(exec(), Errno::NOENT)), Verdict::Drop(Reason::Missing));
    assert_eq!(filter.decide(&failed(exec(), Errno::ACCESS)), Verdict::Keep);
    assert_eq!(filter.decide(&failed(connect("/run/x.sock"), Errno::NOENT)), Verdict::Drop(Reason::Missing));
    assert_eq!(filter.decide(&failed(connect("/run/x.sock"), Errno::CONNREFUSED)), Verdict::Keep);
    let mut unknown = open("/etc/passwd");
    unknown.outcome = Some(Outcome { success: false, errno: None });
    assert_eq!(filter.decide(&unknown), Verdict::Keep);
}

#[test]
fn missing_names_can_be_kept() {
    let filter = filter("missing = true");
    assert_eq!(filter.decide(&failed(open("/home/a/x"), Errno::NOENT)), Verdict::Keep);
    assert_eq!(filter.decide(&failed(event(Payload::Exec(Exec::default())), Errno::NOENT)), Verdict::Keep);
    assert_eq!(filter.decide(&failed(open("/usr/lib/a.so"), Errno::NOENT)), NOISE);
}

#[test]
fn a_path_counts_only_where_it_is_the_real_one() {
    let filter = filter("").with_host_mount_namespace(Some(4_026_531_841));
    let path = "/usr/lib/libc.so.6";
    let in_namespace = |inode| {
        let mut event = open(path);
        event.place = Some(Place { mount_namespace: inode, ..Default::default() });
        event
    };
    assert_eq!(filter.decide(&in_namespace(Some(4_026_531_841))), NOISE);
    assert_eq!(filter.decide(&in_namespace(None)), NOISE);
    assert_eq!(filter.decide(&in_namespace(Some(4_026_532_000))), Verdict::Keep);

    let changed = |change: fn(&mut Open)| {
        let mut event = open(path);
        change(opened(&mut event));
        filter.decide(&event)
    };
    assert_eq!(changed(|open| open.path_source = PathSource::User as i32), Verdict::Keep);
    assert_eq!(changed(|open| open.path_source = PathSource::Unspecified as i32), Verdict::Keep);
    assert_eq!(changed(|open| open.unreachable = true), Verdict::Keep);
    assert_eq!(changed(|open| open.deleted = true), Verdict::Keep);
    assert_eq!(changed(|open| open.path_source = PathSource::Kernel as i32), NOISE);
}

#[test]
fn a_device_that_keeps_nothing_is_noise_only_as_a_device() {
    let filter = filter("");
    let write = |path, mode| open_as(path, &[Access::Write, Access::Create], mode);
    assert_eq!(filter.decide(&write("/dev/null", S_IFCHR)), NOISE);
    assert_eq!(filter.decide(&write("/dev/null", S_IFREG)), Verdict::Keep);
    assert_eq!(filter.decide(&write("/dev/sda", S_IFCHR)), Verdict::Keep);
    assert_eq!(filter.decide(&failed(write("/dev/null", S_IFCHR), Errno::ACCESS)), Verdict::Keep);
}

#[test]
fn directories_are_left_out_only_when_asked() {
    let directory = open_as("/home/bob", &[Access::Read], S_IFDIR);
    assert_eq!(filter("").decide(&directory), Verdict::Keep);
    let quiet = filter("directories = false");
    assert_eq!(quiet.decide(&directory), Verdict::Drop(Reason::Directory));
    assert_eq!(quiet.decide(&open_as("/home/bob/.ssh", &[Access::Read], S_IFDIR)), Verdict::Keep);
    assert_eq!(quiet.decide(&open("/home/bob/file")), Verdict::Keep);
}

#[test]
fn an_ignored_executable_is_seen_to_start_and_end_only() {
    let ours = |payload: Payload| {
        let mut event = event(payload);
        event.process = Some(Process { exe: "/usr/bin/activity-sensor".into(), ..Default::default() });
        event
    };
    let filter = filter("noise = false").with_host_mount_namespace(Some(1));
    let mut open = ours(Payload::Open(Open::default()));
    assert_eq!(filter.decide(&open), Verdict::Drop(Reason::Exe));
    assert_eq!(filter.decide(&ours(Payload::Connect(Connect::default()))), Verdict::Drop(Reason::Exe));
    assert_eq!(filter.decide(&ours(Payload::Exec(Exec::default()))), Verdict::Keep);
    assert_eq!(filter.decide(&ours(Payload::Exit(Exit::default()))), Verdict::Keep);
    open.place = Some(Place { mount_namespace: Some(2), ..Default::default() });
    assert_eq!(filter.decide(&open), Verdict::Keep, "a bind mount over our path hides nothing");
}

#[test]
fn name_services_are_noise_and_other_sockets_are_not() {
    let filter = filter("");
    assert_eq!(filter.decide(&connect("/run/nscd/socket")), NOISE);
    assert_eq!(filter.decide(&failed(connect("/var/run/nscd/socket"), Errno::NOENT)), NOISE);
    assert_eq!(filter.decide(&connect("/run/systemd/userdb/io.systemd.Machine")), NOISE);
    assert_eq!(filter.decide(&connect("/run/docker.sock")), Verdict::Keep);
    assert_eq!(filter.decide(&connect("\0/run/nscd/socket")), Verdict::Keep);
}

#[test]
fn a_very_long_path_is_kept() {
    let path = |directories: usize| format!("/usr/lib/{}x.so", "a/".repeat(directories));
    assert_eq!(filter("").decide(&open(&path(500))), NOISE);
    assert_eq!(filter("").decide(&open(&path(510))), Verdict::Keep);
}

#[test]
fn lists_are_replaced_or_extended() {
    let path = "/etc/ld.so.cache";
    assert_eq!(filter("ignore_paths = []").decide(&open(path)), Verdict::Keep);
    assert_eq!(filter("ignore_paths_extra = [\"/srv/*.log\"]").decide(&open(path)), NOISE);
    let filter = filter(
        "ignore_paths = [\"/srv/*.log\", \"/opt/tool/\", \"**/.cache/**\"]\nalways_paths_extra = [\"/opt/tool/key\"]",
    );
    for (path, expected) in [
        ("/srv/a.log", NOISE),
        ("/srv/a/b.log", Verdict::Keep),
        ("/srv/axlog", Verdict::Keep),
        ("/opt/tool", NOISE),
        ("/opt/tool/a/b", NOISE),
        ("/opt/tools", Verdict::Keep),
        ("/opt/tool/key", Verdict::Keep),
        ("/home/a/.cache/x/y\nz", NOISE),
    ] {
        assert_eq!(filter.decide(&open(path)), expected, "{path:?}");
    }
}

#[test]
fn a_list_without_noise_leaves_nothing_out() {
    let filter = filter("noise = false");
    assert_eq!(filter.decide(&open("/etc/ld.so.cache")), Verdict::Keep);
    assert_eq!(filter.decide(&failed(open("/x"), Errno::NOENT)), Verdict::Keep);
}

#[test]
fn recording_all_leaves_nothing_out() {
    let filter = Filter { config: PolicyConfig::default(), policy: Policy::everything() };
    let mut event = open("/etc/ld.so.cache");
    event.login = None;
    event.process = Some(Process { exe: "/usr/bin/activity-sensor".into(), ..Default::default() });
    assert_eq!(filter.decide(&event), Verdict::Keep);
    assert_eq!(filter.counts(), [0; 5]);
}

#[test]
fn every_built_in_rule_has_a_name_of_its_own_and_a_reason() {
    let policy = filter("directories = false").policy;
    let names: Vec<_> = policy.rules().iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, crate::policy::builtin::NAMES);
    for rule in policy.rules() {
        assert!(rule.built_in && !rule.reason.is_empty(), "{rule:?}");
        assert!(
            rule.action == Action::Allow
                || crate::policy::builtin::COUNTED_AS.contains(&rule.counted_as.as_str()),
            "{rule:?}"
        );
    }
}

#[test]
fn rare_acts_on_the_whole_machine_are_kept_whoever_does_them() {
    let nobody = |payload| Event { login: None, ..event(payload) };
    for payload in [
        Payload::LoginuidSet(LoginuidSet::default()),
        Payload::BpfLoad(Default::default()),
        Payload::ModuleLoad(ModuleLoad::default()),
        Payload::Tamper(Tamper::default()),
    ] {
        assert_eq!(filter("").decide(&nobody(payload)), Verdict::Keep);
    }
    for payload in [Payload::Ptrace(Ptrace::default()), Payload::Mount(Mount::default())] {
        assert_eq!(filter("").decide(&nobody(payload)), Verdict::Drop(Reason::Scope));
    }
}

#[test]
fn a_login_that_was_taken_away_is_still_a_persons() {
    let mut event = event(Payload::Exec(Exec::default()));
    event.login = Some(Login { first_auid: Some(1001), ..Login::default() });
    assert_eq!(filter("").decide(&event), Verdict::Keep);
}

#[test]
fn changes_are_never_noise() {
    let path = || "/etc/passwd".into();
    for payload in [
        Payload::Rename(Rename { path: path(), ..Default::default() }),
        Payload::Unlink(Unlink { path: path(), ..Default::default() }),
        Payload::Chmod(Chmod { path: path(), ..Default::default() }),
    ] {
        assert_eq!(filter("").decide(&failed(event(payload.clone()), Errno::NOENT)), Verdict::Keep);
        assert_eq!(filter("").decide(&event(payload)), Verdict::Keep);
    }
}

#[test]
fn a_received_socket_without_a_name_is_noise() {
    let received = |mode, unreachable| {
        event(Payload::FileReceive(FileReceive { mode, unreachable, ..Default::default() }))
    };
    let socket = 0o140_777;
    assert_eq!(filter("").decide(&received(Some(socket), true)), NOISE);
    assert_eq!(filter("noise = false").decide(&received(Some(socket), true)), Verdict::Keep);
    for kept in [(Some(S_IFREG), true), (Some(S_IFDIR), true), (Some(socket), false), (None, true)] {
        assert_eq!(filter("").decide(&received(kept.0, kept.1)), Verdict::Keep, "{kept:?}");
    }
}

#[test]
fn the_sensors_own_acts_on_files_and_sockets_are_left_out() {
    for payload in [
        Payload::Listen(Listen::default()),
        Payload::Rename(Rename::default()),
        Payload::ExecMapping(ExecMapping::default()),
        Payload::FileReceive(FileReceive::default()),
    ] {
        let mut event = event(payload);
        event.process.as_mut().unwrap().exe = "/usr/bin/activity-sensor".into();
        assert_eq!(filter("").decide(&event), Verdict::Drop(Reason::Exe));
    }
}

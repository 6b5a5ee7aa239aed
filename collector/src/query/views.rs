//! Views with readable names over `events`, for people and for other tools. Their names and
//! columns are an interface: they are added to, not changed.
//!
//! `acts` is how many acts a row stands for: repeats that the sensor folded, times what its
//! policy left out by sampling.

/// How many acts an event stands for.
macro_rules! acts {
    () => {
        "coalesce(count, 1) * coalesce(sampled, 1)"
    };
}

/// A view.
pub struct View {
    /// Its name.
    pub name: &'static str,
    /// What a row of it is, in one line.
    pub about: &'static str,
    /// Its columns with what they mean, in their order.
    pub columns: &'static [(&'static str, &'static str)],
    /// The statement behind it.
    pub sql: &'static str,
}

const TIME: (&str, &str) = ("time", "wall clock of the act, UTC");
const HOST: (&str, &str) = ("host", "the machine");
const HUMAN: (&str, &str) = ("human", "the person behind it; NULL: nobody, or not known");
const CHAIN: (&str, &str) = ("chain", "users from the login to the one of the moment");
const AS_USER: (&str, &str) = ("as_user", "the effective user: whose rights it had");
const EXE: (&str, &str) = ("exe", "the program");
const ARGV: (&str, &str) = ("argv", "its arguments, the first is its name");
const SUCCESS: (&str, &str) = ("success", "whether the kernel did it");
const ERROR: (&str, &str) = ("error", "why not, such as EACCES");
const SESSION: (&str, &str) = ("session", "the login session, as in `sessions`");
const FROM: (&str, &str) = ("remote_address", "where the session came from");
const TTY: (&str, &str) = ("tty", "the terminal");
const PID: (&str, &str) = ("pid", "number of the process");
const PROCESS: (&str, &str) = ("process_uid", "the process, also when its number is used again");
const ACTS: (&str, &str) = ("acts", "how many equal acts the row stands for");
const KIND: (&str, &str) = ("kind", "ssh, console, graphical, cron, systemd, service, …");
const METHOD: (&str, &str) = ("auth_method", "publickey, password, …");
const KEY: (&str, &str) = ("key_fingerprint", "of the key; tells people on one account apart");
const PORT: (&str, &str) = ("remote_port", "the port there");
const SENSOR: (&str, &str) = ("sensor_id", "the sensor's installation");

/// Every view, each after those that it is made of.
pub const VIEWS: &[View] = &[
    View {
        name: "sessions",
        about: "a login session: who, from where, how, from when until when",
        columns: &[
            HOST,
            SESSION,
            ("human", "who logged in"),
            KIND,
            FROM,
            PORT,
            METHOD,
            KEY,
            TTY,
            ("started", "when it began, UTC"),
            ("ended", "when its first process ended; NULL: it goes on, or nobody saw the end"),
        ],
        sql: "SELECT host, session, coalesce(max(human), max(session_account), max(login_user)) AS human,
                max(session_kind) AS kind, max(remote_address) AS remote_address,
                max(remote_port) AS remote_port, max(auth_method) AS auth_method,
                max(key_fingerprint) AS key_fingerprint, max(tty) AS tty,
                coalesce(min(session_start), min(time)) AS started,
                max(CASE WHEN type = 'session_end' THEN time END) AS ended
            FROM events
            WHERE type IN ('session_start', 'session_update', 'session_end') AND session IS NOT NULL
            GROUP BY host, session",
    },
    View {
        name: "logins",
        about: "somebody came in, or was refused at the door",
        columns: &[
            TIME,
            HOST,
            ("account", "whose account"),
            ("success", "whether they came in"),
            ("invalid_user", "there is no such account"),
            KIND,
            FROM,
            PORT,
            METHOD,
            KEY,
            SESSION,
        ],
        sql: "SELECT started AS time, host, human AS account, true AS success, false AS invalid_user, kind,
                remote_address, remote_port, auth_method, key_fingerprint, session
            FROM sessions
            UNION ALL
            SELECT time, host, to_user AS account, false AS success, invalid_user, 'ssh' AS kind,
                remote_address, remote_port, auth_method, key_fingerprint, session
            FROM events WHERE type = 'login_failed'",
    },
    View {
        name: "execs",
        about: "a program was started, or could not be",
        columns: &[
            TIME,
            HOST,
            HUMAN,
            CHAIN,
            AS_USER,
            EXE,
            ARGV,
            ("cwd", "the working directory"),
            ("script", "the script that exe interprets"),
            ("filename", "what was asked for"),
            ("preload", "variables that change which code runs, as LD_PRELOAD=…"),
            SUCCESS,
            ERROR,
            SESSION,
            FROM,
            TTY,
            ("container_id", "the container"),
            PID,
            PROCESS,
            ("parent_uid", "the process that started it"),
            ACTS,
        ],
        sql: concat!(
            "SELECT time, host, human, chain, effective_user AS as_user, exe, argv, cwd, script, path AS filename,
                preload, success, error, session, remote_address, tty, container_id, pid, process_uid,
                parent_uid, ",
            acts!(),
            " AS acts FROM events WHERE type = 'exec'"
        ),
    },
    View {
        name: "opens",
        about: "a file was opened, or could not be",
        columns: &[
            TIME,
            HOST,
            HUMAN,
            CHAIN,
            AS_USER,
            ("path", "the file"),
            ("access", "what for: read, write, create, truncate, append, path"),
            SUCCESS,
            ERROR,
            EXE,
            ARGV,
            SESSION,
            FROM,
            TTY,
            ("container_id", "the container"),
            PID,
            PROCESS,
            ACTS,
        ],
        sql: concat!(
            "SELECT time, host, human, chain, effective_user AS as_user, path, access, success, error, exe, argv,
                session, remote_address, tty, container_id, pid, process_uid, ",
            acts!(),
            " AS acts FROM events WHERE type = 'open'"
        ),
    },
    View {
        name: "connects",
        about: "a program set out to another end",
        columns: &[
            TIME,
            HOST,
            HUMAN,
            CHAIN,
            AS_USER,
            ("protocol", "tcp, udp, stream, …"),
            ("address", "the other end"),
            ("port", "its port"),
            ("path", "the other end, where it is a unix socket"),
            ("local_address", "this end"),
            ("local_port", "its port"),
            SUCCESS,
            ERROR,
            EXE,
            ARGV,
            SESSION,
            TTY,
            ("container_id", "the container"),
            PID,
            PROCESS,
            ACTS,
        ],
        sql: concat!(
            "SELECT time, host, human, chain, effective_user AS as_user, protocol, address, port, path,
                local_address, local_port, success, error, exe, argv, session, tty, container_id, pid,
                process_uid, ",
            acts!(),
            " AS acts FROM events WHERE type = 'connect'"
        ),
    },
    View {
        name: "file_changes",
        about: "a name, a mode, an owner or a mount was changed",
        columns: &[
            TIME,
            HOST,
            HUMAN,
            CHAIN,
            AS_USER,
            ("change", "rename, link, unlink, chmod, chown or mount"),
            ("path", "the file or place"),
            ("new_path", "the second name"),
            ("mode", "permissions after a chmod"),
            SUCCESS,
            ERROR,
            EXE,
            ARGV,
            SESSION,
            PID,
            ACTS,
        ],
        sql: concat!(
            "SELECT time, host, human, chain, effective_user AS as_user, type AS change, path, new_path, mode,
                success, error, exe, argv, session, pid, ",
            acts!(),
            " AS acts FROM events
            WHERE type IN ('rename', 'link', 'unlink', 'chmod', 'chown', 'mount')"
        ),
    },
    View {
        name: "privilege_changes",
        about: "somebody went on as another user, or a process became root",
        columns: &[
            TIME,
            HOST,
            HUMAN,
            CHAIN,
            ("from_user", "who it was before"),
            ("to_user", "who it is from then on"),
            ("how", "sudo, su, …; `credentials`: a process became root by itself"),
            ("command", "what was asked for, redacted"),
            SUCCESS,
            EXE,
            SESSION,
            FROM,
            TTY,
            PID,
            PROCESS,
        ],
        sql: "SELECT time, host, human, chain, coalesce(from_user, events.user) AS from_user,
                coalesce(to_user, 'root') AS to_user, coalesce(switched_by, 'credentials') AS how,
                coalesce(switch_command, argv) AS command, coalesce(success, true) AS success, exe, session,
                remote_address, tty, pid, process_uid
            FROM events
            WHERE type = 'account_switch'
                OR (type = 'credential_change' AND new_euid = 0 AND coalesce(old_euid, uid) <> 0)",
    },
    View {
        name: "gaps",
        about: "something was not recorded, or did not get here",
        columns: &[
            TIME,
            HOST,
            SENSOR,
            ("epoch", "the run of the sensor"),
            ("lane", "process or file"),
            ("reason", "ring_full, not_connected, spool_full, unclean_end, …"),
            ("from_sequence", "the first number that is missing"),
            ("to_sequence", "the last one"),
            ("missing", "how many events; NULL: nobody knows"),
            ("counts", "by type, where that is known (JSON)"),
        ],
        sql: "SELECT time, host, sensor_id, epoch, lane, gap_reason AS reason, gap_from AS from_sequence,
                gap_to AS to_sequence,
                coalesce(gap_missing,
                    CASE WHEN gap_to >= gap_from AND gap_from > 0 THEN gap_to - gap_from + 1 END) AS missing,
                gap_counts AS counts
            FROM events WHERE type = 'gap'",
    },
    View {
        name: "silences",
        about: "nothing came from a sensor for longer than it may take",
        columns: &[
            HOST,
            SENSOR,
            ("address", "where the collector reaches it"),
            ("reason", "disconnected, no_heartbeat, stopped or never_reached"),
            ("since", "when the last of it came"),
            ("ended", "when something came again; NULL: it is silent"),
        ],
        sql: "SELECT max(host) AS host, max(sensor_id) AS sensor_id, address, max(silence_reason) AS reason,
                silence_since AS since, max(silence_ended) AS ended
            FROM events WHERE type = 'silence' GROUP BY address, silence_since",
    },
    View {
        name: "sensors",
        about: "a sensor, and when it was heard",
        columns: &[
            HOST,
            SENSOR,
            ("first_seen", "time of its earliest event that is stored"),
            ("last_seen", "time of its latest"),
            ("last_heartbeat", "time of its latest heartbeat"),
            ("events", "how many of its events are stored"),
            ("runs", "how often it was started, as far as that is stored"),
            ("gaps", "how many of them tell of a loss"),
            ("missing", "how many events these say are missing"),
            ("conservation_errors", "heartbeats whose counts do not add up"),
        ],
        sql: "SELECT host, sensor_id, min(time) AS first_seen, max(time) AS last_seen,
                max(CASE WHEN type = 'heartbeat' THEN time END) AS last_heartbeat, count(*) AS events,
                max(epoch) - min(epoch) + 1 AS runs,
                count(CASE WHEN type = 'gap' THEN 1 END) AS gaps, sum(gap_missing) AS missing,
                count(CASE WHEN conservation_error <> 0 THEN 1 END) AS conservation_errors
            FROM events WHERE sensor_id IS NOT NULL AND type <> 'silence' GROUP BY host, sensor_id",
    },
];

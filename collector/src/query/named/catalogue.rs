//! The questions.

use super::{
    Kind::{Clock, Networks, Number, Pattern, Time, Zone},
    Named, Parameter,
};

const fn parameter(
    name: &'static str,
    kind: super::Kind,
    default: &'static str,
    about: &'static str,
) -> Parameter {
    Parameter { name, kind, default, about }
}

const SINCE: Parameter = parameter("since", Time, "7d", "from when");
const UNTIL: Parameter = parameter("until", Time, "now", "until when");
const HUMAN: Parameter = parameter("human", Pattern, "*", "the person");
const HOST: Parameter = parameter("host", Pattern, "*", "the machine");
const LIMIT: Parameter = parameter("limit", Number, "50", "at most so many rows");
const FROM: Parameter = parameter("from", Clock, "08:00", "when work begins");
const TO: Parameter = parameter("to", Clock, "18:00", "when it ends");
const ZONE: Parameter = parameter("zone", Zone, "local", "whose clock");
/// Networks that are not outside.
pub const INSIDE: &str = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,127.0.0.0/8,169.254.0.0/16,224.0.0.0/4,\
                          0.0.0.0/32,::1/128,::/128,fc00::/7,fe80::/10,ff00::/8";

/// What every question about acts asks of time, person and machine.
macro_rules! within {
    () => {
        "time >= $since AND time < $until AND ($human = '%' OR human LIKE $human) \
         AND ($host = '%' OR host LIKE $host)"
    };
}

/// Files that hold secrets, or say who may do what.
macro_rules! is_sensitive {
    () => {
        // What costs little goes first: it leaves little for the expression.
        r"(path LIKE '/etc/%' OR path LIKE '%/.%' OR path LIKE '/proc/%' OR path LIKE '%.pem' OR path LIKE '%.key'
          OR path LIKE '%.p12' OR path LIKE '%.pfx' OR path LIKE '%.kdbx' OR path LIKE '%.jks')
          AND regexp_like(path, '^/etc/(g?shadow-?|sudoers(\.d/.*)?|ssh/ssh_host_[a-z0-9]+_key|krb5\.keytab|security/opasswd)$|/\.ssh/(id_[^/]+|authorized_keys[^/]*)$|/\.(aws|kube|docker|gnupg)/|/\.(pgpass|netrc|git-credentials|my\.cnf|bash_history|vault-token)$|\.(pem|key|p12|pfx|kdbx|jks)$|^/proc/[0-9]+/(mem|environ)$') AND path NOT LIKE '/etc/ssl/certs/%' AND path NOT LIKE '/usr/%' AND path NOT LIKE '%.pub'"
    };
}

pub(crate) use is_sensitive;

/// Nights and weekends of a clock.
macro_rules! is_outside_hours {
    () => {
        "(minute_of_week(time, $zone) >= 7200 OR minute_of_week(time, $zone) % 1440 < $from \
          OR minute_of_week(time, $zone) % 1440 >= $to)"
    };
}

/// All of them.
pub const NAMED: &[Named] = &[
    Named {
        name: "logins",
        about: "who came in, from where, how",
        parameters: &[SINCE, UNTIL, HUMAN, HOST, LIMIT],
        sql: "SELECT time, host, account, kind, remote_address, auth_method, key_fingerprint, session FROM logins
            WHERE success AND time >= $since AND time < $until AND ($human = '%' OR account LIKE $human)
                AND ($host = '%' OR host LIKE $host)
            ORDER BY time DESC LIMIT $limit",
    },
    Named {
        name: "failed-logins",
        about: "who was refused at the door, how often, from where",
        parameters: &[SINCE, UNTIL, HUMAN, HOST, LIMIT],
        sql: "SELECT account, host, remote_address, count(*) AS times, bool_or(invalid_user) AS invalid_user,
                min(time) AS first, max(time) AS last
            FROM logins
            WHERE NOT success AND time >= $since AND time < $until AND ($human = '%' OR account LIKE $human)
                AND ($host = '%' OR host LIKE $host)
            GROUP BY account, host, remote_address ORDER BY times DESC, last DESC LIMIT $limit",
    },
    Named {
        name: "shared-keys",
        about: "keys that came in on several accounts, accounts with several keys",
        parameters: &[SINCE, UNTIL],
        sql: "SELECT 'key on several accounts' AS finding, key_fingerprint AS what,
                array_agg(DISTINCT account ORDER BY account) AS users, count(*) AS logins
            FROM logins WHERE success AND key_fingerprint IS NOT NULL AND time >= $since AND time < $until
            GROUP BY key_fingerprint HAVING count(DISTINCT account) > 1
            UNION ALL
            SELECT 'account with several keys', account, array_agg(DISTINCT key_fingerprint ORDER BY key_fingerprint),
                count(*)
            FROM logins WHERE success AND key_fingerprint IS NOT NULL AND time >= $since AND time < $until
            GROUP BY account HAVING count(DISTINCT key_fingerprint) > 1",
    },
    Named {
        name: "sudo",
        about: "who went on as another user by sudo, su and their like",
        parameters: &[SINCE, UNTIL, HUMAN, HOST, LIMIT],
        sql: concat!(
            "SELECT human, host, from_user, to_user, how, command, count(*) AS times, min(time) AS first,
                max(time) AS last
            FROM privilege_changes WHERE how <> 'credentials' AND ",
            within!(),
            " GROUP BY human, host, from_user, to_user, how, command ORDER BY last DESC LIMIT $limit"
        ),
    },
    Named {
        name: "became-root",
        about: "who became root on which hosts, and when last",
        parameters: &[SINCE, UNTIL, HUMAN, HOST],
        sql: concat!(
            "SELECT human, host, how, count(*) AS times, min(time) AS first, max(time) AS last
            FROM privilege_changes WHERE to_user = 'root' AND success AND ",
            within!(),
            " GROUP BY human, host, how ORDER BY human, host, how"
        ),
    },
    Named {
        name: "sensitive-reads",
        about: "who opened files that hold secrets or say who may do what",
        parameters: &[SINCE, UNTIL, HUMAN, HOST, LIMIT],
        sql: concat!(
            "SELECT human, host, path, as_user, exe, success, sum(acts) AS times, max(time) AS last
            FROM opens WHERE human IS NOT NULL AND ",
            within!(),
            " AND ",
            is_sensitive!(),
            " GROUP BY human, host, path, as_user, exe, success ORDER BY last DESC LIMIT $limit"
        ),
    },
    Named {
        name: "who-opened",
        about: "who opened a file, or what is under a directory (path=/etc/*)",
        parameters: &[
            parameter("path", Pattern, "/etc/shadow", "the file"),
            SINCE,
            UNTIL,
            HUMAN,
            HOST,
            LIMIT,
        ],
        sql: concat!(
            "SELECT time, host, human, as_user, path, access, success, error, exe, session FROM opens
            WHERE path LIKE $path AND ",
            within!(),
            " ORDER BY time DESC LIMIT $limit"
        ),
    },
    Named {
        name: "denied",
        about: "who tried to open what they may not",
        parameters: &[SINCE, UNTIL, HUMAN, HOST, LIMIT],
        sql: concat!(
            "SELECT human, host, as_user, path, sum(acts) AS times, max(time) AS last FROM opens
            WHERE error IN ('EACCES', 'EPERM') AND ",
            within!(),
            " GROUP BY human, host, as_user, path ORDER BY times DESC LIMIT $limit"
        ),
    },
    Named {
        name: "new-programs",
        about: "programs that never ran on a host before",
        parameters: &[SINCE, UNTIL, HUMAN, HOST, LIMIT],
        // By person first: what is left to put in order is little.
        sql: "SELECT host, exe, min(began) AS first, first_value(human ORDER BY began) AS human, sum(times) AS times
            FROM (SELECT host, exe, human, min(time) AS began, sum(acts) AS times FROM execs
                WHERE success AND exe IS NOT NULL AND time < $until AND ($host = '%' OR host LIKE $host)
                GROUP BY host, exe, human)
            GROUP BY host, exe
            HAVING min(began) >= $since AND ($human = '%' OR first_value(human ORDER BY began) LIKE $human)
            ORDER BY first DESC LIMIT $limit",
    },
    Named {
        name: "outside-connections",
        about: "connections to outside of the own networks",
        parameters: &[
            SINCE,
            UNTIL,
            HUMAN,
            HOST,
            parameter("inside", Networks, INSIDE, "the own networks"),
            LIMIT,
        ],
        sql: concat!(
            "SELECT human, host, exe, address, port, sum(acts) AS times, min(time) AS first, max(time) AS last
            FROM connects WHERE NOT in_network(address, $inside) AND ",
            within!(),
            " GROUP BY human, host, exe, address, port ORDER BY times DESC LIMIT $limit"
        ),
    },
    Named {
        name: "top-talkers",
        about: "who connects most, to how many other ends",
        parameters: &[SINCE, UNTIL, HUMAN, HOST, LIMIT],
        sql: concat!(
            "SELECT human, host, exe, sum(acts) AS connects, count(DISTINCT address) AS addresses
            FROM connects WHERE address IS NOT NULL AND ",
            within!(),
            " GROUP BY human, host, exe ORDER BY connects DESC LIMIT $limit"
        ),
    },
    Named {
        name: "after-hours",
        about: "who was at work at night or on a weekend",
        parameters: &[SINCE, UNTIL, HUMAN, HOST, FROM, TO, ZONE],
        sql: concat!(
            "SELECT human, host, count(*) AS events, min(time) AS first, max(time) AS last FROM events
            WHERE human IS NOT NULL AND ",
            within!(),
            " AND ",
            is_outside_hours!(),
            " GROUP BY human, host ORDER BY human, host"
        ),
    },
    Named {
        name: "after-hours-root",
        about: "what people did as root at night or on a weekend",
        parameters: &[SINCE, UNTIL, HUMAN, HOST, FROM, TO, ZONE, LIMIT],
        sql: concat!(
            "SELECT time, human, host, argv, cwd, session FROM execs
            WHERE human IS NOT NULL AND as_user = 'root' AND ",
            within!(),
            " AND ",
            is_outside_hours!(),
            " ORDER BY time DESC LIMIT $limit"
        ),
    },
    Named {
        name: "people",
        about: "who was at work, on how many hosts, when last",
        parameters: &[SINCE, UNTIL, HUMAN, HOST],
        sql: concat!(
            "SELECT human, count(DISTINCT host) AS hosts, count(DISTINCT session) AS sessions, count(*) AS events,
                min(time) AS first, max(time) AS last
            FROM events WHERE human IS NOT NULL AND ",
            within!(),
            " GROUP BY human ORDER BY human"
        ),
    },
    Named {
        name: "changes",
        about: "who changed names, modes and owners of files, or mounts",
        parameters: &[
            parameter("path", Pattern, "/etc/*", "the files"),
            SINCE,
            UNTIL,
            HUMAN,
            HOST,
            LIMIT,
        ],
        sql: concat!(
            "SELECT time, host, human, as_user, change, path, new_path, success, exe FROM file_changes
            WHERE (path LIKE $path OR new_path LIKE $path) AND ",
            within!(),
            " ORDER BY time DESC LIMIT $limit"
        ),
    },
    Named {
        name: "kernel",
        about: "who loaded into the kernel, reached into processes, touched sensors",
        parameters: &[SINCE, UNTIL, HUMAN, HOST, LIMIT],
        sql: concat!(
            "SELECT time, host, human, effective_user, type, operation, object, target_exe, exe, success FROM events
            WHERE type IN ('bpf_load', 'module_load', 'ptrace', 'tamper') AND ",
            within!(),
            " ORDER BY time DESC LIMIT $limit"
        ),
    },
    Named {
        name: "gaps",
        about: "what was not recorded or did not get here, and why",
        parameters: &[SINCE, UNTIL, HOST],
        sql: "SELECT host, reason, lane, count(*) AS gaps, sum(missing) AS missing, min(time) AS first, max(time) AS last
            FROM gaps WHERE time >= $since AND time < $until AND ($host = '%' OR host LIKE $host)
            GROUP BY host, reason, lane ORDER BY host, reason, lane",
    },
    Named {
        name: "silent-sensors",
        about: "sensors that are silent, or were",
        parameters: &[SINCE, UNTIL, HOST],
        sql: "SELECT host, address, reason, since, ended, ended IS NULL AS silent_now FROM silences
            WHERE since < $until AND coalesce(ended, $until) >= $since AND ($host = '%' OR host LIKE $host)
            ORDER BY silent_now DESC, since DESC",
    },
];

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::config::Config;

fn redactor() -> Redactor {
    Redactor::new(&RedactionConfig::default()).unwrap()
}

fn configured(text: &str) -> Redactor {
    let config = Config::parse(text, "test.toml".as_ref()).unwrap();
    Redactor::new(&config.redaction).unwrap()
}

fn argv(words: &[&str]) -> Vec<Bytes> {
    words.iter().map(|word| Bytes::copy_from_slice(word.as_bytes())).collect()
}

fn redacted(words: &[&str]) -> (Vec<String>, Vec<String>) {
    let mut argv = argv(words);
    let names = redactor_for_properties().redact_argv(b"", &mut argv);
    (argv.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect(), names)
}

/// Command lines as they are before and after; `|` separates the words.
const SECRETS: &[(&str, &str)] = &[
    // Programs with options of their own.
    ("mysql|-psecret|x", "mysql|-p<redacted:password>|x"),
    ("/usr/bin/mysqldump|-uroot|-psecret|db", "/usr/bin/mysqldump|-uroot|-p<redacted:password>|db"),
    ("mysql|-Bpsecret", "mysql|-Bp<redacted:password>"),
    ("mariadb-dump|--password=s|db", "mariadb-dump|--password=<redacted:password>|db"),
    ("mysqladmin|-u|root|password|new", "mysqladmin|-u|root|password|<redacted:password>"),
    ("sudo|-n|mysql|-psecret", "sudo|-n|mysql|-p<redacted:password>"),
    ("docker|exec|-it|mysql|mysql|-psecret", "docker|exec|-it|mysql|mysql|-p<redacted:password>"),
    ("kubectl|exec|pod|--|mysql|-psecret", "kubectl|exec|pod|--|mysql|-p<redacted:password>"),
    ("ssh|db1|mysql|-psecret|x", "ssh|db1|mysql|-p<redacted:password>|x"),
    ("env|A=b|mysql|-psecret", "env|A=b|mysql|-p<redacted:password>"),
    ("curl|-u|user:pass|https://h/", "curl|-u|user:<redacted:password>|https://h/"),
    ("curl|-sSku|user:pa:ss|https://h/", "curl|-sSku|user:<redacted:password>|https://h/"),
    ("curl|-uuser:pass|h", "curl|-uuser:<redacted:password>|h"),
    ("curl|--user|user:pass|h", "curl|--user|user:<redacted:password>|h"),
    ("curl|--proxy-user|a:b|h", "curl|--proxy-user|a:<redacted:password>|h"),
    ("curl|--oauth2-bearer|abc|h", "curl|--oauth2-bearer|<redacted:token>|h"),
    ("curl|user:pass@host/path@x", "curl|user:<redacted:password>@host/path@x"),
    ("curl|-b|session=abc|h", "curl|-b|<redacted:cookie>|h"),
    ("wget|--http-password=x|h", "wget|--http-password=<redacted:password>|h"),
    ("wget|--http-password|x|h", "wget|--http-password|<redacted:password>|h"),
    ("http|-a|u:p|h", "http|-a|u:<redacted:password>|h"),
    ("sshpass|-p|x|ssh|h", "sshpass|-p|<redacted:password>|ssh|h"),
    ("sshpass|-px|ssh|h", "sshpass|-p<redacted:password>|ssh|h"),
    ("redis-cli|-h|h|-a|x", "redis-cli|-h|h|-a|<redacted:password>"),
    ("htpasswd|-b|file|user|x", "htpasswd|-b|file|user|<redacted:password>"),
    ("htpasswd|-nbB|user|x", "htpasswd|-nbB|user|<redacted:password>"),
    ("openssl|rsa|-in|k.pem|-passin|pass:x", "openssl|rsa|-in|k.pem|-passin|pass:<redacted:password>"),
    ("openssl|enc|-k|x", "openssl|enc|-k|<redacted:password>"),
    ("docker|login|-u|me|-p|x|reg", "docker|login|-u|me|-p|<redacted:password>|reg"),
    ("smbclient|-U|user%pass|//h/s", "smbclient|-U|user%<redacted:password>|//h/s"),
    ("smbclient|//h/s|--user=u%p", "smbclient|//h/s|--user=u%<redacted:password>"),
    ("ldapsearch|-x|-D|cn=a|-w|x", "ldapsearch|-x|-D|cn=a|-w|<redacted:password>"),
    ("ldapsearch|-xw|x", "ldapsearch|-xw|<redacted:password>"),
    ("mongosh|-u|a|-p|x", "mongosh|-u|a|-p|<redacted:password>"),
    ("zip|-rP|x|a.zip|dir", "zip|-rP|<redacted:password>|a.zip|dir"),
    ("7z|x|-psecret|a.7z", "7z|x|-p<redacted:password>|a.7z"),
    ("useradd|-m|-p|hash|bob", "useradd|-m|-p|<redacted:password>|bob"),
    ("nmcli|dev|wifi|connect|net|password|x", "nmcli|dev|wifi|connect|net|password|<redacted:password>"),
    ("sqlplus|scott/tiger@db", "sqlplus|scott/<redacted:password>@db"),
    ("xfreerdp|/u:a|/p:b|/v:h", "xfreerdp|/u:a|/p:<redacted:password>|/v:h"),
    ("lftp|-u|a,b|h", "lftp|-u|a,<redacted:password>|h"),
    ("ssh-keygen|-t|ed25519|-N|x", "ssh-keygen|-t|ed25519|-N|<redacted:password>"),
    ("aws|configure|set|aws_secret_access_key|x", "aws|configure|set|aws_secret_access_key|<redacted:key>"),
    (
        "kubectl|create|secret|generic|n|--from-literal=k=v",
        "kubectl|create|secret|generic|n|--from-literal=k=<redacted:password>",
    ),
    // Options of any program.
    ("tool|--password|x y|z", "tool|--password|<redacted:password>|z"),
    ("tool|--db-password=a b;c|z", "tool|--db-password=<redacted:password>|z"),
    ("tool|--token|x", "tool|--token|<redacted:token>"),
    ("tool|--api-key|x", "tool|--api-key|<redacted:key>"),
    ("tool|--apikey=x", "tool|--apikey=<redacted:key>"),
    ("tool|--client-secret|x", "tool|--client-secret|<redacted:secret>"),
    ("tool|--pass|x", "tool|--pass|<redacted:password>"),
    ("java|-storepass|x", "java|-storepass|<redacted:password>"),
    ("java|-Ddb.password=x", "java|-Ddb.password=<redacted:password>"),
    ("gpg|--passphrase|x", "gpg|--passphrase|<redacted:password>"),
    // Assignments.
    ("env|PGPASSWORD=a b|psql", "env|PGPASSWORD=<redacted:password>|psql"),
    ("env|AWS_SECRET_ACCESS_KEY=a/b+c|aws", "env|AWS_SECRET_ACCESS_KEY=<redacted:key>|aws"),
    (
        "env|GITHUB_TOKEN=x|SIGNING_KEY=y|MY_SECRET=z|t",
        "env|GITHUB_TOKEN=<redacted:token>|SIGNING_KEY=<redacted:key>|MY_SECRET=<redacted:secret>|t",
    ),
    ("env|MYSQL_PWD=x|REDISCLI_AUTH=y", "env|MYSQL_PWD=<redacted:password>|REDISCLI_AUTH=<redacted:token>"),
    ("mount|-o|username=a,password=b,c|//h/s", "mount|-o|username=a,password=<redacted:password>|//h/s"),
    ("psql|host=h password=a;b user=c", "psql|host=h password=<redacted:password> user=c"),
    ("helm|--set|db.password=x", "helm|--set|db.password=<redacted:password>"),
    ("curl|-d|user=a&password=b&c=d|h", "curl|-d|user=a&password=<redacted:password>&c=d|h"),
    (
        "curl|-d|{\"user\":\"a\",\"password\":\"b\\\"c d\"}|h",
        "curl|-d|{\"user\":\"a\",\"password\":\"<redacted:password>\"}|h",
    ),
    // Headers.
    ("curl|-H|Authorization: Bearer abc|h", "curl|-H|Authorization: Bearer <redacted:token>|h"),
    ("curl|-HAuthorization: Basic abc|h", "curl|-HAuthorization: Basic <redacted:token>|h"),
    ("curl|-H|X-Api-Key:abc|h", "curl|-H|X-Api-Key:<redacted:key>|h"),
    ("curl|-H|PRIVATE-TOKEN: abc|h", "curl|-H|PRIVATE-TOKEN: <redacted:token>|h"),
    ("curl|-H|Cookie: a=b; c=d|h", "curl|-H|Cookie: <redacted:cookie>|h"),
    (
        "git|-c|http.extraheader=Authorization: Basic abc|pull",
        "git|-c|http.extraheader=Authorization: Basic <redacted:token>|pull",
    ),
    // URLs.
    ("git|clone|https://me:pw@h.org/r.git", "git|clone|https://me:<redacted:password>@h.org/r.git"),
    ("psql|postgres://u:p@ss@h/db", "psql|postgres://u:<redacted:password>@h/db"),
    ("psql|postgres://u:p/s@h/db", "psql|postgres://u:<redacted:password>@h/db"),
    ("redis-cli|-u|redis://:pw@h", "redis-cli|-u|redis://:<redacted:password>@h"),
    (
        "x|a=https://u:p@h,https://v:q@i/",
        "x|a=https://u:<redacted:password>@h,https://v:<redacted:password>@i/",
    ),
    (
        "git|clone|https://0123456789abcdef0123456789abcdef01234567@h/r",
        "git|clone|https://<redacted:token>@h/r",
    ),
    ("curl|https://h/?a=b&access_token=x&c=d", "curl|https://h/?a=b&access_token=<redacted:token>&c=d"),
    ("curl|https://h/?X-Amz-Signature=ab#f", "curl|https://h/?X-Amz-Signature=<redacted:signature>"),
    ("curl|https://h/?sv=1&sig=ab%3D&x=y", "curl|https://h/?sv=1&sig=<redacted:signature>&x=y"),
    ("curl|https://h/?key=abc", "curl|https://h/?key=<redacted:key>"),
    // Shapes.
    ("echo|ghp_0123456789abcdefghij", "echo|<redacted:token>"),
    (
        "echo|a github_pat_11ABC_def glpat-abcdef xoxb-123-abc",
        "echo|a <redacted:token> <redacted:token> <redacted:token>",
    ),
    ("echo|AKIAIOSFODNN7EXAMPLE", "echo|<redacted:key>"),
    ("echo|eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig", "echo|<redacted:token>"),
    ("echo|sk-proj-abcdef", "echo|<redacted:key>"),
    (
        "echo|a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b",
        "echo|a <redacted:private_key> b",
    ),
    // A shell's text.
    ("sh|-c|mysql -psecret x", "sh|-c|mysql -p<redacted:password> x"),
    (
        "bash|-lc|cd /x && PGPASSWORD='a b' psql -c \"select 1\"; ls",
        "bash|-lc|cd /x && PGPASSWORD=<redacted:password> psql -c \"select 1\"; ls",
    ),
    (
        "sh|-c|curl -H \"Authorization: Bearer abc\" https://u:p@h/ | jq .",
        "sh|-c|curl -H 'Authorization: Bearer <redacted:token>' https://u:<redacted:password>@h/ | jq .",
    ),
    ("sh|-c|echo $(sshpass -p x ssh h)", "sh|-c|echo $(sshpass -p <redacted:password> ssh h)"),
    ("ssh|h|sh -c 'mysql -psecret'", "ssh|h|sh -c 'mysql -p<redacted:password>'"),
    ("su|-|bob|-c|redis-cli -a x", "su|-|bob|-c|redis-cli -a <redacted:password>"),
    ("sudo|sh|-c|TOKEN=x ./run; FOO=y ./stop", "sudo|sh|-c|TOKEN=<redacted:token> ./run; FOO=y ./stop"),
    ("watch|mysql -ps3 -e 'show processlist'", "watch|mysql -p<redacted:password> -e 'show processlist'"),
    // The argument was cut inside the secret.
    ("curl|-H|Authorization: Bea", "curl|-H|Authorization: <redacted:token>"),
    ("sh|-c|curl -H \"Authorization: Bearer ab", "sh|-c|curl -H 'Authorization: Bearer <redacted:token>'"),
    ("git|clone|https://me:secr", "git|clone|https://me:<redacted:password>"),
    ("echo|-----BEGIN PRIVATE KEY-----\nMII", "echo|<redacted:private_key>"),
    ("sh|-c|PGPASSWORD='ab", "sh|-c|PGPASSWORD=<redacted:password>"),
    ("curl|-d|{\"password\":\"ab", "curl|-d|{\"password\":\"<redacted:password>"),
];

/// Command lines that look like it and hold no secret.
const INNOCENT: &[&str] = &[
    "ls|-p",
    "ls|-lpa|mysql",
    "cp|-p|x|y",
    "mkdir|-p|secret",
    "mkdir|-p|/etc/secret/token/password",
    "ssh|-p|22|host",
    "ssh|mysql|-p2222",
    "docker|run|-p|80:80|nginx",
    "docker|run|--name|mysql|-p3306:3306|mysql",
    "docker|run|-v|/run/secret:/secret|-v|/run/api-token:/token|img",
    "mysql|-p|db",
    "mysql|-u|root|-p",
    "mysql|--password|db",
    "mysql|-hproduction|db",
    "psql|--password|db",
    "psql|-p|5432",
    "tar|-xpf|a.tar",
    "ps|-p|1",
    "grep|-rn|password|src",
    "grep|token|secret.txt",
    "cat|/etc/passwd|/etc/shadow",
    "passwd|bob",
    "vim|password.txt",
    "pass|show|mail",
    "ssh-keygen|-t|ed25519|-f|key",
    "ssh|-i|/home/alice/.ssh/id_rsa|-o|PasswordAuthentication=no|h",
    "ssh|-o|PubkeyAuthentication=yes|h",
    "curl|-u|user|https://h/",
    "curl|-k|--key|k.pem|https://h:8443/path@x",
    "curl|http://[::1]:80/",
    "curl|-b|cookies.txt|h",
    "wget|https://h:443/",
    "git|clone|git@github.com:a/b.git",
    "git|clone|ssh://git@h:22/r.git",
    "ansible|--ask-pass|--ask-become-pass|h",
    "gh|auth|login|--with-token|-h|github.com",
    "docker|login|--password-stdin|-u|me",
    "tool|--password-file|/run/p",
    "tool|--password|--verbose",
    "tool|--max-tokens|5",
    "tool|--keyboard|us",
    "openssl|rsa|-passin|env:VAR",
    "redis-cli|-h|h|get|a",
    "ldapsearch|-x|-W|-b|dc=a|-s|sub",
    "env|PWD=/home/alice|OLDPWD=/|bash",
    "env|BYPASS=|PASSWORD=|x",
    "compass|bypass=1",
    "sqlplus|/nolog",
    "sqlplus|/|as|sysdba",
    "keyctl|show",
    "monkey|--key|abc",
    "date|--date=Asia/Tokyo",
    "sh|-c|mkdir -p secret && ls -p | grep -v token",
    "make|-j2|all",
    "https|example.org",
    "rsync|-a|--password-file=/run/p|h::m|.",
];

fn words(line: &str) -> Vec<&str> {
    // The shell's own bar has spaces around it.
    let mut words = Vec::new();
    let mut start = 0;
    for (at, _) in line.match_indices('|') {
        if !line[at..].starts_with("| ") {
            words.push(&line[start..at]);
            start = at + 1;
        }
    }
    words.push(&line[start..]);
    words
}

#[test]
fn secrets_are_replaced_and_the_rest_stays() {
    let mut wrong = Vec::new();
    for (line, expected) in SECRETS {
        let (after, names) = redacted(&words(line));
        if after.join("|") != *expected || names.is_empty() {
            wrong.push(format!("{line}\n  got      {}\n  expected {expected}", after.join("|")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), SECRETS.len(), wrong.join("\n"));
}

#[test]
fn a_redacted_command_line_is_not_changed_again() {
    for (line, _) in SECRETS {
        let (once, _) = redacted(&words(line));
        let (twice, names) = redacted(&once.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(once, twice, "{line}");
        assert_eq!(names, Vec::<String>::new(), "{line}");
    }
}

#[test]
fn what_only_looks_like_a_secret_stays() {
    let mut wrong = Vec::new();
    for line in INNOCENT {
        let (after, names) = redacted(&words(line));
        if after.join("|") != *line || !names.is_empty() {
            wrong.push(format!("{line}\n  got {}", after.join("|")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), INNOCENT.len(), wrong.join("\n"));
}

#[test]
fn every_known_program_is_found_by_its_name() {
    for name in programs::names() {
        assert!(programs::find(name.as_bytes()).is_some(), "{name}");
        assert!(redactor().rules.may_match(format!("/usr/bin/{name}").as_bytes()), "{name}");
    }
}

#[test]
fn the_names_of_the_tokens_come_back_once_each() {
    let (_, names) = redacted(&["x", "--token=a", "--password=b", "--token=c"]);
    assert_eq!(names, ["token", "password"]);
}

#[test]
fn a_program_under_another_name_is_known_by_its_executable() {
    let mut argv = argv(&["harmless", "-psecret"]);
    redactor().redact_argv(b"/usr/bin/mariadb", &mut argv);
    assert_eq!(argv[1], "-p<redacted:password>");
}

#[test]
fn arguments_need_not_be_utf_8() {
    let mut argv =
        vec![Bytes::from_static(b"mysql"), Bytes::from_static(b"-p\xff\xfe"), Bytes::from_static(b"\xffx")];
    let redactor = redactor();
    assert_eq!(redactor.redact_argv(b"", &mut argv), ["password"]);
    assert_eq!(argv[1], "-p<redacted:password>");
    assert_eq!(argv[2], b"\xffx"[..]);
    assert_eq!(redactor.replaced(), 1);
}

#[test]
fn switched_off_it_replaces_nothing() {
    let redactor = configured("redaction.enabled = false");
    let mut argv = argv(&["mysql", "-psecret"]);
    assert!(redactor.redact_argv(b"", &mut argv).is_empty());
    assert_eq!(argv[1], "-psecret");
}

#[test]
fn rules_of_the_configuration_replace_their_group() {
    let redactor = configured("[[redaction.rules]]\nname = \"badge\"\npattern = 'badge-(\\d+)'");
    let mut argv = argv(&["open", "door badge-123 badge-7"]);
    assert_eq!(redactor.redact_argv(b"", &mut argv), ["badge"]);
    assert_eq!(argv[1], "door badge-<redacted:badge> badge-<redacted:badge>");
}

/// Command lines with a place for a secret, for any secret that needs no quotes.
const TEMPLATES: &[&str] = &[
    "mysql|-p{}|db",
    "mysqldump|--password={}|db",
    "tool|--password|{}",
    "tool|--token={}",
    "tool|-v|--api-key|{}|x",
    "sudo|-u|bob|sshpass|-p|{}|ssh|h",
    "curl|-su|user:{}|https://h/",
    "curl|-H|Authorization: Bearer {}|h",
    "curl|-d|a=b&password={}|h",
    "env|DB_PASSWORD={}|run",
    "env|X_TOKEN={} y",
    "git|clone|https://user:{}@host/x",
    "sh|-c|cd /tmp; mysql -p'{}' db | head",
    "sh|-c|PGPASSWORD=\"{}\" psql && echo done",
    "ssh|h|sh -c 'redis-cli -a \"{}\" info'",
    "curl|https://h/p?x=1&access_token={}&y=2",
    "curl|-d|{\"password\": \"{}\"}",
    "ldapsearch|-x|-w|{}",
    "htpasswd|-nb|user|{}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_secret_never_survives(template in 0..TEMPLATES.len(), secret in "[A-Za-z0-9][A-Za-z0-9!%+,.:;@_~^*-]{7,30}") {
        let line = TEMPLATES[template];
        let words: Vec<_> = words(line).iter().map(|word| word.replace("{}", &secret)).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let (after, names) = redacted(&words);
        prop_assert!(!after.join(" ").contains(&secret), "{:?}", after);
        prop_assert!(!names.is_empty());
        // Nor does its second half, which a delimiter inside could leave behind.
        let tail = &secret[secret.len() / 2..];
        let elsewhere = line.replace("{}", "").contains(tail);
        prop_assert!(elsewhere || !after.join(" ").contains(tail), "{:?}", after);
    }

    #[test]
    fn any_bytes_are_taken_and_the_result_is_stable(
        program in prop::sample::select(vec!["mysql", "curl", "sh", "ssh", "openssl", "x", "docker", "env"]),
        rest in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "(-{0,2}(password|token|p|u|H|key)|[=:;|&'\"\\\\ @/$()]|https://|a|b|login|mysql|sh -c|<redacted:x>){0,12}"
                .prop_map(String::into_bytes),
        ], 0..6),
    ) {
        let redactor = redactor_for_properties();
        let mut once: Vec<Bytes> = std::iter::once(Bytes::from_static(program.as_bytes()))
            .chain(rest.into_iter().map(Bytes::from)).collect();
        let before = once.clone();
        let names = redactor.redact_argv(b"", &mut once);
        prop_assert_eq!(names.is_empty(), before == once);
        let mut twice = once.clone();
        redactor.redact_argv(b"", &mut twice);
        prop_assert_eq!(&once, &twice, "from {:?}", before);
    }
}

/// One for all cases: compiling it takes longer than using it.
fn redactor_for_properties() -> &'static Redactor {
    static REDACTOR: std::sync::LazyLock<Redactor> = std::sync::LazyLock::new(redactor);
    &REDACTOR
}

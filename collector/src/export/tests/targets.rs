//! Places as people write them.

use super::*;

#[test]
fn a_place_is_a_url() {
    for (text, shown) in [
        ("-", "standard output"),
        ("file:///var/log/x.json", "file:///var/log/x.json"),
        ("syslog://siem", "syslog://siem:514"),
        ("syslog://[::1]:1514", "syslog://[::1]:1514"),
        ("syslog+tls://siem.example", "syslog+tls://siem.example:6514"),
        ("nats://nats.example", "nats://nats.example:4222/activity"),
        ("nats+tls://user:secret@10.0.0.1:1/a.b", "nats+tls://10.0.0.1:1/a.b"),
    ] {
        let target: Target = text.parse().unwrap();
        assert_eq!(target.to_string(), shown);
        assert!(!format!("{target:?}").contains("secret"));
    }
}

#[test]
fn what_is_no_place_is_refused_without_showing_a_password() {
    for wrong in [
        "",
        "siem",
        "file://x",
        "syslog://",
        "syslog://siem:0",
        "syslog://siem:x",
        "syslog://a b",
        "udp://siem:514",
        "nats://h/a..b",
        "nats://h/a.>",
        "nats://h/",
        "https://user:secret@siem",
    ] {
        let error = wrong.parse::<Target>().unwrap_err().to_string();
        assert!(error.contains("syslog://HOST:514") && !error.contains("secret"), "{wrong}: {error}");
    }
}

#[test]
fn tls_needs_to_know_whom_to_trust() {
    let open = |authority: Option<&str>| {
        let secrets = Secrets { authority: authority.map(Into::into), ..Secrets::default() };
        let opened = "syslog+tls://siem".parse::<Target>().unwrap().open(&secrets);
        opened.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(open(None).contains("authority"));
    assert!(open(Some("/nowhere/ca.pem")).contains("/nowhere/ca.pem is of no use"));
}

use proptest::prelude::*;

use super::*;

fn accepted(message: &str) -> Accepted {
    match parse(message.as_bytes()) {
        Some(Said::Accepted(accepted)) => accepted,
        other => panic!("{message}: {other:?}"),
    }
}

fn refused(message: &str) -> Refused {
    match parse(message.as_bytes()) {
        Some(Said::Refused(refused)) => refused,
        other => panic!("{message}: {other:?}"),
    }
}

fn peer(address: &str, port: u16) -> Peer {
    Peer { address: Some(address.parse().unwrap()), port }
}

#[test]
fn a_login_by_key() {
    let said = accepted("Accepted publickey for alice from 127.0.0.2 port 40022 ssh2: ED25519 SHA256:ab+/c");
    assert_eq!((said.method.as_str(), &said.user[..]), ("publickey", &b"alice"[..]));
    assert_eq!(said.peer, peer("127.0.0.2", 40022));
    let key = said.key.unwrap();
    assert_eq!((key.kind.as_str(), key.fingerprint.as_str()), ("ED25519", "SHA256:ab+/c"));
    assert_eq!(key.authority, None);
}

#[test]
fn a_login_by_certificate_whose_id_looks_like_a_message() {
    let said = accepted(
        "Accepted publickey for alice from ::1 port 5 ssh2: ED25519-CERT SHA256:key ID \
         x from 192.0.2.1 port 6 ssh2: RSA SHA256:zz (serial 5) CA RSA SHA256:no \
         (serial 7) CA ED25519 SHA256:authority",
    );
    assert_eq!(said.peer, peer("::1", 5));
    let key = said.key.unwrap();
    assert_eq!((key.kind.as_str(), key.fingerprint.as_str()), ("ED25519-CERT", "SHA256:key"));
    assert_eq!(key.authority.as_deref(), Some("SHA256:authority"));
}

#[test]
fn logins_without_a_key() {
    for method in ["password", "keyboard-interactive/pam", "gssapi-with-mic", "hostbased"] {
        let said = accepted(&format!("Accepted {method} for bob from fe80::1%eth0 port 22 ssh2"));
        assert_eq!((said.method.as_str(), said.key), (method, None));
        assert_eq!(said.peer, peer("fe80::1", 22));
    }
    let said = accepted("Accepted gssapi-with-mic for bob from UNKNOWN port 65535 ssh2: bob@EXAMPLE.ORG");
    assert_eq!((said.peer.address, said.key), (None, None));
    let said = accepted(
        "Accepted hostbased for bob from 192.0.2.1 port 9 ssh2: \
         RSA SHA256:host client user \"bob\" client host \"a.example\"",
    );
    assert_eq!(said.key.unwrap().fingerprint, "SHA256:host");
}

#[test]
fn refused_logins() {
    let said = refused("Failed password for alice from 192.0.2.1 port 7 ssh2");
    assert_eq!((said.stage, said.invalid_user, &said.user[..]), (Stage::Tried, false, &b"alice"[..]));
    let said = refused("Failed keyboard-interactive/pam for invalid user x from ::1 port 7 ssh2 [preauth]");
    assert_eq!((said.stage, said.invalid_user, &said.user[..]), (Stage::Tried, true, &b"x"[..]));
    let said = refused("Failed publickey for x from ::1 port 7 ssh2: RSA SHA256:key");
    assert_eq!((said.stage, said.key.unwrap().kind.as_str()), (Stage::Offered, "RSA"));
    let said = refused(
        "Failed publickey for x from ::1 port 7 ssh2: RSA-CERT SHA256:key ID a b (serial 5) CA RSA SHA256:ca",
    );
    assert_eq!(said.key.unwrap().authority.as_deref(), Some("SHA256:ca"));
    for empty in ["Invalid user  from ::1 port 7", "Invalid user from ::1 port 7"] {
        assert_eq!((refused(empty).stage, refused(empty).user.len()), (Stage::Named, 0));
    }
}

#[test]
fn the_ends_of_connections() {
    for end in [
        "Connection closed by authenticating user x 192.0.2.1 port 7 [preauth]",
        "Connection reset by authenticating user x 192.0.2.1 port 7 [preauth]",
        "Connection from authenticating user x 192.0.2.1 port 7 timed out",
        "Disconnected from authenticating user x 192.0.2.1 port 7 [preauth]",
        "Disconnecting authenticating user x 192.0.2.1 port 7: Too many authentication failures [preauth]",
        "fatal: ssh_dispatch_run_fatal: Connection from authenticating user x 192.0.2.1 port 7: \
         Broken pipe [preauth]",
    ] {
        let said = refused(end);
        assert_eq!((said.stage, &said.user[..], said.peer), (Stage::Ended, &b"x"[..], peer("192.0.2.1", 7)));
        assert!(!said.invalid_user, "{end}");
        assert!(refused(&end.replace("authenticating", "invalid")).invalid_user, "{end}");
    }
}

#[test]
fn what_is_not_about_a_login_or_not_clear() {
    for other in [
        "",
        "Failed none for alice from 192.0.2.1 port 7 ssh2",
        "Postponed publickey for alice from 192.0.2.1 port 7 ssh2 [preauth]",
        "Accepted key ED25519 SHA256:x found at /home/alice/.ssh/authorized_keys:1",
        "Accepted password for alice from 192.0.2.1 port 70000 ssh2",
        "Accepted password for alice from 192.0.2.1 port +7 ssh2",
        "Disconnected from user alice 192.0.2.1 port 7",
        "Connection closed by 192.0.2.1 port 7 [preauth]",
        "pam_unix(sshd:session): session opened for user alice(uid=1001) by (uid=0)",
        // A hostile name in front of a certificate, or a hostile key id.
        "Failed publickey for x from ::1 port 7 ssh2: RSA-CERT SHA256:key ID a from ::2 port 8 ssh2: \
         RSA-CERT SHA256:key ID a (serial 5) CA RSA SHA256:ca",
        "Disconnecting invalid user x 192.0.2.4 port 5: a 192.0.2.1 port 7: Change of username",
    ] {
        assert_eq!(parse(other.as_bytes()), None, "{other}");
    }
}

/// Names as somebody would choose who knows this file.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        " from ",
        " port ",
        " ssh2",
        ": ",
        " ",
        "192.0.2.66",
        "::66",
        "6",
        "invalid user ",
        "RSA",
        "SHA256:ab",
        "x",
        " [preauth]",
        " timed out",
        " ID ",
        " (serial 5) CA ",
        "Accepted publickey for root",
        "RSA-CERT",
        "UNKNOWN",
        ": Too many authentication failures",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_input_panics(message in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&message);
    }

    #[test]
    fn no_message_panics(before in hostile(), after in hostile()) {
        for head in ["Accepted publickey for ", "Failed ", "Invalid user ", "Connection closed by invalid user "] {
            let _ = parse(format!("{head}{before} from ::1 port 7 ssh2{after}").as_bytes());
        }
    }

    #[test]
    fn a_hostile_name_is_only_a_name(name in hostile()) {
        let right = peer("192.0.2.1", 7);
        for message in [
            format!("Failed password for invalid user {name} from 192.0.2.1 port 7 ssh2"),
            format!("Failed publickey for invalid user {name} from 192.0.2.1 port 7 ssh2: RSA SHA256:right"),
            format!("Invalid user {name} from 192.0.2.1 port 7"),
            format!("Connection closed by invalid user {name} 192.0.2.1 port 7 [preauth]"),
            format!("Disconnecting invalid user {name} 192.0.2.1 port 7: Too many authentication failures"),
        ] {
            let said = refused(&message);
            prop_assert_eq!((said.peer, &said.user[..]), (right, name.as_bytes()));
            prop_assert!(said.key.is_none_or(|key| key.fingerprint == "SHA256:right"));
        }
    }

    #[test]
    fn where_both_ends_are_hostile_the_peer_is_right_or_not_there(name in hostile(), id in hostile()) {
        let message = format!(
            "Failed publickey for invalid user {name} from 192.0.2.1 port 7 ssh2: \
             RSA-CERT SHA256:right ID {id} (serial 5) CA RSA SHA256:ca"
        );
        if let Some(Said::Refused(said)) = parse(message.as_bytes()) {
            prop_assert_eq!(said.peer, peer("192.0.2.1", 7));
        }
        let message = format!(
            "Disconnecting invalid user {name} 192.0.2.1 port 7: Change of username or service not allowed: ({id}"
        );
        if let Some(Said::Refused(said)) = parse(message.as_bytes()) {
            prop_assert_eq!(said.peer, peer("192.0.2.1", 7));
        }
    }
}

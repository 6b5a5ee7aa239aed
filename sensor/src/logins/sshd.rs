//! What sshd says of a login.
//!
//! The name in a refused login is whatever the other side sent, up to 100
//! bytes of it, and so is the key id in a certificate. Neither may shift what
//! is read as address and port: a refused login is read from its right end, an
//! accepted one, whose name is a user of this machine, from its left. A message
//! that can be read in two ways is not read at all; what is missed then is made
//! up for by the end of the connection, which says nothing after the port.
//!
//! The formats are those of OpenSSH from 8.4 to 10; they have not changed
//! between, only who says it: sshd, since 9.8 sshd-session, since 10 also
//! sshd-auth.

use std::net::IpAddr;

use bytes::Bytes;

/// Longest name, method, key type or fingerprint that is believed, in bytes.
/// sshd cuts names off at 100, each byte written as four at most.
const MAX_WORD: usize = 1024;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A user was let in.
    Accepted(Accepted),
    /// A user was not let in, or not yet.
    Refused(Refused),
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The address; none when sshd calls it `UNKNOWN`.
    pub address: Option<IpAddr>,
    /// The TCP port.
    pub port: u16,
}

/// A user was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// As sshd calls it: `publickey`, `password`, `keyboard-interactive/pam`.
    pub method: String,
    /// The user's name.
    pub user: Bytes,
    /// Where from.
    pub peer: Peer,
    /// The key, when one was used.
    pub key: Option<Key>,
}

/// A user was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// As sshd calls it; empty when sshd did not say.
    pub method: String,
    /// The name that was asked for, escaped as sshd escapes it.
    pub user: Bytes,
    /// sshd took it as nobody: there is no such user, or the user may not log
    /// in.
    pub invalid_user: bool,
    /// Where from.
    pub peer: Peer,
    /// The last key that was offered, when sshd said.
    pub key: Option<Key>,
    /// How far it had come.
    pub stage: Stage,
}

/// How far a refused login had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A name was given that is nobody's.
    Named,
    /// Something was refused that clients try on their own: a key, a ticket, a
    /// host. Another of them may still be accepted.
    Offered,
    /// What somebody typed was refused.
    Tried,
    /// The connection ended without a login.
    Ended,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// As sshd calls it: `ED25519`, `RSA-CERT`.
    pub kind: String,
    /// Of the key itself, also when it came with a certificate: `SHA256:` or
    /// `MD5:` and the digest.
    pub fingerprint: String,
    /// The fingerprint of the authority that signed the certificate.
    pub authority: Option<String>,
}

/// Reads a message as sshd wrote it, without what syslog puts before it. None
/// when it is not about whether somebody was let in, or cannot be read in one
/// way only.
pub fn parse(message: &[u8]) -> Option<Said> {
    let message = message.trim_ascii();
    // What the process without privileges says, passed on by the other one.
    let message = message.strip_suffix(b" [preauth]").unwrap_or(message);
    // Levels as syslog and as a file have them.
    let message = message.strip_prefix(b"fatal: ").unwrap_or(message);
    let message = message.strip_prefix(b"ssh_dispatch_run_fatal: ").unwrap_or(message);

    if let Some(rest) = message.strip_prefix(b"Accepted ") {
        return accepted(rest).map(Said::Accepted);
    }
    let refused = if let Some(rest) = message.strip_prefix(b"Failed ") {
        failed(rest)
    } else if let Some(rest) = message.strip_prefix(b"Invalid user ") {
        named(rest)
    } else {
        ended(message)
    };
    refused.map(Said::Refused)
}

/// `METHOD for NAME from ADDRESS port PORT ssh2[: INFO]`
fn accepted(text: &[u8]) -> Option<Accepted> {
    let (method, text) = split_first(text, b" ")?;
    let text = text.strip_prefix(b"for ")?;
    let (user, text) = split_first(text, b" from ")?;
    let (peer, rest) = peer_at(text, b" port ")?;
    let info = rest.strip_prefix(b" ssh2")?;
    let key = match info {
        b"" => None,
        info => key_at(info.strip_prefix(b": ")?),
    };
    if user.is_empty() {
        return None;
    }
    Some(Accepted { method: word(method)?, user: name(user)?, peer, key })
}

/// `METHOD for [invalid user ]NAME from ADDRESS port PORT ssh2[: INFO]`
fn failed(text: &[u8]) -> Option<Refused> {
    let (method, text) = split_first(text, b" ")?;
    let text = text.strip_prefix(b"for ")?;
    let method = word(method)?;
    // Every client asks which methods there are by this one.
    if method == "none" {
        return None;
    }
    let (user, peer, key) = if let Some(text) = text.strip_suffix(b" ssh2") {
        let (user, peer) = peer_of(text, b" from ")?;
        (user, peer, None)
    } else if let Some((text, key)) = plain_key_of(text) {
        let (user, peer) = peer_of(text.strip_suffix(b" ssh2")?, b" from ")?;
        (user, peer, Some(key))
    } else {
        let (user, peer, info) = only(text, b" from ", b" ssh2: ")?;
        (user, peer, key_at(info))
    };
    let (user, invalid_user) = without_invalid(user);
    let stage = if method == "password" || method.starts_with("keyboard-interactive") {
        Stage::Tried
    } else {
        Stage::Offered
    };
    Some(Refused { method, user: name(user)?, invalid_user, peer, key, stage })
}

/// `NAME from ADDRESS port PORT`
fn named(text: &[u8]) -> Option<Refused> {
    let (user, peer) = match text.strip_prefix(b"from ") {
        // No name at all, where blanks were trimmed.
        Some(rest) if whole_peer(rest).is_some() => (&b""[..], whole_peer(rest)?),
        _ => peer_of(text, b" from ")?,
    };
    Some(Refused {
        method: String::new(),
        user: name(user)?,
        invalid_user: true,
        peer,
        key: None,
        stage: Stage::Named,
    })
}

/// `Connection closed by (authenticating|invalid) user NAME ADDRESS port PORT`
/// and the other ways in which a connection ends.
fn ended(text: &[u8]) -> Option<Refused> {
    const ENDS: [&[u8]; 5] = [
        b"Connection closed by ",
        b"Connection reset by ",
        b"Connection from ",
        b"Disconnected from ",
        b"Disconnecting ",
    ];
    let rest = ENDS.iter().find_map(|end| text.strip_prefix(*end))?;
    let (invalid_user, rest) = match rest.strip_prefix(b"invalid user ") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix(b"authenticating user ")?),
    };
    // This reason, and no other, has names in it that were sent.
    let from_the_right = if split_first(rest, b": Change of username").is_some() {
        None
    } else {
        let said = [&b" timed out"[..], b": Too many authentication failures"]
            .iter()
            .find_map(|end| rest.strip_suffix(*end))
            .unwrap_or(rest);
        peer_of(said, b" ")
    };
    let (user, peer) = match from_the_right {
        Some(found) => found,
        None => only(rest, b" ", b": ").map(|(user, peer, _)| (user, peer))?,
    };
    Some(Refused {
        method: String::new(),
        user: name(user)?,
        invalid_user,
        peer,
        key: None,
        stage: Stage::Ended,
    })
}

fn without_invalid(user: &[u8]) -> (&[u8], bool) {
    match user.strip_prefix(b"invalid user ") {
        Some(user) => (user, true),
        None => (user, false),
    }
}

/// The name and the peer of `NAME<before>ADDRESS port PORT`, from the right.
fn peer_of<'a>(text: &'a [u8], before: &[u8]) -> Option<(&'a [u8], Peer)> {
    let (text, port) = split_last(text, b" port ")?;
    let (user, address) = split_last(text, before)?;
    Some((user, Peer { address: address_of(address)?, port: port_of(port)? }))
}

/// All of it is `ADDRESS port PORT`.
fn whole_peer(text: &[u8]) -> Option<Peer> {
    peer_at(text, b" port ").filter(|(_, rest)| rest.is_empty()).map(|(peer, _)| peer)
}

/// `ADDRESS<between>PORT` at the beginning, and what follows the port.
fn peer_at<'a>(text: &'a [u8], between: &[u8]) -> Option<(Peer, &'a [u8])> {
    let (address, text) = split_first(text, between)?;
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (port, rest) = text.split_at_checked(digits)?;
    Some((Peer { address: address_of(address)?, port: port_of(port)? }, rest))
}

/// The one place where `<before>ADDRESS port PORT<after>` is, with the name
/// before it and what follows it. None when there are two.
fn only<'a>(text: &'a [u8], before: &[u8], after: &[u8]) -> Option<(&'a [u8], Peer, &'a [u8])> {
    let mut found = None;
    for at in 0..text.len() {
        let (user, rest) = text.split_at_checked(at)?;
        // Without this, text made of `before` only would be searched to its end
        // again and again.
        let Some(rest) = rest.strip_prefix(before) else { continue };
        let near = rest.get(..MAX_WORD.min(rest.len()))?;
        let Some((peer, _)) = peer_at(near, b" port ") else { continue };
        let (_, rest) = peer_at(rest, b" port ")?;
        let Some(info) = rest.strip_prefix(after) else { continue };
        if found.replace((user, peer, info)).is_some() {
            return None;
        }
    }
    found
}

/// `TYPE FINGERPRINT[ ID text (serial N) CA TYPE FINGERPRINT]` at the beginning.
fn key_at(info: &[u8]) -> Option<Key> {
    let (kind, rest) = split_first(info, b" ")?;
    let (fingerprint, rest) = split_first(rest, b" ").unwrap_or((rest, b""));
    // The text before this is the authority's choice, this is not.
    let authority = split_last(rest, b") CA ")
        .and_then(|(_, authority)| split_first(authority, b" "))
        .map(|(_, rest)| split_first(rest, b",").map_or(rest, |(fingerprint, _)| fingerprint))
        .and_then(fingerprint_of);
    Some(Key { kind: word(kind)?, fingerprint: fingerprint_of(fingerprint)?, authority })
}

/// What is before ` ssh2: TYPE FINGERPRINT` at the end, with ` ssh2`, and the
/// key. A certificate's message ends in ` CA TYPE FINGERPRINT`.
fn plain_key_of(text: &[u8]) -> Option<(&[u8], Key)> {
    let (text, fingerprint) = split_last(text, b" ")?;
    let (text, kind) = split_last(text, b" ")?;
    let text = text.strip_suffix(b":")?;
    let key = Key { kind: word(kind)?, fingerprint: fingerprint_of(fingerprint)?, authority: None };
    text.ends_with(b" ssh2").then_some((text, key))
}

fn fingerprint_of(text: &[u8]) -> Option<String> {
    let digest = text.strip_prefix(b"SHA256:").or_else(|| text.strip_prefix(b"MD5:"))?;
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=:".contains(byte);
    if digest.is_empty() || !digest.iter().all(fits) {
        return None;
    }
    word(text)
}

fn address_of(text: &[u8]) -> Option<Option<IpAddr>> {
    if text == b"UNKNOWN" {
        return Some(None);
    }
    let text = std::str::from_utf8(text).ok()?;
    // An address of one link has its interface behind it.
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse().ok().map(Some)
}

fn port_of(text: &[u8]) -> Option<u16> {
    // `parse` would take a sign.
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn name(text: &[u8]) -> Option<Bytes> {
    (text.len() <= MAX_WORD).then(|| Bytes::copy_from_slice(text))
}

/// One word of visible ASCII.
fn word(text: &[u8]) -> Option<String> {
    if text.is_empty() || text.len() > MAX_WORD || !text.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    String::from_utf8(text.to_vec()).ok()
}

fn split_first<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = text.windows(at.len()).position(|part| part == at)?;
    Some((text.get(..place)?, text.get(place + at.len()..)?))
}

fn split_last<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = text.windows(at.len()).rposition(|part| part == at)?;
    Some((text.get(..place)?, text.get(place + at.len()..)?))
}

#[cfg(test)]
mod tests {
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
        let said =
            accepted("Accepted publickey for alice from 127.0.0.2 port 40022 ssh2: ED25519 SHA256:ab+/c");
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
        let said =
            refused("Failed keyboard-interactive/pam for invalid user x from ::1 port 7 ssh2 [preauth]");
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
            assert_eq!(
                (said.stage, &said.user[..], said.peer),
                (Stage::Ended, &b"x"[..], peer("192.0.2.1", 7))
            );
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
}

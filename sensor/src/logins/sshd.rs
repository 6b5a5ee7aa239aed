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
mod tests;

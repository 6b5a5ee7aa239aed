//! Words as a shell would read them back.

use std::borrow::Cow;

use activity_proto::json::escape_bytes;

/// How a secret that was taken out begins; it ends with `>`.
const TOKEN: &str = "<redacted:";

/// Appends a word so that bash would read the same bytes: as it is, in
/// quotes, or in `$'…'` with [`escape_bytes`] where it has bytes that are not
/// shown. What stands outside of quotes in a line is therefore ours, and no
/// name can pass for it.
pub fn push_word(text: &mut String, word: &[u8]) {
    match escape_bytes(word) {
        Cow::Borrowed(plain) if is_plain(plain) => text.push_str(plain),
        Cow::Borrowed(plain) => push_quoted(text, "'", plain, r"'\''"),
        Cow::Owned(escaped) => push_quoted(text, "$'", &escaped, r"\'"),
    }
}

/// A word by itself.
pub fn word(word: &[u8]) -> String {
    let mut text = String::with_capacity(word.len());
    push_word(&mut text, word);
    text
}

fn push_quoted(text: &mut String, open: &str, inner: &str, quote: &str) {
    text.push_str(open);
    for (index, part) in inner.split('\'').enumerate() {
        if index > 0 {
            text.push_str(quote);
        }
        text.push_str(part);
    }
    text.push('\'');
}

/// Whether a shell takes the word as it is; the tokens of redaction are not
/// the user's and need no quotes.
fn is_plain(word: &str) -> bool {
    let safe = |c: char| {
        c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c) || (!c.is_ascii() && !c.is_whitespace())
    };
    !word.is_empty() && tokens(word).all(|(part, is_token)| is_token || part.chars().all(safe))
}

/// The text in pieces, those marked that are tokens of redaction.
pub fn tokens(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (start, is_token) = match rest.find(TOKEN) {
            Some(0) => (token_length(rest), true),
            found => (found.unwrap_or(rest.len()), false),
        };
        let (piece, after) = rest.split_at_checked(start)?;
        rest = after;
        Some((piece, is_token))
    })
}

/// The length of the token that the text begins with.
fn token_length(text: &str) -> usize {
    text.find('>').map_or(text.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::ffi::OsStringExt as _, process::Command};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_words_have_no_quotes() {
        for plain in ["/usr/bin/true", "-la", "--user=alice", "日本語", "--password=<redacted:password>"] {
            assert_eq!(word(plain.as_bytes()), plain);
        }
    }

    #[test]
    fn other_words_have_quotes() {
        for (bytes, shown) in [
            (&b""[..], "''"),
            (b"a b", "'a b'"),
            (b"[deleted]", "'[deleted]'"),
            (b"it's", r"'it'\''s'"),
            (b"a\nb'", r"$'a\x0ab\''"),
            (b"\xff\\", r"$'\xff\\'"),
            (b"$(id) <redacted:token>", "'$(id) <redacted:token>'"),
            ("a\u{3000}b".as_bytes(), "'a\u{3000}b'"),
        ] {
            assert_eq!(word(bytes), shown);
        }
    }

    #[test]
    fn tokens_are_found_in_their_place() {
        let found: Vec<_> = tokens("a <redacted:x><redacted:y> b <redacted:z").collect();
        let expected = [
            ("a ", false),
            ("<redacted:x>", true),
            ("<redacted:y>", true),
            (" b ", false),
            ("<redacted:z", true),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn bash_reads_the_same_bytes() {
        let strategy = proptest::collection::vec(1_u8.., 0..40);
        proptest!(ProptestConfig::with_cases(64), |(bytes in strategy)| {
            let script = format!("printf %s {}", word(&bytes));
            let output = Command::new("bash").arg("-c").arg(std::ffi::OsString::from_vec(script.into())).output();
            prop_assert_eq!(output.unwrap().stdout, bytes);
        });
    }
}

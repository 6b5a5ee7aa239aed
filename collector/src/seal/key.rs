//! The key of a store, with which its seal is signed.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use activity_segments::{Machine, replace};
use pem::{EncodeConfig, LineEnding, Pem};
use ring::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};

use super::hex::Hex;
use crate::store::{Layout, StoreError, sync_directory};

const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
/// What stands before an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An Ed25519 signature.
pub type Signature = Hex<64>;

/// The key that signs.
pub struct Key(Ed25519KeyPair);

impl Key {
    /// The key of a store, which is made where there is none.
    pub fn open(layout: &Layout) -> Result<Self, StoreError> {
        let path = layout.seal_key();
        let key = match fs::read(&path) {
            Ok(text) => Self::read(&text).ok_or_else(|| StoreError::Key(path.clone()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(&path).map_err(|source| StoreError::file("make the key", &path, source))?
            }
            Err(source) => return Err(StoreError::file("read", &path, source)),
        };
        key.publish(&layout.seal_public())?;
        Ok(key)
    }

    fn read(text: &[u8]) -> Option<Self> {
        let pem = pem::parse(text).ok().filter(|pem| pem.tag() == PRIVATE)?;
        Ed25519KeyPair::from_pkcs8(pem.contents()).ok().map(Self)
    }

    /// Puts the public key beside it. One that is there is left alone: who copied it
    /// elsewhere must be able to compare.
    fn publish(&self, path: &Path) -> Result<(), StoreError> {
        match fs::read(path) {
            Ok(text) if PublicKey::read(&text) == Some(self.public()) => Ok(()),
            Ok(_) => {
                tracing::error!(
                    "{} does not belong to the key that signs: one of them was replaced, and `verify` will \
                     tell from which entry on",
                    path.display()
                );
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                replace(&Machine, path, self.public().pem().as_bytes())
                    .map_err(|source| StoreError::file("write", path, source))
            }
            Err(source) => Err(StoreError::file("read", path, source)),
        }
    }

    /// Signs.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        let mut signature = Signature::default();
        signature.0.iter_mut().zip(self.0.sign(bytes).as_ref()).for_each(|(to, from)| *to = *from);
        signature
    }

    /// The key that verifies.
    pub fn public(&self) -> PublicKey {
        let mut key = Hex::default();
        key.0.iter_mut().zip(self.0.public_key().as_ref()).for_each(|(to, from)| *to = *from);
        PublicKey(key)
    }
}

/// A new key, durable before anything is signed with it.
fn make(path: &Path) -> io::Result<Key> {
    let random = |_| io::Error::other("there are no random numbers");
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(random)?;
    let next = path.with_extension("next");
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&next)?;
    file.write_all(encode(PRIVATE, document.as_ref()).as_bytes())?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    if let Some(directory) = path.parent() {
        sync_directory(directory).map_err(io::Error::other)?;
    }
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref());
    pair.map(Key).map_err(|error| io::Error::other(error.to_string()))
}

fn encode(tag: &str, contents: &[u8]) -> String {
    pem::encode_config(&Pem::new(tag, contents), EncodeConfig::new().set_line_ending(LineEnding::LF))
}

/// The key that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub Hex<32>);

impl PublicKey {
    /// Reads the text of a file like `seal.pub`.
    pub fn read(text: &[u8]) -> Option<Self> {
        let pem = pem::parse(text).ok().filter(|pem| pem.tag() == PUBLIC)?;
        let key = pem.contents().strip_prefix(&PREFIX)?;
        Some(Self(Hex(key.try_into().ok()?)))
    }

    fn pem(&self) -> String {
        encode(PUBLIC, &[&PREFIX[..], &self.0.0].concat())
    }

    /// Whether the signature was made with its key.
    pub fn has_signed(&self, bytes: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0.0).verify(bytes, &signature.0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn store() -> (tempfile::TempDir, Layout) {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().to_str().unwrap()).unwrap();
        (directory, layout)
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_only() {
        let (_directory, layout) = store();
        let made = Key::open(&layout).unwrap().public();
        assert_eq!(Key::open(&layout).unwrap().public(), made);
        assert_eq!(PublicKey::read(&fs::read(layout.seal_public()).unwrap()), Some(made));
        let mode = fs::metadata(layout.seal_key()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn only_what_was_signed_with_the_key_verifies() {
        let (_directory, layout) = store();
        let key = Key::open(&layout).unwrap();
        let signature = key.sign(b"this");
        assert!(key.public().has_signed(b"this", &signature));
        assert!(!key.public().has_signed(b"that", &signature));
        let (_directory, other) = store();
        assert!(!Key::open(&other).unwrap().public().has_signed(b"this", &signature));
    }

    #[test]
    fn a_public_key_that_is_lost_is_made_again_and_another_one_is_left_alone() {
        let (_directory, layout) = store();
        let key = Key::open(&layout).unwrap().public();
        fs::remove_file(layout.seal_public()).unwrap();
        Key::open(&layout).unwrap();
        assert_eq!(PublicKey::read(&fs::read(layout.seal_public()).unwrap()), Some(key));
        fs::write(layout.seal_public(), "another").unwrap();
        Key::open(&layout).unwrap();
        assert_eq!(fs::read(layout.seal_public()).unwrap(), b"another");
    }

    #[test]
    fn a_key_that_is_none_is_told() {
        let (_directory, layout) = store();
        let public = Key::open(&layout).unwrap().public().pem();
        for wrong in ["", "no key", &public] {
            fs::write(layout.seal_key(), wrong).unwrap();
            assert!(matches!(Key::open(&layout).err(), Some(StoreError::Key(_))), "{wrong}");
        }
    }
}

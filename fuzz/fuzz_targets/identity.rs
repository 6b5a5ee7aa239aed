//! A line for each URI of a certificate: to whose it is.

#![no_main]

use activity_peers::Identity;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(identity) = Identity::among(text.lines()) {
        let uri = identity.to_string();
        assert!(text.lines().any(|line| line == uri), "{uri}");
        assert_eq!(Identity::among([uri.as_str()]), Ok(identity));
    }
});

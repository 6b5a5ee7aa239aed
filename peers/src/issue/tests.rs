use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::{FileError, Files, Loaded};

fn authority() -> (tempfile::TempDir, Ca) {
    let directory = tempfile::tempdir().unwrap();
    let ca = Ca::init(&directory.path().join("ca"), "test").unwrap();
    (directory, ca)
}

fn id(identity: &str) -> Identity {
    format!("activity://{identity}").parse().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keys_are_for_their_owner_only_and_nothing_is_replaced_unasked() {
    let (directory, ca) = authority();
    assert_eq!(mode(&directory.path().join("ca")), 0o700);
    assert_eq!(mode(&directory.path().join("ca/authority.key")), 0o600);
    assert!(matches!(Ca::init(&directory.path().join("ca"), "b"), Err(IssueError::AuthorityExists(_))));

    let out = directory.path().join("out");
    let issued = ca.enrol(&id("default/sensor/a"), days(1)).unwrap();
    issued.write(&out, false).unwrap();
    assert_eq!(mode(&out.join("key.pem")), 0o600);
    let before = fs::read(out.join("key.pem")).unwrap();
    let again = ca.enrol(&id("default/sensor/a"), days(1)).unwrap();
    assert!(matches!(again.write(&out, false), Err(IssueError::Exists(_))));
    assert_eq!(fs::read(out.join("key.pem")).unwrap(), before);
    again.write(&out, true).unwrap();
    assert_ne!(fs::read(out.join("key.pem")).unwrap(), before);
    assert_eq!(mode(&out.join("key.pem")), 0o600);
    assert_eq!(Loaded::read(&Files::within(&out)).unwrap().identity, id("default/sensor/a"));
}

#[test]
fn a_name_is_revoked_with_all_its_certificates_and_only_if_it_is_one_peers() {
    let (_directory, ca) = authority();
    let enrol = |identity: &str| ca.enrol(&id(identity), days(1)).unwrap().record;
    let (first, second) = (enrol("default/sensor/a"), enrol("default/sensor/a"));
    let (third, fourth) = (enrol("default/viewer/a"), enrol("default/viewer/b"));
    let sentence = ca.revoke("a").unwrap_err().to_string();
    assert!(sentence.contains("activity://default/sensor/a, activity://default/viewer/a"), "{sentence}");
    assert_eq!(ca.revoke("activity://default/sensor/a").unwrap(), [first.clone(), second]);
    // Now the name is one peer's, and by its serial number anything can be told.
    assert_eq!(ca.revoke("a").unwrap(), [third]);
    assert_eq!(ca.revoke(&fourth.serial.to_uppercase()).unwrap(), [fourth]);
    for unknown in ["a", "b", "", "\u{1b}", &first.serial] {
        let sentence = ca.revoke(unknown).unwrap_err().to_string();
        assert!(sentence.starts_with("no certificate") && !sentence.contains('\u{1b}'), "{sentence}");
    }
    assert_eq!(ca.refresh(days(1)).unwrap(), 4);
}

#[test]
fn what_was_issued_outlives_the_program_and_a_broken_line_is_told() {
    let (directory, ca) = authority();
    let home = directory.path().join("ca");
    let record = ca.enrol(&id("default/sensor/a"), days(1)).unwrap().record;
    drop(ca);
    let ca = Ca::open(&home).unwrap();
    assert_eq!(ca.revoke("a").unwrap(), [record]);
    let index = home.join("issued.jsonl");
    let text = fs::read_to_string(&index).unwrap();
    for broken in ["{}\n", "{\"event\":\"revoked\",\"serial\":\"xy\",\"at\":\"2026-01-01T00:00:00Z\"}\n"] {
        fs::write(&index, format!("{text}{broken}")).unwrap();
        // A list that lacks a revocation is worse than none.
        let error = ca.refresh(days(1)).unwrap_err();
        assert!(matches!(error, IssueError::Index { line: 5, .. }), "{error}");
    }
}

#[test]
fn files_that_do_not_belong_together_are_told_in_a_sentence() {
    let (directory, ca) = authority();
    let [a, b] = ["a", "b"].map(|name| {
        let out = directory.path().join(name);
        ca.enrol(&id(&format!("default/sensor/{name}")), days(1)).unwrap().write(&out, false).unwrap();
        Files::within(&out)
    });
    let fault = |files: Files| Loaded::read(&files).unwrap_err();
    let mixed = Files { key: b.key.clone(), ..a.clone() };
    assert!(matches!(fault(mixed), FileError::KeyMismatch { .. }));
    let missing = Files { certificate: "/nowhere/certificate.pem".into(), ..a.clone() };
    let sentence = fault(missing).to_string();
    assert!(
        sentence.starts_with("the certificate /nowhere/certificate.pem cannot be read (No such"),
        "{sentence}"
    );
    let swapped = Files { certificate: a.key.clone(), ..a.clone() };
    assert!(matches!(fault(swapped), FileError::Unusable { what: "certificate", .. }));
    let swapped = Files { revoked: Some(a.authority.clone()), ..a.clone() };
    assert!(matches!(fault(swapped), FileError::Unusable { .. }));
    let endless = Files { authority: "/dev/zero".into(), ..a.clone() };
    assert!(fault(endless).to_string().contains("larger than 4 MiB"));
    let own = Files { certificate: a.authority.clone(), ..a.clone() };
    assert!(matches!(fault(own), FileError::Nobody { .. } | FileError::Unusable { .. }));
    fs::set_permissions(&a.key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(fault(a), FileError::KeyForAll(_)));
}

#[test]
fn an_authority_is_found_or_told_to_be_made() {
    let directory = tempfile::tempdir().unwrap();
    let sentence = Ca::open(directory.path()).err().unwrap().to_string();
    assert!(sentence.contains("`activity-collector ca init`"), "{sentence}");
}

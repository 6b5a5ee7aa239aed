//! CEF, read back.

use super::*;

#[test]
fn a_value_with_signs_of_the_format_is_read_back_as_it_was() {
    let open = samples::payloads().into_iter().find(|payload| matches!(payload, Payload::Open(_))).unwrap();
    let line = super::super::cef(&samples::full(open));
    let parts: Vec<&str> = line.splitn(8, '|').collect();
    assert_eq!(&parts[..2], ["CEF:0", "activity-sensor"]);
    assert_eq!((parts[4], parts[5], parts[6]), ("open", "File open", "3"));
    let (_, rest) = line.split_once("filePath=").unwrap();
    let (value, _) = rest.split_once(" act=").unwrap();
    let value = value.replace(r"\=", "=").replace(r"\\", r"\");
    assert_eq!(activity_proto::json::unescape(&value).unwrap(), samples::NASTY);
}

#[test]
fn each_key_comes_once() {
    for event in samples::all() {
        let line = super::super::cef(&event);
        let mut keys = BTreeSet::new();
        for (at, _) in line.match_indices('=') {
            // An escaped sign is part of a value.
            if line[..at].ends_with('\\') {
                continue;
            }
            let key = line[..at].rsplit([' ', '|']).next().unwrap();
            assert!(keys.insert(key.to_owned()), "{key} twice in {line}");
        }
    }
}

//! OCSF against the schema as it was published, by an independent validator.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use super::*;

/// An interpreter with the packages that `schema.py` names; `cargo xtask test` makes one.
const PYTHON: &str = "ACTIVITY_TEST_OCSF_PYTHON";

/// Runs the validator over lines; what it said, and whether all was right.
fn judged(python: &std::ffi::OsStr, lines: &str) -> (bool, String) {
    let mut validator = Command::new(python)
        .args(["-c", include_str!("schema.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    validator.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = validator.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn every_event_is_valid_ocsf_and_what_the_schema_does_not_know_is_refused() {
    let Some(python) = std::env::var_os(PYTHON) else {
        let line =
            "skipped: tests::schema: needs Python with ocsf-json-schema, which `cargo xtask test` installs\n";
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        return;
    };
    let lines: Vec<String> = samples::all().iter().map(|event| crate::ocsf(event).to_string()).collect();
    let (valid, said) = judged(&python, &lines.join("\n"));
    assert!(valid, "{said}");
    for class in ["100101", "100201", "100501", "100701", "300201", "400101", "600299"] {
        assert!(said.contains(class), "no event of {class} was judged: {said}");
    }
    // That it would have said so.
    for (is, would_be) in [("\"hostname\"", "\"host_name\""), ("\"type_uid\":1", "\"type_uid\":2")] {
        let (valid, _) = judged(&python, &lines[2].replace(is, would_be));
        assert!(!valid, "{would_be} was not noticed");
    }
}

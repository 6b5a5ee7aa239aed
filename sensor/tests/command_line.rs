//! The command line without a kernel: help, usage, configuration files.

#![expect(clippy::unwrap_used, reason = "a test program fails by panicking")]

use std::{
    fs,
    process::{Command, Output},
};

fn sensor(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_activity-sensor")).args(arguments).output().unwrap()
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let output = sensor(&["--help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for word in ["run", "watch", "doctor", "check-config", "policy", "64", "69", "77", "78"] {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
}

#[test]
fn wrong_usage_is_64() {
    for arguments in [&["fly"][..], &["watch", "--type", "nonsense"], &["check-config"]] {
        let output = sensor(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_default_configuration_file_is_fine() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/sensor/config.toml");
    assert_eq!(sensor(&["check-config", file]).status.code(), Some(0));
}

#[test]
fn a_wrong_key_is_78_with_its_line_and_the_nearest_key() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, "[stream]\nsokcet = \"/run/x.sock\"\n").unwrap();
    let output = sensor(&["check-config", file.path().to_str().unwrap()]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(text.contains(":2:") && text.contains("stream.socket"), "{text}");
}

#[test]
fn a_policy_is_explained_as_text_and_as_json() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, "[[policy.rules]]\nname = \"mine\"\naction = \"deny\"\npath = [\"/srv/\"]\n").unwrap();
    let explain = |format: &str| {
        let config = file.path().to_str().unwrap();
        let act =
            ["policy", "explain", "--type", "open", "--path", "/srv/x", "--user", "1001", "--config", config];
        let output = sensor(&[&act[..], &["--format", format]].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(explain("text").starts_with("left out: rule `mine` (deny)"));
    assert!(explain("json").contains("\"happens\": \"left out\""));
    assert_eq!(sensor(&["policy", "explain", "--type", "gap"]).status.code(), Some(64));
}

#[test]
fn every_command_has_a_manual_page_and_a_completion() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    assert_eq!(sensor(&["manual", path]).status.code(), Some(0));
    let completion = String::from_utf8(sensor(&["completion", "bash"]).stdout).unwrap();
    for command in ["run", "watch", "sessions", "doctor", "check-config", "unload", "replay", "policy"] {
        let page = fs::read_to_string(directory.path().join(format!("activity-sensor-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && completion.contains(command), "{command}");
    }
    assert!(directory.path().join("activity-sensor-policy-explain.1").exists());
    assert_eq!(sensor(&["manual", &format!("{path}/none")]).status.code(), Some(69));
}

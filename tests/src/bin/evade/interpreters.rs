//! Programs started by way of another one.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::mount::{MountFlags, mount};
use serde_json::json;

use crate::{
    Act, Scene,
    images::{run, started},
    tell,
};

pub const ACTS: &[(&str, Act)] =
    &[("script", script), ("nested-scripts", nested), ("binfmt-misc", binfmt_misc), ("loader", loader)];

fn script_at(scene: &Scene, name: &str, interpreter: &Path) -> PathBuf {
    let path = scene.path(name);
    fs::write(&path, format!("#!{} nothing\n", interpreter.display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    tell::begin();
    path
}

/// `#!`
fn script(scene: &Scene) {
    let interpreter = scene.program("interpreter");
    let script = script_at(scene, "script", &interpreter);
    let mut event = started(run(&mut Command::new(&script)), &fs::metadata(&interpreter).unwrap());
    event["exec"] = json!({ "script": tell::text(&script) });
    tell::expect(event);
    tell::truth(&tell::text(&script));
}

/// A script whose interpreter is a script: each level.
fn nested(scene: &Scene) {
    let interpreter = scene.program("interpreter");
    let inner = script_at(scene, "inner", &interpreter);
    let outer = script_at(scene, "outer", &inner);
    let mut event = started(run(&mut Command::new(&outer)), &fs::metadata(&interpreter).unwrap());
    let mut words = event.clone();
    event["exec"] = json!({ "script": tell::text(&outer), "$mentions": [tell::text(&inner)] });
    // Without trampolines, the levels between are what the kernel has put into
    // the arguments.
    words["exec"] = json!({
        "script": tell::text(&outer),
        "interpreters": [{ "path": tell::text(&outer), "pathSource": "user" }],
    });
    words["process"]["argv"] = json!([tell::text(&inner)]);
    tell::expect_one_of(vec![event, words]);
    tell::truth(&format!("{} by {}", tell::text(&outer), tell::text(&inner)));
}

/// A file that an administrator's rule gives to an interpreter.
fn binfmt_misc(scene: &Scene) {
    crate::places::own_mounts();
    let rules = scene.path("rules");
    fs::create_dir(&rules).unwrap();
    if let Err(error) = mount("binfmt_misc", &rules, "binfmt_misc", MountFlags::empty(), None) {
        tell::cannot(format_args!("binfmt_misc: {error}"));
    }
    let interpreter = scene.program("interpreter");
    let name = format!("activity-evade-{}", std::process::id());
    let rule = format!(":{name}:E::{name}::{}:", interpreter.display());
    if let Err(error) = fs::write(rules.join("register"), rule) {
        tell::cannot(format_args!("binfmt_misc: {error}"));
    }
    let tool = scene.path(&format!("tool.{name}"));
    fs::write(&tool, "content").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    tell::begin();
    let child = Command::new(&tool).arg("nothing").stderr(std::process::Stdio::null()).spawn();
    fs::write(rules.join(&name), "-1").unwrap();
    let mut child = child.unwrap();
    tell::pid(child.id());
    child.wait().unwrap();
    let mut event = started(child.id(), &fs::metadata(&interpreter).unwrap());
    event["exec"] = json!({ "script": tell::text(&tool) });
    tell::expect(event);
    tell::truth(&tell::text(&tool));
}

/// The dynamic loader is the program, and the tool its argument.
fn loader(scene: &Scene) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let loader = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    let Some(loader) = loader.into_iter().find(|path| path.contains("/ld-linux")) else {
        tell::cannot("this program is linked statically")
    };
    let tool = scene.program("tool");
    let child = run(Command::new(loader).arg(&tool).arg("nothing").arg(&scene.directory));
    tell::expect(started(child, &fs::metadata(loader).unwrap()));
    let mut event = tell::opened(&tool, &fs::metadata(&tool).unwrap());
    event["process"] = json!({ "pid": child });
    tell::expect(event);
    tell::truth(&tell::text(&tool));
}

//! 1002 Kernel Extension Activity and 1005 Module Activity.

use activity_proto::v1::{BpfLoad, ExecMapping, ModuleLoad};

use super::{
    Act, Class,
    objects::{file, file_type},
};
use crate::fields::Fields;

/// `load_type_id` of what is mapped from a file.
const MAPPED: u32 = 4;

/// A program has a name only where its author gave it one.
pub fn bpf(load: &BpfLoad) -> Act {
    let id = load.program_id.map(u64::from);
    driver(file(if load.name.is_empty() { b"bpf program" } else { &load.name }, 0, None, id))
}

pub fn module(load: &ModuleLoad) -> Act {
    driver(file(&load.name, 0, None, None))
}

/// What is loaded is no file that could be named by a path.
fn driver(file: Fields) -> Act {
    let driver = Fields::new().put("file", file.without("path").without("parent_folder"));
    Act::new(Class::KernelExtension, 1, "Load", Fields::new().put("driver", driver))
}

pub fn mapping(mapping: &ExecMapping) -> Act {
    let file = file(&mapping.path, file_type(mapping.mode), mapping.device.as_ref(), mapping.inode)
        .flag("is_deleted", mapping.deleted);
    let module = Fields::new().put("load_type_id", MAPPED).put("file", file);
    Act::new(Class::Module, 1, "Load", Fields::new().put("module", module))
}

//! Names of the commands of bpf(2).

/// Loads a program.
pub const PROG_LOAD: u32 = 5;

/// The name of a command; its number where this list is too old.
pub fn name(command: u32) -> String {
    match NAMES.get(command as usize) {
        Some(name) => format!("BPF_{name}"),
        None => format!("BPF_CMD_{command}"),
    }
}

/// `enum bpf_cmd` of linux/bpf.h, from 0 on.
#[rustfmt::skip]
const NAMES: [&str; 39] = [
    "MAP_CREATE", "MAP_LOOKUP_ELEM", "MAP_UPDATE_ELEM", "MAP_DELETE_ELEM", "MAP_GET_NEXT_KEY",
    "PROG_LOAD", "OBJ_PIN", "OBJ_GET", "PROG_ATTACH", "PROG_DETACH", "PROG_TEST_RUN",
    "PROG_GET_NEXT_ID", "MAP_GET_NEXT_ID", "PROG_GET_FD_BY_ID", "MAP_GET_FD_BY_ID",
    "OBJ_GET_INFO_BY_FD", "PROG_QUERY", "RAW_TRACEPOINT_OPEN", "BTF_LOAD", "BTF_GET_FD_BY_ID",
    "TASK_FD_QUERY", "MAP_LOOKUP_AND_DELETE_ELEM", "MAP_FREEZE", "BTF_GET_NEXT_ID",
    "MAP_LOOKUP_BATCH", "MAP_LOOKUP_AND_DELETE_BATCH", "MAP_UPDATE_BATCH", "MAP_DELETE_BATCH",
    "LINK_CREATE", "LINK_UPDATE", "LINK_GET_FD_BY_ID", "LINK_GET_NEXT_ID", "ENABLE_STATS",
    "ITER_CREATE", "LINK_DETACH", "PROG_BIND_MAP", "TOKEN_CREATE", "PROG_STREAM_READ_BY_FD",
    "PROG_ASSOC_STRUCT_OPS",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_the_names_of_the_kernel() {
        assert_eq!(name(PROG_LOAD), "BPF_PROG_LOAD");
        assert_eq!(name(2), "BPF_MAP_UPDATE_ELEM");
        assert_eq!(name(22), "BPF_MAP_FREEZE");
        assert_eq!(name(34), "BPF_LINK_DETACH");
        assert_eq!(name(36), "BPF_TOKEN_CREATE");
        assert_eq!(name(9999), "BPF_CMD_9999");
    }
}

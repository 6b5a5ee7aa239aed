//! `[hooks]`

use std::path::PathBuf;

use sensor_types::act::Act;
use serde::Deserialize;

use super::values::{ring_bytes, some_absolute_path};

/// Declares the switches: one line each, the key and what it is for.
macro_rules! switches {
    ($($(#[$doc:meta])+ $key:ident: $($act:ident),*;)+) => {
        /// What the kernel hooks record, and the room they have.
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(default)]
        pub struct HooksConfig {
            $($(#[$doc])+ pub $key: bool,)+
            /// Ring buffer of process and network events.
            #[serde(deserialize_with = "ring_bytes")]
            pub process_ring_bytes: u32,
            /// Ring buffer of file events.
            #[serde(deserialize_with = "ring_bytes")]
            pub file_ring_bytes: u32,
            /// A directory in a bpf file system where the hooks are pinned, so that they
            /// outlive the sensor; without one they end with it.
            #[serde(deserialize_with = "some_absolute_path")]
            pub pin: Option<PathBuf>,
        }

        impl Default for HooksConfig {
            fn default() -> Self {
                Self {
                    $($key: true,)+
                    process_ring_bytes: 2 * 1024 * 1024,
                    file_ring_bytes: 8 * 1024 * 1024,
                    pin: None,
                }
            }
        }

        impl HooksConfig {
            /// The acts that are switched on, by their bits.
            fn switched_on(&self) -> u32 {
                let mut acts = 0;
                $(if self.$key { acts |= 0 $(| Act::$act.bit())*; })+
                acts
            }
        }
    };
}

switches! {
    /// Record program starts and exits.
    exec: Exec, Exit;
    /// Record file opens.
    open: Open, IoUringOpen;
    /// Record connects, and datagrams sent without.
    connect: Connect, IoUringConnect;
    /// Record sockets that begin to listen.
    listen: Listen;
    /// Record accepted connections.
    accept: Accept;
    /// Record raw and packet sockets.
    socket: Socket;
    /// Record changed names.
    rename: Rename;
    /// Record hard and symbolic links.
    link: Link;
    /// Record removed names.
    unlink: Unlink;
    /// Record changed permissions.
    chmod: Chmod;
    /// Record changed owners.
    chown: Chown;
    /// Record what is mounted, moved and unmounted.
    mount: Mount;
    /// Record changed users, groups and capabilities.
    credential_change: CredentialChange;
    /// Record who sets a login uid.
    loginuid_set: LoginuidSet;
    /// Record who reaches into other processes.
    ptrace: Ptrace;
    /// Record programs loaded into the kernel, and tampering with the sensor's.
    bpf_load: Bpf;
    /// Record modules loaded into the kernel.
    module_load: ModuleLoad;
    /// Record descriptors that come from other processes.
    file_receive: FileReceive;
    /// Record files mapped as code that others than root can change.
    exec_mapping: ExecMapping;
    /// Tell in exec events which scripts led to the program.
    interpreters: Interpreter;
    /// Tell in exec events which libraries the environment brings in.
    preload: ;
    /// Count opens that are the same as one a moment ago instead of recording each.
    fold: ;
}

impl HooksConfig {
    /// The acts that the kernel programs record or count: [`Act::bit`]. Those
    /// that the process table lives from are always among them.
    #[must_use]
    pub fn acts(&self) -> u32 {
        self.switched_on() | Act::Fork.bit() | Act::Exec.bit() | Act::Exit.bit()
    }

    /// Whether anything is recorded at all.
    #[must_use]
    pub fn any(&self) -> bool {
        self.switched_on() & !Act::Interpreter.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_recorded_by_default() {
        assert_eq!(HooksConfig::default().acts(), (1 << Act::ALL.len()) - 1);
    }

    #[test]
    fn the_process_table_keeps_what_it_lives_from() {
        let hooks = HooksConfig { exec: false, open: false, ..HooksConfig::default() };
        let wanted = |act: &Act| hooks.acts() & act.bit() != 0;
        assert!([Act::Fork, Act::Exec, Act::Exit, Act::Connect].iter().all(wanted));
        assert!(![Act::Open, Act::IoUringOpen].iter().any(wanted));
    }
}

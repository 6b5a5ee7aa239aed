//! What the kernel programs and the daemon share: the records that travel
//! through the ring buffers, the counters, and the settings the daemon hands
//! over before load. Plain old data only; layout is proven at compile time.

#![no_std]

pub mod act;
pub mod counters;
pub mod credentials;
pub mod file;
pub mod header;
pub mod network;
pub mod policy;
pub mod process;
pub mod session;
pub mod span;
pub mod syscall;
pub mod system;

/// The form of the records. One more whenever the layout of any of them changes, so that
/// a sensor does not misread what programs of another version left in the rings.
pub const FORMAT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of all records at [`FORMAT`]. Where one changes, so does the form: one
    /// more for it, then the size here. A field that only moves changes it as well.
    const SIZES: [usize; 16] =
        [128, 152, 256, 48, 78848, 4352, 136, 256, 528, 17664, 288, 216, 160, 168, 168, 192];

    #[test]
    fn records_have_the_form_that_they_are_said_to_have() {
        let sizes = [
            size_of::<header::Header>(),
            size_of::<process::Fork>(),
            size_of::<process::Exec>(),
            size_of::<process::ExecRooms>(),
            size_of::<process::ExecLarge>(),
            size_of::<process::ExecFailedLarge>(),
            size_of::<process::Exit>(),
            size_of::<file::Open>(),
            size_of::<file::Folded>(),
            size_of::<file::ChangeLarge>(),
            size_of::<network::Socket>(),
            size_of::<credentials::CredentialChange>(),
            size_of::<credentials::LoginuidSet>(),
            size_of::<system::Ptrace>(),
            size_of::<system::Bpf>(),
            size_of::<system::Module>(),
        ];
        assert_eq!((FORMAT, sizes), (1, SIZES));
    }
}

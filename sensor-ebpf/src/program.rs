//! What each object needs, whatever its programs do.

/// Several helpers, and reading registers, are only for programs under a
/// GPL-compatible licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here can panic: the verifier refuses a program in which this
    // endless loop can be reached.
    loop {}
}

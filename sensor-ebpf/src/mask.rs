//! Conditions as masks of all bits or none. In the target's own instructions,
//! since the compiler knows what the usual tricks come to and makes branches of
//! them.

use core::arch::asm;

use crate::kernel::hidden;

#[inline(always)]
pub fn all_if_equal(one: u64, other: u64) -> u64 {
    let mut mask = one ^ other;
    // SAFETY: arithmetic in registers: (d | -d) has its highest bit set unless
    // d is zero.
    unsafe {
        asm!(
            "{negative} = {mask}",
            "{negative} = -{negative}",
            "{mask} |= {negative}",
            "{mask} >>= 63",
            "{mask} += -1",
            mask = inout(reg) mask,
            negative = out(reg) _,
            options(nomem, nostack, preserves_flags),
        );
    }
    mask
}

#[inline(always)]
pub fn all_if_negative(value: i64) -> u64 {
    let mut mask = value as u64;
    // SAFETY: arithmetic in a register.
    unsafe { asm!("{mask} s>>= 63", mask = inout(reg) mask, options(nomem, nostack, preserves_flags)) };
    mask
}

/// For values of less than 63 bits.
#[inline(always)]
pub fn all_if_less(one: u64, other: u64) -> u64 {
    all_if_negative((one as i64).wrapping_sub(other as i64))
}

/// One flag, if the condition holds. By shifts: where a mask is combined with a
/// constant, newer verifiers look at both values of the mask, one after another.
#[inline(always)]
pub fn bit(mask: u64, flag: u32) -> u32 {
    (hidden(mask >> 63) << flag.trailing_zeros()) as u32
}

#[inline(always)]
pub fn choose(mask: u64, one: u64, other: u64) -> u64 {
    (one & mask) | (other & !mask)
}

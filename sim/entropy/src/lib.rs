//! Chance from a seed where libraries ask the system for it: in a program that links this crate, `getrandom` of the C
//! library answers from the seed of the thread that asks, if that thread has one. Every other thread is given what the
//! system has. For the simulator alone: whatever is drawn from a seed is no secret.

use core::cell::Cell;

thread_local! {
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on this thread draws from the seed. Generators that the thread has begun already go on as they were, so that
/// a fresh thread is wanted for every run.
pub fn seed_thread(seed: u64) {
    STATE.set(Some(seed));
}

/// Fills the bytes from the seed of this thread; false if it has none.
fn fill(bytes: &mut [u8]) -> bool {
    let Some(mut state) = STATE.get() else { return false };
    for part in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..part.len()]);
    }
    STATE.set(Some(state));
    true
}

/// Elsewhere the libraries ask the system by other names, and two runs of one seed differ.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod system {
    use core::ffi::{c_long, c_uint, c_void};

    #[cfg(target_arch = "x86_64")]
    const GETRANDOM: c_long = 318;
    #[cfg(target_arch = "aarch64")]
    const GETRANDOM: c_long = 278;

    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }

    /// Takes the place of the C library's function of this name.
    ///
    /// # Safety
    /// As of the C library: `length` bytes can be written at `buffer`.
    #[unsafe(no_mangle)]
    pub(crate) unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
        if length == 0 {
            return 0;
        }
        // SAFETY: the caller vouches for the room. What was there before is overwritten and never read.
        let bytes = unsafe { core::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
        if super::fill(bytes) {
            return length.cast_signed();
        }
        // SAFETY: the system call takes these three, and writes within the room that the caller vouches for.
        unsafe { syscall(GETRANDOM, buffer, length, flags) as isize }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::hash::{BuildHasher, RandomState};
    use std::thread;

    fn drawn(seed: Option<u64>) -> (u64, Vec<u32>) {
        let run = move || {
            if let Some(seed) = seed {
                super::seed_thread(seed);
            }
            let map: HashMap<u32, ()> = (0..50).map(|number| (number, ())).collect();
            (RandomState::new().hash_one(7), map.into_keys().collect())
        };
        thread::spawn(run).join().unwrap()
    }

    #[test]
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn the_order_of_maps_follows_from_the_seed_of_the_thread() {
        assert_eq!(drawn(Some(1)), drawn(Some(1)));
        assert_ne!(drawn(Some(1)), drawn(Some(2)));
    }

    #[test]
    fn a_thread_without_a_seed_has_real_chance() {
        assert_ne!(drawn(None), drawn(None));
    }
}

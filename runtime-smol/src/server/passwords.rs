//! The hashes of passwords: much memory and time for each, on threads of their own, and so few at a time for all shards
//! together that whoever guesses takes neither from those who play.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use async_channel::{Receiver, Sender};
use webstar_core::wire::signal::Secret;

/// Argon2id as OWASP asks for it: 19 MiB, two passes, one lane.
const ARGON2: (u32, u32, u32) = (19_456, 2, 1);

/// What it is computed in. Made once and used again: given back, an allocator would keep one for each thread.
type Memory = Vec<Block>;

/// As many memories as hashes are computed at a time.
pub(super) struct Passwords {
    free: (Sender<Memory>, Receiver<Memory>),
}

impl Passwords {
    /// So many are computed at a time, whichever shard asks.
    pub(super) fn new(workers: usize) -> Self {
        let workers = workers.max(1);
        let free = async_channel::bounded(workers);
        for _ in 0..workers {
            let _ = free.0.try_send(Memory::new());
        }
        Passwords { free }
    }

    /// A password's hash, as soon as there is memory for it.
    pub(super) async fn hash(&self, password: Secret, salt: [u8; 16]) -> [u8; 32] {
        let memory = self.free.1.recv().await.expect("both ends are kept");
        let (hash, memory) = blocking::unblock(move || hash(memory, &password, salt)).await;
        let _ = self.free.0.try_send(memory);
        hash
    }
}

fn hash(mut memory: Memory, password: &Secret, salt: [u8; 16]) -> ([u8; 32], Memory) {
    let (blocks, passes, lanes) = ARGON2;
    let params = Params::new(blocks, passes, lanes, Some(32)).expect("these are within Argon2's limits");
    memory.resize(params.block_count(), Block::default());
    let mut hash = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.as_str().as_bytes(), &salt, &mut hash, &mut memory)
        .expect("any password of at most 1024 bytes can be hashed with a salt of 16");
    (hash, memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::block_on;

    #[test]
    fn so_many_are_computed_at_a_time_as_there_are_workers() {
        let passwords = Passwords::new(3);
        let taken: Vec<Memory> = std::iter::from_fn(|| passwords.free.1.try_recv().ok()).collect();
        assert_eq!(taken.len(), 3);
    }

    /// What was computed before in the same memory changes nothing.
    #[test]
    fn a_hash_depends_on_password_and_salt_alone() {
        let passwords = Passwords::new(1);
        let hash = |text: &str, salt| block_on(passwords.hash(Secret::new(text).unwrap(), [salt; 16]));
        let first = hash("one", 1);
        assert_ne!(hash("two", 1), first);
        assert_ne!(hash("one", 2), first);
        assert_eq!(hash("one", 1), first);
        assert_eq!(passwords.free.1.len(), 1);
    }
}

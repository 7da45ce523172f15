//! The threads that all clients of a process share, so that thousands of them cost a few threads. Serves no server.

use async_executor::{Executor, Task};
use futures_lite::future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::thread;

static EXECUTOR: Executor<'static> = Executor::new();
static THREADS: Once = Once::new();

/// More threads than this gain nothing for players.
const MAX_THREADS: usize = 4;

/// Runs a future on the threads of the clients. It must not block.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    THREADS.call_once(start);
    EXECUTOR.spawn(future)
}

fn start() {
    let count = thread::available_parallelism().map_or(1, |count| count.get().min(MAX_THREADS));
    for number in 0..count {
        // A task that panics ends itself; the thread goes on with the others.
        let work = || while catch_unwind(AssertUnwindSafe(run)).is_err() {};
        let name = format!("webstar-client-{number}");
        thread::Builder::new().name(name).spawn(work).expect("the system grants a thread");
    }
}

fn run() {
    async_io::block_on(EXECUTOR.run(future::pending::<()>()));
}

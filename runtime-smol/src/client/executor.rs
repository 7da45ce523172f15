//! The threads that all clients of a process share, so that thousands of them cost a few threads. Serves no server. Few
//! clients share one: with more threads than that, handing the work over would cost more than the work.

use async_executor::{Executor, Task};
use futures_lite::future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

static EXECUTOR: Executor<'static> = Executor::new();
static TASKS: AtomicUsize = AtomicUsize::new(0);
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// More threads than this gain nothing for players.
const MAX_THREADS: usize = 4;
/// Tasks that share a thread before there is another.
const TASKS_PER_THREAD: usize = 16;

/// Runs a future on the threads of the clients. It must not block.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    let tasks = TASKS.fetch_add(1, Ordering::Relaxed);
    let wanted = (1 + tasks / TASKS_PER_THREAD).min(most_threads());
    let one_more = |threads: usize| (threads < wanted).then_some(threads + 1);
    if let Ok(number) = THREADS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
        start(number);
    }
    let running = Running;
    EXECUTOR.spawn(async move {
        let _running = running;
        future.await
    })
}

/// A task, until it is over.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        TASKS.fetch_sub(1, Ordering::Relaxed);
    }
}

fn most_threads() -> usize {
    static MOST: LazyLock<usize> =
        LazyLock::new(|| thread::available_parallelism().map_or(1, |count| count.get().min(MAX_THREADS)));
    *MOST
}

fn start(number: usize) {
    // A task that panics ends itself; the thread goes on with the others.
    let work = || while catch_unwind(AssertUnwindSafe(run)).is_err() {};
    let name = format!("webstar-client-{number}");
    thread::Builder::new().name(name).spawn(work).expect("the system grants a thread");
}

fn run() {
    async_io::block_on(EXECUTOR.run(future::pending::<()>()));
}

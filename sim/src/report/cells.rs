//! Measuring the cells of a table on several threads. The rows come in the order of the cells, whatever thread was first.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Measures all cells on so many threads; tells how many are done.
pub(super) fn measure<C: Sync, R: Send>(
    cells: &[C],
    jobs: usize,
    tell: &(dyn Fn(u64) + Sync),
    measure: impl Fn(&C) -> R + Sync,
) -> Vec<R> {
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(cells.len())));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cell) = cells.get(at) else { return };
                    let row = measure(cell);
                    let mut rows = rows.lock().expect("no thread panics with the rows in hand");
                    rows.push((at, row));
                    tell(rows.len() as u64);
                }
            });
        }
    });
    let mut rows = rows.into_inner().expect("no thread panics with the rows in hand");
    rows.sort_by_key(|(at, _)| *at);
    rows.into_iter().map(|(_, row)| row).collect()
}

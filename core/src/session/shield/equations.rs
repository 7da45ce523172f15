//! Linear equations over GF(256) between unknown symbols, kept solved as far as they can be. Columns are numbers below
//! [`COLUMNS`]; what packet a column stands for, and whether a solution makes sense, is the decoder's affair.
//!
//! The rows stand in reduced echelon form: each has a pivot, with coefficient one, that no other row contains, and the
//! pivot is its oldest unknown. So a row of one unknown is a solution; everything that can be solved is such a row; and
//! a row that contains an expired unknown has an expired pivot, is of no use to the others and can simply go.

use super::field;

/// How many columns there are: the bits of [`Row::unknowns`].
pub(super) const COLUMNS: usize = 128;

/// Unsolved rows kept. More packets than that are not missing at once where recovery still makes sense.
pub(super) const MAX_ROWS: usize = 32;

/// One equation: the sum of coefficient times unknown equals the bytes, which continue with zeros.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Bit `c`: the coefficient of column `c` is not zero.
    unknowns: u128,
    coefficients: [u8; COLUMNS],
    pivot: usize,
    pub(super) bytes: Vec<u8>,
}

/// The equations that have no solution yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Equations {
    /// The column of the oldest packet; age falls from there on, round the ring.
    oldest: usize,
    rows: Vec<Row>,
    /// Rows out of use, for their buffers.
    pool: Vec<Row>,
}

impl Equations {
    /// How many wait for a solution.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Moves on: the columns in `expired` stand for other packets from now on, `oldest` is the oldest of all.
    pub(super) fn advance(&mut self, expired: u128, oldest: usize) {
        self.oldest = oldest;
        for at in (0..self.rows.len()).rev() {
            if self.rows[at].unknowns & expired != 0 {
                self.release_at(at);
            }
        }
    }

    /// A row to fill in, with these bytes and no unknowns. It comes back by [`Self::insert`] or [`Self::release`].
    pub(super) fn row(&mut self, bytes: &[u8]) -> Row {
        let mut row = self.pool.pop().unwrap_or_else(|| Row {
            unknowns: 0,
            coefficients: [0; COLUMNS],
            pivot: 0,
            bytes: Vec::new(),
        });
        row.unknowns = 0;
        row.coefficients = [0; COLUMNS];
        row.bytes.clear();
        row.bytes.reserve_exact(bytes.len());
        row.bytes.extend_from_slice(bytes);
        row
    }

    /// Takes back a row out of use.
    pub(super) fn release(&mut self, row: Row) {
        self.pool.push(row);
    }

    /// Adds an equation. One that follows from the others vanishes.
    pub(super) fn insert(&mut self, mut row: Row) {
        for other in &self.rows {
            row.cancel(other);
        }
        if row.unknowns == 0 {
            self.release(row);
            return;
        }
        let oldest_first = row.unknowns.rotate_right(self.oldest as u32);
        row.pivot = (oldest_first.trailing_zeros() as usize + self.oldest) % COLUMNS;
        row.normalise();
        for other in &mut self.rows {
            other.cancel(&row);
        }
        self.rows.push(row);
    }

    /// Puts a symbol that has become known in place of its unknown. Rows too short to contain it are wrong, and go.
    pub(super) fn substitute(&mut self, column: usize, symbol: &[u8]) {
        let mut without_pivot = None;
        for at in (0..self.rows.len()).rev() {
            let row = &mut self.rows[at];
            if row.unknowns & (1 << column) == 0 {
                continue;
            }
            if symbol.len() > row.bytes.len() {
                self.release_at(at);
                continue;
            }
            field::mul_add(&mut row.bytes, symbol, row.coefficients[column]);
            row.set(column, 0);
            if row.pivot == column {
                without_pivot = Some(self.rows.swap_remove(at));
            }
        }
        if let Some(row) = without_pivot {
            self.insert(row);
        }
    }

    /// Takes a solution out: the column and a row whose bytes are its value. The row is to be released.
    pub(super) fn pop_solved(&mut self) -> Option<(usize, Row)> {
        let at = self.rows.iter().position(|row| row.unknowns.is_power_of_two())?;
        let row = self.rows.swap_remove(at);
        Some((row.pivot, row))
    }

    /// Keeps to [`MAX_ROWS`], at the cost of those about the oldest packets.
    pub(super) fn trim(&mut self) {
        while self.rows.len() > MAX_ROWS {
            let age = |row: &Row| (row.pivot + COLUMNS - self.oldest) % COLUMNS;
            let oldest = (0..self.rows.len()).min_by_key(|&at| age(&self.rows[at])).unwrap_or(0);
            self.release_at(oldest);
        }
    }

    /// The bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        let rows = (self.rows.capacity() + self.pool.capacity()) * size_of::<Row>();
        rows + self.rows.iter().chain(&self.pool).map(|row| row.bytes.capacity()).sum::<usize>()
    }

    fn release_at(&mut self, at: usize) {
        let row = self.rows.swap_remove(at);
        self.pool.push(row);
    }
}

impl Row {
    /// Sets the coefficient of a column.
    pub(super) fn set(&mut self, column: usize, coefficient: u8) {
        self.coefficients[column] = coefficient;
        self.unknowns &= !(1 << column);
        self.unknowns |= u128::from(coefficient != 0) << column;
    }

    /// Removes the pivot of another row from this one.
    fn cancel(&mut self, other: &Self) {
        let factor = self.coefficients[other.pivot];
        if factor == 0 {
            return;
        }
        if self.bytes.len() < other.bytes.len() {
            self.bytes.reserve_exact(other.bytes.len() - self.bytes.len());
            self.bytes.resize(other.bytes.len(), 0);
        }
        field::mul_add(&mut self.bytes, &other.bytes, factor);
        let mut columns = other.unknowns;
        while columns != 0 {
            let column = columns.trailing_zeros() as usize;
            columns &= columns - 1;
            self.set(column, self.coefficients[column] ^ field::mul(factor, other.coefficients[column]));
        }
    }

    /// Brings the coefficient of the pivot to one.
    fn normalise(&mut self) {
        let factor = field::inv(self.coefficients[self.pivot]);
        field::scale(&mut self.bytes, factor);
        field::scale(&mut self.coefficients, factor);
    }
}

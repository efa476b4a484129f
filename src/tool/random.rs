//! Random numbers for ids: many of the system's for one question.

use std::cell::RefCell;

/// How many bytes are asked for at a time.
const STOCK: usize = 1024;

thread_local! {
    static STOCK_OF_THREAD: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STOCK], used: STOCK }) };
}

/// Random bytes of the system, each of which is given once.
struct Stock {
    bytes: [u8; STOCK],
    used: usize,
}

impl Stock {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], getrandom::Error> {
        if self.used + N > STOCK {
            getrandom::fill(&mut self.bytes)?;
            self.used = 0;
        }
        let mut taken = [0; N];
        taken.copy_from_slice(&self.bytes[self.used..self.used + N]);
        self.used += N;
        Ok(taken)
    }
}

/// Random bytes, up to 1,024, as unpredictable as those of the system. For ids: keys ask the system.
///
/// # Errors
///
/// The system gives no random numbers.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    const { assert!(N <= STOCK) };
    STOCK_OF_THREAD.with_borrow_mut(Stock::take)
}

/// [`random_bytes`] as a number.
///
/// # Errors
///
/// As [`random_bytes`].
pub fn random_u64() -> Result<u64, getrandom::Error> {
    random_bytes().map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_number_comes_twice() {
        let here = (0..10_000).map(|_| random_u64().unwrap());
        let there = std::thread::spawn(|| (0..10_000).map(|_| random_u64().unwrap()).collect::<Vec<_>>());
        let all: HashSet<u64> = here.chain(there.join().unwrap()).collect();
        assert_eq!(all.len(), 20_000);
        let odd: HashSet<[u8; 7]> = (0..1_000).map(|_| random_bytes().unwrap()).collect();
        assert_eq!(odd.len(), 1_000);
    }
}

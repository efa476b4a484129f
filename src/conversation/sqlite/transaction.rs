//! All of a change, or nothing of it.

use rusqlite::Connection;

/// Runs a statement that is prepared once.
pub(super) fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// Does all of `work` or nothing of it, whether in a transaction or not.
pub(super) fn atomically<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    execute(connection, "SAVEPOINT job")?;
    let done = work(connection);
    // Where the disk is full, SQLite itself has taken it back, and there is no savepoint.
    if !connection.is_autocommit() {
        if done.is_err() {
            execute(connection, "ROLLBACK TO job")?;
        }
        execute(connection, "RELEASE job")?;
    }
    done
}

//! The pool of reading connections. Each read is one transaction, so one snapshot, on a thread for blocking work. Called
//! by the store's methods from any tokio runtime, also a single-threaded one.

use std::{path::Path, sync::Arc, time::Duration};

use diesel::{
    Connection, SqliteConnection,
    r2d2::{ConnectionManager, Pool},
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use super::{OpenError, connection};
use crate::db::StoreError;

/// How long a read waits for a connection.
const WAIT: Duration = Duration::from_secs(5);

/// The pool, with as many permits as connections: waiting happens on the event loop, not on a blocking thread.
#[derive(Clone)]
pub struct Readers {
    pool: Pool<ConnectionManager<SqliteConnection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Opens `size` connections.
    pub fn open(path: &Path, size: u32, busy_timeout: Duration) -> Result<Self, OpenError> {
        let url = path.to_str().ok_or_else(|| OpenError::Path(path.to_owned()))?;
        let pool = Pool::builder()
            .max_size(size)
            .connection_timeout(WAIT)
            .test_on_check_out(false)
            .connection_customizer(Box::new(connection::Reader { busy_timeout }))
            .build(ConnectionManager::new(url))
            .map_err(OpenError::database)?;
        Ok(Self {
            pool,
            permits: Arc::new(Semaphore::new(size as usize)),
        })
    }

    /// Runs `work` in a read transaction. `Unavailable` when no connection is free within five seconds.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let busy = || StoreError::Unavailable("every connection is in use".to_owned());
        let permit = timeout(WAIT, self.permits.clone().acquire_owned())
            .await
            .map_err(|_| busy())?
            .map_err(|_| busy())?;
        let pool = self.pool.clone();
        let read = spawn_blocking(move || {
            let _permit = permit;
            let mut connection = pool.get().map_err(|error| StoreError::Unavailable(error.to_string()))?;
            SqliteConnection::transaction(&mut connection, work)
        });
        read.await
            .unwrap_or_else(|error| Err(StoreError::Broken(format!("a read did not end: {error}"))))
    }

    /// Connections: (in use, open).
    pub fn state(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections - state.idle_connections, state.connections)
    }
}

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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_read_that_finds_no_connection_in_time_is_unavailable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        connection::writer(&path, Duration::ZERO).unwrap();
        let readers = Readers::open(&path, 1, Duration::ZERO).unwrap();
        let (release, released) = mpsc::channel::<()>();
        let holder = readers.clone();
        let held = tokio::spawn(async move { holder.read(move |_| Ok(released.recv().is_ok())).await });
        tokio::task::yield_now().await;
        let waiting = readers.clone();
        let refused = tokio::spawn(async move { waiting.read(|_| Ok(())).await });
        tokio::task::yield_now().await;
        tokio::time::advance(WAIT + Duration::from_millis(1)).await;
        let refused = refused.await.unwrap();
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert_eq!(readers.state().1, 1);
        release.send(()).unwrap();
        assert!(held.await.unwrap().unwrap());
        readers.read(|_| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn a_read_that_panics_gives_its_connection_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        connection::writer(&path, Duration::ZERO).unwrap();
        let readers = Readers::open(&path, 1, Duration::ZERO).unwrap();
        let outcome: Result<(), _> = readers.read(|_| panic!("planned by a test")).await;
        assert!(matches!(outcome, Err(StoreError::Broken(_))));
        readers.read(|_| Ok(())).await.unwrap();
    }
}

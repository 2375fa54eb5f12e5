//! The thread in which requests are carried out, and how others wait for it.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, storage};
use crate::task::Watch;

/// How often who watches is asked.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// Who watches does not want it any more.
    Cancelled,
    /// The store said so, or said nothing for long.
    Store(object_store::Error),
}

/// A thread of its own, which ends with the last who needs it.
#[derive(Clone)]
pub(in crate::store) struct Runtime(Arc<Owned>);

struct Owned(Option<tokio::runtime::Runtime>);

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Looking a name up may take its time, and nobody wants to know any more.
            runtime.shutdown_background();
        }
    }
}

impl Runtime {
    pub(in crate::store) fn new() -> Result<Self, Error> {
        // An error says that there is a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let built = builder.worker_threads(1).thread_name("mr store").enable_all().build();
        let runtime = built.map_err(storage("start a thread for", "object stores".as_ref()))?;
        Ok(Self(Arc::new(Owned(Some(runtime)))))
    }

    fn inner(&self) -> &tokio::runtime::Runtime {
        self.0.0.as_ref().expect("it is taken when nobody has it any more")
    }

    /// Waits for it, however long it takes.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.inner().block_on(future)
    }

    /// Waits for an answer, or until who watches calls it off.
    pub(super) fn wait<T>(
        &self,
        watch: &dyn Watch,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Failed> {
        self.block_on(async {
            let mut request = pin!(request);
            loop {
                match tokio::time::timeout(ASK_EVERY, &mut request).await {
                    Ok(answer) => return answer.map_err(Failed::Store),
                    Err(_) if watch.cancelled() => return Err(Failed::Cancelled),
                    Err(_) => {}
                }
            }
        })
    }

    /// Begins a request whose answer is wanted later.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        request: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.inner().spawn(request)
    }
}

//! Tells numbers to whoever connects to a Unix socket, as HTTP with one answer to every question.
//!
//! One task, owned and aborted by the main loop's set, and one for each connection, at most
//! [`CONNECTIONS`], each for at most [`LIFETIME`]. Further ones wait in the kernel's backlog.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::metrics;
use crate::status::Status;

/// Most connections open at once: one collector, and somebody who looks.
const CONNECTIONS: usize = 4;

/// Longest life of a connection.
const LIFETIME: Duration = Duration::from_secs(5);

/// Longest head of a request, in bytes.
const LONGEST_HEAD: usize = 8 * 1024;

/// Pause after the kernel refused a connection, which it does when descriptors run out.
const REFUSED: Duration = Duration::from_millis(200);

/// Listens at `path`, in the place of a dead predecessor. Everybody on the box may ask.
///
/// # Errors
/// The kernel's.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o666))?;
    Ok(listener)
}

/// Answers until cancelled.
pub(super) async fn serve(listener: UnixListener, status: watch::Receiver<Arc<Status>>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&room).acquire_owned().await.expect("the room is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let status = status.clone();
                tokio::spawn(async move {
                    let answer = service_fn(|_: Request<hyper::body::Incoming>| {
                        let text = metrics::text(&status.borrow());
                        let answer =
                            Response::builder().header(CONTENT_TYPE, metrics::CONTENT_TYPE);
                        let answer = answer.body(text).expect("the header is a constant of ours");
                        async { Ok::<_, Infallible>(answer) }
                    });
                    let conversation = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .max_buf_size(LONGEST_HEAD)
                        .serve_connection(TokioIo::new(stream), answer);
                    // A connection that runs out of time, or whose peer misbehaves, is just over.
                    let _ = timeout(LIFETIME, conversation).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("a connection for numbers could not be taken: {error}");
                sleep(REFUSED).await;
            }
        }
    }
}

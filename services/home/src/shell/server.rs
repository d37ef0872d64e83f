//! Takes connections and hands them to the page's router.
//!
//! One task per listening socket, owned and aborted by the main loop's task set, and one task per
//! connection, which ends by itself: after [`IDLE`] without a request, after [`LIFETIME`] in any
//! case. No more than [`CONNECTIONS`] are open; further ones wait in the kernel's backlog.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Most connections open at once. A household has a dozen browsers; each connection costs about
/// 20 KiB, so this many cost less than 2 MiB of the unit's memory.
pub const CONNECTIONS: usize = 64;

/// Longest wait for the head of a request, the first or the next on a kept connection.
pub const IDLE: Duration = Duration::from_secs(10);

/// Longest life of a connection. A browser opens a cut stream of events again by itself.
pub const LIFETIME: Duration = Duration::from_secs(600);

/// Longest head of a request, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// Pause after the kernel refused a connection, which it does when descriptors run out.
const REFUSED: Duration = Duration::from_millis(200);

/// The local address at which a request arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrived(pub IpAddr);

/// Takes connections from `listener` until cancelled. All listeners share `room`.
pub async fn serve(listener: TcpListener, router: Router, room: Arc<Semaphore>) {
    loop {
        let place = Arc::clone(&room).acquire_owned().await.expect("the room is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    // A connection that runs out of time, or whose peer misbehaves, is just over.
                    let _ = timeout(LIFETIME, converse(stream, router)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("a connection could not be taken: {error}");
                sleep(REFUSED).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, router: Router) -> Result<(), hyper::Error> {
    let Ok(local) = stream.local_addr() else { return Ok(()) };
    let service = TowerToHyperService::new(router.layer(Extension(Arrived(local.ip()))));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

//! Listens like a dish. One task per connection, at most [`CONNECTIONS`]; all of them end with
//! the runtime.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use starlink::shell::codec::{BytesCodec, METHOD};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tonic::body::Body;
use tonic::server::{Grpc, UnaryService};
use units::Instant;

use crate::arguments::Arguments;
use crate::model::{Line, Model, Reply};
use crate::recording::Recording;
use crate::script::Script;

/// Most connections at once; further ones wait in the kernel.
const CONNECTIONS: usize = 64;

/// How often a connection looks whether something has happened to it.
const LOOK: Duration = Duration::from_millis(20);

/// What comes instead of HTTP/2.
const NOISE: &[u8] = b"\x00\xff\x16\x03\x01 SSH-2.0-dish \r\n\r\n\x00\x00\x7f\xff\xff\xff\xff";

/// A dish and the clock it lives by.
#[derive(Debug)]
pub(crate) struct Server {
    model: Model,
    born: Instant,
    speed: f64,
}

impl Server {
    pub(crate) fn new(arguments: &Arguments, script: Script) -> Self {
        let utc = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let Arguments { start, speed, .. } = *arguments;
        let model = Model::new(Recording::unpack(), script, start, speed, utc);
        Self { model, born: daemon::clock::now(), speed }
    }

    /// Seconds of the dish's life since the start.
    fn time(&self) -> f64 {
        daemon::clock::now().saturating_since(self.born).as_secs_f64() * self.speed
    }

    fn line(&self) -> Line {
        self.model.line(self.time())
    }
}

/// Takes connections until it is cancelled.
///
/// # Errors
/// The kernel's, when it takes no more.
pub(crate) async fn serve(listener: TcpListener, server: Arc<Server>) -> io::Result<Infallible> {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&room).acquire_owned().await.expect("the room is never closed");
        let (stream, _) = listener.accept().await?;
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            converse(stream, server).await;
            drop(place);
        });
    }
}

async fn converse(mut stream: TcpStream, server: Arc<Server>) {
    loop {
        match server.line() {
            Line::Dead => return,
            // The kernel says yes and nobody speaks.
            Line::Hung => sleep(LOOK).await,
            Line::Garbage => {
                drop(stream.write_all(NOISE).await);
                return;
            }
            Line::Served => break,
        }
    }
    let asked = Arc::clone(&server);
    let service = service_fn(move |request| answer(request, Arc::clone(&asked)));
    let connection =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    loop {
        match server.line() {
            Line::Dead | Line::Garbage => return,
            Line::Hung => sleep(LOOK).await,
            Line::Served => tokio::select! {
                _ = &mut connection => return,
                () = sleep(LOOK) => {}
            },
        }
    }
}

async fn answer(
    request: http::Request<Incoming>,
    server: Arc<Server>,
) -> Result<http::Response<Body>, Infallible> {
    if request.uri().path() != METHOD {
        return Ok(tonic::Status::unimplemented("no such method").into_http());
    }
    Ok(Grpc::new(BytesCodec).unary(Handle(server), request).await)
}

/// The one method.
struct Handle(Arc<Server>);

impl UnaryService<Bytes> for Handle {
    type Response = Bytes;
    type Future = Ready<Result<tonic::Response<Bytes>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        ready(match self.0.model.reply(self.0.time(), request.get_ref()) {
            Reply::Message(message) => Ok(tonic::Response::new(message)),
            Reply::Denied => Err(tonic::Status::permission_denied("Disabled due to policy")),
            Reply::Unknown => Err(tonic::Status::unimplemented("Unimplemented: no such request")),
        })
    }
}

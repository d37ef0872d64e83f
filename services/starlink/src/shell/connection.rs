//! One connection to a dish: gRPC over plaintext HTTP/2, through one device and no other.
//!
//! Two tasks drive a connection, ours and one of hyper's. Both end, and the socket is closed, as
//! soon as the [`Connection`] is dropped, also when the dish hangs in the middle of an answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::{InvalidUri, PathAndQuery, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpSocket;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use units::PortName;

use super::codec::{BytesCodec, METHOD};
use crate::dish::LONGEST_ANSWER;
use crate::dish::poller::Question;

/// Receive window of a stream and of the connection: one longest answer.
const WINDOW: u32 = 256 * 1024;

const _: () = assert!(WINDOW as usize == LONGEST_ANSWER);

/// Longest list of header fields taken, in bytes; a dish sends some hundred.
const LONGEST_HEADERS: u32 = 16 * 1024;

/// Why a dish could not be connected to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The socket could not be bound to the uplink's device.
    #[error("cannot bind to {device}: {source}")]
    Device {
        /// The uplink's device.
        device: PortName,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no connection to the address.
    #[error("cannot connect to {address}: {source}")]
    Address {
        /// The dish's address.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The other end does not speak HTTP/2.
    #[error("{address} does not speak HTTP/2: {source}")]
    Http {
        /// The dish's address.
        address: SocketAddr,
        /// What was wrong.
        source: hyper::Error,
    },
    /// The address cannot stand in a request.
    #[error("{address} cannot be asked: {source}")]
    Uri {
        /// The dish's address.
        address: SocketAddr,
        /// What was wrong.
        source: InvalidUri,
    },
}

/// A connection that questions can be asked over, one after the other.
#[derive(Debug)]
pub struct Connection {
    grpc: Grpc<Http2>,
}

impl Connection {
    /// Connects to `address`, through `device` where one is given. Has no time limit of its own.
    ///
    /// # Errors
    /// [`ConnectError`] says at what and why.
    pub async fn open(device: Option<PortName>, address: SocketAddr) -> Result<Self, ConnectError> {
        let refused = |source| ConnectError::Address { address, source };
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.map_err(refused)?;
        if let Some(device) = device {
            let bound = socket.bind_device(Some(device.as_str().as_bytes()));
            bound.map_err(|source| ConnectError::Device { device, source })?;
        }
        let stream = socket.connect(address).await.map_err(refused)?;
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_header_list_size(LONGEST_HEADERS);
        let not_http = |source| ConnectError::Http { address, source };
        let (sender, driver) = builder.handshake(TokioIo::new(stream)).await.map_err(not_http)?;
        // How the connection ends is told by the question that fails.
        tokio::spawn(driver);
        let origin = format!("http://{address}").parse::<Uri>();
        let origin = origin.map_err(|source| ConnectError::Uri { address, source })?;
        let grpc =
            Grpc::with_origin(Http2(sender), origin).max_decoding_message_size(LONGEST_ANSWER);
        Ok(Self { grpc })
    }

    /// Asks a question and waits for its encoded answer. Has no time limit of its own; a question
    /// that is given up leaves the connection in order.
    ///
    /// # Errors
    /// The dish's refusal, or what became of the connection, as a gRPC status.
    pub async fn ask(&mut self, question: Question) -> Result<Bytes, tonic::Status> {
        let lost = |error| tonic::Status::unavailable(format!("the connection is lost: {error}"));
        self.grpc.ready().await.map_err(lost)?;
        let request = tonic::Request::new(Bytes::from(question.request().encode_to_vec()));
        let path = PathAndQuery::from_static(METHOD);
        self.grpc.unary(request, path, BytesCodec).await.map(tonic::Response::into_inner)
    }
}

/// hyper's sender as what tonic sends through.
#[derive(Debug)]
struct Http2(SendRequest<Body>);

impl GrpcService<Body> for Http2 {
    type ResponseBody = Incoming;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<http::Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

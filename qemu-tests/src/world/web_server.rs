//! The internet's web server.
//!
//! One thread accepts on each address, and one serves each connection: one request, one answer.
//! Those that accept end when the server is dropped, those that serve when their connection does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::address_plan::EMPTY_PAGE_HOST;
use super::namespace::Namespace;
use super::stop::{Stop, Stoppable};

/// What the web server says to most requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebAnswer {
    /// The address the request came from, as the internet sees it.
    pub from: IpAddr,
    /// The path that was asked for.
    pub path: String,
}

/// Connections served at a time; more are closed at once.
const MAX_CONNECTIONS: usize = 64;
/// How long a silent client is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a request's head at most.
const MAX_HEAD: u64 = 16 * 1_024;
/// Bytes of `/bulk/…` at most: 10 GB.
const MAX_BULK: u64 = 10_000_000_000;

/// A web server on port 80.
#[derive(Debug)]
pub(super) struct WebServer {
    _threads: Stoppable,
}

impl WebServer {
    pub(super) fn start(namespace: &Namespace, addresses: &[IpAddr]) -> anyhow::Result<Self> {
        let stop = Stop::new()?;
        let mut threads = Stoppable::new(stop.clone());
        let connections = Arc::new(AtomicUsize::new(0));
        for address in addresses {
            let address = SocketAddr::new(*address, 80);
            let listener = namespace
                .run(|| TcpListener::bind(address))
                .with_context(|| format!("web server on {address}"))?;
            let (stop, connections) = (stop.clone(), Arc::clone(&connections));
            threads.push(namespace.spawn("web", move || accept(&listener, &stop, &connections))?);
        }
        Ok(Self { _threads: threads })
    }
}

fn accept(listener: &TcpListener, stop: &Stop, connections: &Arc<AtomicUsize>) {
    while stop.wait_for(listener) {
        let Ok((stream, _)) = listener.accept() else { continue };
        if connections.fetch_add(1, Ordering::AcqRel) >= MAX_CONNECTIONS {
            connections.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let connections = Arc::clone(connections);
        std::thread::spawn(move || {
            // A client that goes away is its own business.
            let _ = serve(stream);
            connections.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let from = stream.peer_addr()?.ip().to_canonical();
    let mut head = BufReader::new(stream.try_clone()?).take(MAX_HEAD);
    let mut request = String::new();
    head.read_line(&mut request)?;
    let mut header = String::new();
    let mut for_empty_page = false;
    while head.read_line(&mut header)? > 0 && header.trim() != "" {
        for_empty_page |= is_host(&header, EMPTY_PAGE_HOST);
        header.clear();
    }
    let mut words = request.split_whitespace();
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
    if method != "GET" {
        return respond(&mut stream, "405 Method Not Allowed", "text/plain", b"only GET\n");
    }
    if for_empty_page || path == "/generate_204" {
        return respond(&mut stream, "204 No Content", "text/plain", b"");
    }
    match path.strip_prefix("/bulk/").map(str::parse::<u64>) {
        Some(Ok(length)) if length <= MAX_BULK => send_bulk(&mut stream, length),
        Some(_) => {
            let hint = b"expected /bulk/BYTES, at most 10000000000\n";
            respond(&mut stream, "400 Bad Request", "text/plain", hint)
        }
        None => {
            let answer = WebAnswer { from, path: path.to_owned() };
            let body = serde_json::to_vec(&answer)?;
            respond(&mut stream, "200 OK", "application/json", &body)
        }
    }
}

/// Whether a header's line says that the request is for `host`.
fn is_host(header: &str, host: &str) -> bool {
    let named = header.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("host"));
    named.is_some_and(|(_, value)| value.trim() == host)
}

fn respond(stream: &mut TcpStream, status: &str, kind: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    )?;
    stream.write_all(body)
}

fn send_bulk(stream: &mut TcpStream, length: u64) -> std::io::Result<()> {
    static BLOCK: [u8; 65_536] = [b'x'; 65_536];
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    let mut left = length;
    while left > 0 {
        let count = usize::try_from(left).map_or(BLOCK.len(), |left| left.min(BLOCK.len()));
        stream.write_all(&BLOCK[..count])?;
        left -= count as u64;
    }
    Ok(())
}

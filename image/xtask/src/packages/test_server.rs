//! An HTTP server for tests, on the loopback, that misbehaves as told.
//!
//! One thread accepts, one more serves each connection, one request a connection. Dropping the
//! server ends the first; the others end with their request.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What a request was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The target of the request line, as sent.
    pub(crate) target: String,
    /// The first byte asked for.
    pub(crate) from: usize,
    /// The `Host` field.
    pub(crate) host: String,
}

/// What the server does with it.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// The file, honouring ranges.
    File(Vec<u8>),
    /// The file from its first byte, whatever was asked.
    IgnoringRanges(Vec<u8>),
    /// Headers for the file, and only so many bytes of what was asked for.
    BreakingOff(Vec<u8>, usize),
    /// As `BreakingOff`, but the connection stays open until the client gives up.
    FallingSilent(Vec<u8>, usize),
    /// Without a length, more than the file.
    Endless,
    /// A status and an empty body.
    Status(u16),
    /// A redirect.
    Redirect(String),
}

type Answer = Box<dyn Fn(&Request, usize) -> Reply + Send + Sync>;

/// A running server.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one; `answer` gets each request and how many came before it.
    pub(crate) fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let answer: Arc<Answer> = Arc::new(Box::new(answer));
        let thread = {
            let (requests, stop) = (Arc::clone(&requests), Arc::clone(&stop));
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
                    std::thread::spawn(move || {
                        let _ = serve(stream.unwrap(), &requests, &answer);
                    });
                }
            })
        };
        Self { address, requests, stop, thread: Some(thread) }
    }

    /// Starts one that has these files and nothing else.
    pub(crate) fn with_files<const N: usize>(files: [(&str, &[u8]); N]) -> Self {
        let files: BTreeMap<String, Vec<u8>> =
            files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect();
        Self::start(move |request, _| {
            files.get(&request.target).cloned().map_or(Reply::Status(404), Reply::File)
        })
    }

    /// `http://host:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    mut stream: TcpStream,
    requests: &Mutex<Vec<Request>>,
    answer: &Answer,
) -> std::io::Result<()> {
    let request = read(&stream)?;
    let before = {
        let mut requests = requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    let from = request.from;
    match answer(&request, before) {
        Reply::File(bytes) => send(&mut stream, &bytes, from, usize::MAX),
        Reply::IgnoringRanges(bytes) => send(&mut stream, &bytes, 0, usize::MAX),
        Reply::BreakingOff(bytes, count) => send(&mut stream, &bytes, from, count),
        Reply::FallingSilent(bytes, count) => {
            send(&mut stream, &bytes, from, count)?;
            // Until the client hangs up.
            stream.read(&mut [0]).map(drop)
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
            Ok(())
        }
        Reply::Status(status) => {
            write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        Reply::Redirect(to) => write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
    }
}

fn send(stream: &mut TcpStream, bytes: &[u8], from: usize, count: usize) -> std::io::Result<()> {
    let body = &bytes[from..];
    let status = if from == 0 { "200 OK" } else { "206 Partial Content" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body[..count.min(body.len())])
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut request = Request { target, from: 0, host: String::new() };
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "host" => value.clone_into(&mut request.host),
            "range" => {
                let first = value.trim_start_matches("bytes=").trim_end_matches('-');
                request.from = first.parse().unwrap();
            }
            _ => {}
        }
    }
    Ok(request)
}

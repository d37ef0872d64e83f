//! The yardstick: QUIC datagrams of 1388 bytes, AES-GCM, a runtime of one thread on one core at
//! each end, and nothing else. What a tunnel carries it carries on top of this.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use quinn::{Endpoint, EndpointConfig, TokioRuntime, TransportConfig};

use super::pair::Pair;
use crate::bench::wan::contender::{QuicIdentity, client_config, runtime, server_config};
use crate::meter::shell::pin_to;
use crate::world::VPS_V4;

/// What fits into a packet of 1,452 bytes of UDP payload, less what a tunnel adds.
const DATAGRAM: usize = 1_388;
/// Ethernet's 1500 bytes less IPv6 and UDP headers: known here, so it is not searched for.
const UDP_PAYLOAD: u16 = 1_452;
/// What waits in QUIC and in the kernel, in bytes.
const BUFFER: usize = 4 * 1_024 * 1_024;
/// How long the server may take.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What arrives, in gigabits of datagrams per second.
///
/// # Errors
/// When no connection comes about.
pub(super) fn gigabits(pair: &Pair, cores: [usize; 2], watch: Duration) -> Result<f64> {
    let identity = QuicIdentity::new()?;
    let server = server_config(&identity, transport())?;
    let client = client_config(&identity, transport())?;
    let received = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let (listening, address) = sync_channel(1);
    let count = Arc::clone(&received);
    let far = pair.far.spawn("raw-far", move || -> Result<()> {
        pin_to(cores[1])?;
        runtime()?.block_on(async {
            let socket = socket(VPS_V4)?;
            let config = EndpointConfig::default();
            let endpoint = Endpoint::new(config, Some(server), socket, Arc::new(TokioRuntime))?;
            listening.send(endpoint.local_addr()?)?;
            let connection = endpoint.accept().await.context("the endpoint was closed")?.await?;
            while let Ok(datagram) = connection.read_datagram().await {
                count.fetch_add(datagram.len() as u64, Ordering::Relaxed);
            }
            Ok(())
        })
    })?;
    let address = address.recv_timeout(READY_WITHIN).context("the server did not start")?;
    let said = Arc::clone(&over);
    let near = pair.near.spawn("raw-near", move || -> Result<()> {
        pin_to(cores[0])?;
        runtime()?.block_on(async {
            let socket = socket(Ipv4Addr::UNSPECIFIED)?;
            let config = EndpointConfig::default();
            let endpoint = Endpoint::new(config, None, socket, Arc::new(TokioRuntime))?;
            let connection = endpoint.connect_with(client, address, QuicIdentity::NAME)?.await?;
            let datagram = vec![0; DATAGRAM].into();
            while !said.load(Ordering::Relaxed) {
                connection.send_datagram_wait(Clone::clone(&datagram)).await?;
            }
            connection.close(0_u32.into(), b"");
            endpoint.wait_idle().await;
            Ok(())
        })
    })?;
    std::thread::sleep(Duration::from_secs(1));
    let (begun, before) = (Instant::now(), received.load(Ordering::Relaxed));
    std::thread::sleep(watch);
    let (seconds, after) = (begun.elapsed().as_secs_f64(), received.load(Ordering::Relaxed));
    over.store(true, Ordering::Relaxed);
    near.join().expect("it does not panic")?;
    far.join().expect("it does not panic")?;
    #[expect(clippy::cast_precision_loss, reason = "seconds of bytes fit a double")]
    Ok((after - before) as f64 * 8.0 / seconds / 1e9)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .initial_mtu(UDP_PAYLOAD)
        .datagram_send_buffer_size(BUFFER)
        .datagram_receive_buffer_size(Some(BUFFER));
    transport
}

fn socket(address: Ipv4Addr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::new(address.into(), 0))?;
    let options = socket2::SockRef::from(&socket);
    options.set_recv_buffer_size(BUFFER)?;
    options.set_send_buffer_size(BUFFER)?;
    Ok(socket)
}

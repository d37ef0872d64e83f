//! The door under strangers, on the loopback; a queue stands in for the pump, so that what reaches
//! the machine is seen.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use quinn::Connection;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tunnel::wire::{Hello, TOKEN_LENGTH};
use units::LinkId;

use super::*;

/// Longest wait for what must happen.
const DEADLINE: Duration = Duration::from_secs(20);
const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Relay {
    door: Arc<Door>,
    commands: mpsc::Receiver<Command>,
    endpoint: Endpoint,
    at: SocketAddr,
    tasks: JoinSet<()>,
    _state: tempfile::TempDir,
}

fn plan() -> Plan {
    let (v4, v6) = ("10.213.0.0/16".parse(), "fd00:1:2::/48".parse());
    Plan { v4: v4.unwrap(), v6: v6.unwrap() }
}

impl Relay {
    /// One that lets in `coming` at once.
    fn start(coming: usize) -> Self {
        let state = tempfile::tempdir().unwrap();
        let (to_pump, commands) = mpsc::channel(64);
        let door = Arc::new(Door {
            key: SecretKey::generate().unwrap(),
            boxes: Boxes::open(state.path()).unwrap(),
            plan: plan(),
            session: 7,
            commands: to_pump,
            coming: Semaphore::new(coming),
            guests: Guests::default(),
        });
        let server = door.key.server().unwrap();
        let endpoint = Endpoint::server(server, HERE).unwrap();
        let at = endpoint.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&door).accept(endpoint.clone()));
        Self { door, commands, endpoint, at, tasks, _state: state }
    }

    async fn visit(
        &self,
        key: &SecretKey,
        token: Option<[u8; TOKEN_LENGTH]>,
    ) -> (Connection, Result<Welcome, GreetingError>) {
        visit(key, self.door.key.public(), self.at, token).await
    }

    /// Who comes next to the machine.
    async fn next(&mut self) -> PeerId {
        match timeout(DEADLINE, self.commands.recv()).await.expect("in time") {
            Some(Command::Connected { peer, .. }) => peer,
            other => panic!("{other:?}"),
        }
    }
}

/// A box with `key` at the door.
async fn visit(
    key: &SecretKey,
    relay: PublicKey,
    at: SocketAddr,
    token: Option<[u8; TOKEN_LENGTH]>,
) -> (Connection, Result<Welcome, GreetingError>) {
    let mut endpoint = Endpoint::client(HERE).unwrap();
    endpoint.set_default_client_config(key.client(relay).unwrap());
    let connecting = endpoint.connect(at, "relay").unwrap();
    let connection = timeout(DEADLINE, connecting).await.expect("in time").unwrap();
    let hello = Hello { link: LinkId::new(1).unwrap(), generation: 1, session: 3, token };
    let welcome = greeting::greet(&connection, &hello).await;
    (connection, welcome)
}

/// Why a connection has ended.
async fn reason(connection: &Connection) -> String {
    timeout(DEADLINE, connection.closed()).await.expect("in time").to_string()
}

/// Passes on what a box sends, and keeps a copy of it.
fn listener(between: UdpSocket, relay: SocketAddr) -> JoinHandle<Vec<Vec<u8>>> {
    tokio::spawn(async move {
        let (mut kept, mut buffer, mut client) = (Vec::new(), [0; 2_000], None);
        while let Ok((length, from)) = between.recv_from(&mut buffer).await {
            let packet = &buffer[..length];
            if packet == b"enough" {
                break;
            }
            let to = if from == relay {
                client
            } else {
                client = Some(from);
                kept.push(packet.to_vec());
                Some(relay)
            };
            if let Some(to) = to {
                between.send_to(packet, to).await.unwrap();
            }
        }
        kept
    })
}

#[tokio::test]
async fn a_key_that_nobody_enrolled_reaches_nothing() {
    let mut relay = Relay::start(MOST_COMING);
    let (stranger, known) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let token = relay.door.boxes.enrol("cabin").unwrap();
    for wrong in [None, Some([0; TOKEN_LENGTH])] {
        let (connection, welcome) = relay.visit(&stranger, wrong).await;
        assert!(welcome.is_err());
        assert!(reason(&connection).await.contains("does not know the box"));
    }
    relay.visit(&known, Some(token)).await.1.unwrap();
    assert_eq!(relay.next().await, PeerId(1), "the first that reaches the machine");
    let (connection, _) = relay.visit(&stranger, Some(token)).await;
    assert!(reason(&connection).await.contains("does not know the box"), "a token works once");
    assert!(relay.commands.try_recv().is_err());
}

#[tokio::test]
async fn replayed_packets_of_a_box_reach_nothing() {
    let mut relay = Relay::start(MOST_COMING);
    let key = SecretKey::generate().unwrap();
    let token = relay.door.boxes.enrol("cabin").unwrap();
    let between = UdpSocket::bind(HERE).await.unwrap();
    let at = between.local_addr().unwrap();
    let listening = listener(between, relay.at);
    visit(&key, relay.door.key.public(), at, Some(token)).await.1.unwrap();
    assert_eq!(relay.next().await, PeerId(1));
    let before = relay.door.boxes.all().unwrap();
    let replay = UdpSocket::bind(HERE).await.unwrap();
    replay.send_to(b"enough", at).await.unwrap();
    let kept = timeout(DEADLINE, listening).await.expect("in time").unwrap();
    assert!(kept.len() > 2, "a handshake and a greeting");
    // The relay forgets the first connection, as it would in time.
    relay.endpoint.close(0_u32.into(), b"");
    relay.endpoint.wait_idle().await;
    let again = Endpoint::server(relay.door.key.server().unwrap(), HERE).unwrap();
    relay.at = again.local_addr().unwrap();
    relay.tasks.spawn(Arc::clone(&relay.door).accept(again));
    for packet in kept {
        replay.send_to(&packet, relay.at).await.unwrap();
    }
    let mut answer = [0; 2_000];
    timeout(DEADLINE, replay.recv_from(&mut answer)).await.expect("the relay has looked").unwrap();
    // Whoever holds the key comes in; it is the next to reach the machine, and it is the same box.
    relay.visit(&key, None).await.1.unwrap();
    assert_eq!(relay.next().await, PeerId(1));
    assert!(relay.commands.try_recv().is_err());
    assert_eq!(relay.door.boxes.all().unwrap(), before);
}

#[tokio::test]
async fn more_at_once_than_there_is_room_for_wait_outside() {
    let mut relay = Relay::start(0);
    let key = SecretKey::generate().unwrap();
    let token = relay.door.boxes.enrol("cabin").unwrap();
    let (public, at) = (relay.door.key.public(), relay.at);
    let visitor = tokio::spawn(async move { visit(&key, public, at, Some(token)).await.1 });
    let ignored = async {
        while relay.endpoint.stats().ignored_handshakes == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, ignored).await.expect("the door is full");
    assert_eq!(relay.endpoint.open_connections(), 0, "nothing is kept of who waits outside");
    assert!(relay.commands.try_recv().is_err());
    relay.door.coming.add_permits(1);
    timeout(DEADLINE, visitor).await.expect("in time").unwrap().unwrap();
    assert_eq!(relay.next().await, PeerId(1));
}

#[tokio::test]
async fn a_box_that_is_removed_is_shown_out_and_stays_out() {
    let mut relay = Relay::start(MOST_COMING);
    let (cabin, shed) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let tokens = ["cabin", "shed"].map(|name| relay.door.boxes.enrol(name).unwrap());
    let (inside, welcome) = relay.visit(&cabin, Some(tokens[0])).await;
    let (other, _) = relay.visit(&shed, Some(tokens[1])).await;
    assert_eq!(welcome.unwrap().inner_v4, Ipv4Addr::new(10, 213, 0, 16));
    assert_eq!([relay.next().await, relay.next().await], [PeerId(1), PeerId(2)]);
    relay.tasks.spawn(Arc::clone(&relay.door).show_out_removed());
    relay.door.boxes.remove("cabin").unwrap();
    assert!(reason(&inside).await.contains("does not know the box"));
    assert!(other.close_reason().is_none(), "the others stay");
    let (again, _) = relay.visit(&cabin, Some(tokens[0])).await;
    assert!(reason(&again).await.contains("does not know the box"));
    assert!(relay.commands.try_recv().is_err());
}

/// A packet between two addresses, with nothing in it.
fn packet(from: IpAddr, to: IpAddr) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            [&[0x45; 12][..], &from.octets(), &to.octets()].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            [&[0x60; 8][..], &from.octets(), &to.octets()].concat()
        }
        _ => unreachable!("one family"),
    }
}

#[test]
fn a_box_uses_its_own_addresses_and_reaches_no_other_box() {
    let inner = Inner(plan());
    let [one, two] = [1, 2].map(|number| BoxNumber::try_new(number).unwrap());
    let v4 = |number| IpAddr::from(plan().box_v4(number));
    let v6 = |number| IpAddr::from(plan().box_v6(number));
    let families = [
        (v4(one), v4(two), IpAddr::from(plan().relay().0), "192.0.2.1"),
        (v6(one), v6(two), IpAddr::from(plan().relay().1), "2001:db8::1"),
    ];
    for (own, others, relay, outside) in families {
        let outside = outside.parse().unwrap();
        assert!(inner.admits(peer(one), &packet(own, outside)));
        assert!(inner.admits(peer(one), &packet(own, relay)));
        assert!(!inner.admits(peer(one), &packet(others, outside)), "another's address");
        assert!(!inner.admits(peer(one), &packet(relay, outside)), "the relay's");
        assert!(!inner.admits(peer(one), &packet(outside, outside)), "somebody's");
        assert!(!inner.admits(peer(one), &packet(own, others)), "to another box");
        assert_eq!(inner.owner(&packet(outside, own)), Some(peer(one)));
        assert_eq!(inner.owner(&packet(outside, others)), Some(peer(two)));
        assert_eq!(inner.owner(&packet(outside, relay)), None);
    }
    assert!(!inner.admits(peer(one), &[0x45; 19]) && inner.owner(&[]).is_none());
}

#[test]
fn those_who_ask_for_the_key_together_get_the_same() {
    let state = tempfile::tempdir().unwrap();
    let ask = || key(state.path()).unwrap().public();
    let all = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
}

//! What can be said to `relay`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::addresses::{PrefixV4, PrefixV6};

/// The far end of Porchlight's tunnel, on a server with a public address.
///
/// A box at home joins both of its uplinks here: what one loses, the other brings. To set one up on
/// a fresh server:
///
///   relay serve                                  (as root, or by relay.service)
///   relay enroll cabin --address SERVER:443      prints one line for the box
///
/// and on the box: paste that line. The server needs the kernel's TUN device and `nft`.
#[derive(Debug, Parser)]
#[command(name = "relay", version, verbatim_doc_comment, max_term_width = 100)]
pub struct CommandLine {
    /// Where the relay's key and its boxes are kept.
    #[arg(long, global = true, default_value = "/var/lib/relay", value_name = "DIR")]
    pub state: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Carry packets until told to stop.
    Serve(Serve),
    /// Let a new box in: prints one line to paste there. It works once, for seven days.
    Enroll {
        /// What to call the box: a-z, 0-9 and -.
        name: String,
        /// Where boxes reach this relay: a name or address with its port; repeat for more.
        #[arg(long = "address", required = true, value_name = "HOST:PORT")]
        addresses: Vec<String>,
    },
    /// Show the boxes.
    List,
    /// Forget a box. A running relay shows it out within five seconds.
    Remove {
        /// Its name.
        name: String,
    },
}

/// How to serve.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen, UDP; repeat for more. Boxes at home can leave by UDP 443 almost anywhere.
    #[arg(long, default_values = ["0.0.0.0:443", "[::]:443"], value_name = "ADDRESS:PORT")]
    pub listen: Vec<SocketAddr>,
    /// Inner addresses of the boxes; any private /16 that you do not use.
    #[arg(long, default_value = "10.213.0.0/16", value_name = "PREFIX")]
    pub inner_v4: PrefixV4,
    /// A /48 that is routed to this server: each box gets a /64 of it. A private one is translated
    /// to the server's own address.
    #[arg(long, default_value = "fd7a:706f:7272::/48", value_name = "PREFIX")]
    pub inner_v6: PrefixV6,
    /// The name of the tunnel's device.
    #[arg(long, default_value = "relay0", value_name = "NAME")]
    pub device: String,
    /// Leave the firewall and the forwarding switches alone: you have set them up yourself.
    #[arg(long)]
    pub no_firewall: bool,
}

//! A small internet in network namespaces, with a house on it.
//!
//! ```text
//!   client ── lan0 ┐             ┌ broadband0 ══ emulated link ══ broadband ┐
//!                  ├ box (under) ┤                                          ├─ internet ── vps
//!            perfect   test      └ starlink0  ══ emulated link ══ starlink  ┘   web, DNS, time
//! ```
//!
//! The box is a QEMU guest or a namespace; nothing else here differs between the two. Everything
//! lives in namespaces that this process made and ends with it: file descriptors hold them, not
//! names. The process must be allowed to make namespaces, TAP devices and firewall rules, as it is
//! in a user namespace of its own.
//!
//! Threads: two for each link (see [`crate::emulator::shell`]), the internet's web and time
//! servers, the timeline, the control socket and a page proxy where asked for. Each ends when the
//! [`World`] is dropped.
mod address_plan;
mod build;
mod carrier;
mod client;
mod control;
mod fetch;
mod internet;
mod lease;
mod namespace;
mod provider;
mod proxy;
mod relay_host;
mod resolve;
mod router;
mod scenario;
mod service;
mod stop;
mod time_server;
mod timeline;
mod uplink;
mod web_server;

pub use address_plan::{
    AddressFamily, Addresses, METER_V4, METER_V6, Uplink, VPS_ROUTED_V6, VPS_V4, VPS_V6,
};
pub use build::{BoxKind, QemuPorts, World};
pub use client::Client;
pub use control::{ControlReply, ControlRequest, UplinkStatus, ask};
pub use fetch::FetchReport;
pub use lease::{Lease, request_lease};
pub use namespace::{Namespace, ToolError};
pub use proxy::Proxy;
pub use router::{LAN_ADDRESS, Router};
pub use scenario::{Replay, Scenario, ScenarioError, TimelineEntry};
pub use service::Service;
pub use timeline::Timeline;
pub use uplink::{CarrierSwitch, UplinkHandle};
pub use web_server::WebAnswer;

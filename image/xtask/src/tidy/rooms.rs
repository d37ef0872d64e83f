//! The import table: one row a crate. `units` serves everybody, `bus` and `daemon` serve the
//! daemons, and no daemon imports another: they talk over D-Bus and Unix sockets.

/// One member of the workspace and what it may reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// The crate's name.
    pub(super) name: &'static str,
    /// The members it may depend on.
    pub(super) may_import: &'static [&'static str],
    /// A tool of the builder, never in the image: may use `anyhow`, may block, needs no shell.
    pub(super) is_tool: bool,
    /// Depends on nothing at all, ours or theirs.
    pub(super) is_alone: bool,
    /// Is itself the wall to the outside: the ban on sockets, files and clocks is not for it.
    pub(super) is_shell: bool,
}

impl Room {
    /// A crate of the image with a pure machine inside.
    pub(super) const fn service(name: &'static str, may_import: &'static [&'static str]) -> Self {
        Self { name, may_import, is_tool: false, is_alone: false, is_shell: false }
    }
}

/// The table. A crate without a row fails the check, and so does a row without a crate.
pub(super) const ROOMS: &[Room] = &[
    Room { is_alone: true, ..Room::service("units", &[]) },
    Room { is_shell: true, ..Room::service("bus", &["units"]) },
    Room { is_shell: true, ..Room::service("daemon", &["units"]) },
    Room::service("tunnel", &["units"]),
    Room::service("relay", &["daemon", "tunnel", "units"]),
    Room::service("home", &["bus", "daemon", "units"]),
    Room::service("porch", &["bus", "daemon", "units"]),
    Room::service("selfcheck", &["bus", "daemon", "units"]),
    Room::service("starlink", &["daemon", "units"]),
    Room::service("wan", &["bus", "daemon", "starlink", "tunnel", "units"]),
    Room { is_tool: true, ..Room::service("qemu-tests", &["units"]) },
    // Compiles in seconds because it builds nothing else first.
    Room { is_tool: true, ..Room::service("xtask", &[]) },
];

/// Libraries for tools: a service names its errors one by one.
pub(super) const TOOLS_ONLY: &[&str] = &["anyhow"];

/// Folders outside `services/` whose code is pure too, but for a `shell/` inside them.
pub(super) const PURE_FOLDERS: &[&str] = &["qemu-tests/src/emulator/", "qemu-tests/src/meter/"];

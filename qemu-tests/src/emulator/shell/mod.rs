//! Threads, ports and clocks for the link machine.

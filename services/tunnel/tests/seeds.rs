//! The kept seeds of `services/fuzz`, fed to the same entries that the search calls.

#[path = "../../fuzz/entries/enrolment.rs"]
mod enrolment;
#[path = "../../fuzz/entries/machine.rs"]
mod machine;
#[path = "../../fuzz/entries/packet.rs"]
mod packet;
#[path = "../../fuzz/entries/replay.rs"]
mod replay;
#[path = "../../fuzz/entries/wire.rs"]
mod wire;

#[test]
fn seeds_of_enrolment() {
    replay::each("enrolment", enrolment::check);
}

#[test]
fn seeds_of_machine() {
    replay::each("machine", machine::check);
}

#[test]
fn seeds_of_packet() {
    replay::each("packet", packet::check);
}

#[test]
fn seeds_of_wire() {
    replay::each("wire", wire::check);
}

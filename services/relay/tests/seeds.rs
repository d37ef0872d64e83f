//! The kept seeds of `services/fuzz`, fed to the same entries that the search calls.

#[path = "../../fuzz/entries/box_file.rs"]
mod box_file;
#[path = "../../fuzz/entries/replay.rs"]
mod replay;

#[test]
fn seeds_of_box_file() {
    replay::each("box_file", box_file::check);
}

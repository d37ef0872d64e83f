//! The kept seeds of `services/fuzz`, fed to the same entries that the search calls.

#[path = "../../fuzz/entries/dish.rs"]
mod dish;
#[path = "../../fuzz/entries/replay.rs"]
mod replay;

#[test]
fn seeds_of_dish() {
    replay::each("dish", dish::check);
}

//! Feeds every kept seed to its entry, so that an ordinary `cargo test` holds what was found.

use std::fs;
use std::path::Path;

/// Calls `check` with each file of `seeds/<target>`, and says which one it was that failed.
#[expect(clippy::print_stdout, reason = "shown by the test runner when the check panics")]
pub(crate) fn each(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let files = fs::read_dir(&folder).expect("the folder of seeds is kept beside the targets");
    let mut seen = 0;
    for file in files {
        let path = file.expect("the folder can be listed").path();
        println!("{}", path.display());
        check(&fs::read(&path).expect("a seed can be read"));
        seen += 1;
    }
    assert!(seen > 0, "no seeds in {}", folder.display());
}

//! The Rust in `src/proto/` is what `proto/device.proto` says, so that no build needs protoc.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const MESSAGES_HEADER: &str = "\
//! The dish's messages. Made from `proto/device.proto` by the test `generated`, which says how to
//! make them again.
";

const FIELDS_HEADER: &str = "\
//! The field numbers that `proto/device.proto` knows. Made from it by the test `generated`, which
//! says how to make them again.

use super::unknown::Known;

";

/// A file of this room, wherever the test is started.
fn room(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[test]
fn the_messages_are_what_the_proto_says() -> Result<(), Box<dyn Error>> {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let descriptors = protox::compile([room("proto/device.proto")], [room("proto")])?;
    // One answer of three is much larger than the others.
    prost_build::Config::new()
        .boxed(".SpaceX.API.Device.Response.response.dish_status")
        .out_dir(scratch)
        .compile_fds(descriptors)?;
    let made = std::fs::read_to_string(scratch.join("space_x.api.device.rs"))?;
    compare("src/proto/messages.rs", &format!("{MESSAGES_HEADER}{made}"))
}

#[test]
fn the_known_fields_are_what_the_proto_says() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile([room("proto/device.proto")], [room("proto")])?;
    let mut text = String::new();
    for message in &descriptors.file[0].message_type {
        writeln!(text, "const {}: &[Known] = &[", constant(message.name()))?;
        for field in &message.field {
            let inside = field.type_name.as_deref().and_then(|name| name.rsplit('.').next());
            let inside = inside.map_or(String::from("&[]"), constant);
            writeln!(text, "    Known {{ number: {}, inside: {inside} }},", field.number())?;
        }
        writeln!(text, "];\n")?;
    }
    let text = text.replace("const RESPONSE", "pub(super) const RESPONSE");
    let answers = without_requests(&text);
    compare("src/proto/known_fields.rs", &format!("{FIELDS_HEADER}{}\n", answers.trim_end()))
}

/// `DishAlerts` → `DISH_ALERTS`.
fn constant(message: &str) -> String {
    let mut name = String::new();
    for letter in message.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

/// What we ask is not scanned.
fn without_requests(text: &str) -> String {
    let blocks = text.split_inclusive("];\n\n");
    blocks.filter(|block| !block.contains("REQUEST: ")).collect()
}

fn compare(kept: &str, made: &str) -> Result<(), Box<dyn Error>> {
    let fresh: PathBuf =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(kept.rsplit('/').next().unwrap_or(kept));
    std::fs::write(&fresh, made)?;
    let same = std::fs::read_to_string(room(kept)).is_ok_and(|text| text == made);
    assert!(same, "{kept} is not what the proto says; cp {} {kept}", fresh.display());
    Ok(())
}

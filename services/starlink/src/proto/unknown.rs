//! Field numbers that a newer firmware sends and `device.proto` does not have.

use std::collections::BTreeSet;
use std::fmt;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::known_fields::RESPONSE;

/// Most field paths remembered, and so most that are ever told. The firmware of June 2026 has
/// about 70 that we leave out.
pub const MOST_TOLD: usize = 256;

/// Deepest place of a field: answer, history, event log, event, field.
const DEEPEST: usize = 5;

/// One field number of a message and what is inside it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) number: u32,
    /// The fields of the message in it; empty for anything else.
    pub(super) inside: &'static [Self],
}

/// Where in an answer a field is: the field numbers from the outside in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath {
    /// Unused places are 0, which is no field number.
    numbers: [u32; DEEPEST],
}

impl fmt::Display for FieldPath {
    /// As `2004.1066`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.numbers.iter().take_while(|number| **number != 0);
        for (place, number) in used.enumerate() {
            let dot = if place == 0 { "" } else { "." };
            write!(f, "{dot}{number}")?;
        }
        Ok(())
    }
}

/// The unknown fields told so far: each is told once. At most [`MOST_TOLD`].
#[derive(Clone, Debug, Default)]
pub struct UnknownFields {
    told: BTreeSet<FieldPath>,
}

impl UnknownFields {
    /// The fields of an encoded answer that are unknown and have not been told before. Bytes that
    /// are no message end the search.
    pub fn handle_answer(&mut self, answer: &[u8]) -> Vec<FieldPath> {
        let mut new = Vec::new();
        let mut path = FieldPath { numbers: [0; DEEPEST] };
        self.search(answer, RESPONSE, 0, &mut path, &mut new);
        new
    }

    /// Searches one message; `None` when its bytes are none.
    fn search(
        &mut self,
        mut bytes: &[u8],
        known: &[Known],
        depth: usize,
        path: &mut FieldPath,
        new: &mut Vec<FieldPath>,
    ) -> Option<()> {
        while !bytes.is_empty() && self.told.len() < MOST_TOLD {
            let (number, wire_type) = decode_key(&mut bytes).ok()?;
            path.numbers[depth] = number;
            let field = known.iter().find(|field| field.number == number);
            match field {
                None => new.extend(self.told.insert(*path).then_some(*path)),
                Some(field) if wire_type == WireType::LengthDelimited && is_message(field) => {
                    let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                    let (inside, rest) = bytes.split_at_checked(length)?;
                    self.search(inside, field.inside, depth + 1, path, new);
                    bytes = rest;
                    continue;
                }
                Some(_) => {}
            }
            skip_field(wire_type, number, &mut bytes, DecodeContext::default()).ok()?;
        }
        path.numbers[depth] = 0;
        Some(())
    }
}

fn is_message(field: &Known) -> bool {
    !field.inside.is_empty()
}

#[cfg(test)]
mod tests {
    use prost::encoding::{encode_key, encode_varint};

    use super::*;

    /// A field with `inside` as its value.
    fn field(number: u32, inside: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_key(number, WireType::LengthDelimited, &mut bytes);
        encode_varint(u64::try_from(inside.len()).unwrap(), &mut bytes);
        bytes.extend_from_slice(inside);
        bytes
    }

    fn told(fields: &mut UnknownFields, answer: &[u8]) -> Vec<String> {
        fields.handle_answer(answer).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_unknown_field_is_told_once_with_its_place() {
        let mut fields = UnknownFields::default();
        let status = [field(1066, b"new"), field(1005, &field(99, b"")), field(1, b"")].concat();
        let answer = [field(2004, &status), field(77, b"x")].concat();
        assert_eq!(told(&mut fields, &answer), ["2004.1066", "2004.1005.99", "77"]);
        assert_eq!(told(&mut fields, &answer), [""; 0]);
    }

    #[test]
    fn no_more_are_told_than_are_remembered() {
        let mut fields = UnknownFields::default();
        let many: Vec<u8> = (3_000..9_000).flat_map(|number| field(number, b"")).collect();
        assert_eq!(told(&mut fields, &many).len(), MOST_TOLD);
        assert_eq!(told(&mut fields, &field(9_999, b"")).len(), 0);
    }

    #[test]
    fn a_length_beyond_the_end_stops_the_search() {
        let mut fields = UnknownFields::default();
        let mut answer = field(77, b"x");
        encode_key(2004, WireType::LengthDelimited, &mut answer);
        encode_varint(u64::MAX, &mut answer);
        assert_eq!(told(&mut fields, &answer), ["77"]);
    }
}

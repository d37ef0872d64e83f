//! How each class of traffic is carried by the tunnel, in words: in the settings, on the bus, on
//! disk.

use std::collections::BTreeMap;

use tunnel::{Class, Mode, Modes};

/// Words for modes that say nothing sensible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModesError {
    /// No class has this name.
    #[error("{0:?} is no class; expected realtime, interactive, bulk or background")]
    Class(String),
    /// The class cannot be carried so.
    #[error("{class} = {word:?}; expected {}", expected(*of))]
    Mode {
        /// Its name.
        class: String,
        /// What was wanted.
        word: String,
        /// Which it is.
        of: Class,
    },
}

/// Modes by the names of their classes. A class that is left out is carried as in `before`.
///
/// # Errors
/// [`ModesError`] names the class and what was expected.
pub fn from_words(words: &BTreeMap<String, String>, before: Modes) -> Result<Modes, ModesError> {
    let mut modes = before;
    for (class, word) in words {
        let of = Class::ALL.into_iter().find(|each| name(*each) == class);
        let of = of.ok_or_else(|| ModesError::Class(class.clone()))?;
        let wrong = || ModesError::Mode { class: class.clone(), word: word.clone(), of };
        let mode = ALL.into_iter().find(|mode| self::word(*mode) == word).ok_or_else(wrong)?;
        modes = modes.with(of, mode).map_err(|_| wrong())?;
    }
    Ok(modes)
}

/// All modes by the names of their classes.
#[must_use]
pub fn to_words(modes: Modes) -> BTreeMap<String, String> {
    let row = |class| (String::from(name(class)), String::from(word(modes.of(class))));
    Class::ALL.into_iter().map(row).collect()
}

const ALL: [Mode; 3] = [Mode::Failover, Mode::Spill, Mode::Duplicate];

const fn expected(class: Class) -> &'static str {
    if class.is_urgent() { "failover or duplicate" } else { "failover or spill" }
}

const fn name(class: Class) -> &'static str {
    match class {
        Class::Realtime => "realtime",
        Class::Interactive => "interactive",
        Class::Bulk => "bulk",
        Class::Background => "background",
    }
}

const fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Failover => "failover",
        Mode::Spill => "spill",
        Mode::Duplicate => "duplicate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(class: &str, word: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(class.to_owned(), word.to_owned())])
    }

    #[test]
    fn what_is_said_is_read_and_the_rest_stays() {
        let calls = from_words(&words("realtime", "duplicate"), Modes::default()).unwrap();
        assert_eq!(calls.of(Class::Realtime), Mode::Duplicate);
        let both = from_words(&words("bulk", "failover"), calls).unwrap();
        assert_eq!(both.of(Class::Realtime), Mode::Duplicate, "it stays");
        assert_eq!(from_words(&to_words(both), Modes::default()), Ok(both));
    }

    #[test]
    fn nonsense_is_named_with_what_was_expected() {
        let said = |class, word| {
            from_words(&words(class, word), Modes::default()).unwrap_err().to_string()
        };
        assert_eq!(
            said("calls", "failover"),
            "\"calls\" is no class; expected realtime, interactive, bulk or background"
        );
        assert_eq!(said("bulk", "duplicate"), "bulk = \"duplicate\"; expected failover or spill");
        assert_eq!(said("realtime", "x"), "realtime = \"x\"; expected failover or duplicate");
    }
}

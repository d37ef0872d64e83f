//! The folder of boxes: `<state>/boxes/<name>.toml`, written whole or not at all.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use daemon::replace::{Readers, ReplaceError, replace};
use daemon::settings::{self, SettingsError};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use tunnel::shell::keys::PublicKey;
use tunnel::wire::TOKEN_LENGTH;

use crate::addresses::BoxNumber;
use crate::register::{Entry, NameError, check_name, free_number, token_opens};

/// How long an enrolment waits for its box.
pub const TOKEN_LIFE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Why the folder could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BoxesError {
    /// The kernel's word on a file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file that cannot be written.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// A file that says something else.
    #[error(transparent)]
    Content(#[from] SettingsError),
    /// A name that cannot be used.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A box of that name is there.
    #[error("a box called {0:?} is enrolled already; `relay remove {0}` forgets it")]
    Taken(String),
    /// There is no box of that name.
    #[error("no box is called {0:?}; `relay list` shows those there are")]
    Unknown(String),
    /// All numbers are given.
    #[error("this relay has {most} boxes, the most it can serve", most = BoxNumber::MOST)]
    Full,
    /// The kernel gave no random numbers.
    #[error("no random numbers for a token")]
    Random,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Boxes {
    folder: PathBuf,
}

impl Boxes {
    /// The folder of boxes in `state`; made if it is not there.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(state: &Path) -> Result<Self, BoxesError> {
        let folder = state.join("boxes");
        fs::create_dir_all(&folder).map_err(in_file(&folder))?;
        Ok(Self { folder })
    }

    /// All boxes, by name.
    ///
    /// # Errors
    /// When a file cannot be read or says something else.
    pub fn all(&self) -> Result<Vec<(String, Entry)>, BoxesError> {
        let mut found = Vec::new();
        for file in fs::read_dir(&self.folder).map_err(in_file(&self.folder))? {
            let path = file.map_err(in_file(&self.folder))?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let entry = path.extension().is_some_and(|extension| extension == "toml");
            if entry && check_name(name).is_ok() && found.len() < usize::from(BoxNumber::MOST) {
                found.push((name.to_owned(), settings::load(&path)?));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }

    /// The keys of all boxes that have come in.
    ///
    /// # Errors
    /// As [`Boxes::all`].
    pub fn keys(&self) -> Result<HashSet<PublicKey>, BoxesError> {
        let read = |(_, entry): (String, Entry)| {
            let bytes = STANDARD.decode(entry.key?).ok()?;
            Some(PublicKey(bytes.try_into().ok()?))
        };
        Ok(self.all()?.into_iter().filter_map(read).collect())
    }

    /// A new box with a token that lets it in once. The token.
    ///
    /// # Errors
    /// When the name is taken or wrong, all numbers are given, or the file cannot be written.
    pub fn enrol(&self, name: &str) -> Result<[u8; TOKEN_LENGTH], BoxesError> {
        check_name(name)?;
        let all = self.all()?;
        if all.iter().any(|(taken, _)| taken == name) {
            return Err(BoxesError::Taken(name.to_owned()));
        }
        let entries: Vec<_> = all.into_iter().map(|(_, entry)| entry).collect();
        let number = free_number(&entries).ok_or(BoxesError::Full)?;
        let mut token = [0; TOKEN_LENGTH];
        SystemRandom::new().fill(&mut token).map_err(|_| BoxesError::Random)?;
        let until = since_1970() + TOKEN_LIFE.as_secs();
        let entry = Entry {
            number: number.get(),
            key: None,
            token_sha256: Some(hash(&token)),
            token_until: Some(until),
        };
        self.write(name, &entry)?;
        Ok(token)
    }

    /// Forgets a box.
    ///
    /// # Errors
    /// When there is none of that name, or the file cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), BoxesError> {
        check_name(name)?;
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(BoxesError::Unknown(name.to_owned()))
            }
            other => other.map_err(in_file(&path)),
        }
    }

    /// Who has proved to hold `key`: a box that is known, or one whose token is good. That token
    /// is used up then.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn admit(
        &self,
        key: PublicKey,
        token: Option<&[u8; TOKEN_LENGTH]>,
    ) -> Result<Option<(String, BoxNumber)>, BoxesError> {
        let key = STANDARD.encode(key.0);
        let all = self.all()?;
        let known = all.iter().find(|(_, entry)| entry.key.as_ref() == Some(&key));
        if let Some((name, entry)) = known {
            return Ok(BoxNumber::try_new(entry.number).map(|number| (name.clone(), number)));
        }
        let Some(shown) = token.map(|token| hash(token)) else { return Ok(None) };
        let now = since_1970();
        let opened = all.into_iter().find(|(_, entry)| token_opens(entry, &shown, now));
        let Some((name, entry)) = opened else { return Ok(None) };
        let known = Entry { key: Some(key), token_sha256: None, token_until: None, ..entry };
        self.write(&name, &known)?;
        Ok(BoxNumber::try_new(known.number).map(|number| (name, number)))
    }

    fn write(&self, name: &str, entry: &Entry) -> Result<(), BoxesError> {
        let text = toml::to_string(entry).expect("an entry is a table of plain values");
        Ok(replace(&self.path(name), text.as_bytes(), Readers::Nobody)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.toml"))
    }
}

fn hash(token: &[u8]) -> String {
    STANDARD.encode(digest(&SHA256, token))
}

fn since_1970() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn in_file(path: &Path) -> impl FnOnce(io::Error) -> BoxesError {
    let path = path.to_owned();
    move |source| BoxesError::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_comes_in_once_by_token_and_ever_after_by_key() {
        let state = tempfile::tempdir().unwrap();
        let boxes = Boxes::open(state.path()).unwrap();
        let token = boxes.enrol("cabin").unwrap();
        let (ours, other) = (PublicKey([1; 32]), PublicKey([2; 32]));
        assert_eq!(boxes.admit(ours, None).unwrap(), None);
        assert_eq!(boxes.admit(ours, Some(&[0; 16])).unwrap(), None);
        let number = BoxNumber::try_new(1).unwrap();
        let expected = Some(("cabin".to_owned(), number));
        assert_eq!(boxes.admit(ours, Some(&token)).unwrap(), expected);
        assert_eq!(boxes.admit(ours, None).unwrap(), expected);
        assert_eq!(boxes.admit(other, Some(&token)).unwrap(), None, "a token works once");
        boxes.remove("cabin").unwrap();
        assert_eq!(boxes.admit(ours, Some(&token)).unwrap(), None);
    }

    #[test]
    fn the_token_is_not_kept() {
        let state = tempfile::tempdir().unwrap();
        let boxes = Boxes::open(state.path()).unwrap();
        let token = boxes.enrol("cabin").unwrap();
        let text = fs::read_to_string(state.path().join("boxes/cabin.toml")).unwrap();
        assert!(!text.contains(&STANDARD.encode(token)), "{text}");
    }

    #[test]
    fn what_cannot_be_is_named() {
        let state = tempfile::tempdir().unwrap();
        let boxes = Boxes::open(state.path()).unwrap();
        boxes.enrol("cabin").unwrap();
        let message = |result: Result<_, BoxesError>| result.err().unwrap().to_string();
        assert!(message(boxes.enrol("cabin").map(drop)).contains("relay remove cabin"));
        assert!(message(boxes.remove("shed")).contains("relay list"));
        assert!(message(boxes.enrol("../x").map(drop)).contains("a-z"));
        fs::write(state.path().join("boxes/shed.toml"), "number = 2\nkye = \"\"\n").unwrap();
        let error = message(boxes.all().map(drop));
        assert!(error.contains("shed.toml:2: kye") && error.contains("key"), "{error}");
    }
}

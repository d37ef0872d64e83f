//! The tree as the rules see it: every file that is or could become part of the repository.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;

/// Names of folders that hold what tools made, at any depth.
const LEFT_OUT: [&str; 2] = [".git", "target"];

/// A file above this size is data, whatever its bytes are, and no rule reads it.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// One file of the tree.
#[derive(Clone, Debug)]
pub(super) struct TreeFile {
    /// Relative to the root, with `/` between the names.
    pub(super) path: String,
    /// Its text; `None` for large files, whatever is not UTF-8, and links that lead nowhere or
    /// out of the tree.
    pub(super) text: Option<String>,
    /// A symbolic link: its text is that of the file it leads to.
    pub(super) is_link: bool,
    /// Whether somebody may run it.
    pub(super) executable: bool,
}

impl TreeFile {
    /// The name after the last `/`.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether it lies below `folder`, given with its `/` at the end.
    pub(super) fn is_below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

#[cfg(test)]
impl TreeFile {
    /// A plain text, for showing a rule what it is about.
    pub(super) fn plain(path: &str, text: &str) -> Self {
        let (path, text) = (path.to_owned(), Some(text.to_owned()));
        Self { path, text, is_link: false, executable: false }
    }
}

/// Reads the whole tree in the order of its paths.
///
/// # Errors
/// A folder or file that cannot be read, by name.
pub(super) fn read(root: &Path) -> anyhow::Result<Vec<TreeFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
            let path = entry.path();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                    folders.push(path);
                }
            } else if let Some(file) = read_file(root, &path)? {
                files.push(file);
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// One file, or nothing when it vanished meanwhile (editors write and rename).
fn read_file(root: &Path, path: &Path) -> anyhow::Result<Option<TreeFile>> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(None);
    };
    let is_link = metadata.is_symlink();
    let readable = metadata.is_file() && metadata.len() <= TEXT_BYTES_MAX;
    let bytes = if readable || (is_link && leads_to_a_file_below(root, path)) {
        match fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
    } else {
        None
    };
    let relative = path.strip_prefix(root).unwrap_or(path);
    Ok(Some(TreeFile {
        path: relative.to_string_lossy().into_owned(),
        text: bytes.and_then(|bytes| String::from_utf8(bytes).ok()),
        is_link,
        executable: metadata.is_file() && metadata.permissions().mode() & 0o111 != 0,
    }))
}

/// Links of the image may point at the image's own `/`: those are never followed on this machine.
fn leads_to_a_file_below(root: &Path, link: &Path) -> bool {
    fs::read_link(link).is_ok_and(|target| target.is_relative())
        && fs::canonicalize(root)
            .and_then(|root| Ok(fs::canonicalize(link)?.starts_with(root)))
            .unwrap_or(false)
        && fs::metadata(link).is_ok_and(|file| file.is_file() && file.len() <= TEXT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_tools_made_is_left_out_and_the_rest_is_in_order() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["target", "a/target", "b"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for (path, bytes) in
            [("target/x", &b"x"[..]), ("a/target/y", b"y"), ("b/two", b"2"), ("a/one", &[0xff])]
        {
            fs::write(root.path().join(path), bytes).unwrap();
        }
        let files = super::read(root.path()).unwrap();
        let seen: Vec<_> =
            files.iter().map(|file| (file.path.as_str(), file.text.as_deref())).collect();
        assert_eq!(seen, [("a/one", None), ("b/two", Some("2"))]);
    }
    #[test]
    fn links_are_followed_inside_the_tree_and_never_out_of_it() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = outside.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        fs::write(root.path().join("file"), "text").unwrap();
        for (name, target) in
            [("in", "file".as_ref()), ("nowhere", "gone".as_ref()), ("out", &*secret)]
        {
            symlink(target, root.path().join(name)).unwrap();
        }
        let files = super::read(root.path()).unwrap();
        let seen: Vec<_> = files.iter().map(|f| (f.name(), f.text.as_deref(), f.is_link)).collect();
        assert_eq!(
            seen,
            [
                ("file", Some("text"), false),
                ("in", Some("text"), true),
                ("nowhere", None, true),
                ("out", None, true),
            ]
        );
    }
}

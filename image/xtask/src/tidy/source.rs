//! A Rust file taken apart as far as the rules need: code told from text and from tests, so that
//! a banned word inside a string is not a finding. No syntax tree: a mask over
//! the characters costs nothing to compile and reads a thousand files in a blink.
use super::code_alone::code_alone;

/// One line of a Rust file.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: usize,
    /// As written.
    pub(super) raw: String,
    /// The code alone: comments and what literals hold are blanks.
    pub(super) code: String,
    /// Whether only tests are built from it.
    pub(super) test: bool,
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// The line of the word `fn`.
    pub(super) first_line: usize,
    /// The line of the closing brace.
    pub(super) last_line: usize,
    /// Whether an attribute makes it a test.
    pub(super) is_test: bool,
}

/// How many lines above a function its `#[test]` may stand: other attributes lie between.
const ATTRIBUTE_LINES_MAX: usize = 8;

/// A Rust file.
#[derive(Clone, Debug)]
pub(super) struct RustFile {
    /// Relative to the root of the tree.
    pub(super) path: String,
    /// Every line of it.
    pub(super) lines: Vec<Line>,
}

impl RustFile {
    /// Takes the text apart.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code = code_alone(text);
        let whole = is_test_path(path);
        let lines = text
            .lines()
            .zip(code.split('\n'))
            .enumerate()
            .map(|(index, (raw, code))| Line {
                number: index + 1,
                raw: raw.to_owned(),
                code: code.to_owned(),
                test: whole,
            })
            .collect();
        let mut file = Self { path: path.to_owned(), lines };
        file.mark_tests();
        file
    }

    /// Lines that reach the shipped program.
    pub(super) fn shipped(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !line.test)
    }

    /// Modules in files of their own that only tests are built from: their paths without `.rs`.
    pub(super) fn test_modules(&self) -> Vec<String> {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let inside = match name {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        self.lines
            .iter()
            .filter(|line| line.test)
            .filter_map(|line| {
                let at = *words(&line.code, "mod").first()?;
                let name = line.code[at + 3..].trim().strip_suffix(';')?;
                Some(format!("{inside}/{}", name.trim()))
            })
            .collect()
    }

    /// Takes the whole file for tests, as a test module of its parent.
    pub(super) fn mark_all_tests(&mut self) {
        for line in &mut self.lines {
            line.test = true;
        }
    }

    /// Every function that has a body.
    pub(super) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for line in &self.lines {
            for at in words(&line.code, "fn") {
                let after = line.code[at + 2..].trim_start();
                let name: String = after.chars().take_while(|c| is_word(*c)).collect();
                if name.is_empty() {
                    continue;
                }
                if let Some(last_line) = self.block_end(line.number, at) {
                    let is_test = self.has_test_attribute(line.number);
                    functions.push(Function { name, first_line: line.number, last_line, is_test });
                }
            }
        }
        functions
    }

    /// Every path a `use` brings in, braces taken apart, with the line where the `use` starts.
    pub(super) fn imports(&self) -> Vec<(usize, String)> {
        let mut imports = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            let Some(&at) = words(&line.code, "use").first() else {
                continue;
            };
            let before = line.code[..at].trim();
            if !(before.is_empty() || before.starts_with("pub")) {
                continue;
            }
            let mut statement = line.code[at + 3..].to_owned();
            for next in &self.lines[index + 1..] {
                if statement.contains(';') {
                    break;
                }
                statement.push(' ');
                statement.push_str(&next.code);
            }
            let tree: String = statement.split(';').next().unwrap_or_default().to_owned();
            let mut paths = Vec::new();
            take_apart("", &tree, &mut paths);
            imports.extend(paths.into_iter().map(|path| (line.number, path)));
        }
        imports
    }

    fn has_test_attribute(&self, number: usize) -> bool {
        self.lines[..number - 1]
            .iter()
            .rev()
            .take(ATTRIBUTE_LINES_MAX)
            .take_while(|line| {
                let code = line.code.trim();
                code.is_empty() || code.starts_with('#')
            })
            .any(|line| line.code.contains("test]") || line.code.contains("test("))
    }

    /// Marks each item below `#[cfg(test)]`, up to its closing brace or its semicolon.
    fn mark_tests(&mut self) {
        let starts: Vec<_> = self
            .lines
            .iter()
            .filter_map(|line| {
                let at = line.code.find("#[cfg(test)]")?;
                Some((line.number, at + "#[cfg(test)]".len()))
            })
            .collect();
        for (first, column) in starts {
            let last = self.item_end(first, column);
            for line in &mut self.lines[first - 1..last] {
                line.test = true;
            }
        }
    }

    /// The line where the item that starts at `first`:`column` ends.
    fn item_end(&self, first: usize, column: usize) -> usize {
        self.scan(first, column).map_or(self.lines.len(), |(_, last)| last)
    }

    /// The last line of the block after `first`:`column`; nothing if a semicolon comes first.
    fn block_end(&self, first: usize, column: usize) -> Option<usize> {
        self.scan(first, column).and_then(|(has_block, last)| has_block.then_some(last))
    }

    fn scan(&self, first: usize, column: usize) -> Option<(bool, usize)> {
        let mut round = 0_usize;
        let mut braces = 0_usize;
        for line in &self.lines[first - 1..] {
            let skip = if line.number == first { column } else { 0 };
            for character in line.code[skip..].chars() {
                match character {
                    '(' | '[' => round += 1,
                    ')' | ']' => round = round.saturating_sub(1),
                    '{' => braces += 1,
                    '}' => {
                        braces = braces.saturating_sub(1);
                        if braces == 0 {
                            return Some((true, line.number));
                        }
                    }
                    ';' if round == 0 && braces == 0 => return Some((false, line.number)),
                    _ => {}
                }
            }
        }
        None
    }
}

/// Where `pattern` stands in `code` as a whole word or path, not as a part of a longer name.
pub(super) fn words(code: &str, pattern: &str) -> Vec<usize> {
    let ends_in_word = pattern.chars().next_back().is_some_and(is_word);
    let starts_in_word = pattern.chars().next().is_some_and(is_word);
    code.match_indices(pattern)
        .filter(|(at, _)| {
            let before = code[..*at].chars().next_back();
            let after = code[at + pattern.len()..].chars().next();
            let grows_left = starts_in_word && before.is_some_and(is_word);
            let grows_right = ends_in_word && after.is_some_and(is_word);
            !grows_left && !grows_right
        })
        .map(|(at, _)| at)
        .collect()
}

/// Whether a file is built for tests only, by where it lies.
pub(super) fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "benches" || part == "tests.rs")
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// `std::{fs, net::{self, IpAddr}}` → `std::fs`, `std::net`, `std::net::IpAddr`.
fn take_apart(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    for branch in branches(tree) {
        let branch = branch.trim();
        if let Some(open) = branch.find('{') {
            let inner = branch[open + 1..].trim_end().trim_end_matches('}');
            // Exactly one brace closes this one: give the inner ones back.
            let missing = inner.matches('{').count().saturating_sub(inner.matches('}').count());
            let inner = format!("{inner}{}", "}".repeat(missing));
            take_apart(&format!("{prefix}{}", branch[..open].trim()), &inner, paths);
        } else if !branch.is_empty() {
            let name = branch.split(" as ").next().unwrap_or(branch).trim();
            let path = format!("{prefix}{name}");
            paths.push(path.strip_suffix("::self").unwrap_or(&path).to_owned());
        }
    }
}

/// Splits at the commas outside braces.
fn branches(tree: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, character) in tree.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::{RustFile, words};

    fn test_lines(text: &str) -> Vec<usize> {
        let file = RustFile::new("services/a/src/b.rs", text);
        file.lines.iter().filter(|line| line.test).map(|line| line.number).collect()
    }

    #[test]
    fn a_test_module_reaches_to_its_closing_brace() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n";
        assert_eq!(test_lines(text), [2, 3, 4, 5]);
    }

    #[test]
    fn a_test_module_of_its_own_file_is_one_line() {
        assert_eq!(test_lines("#[cfg(test)]\nmod tests;\nfn c() {}\n"), [1, 2]);
    }

    #[test]
    fn a_test_module_is_looked_for_where_rust_looks_for_it() {
        let text = "#[cfg(test)]\nmod server;\nmod shipped;\n#[cfg(test)]\npub(super) mod dish;\n";
        for (path, expected) in [
            ("a/src/lib.rs", ["a/src/server", "a/src/dish"]),
            ("a/src/net/mod.rs", ["a/src/net/server", "a/src/net/dish"]),
            ("a/src/net.rs", ["a/src/net/server", "a/src/net/dish"]),
        ] {
            assert_eq!(RustFile::new(path, text).test_modules(), expected);
        }
    }

    #[test]
    fn files_in_tests_are_tests_throughout() {
        let file = RustFile::new("services/a/tests/b.rs", "fn c() {}\n");
        assert!(file.lines.iter().all(|line| line.test));
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let text = "trait T { fn no_body(&self, a: [u8; 2]); }\n#[test]\n#[ignore]\nfn a() {\n \
                    let s = \"}\";\n}\nimpl X {\n fn b(&self) -> u8 { 1 }\n}\n";
        let file = RustFile::new("a.rs", text);
        let seen: Vec<_> = file
            .functions()
            .into_iter()
            .map(|f| (f.name, f.first_line, f.last_line, f.is_test))
            .collect();
        assert_eq!(seen, [("a".to_owned(), 4, 6, true), ("b".to_owned(), 8, 8, false)]);
    }

    #[test]
    fn imports_are_taken_apart() {
        let text = "pub(crate) use std::{\n    fs,\n    net::{self, IpAddr as Address},\n};\n\
                    use tokio::time;\n";
        let file = RustFile::new("a.rs", text);
        let expected =
            [(1, "std::fs"), (1, "std::net"), (1, "std::net::IpAddr"), (5, "tokio::time")];
        let expected = expected.map(|(line, path)| (line, path.to_owned()));
        assert_eq!(file.imports(), expected);
    }

    #[test]
    fn a_word_is_not_a_part_of_another() {
        assert_eq!(words("unsafe_code unsafe", "unsafe"), [12]);
        assert_eq!(words("x.unwrap() y.unwrap_or()", ".unwrap()"), [1]);
        assert!(words("std::fsync", "std::fs").is_empty());
    }
}

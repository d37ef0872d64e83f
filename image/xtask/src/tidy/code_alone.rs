//! A copy of a Rust text that keeps only the code.
use std::iter::Peekable;
use std::str::Chars;

/// The text without comments and without what string and character literals hold. Each character
/// left out becomes a blank, so lines stay where they were.
pub(super) fn code_alone(text: &str) -> String {
    let mut reader = Reader { rest: text.chars().peekable(), code: String::new(), in_word: false };
    while reader.step() {}
    reader.code
}

enum Kind {
    Code,
    /// A comment, or the inside of a literal.
    Other,
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    code: String,
    /// Whether the last character belonged to a name: then `r"` does not open a literal.
    in_word: bool,
}

impl Reader<'_> {
    fn step(&mut self) -> bool {
        let Some(&next) = self.rest.peek() else {
            return false;
        };
        match next {
            '/' => match self.second() {
                Some('/') => self.take_while(&Kind::Other, |c| c != '\n'),
                Some('*') => self.block_comment(),
                _ => self.take(&Kind::Code),
            },
            '"' => self.string(),
            'r' | 'b' | 'c' if !self.in_word => self.maybe_prefixed(),
            '\'' => self.maybe_character(),
            _ => self.take(&Kind::Code),
        }
        true
    }

    fn second(&self) -> Option<char> {
        self.rest.clone().nth(1)
    }

    fn take(&mut self, kind: &Kind) {
        let Some(character) = self.rest.next() else {
            return;
        };
        self.in_word =
            matches!(kind, Kind::Code) && (character.is_alphanumeric() || character == '_');
        let kept = matches!(kind, Kind::Code) || character == '\n';
        self.code.push(if kept { character } else { ' ' });
    }

    fn take_many(&mut self, count: usize, kind: &Kind) {
        for _ in 0..count {
            self.take(kind);
        }
    }

    fn take_while(&mut self, kind: &Kind, keep: impl Fn(char) -> bool) {
        while self.rest.peek().is_some_and(|c| keep(*c)) {
            self.take(kind);
        }
    }

    /// Rust's block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(&next) = self.rest.peek() {
            match (next, self.second()) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    self.take(&Kind::Other);
                    continue;
                }
            }
            self.take_many(2, &Kind::Other);
            if depth == 0 {
                return;
            }
        }
    }

    /// The quotes stay in the code; what they hold does not.
    fn string(&mut self) {
        self.take(&Kind::Code);
        while let Some(&next) = self.rest.peek() {
            match next {
                '\\' => self.take_many(2, &Kind::Other),
                '"' => return self.take(&Kind::Code),
                _ => self.take(&Kind::Other),
            }
        }
    }

    /// `r"…"`, `br#"…"#`, `c"…"`, `b'…'`, or only a name that starts so.
    fn maybe_prefixed(&mut self) {
        let mut ahead = self.rest.clone();
        let mut prefix = 0_usize;
        let mut raw = false;
        while let Some(&letter) = ahead.peek().filter(|c| matches!(c, 'r' | 'b' | 'c')) {
            raw |= letter == 'r';
            prefix += 1;
            ahead.next();
        }
        let mut hashes = 0_usize;
        while ahead.next_if_eq(&'#').is_some() {
            hashes += 1;
        }
        match ahead.peek() {
            Some('"') if prefix <= 2 && raw => {
                self.take_many(prefix + hashes + 1, &Kind::Code);
                self.raw_string(hashes);
            }
            Some('"') if prefix == 1 && hashes == 0 => {
                self.take(&Kind::Code);
                self.string();
            }
            Some('\'') if prefix == 1 && hashes == 0 => {
                self.take(&Kind::Code);
                self.maybe_character();
            }
            _ => self.take(&Kind::Code),
        }
    }

    fn raw_string(&mut self, hashes: usize) {
        while let Some(&next) = self.rest.peek() {
            let mut after = self.rest.clone().skip(1);
            if next == '"' && (0..hashes).all(|_| after.next() == Some('#')) {
                return self.take_many(1 + hashes, &Kind::Code);
            }
            self.take(&Kind::Other);
        }
    }

    /// `'x'` and `'\n'` are characters; `'a` in `&'a str` is a lifetime.
    fn maybe_character(&mut self) {
        let mut ahead = self.rest.clone().skip(1);
        match (ahead.next(), ahead.next()) {
            (Some('\\'), _) => {
                self.take(&Kind::Code);
                self.take_many(2, &Kind::Other);
                self.take_while(&Kind::Other, |c| c != '\'');
                self.take(&Kind::Code);
            }
            (Some(_), Some('\'')) => {
                self.take(&Kind::Code);
                self.take(&Kind::Other);
                self.take(&Kind::Code);
            }
            _ => self.take(&Kind::Code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::code_alone as code;

    #[test]
    fn comments_leave_the_code() {
        assert_eq!(code("a // b\nc /* d /* e */ f */ g"), "a     \nc                   g");
    }

    #[test]
    fn strings_keep_their_quotes_and_lose_what_they_hold() {
        assert_eq!(code(r#"f("a\"b", c)"#), r#"f("    ", c)"#);
        assert_eq!(code("f(\"// no\") // yes"), "f(\"     \")       ");
        assert_eq!(code("r#\"a\"b\"# c"), "r#\"   \"# c");
        assert_eq!(code("b\"ab\" br\"\\\" x"), "b\"  \" br\" \" x");
    }

    #[test]
    fn a_name_that_ends_like_a_prefix_opens_no_literal() {
        assert_eq!(code("bar(\"x\") cr(y)"), "bar(\" \") cr(y)");
    }

    #[test]
    fn lifetimes_are_no_characters() {
        assert_eq!(code("&'a str, 'x', '\\'', '{'"), "&'a str, ' ', '  ', ' '");
    }

    #[test]
    fn lines_stay_where_they_were() {
        let text = "\"a\nb\"\n/* c\nd */ e\n";
        assert_eq!(code(text).lines().count(), text.lines().count());
        assert_eq!(code(text).lines().nth(3), Some("     e"));
    }
}

//! What a rule has to say, and where.
use std::fmt;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// A wall is broken: `tidy` fails.
    Wall,
    /// Worth a question in review: printed, and nothing fails.
    Question,
}

/// One place that breaks one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Relative to the root of the tree, with `/` between the names.
    pub(crate) path: String,
    /// Counted from 1; 0 where the finding is about the whole file.
    pub(crate) line: usize,
    /// The rule's name, one of [`super::RULES`].
    pub(crate) rule: &'static str,
    /// Whether it fails the check.
    pub(crate) weight: Weight,
    /// What is wrong and what to do about it, in one line.
    pub(crate) what: String,
}

impl Finding {
    /// A broken wall at one line of one file.
    pub(super) fn wall(
        path: impl Into<String>,
        line: usize,
        rule: &'static str,
        what: impl Into<String>,
    ) -> Self {
        Self { path: path.into(), line, rule, weight: Weight::Wall, what: what.into() }
    }

    /// The same as something to ask about.
    pub(super) fn question(
        path: impl Into<String>,
        line: usize,
        rule: &'static str,
        what: impl Into<String>,
    ) -> Self {
        Self { weight: Weight::Question, ..Self::wall(path, line, rule, what) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, what, .. } = self;
        if *line == 0 {
            write!(f, "{path}: {rule}: {what}")
        } else {
            write!(f, "{path}:{line}: {rule}: {what}")
        }
    }
}

/// Everything found in one run, in the order of path and line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    /// Sorts what the rules brought.
    pub(super) fn new(mut list: Vec<Finding>) -> Self {
        list.sort_by(|one, other| (&one.path, one.line).cmp(&(&other.path, other.line)));
        Self(list)
    }

    /// Those that fail the check.
    pub(crate) fn walls(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|finding| finding.weight == Weight::Wall)
    }

    /// Those that only ask.
    pub(crate) fn questions(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|finding| finding.weight == Weight::Question)
    }

    /// Whether every wall stands.
    pub(crate) fn walls_stand(&self) -> bool {
        self.walls().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::{Finding, Findings};

    #[test]
    fn a_finding_reads_as_path_line_rule_and_what() {
        let finding = Finding::wall("a/b.rs", 3, "length", "too long, split it");
        assert_eq!(finding.to_string(), "a/b.rs:3: length: too long, split it");
        let whole = Finding::wall("a/b.rs", 0, "length", "too long, split it");
        assert_eq!(whole.to_string(), "a/b.rs: length: too long, split it");
    }

    #[test]
    fn a_question_leaves_the_walls_standing() {
        let findings = Findings::new(vec![Finding::question("b", 1, "length", "why")]);
        assert!(findings.walls_stand());
        assert_eq!(findings.questions().count(), 1);
        let findings = Findings::new(vec![Finding::wall("b", 1, "length", "no")]);
        assert!(!findings.walls_stand());
    }

    #[test]
    fn findings_come_in_the_order_of_path_and_line() {
        let list = [("b", 1), ("a", 9), ("a", 2)];
        let list = list.map(|(path, line)| Finding::wall(path, line, "length", "no"));
        let findings = Findings::new(list.to_vec());
        let order: Vec<_> = findings.walls().map(|f| (f.path.as_str(), f.line)).collect();
        assert_eq!(order, [("a", 2), ("a", 9), ("b", 1)]);
    }
}

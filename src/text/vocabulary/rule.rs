//! Why a value has its entry, and which that is.

/// Why a value has its entry, or has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Spelled as an entry.
    Exact,
    /// The canonical text of an entry: another case, white space, width or separator.
    Case,
    /// The text of an entry without accents and separators.
    Accent,
    /// Equal to a synonym, by the rules above.
    Synonym,
    /// The most similar entry.
    Typo,
    /// Two entries are equally good, or nearly so.
    Ambiguous,
    /// No entry is similar enough.
    None,
    /// No text: nothing but white space, separators and invisible characters.
    Empty,
}

impl Rule {
    /// The name of the rule, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Exact => "exact",
            Rule::Case => "case",
            Rule::Accent => "accent",
            Rule::Synonym => "synonym",
            Rule::Typo => "typo",
            Rule::Ambiguous => "ambiguous",
            Rule::None => "none",
            Rule::Empty => "empty",
        }
    }
}

/// What a vocabulary says about one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Index of the entry that the value stands for.
    pub entry: Option<usize>,
    /// Similarity to the nearest spelling (of the entry or a synonym of it), also of an ambiguous
    /// match.
    pub similarity: Option<f64>,
    /// Why.
    pub rule: Rule,
    /// Index of the second-best entry: of an ambiguous match always, of a typo where one is within
    /// 0.05 of the least similarity accepted, or better.
    pub runner_up: Option<usize>,
}

impl Match {
    pub(super) fn without_entry(rule: Rule) -> Self {
        Self { entry: None, similarity: None, rule, runner_up: None }
    }
}
